"""A call of a module: its inputs as tensors with a context, its outputs in the form of the inputs."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from einnet.errors import EinNetError, ShapeError
from einnet.nn.context import Context, MaskLike, make_context
from einnet.nn.inputs import batch_of, check_features
from einnet.nn.sparse.backend import make_backend
from einnet.nn.sparse.inputs import read_tensors
from einnet.nn.sparse.storage import to_form
from einnet.signature import Signature
from einnet.symmetry import Symmetry

__all__ = ["bind_inputs", "check_support", "to_form_of_input"]


def bind_inputs(
    signature: Signature,
    axes: Symmetry,
    types: Sequence[Symmetry],
    features: Sequence[int],
    inputs: Sequence[Any],
    mask: MaskLike | Context,
    sizes: Mapping[str, int] | None,
) -> tuple[list[Tensor], Context]:
    """The tensors of a call, and its sizes, masks and supports; raises for inputs that do not fit.

    `axes` has each axis of the signature once; a mask may be of one of them, or of one of the `types`. A module that
    passes a context on passes the values of sparse types alone.
    """
    if len(inputs) != len(signature.inputs):
        hint = "; a mask is passed by name, mask=..." * (len(inputs) > len(signature.inputs))
        raise ShapeError(f"'{signature}' has {len(signature.inputs)} inputs, got {len(inputs)} tensors{hint}")
    is_inner = isinstance(mask, Context)
    tensors, shapes, supports = (inputs, [], {}) if is_inner else read_tensors(signature.inputs, inputs, sizes)
    for k, (x, symmetry, width) in enumerate(zip(tensors, signature.inputs, features, strict=True), start=1):
        check_features(
            x, ("entries",) if symmetry.is_sparse else symmetry.axes, width, f"input {k} of type '{symmetry}'"
        )
    if isinstance(mask, Context):
        return list(tensors), mask
    check_support(signature)
    known, batch = signature.bind(shapes, sizes), batch_of(signature.inputs, tensors)
    return list(tensors), make_context(mask, axes, types, known, batch, make_backend(supports))


def to_form_of_input(
    y: Tensor, symmetry: Symmetry, signature: Signature, inputs: Sequence[Any], context: Context
) -> Any:
    """The output of a call: dense tensors as they are, those of a sparse type in the form of the input of this type."""
    if not symmetry.is_sparse:
        return y
    like = next(x for x, t in zip(inputs, signature.inputs, strict=True) if t == symmetry)
    return to_form(context.backend.supports[symmetry.axes], y, like)


def check_support(signature: Signature) -> None:
    """Raises for a sparse output of another type than all inputs."""
    if signature.output.is_sparse and signature.output not in signature.inputs:
        raise EinNetError(
            f"the output '{signature.output}' has a value for each entry of the input of its type, but no input of "
            f"'{signature}' has this type"
        )
