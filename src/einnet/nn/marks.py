"""Marks: an element of an axis singled out by one more feature, in a copy of the inputs for each element."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from einnet.checks import check_count
from einnet.errors import EinNetError, ShapeError
from einnet.nn.backend import align, upcast
from einnet.nn.context import Context, is_broadcastable
from einnet.nn.inputs import batch_of
from einnet.nn.mode import draws_numbers
from einnet.signature import Signature
from einnet.symmetry import Symmetry

__all__ = ["AxisMarks", "Copies", "MarkLike", "Marks"]

READ = "read"
CELLS = 2**14  # of all copies in a part, by default
MarkLike = Tensor | int | Mapping[str, Tensor | int] | None


@dataclass(frozen=True)
class AxisMarks:
    """The marks of one axis: `symmetry` is the type of its elements, with its parents."""

    axis: str
    symmetry: Symmetry
    number: int
    is_read: bool


@dataclass(frozen=True)
class Marks:
    """The marks of a network by axis; an input for each, with as many features as there are marks.

    >>> Marks.of(2, Signature("aaH -> H")).axes
    (AxisMarks(axis='a', symmetry=Symmetry('aH'), number=2, is_read=False),)
    >>> Marks.of({"b": "read"}, Signature("abH; a->b")).axes            # an element of a list is one of its parent
    (AxisMarks(axis='b', symmetry=Symmetry('abH; a->b'), number=1, is_read=True),)
    """

    axes: tuple[AxisMarks, ...]

    @staticmethod
    def of(marks: Any, signature: Signature) -> "Marks":
        """From the argument `marks` of a network; raises for what does not fit the signature."""
        if marks is None:
            return Marks(())
        letters = signature.classes
        if not isinstance(marks, Mapping):
            if len(letters) != 1:
                example = "{" + ", ".join(f"'{c}': 1" for c in letters) + "}" if letters else "None"
                raise EinNetError(f"'{signature}' has {len(letters)} axes: pass marks={example}, got {marks!r}")
            marks = {letters[0]: marks}
        if unknown := [c for c in marks if c not in {x for t in signature.inputs for x in t.axes}]:
            raise EinNetError(f"marks are of an axis that an input has, no input of '{signature}' has {unknown[0]!r}")
        return Marks(tuple(_parse_axis(c, marks[c], signature) for c in letters if c in marks))

    @property
    def types(self) -> tuple[Symmetry, ...]:
        """The types of the inputs that hold the marks."""
        return tuple(m.symmetry for m in self.axes)

    @property
    def widths(self) -> list[int]:
        """Their features."""
        return [m.number for m in self.axes]

    def check_export(self) -> None:
        """Raises for several marked elements of one axis: torch cannot simplify the sizes of their copies."""
        letters = [c for m in self.axes for _ in range(m.number) for c in m.symmetry.axes]
        if repeated := [c for c in letters if letters.count(c) > 1]:
            raise EinNetError(f"a network with several marks on the axis '{repeated[0]}' cannot be exported")


def _parse_axis(axis: str, value: Any, signature: Signature) -> AxisMarks:
    all_axes = Symmetry.of(signature.classes, signature.dependencies)
    symmetry = Symmetry.of((*all_axes.ancestors(axis), axis), signature.dependencies)
    sparse = Symmetry.of(symmetry.axes, signature.dependencies, is_sparse=True)
    if len(symmetry.axes) > 1 and sparse in {t.with_features for t in signature.inputs}:
        symmetry = sparse  # the elements of ragged lists are the entries
    if isinstance(value, str):
        if value != READ:
            raise EinNetError(f"the marks of axis '{axis}' are a number or 'read', got {value!r}")
        if axis not in signature.output.axes:
            raise EinNetError(f"marks of axis '{axis}' cannot be read: the output of '{signature}' lacks the axis")
        return AxisMarks(axis, symmetry, 1, True)
    return AxisMarks(axis, symmetry, check_count(value, f"the number of marks of axis '{axis}'"), False)


class Copies:
    """The copies of the inputs of one call, numbered from 0: one for each choice of an element for each mark.

    In a disjoint union a copy marks an element of each sample. Copies are the first axis of a batch. With elements that
    the user marked there is one copy, without this axis.
    """

    def __init__(
        self,
        marks: Marks,
        signature: Signature,
        tensors: Sequence[Tensor],
        context: Context,
        mark: MarkLike = None,
        chunk: int | None = None,
        is_mean: bool = True,
    ):
        self.marks, self.output, self.context = marks, signature.output, context
        self.chunk, self.is_mean = chunk, is_mean
        self.batch = batch_of(signature.inputs, tensors, context.backend.membership is not None)
        self.like, self.cells = tensors[0], max(x[..., 0].numel() for x in tensors)
        if context.backend.is_sharded and marks.axes:  # the same number in every process
            self.cells = max(map(context.backend.count_cells, signature.inputs)) * prod(self.batch)  # type: ignore
        self.elements = [Elements(m.symmetry, context.full_context, self.like.device) for m in marks.axes]
        self.marked = None if mark is None else self._read_mark(mark)
        self.sizes = [e.largest for m, e in zip(marks.axes, self.elements, strict=True) for _ in range(m.number)]

    @property
    def is_single(self) -> bool:
        """Whether there is one copy, whose result is the output as it is."""
        return self.marked is not None or len(self.marks.axes) == 0

    @property
    def number(self) -> int:
        return 1 if self.is_single else prod(self.sizes)

    @property
    def all(self) -> tuple[int, int]:
        """The part that has all copies."""
        return 0, self.number

    def run(self, function: Callable[[list[Tensor]], Tensor], module: nn.Module) -> Tensor:
        """The output of a call from a function of the marks, run for some copies at a time.

        With several parts each is computed again in the backward pass; `module` says whether it draws random numbers.
        """

        def run_part(part: tuple[int, int]) -> Tensor:
            return self.pool(function(self.inputs(part)), part)

        first, *rest = self.split()
        if rest and torch.is_grad_enabled():
            run_part = partial(checkpoint, run_part, use_reentrant=False, preserve_rng_state=draws_numbers(module))
        total = run_part(first)
        for part in rest:
            total = total + run_part(part)
        return total

    def split(self) -> list[tuple[int, int]]:
        """The first copy of each part, and the one after its last; by default parts of which a state fits the cache."""
        number, chunk = self.number, self.chunk
        is_free = torch.compiler.is_exporting() or (chunk is None and torch.compiler.is_compiling())
        if self.is_single or is_free:  # a program of any size has no loop
            return [self.all]
        if chunk is None:
            chunk = max(1, CELLS // max(self.cells, 1))
        return [(k, min(k + chunk, number)) for k in range(0, max(number, 1), chunk)]

    def inputs(self, part: tuple[int, int]) -> list[Tensor]:
        """The marks of the copies, 1 at marked elements: (copies, batch... or 1..., axes..., marks) for each axis."""
        if self.marked is not None:
            return [self._cut(x.to(self.like.dtype), e) for x, e in zip(self.marked, self.elements, strict=True)]
        inputs = []
        for e, places in zip(self.elements, self._places(part), strict=True):
            marked = torch.stack([self._extend(e.find(p), e) for p in places], -1)
            inputs.append(self._cut((marked[0] if self._is_one(part) else marked).to(self.like.dtype), e))
        return inputs

    def _cut(self, marked: Tensor, elements: "Elements") -> Tensor:
        """What this process has of the marks of an axis, (..., axes..., marks)."""
        if not self.context.backend.is_sharded:
            return marked
        return self.context.backend.take_block(marked.movedim(-1, 0), elements.symmetry.axes).movedim(0, -1)

    def _is_one(self, part: tuple[int, int]) -> bool:
        """Whether a part of several is one copy: without the axis of the copies, maps are products of two matrices."""
        return part != self.all and part[1] - part[0] == 1

    def pool(self, y: Tensor, part: tuple[int, int]) -> Tensor:
        """What the outputs of some copies add to the output of the call: (batch..., axes..., features)."""
        if self.is_single:
            return y
        weights, total, is_one = self._weights(part), upcast(y), self._is_one(part)
        if weights is not None:
            total = total.masked_fill(~(weights[0] if is_one else weights).unsqueeze(-1), 0)
        total = total if is_one else total.sum(0)
        return (total / self._count() if self.is_mean else total).to(y.dtype)

    def _places(self, part: tuple[int, int]) -> list[list[Tensor]]:
        """For each axis and each of its marks the number of the marked element, (copies,)."""
        numbers, places = torch.arange(*part, device=self.like.device), []
        if len(self.sizes) == 1:
            return [[numbers]]
        for m, e in zip(self.marks.axes, self.elements, strict=True):
            size = numbers.new_full((), max(e.largest, 1))  # ONNX has no remainder by a symbolic number
            places.append([])
            for _ in range(m.number):
                places[-1].append(numbers % size)
                numbers = numbers // size
        return places

    def _extend(self, marked: Tensor, elements: "Elements") -> Tensor:
        """Which elements are marked, (copies, elements) to (copies, batch... or 1..., axes...), none in padding."""
        axes = elements.shape
        marked = marked.reshape(marked.shape[0], *[1] * len(self.batch), *axes)
        return marked if elements.cells is None else marked & elements.cells

    def _weights(self, part: tuple[int, int]) -> Tensor | None:
        """Which copies have a result at each cell of the output, (copies, batch... or 1..., axes...); None for all."""
        weights = None
        for m, e, places in zip(self.marks.axes, self.elements, self._places(part), strict=True):
            for place in places:
                if m.is_read:
                    cells = e.at_output(self._extend(e.find(place), e), self.output)
                elif e.is_full:
                    continue
                else:
                    cells = e.present_at_output(self._extend(e.find(place), e), self.output)
                weights = cells if weights is None else weights & cells
        if weights is None or self.output.is_sparse:  # of this process's entries
            return weights
        return self.context.backend.take_block(weights, self.output.axes)

    def _count(self) -> Tensor | int:
        """How many copies have a result at each cell: those of the marks that are not read, 1 or more."""
        count: Tensor | int = 1
        for m, e in zip(self.marks.axes, self.elements, strict=True):
            if not m.is_read:
                number = e.count_at_output(self.output, self.like) if not e.is_full else max(e.largest, 1)
                count = count * number**m.number
        return count

    def _read_mark(self, mark: Any) -> list[Tensor]:
        """The marks that a user gives, as inputs."""
        axes = self.marks.axes
        if not axes:
            raise EinNetError("a mark was given to a network without marks: make it with marks=1")
        if not isinstance(mark, Mapping):
            if len(axes) != 1:
                names = ", ".join(m.axis for m in axes)
                raise ShapeError(f"one mark was given for the axes {names}: pass a dict with the marks of each")
            mark = {axes[0].axis: mark}
        if set(mark) != {m.axis for m in axes}:
            names = ", ".join(m.axis for m in axes)
            raise ShapeError(f"marks are of the axes {names}, got those of {', '.join(map(str, mark)) or 'none'}")
        return [self._read_axis(mark[m.axis], m, e) for m, e in zip(axes, self.elements, strict=True)]

    def _read_axis(self, mark: Any, marks: AxisMarks, elements: "Elements") -> Tensor:
        """From a boolean mask of the elements, or from whole numbers, to (batch..., axes..., marks)."""
        if isinstance(mark, int) and not isinstance(mark, bool):
            mark = torch.tensor(mark, device=self.like.device)
        if not isinstance(mark, Tensor) or mark.is_floating_point() or mark.is_complex():
            received = mark.dtype if isinstance(mark, Tensor) else type(mark).__name__
            raise TypeError(
                f"the mark of axis '{marks.axis}' must be whole numbers of elements, or a boolean mask of them, "
                f"got {received}"
            )
        if mark.dtype != torch.bool:
            mark = self._mark_numbers(mark, marks, elements)
        elif marks.number == 1:
            mark = mark.unsqueeze(-1)
        shape = (*elements.shape, marks.number)
        leading = mark.shape[: max(mark.dim() - len(shape), 0)]
        if tuple(mark.shape[len(leading) :]) != shape or not is_broadcastable(leading, self.batch):
            expected = ", ".join(["batch...", *map(str, shape if marks.number > 1 else elements.shape)])
            raise ShapeError(
                f"the mask of the marks of axis '{marks.axis}' must have shape ({expected}) and the batch axes of the "
                f"inputs, here ({', '.join(map(str, self.batch))}); got {tuple(mark.shape)}"
            )
        return mark if elements.cells is None else mark & elements.cells.unsqueeze(-1)

    def _mark_numbers(self, mark: Tensor, marks: AxisMarks, elements: "Elements") -> Tensor:
        """The mask of marked elements from their numbers: (batch...), with several marks (batch..., marks)."""
        if len(elements.shape) != 1:
            raise ShapeError(
                f"an element of axis '{marks.axis}' is one of its parent: pass a boolean mask of shape "
                f"(batch..., {', '.join(map(str, elements.shape))})"
            )
        (number,) = elements.shape
        if not torch.compiler.is_compiling() and mark.numel() and not 0 <= int(mark.min()) <= int(mark.max()) < number:
            raise ShapeError(
                f"axis '{marks.axis}' has the elements 0 to {number - 1}, a mark was given at {mark.flatten().tolist()}"
            )
        if marks.number == 1:
            mark = mark.unsqueeze(-1)
        is_marked = mark.unsqueeze(-2) == torch.arange(number, device=mark.device).unsqueeze(-1)
        if self.context.backend.membership is not None:  # a number for each sample
            is_marked = is_marked.flatten(0, -3).any(0)
        return is_marked


class Elements:
    """The elements of an axis in one call, each with its number; in a disjoint union that within its sample.

    Entries that only receive are none.
    """

    sample: Tensor  # of each element of a disjoint union
    numbers: Tensor  # of each element
    largest: int  # the number of elements, in a disjoint union of the sample that has most

    def __init__(self, symmetry: Symmetry, context: Context, device: torch.device):
        self.symmetry, self.context, self.device = symmetry, context, device
        self.shape = context.shape(symmetry)
        self.cells = context.cells(symmetry)
        self.support = context.backend.supports.get(symmetry.axes) if symmetry.is_sparse else None
        self.receivers = self.support.receivers if self.support is not None else 0
        self.membership = context.backend.membership
        if self.membership is None:
            self.largest = prod(self.shape) - self.receivers
            self.numbers = torch.arange(prod(self.shape), device=device)
        else:
            self._number_in_samples()

    @property
    def is_full(self) -> bool:
        """Whether each number has its element, in every sample."""
        return self.cells is None and self.membership is None

    def _number_in_samples(self) -> None:
        """The sample of each element, the number of each within it, and the largest number of elements of a sample."""
        samples = self._sample_of(self.symmetry)
        self.sample = samples[: samples.shape[0] - self.receivers]
        counts = torch.bincount(self.sample, minlength=self.membership.number)
        order = self.sample.argsort(stable=True)
        first = counts.cumsum(0) - counts
        numbers = torch.empty_like(order)
        numbers[order] = torch.arange(order.shape[0], device=order.device) - first[self.sample[order]]
        self.numbers = torch.nn.functional.pad(numbers, (0, self.receivers), value=-1)
        self.largest = int(counts.max()) if counts.numel() else 0

    def find(self, places: Tensor) -> Tensor:
        """Which elements have these numbers, (copies, elements)."""
        return places.unsqueeze(-1) == self.numbers

    def at_output(self, marked: Tensor, output: Symmetry) -> Tensor:
        """Which cells of the output belong to a marked element: (..., axes... or 1)."""
        axes = self.symmetry.axes
        if self.symmetry.is_sparse:
            if output.axes != axes or not output.is_sparse:
                raise EinNetError(
                    f"marks of '{self.symmetry}' can be read at an output of this type, the output is '{output}'"
                )
            return marked
        places = [output.axes.index(c) for c in axes]
        if output.is_sparse:
            index = self.context.backend.supports[output.axes].index
            return marked[(..., *(index[p] for p in places))]
        return align(marked, places, range(len(output.axes)))

    def present_at_output(self, marked: Tensor, output: Symmetry) -> Tensor:
        """Whether an element is marked, in a disjoint union in the sample of each cell of the output."""
        return self._to_output((self._sum(marked) > 0), output)

    def count_at_output(self, output: Symmetry, like: Tensor) -> Tensor:
        """The number of elements, one or more, with an axis for the features."""
        present = torch.ones(self.shape, dtype=torch.bool, device=self.device) if self.cells is None else self.cells
        if self.receivers:
            present = present & (self.numbers >= 0)
        return self._to_output(self._sum(present).clamp(min=1), output).unsqueeze(-1).to(upcast(like).dtype)

    def _sum(self, marked: Tensor) -> Tensor:
        """The number of elements among some: (...), in a disjoint union (..., samples)."""
        flat = marked.flatten(-len(self.shape)).long()
        if self.membership is None:
            return flat.sum(-1)
        flat = flat[..., : len(self.sample)]
        return flat.new_zeros(*flat.shape[:-1], self.membership.number).index_add(-1, self.sample, flat)

    def _to_output(self, x: Tensor, output: Symmetry) -> Tensor:
        """A value for each call, or for each sample, at the cells of the output."""
        if self.membership is None:
            return x.reshape([*x.shape, *[1] * (1 if output.is_sparse else len(output.axes))])
        return x.index_select(-1, self._sample_of(output)) if output.axes else x

    def _sample_of(self, symmetry: Symmetry) -> Tensor:
        """The sample of each cell of a type."""
        support = self.context.backend.supports[symmetry.axes] if symmetry.is_sparse else None
        return self.membership.with_sample(symmetry.axes, support).index[0]
