"""Sparse types: supports, the matches of a term on them, and contractions over the matches."""

from einnet.nn.sparse.contract import contract
from einnet.nn.sparse.matches import Matches, find_matches
from einnet.nn.sparse.support import Support

__all__ = ["Matches", "Support", "contract", "find_matches"]
