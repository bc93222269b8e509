"""Which pooling operations a type needs: the sets, the closure of a set, derivations."""

from einnet.operations.closure import Closure, generates
from einnet.operations.derivation import Derivation
from einnet.operations.pooling_set import PoolingSet, pooling, pooling_terms

__all__ = ["Closure", "Derivation", "PoolingSet", "generates", "pooling", "pooling_terms"]
