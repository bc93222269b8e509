"""The recipe of the blog post "Permutation Symmetric Neural Nets from the Ground Up", step by step.

It leaves far more operations than the minimal set, as the only composition that it knows is a
pointwise product; it is here for comparison.
"""

import numpy as np

from einnet.checks import check_limit
from einnet.limits import limits
from einnet.operations.hypergraph import Hypergraph, split_edges
from einnet.partitions import Slots
from einnet.symmetry import Symmetry
from einnet.terms.enumeration import count_terms, to_term, unique_rows
from einnet.terms.term import Term

__all__ = ["recipe"]

Tuples = list[tuple[int, ...]]  # the output's indices, then those of each operand


def recipe(symmetry: Symmetry, order: int) -> tuple[tuple[Term, ...], tuple[int, ...]]:
    """The terms of one order that the recipe leaves, and their number after each step.

    >>> terms, stages = recipe(Symmetry("ab"), 3)
    >>> [str(t) for t in terms], stages
    (['ab,cd,cb->ad'], (65, 65, 17, 17, 1))

    (1) All terms of the type without dependencies; (2) those that respect the dependencies; (3) without terms of order
    2 or more that are a pointwise product of two of lower order, but with the product itself; (4) one of those that
    differ by swaps of joint axes; (5) without terms of order 2 or more whose output has an index that no operand has.
    """
    rank = len(symmetry.axes)
    if order <= limits().listed_order:
        what = f"'{symmetry}' has {{}} terms of order {order}"
        check_limit(count_terms(symmetry, order), "recipe_terms", what, "lower the order, or use method='minimal'")
    rows = np.concatenate(list(unique_rows(symmetry, [symmetry] * order))).tolist()
    terms = [[tuple(row[rank * k : rank * (k + 1)]) for k in range(order + 1)] for row in sorted(rows)]
    slots, product = Slots.of([symmetry] * (order + 1)), [tuple(range(rank))] * (order + 1)
    steps = [terms]
    steps.append([t for t in steps[-1] if order == 1 or not _is_pointwise(t) or (order == 2 and t == product)])
    steps.append(list({_without_swaps(t, slots): t for t in reversed(steps[-1])}.values())[::-1])
    steps.append([t for t in steps[-1] if order == 1 or set(t[0]) <= {i for operand in t[1:] for i in operand}])
    number = count_terms(Symmetry.of(symmetry.axes, features=False), order)
    terms = (to_term([i for tup in t for i in tup], [symmetry] * (order + 1), False) for t in steps[-1])
    return tuple(terms), (number, *map(len, steps))


def _is_pointwise(term: Tuples) -> bool:
    """Whether the operands fall into two groups that share indices of the output only."""
    output, *operands = map(set, term)
    return any(shared <= output for _, shared in split_edges(operands, range(1, len(operands) // 2 + 1)))


def _without_swaps(term: Tuples, slots: Slots) -> Hypergraph:
    """The term as a hypergraph, without the order of joint axes, the output marked."""
    flat = [index for tup in term for index in tup]
    firsts = [flat.index(index) for index in sorted(set(flat))]
    parents = (-1 if (p := slots.parents[s]) is None else flat[p] for s in firsts)
    hypergraph = Hypergraph(tuple(term), tuple(slots.classes[s] for s in firsts), tuple(parents))
    return hypergraph.with_output(0).canonical()
