"""Masks for padded sizes: which indices of each class are really there, and how many are summed."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from einnet.errors import ShapeError
from einnet.nn.backend import align
from einnet.symmetry import Symmetry
from einnet.terms import Term

__all__ = ["MaskLike", "Masks"]

MaskLike = Tensor | Mapping[str, Tensor] | None


class Masks:
    """Boolean masks by class.

    The mask of a class has shape (batch..., sizes of the class's ancestors..., size of the class):
    for graphs of different sizes (batch, n); for lists of lists `a->b`, the mask of `b` is
    (batch, n_a, n_b). A class without mask is wholly there.
    """

    def __init__(
        self, by_class: Mapping[str, Tensor], symmetry: Symmetry, sizes: Mapping[str, int], batch: Sequence[int]
    ):
        for letter, mask in by_class.items():
            if letter not in symmetry.classes:
                raise ShapeError(
                    f"a mask is given for '{letter}', but the type '{symmetry}' has the classes "
                    f"{', '.join(symmetry.classes) or 'none'}"
                )
            want = tuple(sizes[c] for c in (*symmetry.ancestors(letter), letter))
            if not isinstance(mask, Tensor):
                raise ShapeError(f"the mask of '{letter}' must be a boolean tensor, got {type(mask).__name__}")
            its_batch = mask.shape[: max(mask.dim() - len(want), 0)]
            fits = tuple(mask.shape[-len(want) :]) == want and broadcasts(its_batch, batch)
            if mask.dtype != torch.bool or not fits:
                raise ShapeError(
                    f"the mask of '{letter}' says which indices are there: it must be boolean with shape "
                    f"(batch..., {', '.join(map(str, want))}), the batch axes as in the input, here "
                    f"({', '.join(map(str, batch))}); got {mask.dtype} with shape {tuple(mask.shape)}"
                )
        self.by_class = dict(by_class)
        self.symmetry = symmetry

    @classmethod
    def make(
        cls, mask: "MaskLike | Masks", symmetry: Symmetry, sizes: Mapping[str, int], batch: Sequence[int]
    ) -> "Masks | None":
        """Masks from what a user passes: one tensor where the type has one class, or a dict."""
        if mask is None or isinstance(mask, Masks):
            return mask
        if isinstance(mask, Tensor):
            if not symmetry.classes:
                raise ShapeError(f"the type '{symmetry}' has no permuted axes: there is nothing to mask")
            if len(symmetry.classes) != 1:
                raise ShapeError(
                    f"the type '{symmetry}' has the classes {', '.join(symmetry.classes)}: pass a dict "
                    "that gives each class its mask"
                )
            mask = {symmetry.classes[0]: mask}
        if not isinstance(mask, Mapping):
            raise ShapeError(f"a mask is a boolean tensor, or a dict of them by letter; got {type(mask).__name__}")
        return cls(mask, symmetry, sizes, batch)

    def restricted_to(self, symmetry: Symmetry) -> "Masks":
        """These masks for another type over the same classes (those that it lacks are dropped)."""
        kept = Masks.__new__(Masks)
        kept.by_class = {c: m for c, m in self.by_class.items() if c in symmetry.classes}
        kept.symmetry = symmetry
        return kept

    def cells(self) -> Tensor | None:
        """Which cells of a tensor of the type are there: (batch..., axes...)."""
        axes = self.symmetry.axes
        cells = None
        for k, letter in enumerate(axes):
            if letter in self.by_class:
                names = [axes.index(p) for p in self.symmetry.ancestors(letter)] + [k]
                part = align(self.by_class[letter], names, range(len(axes)))
                cells = part if cells is None else cells & part
        return cells

    def apply(self, x: Tensor, value: float = 0) -> Tensor:
        """`x` (features before the axes) with masked cells set to zero, or another value, whatever they held."""
        cells = self.cells()
        return x if cells is None else x.masked_fill(~cells.unsqueeze(-1 - len(self.symmetry.axes)), value)

    def counts(self, term: Term, classes: Mapping[str, str], sizes: Mapping[str, int], core: Sequence[str]) -> Tensor:
        """How many values `term` sums for each index of its core: (batch..., 1, core axes or 1...)."""
        parent = _parent_indices(term, classes, self.symmetry)
        total = torch.ones((), dtype=torch.float32)
        names: tuple[str, ...] = ()
        for index in term.summed_indices:
            if parent.get(index) not in term.summed_indices:  # the others are counted below their parents
                part, its = self._below(index, term, classes, sizes, parent)
                every = tuple(dict.fromkeys((*names, *its)))
                total, names = align(total, names, every).to(part.device) * align(part, its, every), every
        return align(total, names, core).unsqueeze(-1 - len(core))

    def _below(self, index, term, classes, sizes, parent) -> tuple[Tensor, tuple[str, ...]]:
        """The number of values of `index`, and of the summed indices that depend on it, for each parent."""
        letter = classes[index]
        names = [index]
        while names[0] in parent:
            names.insert(0, parent[names[0]])
        if letter in self.by_class:
            total = self.by_class[letter].to(torch.float32)
        else:
            device = next((m.device for m in self.by_class.values()), None)
            total = torch.ones([sizes[classes[n]] for n in names], device=device)
        for child in term.summed_indices:
            if parent.get(child) == index:
                part, its = self._below(child, term, classes, sizes, parent)
                total = total * align(part, its, names)
        return total.sum(-1), tuple(names[:-1])


def broadcasts(shape: Sequence[int], to: Sequence[int]) -> bool:
    """Whether a tensor of this shape can be broadcast to the other shape."""
    pairs = zip(reversed(shape), reversed(to), strict=False)
    return len(shape) <= len(to) and all(size in (1, wanted) for size, wanted in pairs)


def _parent_indices(term: Term, classes: Mapping[str, str], symmetry: Symmetry) -> dict[str, str]:
    """For each index of a dependent class, the index of the parent class that it comes with."""
    found = {}
    for tup in (*term.operands, term.output):
        by_class = {classes[i]: i for i in tup}
        for index in tup:
            if (p := symmetry.parent_of(classes[index])) is not None and p in by_class:
                found[index] = by_class[p]
    return found
