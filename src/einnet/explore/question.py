"""`Question`: a type or signature with an order, whose consequences the explorer shows."""

from dataclasses import dataclass
from functools import cached_property

from einnet.checks import check_count
from einnet.limits import limits
from einnet.operations import PoolingSet, pooling
from einnet.signature import Signature, hidden_types
from einnet.symmetry import Symmetry
from einnet.terms import TypeSet

__all__ = ["Question"]


@dataclass(frozen=True)
class Question:
    """A type or signature, an order, and optionally a term to derive; raises at once for wrong arguments.

    >>> Question("aH, aaH -> H", 5).hidden_types
    (Symmetry('aaH'),)
    >>> Question("aab; b->")
    Traceback (most recent call last):
    einnet.errors.NotationError: a dependency is written parent->child
      aab; b->
           ^^^
    For example 'abH; a->b': each a has its own list of b. Several are separated by commas.
    """

    text: str
    order: int = 5
    term: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "order", check_count(self.order, "the order", maximum=limits().explorer_order))
        _ = self.type_set  # raises for a wrong signature

    @cached_property
    def signature(self) -> Signature:
        return Signature(self.text)

    @cached_property
    def hidden_types(self) -> tuple[Symmetry, ...]:
        """The types of the tensors inside a network."""
        return hidden_types(self.signature)

    @cached_property
    def type_set(self) -> TypeSet:
        return TypeSet.of(self.hidden_types)

    @cached_property
    def operations(self) -> PoolingSet:
        """The smallest set of operations that suffices up to the order."""
        return pooling(self.type_set, self.order)
