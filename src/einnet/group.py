"""`GroupElement`: one element of a symmetry type's group, and its action on tensors."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from einnet._notation import ancestors_of
from einnet.errors import ShapeError

if TYPE_CHECKING:
    from einnet.symmetry import Symmetry

__all__ = ["GroupElement"]


@dataclass(frozen=True, eq=False)
class GroupElement:
    """One element of a type's group: where each index of each class is moved to.

    `maps[c]` is an integer array of shape `(sizes of c's ancestors..., size of c)`: for a class
    without parent a permutation, for `a->b` one permutation of the `b` for each `a`. The element
    acts on a tensor by moving the entry at index i to the index g(i).

    >>> import numpy as np
    >>> from einnet import Symmetry
    >>> g = GroupElement({"a": np.array([1, 2, 0])}, {})
    >>> g.act(np.array([10, 20, 30]), Symmetry("a"))
    array([30, 10, 20])
    >>> (g @ g.inverse()).maps["a"]
    array([0, 1, 2])
    """

    maps: Mapping[str, np.ndarray]
    parents: Mapping[str, str]

    @classmethod
    def random(cls, classes, dependencies, sizes: Mapping[str, int], rng: Any = None) -> "GroupElement":
        if not isinstance(sizes, Mapping):
            raise ShapeError(f"sizes is a dict with the size of each class, such as {{'a': 5}}; got {sizes!r}")
        rng = np.random.default_rng(rng)
        parents = {c: p for p, c in dependencies}
        if missing := [c for c in classes if c not in sizes]:
            raise ShapeError(f"sizes are missing for {', '.join(map(repr, missing))}: got {dict(sizes)}")
        maps = {}
        for c in classes:
            shape = tuple(sizes[x] for x in (*ancestors_of(c, parents), c))
            maps[c] = rng.permuted(np.broadcast_to(np.arange(shape[-1]), shape), axis=-1)
        return cls(maps, parents)

    def act(self, x: Any, symmetry: "Symmetry") -> Any:
        """The tensor `x` of type `symmetry`, moved: result[g(i)] = x[i].

        `x` may have leading batch axes; it may be an array of any framework that has numpy's
        indexing with integer arrays (numpy, torch, jax).
        """
        for letter, size in symmetry.sizes_of(x.shape).items():
            if (moved := self.maps[letter].shape[-1]) != size:
                raise ShapeError(
                    f"the tensor of type '{symmetry}' has size {size} on axis '{letter}', the element moves {moved}"
                )
        if not symmetry.axes:
            return x
        source, rank = self.inverse().maps, len(symmetry.axes)
        index = []
        for position, letter in enumerate(symmetry.axes):
            where = [symmetry.axes.index(p) for p in ancestors_of(letter, self.parents)] + [position]
            array = np.transpose(source[letter], np.argsort(where))
            index.append(array.reshape([array.shape[sorted(where).index(k)] if k in where else 1 for k in range(rank)]))
        return x[(..., *index, *([slice(None)] * symmetry.features))]

    def inverse(self) -> "GroupElement":
        inverted: dict[str, np.ndarray] = {}
        for c in self._outermost_first():
            per_list = np.argsort(self.maps[c], axis=-1)
            inverted[c] = per_list[self._move(inverted, c)]
        return GroupElement(inverted, self.parents)

    def __matmul__(self, other: "GroupElement") -> "GroupElement":
        """First `other`, then this one."""
        composed = {}
        for c in self._outermost_first():
            mine = self.maps[c][other._move(other.maps, c)]
            composed[c] = np.take_along_axis(mine, other.maps[c], axis=-1)
        return GroupElement(composed, self.parents)

    def _outermost_first(self) -> list[str]:
        return sorted(self.maps, key=lambda c: len(ancestors_of(c, self.parents)))

    def _move(self, maps: Mapping[str, np.ndarray], letter: str) -> tuple:
        """Index arrays that say to which list each list of class `letter` is moved by `maps`."""
        chain = ancestors_of(letter, self.parents)
        depth = len(chain)
        return tuple(maps[p].reshape(maps[p].shape + (1,) * (depth - i - 1)) for i, p in enumerate(chain))
