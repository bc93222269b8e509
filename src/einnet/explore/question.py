"""`Question`: a type or signature with an order, whose consequences the explorer shows."""

from dataclasses import dataclass
from functools import cached_property

from einnet.checks import check_count
from einnet.limits import limits
from einnet.operations import PoolingSet, pooling
from einnet.signature import Signature, describe_dense_form, hidden_type
from einnet.symmetry import Symmetry

__all__ = ["Question"]


@dataclass(frozen=True)
class Question:
    """A type or signature, an order, and optionally a term to derive; raises at once for wrong arguments.

    >>> Question("aH, aaH -> H", 5).hidden_type
    Symmetry('aaH')
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
        _ = self.hidden_type  # raises for a wrong signature

    @cached_property
    def signature(self) -> Signature:
        """The signature, without brackets; `note` says what differs with them."""
        return Signature(self.text).dense

    @property
    def note(self) -> str:
        return describe_dense_form(Signature(self.text), "This page is about")

    @cached_property
    def hidden_type(self) -> Symmetry:
        """The type of the tensors inside a network."""
        return hidden_type(self.signature)

    @cached_property
    def operations(self) -> PoolingSet:
        """The smallest set of operations that suffices up to the order."""
        return pooling(self.hidden_type, self.order)
