"""Index tuples that are asked for: they get values in all layers, and contribute to none."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from einnet.errors import ShapeError
from einnet.nn.sparse.storage import check_index
from einnet.nn.sparse.support import Support
from einnet.signature import Signature

__all__ = ["add_receivers"]

Supports = Mapping[tuple[str, ...], Support]


def add_receivers(
    at: Support | Tensor, signature: Signature, tensors: Sequence[Tensor], supports: Supports, sizes: Mapping[str, int]
) -> tuple[list[Tensor], dict[tuple[str, ...], Support], Tensor]:
    """The inputs and their supports with the asked tuples of the output's type, and the entry of each asked tuple.

    An asked tuple that is an entry of the input of this type is removed from the input; then all asked tuples follow
    as receivers, each once, with values of zero.
    """
    output = signature.output
    if not output.is_sparse:
        raise ShapeError(f"at=index asks for entries of an output in brackets, the output of '{signature}' has none")
    index = at.index if isinstance(at, Support) else check_index(at, len(output.axes), "'at'")
    if len(index) != len(output.axes):
        raise ShapeError(f"'at' must have {len(output.axes)} axes for the output '{output}', got {at!r}")
    asked, places = index.unique(dim=1, return_inverse=True) if index.shape[1] else (index, index[0])
    shape = [sizes[c] for c in output.axes]
    try:
        extended = Support(asked, shape, receivers=asked.shape[1])
    except ShapeError as error:
        raise ShapeError(f"'at': {error}") from None
    present, tensors = supports.get(output.axes), list(tensors)
    if present is not None:
        is_hidden = torch.zeros(present.entries, dtype=torch.bool, device=present.device)
        lookup = present.lookup(tuple(range(len(shape))))
        starts, counts = lookup.ranges(tuple(asked))
        is_hidden[lookup.entries(starts[counts > 0])] = True
        for k, symmetry in enumerate(signature.inputs):
            if symmetry == output:
                x = tensors[k] if not is_hidden.any() else tensors[k][..., ~is_hidden, :]
                tensors[k] = torch.nn.functional.pad(x, (0, 0, 0, asked.shape[1]))
        extended = Support(torch.cat([present.index[:, ~is_hidden], asked], 1), shape, receivers=asked.shape[1])
        places = places + (extended.entries - extended.receivers)
    return tensors, {**supports, output.axes: extended}, places
