"""Contractions of many operands that loop over some indices: no tensor larger than the operands is kept.

The bridge `ab,ac,bc,bd,cd->ad` has an intermediate of three axes, whichever two operands are
contracted first. With `b` fixed, all that remains has two. So a loop goes through chunks of `b`,
contracts two operands at a time and adds up. Only the operands are kept for the backward pass, which
goes through the same chunks: each step z = x y has the gradients dx = dz y and dy = dz x.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import product
from math import prod

import torch
from torch import Tensor
from torch.autograd import forward_ad

from einnet.plan.backends import Backend, TensorBackend
from einnet.plan.kernel import Kernel, align
from einnet.plan.path import find_looped_steps

__all__ = [
    "DECOMPOSITIONS",
    "TENSORS",
    "LoopedEinsum",
    "contract_in_loop",
    "differentiate_in_loop",
    "is_in_transform",
    "narrow",
    "upcast_dtype",
]

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
    equation = _write_equation(tuples, output)
    if not torch.compiler.is_compiling() and is_in_transform():
        return LoopedEinsum.of(equation, "".join(loop)).result(same, {})
    return torch.ops.einnet.looped(same, equation, "".join(loop))


def differentiate_in_loop(
    gradient: Tensor, operands: Sequence[Tensor], tuples: Sequence[Tuple], output: Tuple, loop: Tuple
) -> list[Tensor]:
    """The gradients of the operands of `contract_in_loop`, which have one dtype and equal batch axes."""
    equation = _write_equation(tuples, output)
    return torch.ops.einnet.looped_backward(gradient.contiguous(), list(operands), equation, "".join(loop))


def _write_equation(tuples: Sequence[Tuple], output: Tuple) -> str:
    return ",".join(map("".join, tuples)) + "->" + "".join(output)


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
    operands = [x.contiguous() for x in operands]  # so that products of matrices copy nothing
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
    operands = [x.contiguous() for x in operands]
    totals = [torch.zeros_like(x, dtype=upcast_dtype(x.dtype)) for x in operands]
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
    """The pairwise steps of a looped einsum, for a part of the indices of the loop."""

    def __init__(self, equation: str, loop: str, backend: Backend = TENSORS):
        self.backend = backend
        left, _, right = equation.partition("->")
        self.tuples: list[Tuple] = [tuple(t) for t in left.split(",")]
        self.output: Tuple = tuple(right)
        self.loop: Tuple = tuple(loop)
        self.steps = find_looped_steps(tuple(self.tuples), self.output, self.loop)
        self.names = [*self.tuples, *(step.output for step in self.steps)]  # of all values

    @staticmethod
    @lru_cache(maxsize=256)
    def of(equation: str, loop: str) -> "LoopedEinsum":
        return LoopedEinsum(equation, loop)

    def sizes(self, operands: Sequence[Tensor]) -> dict[str, int]:
        """The size of each index."""
        sizes = {}
        for x, t in zip(operands, self.tuples, strict=True):
            sizes |= dict(zip(t, x.shape[x.dim() - len(t) :], strict=True))
        return sizes

    def chunks(self, operands: Sequence[Tensor], limit: int | None = None) -> Iterator[Slices]:
        """Slices of the loop's indices: several at once of the last index where they are small, `limit` at most."""
        sizes = self.sizes(operands)
        batch = operands[0].shape[: operands[0].dim() - len(self.tuples[0])].numel()
        entries = max(batch * prod(sizes[i] for i in names if i not in self.loop) for names in self.names)
        length = max(1, min(CHUNK // max(1, entries), limit or CHUNK))
        lengths = dict.fromkeys(self.loop, 1) | {self.loop[-1]: length}
        ranges = [[slice(k, k + lengths[i]) for k in range(0, sizes[i], lengths[i])] for i in self.loop]
        for chosen in product(*ranges):
            yield dict(zip(self.loop, chosen, strict=True))

    def values(self, operands: Sequence[Tensor], slices: Slices) -> list[Tensor]:
        """The operands' parts and what each step but the last makes of them."""
        values = [narrow(x, t, slices) for x, t in zip(operands, self.tuples, strict=True)]
        for step in self.steps[:-1]:
            names = [self.names[step.left], self.names[step.right]]
            values.append(self.product([values[step.left], values[step.right]], names, step.output))
        return values

    def result(self, operands: Sequence[Tensor], slices: Slices) -> Tensor:
        """What a chunk adds to the output."""
        values, last = self.values(operands, slices), self.steps[-1]
        names = [self.names[last.left], self.names[last.right]]
        return self.product([values[last.left], values[last.right]], names, self.output)

    def gradients(self, gradient: Tensor, operands: Sequence[Tensor], slices: Slices) -> list[Tensor]:
        """What a chunk adds to the gradient of each operand, given that of the output."""
        values = self.values(operands, slices)
        gradients = {len(values): narrow(gradient, self.output, slices).to(values[0].dtype)}
        for number, step in reversed(list(enumerate(self.steps, start=len(operands)))):
            after = gradients.pop(number)
            for operand, factor in ((step.left, step.right), (step.right, step.left)):
                pair, names = [after, values[factor].conj()], [self.names[number], self.names[factor]]
                gradients[operand] = self.product(pair, names, self.names[operand])
        return [gradients[k] for k in range(len(operands))]

    def product(self, pair: Sequence[Tensor], names: Sequence[Tuple], output: Tuple) -> Tensor:
        """A pairwise contraction. Where one operand has all indices of the other, a sum of products of numbers."""
        large, small = (0, 1) if len(names[0]) >= len(names[1]) else (1, 0)
        if len(output) < len(names[large]) and set(names[small]) <= set(names[large]):
            x = self.backend.multiply(pair[large], align(pair[small], names[small], names[large], self.backend))
            return Kernel.of([names[large]], output).run([x], self.backend)
        return Kernel.of(names, output).run(pair, self.backend)


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
