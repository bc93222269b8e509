"""`IndexMap`: the axis of each index of a term, and the index that a dependent one comes with."""

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["IndexMap"]


@dataclass(frozen=True)
class IndexMap:
    """What a type says of the indices of a term; made by `Term.index_map` and `TypeSet.index_map`.

    >>> from einnet import Symmetry, Term
    >>> index_map = Term("ij,ik->ij").index_map(Symmetry("ab; a->b"))
    >>> index_map.classes, index_map.parents
    ({'i': 'a', 'j': 'b', 'k': 'b'}, {'j': 'i', 'k': 'i'})
    """

    classes: Mapping[str, str]  # the letter of the axis of each index
    parents: Mapping[str, str]  # the parent of each index whose axis depends on another one

    def __hash__(self) -> int:
        return hash((tuple(self.classes.items()), tuple(self.parents.items())))
