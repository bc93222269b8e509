"""Automorphisms of a type: they exchange its axes, rows with columns, as the transposition of a matrix does.

A layer commutes with an automorphism if its set of operations is closed under it, and if operations that the
automorphism maps to each other share their weights.
"""

from collections.abc import Hashable, Iterable, Sequence
from itertools import permutations
from typing import Any

from einnet.checks import check_text
from einnet.errors import EinNetError
from einnet.symmetry import Symmetry
from einnet.terms.term import Term, with_letters

__all__ = ["automorphism_axes", "tie_weights"]


def automorphism_axes(symmetry: Symmetry, automorphism: str) -> tuple[int, ...]:
    """For each axis of the type, the axis that the automorphism maps to it.

    >>> automorphism_axes(Symmetry("ixjyc; i->x, j->y"), "jyixc")
    (2, 3, 0, 1, 4)

    Raises `EinNetError` for a text that is no automorphism of the type.
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
    operand_pairs, term_pairs = [], []
    if automorphism is not None:
        axes = automorphism_axes(symmetry, automorphism)
        numbers = {t.canonical(): k for k, t in enumerate(terms)}
        if len(numbers) < len(terms):
            raise EinNetError("with an automorphism the terms must be different, got one twice")
        for k, term in enumerate(terms):
            *operands, output = ([t[a] for a in axes] for t in (*term.operands, term.output))
            image = with_letters(operands, output, False, term.brackets)
            if (target := numbers.get(image.canonical())) is None:
                what = f"the automorphism maps a term to {image}"
                raise EinNetError(f"{what}: add it to the terms, so that they are closed")
            term_pairs.append((k, target))
            operand_pairs += [((k, o), (target, j)) for j, o in enumerate(_match(image, terms[target]))]
    shared = _number_blocks(places, operand_pairs)
    operands = tuple(tuple(shared[k, o] for o in range(t.order)) for k, t in enumerate(terms))
    return operands, tuple(_number_blocks(range(len(terms)), term_pairs).values())


def _match(image: Term, term: Term) -> tuple[int, ...]:
    """For each operand of the term, the operand of the image; the two are equal up to names and this order."""
    target = with_letters(term.operands, term.output, False)
    orders = permutations(range(image.order))
    return next(p for p in orders if with_letters([image.operands[o] for o in p], image.output, False) == target)


def _number_blocks(items: Iterable[Hashable], pairs: Iterable[tuple[Hashable, Hashable]]) -> dict[Any, int]:
    """The number of each item's block, in order of first occurrence, where pairs are in one block."""
    from networkx import Graph, connected_components

    graph = Graph()
    graph.add_nodes_from(items)
    graph.add_edges_from(pairs)
    numbers = {v: k for k, block in enumerate(connected_components(graph)) for v in block}
    return {v: numbers[v] for v in items}
