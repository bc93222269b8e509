"""`Question`: what the explorer is asked."""

from dataclasses import dataclass
from functools import cached_property

from einnet.errors import EinNetError
from einnet.operations import PoolingSet, pooling
from einnet.signature import Signature, hidden_type
from einnet.symmetry import Symmetry

__all__ = ["HIGHEST", "Question"]

HIGHEST = 9  # order


@dataclass(frozen=True)
class Question:
    """A type or signature, an order, and perhaps a term to derive; checked when it is made.

    >>> asked = Question("aH, aaH -> H", 5)
    >>> asked.state, asked.title
    (Symmetry('aaH'), 'aH, aaH -> H up to order 5')
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
        if not isinstance(self.order, int) or not 1 <= self.order <= HIGHEST:
            raise EinNetError(f"the order must be a whole number from 1 to {HIGHEST}, got {self.order!r}")
        _ = self.state  # raises for what cannot be read

    @cached_property
    def signature(self) -> Signature:
        return Signature(self.text)

    @cached_property
    def state(self) -> Symmetry:
        """The type of the tensors inside a network."""
        return hidden_type(self.signature)

    @cached_property
    def operations(self) -> PoolingSet:
        """The smallest set of operations that suffices up to the order."""
        return pooling(self.state, self.order)

    @property
    def title(self) -> str:
        return f"{self.text} up to order {self.order}"
