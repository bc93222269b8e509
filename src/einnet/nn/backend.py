"""The executor of plans on torch tensors: (batch..., features, axes...), channels first.

In that order each feature is one matrix in memory, which suits matrix products. The public modules
move the channels to the front and back as views; between layers nothing is copied.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, Concatenate, ParamSpec, TypeVar

import torch
from torch import Tensor

from einnet.nn.looped import contract_in_loop, differentiate_in_loop
from einnet.plan import Plan, Result, execute
from einnet.plan.backends import TensorBackend
from einnet.plan.kernel import Expansion
from einnet.plan.kernel import align as align_axes
from einnet.symmetry import Symmetry

__all__ = [
    "TorchBackend",
    "align",
    "feature_axis",
    "rank_of",
    "run_plan",
    "run_upcast",
    "to_channels_first",
    "to_channels_last",
    "upcast",
]

Tuple = tuple[str, ...]
T = TypeVar("T")
P = ParamSpec("P")


class TorchBackend(TensorBackend):
    """Tensors of torch, with loops that keep no tensor larger than the operands.

    `supports` has the support of each sparse type, by its axes, and `membership` the samples of a disjoint union; there
    are none here, see `SparseBackend`.
    """

    supports: Mapping[Tuple, Any] = {}
    membership: Any = None

    def take_block(self, x: Tensor, letters: Sequence[str]) -> Tensor:
        """What this process has of a tensor whose last axes are these, or of size one; here all of it."""
        return x

    def cache(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """What `make` returns, kept with the supports."""
        return make()

    def expand(self, compact: Tensor, result: Result, shape: Sequence[int]) -> Tensor:
        """The output of a term, with axes of these sizes, from its compact result."""
        return Expansion.of(result.axis_map).apply(compact, shape, self)

    def contract_in_loop(
        self, operands: Sequence[Tensor], tuples: Sequence[Tuple], output: Tuple, loop: Tuple
    ) -> Tensor:
        return contract_in_loop(operands, tuples, output, loop)

    def differentiate_loop(
        self, gradient: Tensor, operands: Sequence[Tensor], tuples: Sequence[Tuple], output: Tuple, loop: Tuple
    ) -> list[Tensor]:
        return differentiate_in_loop(gradient, operands, tuples, output, loop)


TORCH = TorchBackend(torch)


def feature_axis(symmetry: Symmetry) -> int:
    """The axis of the features, channels first; they stand last in the values of a sparse type."""
    return -1 if symmetry.is_sparse else -1 - len(symmetry.axes)


def rank_of(symmetry: Symmetry) -> int | None:
    """The number of axes that follow the features, channels first; None for a sparse type."""
    return None if symmetry.is_sparse else len(symmetry.axes)


def to_channels_first(x: Tensor, rank: int | None) -> Tensor:
    """(batch..., axes..., features) to (batch..., features, axes...), a view; as it is for a rank of None."""
    return x if rank is None else x.movedim(-1, -1 - rank)


def to_channels_last(x: Tensor, rank: int | None) -> Tensor:
    """(batch..., features, axes...) to (batch..., axes..., features), a view; as it is for a rank of None."""
    return x if rank is None else x.movedim(-1 - rank, -1)


def upcast(x: Tensor) -> Tensor:
    """`x` in single precision or better."""
    return x if x.dtype == torch.float64 else x.float()


def run_upcast(
    function: Callable[Concatenate[Sequence[Tensor], P], T],
    tensors: Sequence[Tensor],
    *args: P.args,
    **kwargs: P.kwargs,
) -> T:
    """A function of tensors and arguments, in single precision for float16, whose largest number is 65,504.

    Sums of more values, and their squares, are larger before they are divided by the number of values.
    """
    device = tensors[0].device.type
    if device == "meta" or not torch.is_autocast_enabled(device):  # there is no autocast for meta
        is_half = tensors[0].dtype == torch.float16
        return function([upcast(x) for x in tensors] if is_half else tensors, *args, **kwargs)
    if torch.float16 not in (tensors[0].dtype, torch.get_autocast_dtype(device)):
        return function(tensors, *args, **kwargs)
    with torch.autocast(device, enabled=False):
        return function([upcast(x) for x in tensors], *args, **kwargs)


def run_plan(plan: Plan, operands: Sequence[Tensor], backend: TorchBackend = TORCH) -> list[Tensor]:
    """The compact result of each term."""
    return execute.run_plan(plan, operands, backend)


def align(x: Tensor, names: Sequence[str | int], target: Sequence[str | int]) -> Tensor:
    """The last axes of `x`, called `names`, in the order of `target`; an axis of size one where `names` lacks it."""
    return align_axes(x, names, target, TORCH)
