"""Sparse types: supports, the matches of a term on them, contractions over the matches; the forms that people have."""

from einnet.nn.sparse.contract import contract
from einnet.nn.sparse.graphs import DisjointUnion, from_networkx, from_pyg, union, with_reverse
from einnet.nn.sparse.matches import Matches, find_matches
from einnet.nn.sparse.storage import as_sparse, read_inputs, to_form
from einnet.nn.sparse.support import Support

__all__ = [
    "DisjointUnion",
    "Matches",
    "Support",
    "as_sparse",
    "contract",
    "find_matches",
    "from_networkx",
    "from_pyg",
    "read_inputs",
    "to_form",
    "union",
    "with_reverse",
]
