"""All valid terms of a type set: their number, the terms as a stream, and those from one type to another."""

from collections.abc import Iterator, Sequence
from itertools import combinations_with_replacement, permutations, product
from math import comb

import numpy as np

from einnet.checks import check_count, check_limit
from einnet.partitions import Slots, add_slot, count_fixed, first_occurrence, sort_keys
from einnet.signature import Signature
from einnet.symmetry import Symmetry, as_symmetry
from einnet.terms.term import Term, with_letters
from einnet.terms.type_set import Types, TypeSet

__all__ = ["all_terms", "check_term_order", "count_terms", "linear_terms", "to_term", "unique_rows"]

CHUNK = 50_000  # rows that are extended at once


def count_terms(types: Types | TypeSet, order: int) -> int:
    """The number of valid terms, unique up to renaming indices and reordering operands, without listing them.

    >>> [count_terms("aa", k) for k in (1, 2, 3, 4, 5)]
    [15, 117, 877, 6719, 52505]

    Source: Burnside's lemma, the mean over the reorderings of operands of one type of the number of terms that a
    reordering fixes. Raises `EinNetError` for an order below 1 or above the limit `counted_order`.
    """
    type_set, order = TypeSet.of(types), check_term_order(order)
    slots = (order + 1) * max((t.axes.count(c) for t in type_set.types for c in t.classes), default=0)
    what = f"a term of '{type_set}' of order {order} has {{}} index positions of one class"
    check_limit(slots, "counted_positions", what, "lower the order")
    choices = len(type_set.types) * comb(len(type_set.types) + order - 1, order)
    what = f"order {order} of '{type_set}' has {{}} choices of types"
    check_limit(choices, "counted_types", what, "lower the order")
    total = 0
    for output, operands in _choices_of_types(type_set, order):
        reorderings = list(count_fixed(output, operands, operands))
        total += sum(times * fixed for times, fixed, _ in reorderings) // sum(times for times, _, _ in reorderings)
    return total


def all_terms(types: Types | TypeSet, order: int) -> Iterator[Term]:
    """The valid terms of an order, unique up to renaming indices and reordering operands, as a stream.

    >>> [str(t) for t in all_terms("a", 2)]
    ['a,b->c', 'a,b->a', 'a,a->a', 'a,a->b']
    >>> sum(1 for _ in all_terms(("a", "ab"), 1)), count_terms(("a", "ab"), 1)
    (10, 10)

    The memory does not grow with their number. Raises `EinNetError` for an order below 1 or above `listed_order`.
    """
    type_set = TypeSet.of(types)
    for output, operands in _choices_of_types(type_set, order):
        for rows in unique_rows(output, operands):
            for row in rows.tolist():
                yield to_term(row, (output, *operands), type_set.has_several_types)


def linear_terms(source: Symmetry | str, target: Symmetry | str) -> tuple[Term, ...]:
    """A basis of the linear equivariant maps from type `source` to type `target`, any large size.

    One term for each way in which indices of the operand and of the output can coincide: for each set partition of the
    axes with one letter, nested along dependencies.

    >>> [str(t) for t in linear_terms(Symmetry("a"), Symmetry("a"))]
    ['a->a', 'a->b']
    >>> [str(t) for t in linear_terms(Symmetry("aa"), Symmetry("a"))]
    ['aa->a', 'aa->b', 'ab->a', 'ab->b', 'ab->c']
    >>> len(linear_terms(Symmetry("aa"), Symmetry("aa")))
    15
    >>> len(linear_terms(Symmetry("abc; a->b, b->c"), Symmetry("abc; a->b, b->c")))
    4

    Source: Maron et al., Invariant and Equivariant Graph Networks, section 3; with dependencies,
    the orbits of a wreath product. Raises `EinNetError` for more terms than the limit `linear_maps`.
    """
    types = as_symmetry(target), as_symmetry(source)
    slots = Slots.of(types)
    what = f"'{Signature.of([types[1].bare], types[0].bare)}' has {{}} linear maps"
    check_limit(slots.count(), "linear_maps", what, "use types of fewer axes, or pool with chosen terms (EinPool)")
    return tuple(sorted((to_term(row, types, False) for row in slots.partitions().tolist()), key=str))


def check_term_order(order: int) -> int:
    """The order as an `int`; raises if it is no number of operands, or exceeds the limit."""
    order = check_count(order, "order")
    check_limit(order, "counted_order", "order is {}", "lower the order")
    return order


def _choices_of_types(type_set: TypeSet, order: int) -> Iterator[tuple[Symmetry, tuple[Symmetry, ...]]]:
    """The types of the output and of the operands, equal types next to each other."""
    yield from product(type_set.types, combinations_with_replacement(type_set.types, check_term_order(order)))


def unique_rows(output: Symmetry, operands: Sequence[Symmetry]) -> Iterator[np.ndarray]:
    """The terms with these types as arrays of rows of index numbers, output first.

    Of the rows that differ by a reordering of operands of one type, the lexicographically smallest.
    """
    what = "the order of terms that are listed is {}"
    check_limit(len(operands), "listed_order", what, "lower the order, or use count_terms")
    types = (output, *operands)
    starts = np.cumsum([0, *(len(t.axes) for t in types)]).tolist()
    what = f"terms of order {len(operands)} have {{}} index positions"
    check_limit(starts[-1], "listed_positions", what, "lower the order, or use a type of fewer axes")
    moves = [p for p in permutations(range(len(operands))) if [operands[k] for k in p] == list(operands)]
    moves.sort(key=lambda p: sum(k != m for k, m in enumerate(p)))  # swaps first: they leave few rows
    for rows in _extend(Slots.of(types), np.zeros((1, starts[-1]), np.uint8), 0):
        rows = first_occurrence(rows)
        for move in moves[1:]:
            columns = [c for k in (0, *(1 + m for m in move)) for c in range(starts[k], starts[k + 1])]
            rows = rows[sort_keys(rows) <= sort_keys(first_occurrence(rows[:, columns]))]
        yield rows


def _extend(slots: Slots, rows: np.ndarray, done: int) -> Iterator[np.ndarray]:
    """The rows with indices in the remaining slots, parents first, in chunks; an index is named by its first slot."""
    if done == len(slots):
        yield rows
        return
    more, _ = add_slot(slots, done, rows)
    for start in range(0, len(more), CHUNK):
        yield from _extend(slots, more[start : start + CHUNK], done + 1)


def to_term(row: Sequence[int], types: Sequence[Symmetry], with_classes: bool) -> Term:
    """The term of a row, its indices named in the order of operands, then output."""
    letters = iter(row)
    output, *operands = ([f"{c}{next(letters)}" for c in t.axes] for t in types)
    return with_letters(operands, output, with_classes, [t.is_sparse for t in (*types[1:], types[0])])
