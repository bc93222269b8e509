"""A further symmetry of a type, which exchanges classes: rows with columns, as when a matrix is transposed.

A layer commutes with the exchange if its set of operations is closed under it, and if operations that
the exchange takes into each other share their weights.
"""

from collections.abc import Sequence
from itertools import permutations
from string import ascii_letters
from typing import Any

from einnet.errors import EinNetError
from einnet.symmetry import Symmetry
from einnet.terms.term import Term

__all__ = ["automorphism_axes", "tie_weights"]

Tuple = tuple[str, ...]


def automorphism_axes(symmetry: Symmetry, exchange: str) -> tuple[int, ...]:
    """For each axis of the type, the axis that the exchange puts in its place.

    >>> automorphism_axes(Symmetry("ixjyc; i->x, j->y"), "jyixc")
    (2, 3, 0, 1, 4)

    Raises `EinNetError` where the exchange is not one of the type: other letters, a class with several
    axes, or a dependency that is not kept.
    """
    said = f"exchange {exchange!r} of the type '{symmetry.bare}'"
    if not isinstance(exchange, str) or sorted(exchange) != sorted(symmetry.axes) or len(set(exchange)) < len(exchange):
        raise EinNetError(
            f"{said}: expected the type's letters in another order, each class with one axis, such as 'ba' for 'ab'"
        )
    to = dict(zip(symmetry.axes, exchange, strict=True))
    if {(to[a], to[b]) for a, b in symmetry.dependencies} != set(symmetry.dependencies):
        raise EinNetError(f"{said}: a class that depends on another must go to one that depends on that one's partner")
    return tuple(symmetry.axes.index(c) for c in exchange)


def tie_weights(
    terms: Sequence[Term], symmetry: Symmetry, exchange: str | None
) -> tuple[tuple[tuple[int, ...], ...], tuple[int, ...]]:
    """Which operands share their weights, as numbers for each term; and which terms do.

    >>> terms = [Term("ab->ac"), Term("ab->cb"), Term("ab->cd")]      # sums of rows, of columns, of all
    >>> tie_weights(terms, Symmetry("ab"), "ba")
    (((0,), (0,), (1,)), (0, 0, 1))
    >>> tie_weights(terms, Symmetry("ab"), None)
    (((0,), (1,), (2,)), (0, 1, 2))

    Raises `EinNetError` where the exchange takes a term to one that is not there, or a term is there twice.
    """
    places = [(k, o) for k, term in enumerate(terms) for o in range(term.order)]
    slot, number = {p: p for p in places}, {k: k for k in range(len(terms))}
    if exchange is not None:
        axes = automorphism_axes(symmetry, exchange)
        if len({str(t.canonical()) for t in terms}) < len(terms):
            raise EinNetError("with an exchange each term stands once among the terms; one is there twice")
        for k, term in enumerate(terms):
            image = Term.of([[t[a] for a in axes] for t in term.operands], [term.output[a] for a in axes])
            other, order = _found(image, terms)
            number = _joined(number, k, other)
            for o, place in enumerate(order):
                slot = _joined(slot, (k, place), (other, o))
    slots = {first: n for n, first in enumerate(dict.fromkeys(slot[p] for p in places))}
    numbers = {first: n for n, first in enumerate(dict.fromkeys(number.values()))}
    operands = tuple(tuple(slots[slot[k, o]] for o in range(t.order)) for k, t in enumerate(terms))
    return operands, tuple(numbers[number[k]] for k in range(len(terms)))


def _found(image: Term, terms: Sequence[Term]) -> tuple[int, tuple[int, ...]]:
    """The number of the term that this is, and for each of its operands, the image's."""
    for k, term in enumerate(terms):
        for order in permutations(range(image.order)) if image.order == term.order else ():
            if _pattern([*(image.operands[o] for o in order), image.output]) == _pattern([*term.operands, term.output]):
                return k, order
    *operands, output = [[ascii_letters[k] for k in t] for t in _pattern([*image.operands, image.output])]
    missing = Term.of(operands, output)
    raise EinNetError(f"the exchange makes {missing} of a term: add it to the terms, so that they are closed")


def _pattern(tuples: Sequence[Tuple]) -> list[list[int]]:
    """The tuples with numbers for the indices, in order of first occurrence."""
    numbers: dict[str, int] = {}
    return [[numbers.setdefault(i, len(numbers)) for i in t] for t in tuples]


def _joined(roots: dict[Any, Any], one: Any, other: Any) -> dict[Any, Any]:
    """The partition with two blocks made one."""
    return {key: roots[one] if root == roots[other] else root for key, root in roots.items()}
