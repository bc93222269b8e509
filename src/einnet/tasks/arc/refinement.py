"""Colour refinement: which entries no network of a type could tell apart, and what follows for the answer.

Entries that look alike get the same label; then, round by round, labels are told apart by those of
related entries, as by the poolings of a network's layers. Where entries of one label have different
answers in the demonstrations, no network of that type can learn them
(Weisfeiler and Leman 1968; Morris et al., *Weisfeiler and Leman Go Neural*, 2019).
"""

import numpy as np

from einnet.tasks.arc.families import Family
from einnet.tasks.arc.lattice import OFFSETS, Lattice

__all__ = ["Rounds", "looked_up", "refined"]

WEIGHTS = np.random.default_rng(0).integers(1, 2**37, 1 << 17).astype(np.float64)
UNKNOWN = -1

Rounds = tuple[np.ndarray, ...]  # the labels of the entries at first and after each round


def numbered(*columns: np.ndarray) -> np.ndarray:
    """The same number, from 0, where all columns are the same (by a hash of 64 bits)."""
    key = np.zeros(len(columns[0]), np.uint64)
    for column in columns:
        key = (key ^ column.astype(np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
        key ^= key >> np.uint64(29)
    return np.unique(key, return_inverse=True)[1]


def first_labels(lattice: Lattice, family: Family) -> np.ndarray:
    bits = lattice.has @ (1 << np.arange(lattice.has.shape[1]))
    identity = np.array([c + 1 if c in family.fixed else 0 for c in lattice.colours])[lattice.colour]
    return numbered(bits, identity, lattice.marks(family.marks))


def next_labels(lattice: Lattice, family: Family, labels: np.ndarray) -> np.ndarray:
    """One round: each label joined by those of the entries related to it."""
    columns = [labels, _pooled(lattice.groups("cell"), labels, counted=True)]
    for relation in family.relations:
        if relation in OFFSETS:
            columns.append(_around(lattice.neighbours(relation), labels, family.counted))
        else:
            columns.append(_pooled(lattice.groups(relation), labels, family.counted))
    return numbered(*columns)


def _pooled(groups: np.ndarray, labels: np.ndarray, counted: bool) -> np.ndarray:
    """A number of the multiset, or of the set, of the labels of each entry's group."""
    if counted:
        sums = np.bincount(groups, WEIGHTS[labels % len(WEIGHTS)])
    else:
        number = int(labels.max()) + 1
        pairs = np.unique(groups * number + labels)
        sums = np.bincount(pairs // number, WEIGHTS[pairs % number % len(WEIGHTS)])
    return sums[groups]


def _around(neighbours: np.ndarray, labels: np.ndarray, counted: bool) -> np.ndarray:
    seen = np.where(neighbours < 0, 0, labels[neighbours] + 1)
    if counted or len(seen) == 1:
        return WEIGHTS[seen % len(WEIGHTS)].sum(0)
    seen.sort(0)
    new = np.vstack([np.ones_like(seen[:1], bool), seen[1:] != seen[:-1]])
    return (WEIGHTS[seen % len(WEIGHTS)] * new).sum(0)


def refined(lattice: Lattice, family: Family, answers: np.ndarray, known: np.ndarray, most: int) -> Rounds | None:
    """Labels round by round until entries of one label have one answer; None if that never comes, or not in `most`
    rounds.

    `answers` are booleans for the `known` entries.
    """
    labels = [first_labels(lattice, family)]
    while not consistent(labels[-1][known], answers[known]):
        labels.append(next_labels(lattice, family, labels[-1]))
        if len(labels) > most + 1 or labels[-1].max() == labels[-2].max():
            return None
    return tuple(labels)


def consistent(labels: np.ndarray, answers: np.ndarray) -> bool:
    """Whether entries of one label have one answer."""
    number = int(labels.max()) + 1
    yes = np.bincount(labels[answers], minlength=number)
    no = np.bincount(labels[~answers], minlength=number)
    return not np.minimum(yes, no).any()


def looked_up(rounds: Rounds, answers: np.ndarray, learn: np.ndarray) -> np.ndarray:
    """For each entry 1 or 0 as the entries to learn from that have its label, in the first round in which
    those all agree; -1 if there is none."""
    found = np.full(len(answers), UNKNOWN)
    for labels in rounds:
        number = int(labels.max()) + 1
        yes = np.bincount(labels[learn & answers], minlength=number)
        no = np.bincount(labels[learn & ~answers], minlength=number)
        said = np.where((yes > 0) & (no == 0), 1, np.where((no > 0) & (yes == 0), 0, UNKNOWN))[labels]
        found = np.where(found == UNKNOWN, said, found)
    return found
