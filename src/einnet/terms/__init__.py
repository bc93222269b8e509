"""Terms: einsum operations of a symmetry type, which of them exist, and which a layer needs."""

from einnet.terms.catalogue import pooling_terms
from einnet.terms.linear import linear_terms
from einnet.terms.pooling import PoolingSet, pooling
from einnet.terms.term import Term

__all__ = ["PoolingSet", "Term", "linear_terms", "pooling", "pooling_terms"]
