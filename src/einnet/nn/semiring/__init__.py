"""Plans of tensors in other semirings than that of numbers: (max, +), (min, +), (min, max), logsumexp, attention."""

from einnet.nn.semiring.algebra import ALGEBRAS, Algebra
from einnet.nn.semiring.backend import DECOMPOSITIONS, SemiringBackend

__all__ = ["ALGEBRAS", "DECOMPOSITIONS", "Algebra", "SemiringBackend"]
