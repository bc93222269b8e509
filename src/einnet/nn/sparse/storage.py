"""Sparse tensors in the forms that people have: read as a support with values, written back in the same form.

No form is made dense. Every entry of a form is an entry of the support, also one whose value is zero.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from einnet.checks import check_sizes
from einnet.errors import EinNetError, ShapeError
from einnet.nn.inputs import check_features
from einnet.nn.sparse.forms import INTEGERS, form_of, identity_of
from einnet.nn.sparse.support import Support
from einnet.symmetry import Symmetry, as_symmetry

__all__ = ["as_sparse", "check_index", "read_inputs", "read_parts", "to_form"]


def as_sparse(x: Any, symmetry: Symmetry | str, sizes: Mapping[str, int] | None = None) -> tuple[Support, Tensor]:
    """The support and the values (batch..., entries, features) of a sparse or ragged tensor, whatever form it has.

    >>> import torch
    >>> index = torch.tensor([[0, 1, 2], [1, 2, 0]])              # as edge_index of PyTorch Geometric
    >>> support, values = as_sparse((index, torch.randn(3, 8)), "[aa]H", {"a": 4})
    >>> support.sizes, values.shape
    ((4, 4), torch.Size([3, 8]))

    Lists of different lengths: the list of each value, as PyTorch Geometric's `batch`, or a nested tensor, or a list of
    tensors. The second row of the index is the position in the list.

    >>> support, values = as_sparse([torch.ones(2, 5), torch.ones(0, 5), torch.ones(1, 5)], "[ab]H; a->b")
    >>> support.index
    tensor([[0, 0, 2],
            [0, 1, 0]])

    Args:
        x: - a tuple (index, values): whole numbers (axes, entries), and (batch..., entries, features);
           - for `[ab]H; a->b` a tuple (parent, values): the list of each value, whole numbers (entries,);
           - a tuple (`Support`, values), whose index is not checked again;
           - a COO tensor (sizes..., batch..., features) with one sparse dimension for each axis; one without dense
             dimensions has one feature;
           - a CSR or CSC tensor, hybrid or not; a sparse matrix or array of SciPy, which has one feature;
           - for `[ab]H; a->b` a nested tensor of either layout, or a list of tensors (length, features).
        symmetry: the type, with brackets.
        sizes: of the axes whose size `x` does not say. A dependent axis has by default the size of the longest list.

    Values keep their gradients, dtype and device. An index tuple that occurs twice is an error, also in a COO tensor,
    which is sorted as `coalesce()` sorts it. Raises `TypeError` for an object without such a form, `ShapeError` for one
    that does not fit the type or the sizes.
    """
    symmetry = as_symmetry(symmetry)
    if not symmetry.is_sparse:
        raise EinNetError(f"'{symmetry}' has a value at every index tuple; brackets make a type sparse, as in '[aa]H'")
    return read_inputs([symmetry], [x], sizes)[0]


def read_inputs(
    types: Sequence[Symmetry | str], inputs: Sequence[Any], sizes: Mapping[str, int] | None = None
) -> list[Any]:
    """The inputs of a network: those of types with brackets as `as_sparse` reads them, dense tensors as they are.

    There is (`Support`, values) or a tensor for each input. The size of an axis may come from any input. Inputs with
    the same index object share a support.

    >>> import torch
    >>> index = torch.tensor([[0, 1], [1, 2]])
    >>> inputs = torch.ones(5, 4), (index, torch.ones(2, 1)), (index, torch.zeros(2, 3))
    >>> nodes, (likes, _), (trusts, _) = read_inputs(["aH", "[aa]H", "[aa]H"], inputs)
    >>> likes.sizes, likes is trusts
    ((5, 5), True)
    """
    return read_parts(types, inputs, sizes, Support)


def read_parts(
    types: Sequence[Symmetry | str],
    inputs: Sequence[Any],
    sizes: Mapping[str, int] | None,
    make: Callable[[Tensor, Sequence[int]], Any],
) -> list[Any]:
    """As `read_inputs`, with what `make` returns for an index and its sizes instead of a support."""
    types = [as_symmetry(symmetry) for symmetry in types]
    what = ["the input"] if len(types) == 1 else [f"input {k}" for k in range(1, len(types) + 1)]
    names = [f"{what[k]} of type '{symmetry}'" for k, symmetry in enumerate(types)]
    known, parts, supports = check_sizes(sizes or {}), [], {}
    for x, symmetry, name in zip(inputs, types, names, strict=True):
        read = form_of(x, name).read if symmetry.is_sparse else _read_dense
        index, values, stated = read(x, symmetry, name)
        known = _bind(stated, symmetry, known, name)
        parts.append((index, values))
    for k, (x, symmetry, name) in enumerate(zip(inputs, types, names, strict=True)):
        index, values = parts[k]
        key = (id(identity_of(x)), symmetry.axes, symmetry.dependencies)
        if symmetry.is_sparse:
            supports[key] = supports.get(key) or _make_support(index, symmetry, known, name, make)
            values = supports[key], _check_values(values, supports[key].index, name)
        parts[k] = values
    return parts


def to_form(support: Support, values: Tensor, like: Any) -> Any:
    """A sparse tensor in the form of `like`, which `as_sparse` accepts; its features are last, also if there is one.

    >>> import torch
    >>> x = torch.sparse_coo_tensor(torch.tensor([[0, 1], [1, 2]]), torch.ones(2, 4), (3, 3, 4), check_invariants=True)
    >>> to_form(*as_sparse(x, "[aa]H"), like=x).shape
    torch.Size([3, 3, 4])

    For a SciPy matrix, which has neither features nor gradients, it is a COO tensor.
    """
    return form_of(like, "the input").write(support, values, like)


def _read_dense(x: Any, symmetry: Symmetry, name: str) -> tuple[None, Tensor, Sequence[int]]:
    check_features(x, symmetry.axes, None, name)
    return None, x, x.shape[x.dim() - 1 - len(symmetry.axes) : -1]


def _bind(stated: Sequence[int], symmetry: Symmetry, known: Mapping[str, int], name: str) -> dict[str, int]:
    """The known sizes and those that a form says, of all axes of its type or of the first ones."""
    sizes = dict(known)
    for letter, size in zip(symmetry.axes, stated, strict=False):
        if sizes.setdefault(letter, size) != size:
            raise ShapeError(
                f"{name} has size {size} on axis '{letter}', which has size {sizes[letter]} elsewhere: the same letter "
                "is the same set, so the sizes must agree"
            )
    return sizes


def _make_support(index: Any, symmetry: Symmetry, known: Mapping[str, int], name: str, make: Callable) -> Any:
    """The support of an index, or the support that was passed."""
    if isinstance(index, Support):
        if len(index.sizes) != len(symmetry.axes):
            raise ShapeError(f"{name} has {len(symmetry.axes)} axes, the support has {len(index.sizes)}")
        return index
    index, sizes = check_index(index, len(symmetry.axes), name), dict(known)
    for letter, row in zip(symmetry.axes, index, strict=True):
        if letter not in sizes and symmetry.parent_of(letter):
            sizes[letter] = int(row.max()) + 1 if len(row) else 0  # the longest list: no element is left out
    if missing := [c for c in symmetry.classes if c not in sizes]:
        axes, hint = " and of ".join(f"axis '{c}'" for c in missing), ", ".join(f"{c!r}: ..." for c in missing)
        raise ShapeError(
            f"{name} does not say the size of {axes}, which may have elements without entries: pass sizes={{{hint}}}"
        )
    try:
        return make(index, [sizes[c] for c in symmetry.axes])
    except ShapeError as error:
        largest = index.amax(1).tolist()
        is_from_1 = bool((index > 0).all()) and any(sizes[c] == n for c, n in zip(symmetry.axes, largest, strict=True))
        raise ShapeError(f"{name}: {error}" + "; if it counts from 1, pass index - 1" * is_from_1) from None


def check_index(index: Any, rank: int, name: str) -> Tensor:
    """The index of index tuples as int64; raises for what is none."""
    if not isinstance(index, Tensor):
        raise TypeError(f"the index of {name} must be a tensor of whole numbers, got {type(index).__name__}")
    if index.dtype not in INTEGERS:
        hint = "mask.nonzero().T" if index.dtype == torch.bool else "index.long()"
        raise TypeError(f"the index of {name} must have whole numbers, got {index.dtype}: pass {hint}")
    if index.dim() != 2 or index.shape[0] != rank:
        hint = ": pass index.T" if index.dim() == 2 and index.shape[1] == rank else ""
        raise ShapeError(f"the index of {name} must have the shape ({rank}, entries), got {tuple(index.shape)}{hint}")
    return index.long()


def _check_values(values: Any, index: Tensor, name: str) -> Tensor:
    if not isinstance(values, Tensor):
        hint = ": without features pass torch.ones(entries, 1)" if values is None else ""
        raise TypeError(f"the values of {name} must be a tensor, got {type(values).__name__}{hint}")
    if values.dim() < 2 or values.shape[-2] != index.shape[1]:
        hint = ": pass values.unsqueeze(-1)" if values.shape == index.shape[1:] else ""
        raise ShapeError(
            f"the values of {name} must have the shape (batch..., {index.shape[1]}, features) for {index.shape[1]} "
            f"entries, got {tuple(values.shape)}{hint}"
        )
    if values.dtype == torch.bool:
        raise ShapeError(f"the values of {name} must be numbers, got torch.bool: pass values.float()")
    if values.device != index.device:
        raise ShapeError(f"the values of {name} are on {values.device}, its index is on {index.device}")
    return values
