"""Index tuples that are asked for: they get values in all layers, and contribute to none."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from einnet.errors import ShapeError
from einnet.nn.sparse.storage import check_index
from einnet.nn.sparse.support import Support
from einnet.signature import Signature
from einnet.symmetry import Symmetry

__all__ = ["Query", "add_receivers", "hide_entries", "read_asked"]

Supports = Mapping[tuple[str, ...], Support]
Parts = tuple[list[Tensor], dict[tuple[str, ...], Support]]


class Query(NamedTuple):
    """The different asked tuples as a support, and the number of each asked tuple in it."""

    support: Support
    places: Tensor


def read_asked(at: Any, signature: Signature, sizes: Mapping[str, int]) -> Query:
    """The asked tuples of the output's type; raises for what is no index of it."""
    output = signature.output
    if not output.is_sparse:
        raise ShapeError(f"at=index asks for entries of an output in brackets, the output of '{signature}' has none")
    index = check_index(at.index if isinstance(at, Support) else at, len(output.axes), "'at'")
    distinct, places = index.unique(dim=1, return_inverse=True) if index.shape[1] else (index, index[0])
    try:
        return Query(Support(distinct, [sizes[c] for c in output.axes]), places)
    except ShapeError as error:
        raise ShapeError(f"'at': {error}") from None


def hide_entries(
    query: Support, output: Symmetry, types: Sequence[Symmetry], tensors: Sequence[Tensor], supports: Supports
) -> Parts:
    """The inputs of the output's type without the asked tuples."""
    support = supports.get(output.axes)
    if support is None:
        return list(tensors), dict(supports)
    lookup = support.lookup(tuple(range(len(output.axes))))
    starts, counts = lookup.ranges(tuple(query.index))
    hidden = lookup.entries(starts[counts > 0])
    if not len(hidden):
        return list(tensors), dict(supports)
    is_present = torch.ones(support.entries, dtype=torch.bool, device=support.device)
    is_present[hidden] = False
    rest = Support(support.index[:, is_present], support.sizes)
    values = [x[..., is_present, :] if t == output else x for x, t in zip(tensors, types, strict=True)]
    return values, {**supports, output.axes: rest}


def add_receivers(
    query: Support, output: Symmetry, types: Sequence[Symmetry], tensors: Sequence[Tensor], supports: Supports
) -> Parts:
    """The inputs of the output's type with the asked tuples as receivers, with values of zero, after their entries."""
    support = supports.get(output.axes)
    index = query.index if support is None else torch.cat([support.index, query.index], 1)
    extended = Support(index, query.sizes, receivers=query.entries)
    padding = (0, 0, 0, query.entries)
    values = [torch.nn.functional.pad(x, padding) if t == output else x for x, t in zip(tensors, types, strict=True)]
    return values, {**supports, output.axes: extended}
