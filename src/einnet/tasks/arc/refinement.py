"""The symmetries that are tried, and colour refinement, which decides whether the demonstrations obey one.

A symmetry is described by what its permutations keep. *Relations*: cells in one row, next to each other, in one
object; a permutation takes related cells to related cells. *Marks*: what sets a cell apart from the start, such as
its place on the border. *Fixed* colours stay what they are, the others may change places. With no relation, no mark
and no fixed colour, all permutations of cells and of colours are allowed: the answer of a cell then depends only on
which of its features agree. With "row" and "column" the permutations are those of rows and of columns, type `abc`.

Colour refinement gives a label to each entry, round by round: entries that look alike get the same label; then labels
are split by the labels of related entries, as by the poolings of a network's layers. If entries of one label have
different answers in the demonstrations, no network of that type can learn them (Weisfeiler and Leman 1968; Morris et
al., *Weisfeiler and Leman Go Neural*, 2019).
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from einnet.tasks.arc.grids import COLOURS
from einnet.tasks.arc.lattice import OFFSETS, Lattice

__all__ = ["Family", "Rounds", "init_labels", "list_families", "look_up", "refine", "update_labels"]

PLACES = {
    "border": "the border", "ring": "the distance from the border", "sides": "the four sides", "checkers": "checkers",
    "even": "odd and even rows and columns", "even rows": "odd and even rows", "even columns": "odd and even columns",
    "thirds": "rows and columns modulo 3", "diagonals": "the two diagonals", "diagonal by 3": "diagonals modulo 3",
    "middle": "the middle", "row place": "each row", "column place": "each column",
    "row from below": "each row, from below", "column from the right": "each column, from the right",
}  # fmt: skip
INVARIANTS = {  # what permutations keep, by relation or mark
    "row": "rows", "column": "columns", "diagonal": "falling diagonals", "antidiagonal": "rising diagonals",
    "four": "neighbours", "eight": "neighbours, diagonal ones too", "left": "what is on the left",
    "right": "what is on the right", "up": "what is above", "down": "what is below",
    "object": "connected cells of one colour", "object8": "diagonally connected cells of one colour",
    "thing": "connected cells", "block": "blocks", "place": "places in blocks",
    **PLACES,
}  # fmt: skip
OBJECT_PROPERTIES = {
    "rank": "which is the largest", "size": "how many cells it has", "border": "whether it touches the border",
    "filled": "whether it fills its box", "holes": "how many holes it has", "symmetric": "how it is symmetric",
    "twin": "how many have its shape", "box": "the size of its box", "shape": "its shape",
}  # fmt: skip
RELATIONS = [
    (), ("row",), ("column",), ("row", "column"), ("all",), ("row", "column", "all"), ("four",), ("eight",),
    ("object",), ("object8",), ("thing",), ("object", "four"), ("left",), ("right",), ("up",), ("down",),
    ("left", "right"), ("up", "down"), ("left", "right", "up", "down"), ("row", "column", "four"),
    ("diagonal", "antidiagonal"), ("row", "column", "diagonal", "antidiagonal"), ("all", "four"), ("all", "object"),
    ("four", "eight"), ("object", "row", "column"), ("thing", "all"),
]  # fmt: skip
IN_BLOCKS = [("block",), ("block", "place"), ("place",)]
WITH_MARKS = [(), ("row", "column"), ("all",), ("four",), ("object",)]
OBJECTS = {
    f"{kind} {what}": f"{INVARIANTS[kind]} ({text})"
    for kind in ("object", "object8", "thing")
    for what, text in OBJECT_PROPERTIES.items()
}
INVARIANTS |= OBJECTS
ONE_WAY = {"left", "right", "up", "down"}
WEIGHTS = np.random.default_rng(0).integers(1, 2**37, 1 << 17).astype(np.float64)  # of labels, to hash their sets
UNKNOWN = -1

Rounds = tuple[np.ndarray, ...]  # the labels of the entries at first and after each round


@dataclass(frozen=True)
class Family:
    """A symmetry: which entries are related, and which are set apart from the start, as in `Lattice`."""

    relations: tuple[str, ...] = ()
    marks: str = ""
    fixed: frozenset[int] = frozenset()  # colours that do not change places with others
    counted: bool = False  # whether a label depends on the multiset of the related labels, or only on their set

    def describe(self, colours: Collection[int]) -> str:
        """What the answer commutes with, for a task with these colours.

        >>> Family(("row", "column")).describe({0, 1, 2})
        'any permutation of rows, of columns and of colours'
        >>> Family(("four",), "border", frozenset({0})).describe({0, 1, 2})
        'any permutation of cells that keeps neighbours and the border, and of colours but black'
        """
        invariants = [INVARIANTS[name] for name in (*self.relations, self.marks) if name in INVARIANTS]
        axes = ["rows", "columns"] if invariants == ["rows", "columns"] else ["cells"]
        if axes == ["cells"] and invariants:
            axes = [f"cells that keeps {_enumerate(invariants)}"]
        if not set(colours) <= self.fixed:
            exceptions = _enumerate([COLOURS[c] for c in sorted(self.fixed & set(colours))])
            ranked = " of equal rank" * (self.marks == "ranked")
            axes.append("colours" + f" but {exceptions}" * bool(exceptions) + ranked)
        text = "any permutation of " + _enumerate(axes, "of ")
        return text.replace(" and of colours", ", and of colours") if invariants and axes[0] != "rows" else text


def _enumerate(words: Sequence[str], prefix: str = "") -> str:
    """A list of words as text, with a prefix before each word but the first.

    >>> _enumerate(["rows", "columns", "colours"], "of ")
    'rows, of columns and of colours'
    """
    *front, last = [words[0], *(prefix + w for w in words[1:])] if words else [""]
    return f"{', '.join(front)} and {last}" if front else last


def list_families(fixed_sets: Sequence[frozenset[int]], has_blocks: bool) -> Iterator[tuple[Family, int]]:
    """Each family, the simplest first, with its largest number of rounds; `fixed_sets` have the colours to fix."""
    for fixed in fixed_sets:
        for relations in [*RELATIONS, *IN_BLOCKS * has_blocks]:
            for counted in (False, True) if set(relations) - ONE_WAY else (False,):
                yield Family(relations, "", fixed, counted), 8 if {"four", "eight"} & set(relations) else 4
        for marks in ("ranked", *PLACES, *OBJECTS, *["block", "place"] * has_blocks):
            for relations in WITH_MARKS:
                yield Family(relations, marks, fixed), 3


def refine(lattice: Lattice, family: Family, answers: np.ndarray, known: np.ndarray, max_rounds: int) -> Rounds | None:
    """Labels round by round until entries of one label have one answer.

    None if they still differ after `max_rounds` or when a round splits no label. `answers` are booleans, for the
    `known` entries.
    """
    labels = [init_labels(lattice, family)]
    while np.minimum(*_count_answers(labels[-1], known & answers, known & ~answers)).any():
        labels.append(update_labels(lattice, family, labels[-1]))
        if len(labels) > max_rounds + 1 or labels[-1].max() == labels[-2].max():
            return None
    return tuple(labels)


def init_labels(lattice: Lattice, family: Family) -> np.ndarray:
    """Labels by features, fixed colours and marks."""
    bits = lattice.one_hot @ (1 << np.arange(lattice.one_hot.shape[1]))
    identity = np.array([c + 1 if c in family.fixed else 0 for c in lattice.colours])[lattice.colour]
    return _number_rows(bits, identity, lattice.marks(family.marks))


def update_labels(lattice: Lattice, family: Family, labels: np.ndarray) -> np.ndarray:
    """One round: each label is split by the labels of the related entries."""
    columns = [labels, _pool_groups(lattice.groups("cell"), labels, counted=True)]
    for relation in family.relations:
        if relation in OFFSETS:
            columns.append(_pool_neighbours(lattice.neighbours(relation), labels, family.counted))
        else:
            columns.append(_pool_groups(lattice.groups(relation), labels, family.counted))
    return _number_rows(*columns)


def look_up(rounds: Rounds, answers: np.ndarray, learn: np.ndarray) -> np.ndarray:
    """The answer of each entry by its label: 1 or 0, or -1 if it is unknown.

    It is the answer of the entries in `learn` with the same label, in the first round in which these agree.
    """
    result = np.full(len(answers), UNKNOWN)
    for labels in rounds:
        yes, no = _count_answers(labels, learn & answers, learn & ~answers)
        votes = np.where((yes > 0) & (no == 0), 1, np.where((no > 0) & (yes == 0), 0, UNKNOWN))[labels]
        result = np.where(result == UNKNOWN, votes, result)
    return result


def _count_answers(labels: np.ndarray, yes: np.ndarray, no: np.ndarray) -> list[np.ndarray]:
    """How many entries of each label are in `yes`, and in `no`."""
    number = int(labels.max()) + 1
    return [np.bincount(labels[mask], minlength=number) for mask in (yes, no)]


def _number_rows(*columns: np.ndarray) -> np.ndarray:
    """A number from 0 for each row, the same for equal rows (by a hash of 64 bits)."""
    key = np.zeros(len(columns[0]), np.uint64)
    for column in columns:
        key = (key ^ column.astype(np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
        key ^= key >> np.uint64(29)
    return np.unique(key, return_inverse=True)[1]


def _pool_groups(groups: np.ndarray, labels: np.ndarray, counted: bool) -> np.ndarray:
    """A hash of the multiset, or of the set, of the labels in each entry's group."""
    if counted:
        sums = np.bincount(groups, WEIGHTS[labels % len(WEIGHTS)])
    else:
        number = int(labels.max()) + 1
        pairs = np.unique(groups * number + labels)
        sums = np.bincount(pairs // number, WEIGHTS[pairs % number % len(WEIGHTS)])
    return sums[groups]


def _pool_neighbours(neighbours: np.ndarray, labels: np.ndarray, counted: bool) -> np.ndarray:
    """A hash of the multiset, or of the set, of the labels of each entry's neighbours."""
    values = np.where(neighbours < 0, 0, labels[neighbours] + 1)
    if counted or len(values) == 1:
        return WEIGHTS[values % len(WEIGHTS)].sum(0)
    values.sort(0)
    new = np.vstack([np.ones_like(values[:1], bool), values[1:] != values[:-1]])
    return (WEIGHTS[values % len(WEIGHTS)] * new).sum(0)
