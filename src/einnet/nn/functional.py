"""The operations of the modules as functions of tensors: one term, a set of terms, a linear map of a signature."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from string import ascii_lowercase

import torch
from torch import Tensor

from einnet.errors import ShapeError
from einnet.nn.backend import expand, to_channels_first, to_channels_last
from einnet.nn.context import Context, MaskLike, make_context
from einnet.nn.inputs import batch_of, check_features
from einnet.nn.pool import Pooling
from einnet.signature import Signature
from einnet.symmetry import Symmetry
from einnet.terms import Term, TypeSet
from einnet.terms.type_set import Types

__all__ = ["einsum"]


def einsum(
    term: Term | str,
    *operands: Tensor,
    type: Types | None = None,
    reduction: str = "sum",
    normalize: str | None = None,
    mask: MaskLike | Context = None,
    sizes: Mapping[str, int] | None = None,
) -> Tensor:
    """One term on tensors: a plain sum, feature by feature.

    >>> import torch
    >>> x, y = torch.randn(5, 5, 8), torch.randn(5, 5, 8)
    >>> z = einsum("ab,bc->ac", x, y)                            # a matrix product for each of 8 features
    >>> torch.allclose(z[..., 0], x[..., 0] @ y[..., 0], atol=1e-5)
    True
    >>> einsum("ab->aa", x).shape                                # a repeated output index: on the diagonal
    torch.Size([5, 5, 8])
    >>> present = torch.tensor([True, True, True, False, False])
    >>> torch.allclose(einsum("ab->a", x, type="aa", mask=present)[:3], x[:3, :3].sum(1))
    True

    Args:
        term: any valid term; operands and output may have different numbers of indices.
        operands: one tensor for each operand, (batch..., axes..., features), with batch axes and features that
            broadcast against each other.
        type: the type of the operands and the output, or several types; by default the coarsest that the term allows,
            or, for operands of other shapes and without a mask, each index has an axis of its own.
            Operands and outputs with fewer indices than one type have the axes on which these indices stand.
        reduction: "sum", or "max" for one operand.
        normalize: "size" to divide sums as `EinPool` does.
        mask: True where an index is present: a tensor for a term over one axis, else a dict by axis; or where an index
            tuple is, by the axes of its type, see `EinPool`.
        sizes: the size of axes that no operand has, by axis of the type.

    Returns (batch..., axes of the output..., features). Raises `NotationError` for a term that cannot be read or is
    not of the type, `ShapeError` for tensors that do not fit.
    """
    text, key = str(term), _as_key(type)
    if key is None and mask is None and not _is_square(text, operands):
        text, key = _with_own_axes(text)
    pooling, signature = _make_pooling(text, key, reduction, normalize)
    types, output = signature.inputs, signature.output
    if len(operands) != len(types):
        raise ShapeError(f"'{term}' has {len(types)} operands, got {len(operands)} tensors")
    for k, (x, t) in enumerate(zip(operands, types, strict=True), start=1):
        check_features(x, t.axes, name=f"operand {k} of type '{t}'")
    known = signature.bind([x.shape for x in operands], sizes)
    context = make_context(mask, pooling.axes, pooling.types, known, batch_of(types, operands))
    channels = [context.fill(to_channels_first(x, len(t.axes)), t) for x, t in zip(operands, types, strict=True)]
    (compact,) = pooling.pool_operands(channels, context)
    if all(x.dtype == torch.float16 for x in operands):
        compact = compact.half()
    y = expand(compact, pooling.plan.results[0].axis_map, context.shape(output))
    if len(operands) == 1 or pooling.plan.terms[0].broadcast_indices:  # a view of the operand, or with stride 0
        y = y.clone(memory_format=torch.contiguous_format)
    return to_channels_last(context.fill(y, output), len(output.axes))


def _is_square(term: str, operands: Sequence[Tensor]) -> bool:
    """Whether the operands have one size for each axis of the coarsest types."""
    _, signature = _make_pooling(term, None, "sum", None)
    sizes: dict[str, int] = {}
    return all(
        sizes.setdefault(c, n) == n
        for x, t in zip(operands, signature.inputs, strict=False)
        if isinstance(x, Tensor) and x.dim() > len(t.axes)
        for c, n in zip(t.axes, x.shape[x.dim() - 1 - len(t.axes) :], strict=False)
    )


def _with_own_axes(text: str) -> tuple[str, tuple[str, ...]]:
    """The term with an axis of its own for each index, and the types of its tuples.

    >>> _with_own_axes("ab,bc->ac")
    ('a0b0,b0c0->a0c0', ('ab', 'bc', 'ac'))
    """
    term = Term(text)
    letters = dict(zip(term.indices, ascii_lowercase, strict=False))
    *operands, output = ([letters[i] for i in t] for t in (*term.operands, term.output))
    typed = Term.of([[f"{c}0" for c in t] for t in operands], [f"{c}0" for c in output])
    return str(typed), tuple(dict.fromkeys(map("".join, (*operands, output))))


def _as_key(types: Types | None) -> str | tuple[str, ...] | None:
    if types is None or isinstance(types, str):
        return types
    return str(types) if isinstance(types, Symmetry) else tuple(map(str, types))


@lru_cache(maxsize=256)
def _make_pooling(
    term: str, types: str | tuple[str, ...] | None, reduction: str, normalize: str | None
) -> tuple[Pooling, Signature]:
    """The operation, and the types of its operands and its result."""
    parsed, completed = (Term(term), None) if types is None else _complete_types(Term(term), types)
    pooling = Pooling([parsed], completed, reduction, normalize)
    return pooling, Signature.of([pooling.types[k] for k in pooling.reads], pooling.types[pooling.writes[0]])


def _complete_types(term: Term, types: str | tuple[str, ...]) -> tuple[Term, Types]:
    """The term with typed indices, and the types of its tuples: for `ab->a` and `ab` these are `ab` and `a`."""
    type_set = TypeSet.of(types)
    symmetry, tuples = type_set.types[0], (*term.operands, term.output)
    letters = {i: c for t in tuples if len(t) == len(symmetry.axes) for i, c in zip(t, symmetry.axes, strict=True)}
    short = [t for t in tuples if len(t) < len(symmetry.axes) and letters.keys() >= {*t}]
    if type_set.has_several_types or not short:
        return term, type_set.types
    names = {i: f"{c}{sorted(letters).index(i)}" for i, c in letters.items()}
    typed = Term.of([[names.get(i, i) for i in t] for t in term.operands], [names.get(i, i) for i in term.output])
    axes = dict.fromkeys(tuple(letters[i] for i in t) for t in short)
    return typed, (symmetry, *(Symmetry.of(a, symmetry.dependencies, features=False) for a in axes))
