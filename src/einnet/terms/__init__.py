"""Terms: einsum operations of a symmetry type, and which of them exist."""

from einnet.terms.enumeration import all_terms, count_terms, linear_terms
from einnet.terms.term import Term
from einnet.terms.type_set import TypeSet

__all__ = ["Term", "TypeSet", "all_terms", "count_terms", "linear_terms"]
