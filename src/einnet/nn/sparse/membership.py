"""Disjoint unions: the sample that each element is of, and sums and products within each sample.

A value without index, such as a total, is one value for each sample there. A step of a plan whose tuples are not
connected by common indices is run with one more index, the sample, on all tuples: a total is a sum over the elements of
a sample, and what is computed from it goes to the elements of this sample.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from einnet.checks import check_count
from einnet.errors import ShapeError
from einnet.nn.sparse.support import Support, guard

__all__ = ["Membership"]

Tuple = tuple[str, ...]
SAMPLE = "#"  # the index of the samples


class Membership:
    """The sample of each element, by axis: `sample["a"]` has whole numbers (elements,) below `number`.

    >>> graphs = Membership({"a": torch.tensor([0, 0, 1])}, 3)       # three graphs, the last one without nodes
    >>> edges = Support(torch.tensor([[0], [1]]), (3, 3))
    >>> graphs.with_sample(("a", "a"), edges).index[:, 0]            # the edge from node 0 to node 1, in graph 0
    tensor([0, 0, 1])
    """

    def __init__(self, sample: Mapping[str, Tensor], number: int | None = None):
        for letter, x in sample.items():
            if not isinstance(x, Tensor) or x.dim() != 1 or x.is_floating_point() or x.dtype == torch.bool:
                shape = f"{x.dtype} with shape {tuple(x.shape)}" if isinstance(x, Tensor) else type(x).__name__
                raise ShapeError(f"the samples of axis '{letter}' must be whole numbers (elements,), got {shape}")
        largest = max((int(x.long().max()) for x in sample.values() if len(x)), default=-1)
        self.number = largest + 1 if number is None else check_count(number, "the number of samples", minimum=0)
        self.by_axis: dict[str, Support] = {}
        for letter, x in sample.items():
            index = torch.stack([x.long(), torch.arange(len(x), device=x.device)])
            try:
                self.by_axis[letter] = Support(index, (self.number, len(x)))
            except ShapeError as error:
                raise ShapeError(f"the samples of axis '{letter}': {error}") from None
        device = next((x.device for x in sample.values()), None)
        self.samples = Support(torch.arange(self.number, device=device)[None], (self.number,))

    @property
    def supports(self) -> list[Support]:
        return [*self.by_axis.values(), self.samples]

    def check(self, axes: Sequence[str], support: Support) -> None:
        """Raises unless each entry is within one sample."""
        rows = [
            (c, self.by_axis[c].index[0][row]) for c, row in zip(axes, support.index, strict=True) if c in self.by_axis
        ]
        for _, row in rows[1:]:
            if len(entries := (row != rows[0][1]).nonzero()):
                k = int(entries[0])
                raise ShapeError(
                    f"entry {k} of '[{''.join(axes)}]', {tuple(support.index[:, k].tolist())}, has elements of the "
                    f"samples {int(rows[0][1][k])} and {int(row[k])}: an entry is within one sample"
                )

    def samples_of(self, axes: Sequence[str], support: Support | None) -> Tensor:
        """The sample of each entry; of each element of the only axis of a dense type."""
        if support is None:
            return self.by_axis[axes[0]].index[0]
        letter = next(c for c in axes if c in self.by_axis)
        elements, key = self.by_axis[letter], ("samples of", tuple(axes), id(self.by_axis[letter]))

        def make() -> tuple[Tensor, Any]:
            return elements.index[0][support.index[list(axes).index(letter)]], guard(key, [support, elements])

        return support.cache(key, make)[0]

    def with_sample(self, axes: Sequence[str], support: Support | None) -> Support:
        """The support with the sample of each entry before its indices; that of a dense value has all elements."""
        if support is None:
            return self.by_axis[axes[0]] if axes else self.samples
        elements = self.by_axis[next(c for c in axes if c in self.by_axis)]
        key = ("sample", tuple(axes), id(elements))

        def make() -> tuple[Support, Any]:
            index = torch.cat([self.samples_of(axes, support)[None], support.index])
            return Support(index, (self.number, *support.sizes), support.receivers), guard(key, [support, elements])

        return support.cache(key, make)[0]

    def extend(
        self, tuples: Sequence[Tuple], axes: Mapping[str, str], supports: Sequence[Support | None]
    ) -> tuple[list[Tuple], list[Support]]:
        """The tuples with the sample before their indices, and their supports."""
        extended = [self.with_sample([axes[i] for i in t], s) for t, s in zip(tuples, supports, strict=True)]
        return [(SAMPLE, *t) for t in tuples], extended

    def run(
        self,
        contract: Callable[..., Tensor],
        tuples: Sequence[Tuple],
        axes: Mapping[str, str],
        supports: Sequence[Support | None],
        operands: Sequence[Tensor],
    ) -> Tensor:
        """The value of an einsum within each sample, by a function such as `join`; the output is the last tuple."""
        (*names, output), extended = self.extend(tuples, axes, supports)
        is_dense = [s is None and len(t) > 0 for t, s in zip(tuples, supports, strict=True)]
        rows = [x.transpose(-1, -2) if dense else x for x, dense in zip(operands, is_dense, strict=False)]
        y = contract(names, output, extended, rows)
        return y.transpose(-1, -2) if is_dense[-1] else y
