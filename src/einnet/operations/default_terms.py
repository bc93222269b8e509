"""Which pooling operations a layer uses when the user names none."""

from functools import lru_cache

from einnet.operations.pooling_set import pooling
from einnet.symmetry import Symmetry
from einnet.terms.term import Term

__all__ = ["pooling_terms", "reference_terms"]

HIGHEST_ORDER = 3  # of a default set, for types of up to WIDE axes
WIDE = 5

# The formulas of the reference network that differ from the minimal sets by order or names.
_REFERENCE = {Symmetry("ab"): "ab->ab ab->ac ab->cb ab,ab->ab ac,bc,ad->bd"}


def pooling_terms(symmetry: Symmetry, order: int | None = None) -> tuple[Term, ...]:
    """The minimal set of a type up to an order; without one, the default set.

    The default order is the smallest with an operation that is no product: 3 for `ab`, 2 for `aa`. It
    is 2 if all operations up to order 3 are products (`a`, `ab; a->b`), and for types of six axes or
    more. The default set has only operations that cost no more than a matrix product, n^(axes + 1).

    >>> [str(t) for t in pooling_terms(Symmetry("aaH"))]
    ['ab->ab', 'aa->aa', 'ab->ba', 'ab->ac', 'ab,ab->ab', 'ab,bc->ac']
    >>> [str(t) for t in pooling_terms(Symmetry("ab; a->b"))]
    ['ab->ab', 'ab->cd', 'ab->ac', 'ab,ab->ab']
    """
    return pooling(symmetry, order).terms if order is not None else _default_terms(symmetry.bare)


@lru_cache(maxsize=64)
def _default_terms(symmetry: Symmetry) -> tuple[Term, ...]:
    for order in range(2, (HIGHEST_ORDER if len(symmetry.axes) <= WIDE else 2) + 1):
        terms = pooling(symmetry, order, max_exponent=len(symmetry.axes) + 1).terms
        if sum(t.order > 1 for t in terms) > 1:
            return terms
    return pooling(symmetry, 2).terms


def reference_terms(symmetry: Symmetry, order: int | None = None) -> tuple[Term, ...]:
    """The operations of `pooling_terms` as they are in the reference network's formulas."""
    terms = pooling_terms(symmetry, order)
    if (canonical := symmetry.bare.canonical()) not in _REFERENCE:
        return terms
    formulas = [Term(t) for t in _REFERENCE[canonical].split()]
    by_canonical = {t.canonical(): t for t in terms}
    shared = [t for t in formulas if by_canonical.pop(t.canonical(), None)]
    return (*shared, *by_canonical.values())
