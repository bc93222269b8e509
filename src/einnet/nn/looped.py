"""Contractions of many operands that loop over some indices: no tensor larger than the operands is kept.

The bridge `ab,ac,bc,bd,cd->ad` has an intermediate of three axes, whichever two operands are
contracted first. With `b` fixed, all that remains has two. So a loop goes through chunks of `b`,
contracts two operands at a time and adds up. Only the operands are kept for the backward pass, which
goes through the same chunks: each step z = x y has the gradients dx = dz y and dy = dz x.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import product
from math import prod

import torch
from torch import Tensor
from torch.autograd import forward_ad

from einnet.plan.backends import Backend, TensorBackend
from einnet.plan.kernel import Kernel, align
from einnet.plan.path import contraction_steps

__all__ = ["DECOMPOSITIONS", "TENSORS", "LoopedEinsum", "contract_in_loop", "is_in_transform", "narrow", "upcast_dtype"]

Tuple = tuple[str, ...]
Slices = Mapping[str, slice]
TENSORS = TensorBackend(torch)
CHUNK = 2**18  # entries of an intermediate, batch and features included, that a chunk may have


def contract_in_loop(operands: Sequence[Tensor], tuples: Sequence[Tuple], output: Tuple, loop: Tuple) -> Tensor:
    """One einsum of any number of operands (batch..., axes...), looping over the indices of `loop`.

    Every operand index is in another operand or in the output.
    """
    batch = torch.broadcast_shapes(*(x.shape[: x.dim() - len(t)] for x, t in zip(operands, tuples, strict=True)))
    dtype = operands[0].dtype
    for x in operands[1:]:
        dtype = torch.promote_types(dtype, x.dtype)
    same = [x.to(dtype).expand(*batch, *x.shape[x.dim() - len(t) :]) for x, t in zip(operands, tuples, strict=True)]
    equation = ",".join(map("".join, tuples)) + "->" + "".join(output)
    if not torch.compiler.is_compiling() and is_in_transform():
        return LoopedEinsum.of(equation, "".join(loop)).result(same, {})
    return torch.ops.einnet.looped(same, equation, "".join(loop))


def is_in_transform() -> bool:
    """Whether torch.func (vmap, grad, jvp, ...) or forward-mode derivatives are at work.

    They see through plain operations only, so everything is then one chunk.
    """
    return torch._C._functorch.peek_interpreter_stack() is not None or forward_ad._current_level >= 0  # type: ignore[attr-defined]


@torch.library.custom_op("einnet::looped", mutates_args=())
def _contract_looped(operands: list[Tensor], equation: str, loop: str) -> Tensor:
    einsum = LoopedEinsum.of(equation, loop)
    total = _empty(operands, einsum)
    total = torch.zeros_like(total, dtype=upcast_dtype(total.dtype))
    with torch.autocast(total.device.type, enabled=False):
        for slices in einsum.chunks(operands):
            narrow(total, einsum.output, slices).add_(einsum.result(operands, slices))
    return total.to(operands[0].dtype)


@_contract_looped.register_fake
def _(operands: list[Tensor], equation: str, loop: str) -> Tensor:
    return _empty(operands, LoopedEinsum.of(equation, loop))


@torch.library.custom_op("einnet::looped_backward", mutates_args=())
def _differentiate_looped(gradient: Tensor, operands: list[Tensor], equation: str, loop: str) -> list[Tensor]:
    einsum = LoopedEinsum.of(equation, loop)
    totals = [torch.zeros_like(x, dtype=upcast_dtype(x.dtype), memory_format=torch.contiguous_format) for x in operands]
    with torch.autocast(gradient.device.type, enabled=False):
        for slices in einsum.chunks(operands):
            parts = einsum.gradients(gradient, operands, slices)
            for total, tup, part in zip(totals, einsum.tuples, parts, strict=True):
                narrow(total, tup, slices).add_(part)
    return [t.to(x.dtype) for t, x in zip(totals, operands, strict=True)]


@_differentiate_looped.register_fake
def _(gradient: Tensor, operands: list[Tensor], equation: str, loop: str) -> list[Tensor]:
    return [torch.empty_like(x, memory_format=torch.contiguous_format) for x in operands]


def _setup(ctx, inputs, output) -> None:
    """Keeps the gradient, where there is one, and the operands."""
    *gradient, operands, ctx.equation, ctx.loop = inputs
    ctx.save_for_backward(*gradient, *operands)


def _backward(ctx, gradient: Tensor):
    operands = list(ctx.saved_tensors)
    return torch.ops.einnet.looped_backward(gradient.contiguous(), operands, ctx.equation, ctx.loop), None, None


_contract_looped.register_autograd(_backward, setup_context=_setup)


def _second_backward(ctx, seconds: list[Tensor]):
    """The gradient of operand i is the einsum that reads the output instead of i, and has i as its output.

    So its derivatives are such einsums again, which read the incoming gradient instead of operand i.
    """
    gradient, *operands = ctx.saved_tensors
    left, _, right = ctx.equation.partition("->")
    edges = [right, *left.split(",")]  # the output's first, as its value is
    values = [gradient, *operands]

    def derivative(target: int, replaced: int) -> Tensor:
        factors = [seconds[replaced - 1] if k == replaced else x for k, x in enumerate(values)]
        if target:  # complex operands enter conjugated, and so their own derivative does
            factors = [gradient, *(x.conj() for x in factors[1:])]
        equation = ",".join(e for k, e in enumerate(edges) if k != target) + "->" + edges[target]
        return torch.ops.einnet.looped([x for k, x in enumerate(factors) if k != target], equation, ctx.loop)

    numbers = range(1, len(edges))
    derivatives = [sum(derivative(j, i) for i in numbers if i != j) for j in range(len(edges))]
    return derivatives[0], derivatives[1:], None, None


_differentiate_looped.register_autograd(_second_backward, setup_context=_setup)


class LoopedEinsum:
    """The pairwise steps of a looped einsum. The loop's indices are batch axes, of the size of a chunk."""

    def __init__(self, equation: str, loop: str, backend: Backend = TENSORS):
        self.backend = backend
        left, _, right = equation.partition("->")
        self.tuples: list[Tuple] = [tuple(t) for t in left.split(",")]
        self.output: Tuple = tuple(right)
        self.loop: Tuple = tuple(loop)
        *steps, last = contraction_steps(self.tuples, self.output, self.loop)
        self.steps = [*steps, replace(last, output=self.without_loop(self.output))]
        self.names = [*map(self.without_loop, self.tuples), *(step.output for step in self.steps)]  # of all values

    @staticmethod
    @lru_cache(maxsize=256)
    def of(equation: str, loop: str) -> "LoopedEinsum":
        return LoopedEinsum(equation, loop)

    def without_loop(self, tup: Tuple) -> Tuple:
        return tuple(i for i in tup if i not in self.loop)

    def sizes(self, operands: Sequence[Tensor]) -> dict[str, int]:
        """The size of each index."""
        sizes = {}
        for x, t in zip(operands, self.tuples, strict=True):
            sizes |= dict(zip(t, x.shape[x.dim() - len(t) :], strict=True))
        return sizes

    def chunks(self, operands: Sequence[Tensor]) -> Iterator[Slices]:
        """Slices of the loop's indices: several at once of the last index where they are small."""
        sizes, entries = self.sizes(operands), [1]
        for x, t in zip(operands, self.tuples, strict=True):
            entries.append(x.shape[: x.dim() - len(t)].numel() * prod(sizes[i] for i in self.without_loop(t)))
        lengths = dict.fromkeys(self.loop, 1) | {self.loop[-1]: max(1, CHUNK // max(entries))}
        ranges = [[slice(k, k + lengths[i]) for k in range(0, sizes[i], lengths[i])] for i in self.loop]
        for chosen in product(*ranges):
            yield dict(zip(self.loop, chosen, strict=True))

    def values(self, operands: Sequence[Tensor], slices: Slices) -> list[Tensor]:
        """The operands' parts and what each step makes of them, the loop's axes before the others; the result last."""
        values = [
            align(narrow(x, t, slices), t, (*self.loop, *names), self.backend)
            for x, t, names in zip(operands, self.tuples, self.names, strict=False)
        ]
        for step in self.steps:
            names = [self.names[step.left], self.names[step.right]]
            values.append(self.product([values[step.left], values[step.right]], names, step.output))
        return values

    def result(self, operands: Sequence[Tensor], slices: Slices) -> Tensor:
        """What a chunk adds to the output."""
        return self.to_output_layout(self.values(operands, slices)[-1], self.names[-1], self.output)

    def gradients(self, gradient: Tensor, operands: Sequence[Tensor], slices: Slices) -> list[Tensor]:
        """What a chunk adds to the gradient of each operand, given that of the output."""
        values = self.values(operands, slices)
        after = align(narrow(gradient, self.output, slices), self.output, (*self.loop, *self.names[-1]), self.backend)
        gradients: dict[int, Tensor] = {len(values) - 1: after.to(values[0].dtype)}
        for number, step in reversed(list(enumerate(self.steps, start=len(operands)))):
            after = gradients.pop(number)
            values.pop()  # the step's own value is needed no more
            for operand, factor in ((step.left, step.right), (step.right, step.left)):
                pair, names = [after, values[factor].conj()], [self.names[number], self.names[factor]]
                gradients[operand] = self.product(pair, names, self.names[operand])
        return [self.to_output_layout(gradients[k], self.names[k], self.tuples[k]) for k in range(len(operands))]

    def product(self, pair: Sequence[Tensor], names: Sequence[Tuple], output: Tuple) -> Tensor:
        """A pairwise contraction; axes of the loop are batch axes, of size 1 where an operand lacks them."""
        if set(names[0]) == set(names[1]) and len(output) < len(names[0]):
            x = self.backend.multiply(pair[0], align(pair[1], names[1], names[0], self.backend))
            return Kernel.of([names[0]], output).run([x], self.backend)
        return Kernel.of(names, output).run(pair, self.backend)

    def to_output_layout(self, x: Tensor, names: Tuple, tup: Tuple) -> Tensor:
        """Without the axes of the loop that the tuple lacks, which are summed; in the tuple's order."""
        summed_axes = tuple(k - len(self.loop) - len(names) for k, i in enumerate(self.loop) if i not in tup)
        if summed_axes:
            x = self.backend.sum(x, summed_axes)
        return align(x, [*(i for i in self.loop if i in tup), *names], tup, self.backend)


def narrow(x: Tensor, tup: Tuple, slices: Slices) -> Tensor:
    """The part of a tensor at these slices of its last axes, a view."""
    for k, index in enumerate(tup):
        if index in slices:
            part = slices[index]
            axis = k - len(tup)
            x = x.narrow(axis, part.start, min(part.stop, x.shape[axis]) - part.start)
    return x


def _empty(operands: Sequence[Tensor], einsum: LoopedEinsum) -> Tensor:
    sizes = einsum.sizes(operands)
    batch = operands[0].shape[: operands[0].dim() - len(einsum.tuples[0])]
    return operands[0].new_empty([*batch, *(sizes[i] for i in einsum.output)])


def upcast_dtype(dtype: torch.dtype) -> torch.dtype:
    """Parts are added up in single precision or better."""
    return torch.float32 if dtype in (torch.float16, torch.bfloat16) else dtype


def _in_one_chunk(operands: list[Tensor], equation: str, loop: str) -> Tensor:
    """The looped operation by standard operations."""
    return LoopedEinsum.of(equation, loop).result(operands, {})


DECOMPOSITIONS = {torch.ops.einnet.looped.default: _in_one_chunk}
