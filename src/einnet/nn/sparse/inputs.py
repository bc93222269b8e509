"""What modules read from inputs of which some are sparse."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from einnet.errors import ShapeError
from einnet.nn.sparse.storage import read_inputs
from einnet.nn.sparse.support import Support
from einnet.symmetry import Symmetry

__all__ = ["read_tensors"]


def read_tensors(
    types: Sequence[Symmetry], inputs: Sequence[Any], sizes: Mapping[str, int] | None = None
) -> tuple[Sequence[Any], list[tuple[int, ...]], dict[tuple[str, ...], Support]]:
    """The tensors of inputs, the shapes of the dense tensors that they stand for, and their supports by axes.

    Raises `ShapeError` for two inputs of one sparse type on different supports.
    """
    if not any(t.is_sparse for t in types):
        is_dense = [isinstance(x, Tensor) and not x.is_nested for x in inputs]  # others are refused later
        return inputs, [tuple(x.shape) if d else () for x, d in zip(inputs, is_dense, strict=True)], {}
    tensors: list[Tensor] = []
    shapes: list[tuple[int, ...]] = []
    supports: dict[tuple[str, ...], Support] = {}
    for k, (x, symmetry) in enumerate(zip(read_inputs(types, inputs, sizes), types, strict=True), start=1):
        if isinstance(x, Tensor):
            tensors.append(x)
            shapes.append(tuple(x.shape))
            continue
        support, values = x
        if supports.setdefault(symmetry.axes, support) is not support:
            raise ShapeError(
                f"input {k} of type '{symmetry}' has another support than the input of this type before it: pass both "
                "with the same index object or Support; two relations over one set need a common support"
            )
        tensors.append(values)
        shapes.append((*support.sizes, values.shape[-1]))
    return tensors, shapes, supports
