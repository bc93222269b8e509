"""What modules check of the tensors they get: features, shapes, and the size of each class."""

from collections.abc import Mapping, Sequence
from typing import SupportsIndex

import torch
from torch import Tensor

from einnet.errors import EinNetError, ShapeError
from einnet.signature import Signature
from einnet.symmetry import Symmetry

__all__ = ["batch_of", "bind_sizes", "check_dtype", "check_features", "every_class", "per_input"]


AUTOCAST = {torch.float32, torch.bfloat16, torch.float16}  # what autocast takes for one another


def per_input(signature: Signature, features: int | Sequence[int]) -> tuple[int, ...]:
    """The features of each input, from a number (one input) or a sequence."""
    found = tuple(features) if isinstance(features, Sequence) else (features,)
    fine = all(isinstance(f, int) and not isinstance(f, bool) and f >= 1 for f in found)
    if len(found) != len(signature.inputs) or not fine:
        raise EinNetError(
            f"'{signature}' has {len(signature.inputs)} inputs: in_features must be that many positive "
            f"whole numbers, got {features!r}"
        )
    return found


def every_class(signature: Signature) -> Symmetry:
    """A type that has every class of the signature once: what masks are checked against."""
    return Symmetry.of(signature.classes, signature.dependencies)


def bind_sizes(
    signature: Signature, features: Sequence[int | None], inputs: Sequence[Tensor], given: Mapping[str, int] | None
) -> dict[str, int]:
    """The size of each class, from the inputs' shapes and from what the user gave."""
    if len(inputs) != len(signature.inputs):
        hint = "; a mask is passed by name, mask=..." * (len(inputs) > len(signature.inputs))
        raise ShapeError(f"'{signature}' has {len(signature.inputs)} inputs, got {len(inputs)} tensors{hint}")
    sizes: dict[str, int] = {}
    for k, (x, symmetry, width) in enumerate(zip(inputs, signature.inputs, features, strict=True)):
        name = "the input" if len(inputs) == 1 else f"input {k + 1}"
        check_features(x, symmetry.axes, width, f"{name} of type '{symmetry}'")
        for letter, size in symmetry.sizes_of(x.shape, name).items():
            if sizes.setdefault(letter, size) != size:
                raise ShapeError(f"{name} has size {size} on axis '{letter}', an earlier input has {sizes[letter]}")
    if not isinstance(given, Mapping | None):
        raise ShapeError(f"sizes is a dict from axes to numbers, such as {{'a': 3}}, got {given!r}")
    for letter, size in (given or {}).items():
        if letter not in signature.classes or sizes.get(letter, size) != size:
            raise ShapeError(
                f"sizes gives '{letter}' = {size}, but the inputs of '{signature}' have "
                f"{', '.join(f'{k} = {v}' for k, v in sizes.items()) or 'no axes'}"
            )
        if not isinstance(size, SupportsIndex) or isinstance(size, bool) or size < 0:
            raise ShapeError(f"sizes gives '{letter}' = {size!r}: a size is a whole number, 0 or more")
        sizes[letter] = size
    if missing := [c for c in signature.output.classes if c not in sizes]:
        raise ShapeError(
            f"no input of '{signature}' has the axis {', '.join(map(repr, missing))} of the output: pass "
            f"sizes={{{', '.join(f'{c!r}: ...' for c in missing)}}}"
        )
    return sizes


def batch_of(types: Sequence[Symmetry], inputs: Sequence[Tensor]) -> tuple[int, ...]:
    """The batch axes of all inputs, broadcast against each other."""
    batches = [tuple(x.shape[: x.dim() - len(t.axes) - 1]) for x, t in zip(inputs, types, strict=True)]
    try:
        return tuple(torch.broadcast_shapes(*batches))
    except RuntimeError:
        names = ", ".join(map(str, types))
        raise ShapeError(f"the batch axes of the inputs of types {names} do not fit: {batches}") from None


def check_dtype(inputs: Sequence[Tensor], weights: torch.dtype) -> None:
    """Raises `ShapeError` for an input of another dtype than the weights, unless autocast takes care of it."""
    for k, x in enumerate(inputs, start=1):
        if x.dtype == weights or ({x.dtype, weights} <= AUTOCAST and torch.is_autocast_enabled(x.device.type)):
            continue
        name = "the input is" if len(inputs) == 1 else f"input {k} is"
        raise ShapeError(f"{name} {x.dtype}, the weights are {weights}: pass x.to({weights})")


def check_features(x: Tensor, axes: Sequence[str], features: int | None = None, name: str = "the input") -> None:
    if not isinstance(x, Tensor):
        raise ShapeError(f"{name} must be a torch tensor, got {type(x).__name__}")
    if x.dim() < len(axes) + 1 or (features is not None and x.shape[-1] != features):
        wanted = ", ".join(["batch...", *axes, "features" if features is None else str(features)])
        raise ShapeError(f"{name} must have shape ({wanted}), got {tuple(x.shape)}")
