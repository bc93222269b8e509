"""All linear equivariant maps between two types, as order-1 terms: the contraction basis."""

from string import ascii_letters

from einnet.checks import check_limit
from einnet.partitions import Slots
from einnet.signature import Signature
from einnet.symmetry import Symmetry, as_symmetry
from einnet.terms.term import Term

__all__ = ["linear_terms"]


def linear_terms(source: Symmetry | str, target: Symmetry | str) -> tuple[Term, ...]:
    """A basis of the linear equivariant maps from type `source` to type `target`, any large size.

    One term for each way in which indices of the operand and of the output can coincide: for each set
    partition of the axes with one letter, nested along dependencies.

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
    source, target = as_symmetry(source), as_symmetry(target)
    rank = len(source.axes)
    terms = []
    slots = Slots.of((source, target))
    what = f"'{Signature.of([source.bare], target.bare)}' has {{}} linear maps"
    check_limit(slots.count(), "linear_maps", what, "use types of fewer axes, or pool with chosen terms (EinPool)")
    for partition in slots.partitions().tolist():
        letters = [ascii_letters[block] for block in partition]
        terms.append(Term.of([letters[:rank]], letters[rank:]))
    return tuple(sorted(terms, key=str))
