"""`IndexMap`: the axis of each index of a term, and the index that a dependent one comes with."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

__all__ = ["IndexMap"]


@dataclass(frozen=True)
class IndexMap:
    """What a type says of the indices of a term; made by `Term.index_map` and `TypeSet.index_map`.

    >>> from einnet import Symmetry, Term
    >>> index_map = Term("ij,ik->ij").index_map(Symmetry("ab; a->b"))
    >>> index_map.classes, index_map.parents
    ({'i': 'a', 'j': 'b', 'k': 'b'}, {'j': 'i', 'k': 'i'})
    >>> index_map.depth("k"), index_map.counts("ij") == {"a": 1, "b": 1}
    (1, True)
    """

    classes: Mapping[str, str]  # the letter of the axis of each index
    parents: Mapping[str, str]  # the parent of each index whose axis depends on another one

    def __hash__(self) -> int:
        return hash((tuple(self.classes.items()), tuple(self.parents.items())))

    def depth(self, index: str) -> int:
        """The number of indices that it depends on."""
        return 0 if index not in self.parents else 1 + self.depth(self.parents[index])

    def counts(self, indices: Iterable[str]) -> Counter:
        """The number of these indices on each axis."""
        return Counter(self.classes[i] for i in indices)
