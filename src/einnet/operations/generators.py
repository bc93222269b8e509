"""Generators of order 1: operations of one operand whose compositions are all operations of one operand."""

from functools import lru_cache
from itertools import pairwise

from einnet.symmetry import Symmetry
from einnet.terms.enumeration import all_terms
from einnet.terms.term import Term, with_letters
from einnet.terms.type_set import Types, TypeSet

__all__ = ["generators"]


def generators(types: Types | TypeSet) -> tuple[Term, ...]:
    """Order-1 operations whose compositions are all order-1 operations of the type set.

    Of every type the identity; for a letter that occurs more than once a diagonal and the swaps of neighbours; for
    every letter a sum over its last axis and all that depends on it. Then the transfers between types. With sparse
    types fewer compositions are terms, so more is needed.

    >>> [str(t) for t in generators("aab")]
    ['abc->abc', 'aab->aab', 'abc->bac', 'abc->adc', 'abc->abd']
    >>> [str(t) for t in generators(("ab", "aa"))][-2:]
    ['a0b0->a0a1', 'a0a1->a0b0']
    >>> [str(t) for t in generators("[aa]")]
    ['[ab]->[ab]', '[ab]->[ba]', '[ab]->[ac]', '[aa]->[aa]', '[ab]->[cd]']

    Source: docs/pooling.md.
    """
    type_set = TypeSet.of(types)
    if type_set.has_sparse_types:
        return _sparse_generators(type_set)
    terms = [t for symmetry in type_set.types for t in _generators_of_type(symmetry, type_set.has_several_types)]
    return (*terms, *_transfers(type_set))


def _generators_of_type(symmetry: Symmetry, with_classes: bool) -> list[Term]:
    full = _name_axes(symmetry)
    diagonals, swaps, sums = [], [], []
    for letter in symmetry.classes:
        own = [i for i in full if i[0] == letter]
        swaps += [(full, [{i: j, j: i}.get(k, k) for k in full]) for i, j in pairwise(own)]
        if len(own) > 1:
            diagonal = [own[0] if i == own[1] else i for i in full]
            diagonals.append((diagonal, diagonal))
        sums.append((full, [f"{i[0]}new" if i == own[-1] or letter in symmetry.ancestors(i[0]) else i for i in full]))
    return [with_letters([t], output, with_classes) for t, output in ((full, full), *diagonals, *swaps, *sums)]


def _name_axes(symmetry: Symmetry) -> list[str]:
    """An index for each axis: its letter and a number."""
    return [f"{c}{symmetry.axes[:k].count(c)}" for k, c in enumerate(symmetry.axes)]


def _transfers(type_set: TypeSet) -> list[Term]:
    """The terms from one type to another that pass on the indices which fit into both, without those others compose."""
    numbers = range(len(type_set.types))
    links = {(s, t): type_set.shapes[s] & type_set.shapes[t] for s in numbers for t in numbers if s != t}
    for link, shape in sorted(links.items(), key=lambda item: item[1].total()):
        wider = {k for k, v in links.items() if k != link and shape <= v}
        reached = {link[0]}
        while more := {t for s, t in wider if s in reached} - reached:
            reached |= more
        if link[1] in reached:
            del links[link]
    axes = list(map(_name_axes, type_set.types))
    return [with_letters([axes[s]], [i if i in axes[s] else f"{i}new" for i in axes[t]], True) for s, t in links]


def _sparse_generators(type_set: TypeSet) -> tuple[Term, ...]:
    """The terms that those before them do not compose: within a type first, those that keep most indices first."""

    def types_of(term: Term) -> tuple[bool, int]:
        (source,), target = type_set.types_of(term)
        return source != target, type_set.types.index(source)

    def preference(term: Term) -> tuple:
        shared = set(term.operands[0]) & set(term.output)
        return types_of(term)[0], -len(shared), -len(term.indices), str(term)

    terms: list[Term] = []
    reached: set[Term] = set()
    for term in sorted(all_terms(type_set, 1), key=preference):
        if _is_identity(term) or term not in reached:
            terms.append(term)
            reached = _compositions(terms, type_set)
    for term in reversed(terms):
        rest = [t for t in terms if t is not term]
        if not _is_identity(term) and term in _compositions(rest, type_set):
            terms = rest
    return tuple(sorted(terms, key=types_of))


def _is_identity(term: Term) -> bool:
    return term.operands[0] == term.output and len(term.indices) == len(term.output) and len(set(term.brackets)) == 1


def _compositions(terms: list[Term], type_set: TypeSet) -> set[Term]:
    """The terms that are compositions of these order-1 terms, without factors."""
    reached, queue = set(terms), list(terms)
    outers: dict[Symmetry, list[Term]] = {}  # by the type of their operand
    for term in terms:
        outers.setdefault(type_set.types_of(term)[0][0], []).append(term)
    while queue:
        inner = queue.pop()
        middle = type_set.types_of(inner)[1]
        new = {t for outer in outers.get(middle, ()) if (t := _compose(inner, outer, type_set))} - reached
        reached |= new
        queue += new
    return reached


@lru_cache(maxsize=4096)
def _compose(inner: Term, outer: Term, type_set: TypeSet) -> Term | None:
    """The order-1 term that is the outer after the inner, which ends in its type; None if it is none.

    The tuple between them must have no index of its own, and if it is sparse, be on the support with the operand or
    with the output.
    """
    ((source,), middle), (_, target) = type_set.types_of(inner), type_set.types_of(outer)
    names = {(k, i): f"{i}.{k}" for k, t in enumerate((inner, outer)) for i in t.indices}
    for i, j in zip(inner.output, outer.operands[0], strict=True):
        names = {k: names[0, i] if name == names[1, j] else name for k, name in names.items()}
    operand, output = (tuple(names[0, i] for i in inner.operands[0]), tuple(names[1, i] for i in outer.output))
    between = tuple(names[0, i] for i in inner.output)
    tuples = [
        t for s, tup in ((source, operand), (target, output)) if s == middle for t in type_set.support_with(s, tup)
    ]
    if set(between) - {*operand, *output} or (middle.is_sparse and between not in tuples):
        return None
    return with_letters([operand], output, type_set.has_several_types, (source.is_sparse, target.is_sparse))
