"""The forms in which people have sparse and ragged tensors: each is read, and written back."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from einnet.errors import ShapeError
from einnet.nn.sparse.support import Support
from einnet.symmetry import Symmetry

__all__ = ["INTEGERS", "Form", "form_of", "identity_of"]

INTEGERS = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)  # of an index
COMPRESSED = {torch.sparse_csr: "csr", torch.sparse_csc: "csc"}
EXPECTED = (
    "must be a tuple (index, values) or (Support, values), a sparse COO, CSR or CSC tensor, a sparse array of SciPy, "
    "or, for lists of different lengths, a nested tensor or a list of tensors"
)


class Form(NamedTuple):
    """How an object is read, to (index or support, values, sizes of all axes or of the first), and the way back."""

    accepts: Callable[[Any], bool]
    read: Callable[[Any, Symmetry, str], tuple[Any, Any, Sequence[int]]]
    write: Callable[[Support, Tensor, Any], Any]


def form_of(x: Any, name: str) -> Form:
    """The form of an object; raises `TypeError` for one without."""
    for form in FORMS:
        if form.accepts(x):
            return form
    got, hint = type(x).__name__, ""
    if isinstance(x, Tensor) and x.layout == torch.strided:
        got, hint = "a dense tensor", ": x.to_sparse(number of axes) leaves zeros out; without brackets a type is dense"
        if x.dtype in INTEGERS:
            got, hint = "a tensor of integers", ": an index without values is the tuple (x, torch.ones(x.shape[1], 1))"
    elif isinstance(x, Tensor):
        got, hint = f"a tensor of layout {x.layout}", ": pass x.to_sparse_csr()"
    elif hasattr(x, "edge_index") or hasattr(x, "edge_types"):
        hint = ": einnet.nn.from_pyg reads Data and Batch; of HeteroData pass each relation as a tuple"
    elif type(x).__module__.startswith("networkx."):
        hint = ": einnet.nn.from_networkx reads it"
    raise TypeError(f"{name} {EXPECTED}, got {got}{hint}")


def identity_of(x: Any) -> Any:
    """What inputs with one support have in common: the same index, support, offsets, or the same object."""
    if isinstance(x, tuple):
        return x[0]
    is_jagged = isinstance(x, Tensor) and x.is_nested and x.layout == torch.jagged
    return x.offsets() if is_jagged else x  # pyright: ignore[reportAttributeAccessIssue]


def _list_starts(parent: Tensor, number: int) -> Tensor:
    """Where each list starts and the last one ends, (number + 1,), if values are sorted by their lists."""
    return torch.cat([parent.new_zeros(1), parent.bincount(minlength=number).cumsum(0)])


def _read_tuple(x: tuple, symmetry: Symmetry, name: str) -> tuple[Any, Any, Sequence[int]]:
    if len(x) != 2:
        raise ShapeError(f"{name} must be a tuple of two, (index, values), got {len(x)}")
    index, values = x
    if isinstance(index, Support):
        return index, values, index.sizes
    is_parent = isinstance(index, Tensor) and index.dim() == 1 and index.dtype in INTEGERS
    if is_parent and _is_list_of_lists(symmetry):
        return _index_of_lists(index), values, ()
    return index, values, ()


def _write_tuple(support: Support, values: Tensor, like: tuple) -> tuple[Any, Tensor]:
    if isinstance(like[0], Support):
        return support, values
    return support.index[0] if like[0].dim() == 1 else support.index, values


def _read_coo(x: Tensor, symmetry: Symmetry, name: str) -> tuple[Tensor, Tensor, Sequence[int]]:
    rank = len(symmetry.axes)
    if x.sparse_dim() != rank:
        raise ShapeError(
            f"{name} must have {rank} sparse dimensions, one for each axis, and its batch axes and features dense, "
            f"got {x.sparse_dim()} sparse and {x.dense_dim()} dense ones; samples with supports of their own are "
            "joined by einnet.nn.union"
        )
    unique = x.coalesce()  # `_values()` of what is not coalesced has no gradient
    if number := x._nnz() - unique._nnz():
        raise ShapeError(f"{name} has {number} entries that repeat an index tuple: pass x.coalesce() to add them up")
    return unique.indices(), _entries_second_last(unique.values()), x.shape[:rank]


def _write_coo(support: Support, values: Tensor, like: Any) -> Tensor:
    index, values = _sort(support, values, (*range(len(support.sizes)),))
    shape = (*support.sizes, *values.shape[:-2], values.shape[-1])
    return torch.sparse_coo_tensor(index, values.movedim(-2, 0), shape, is_coalesced=True, check_invariants=False)


def _read_compressed(x: Tensor, symmetry: Symmetry, name: str) -> tuple[Tensor, Tensor, Sequence[int]]:
    if len(symmetry.axes) != 2 or x.dim() - x.dense_dim() != 2:
        raise ShapeError(
            f"{name} cannot be a {COMPRESSED[x.layout].upper()} tensor of shape {tuple(x.shape)} with {x.dense_dim()} "
            "dense dimensions: it is for types of two axes, and its batch axes and features are dense"
        )
    is_csr = x.layout == torch.sparse_csr
    starts, inner = (x.crow_indices(), x.col_indices()) if is_csr else (x.ccol_indices(), x.row_indices())
    outer = torch.repeat_interleave(starts.diff())
    index = torch.stack([outer, inner.long()] if is_csr else [inner.long(), outer])
    return index, _entries_second_last(x.values()), x.shape[:2]


def _write_compressed(support: Support, values: Tensor, like: Tensor) -> Tensor:
    outer, inner = (0, 1) if like.layout == torch.sparse_csr else (1, 0)
    index, values = _sort(support, values, (outer, inner))
    shape = (*support.sizes, *values.shape[:-2], values.shape[-1])
    starts = _list_starts(index[outer], support.sizes[outer])
    return torch.sparse_compressed_tensor(
        starts, index[inner], values.movedim(-2, 0), shape, layout=like.layout, check_invariants=False
    )


def _read_scipy(x: Any, symmetry: Symmetry, name: str) -> tuple[Tensor, Tensor, Sequence[int]]:
    if len(x.shape) != len(symmetry.axes):
        raise ShapeError(f"{name} must have {len(symmetry.axes)} axes, got a sparse array of shape {x.shape}")
    entries = x.tocoo()
    try:
        values = torch.from_numpy(entries.data.astype(entries.data.dtype.newbyteorder("="), copy=False))
    except TypeError:
        raise ShapeError(f"{name} must have numbers, got the dtype {x.dtype}: pass x.astype('float32')") from None
    return torch.from_numpy(np.stack(entries.coords).astype(np.int64)), values.unsqueeze(-1), x.shape


def _read_nested(x: Any, symmetry: Symmetry, name: str) -> tuple[Tensor, Tensor, Sequence[int]]:
    if x.layout == torch.strided:
        return _read_list(x.unbind(), symmetry, name)
    _check_lists(symmetry, name)
    if x.dim() != 3 or x._ragged_idx != 1 or x.lengths() is not None:
        raise ShapeError(
            f"{name} must be a contiguous nested tensor (lists, length, features) with different lengths, got "
            f"{'one of shape ' + str(tuple(x.shape)) if x.lengths() is None else 'one with holes: pass x.contiguous()'}"
        )
    parent = torch.repeat_interleave(x.offsets().diff())
    return _index_of_lists(parent), x.values(), (len(x.offsets()) - 1,)


def _write_nested(support: Support, values: Tensor, like: Any) -> Tensor:
    lists = _write_list(support, values, like)
    if values.dim() != 2:
        raise ShapeError(f"a nested tensor has no batch axes, the values have the shape {tuple(values.shape)}")
    if like.layout == torch.strided:
        return torch.nested.as_nested_tensor(lists)
    starts = _list_starts(support.index[0], support.sizes[0])
    is_same = torch.equal(starts, like.offsets())  # torch adds nested tensors with the same offsets only
    return torch.nested.nested_tensor_from_jagged(torch.cat(lists), like.offsets() if is_same else starts)


def _read_list(x: Sequence[Tensor], symmetry: Symmetry, name: str) -> tuple[Tensor, Tensor, Sequence[int]]:
    _check_lists(symmetry, name)
    if not x:
        raise ShapeError(f"{name} must have one list or more, got none")
    for k, values in enumerate(x):
        if not isinstance(values, Tensor):
            raise TypeError(
                f"{name} must be a list of tensors, got {type(values).__name__} at place {k}: of a list x of numbers "
                "pass torch.tensor(x).unsqueeze(-1)"
            )
        if values.dim() != 2 or values.shape[1] != x[0].shape[-1]:
            first = f"{tuple(x[0].shape)} first and " * (k > 0)
            hint = ": pass x.unsqueeze(-1)" * (values.dim() == 1)
            raise ShapeError(
                f"{name} must be a list of tensors (length, features) with the same features, got {first}"
                f"{tuple(values.shape)} at place {k}{hint}"
            )
        if (values.dtype, values.device) != (x[0].dtype, x[0].device):
            raise ShapeError(
                f"{name} must have one dtype on one device, got {x[0].dtype} on {x[0].device} first and "
                f"{values.dtype} on {values.device} at place {k}"
            )
    lengths = torch.tensor([len(values) for values in x], device=x[0].device)
    return _index_of_lists(torch.repeat_interleave(lengths)), torch.cat(list(x)), (len(x),)


def _write_list(support: Support, values: Tensor, like: Any) -> list[Tensor]:
    index, values = _sort(support, values, (0, 1))
    return list(values.split(index[0].bincount(minlength=support.sizes[0]).tolist(), -2))


def _is_list_of_lists(symmetry: Symmetry) -> bool:
    return len(symmetry.axes) == 2 and symmetry.parent_of(symmetry.axes[1]) == symmetry.axes[0]


def _check_lists(symmetry: Symmetry, name: str) -> None:
    if not _is_list_of_lists(symmetry):
        raise ShapeError(
            f"{name} must not be lists of different lengths: lists of tensors are for a type of two axes such as "
            f"'[ab]H; a->b'; pass a tuple (index, values), index ({len(symmetry.axes)}, entries)"
        )


def _index_of_lists(parent: Tensor) -> Tensor:
    """The list of each value and its position there, in the order of the values: (2, entries)."""
    order = parent.argsort(stable=True)
    lists = parent[order]
    position = torch.empty_like(order)
    position[order] = torch.arange(len(order), device=order.device) - torch.searchsorted(lists, lists)
    return torch.stack([parent.long(), position])


def _sort(support: Support, values: Tensor, axes: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """The index and the values in the order of the indices at these axes."""
    order = support.lookup(axes).order
    return (support.index, values) if order is None else (support.index[:, order], values.index_select(-2, order))


def _entries_second_last(values: Tensor) -> Tensor:
    """The values (batch..., entries, features) from (entries, batch..., features), or one feature from (entries,)."""
    return values.unsqueeze(-1) if values.dim() == 1 else values.movedim(0, -2).contiguous()


def _is_layout(*layouts: torch.layout) -> Callable[[Any], bool]:
    return lambda x: isinstance(x, Tensor) and not x.is_nested and x.layout in layouts


FORMS = (
    Form(lambda x: isinstance(x, tuple), _read_tuple, _write_tuple),
    Form(_is_layout(torch.sparse_coo), _read_coo, _write_coo),
    Form(_is_layout(*COMPRESSED), _read_compressed, _write_compressed),
    Form(lambda x: isinstance(x, Tensor) and x.is_nested, _read_nested, _write_nested),
    Form(lambda x: isinstance(x, list), _read_list, _write_list),
    Form(lambda x: type(x).__module__.startswith("scipy.sparse"), _read_scipy, _write_coo),
)
