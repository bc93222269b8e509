"""Terms: einsum operations of a symmetry type, which of them exist, and which a layer needs."""

from einnet.terms.closure import Closure, generates
from einnet.terms.derivation import Derivation
from einnet.terms.enumeration import all_terms, count_terms
from einnet.terms.linear import linear_terms
from einnet.terms.pooling_set import PoolingSet, pooling
from einnet.terms.state import State
from einnet.terms.term import Term
from einnet.terms.usual import pooling_terms

__all__ = [
    "Closure",
    "Derivation",
    "PoolingSet",
    "State",
    "Term",
    "all_terms",
    "count_terms",
    "generates",
    "linear_terms",
    "pooling",
    "pooling_terms",
]
