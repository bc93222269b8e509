"""The recipe of the source text: all terms of a type, and step by step fewer of them.

It leaves far more operations than the minimal set, as it knows compositions by a pointwise product
only; it is kept for comparison.
"""

from itertools import combinations, permutations
from math import factorial
from string import ascii_lowercase

import numpy as np

from einnet.errors import EinNetError
from einnet.patterns import Slots, cycle_types, first_occurrence
from einnet.symmetry import Symmetry
from einnet.terms.structures import Structure
from einnet.terms.term import Term

__all__ = ["count_terms", "recipe", "unique_terms"]

MOST = 100_000  # terms that are gone through one by one

Tuples = list[tuple[int, ...]]  # the output's indices, then those of each operand


def count_terms(symmetry: Symmetry, order: int) -> int:
    """The number of valid terms, unique up to renaming indices and reordering operands; none is made.

    >>> [count_terms(Symmetry("aa"), k) for k in (1, 2, 3, 4, 5)]
    [15, 117, 877, 6719, 52505]

    The mean, over the reorderings of the operands, of the number of terms that a reordering keeps.
    """
    total = 0
    for lengths, times in cycle_types(order):
        slots = Slots.of([symmetry] * (1 + len(lengths)))
        total += times * slots.count(None, [n for n in (1, *lengths) for _ in symmetry.axes])
    return total // factorial(order)


def unique_terms(symmetry: Symmetry, order: int) -> np.ndarray:
    """The terms as rows of index numbers, output first: of each set the lexicographically smallest row."""
    if (number := count_terms(symmetry, order)) > MOST:
        raise EinNetError(
            f"'{symmetry}' has {number:,} terms of order {order}, more than the {MOST:,} that are gone through: "
            "lower the order, or use method='minimal'"
        )
    rank = len(symmetry.axes)
    rows = Slots.of([symmetry] * (order + 1)).patterns()
    swaps_first = sorted(permutations(range(order)), key=lambda p: sum(k != m for k, m in enumerate(p)))
    for moved in swaps_first[1:]:  # all but the identity; the swaps leave few rows for the others
        columns = [rank * k + i for k in (0, *(1 + m for m in moved)) for i in range(rank)]
        rows = rows[_not_larger(rows, first_occurrence(rows[:, columns]))]
    return rows


def _not_larger(rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Whether each row comes lexicographically before the other or is equal."""
    differ = rows != others
    first = differ.argmax(1)
    at = np.arange(len(rows))
    return ~differ.any(1) | (rows[at, first] < others[at, first])


def recipe(symmetry: Symmetry, order: int) -> tuple[tuple[Term, ...], tuple[int, ...]]:
    """The terms of one order that the recipe keeps, and how many there are after each step.

    >>> terms, stages = recipe(Symmetry("ab"), 3)
    >>> [str(t) for t in terms], stages
    (['ab,cd,cb->ad'], (65, 65, 17, 17, 1))

    (1) All terms, dependencies left aside; (2) those that respect them; (3) without those of order 2 or
    more that are a pointwise product of two of lower order, but with the product itself; (4) one of
    those that differ by swaps of joint axes; (5) without those of order 2 or more whose output has an
    index that no operand has.
    """
    rank = len(symmetry.axes)
    rows = unique_terms(symmetry, order)
    stages = [count_terms(Symmetry.of(symmetry.axes, features=False), order), len(rows)]
    terms = [[tuple(row[rank * k : rank * (k + 1)]) for k in range(order + 1)] for row in rows.tolist()]
    product = [tuple(range(rank))] * (order + 1)
    if order > 1:
        terms = [t for t in terms if not _is_pointwise(t) or (order == 2 and t == product)]
    stages.append(len(terms))
    terms = list({_without_swaps(t, symmetry): t for t in reversed(terms)}.values())[::-1]
    stages.append(len(terms))
    if order > 1:
        terms = [t for t in terms if set(t[0]) <= {i for operand in t[1:] for i in operand}]
    stages.append(len(terms))
    return tuple(map(_as_term, terms)), tuple(stages)


def _is_pointwise(term: Tuples) -> bool:
    """Whether the operands fall into two groups that share indices of the output only."""
    output, *operands = map(set, term)
    everything = range(len(operands))
    for size in range(1, len(operands) // 2 + 1):
        for part in combinations(everything, size):
            one = set().union(*(operands[k] for k in part))
            two = set().union(*(operands[k] for k in everything if k not in part))
            if one & two <= output:
                return True
    return False


def _without_swaps(term: Tuples, symmetry: Symmetry) -> Structure:
    """The term as a structure in which the order of joint axes is forgotten and the output is marked."""
    classes: dict[int, str] = {}
    parents: dict[int, int | None] = {}
    for tup in term:
        for index, letter in zip(tup, symmetry.axes, strict=True):
            above = symmetry.parent_of(letter)
            classes[index] = letter
            parents[index] = tup[symmetry.axes.index(above)] if above else None
    indices = sorted(classes)
    edges = ((*term[0], len(indices)), *term[1:])
    return Structure(
        (*(classes[i] for i in indices), "output"), (*(parents[i] for i in indices), None), edges
    ).canonical()


def _as_term(term: Tuples) -> Term:
    """With letters in the order in which the operands have them."""
    names: dict[int, str] = {}
    for index in (i for tup in (*term[1:], term[0]) for i in tup):
        names.setdefault(index, ascii_lowercase[len(names)])
    return Term.of([[names[i] for i in tup] for tup in term[1:]], [names[i] for i in term[0]])
