"""Values of a semiring computed part by part, each again in the backward pass: only operands and results are kept.

A `Work` says what the parts are: some matrices of a product, a chunk of the indices that a loop goes through, or some
matches of a join. Parts of one place of the result are added up.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from einnet.nn.semiring.algebra import Algebra

__all__ = ["MatrixProduct", "Work", "differentiate", "record", "run_in_parts"]

CHUNK = {"cpu": 2**16}  # numbers of a matrix operand or result that a part may have
LARGE_CHUNK = 2**22  # on other devices


class Work(ABC):
    """A function of some operands to one result, in parts."""

    algebra: Algebra
    is_disjoint: bool  # whether each part has a place of its own in the result

    @abstractmethod
    def empty(self, operands: Sequence[Tensor]) -> Tensor:
        """A tensor with the shape of the result."""

    @abstractmethod
    def parts(self, operands: Sequence[Tensor]) -> Iterable[Any]: ...

    @abstractmethod
    def take(self, k: int, x: Tensor, part: Any) -> Tensor:
        """What a part reads of the k-th operand."""

    @abstractmethod
    def give(self, k: int, total: Tensor, part: Any, gradient: Tensor) -> None:
        """Adds the gradient of what a part reads to that of the k-th operand."""

    @abstractmethod
    def place(self, total: Tensor, part: Any) -> Tensor:
        """A view of what a part adds to."""

    @abstractmethod
    def run(self, pieces: Sequence[Tensor], part: Any) -> Tensor:
        """What a part adds, from what it reads; all of it from all operands."""

    @abstractmethod
    def run_at_once(self, operands: Sequence[Tensor]) -> Tensor:
        """The result by plain operations, for programs that see through these only."""


def run_in_parts(work: Work, operands: Sequence[Tensor]) -> Tensor:
    """The result, without a derivative."""
    total = work.empty(operands)
    total = total if work.is_disjoint else work.algebra.zeros(total, total.shape)
    with torch.no_grad():
        for part in work.parts(operands):
            value = work.run([work.take(k, x, part) for k, x in enumerate(operands)], part)
            place = work.place(total, part)
            place.copy_(value if work.is_disjoint else work.algebra.add(place, value))
    return total


def differentiate(work: Work, gradient: Tensor, operands: Sequence[Tensor]) -> list[Tensor]:
    """The gradients of the operands."""
    totals = [torch.zeros(x.shape, dtype=x.dtype, device=x.device) for x in operands]
    result = None if work.is_disjoint else run_in_parts(work, operands)
    rest = gradient if work.is_disjoint else gradient.clone(memory_format=torch.contiguous_format)
    for part in work.parts(operands):
        pieces = [work.take(k, x, part).detach().requires_grad_() for k, x in enumerate(operands)]
        with record():
            value = work.run(pieces, part)
        own = work.place(rest, part)
        if result is not None:
            own, left = work.algebra.share(own, value.detach(), work.place(result, part))
            work.place(rest, part).copy_(left)
        with record():
            gradients = torch.autograd.grad(value, pieces, own)
        for k, g in enumerate(gradients):
            work.give(k, totals[k], part, g)
    return totals


@contextmanager
def record() -> Iterator[None]:
    """Lets autograd record, also within a custom operator, which runs below it."""
    keys = torch._C.DispatchKey
    excluded = torch._C._dispatch_tls_local_exclude_set()
    for key in (keys.AutogradFunctionality, keys.AutogradOther, keys.AutogradNestedTensor, keys.ADInplaceOrView):
        excluded = excluded.remove(key)
    with torch._C._ForceDispatchKeyGuard(torch._C._dispatch_tls_local_include_set(), excluded), torch.enable_grad():
        yield


class MatrixProduct(Work):
    """The product of matrices (n, a, b) and (n, b, c)."""

    is_disjoint = True

    def __init__(self, algebra: Algebra):
        self.algebra = algebra

    def empty(self, operands: Sequence[Tensor]) -> Tensor:
        x, y = operands
        return x.new_empty([*x.shape[:-1], y.shape[-1]])

    def parts(self, operands: Sequence[Tensor]) -> Iterable[slice]:
        x, y = operands
        largest = max(x[..., 0, :, :].numel(), y[..., 0, :, :].numel(), x.shape[-2] * y.shape[-1])
        step = max(1, CHUNK.get(x.device.type, LARGE_CHUNK) // max(1, largest))
        return (slice(k, k + step) for k in range(0, x.shape[-3], step))

    def take(self, k: int, x: Tensor, part: slice) -> Tensor:
        return x[..., part, :, :]

    def give(self, k: int, total: Tensor, part: slice, gradient: Tensor) -> None:
        total[..., part, :, :] = gradient

    def place(self, total: Tensor, part: slice) -> Tensor:
        return total[..., part, :, :]

    def run(self, pieces: Sequence[Tensor], part: slice) -> Tensor:
        return self.algebra.product(*pieces)

    def run_at_once(self, operands: Sequence[Tensor]) -> Tensor:
        x, y = operands
        return self.algebra.sum(self.algebra.multiply(x.unsqueeze(-1), y.unsqueeze(-3)), [-2])
