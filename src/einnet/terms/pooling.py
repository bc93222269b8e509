"""`pooling`: the smallest set of einsum operations whose compositions are all einsums up to an order."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from einnet.errors import EinNetError
from einnet.symmetry import Symmetry, as_symmetry
from einnet.terms.catalogue import generators
from einnet.terms.recipe import recipe
from einnet.terms.structures import indecomposable
from einnet.terms.term import Term

__all__ = ["PoolingSet", "pooling"]


@dataclass(frozen=True)
class PoolingSet:
    """Pooling operations by their number of operands; made by `pooling`."""

    symmetry: Symmetry
    order: int
    method: str
    by_order: Mapping[int, tuple[Term, ...]]
    stages: Mapping[int, tuple[int, ...]]  # of the recipe: the number of terms after each step

    @property
    def terms(self) -> tuple[Term, ...]:
        """All operations, those of order 1 first."""
        return tuple(self)

    def __iter__(self) -> Iterator[Term]:
        return (t for terms in self.by_order.values() for t in terms)

    def __len__(self) -> int:
        return sum(map(len, self.by_order.values()))

    def __str__(self) -> str:
        """The lookup table of the type.

        >>> print(pooling("ab", order=3))
        ab: 5 operations generate every einsum up to order 3
        1  ab->ab  ab->cb  ab->ac
        2  ab,ab->ab
        3  ab,cb,cd->ad
        """
        kept = "are kept by the recipe" if self.method == "recipe" else "generate every einsum"
        lines = [f"{self.symmetry.bare}: {len(self)} operations {kept} up to order {self.order}"]
        for k, terms in self.by_order.items():
            steps = f"  after each step: {', '.join(map(str, self.stages[k]))}" if k in self.stages else ""
            lines.append(f"{k}  {'  '.join(map(str, terms)) or 'none needed'}{steps}")
        return "\n".join(lines)

    def __repr__(self) -> str:
        return str(self)


def pooling(symmetry: Symmetry | str, order: int, method: str = "minimal") -> PoolingSet:
    """The set of pooling operations of a type up to an order.

    >>> found = pooling("aaH", order=5)
    >>> [str(t) for k in (2, 3, 4, 5) for t in found.by_order[k]]
    ['ab,ab->ab', 'ab,bc->ac', 'ab,ac,bc,bd,cd->ad']
    >>> print(pooling("ab; a->b", order=4))
    ab; a->b: 4 operations generate every einsum up to order 4
    1  ab->ab  ab->cd  ab->ac
    2  ab,ab->ab
    3  none needed
    4  none needed

    >>> pooling("aa", order=4, method="recipe").stages[4]
    (6719, 6719, 1436, 144, 50)

    The minimal set is graded by order. Order 1 has generators of all order-1 operations (swaps,
    diagonals, sums); each higher order has one representative of each largest term that no terms of
    lower order compose. Nothing is kept at an order that lower orders give, and constants do not
    count.

    Args:
        symmetry: a type; its feature axis does not matter.
        order: the largest number of operands, 1 or more.
        method: "minimal", or "recipe" for the steps of the source text (see `recipe`), which leave more.

    Source: docs/pooling.md, theorems 1 to 3.
    """
    symmetry = as_symmetry(symmetry)
    if isinstance(order, bool) or not isinstance(order, int) or order < 1:
        raise EinNetError(f"order is the largest number of operands, 1 or more; got {order!r}")
    bare, orders = symmetry.bare, range(1, order + 1)
    if method == "recipe":
        found = {k: recipe(bare, k) for k in orders}
        by_order = {k: terms for k, (terms, _) in found.items()}
        return PoolingSet(bare, order, method, by_order, {k: stages for k, (_, stages) in found.items()})
    if method != "minimal":
        raise EinNetError(f"method must be 'minimal' or 'recipe', got {method!r}")
    by_order = {k: tuple(indecomposable(bare, k)) if k > 1 else generators(bare) for k in orders}
    return PoolingSet(bare, order, method, by_order, {})
