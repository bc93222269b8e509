"""Which pooling operations a layer uses when the user names none."""

from functools import lru_cache

from einnet.operations.pooling_set import pooling
from einnet.symmetry import Symmetry
from einnet.terms.term import Term

__all__ = ["pooling_terms", "reference_terms"]

HIGHEST = 3  # the usual order is not looked for above
MOST_AXES = 5  # of a type whose operations of order 3 are usual

# As in the reference network's formulas, where they differ from the minimal sets by order or names.
_REFERENCE = {Symmetry("ab"): "ab->ab ab->ac ab->cb ab,ab->ab ac,bc,ad->bd"}


def pooling_terms(symmetry: Symmetry, order: int | None = None) -> tuple[Term, ...]:
    """The minimal set of a type up to an order; without one, the usual set.

    The usual order is the smallest at which there is something beyond products: 3 for `ab`, 2 for
    `aa`; it is 2 where products are all there is (`a`, `ab; a->b`), or all up to order 3, and for
    types of six axes or more. Of the usual set only operations that cost no more than a matrix
    product, n^(axes + 1), are taken.

    >>> [str(t) for t in pooling_terms(Symmetry("aaH"))]
    ['ab->ab', 'aa->aa', 'ab->ba', 'ab->ac', 'ab,ab->ab', 'ab,bc->ac']
    >>> [str(t) for t in pooling_terms(Symmetry("ab; a->b"))]
    ['ab->ab', 'ab->cd', 'ab->ac', 'ab,ab->ab']
    """
    return pooling(symmetry, order).terms if order is not None else _usual(symmetry.bare)


@lru_cache(maxsize=64)
def _usual(symmetry: Symmetry) -> tuple[Term, ...]:
    for usual in range(2, (HIGHEST if len(symmetry.axes) <= MOST_AXES else 2) + 1):
        terms = pooling(symmetry, usual, max_exponent=len(symmetry.axes) + 1).terms
        if sum(t.order > 1 for t in terms) > 1:
            return terms
    return pooling(symmetry, 2).terms


def reference_terms(symmetry: Symmetry, order: int | None = None) -> tuple[Term, ...]:
    """The same operations as the reference network's formulas have them."""
    terms = pooling_terms(symmetry, order)
    if (canonical := symmetry.bare.canonical()) not in _REFERENCE:
        return terms
    formulas = [Term(t) for t in _REFERENCE[canonical].split()]
    known = {t.canonical() for t in formulas}
    wanted = {t.canonical() for t in terms}
    kept = [t for t in formulas if t.canonical() in wanted]
    return (*kept, *(t for t in terms if t.canonical() not in known))
