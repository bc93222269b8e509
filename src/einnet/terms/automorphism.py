"""Automorphisms of a type: they exchange its axes, rows with columns, as the transposition of a matrix does.

A layer commutes with an automorphism if its set of operations is closed under it, and if operations that
the automorphism maps to each other share their weights.
"""

from collections.abc import Sequence
from itertools import permutations
from string import ascii_letters
from typing import Any

from einnet.checks import check_text
from einnet.errors import EinNetError
from einnet.symmetry import Symmetry
from einnet.terms.term import Term

__all__ = ["automorphism_axes", "tie_weights"]

Tuple = tuple[str, ...]


def automorphism_axes(symmetry: Symmetry, automorphism: str) -> tuple[int, ...]:
    """For each axis of the type, the axis that the automorphism puts in its place.

    >>> automorphism_axes(Symmetry("ixjyc; i->x, j->y"), "jyixc")
    (2, 3, 0, 1, 4)

    Raises `EinNetError` for a text that is no automorphism of the type: with other letters, with a letter
    that occurs twice, or with other dependencies.
    """
    check_text(automorphism, "an automorphism", "ba")
    what = f"automorphism '{automorphism}' of the type '{symmetry.bare}'"
    if sorted(automorphism) != sorted(symmetry.axes) or len(set(automorphism)) < len(automorphism):
        raise EinNetError(f"{what}: expected the letters of the type, all different, in another order")
    to = dict(zip(symmetry.axes, automorphism, strict=True))
    if {(to[a], to[b]) for a, b in symmetry.dependencies} != set(symmetry.dependencies):
        raise EinNetError(f"{what}: a dependent axis must go to an axis that depends on the image of its parent")
    return tuple(symmetry.axes.index(c) for c in automorphism)


def tie_weights(
    terms: Sequence[Term], symmetry: Symmetry, automorphism: str | None
) -> tuple[tuple[tuple[int, ...], ...], tuple[int, ...]]:
    """Which operands share their weights, as numbers for each term; and which terms do.

    >>> terms = [Term("ab->ac"), Term("ab->cb"), Term("ab->cd")]      # sums of rows, of columns, of all
    >>> tie_weights(terms, Symmetry("ab"), "ba")
    (((0,), (0,), (1,)), (0, 0, 1))
    >>> tie_weights(terms, Symmetry("ab"), None)
    (((0,), (1,), (2,)), (0, 1, 2))

    Raises `EinNetError` for terms that are not closed under the automorphism, or not all different.
    """
    places = [(k, o) for k, term in enumerate(terms) for o in range(term.order)]
    operand_root, term_root = {p: p for p in places}, {k: k for k in range(len(terms))}
    if automorphism is not None:
        axes = automorphism_axes(symmetry, automorphism)
        if len({t.canonical() for t in terms}) < len(terms):
            raise EinNetError("with an automorphism the terms must be different, got one twice")
        for k, term in enumerate(terms):
            image = Term.of([[t[a] for a in axes] for t in term.operands], [term.output[a] for a in axes])
            target, order = _match(image, terms)
            term_root = _merge(term_root, k, target)
            for o, place in enumerate(order):
                operand_root = _merge(operand_root, (k, place), (target, o))
    numbers = {root: n for n, root in enumerate(dict.fromkeys(operand_root[p] for p in places))}
    term_numbers = {root: n for n, root in enumerate(dict.fromkeys(term_root.values()))}
    operands = tuple(tuple(numbers[operand_root[k, o]] for o in range(t.order)) for k, t in enumerate(terms))
    return operands, tuple(term_numbers[term_root[k]] for k in range(len(terms)))


def _match(image: Term, terms: Sequence[Term]) -> tuple[int, tuple[int, ...]]:
    """The number of the term that equals the image up to names, and for each of its operands, the image's."""
    for k, term in enumerate(terms):
        target = _numbers([*term.operands, term.output])
        for order in permutations(range(image.order)) if image.order == term.order else ():
            if _numbers([*(image.operands[o] for o in order), image.output]) == target:
                return k, order
    *operands, output = [[ascii_letters[k] for k in t] for t in _numbers([*image.operands, image.output])]
    missing = Term.of(operands, output)
    raise EinNetError(f"the automorphism maps a term to {missing}: add it to the terms, so that they are closed")


def _numbers(tuples: Sequence[Tuple]) -> list[list[int]]:
    """The tuples with numbers for the indices, in order of first occurrence."""
    numbers: dict[str, int] = {}
    return [[numbers.setdefault(i, len(numbers)) for i in t] for t in tuples]


def _merge(roots: dict[Any, Any], left: Any, right: Any) -> dict[Any, Any]:
    """The partition with two blocks made one."""
    return {key: roots[left] if root == roots[right] else root for key, root in roots.items()}
