"""Symmetry types: the short strings from which everything else is derived, and the elements of their groups."""

from collections.abc import Iterable, Mapping
from dataclasses import InitVar, dataclass, field
from string import ascii_lowercase
from typing import Any

import numpy as np

from einnet._notation import Dependency, ancestors_of, parse_parts, split_dependencies, write_tuple, write_type
from einnet.checks import check_sizes
from einnet.errors import EinNetError, NotationError, ShapeError

__all__ = ["GroupElement", "Symmetry", "as_symmetry", "check_dense"]


@dataclass(frozen=True)
class Symmetry:
    """The symmetry type of one tensor.

    A lowercase letter is a permuted axis; the same letter twice is permuted jointly; `H` is the feature axis, `Z`
    stands for the leading batch axes, which are accepted with or without it. After a semicolon, `a->b` says that each
    `a` has its own list of `b`. The group is the wreath product of the symmetric groups along the dependencies.
    Brackets around the axes, `[aa]H`, say that there are values at the index tuples of a support only.

    >>> lists = Symmetry("abcH; a->b")
    >>> lists.axes, lists.classes, lists.parent_of("b")
    (('a', 'b', 'c'), ('a', 'b', 'c'), 'a')
    >>> lists == Symmetry("xyzH; x->y"), lists == Symmetry("xyzH; x->y").canonical()
    (False, True)
    >>> print(lists)
    abcH; a->b
    >>> edges = Symmetry("[aa]H")
    >>> edges.is_sparse, edges.dense
    (True, Symmetry('aaH'))
    >>> Symmetry("aab; a->b")
    Traceback (most recent call last):
    einnet.errors.NotationError: 'b' depends on 'a', which occurs twice: which 'a' does it belong to?
      aab; a->b
           ^
    A parent letter occurs once in a type that has its child: give the second axis a letter of its own.
    """

    text: InitVar[str]
    axes: tuple[str, ...] = field(init=False)
    features: bool = field(init=False)
    batch: bool = field(init=False)
    is_sparse: bool = field(init=False)
    dependencies: tuple[tuple[str, str], ...] = field(init=False, compare=False)
    _dependency_set: frozenset[tuple[str, str]] = field(init=False)  # their order makes no difference

    def __post_init__(self, text: str) -> None:
        head, dependencies = split_dependencies(text)
        if "->" in head or "," in head:
            hint = "Give the type alone, such as 'aH'; for inputs and an output there is Signature(...)."
            raise NotationError("expected one symmetry type, got a signature", text, 0, len(head.rstrip()), hint)
        (part,) = Symmetry._parts(text, [(0, len(head))], dependencies)
        self.__dict__.update(part.__dict__)

    @classmethod
    def _parts(cls, text: str, spans: Iterable[tuple[int, int]], dependencies: list[Dependency]) -> list["Symmetry"]:
        """The types at these places of a notation."""
        types = []
        for fields in parse_parts(text, spans, dependencies):
            types.append(object.__new__(cls))
            types[-1].__dict__.update(fields)
        return types

    @classmethod
    def of(
        cls,
        axes: Iterable[str],
        dependencies: Iterable[tuple[str, str]] = (),
        *,
        features: bool = True,
        is_sparse: bool = False,
    ) -> "Symmetry":
        """The type with these axes and with the dependencies of which it has the child.

        >>> Symmetry.of("ab", [("a", "b"), ("a", "c")])
        Symmetry('abH; a->b')
        """
        axes = tuple(axes)
        head = write_tuple(axes, is_sparse) + "H" * features
        return cls(write_type(head, [(p, c) for p, c in dependencies if c in axes]))

    @property
    def classes(self) -> tuple[str, ...]:
        """The different letters, in order of first occurrence."""
        return tuple(dict.fromkeys(self.axes))

    @property
    def bare(self) -> "Symmetry":
        """The type without feature and batch axes."""
        return Symmetry.of(self.axes, self.dependencies, features=False, is_sparse=self.is_sparse)

    @property
    def dense(self) -> "Symmetry":
        """The type without brackets: with a value at every index tuple."""
        return Symmetry.of(self.axes, self.dependencies, features=self.features) if self.is_sparse else self

    @property
    def with_features(self) -> "Symmetry":
        """The type with H, without the batch flag."""
        return Symmetry.of(self.axes, self.dependencies, is_sparse=self.is_sparse)

    def parent_of(self, letter: str) -> str | None:
        """The letter that `letter` depends on, or None."""
        return next((p for p, c in self.dependencies if c == letter), None)

    def ancestors(self, letter: str) -> tuple[str, ...]:
        """The letters that `letter` depends on, the outermost first.

        >>> Symmetry("abc; a->b, b->c").ancestors("c")
        ('a', 'b')
        """
        return ancestors_of(letter, {c: p for p, c in self.dependencies})

    def sizes_of(self, shape: Iterable[int], name: str = "the tensor") -> dict[str, int]:
        """The size of each axis, from the shape of a tensor: (batch..., axes..., features if the type has them).

        Of a sparse type it is the shape of the dense form, as sparse tensors of torch have it.

        >>> Symmetry("abH").sizes_of((32, 5, 7, 64))
        {'a': 5, 'b': 7}
        >>> Symmetry("aaH").sizes_of((5, 7, 64))
        Traceback (most recent call last):
        einnet.errors.ShapeError: the tensor of type 'aaH' has shape (5, 7, 64), where axis 'a' has
        both size 5 and size 7: the same letter is the same set, so the sizes must agree
        """
        shape = tuple(shape)
        rank = len(self.axes) + self.features
        if len(shape) < rank:
            needed = "(batch...,) " * (not self.batch) + ", ".join(self.axes + ("H",) * self.features)
            raise ShapeError(f"{name} of type '{self}' needs at least {rank} axes ({needed}), got shape {shape}")
        sizes: dict[str, int] = {}
        for letter, size in zip(self.axes, shape[len(shape) - rank :], strict=False):
            if sizes.setdefault(letter, size) != size:
                raise ShapeError(
                    f"{name} of type '{self}' has shape {shape}, where axis '{letter}' has both size "
                    f"{sizes[letter]} and size {size}: the same letter is the same set, so the sizes must agree"
                )
        return sizes

    def random_element(self, sizes: Mapping[str, int], rng: Any = None) -> "GroupElement":
        """A uniformly random element of the group of this type; see `Signature.random_element`."""
        return GroupElement.random(self, sizes, rng)

    @property
    def head(self) -> str:
        """The notation without dependencies."""
        return "Z" * self.batch + write_tuple(self.axes, self.is_sparse) + "H" * self.features

    def __str__(self) -> str:
        return write_type(self.head, self.dependencies)

    def __repr__(self) -> str:
        return f"Symmetry({str(self)!r})"

    def canonical(self) -> "Symmetry":
        """The representative of all types that differ by letters or the batch flag.

        >>> Symmetry("ZyxxH; y->x").canonical() == Symmetry("abbH; a->b")
        True
        >>> Symmetry("ZyxxH").canonical()
        Symmetry('abbH')
        """
        return self.with_letters(dict(zip(self.classes, ascii_lowercase, strict=False)))

    def with_letters(self, names: Mapping[str, str]) -> "Symmetry":
        """The type with other letters, its dependencies sorted, without the batch flag.

        >>> Symmetry("ab; a->b").with_letters({"a": "x", "b": "y"})
        Symmetry('xy; x->y')
        """
        dependencies = sorted((names[p], names[c]) for p, c in self.dependencies)
        axes = [names[x] for x in self.axes]
        return Symmetry.of(axes, dependencies, features=self.features, is_sparse=self.is_sparse)


def as_symmetry(symmetry: Symmetry | str) -> Symmetry:
    """A type from a type or its notation."""
    return symmetry if isinstance(symmetry, Symmetry) else Symmetry(symmetry)


def check_dense(types: Iterable[Symmetry], what: str, instead: str = "") -> None:
    """Raises `EinNetError` for a sparse type; `what` takes values at all index tuples, `instead` says what to do.

    >>> check_dense([Symmetry("aH"), Symmetry("[aa]H")], "EinLinear")
    Traceback (most recent call last):
    einnet.errors.EinNetError: EinLinear takes dense types only, got the sparse type '[aa]H': write 'aaH' for a tensor
    with a value at every index tuple
    """
    if sparse := [t for t in types if t.is_sparse]:
        instead = instead or f"write '{sparse[0].dense}' for a tensor with a value at every index tuple"
        raise EinNetError(f"{what} takes dense types only, got the sparse type '{sparse[0]}': {instead}")


@dataclass(frozen=True, eq=False)
class GroupElement:
    """An element of the group of a type: the image of each index.

    `maps[c]` is an integer array of shape `(sizes of the ancestors of c..., size of c)`: a permutation
    for a letter without parent, one permutation of the `b` for each `a` if `a->b`.

    >>> g = GroupElement({"a": np.array([1, 2, 0])}, {})
    >>> g.act(np.array([10, 20, 30]), Symmetry("a"))
    array([30, 10, 20])
    >>> (g @ g.inverse()).maps["a"]
    array([0, 1, 2])
    """

    maps: Mapping[str, np.ndarray]
    parents: Mapping[str, str]

    @classmethod
    def random(cls, types: Any, sizes: Mapping[str, int], rng: Any = None) -> "GroupElement":
        """An element of the group of a `Symmetry` or `Signature`; see `Signature.random_element`."""
        sizes = check_sizes(sizes)
        rng = np.random.default_rng(rng)
        parents = {c: p for p, c in types.dependencies}
        if missing := [c for c in types.classes if c not in sizes]:
            raise ShapeError(f"sizes are missing for {', '.join(map(repr, missing))}: got {sizes}")
        shapes = {c: tuple(sizes[x] for x in (*ancestors_of(c, parents), c)) for c in types.classes}
        maps = {c: rng.permuted(np.broadcast_to(np.arange(s[-1]), s), axis=-1) for c, s in shapes.items()}
        return cls(maps, parents)

    def act(self, x: Any, symmetry: Symmetry) -> Any:
        """Moves the entries of a tensor of type `symmetry`, perhaps with batch axes: result[g(i)] = x[i].

        `x` may be an array of any framework with numpy's indexing by integer arrays (numpy, torch, jax). A sparse
        tensor is moved by its index, see `act_on_index`.
        """
        check_dense([symmetry], "GroupElement.act", "move the index of its support with act_on_index")
        sizes = symmetry.sizes_of(x.shape)
        for letter, size in sizes.items():
            if (expected := self.maps[letter].shape[-1]) != size:
                raise ShapeError(
                    f"the tensor of type '{symmetry}' has size {size} on axis '{letter}', the element moves {expected}"
                )
        grids, source = np.ix_(*(np.arange(sizes[c]) for c in symmetry.axes)), self.inverse().maps
        index = []
        for grid, letter in zip(grids, symmetry.axes, strict=True):
            parents = [grids[symmetry.axes.index(p)] for p in ancestors_of(letter, self.parents)]
            index.append(source[letter][(*parents, grid)])
        return x[(..., *index, *([slice(None)] * symmetry.features))]

    def act_on_index(self, index: Any, symmetry: Symmetry) -> Any:
        """The images of the index tuples of a support: an array of numpy or torch, (axes, entries).

        The values of a sparse tensor stay at their entries.

        >>> g = GroupElement({"a": np.array([1, 2, 0])}, {})
        >>> g.act_on_index(np.array([[0, 0, 2], [1, 2, 2]]), Symmetry("[aa]"))
        array([[1, 1, 0],
               [2, 0, 0]])

        Raises `ShapeError` for an index of another shape, or out of range.
        """
        axes, rows = symmetry.axes, np.asarray(index.cpu() if hasattr(index, "cpu") else index)
        if rows.ndim != 2 or len(rows) != len(axes):
            raise ShapeError(f"the index of a support of '{symmetry}' is (axes, entries), got shape {rows.shape}")
        images = []
        for letter, row in zip(axes, rows, strict=True):
            size = self.maps[letter].shape[-1]
            if row.size and not 0 <= row.min() <= row.max() < size:
                problem = f"goes from {row.min()} to {row.max()}, the element moves {size}"
                raise ShapeError(f"the index of axis '{letter}' of '{symmetry}' {problem}")
            parents = (rows[axes.index(p)] for p in ancestors_of(letter, self.parents))
            images.append(self.maps[letter][(*parents, row)])
        moved = np.stack(images)
        return index.new_tensor(moved) if hasattr(index, "new_tensor") else moved

    def inverse(self) -> "GroupElement":
        inverted: dict[str, np.ndarray] = {}
        for c in sorted(self.maps, key=lambda c: len(ancestors_of(c, self.parents))):
            inverted[c] = np.argsort(self.maps[c], axis=-1)[self._move(inverted, c)]
        return GroupElement(inverted, self.parents)

    def __matmul__(self, other: "GroupElement") -> "GroupElement":
        """First `other`, then this one."""
        moved = {c: self.maps[c][other._move(other.maps, c)] for c in other.maps}
        composed = {c: np.take_along_axis(moved[c], images, axis=-1) for c, images in other.maps.items()}
        return GroupElement(composed, self.parents)

    def _move(self, maps: Mapping[str, np.ndarray], letter: str) -> tuple:
        """Index arrays with the list to which `maps` moves each list of `letter`."""
        chain = ancestors_of(letter, self.parents)
        return tuple(maps[p].reshape(maps[p].shape + (1,) * (len(chain) - k)) for k, p in enumerate(chain, start=1))
