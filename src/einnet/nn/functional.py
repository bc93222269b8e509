"""The operations of the modules as functions of tensors: one term, a set of terms, a linear map of a signature."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from string import ascii_lowercase
from typing import Any

import torch
from torch import Tensor

from einnet._notation import write_tuple
from einnet.checks import check_choice
from einnet.errors import EinNetError, ShapeError
from einnet.nn.backend import feature_axis
from einnet.nn.context import Context, MaskLike, make_context
from einnet.nn.inputs import batch_of, check_features
from einnet.nn.pool import Pooling
from einnet.nn.reductions import REDUCTIONS, Reductions, check_temperature
from einnet.nn.sparse.backend import make_backend
from einnet.nn.sparse.forms import identity_of
from einnet.nn.sparse.inputs import read_tensors
from einnet.nn.sparse.storage import to_form
from einnet.nn.sparse.support import Support
from einnet.signature import Signature
from einnet.symmetry import Symmetry
from einnet.terms import Term, TypeSet
from einnet.terms.type_set import Types

__all__ = ["einsum"]


def einsum(
    term: Term | str,
    *operands: Any,
    type: Types | None = None,
    reduction: str = "sum",
    normalize: str | None = None,
    mask: MaskLike | Context = None,
    sizes: Mapping[str, int] | None = None,
    at: Support | None = None,
    values: Sequence[Tensor | None] | None = None,
    temperature: float | Tensor | None = None,
) -> Any:
    """One term on tensors, feature by feature: a plain sum, or what `reduction` says.

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

    On sparse types, written in brackets, sums run over what their supports have:

    >>> from einnet.nn import Support
    >>> support = Support(torch.tensor([[0, 1, 0], [1, 2, 2]]), (3, 3))    # three edges
    >>> nodes, edges = torch.ones(3, 8), (support, torch.ones(3, 8))
    >>> einsum("b,[ba]->a", nodes, edges)[:, 0]                  # messages along the edges
    tensor([0., 1., 2.])
    >>> _, triangles = einsum("[ab],[bc]->[ac]", edges, edges)
    >>> triangles[:, 0]                                          # for each edge the paths of two edges along it
    tensor([0., 0., 1.])

    In other semirings, with sums in place of products:

    >>> roads = torch.tensor([[0.0, 1.0, 9.0], [9.0, 0.0, 1.0], [9.0, 9.0, 0.0]]).unsqueeze(-1)
    >>> einsum("ab,bc->ac", roads, roads, reduction="min")[0, 2] # the shortest way of two roads
    tensor([2.])
    >>> z = einsum("ab,bc->ac", x, y, reduction="logsumexp")     # log sum_b exp(x_ab + y_bc), with n^2 memory
    >>> torch.allclose(z, (x[:, :, None] + y[None]).logsumexp(1), atol=1e-5)
    True
    >>> u, v = torch.randn(5, 5, 8), torch.randn(5, 5, 8)        # sum_b softmax_b(x_ab + y_bc) u_ab v_bc
    >>> means = einsum("ab,bc->ac", x, y, reduction="attention", values=(u, v))
    >>> weights = (x[:, :, None] + y[None]).softmax(1)
    >>> torch.allclose(means, (weights * u[:, :, None] * v[None]).sum(1), atol=1e-5)
    True

    Args:
        term: any valid term; operands and output may have different numbers of indices.
        operands: one tensor for each operand, (batch..., axes..., features), with batch axes and features that
            broadcast against each other; one in brackets in any form of `einnet.nn.sparse.as_sparse`, as the pair
            (index, values). Operands of one sparse type have one support: the same index object, or `Support`.
        type: the type of the operands and the output, or several types; by default the coarsest that the term allows,
            or, for operands of other shapes and without a mask, each index has an axis of its own.
            Operands and outputs with fewer indices than one type have the axes on which these indices stand.
        reduction: "sum", "max", "min", "minmax", "logsumexp" or "attention", see `EinPool`.
        normalize: "size" to divide sums as `EinPool` does.
        mask: True where an index is present: a tensor for a term over one axis, else a dict by axis; or where an index
            tuple is, by the axes of its type, see `EinPool`.
        sizes: the size of axes that no operand has, by axis of the type.
        at: the support of an output in brackets whose type no operand has; each index has an axis of its own then.
        values: for attention what the weights average, a product of one tensor for each operand, which is its logits;
            None for an operand without values. Those of a sparse operand are (batch..., entries, features).
        temperature: a number, or one for each feature: T times the logsumexp of operands divided by T; attention
            divides the logits.

    Returns (batch..., axes of the output..., features), or for an output in brackets the form in which the operand of
    its type came; an entry at which nothing is summed has zero. Raises `NotationError` for a term that cannot be read
    or is not of the type, `ShapeError` for tensors that do not fit, and `EinNetError` for a dense output of two axes
    from sparse operands, unless `type` has its type.
    """
    text, key = str(term), _as_key(type)
    if key is None and mask is None and (at is not None or not _is_square(text, operands)):
        text, key = _with_own_axes(text)
    pooling, signature = _make_pooling(text, key, check_choice(reduction, "reduction", REDUCTIONS), normalize)
    if (values is None) == (reduction == "attention"):
        problem = "needs values: a tensor for each operand" if values is None else "takes no values: 'attention' does"
        raise EinNetError(f"reduction='{reduction}' {problem}")
    types, output = signature.inputs, signature.output
    if len(operands) != len(types):
        raise ShapeError(f"'{term}' has {len(types)} operands, got {len(operands)} tensors")
    for k, (x, t) in enumerate(zip(operands, types, strict=True), start=1):
        if not t.is_sparse:
            check_features(x, t.axes, name=f"operand {k} of type '{t}'")
    _check_output(term, types, output, at)
    tensors, shapes, supports = read_tensors(types, operands, sizes)
    if at is not None:
        supports[output.axes], sizes = at, dict(zip(output.axes, at.sizes, strict=True)) | dict(sizes or {})
    known = signature.bind(shapes, sizes)
    context = make_context(mask, pooling.axes, pooling.types, known, batch_of(types, tensors), make_backend(supports))
    if values is not None:
        tensors = _add_values(tensors, values, types)
    channels = [context.fill(x.movedim(-1, feature_axis(t)), t) for x, t in zip(tensors, types, strict=True)]
    if temperature is not None:
        reductions = pooling.reductions.bind(max(x.shape[-1] for x in tensors), text)
        temperature = check_temperature(temperature, reductions.warm_heads, tensors[0])
    (compact,) = pooling.pool_operands(channels, context, temperature)
    if all(x.dtype == torch.float16 for x in tensors):
        compact = compact.half()
    y = pooling.expand(0, compact, context)
    if len(operands) == 1 or pooling.plan.terms[0].broadcast_indices:  # a view of the operand, or with stride 0
        y = y.clone(memory_format=torch.contiguous_format)
    y = context.fill(y, output).movedim(feature_axis(output), -1)
    if not output.is_sparse:
        return y
    like = next((x for x, t in zip(operands, types, strict=True) if t == output), (at, None))
    return to_form(context.backend.supports[output.axes], y, like)


def _add_values(tensors: Sequence[Tensor], values: Sequence[Tensor | None], types: Sequence[Symmetry]) -> list[Tensor]:
    """Logits and values of attention side by side, for each head two features, which stand first in memory."""
    if len(values) != len(tensors):
        raise ShapeError(f"expected values for {len(tensors)} operands, or None for some, got {len(values)}")
    pairs = []
    for x, v, axis in zip(tensors, values, map(feature_axis, types), strict=True):
        parts = torch.broadcast_tensors(x, x.new_ones(()) if v is None else v)
        pair = torch.stack([y.movedim(-1, axis) for y in parts], axis)
        pairs.append(pair.flatten(axis - 1, axis).movedim(axis, -1))
    return pairs


def _check_output(term: Term | str, types: Sequence[Symmetry], output: Symmetry, at: Support | None) -> None:
    """Raises unless an output in brackets has one support, of an operand or `at`."""
    if not output.is_sparse and at is not None:
        raise ShapeError(f"at is the support of an output in brackets, the output of '{term}' has none")
    if output.is_sparse and (output in types) == (at is not None):
        problem = (
            "no operand has its type: pass at=Support(index, sizes)" if at is None else "an operand has it: omit at"
        )
        raise ShapeError(f"the support of the output '{output.bare}' of '{term}': {problem}")
    if not isinstance(at, Support | None):
        raise TypeError(f"at must be a Support, got {at.__class__.__name__}")
    if at is not None and len(at.sizes) != len(output.axes):
        raise ShapeError(f"the output of '{term}' has {len(output.axes)} axes, at is {at!r}")


def _is_square(term: str, operands: Sequence[Any]) -> bool:
    """Whether the operands have one size for each axis of the coarsest types, and one support for each sparse type."""
    _, signature = _make_pooling(term, None, "sum", None)
    sizes: dict[str, int] = {}
    supports: dict[Symmetry, int] = {}
    for x, t in zip(operands, signature.inputs, strict=False):
        if t.is_sparse and supports.setdefault(t, id(identity_of(x))) != id(identity_of(x)):
            return False
        if any(sizes.setdefault(c, n) != n for c, n in zip(t.axes, _sizes_of(x, t), strict=False)):
            return False
    return True


def _sizes_of(x: Any, symmetry: Symmetry) -> Sequence[int]:
    """The sizes of an operand's axes, as far as it says them."""
    if symmetry.is_sparse:
        is_ragged = isinstance(x, Tensor) and x.is_nested
        return getattr(x[0], "sizes", ()) if isinstance(x, tuple) else () if is_ragged else getattr(x, "shape", ())
    has_axes = isinstance(x, Tensor) and x.dim() > len(symmetry.axes)
    return x.shape[x.dim() - 1 - len(symmetry.axes) : -1] if has_axes else ()


def _with_own_axes(text: str) -> tuple[str, tuple[str, ...]]:
    """The term with an axis of its own for each index, and the types of its tuples.

    >>> _with_own_axes("ab,bc->ac")
    ('a0b0,b0c0->a0c0', ('ab', 'bc', 'ac'))
    """
    term = Term(text)
    letters = dict(zip(term.indices, ascii_lowercase, strict=False))
    tuples = [[letters[i] for i in t] for t in (*term.operands, term.output)]
    *operands, output = ([f"{c}0" for c in t] for t in tuples)
    types = dict.fromkeys(map(write_tuple, tuples, term.brackets))
    return str(Term.of(operands, output, term.brackets)), tuple(types)


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
    pooling = Pooling([parsed], completed, Reductions.of(reduction), normalize)
    return pooling, Signature.of([pooling.types[k] for k in pooling.reads], pooling.types[pooling.writes[0]])


def _complete_types(term: Term, types: str | tuple[str, ...]) -> tuple[Term, Types]:
    """The term with typed indices, and the types of its tuples: for `ab->a` and `ab` these are `ab` and `a`."""
    type_set = TypeSet.of(types)
    symmetry, tuples = type_set.types[0], (*term.operands, term.output)
    letters = {i: c for t in tuples if len(t) == len(symmetry.axes) for i, c in zip(t, symmetry.axes, strict=True)}
    short = [(t, b) for t, b, _ in term.spans() if len(t) < len(symmetry.axes) and letters.keys() >= {*t}]
    if type_set.has_several_types or not short:
        return term, type_set.types
    names = {i: f"{c}{sorted(letters).index(i)}" for i, c in letters.items()}
    *operands, output = ([names.get(i, i) for i in t] for t in tuples)
    axes = dict.fromkeys((tuple(letters[i] for i in t), b) for t, b in short)
    short_types = (Symmetry.of(a, symmetry.dependencies, features=False, is_sparse=b) for a, b in axes)
    return Term.of(operands, output, term.brackets), (symmetry, *short_types)
