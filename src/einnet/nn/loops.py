"""Contractions of many operands that loop over some indices: no tensor larger than the operands is kept.

The bridge `ab,ac,bc,bd,cd->ad` has an intermediate of three axes, whichever two operands are
contracted first. With `b` fixed, all that remains has two. So a loop goes through chunks of `b`,
contracts two operands at a time and adds up. Only the operands are kept for the backward pass, which
goes through the same chunks: each step z = x y has the gradients dx = dz y and dy = dz x.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import product

import torch
from torch import Tensor

from einnet.nn.steps import contract
from einnet.terms.path import contraction_path

__all__ = ["contract_in_loop"]

Tuple = tuple[str, ...]
Slices = Mapping[str, slice]
CHUNK = 2**20  # entries of an intermediate, batch and features included, that a chunk may have


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
    return torch.ops.einnet.looped(same, equation, "".join(loop))


@torch.library.custom_op("einnet::looped", mutates_args=())
def _looped(operands: list[Tensor], equation: str, loop: str) -> Tensor:
    recipe = _Recipe.of(equation, loop)
    total = _empty(operands, recipe)
    total = torch.zeros_like(total, dtype=_wide(total.dtype))
    with torch.autocast(total.device.type, enabled=False):
        for slices in recipe.chunks(operands):
            part = recipe.values(recipe.sliced(operands, slices))[-1]
            _narrow(total, recipe.output, slices).add_(part)
    return total.to(operands[0].dtype)


@_looped.register_fake
def _(operands: list[Tensor], equation: str, loop: str) -> Tensor:
    return _empty(operands, _Recipe.of(equation, loop))


@torch.library.custom_op("einnet::looped_backward", mutates_args=())
def _looped_backward(gradient: Tensor, operands: list[Tensor], equation: str, loop: str) -> list[Tensor]:
    recipe = _Recipe.of(equation, loop)
    totals = [torch.zeros_like(x, dtype=_wide(x.dtype), memory_format=torch.contiguous_format) for x in operands]
    with torch.autocast(gradient.device.type, enabled=False):
        for slices in recipe.chunks(operands):
            parts = recipe.gradients(_narrow(gradient, recipe.output, slices), recipe.sliced(operands, slices))
            for total, tup, part in zip(totals, recipe.tuples, parts, strict=True):
                _narrow(total, tup, slices).add_(part)
    return [t.to(x.dtype) for t, x in zip(totals, operands, strict=True)]


@_looped_backward.register_fake
def _(gradient: Tensor, operands: list[Tensor], equation: str, loop: str) -> list[Tensor]:
    return [torch.empty_like(x, memory_format=torch.contiguous_format) for x in operands]


def _setup(ctx, inputs, output) -> None:
    operands, ctx.equation, ctx.loop = inputs
    ctx.save_for_backward(*operands)


def _backward(ctx, gradient: Tensor):
    operands = list(ctx.saved_tensors)
    return torch.ops.einnet.looped_backward(gradient.contiguous(), operands, ctx.equation, ctx.loop), None, None


_looped.register_autograd(_backward, setup_context=_setup)


class _Recipe:
    """The pairwise steps of a looped einsum; the loop's indices stay axes, of the size of a chunk."""

    def __init__(self, equation: str, loop: str):
        left, _, right = equation.partition("->")
        self.tuples: list[Tuple] = [tuple(t) for t in left.split(",")]
        self.output: Tuple = tuple(right)
        self.loop = loop
        sliced = tuple(tuple(i for i in t if i not in loop) for t in self.tuples)
        path = contraction_path(sliced, tuple(i for i in self.output if i not in loop))
        self.steps: list[tuple[int, int, Tuple]] = []  # the numbers of two values, and the indices kept
        self.names = list(self.tuples)
        left_over = list(range(len(self.tuples)))
        for pair in path:
            one, two = (left_over.pop(k) for k in sorted(pair, reverse=True))
            needed = {i for k in left_over for i in self.names[k]} | set(self.output)
            every = dict.fromkeys((*self.names[one], *self.names[two]))
            kept = self.output if not left_over else tuple(i for i in every if i in needed)
            self.steps.append((one, two, kept))
            left_over.append(len(self.names))
            self.names.append(kept)

    @staticmethod
    @lru_cache(maxsize=256)
    def of(equation: str, loop: str) -> "_Recipe":
        return _Recipe(equation, loop)

    def sizes(self, operands: Sequence[Tensor]) -> dict[str, int]:
        """The size of each index."""
        sizes = {}
        for x, t in zip(operands, self.tuples, strict=True):
            sizes |= dict(zip(t, x.shape[x.dim() - len(t) :], strict=True))
        return sizes

    def chunks(self, operands: Sequence[Tensor]) -> Iterator[Slices]:
        """Slices of the loop's indices: several at once of the last index where they are small."""
        sizes, most = self.sizes(operands), 1
        for x, t in zip(operands, self.tuples, strict=True):
            entries = x.shape[: x.dim() - len(t)].numel()
            for i in t:
                entries *= sizes[i] if i not in self.loop else 1
            most = max(most, entries)
        lengths = dict.fromkeys(self.loop, 1) | {self.loop[-1]: max(1, CHUNK // most)}
        ranges = [[slice(k, k + lengths[i]) for k in range(0, sizes[i], lengths[i])] for i in self.loop]
        for chosen in product(*ranges):
            yield dict(zip(self.loop, chosen, strict=True))

    def sliced(self, operands: Sequence[Tensor], slices: Slices) -> list[Tensor]:
        return [_narrow(x, t, slices) for x, t in zip(operands, self.tuples, strict=True)]

    def values(self, operands: list[Tensor]) -> list[Tensor]:
        """The operands and what each step makes of them, the result last."""
        values = list(operands)
        for one, two, kept in self.steps:
            values.append(contract([values[one], values[two]], [self.names[one], self.names[two]], kept))
        return values

    def gradients(self, gradient: Tensor, operands: list[Tensor]) -> list[Tensor]:
        """The gradient of each operand, given that of the result."""
        values = self.values(operands)
        found: dict[int, Tensor] = {len(values) - 1: gradient.to(values[0].dtype)}
        for number, (one, two, kept) in reversed(list(enumerate(self.steps, start=len(operands)))):
            after = found.pop(number)
            for mine, other in ((one, two), (two, one)):
                found[mine] = contract([after, values[other]], [kept, self.names[other]], self.names[mine])
        return [found[k] for k in range(len(operands))]


def _narrow(x: Tensor, tup: Tuple, slices: Slices) -> Tensor:
    """The part of a tensor at these slices of its last axes, a view."""
    for k, index in enumerate(tup):
        if index in slices:
            part = slices[index]
            axis = k - len(tup)
            x = x.narrow(axis, part.start, min(part.stop, x.shape[axis]) - part.start)
    return x


def _empty(operands: Sequence[Tensor], recipe: _Recipe) -> Tensor:
    sizes = recipe.sizes(operands)
    batch = operands[0].shape[: operands[0].dim() - len(recipe.tuples[0])]
    return operands[0].new_empty([*batch, *(sizes[i] for i in recipe.output)])


def _wide(dtype: torch.dtype) -> torch.dtype:
    """Parts are added up in single precision or better."""
    return torch.promote_types(dtype, torch.float32)
