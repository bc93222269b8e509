"""What modules check of the tensors they are called with: features, shapes, dtypes."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from einnet.checks import check_count
from einnet.errors import EinNetError, ShapeError
from einnet.nn.context import Context, MaskLike, make_context
from einnet.nn.looped import is_in_transform
from einnet.signature import Signature
from einnet.symmetry import Symmetry

__all__ = ["batch_of", "bind_input", "can_fuse", "check_dtype", "check_features", "check_in_features", "dtype_of"]


FUSED_TYPES = torch.float32, torch.float64, torch.bfloat16
AUTOCAST = {torch.float32, torch.bfloat16, torch.float16}  # what autocast casts to one another


def check_in_features(signature: Signature, in_features: int | Sequence[int]) -> tuple[int, ...]:
    """The features of each input, from a number (one input) or a sequence."""
    widths = tuple(in_features) if isinstance(in_features, Sequence) else (in_features,)
    if len(widths) != len(signature.inputs):
        raise EinNetError(
            f"'{signature}' has {len(signature.inputs)} inputs: in_features must have that many numbers, "
            f"got {in_features!r}"
        )
    return tuple(check_count(w, "in_features") for w in widths)


def bind_input(symmetry: Symmetry, features: int, x: Tensor, mask: MaskLike | Context) -> Context:
    """The sizes and masks of a call with one input of a type."""
    check_features(x, symmetry.axes, features)
    if isinstance(mask, Context):
        return mask
    batch = x.shape[: x.dim() - 1 - len(symmetry.axes)]
    return make_context(mask, symmetry, (symmetry,), symmetry.sizes_of(x.shape), batch)


def batch_of(types: Sequence[Symmetry], inputs: Sequence[Tensor], is_union: bool = False) -> tuple[int, ...]:
    """The batch axes of all inputs, broadcast against each other; without that of the samples of a union."""
    own_axes = [1 if t.is_sparse or (is_union and not t.axes) else len(t.axes) for t in types]
    batches = [tuple(x.shape[: x.dim() - 1 - n]) for x, n in zip(inputs, own_axes, strict=True)]
    if len(batches) == 1:
        return batches[0]
    try:
        return tuple(torch.broadcast_shapes(*batches))
    except RuntimeError:
        names = ", ".join(map(str, types))
        raise ShapeError(f"the batch axes of the inputs of types {names} cannot be broadcast: {batches}") from None


def can_fuse(tensors: Sequence[Tensor], types: Sequence[Symmetry]) -> bool:
    """Whether a function of the library's own may replace submodules: states of one dtype, with equal batch axes."""
    x = tensors[0]
    if x.dtype not in FUSED_TYPES or x.is_meta or torch.is_autocast_enabled(x.device.type):  # there is none for meta
        return False
    if torch.compiler.is_compiling() or is_in_transform():
        return False
    return len(tensors) == 1 or (
        len({y.dtype for y in tensors}) == 1
        and len({y.shape[: y.dim() - 1 - len(t.axes)] for y, t in zip(tensors, types, strict=True)}) == 1
    )


def dtype_of(module: nn.Module) -> torch.dtype | None:
    """The type of a module's weights; None for a replica of `nn.DataParallel`, which has no parameters."""
    for part in module.modules():
        for p in part._parameters.values():
            if p is not None:
                return p.dtype
    return None


def check_dtype(tensors: Sequence[Tensor], weights: torch.dtype | None, inputs: Sequence[Any] = ()) -> None:
    """Raises `ShapeError` for a tensor of another dtype than the weights, unless autocast casts it.

    The message says how to cast the input that the tensor was read from.
    """
    for k, x in enumerate(tensors):
        if weights in (None, x.dtype):
            continue
        if not ({x.dtype, weights} <= AUTOCAST and torch.is_autocast_enabled(x.device.type)):
            cast = _format_cast(inputs[k] if k < len(inputs) else x, weights)
            raise ShapeError(f"input {k + 1} is {x.dtype}, the weights are {weights}: pass {cast}")


def _format_cast(x: Any, dtype: torch.dtype | None) -> str:
    """The code that casts an input, whatever form it has."""
    if isinstance(x, tuple):
        return f"(index, values.to({dtype}))"
    if isinstance(x, list):
        return f"[y.to({dtype}) for y in x]"
    is_array = hasattr(x, "astype")  # of SciPy
    return f"x.astype('{str(dtype).removeprefix('torch.')}')" if is_array else f"x.to({dtype})"


def check_features(x: Tensor, axes: Sequence[str], features: int | None = None, name: str = "the input") -> None:
    """Raises for what is no dense tensor, has too few axes, or another number of features."""
    if not isinstance(x, Tensor):
        raise TypeError(f"{name} must be a torch tensor, got {type(x).__name__}")
    if x.is_nested or x.layout != torch.strided:
        layout = "nested" if x.is_nested else x.layout
        raise TypeError(f"{name} must be a dense tensor, got a {layout} one: brackets make a type sparse")
    if x.dim() < len(axes) + 1 or (features is not None and x.shape[-1] != features):
        expected = ", ".join(["batch...", *axes, "features" if features is None else str(features)])
        raise ShapeError(f"{name} must have shape ({expected}), got {tuple(x.shape)}")
