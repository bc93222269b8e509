"""`SemiringBackend`: the executor's primitives on tensors, in a semiring.

Products of matrices and einsums with loops are custom operators, with their own backward and fake kernel.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from math import prod
from typing import Any

import torch
from torch import Tensor

from einnet.nn.backend import TorchBackend, align
from einnet.nn.looped import DECOMPOSITIONS as LOOPED
from einnet.nn.looped import LoopedEinsum, is_in_transform, narrow
from einnet.nn.semiring.algebra import ALGEBRAS, Algebra
from einnet.nn.semiring.parts import MatrixProduct, Work, differentiate, run_in_parts
from einnet.plan.backends import Backend

__all__ = ["DECOMPOSITIONS", "SemiringBackend"]

Tuple = tuple[str, ...]
MATRICES = "ab,bc->ac"


class SemiringBackend(TorchBackend):
    """Tensors of torch, with the sums and products of a semiring, by its name."""

    def __init__(self, name: str):
        super().__init__(torch)
        self.name, self.algebra = name, ALGEBRAS[name]

    def sum(self, x: Tensor, axes: tuple[int, ...]) -> Tensor:
        if any(x.shape[k] == 0 for k in axes):
            nothing = x.sum(axes, dtype=x.dtype)  # which keeps the derivative
            return self.algebra.zeros(x, nothing.shape) + nothing
        return self.algebra.sum(x, axes)

    def multiply(self, x: Tensor, y: Tensor) -> Tensor:
        return self.algebra.multiply(x, y)

    def matmul(self, x: Tensor, y: Tensor) -> Tensor:
        stacked = self.algebra.stacked_axes
        batch = torch.broadcast_shapes(x.shape[stacked:-2], y.shape[stacked:-2])
        if 0 in (*batch, *x.shape[-2:], y.shape[-1]):
            return self.algebra.zeros(x, [*x.shape[:stacked], *batch, x.shape[-2], y.shape[-1]]) + x.sum() + y.sum()
        flat = [self._flatten(z, batch) for z in (x, y)]
        product = contract(flat, MATRICES, "", self.name)
        return product.reshape(*x.shape[:stacked], *batch, x.shape[-2], y.shape[-1])

    def _flatten(self, x: Tensor, batch: Sequence[int]) -> Tensor:
        """(stacked..., n, a, b)"""
        stacked = self.algebra.stacked_axes
        x = x.expand(*x.shape[:stacked], *batch, *x.shape[-2:])
        return x.reshape(*x.shape[:stacked], prod(batch), *x.shape[-2:])

    def einsum(self, equation: str, x: Tensor, y: Tensor) -> Tensor:
        left, _, output = equation.replace("...", "").partition("->")
        return self._contract([x, y], [tuple(t) for t in left.split(",")], tuple(output))

    def _contract(self, operands: Sequence[Tensor], tuples: Sequence[Tuple], output: Tuple) -> Tensor:
        """An einsum of two values, as products of matrices if each has an index that the other lacks."""
        (x, y), (left, right) = operands, tuples
        shared = [i for i in left if i in right]
        rows, columns = ([i for i in t if i not in shared] for t in tuples)
        summed = [i for i in shared if i not in output]
        outer = [i for i in shared if i in output]
        sizes = dict(zip(left, x.shape[x.dim() - len(left) :], strict=True))
        sizes |= dict(zip(right, y.shape[y.dim() - len(right) :], strict=True))
        if not rows or not columns or not summed:
            names = (*outer, *rows, *columns, *summed)
            product = self.multiply(align(x, left, names), align(y, right, names))
            axes = tuple(k - len(names) for k, i in enumerate(names) if i not in output)
            product = self.sum(product, axes) if axes else product
            return align(product, [i for i in names if i in output], output)
        x = self._merge(align(x, left, (*outer, *rows, *summed)), len(rows), len(summed))
        y = self._merge(align(y, right, (*outer, *summed, *columns)), len(summed), len(columns))
        product = self.matmul(x, y).unflatten(-1, [sizes[i] for i in columns])
        product = product.unflatten(-1 - len(columns), [sizes[i] for i in rows])
        return align(product, (*outer, *rows, *columns), output)

    def _merge(self, x: Tensor, first: int, second: int) -> Tensor:
        """The last axes made two."""
        x = x.flatten(-second) if second > 1 else x
        return x.flatten(-1 - first, -2) if first > 1 else x

    def contract_in_loop(
        self, operands: Sequence[Tensor], tuples: Sequence[Tuple], output: Tuple, loop: Tuple
    ) -> Tensor:
        batch = torch.broadcast_shapes(*(x.shape[: x.dim() - len(t)] for x, t in zip(operands, tuples, strict=True)))
        same = [x.expand(*batch, *x.shape[x.dim() - len(t) :]) for x, t in zip(operands, tuples, strict=True)]
        sizes: dict[str, Any] = {}
        for x, t in zip(same, tuples, strict=True):
            sizes |= dict(zip(t, x.shape[x.dim() - len(t) :], strict=True))
        if 0 in (*batch, *sizes.values()):
            nothing = sum(x.sum() for x in same if not x.numel())
            return self.algebra.zeros(same[0], [*batch, *(sizes[i] for i in output)]) + nothing
        equation = ",".join(map("".join, tuples)) + "->" + "".join(output)
        return contract(same, equation, "".join(loop), self.name)


class Loop(Work):
    """An einsum of any number of operands that goes through the indices of a loop, see `looped.py`."""

    def __init__(self, equation: str, loop: str, algebra: Algebra, backend: Backend):
        self.algebra, self.einsum = algebra, LoopedEinsum(equation, loop, backend)
        self.is_disjoint = set(loop) <= set(self.einsum.output)

    def empty(self, operands: Sequence[Tensor]) -> Tensor:
        sizes = self.einsum.sizes(operands)
        batch = operands[0].shape[: operands[0].dim() - len(self.einsum.tuples[0])]
        return operands[0].new_empty([*batch, *(sizes[i] for i in self.einsum.output)])

    def parts(self, operands: Sequence[Tensor]) -> Iterable[Any]:
        return self.einsum.chunks(operands)

    def take(self, k: int, x: Tensor, part: Any) -> Tensor:
        return narrow(x, self.einsum.tuples[k], part)

    def give(self, k: int, total: Tensor, part: Any, gradient: Tensor) -> None:
        narrow(total, self.einsum.tuples[k], part).add_(gradient)

    def place(self, total: Tensor, part: Any) -> Tensor:
        return narrow(total, self.einsum.output, part)

    def run(self, pieces: Sequence[Tensor], part: Any) -> Tensor:
        return self.einsum.result(pieces, {})

    def run_at_once(self, operands: Sequence[Tensor]) -> Tensor:
        return self.einsum.result(operands, {})


@lru_cache(maxsize=256)
def make_work(equation: str, loop: str, name: str) -> Work:
    algebra = ALGEBRAS[name]
    return Loop(equation, loop, algebra, SemiringBackend(name)) if loop else MatrixProduct(algebra)


def contract(operands: Sequence[Tensor], equation: str, loop: str, name: str) -> Tensor:
    """A product of matrices, or an einsum with a loop, of operands with the same batch axes."""
    if not torch.compiler.is_compiling() and is_in_transform():
        return make_work(equation, loop, name).run_at_once(operands)
    return torch.ops.einnet.semiring(list(operands), equation, loop, name)


@torch.library.custom_op("einnet::semiring", mutates_args=())
def _contract(operands: list[Tensor], equation: str, loop: str, name: str) -> Tensor:
    with torch.autocast(operands[0].device.type, enabled=False):
        return run_in_parts(make_work(equation, loop, name), operands)


@_contract.register_fake
def _(operands: list[Tensor], equation: str, loop: str, name: str) -> Tensor:
    return make_work(equation, loop, name).empty(operands)


@torch.library.custom_op("einnet::semiring_backward", mutates_args=())
def _differentiate(gradient: Tensor, operands: list[Tensor], equation: str, loop: str, name: str) -> list[Tensor]:
    with torch.autocast(gradient.device.type, enabled=False):
        return differentiate(make_work(equation, loop, name), gradient, operands)


@_differentiate.register_fake
def _(gradient: Tensor, operands: list[Tensor], equation: str, loop: str, name: str) -> list[Tensor]:
    return [torch.empty(x.shape, dtype=x.dtype, device=x.device) for x in operands]


def _setup(ctx, inputs, output) -> None:
    *gradient, operands, ctx.equation, ctx.loop, ctx.name = inputs
    ctx.save_for_backward(*gradient, *operands)


def _backward(ctx, gradient: Tensor):
    operands = list(ctx.saved_tensors)
    gradients = torch.ops.einnet.semiring_backward(gradient.contiguous(), operands, ctx.equation, ctx.loop, ctx.name)
    return gradients, None, None, None


def _second_backward(ctx, seconds: list[Tensor]):
    """The derivatives of the gradients, by those of `Work.run` on all operands."""
    gradient, *operands = (x.detach().requires_grad_() for x in ctx.saved_tensors)
    with torch.enable_grad():
        value = make_work(ctx.equation, ctx.loop, ctx.name).run(operands, None)
        firsts = torch.autograd.grad(value, operands, gradient, create_graph=True)
    first, *rest = torch.autograd.grad(firsts, [gradient, *operands], seconds, allow_unused=True)
    return (
        first,
        [torch.zeros_like(x) if g is None else g for x, g in zip(operands, rest, strict=True)],
        None,
        None,
        None,
    )


_contract.register_autograd(_backward, setup_context=_setup)
_differentiate.register_autograd(_second_backward, setup_context=_setup)


def _contract_at_once(operands: list[Tensor], equation: str, loop: str, name: str) -> Tensor:
    return make_work(equation, loop, name).run_at_once(operands)


DECOMPOSITIONS = LOOPED | {torch.ops.einnet.semiring.default: _contract_at_once}  # of all operators
