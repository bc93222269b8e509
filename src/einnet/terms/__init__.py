"""Terms: einsum operations of a symmetry type, and which of them exist."""

from einnet.terms.enumeration import all_terms, count_terms
from einnet.terms.linear_maps import linear_terms
from einnet.terms.term import Term
from einnet.terms.type_set import State

__all__ = ["State", "Term", "all_terms", "count_terms", "linear_terms"]
