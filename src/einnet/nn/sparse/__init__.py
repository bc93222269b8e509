"""Sparse types: supports, and the forms in which people have sparse and ragged data.

`einnet.nn` has the names that most programs need; `as_sparse` and `to_form` show what a network makes of an input.
"""

from einnet.nn.sparse.graphs import DisjointUnion, from_networkx, from_pyg, union, with_reverse
from einnet.nn.sparse.storage import as_sparse, to_form
from einnet.nn.sparse.support import Support

__all__ = [
    "DisjointUnion",
    "Support",
    "as_sparse",
    "from_networkx",
    "from_pyg",
    "to_form",
    "union",
    "with_reverse",
]
