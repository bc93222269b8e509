"""The recipe of the source text: all terms of a type, and step by step fewer of them.

It leaves far more operations than the minimal set, as it knows compositions by a pointwise product
only; it is kept for comparison.
"""

from itertools import combinations

import numpy as np

from einnet.limits import check_limit, limits
from einnet.operations.hypergraph import Hypergraph
from einnet.symmetry import Symmetry
from einnet.terms.enumeration import count_terms, unique_rows
from einnet.terms.naming import with_letters
from einnet.terms.term import Term

__all__ = ["recipe"]

Tuples = list[tuple[int, ...]]  # the output's indices, then those of each operand


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
    if order <= limits().listed_order:
        what = f"'{symmetry}' has {{}} terms of order {order}"
        check_limit(count_terms(symmetry, order), "recipe_terms", what, "lower the order, or use method='minimal'")
    rows = np.concatenate(list(unique_rows(symmetry, [symmetry] * order))).tolist()
    stages = [count_terms(Symmetry.of(symmetry.axes, features=False), order), len(rows)]
    terms = [[tuple(row[rank * k : rank * (k + 1)]) for k in range(order + 1)] for row in sorted(rows)]
    product = [tuple(range(rank))] * (order + 1)
    if order > 1:
        terms = [t for t in terms if not _is_pointwise(t) or (order == 2 and t == product)]
    stages.append(len(terms))
    terms = list({_without_swaps(t, symmetry): t for t in reversed(terms)}.values())[::-1]
    stages.append(len(terms))
    if order > 1:
        terms = [t for t in terms if set(t[0]) <= {i for operand in t[1:] for i in operand}]
    stages.append(len(terms))
    return tuple(_as_term(t, symmetry) for t in terms), tuple(stages)


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


def _without_swaps(term: Tuples, symmetry: Symmetry) -> Hypergraph:
    """The term as a hypergraph in which the order of joint axes is forgotten and the output is marked."""
    classes: dict[int, str] = {}
    parents: dict[int, int | None] = {}
    for tup in term:
        for index, letter in zip(tup, symmetry.axes, strict=True):
            above = symmetry.parent_of(letter)
            classes[index] = letter
            parents[index] = tup[symmetry.axes.index(above)] if above else None
    indices = sorted(classes)
    hypergraph = Hypergraph(tuple(classes[i] for i in indices), tuple(parents[i] for i in indices), tuple(term))
    return hypergraph.with_output(0).canonical()


def _as_term(term: Tuples, symmetry: Symmetry) -> Term:
    output, *operands = ([f"{c}{i}" for c, i in zip(symmetry.axes, tup, strict=True)] for tup in term)
    return with_letters(operands, output, with_classes=False)
