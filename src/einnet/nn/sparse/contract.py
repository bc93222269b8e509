"""Contractions of rows over matches: gather, multiply and sum up, without a tensor of all products.

out[positions[target]] += product of operands[k][positions[k]], over the matches. Each gradient is the same
function with another target. Matches are visited in the order of the target's rows, so a sum over
matches is a sum over consecutive rows; torch's embedding bag gathers, weighs and sums in one pass. Two or more
operands with several features are multiplied in chunks that stay in the cache.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from einnet.errors import ShapeError
from einnet.nn.looped import _is_in_transform, _upcast
from einnet.nn.sparse.matches import Matches, Order

__all__ = ["contract"]

CHUNK = {"cpu": 2**17}  # entries of a chunk of products
LARGE_CHUNK = 2**24  # on other devices


def contract(matches: Matches, operands: Sequence[Tensor], target: int = -1) -> Tensor:
    """The sum over the matches of the products of the operands' rows, at the rows of the tuple `target`.

    >>> from einnet.nn.sparse import Support, find_matches
    >>> edges = Support(torch.tensor([[0, 1, 1], [1, 2, 0]]), (3, 3))
    >>> matches = find_matches([("b",), ("b", "a")], [None, edges, None], {"a": 3, "b": 3}, ("a",))
    >>> weights = torch.tensor([[1.0], [10.0], [100.0]])  # of the edges
    >>> contract(matches, [torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), weights])
    tensor([[300., 400.],
            [  1.,   2.],
            [ 30.,  40.]])

    operands: (rows, features) for each tuple but the target, in the order of the tuples; features may be 1 for
        some operands. Returns (rows of the target, features).
    """
    tuples = len(matches.rows)
    target %= tuples
    rows = [n for k, n in enumerate(matches.rows) if k != target]
    if [x.shape[0] for x in operands] != rows or any(x.dim() != 2 for x in operands):
        raise ShapeError(f"expected operands of {rows} rows, got the shapes {[tuple(x.shape) for x in operands]}")
    widths = {x.shape[1] for x in operands} - {1}
    if len(widths) > 1:
        raise ShapeError(f"operands must have the same number of features, or 1, got {sorted(widths)}")
    dtype = operands[0].dtype
    for x in operands[1:]:
        dtype = torch.promote_types(dtype, x.dtype)
    same = [x.to(dtype) for x in operands]
    width = max(widths, default=1)
    if not torch.compiler.is_compiling() and _is_in_transform():
        return _contract_at_once(same, matches.positions, list(matches.rows), target, width)
    return torch.ops.einnet.contract_rows(same, matches.positions, list(matches.rows), target, width)


@torch.library.custom_op("einnet::contract_rows", mutates_args=())
def _contract_rows(operands: list[Tensor], positions: Tensor, rows: list[int], target: int, width: int) -> Tensor:
    """The contraction; with `width` 1 the sum over the features too."""
    x = operands[0]
    matches = Matches.of(positions, rows)
    if not len(matches) or not width:
        return x.new_zeros(rows[target], width)
    order = matches.order(target)
    places = [p for k, p in enumerate(order.positions) if k != target]
    wide = [(x.contiguous(), p) for x, p in zip(operands, places, strict=True) if x.shape[1] != 1]
    thin = [(x.contiguous(), p) for x, p in zip(operands, places, strict=True) if x.shape[1] == 1]
    if len(wide) > 1:
        return _sum_in_chunks(wide, _weigh(thin), order, width).to(x.dtype)
    if wide and width == 1:
        thin.append((wide[0][0].sum(1, keepdim=True), wide.pop()[1]))
    x, place = wide[0] if wide else thin.pop()
    total = _sum_bags(x, order.counter if place is None else place, order.pointers, _weigh(thin))
    return total.repeat(1, width) if total.shape[1] < width else total


@_contract_rows.register_fake
def _(operands: list[Tensor], positions: Tensor, rows: list[int], target: int, width: int) -> Tensor:
    return operands[0].new_empty(rows[target], width)


def _setup(ctx, inputs, output) -> None:
    operands, positions, ctx.rows, ctx.target, _ = inputs
    ctx.save_for_backward(positions, *operands)


def _backward(ctx, gradient: Tensor):
    """The gradient of an operand is the contraction that has it as target and the gradient in the target's place."""
    positions, *operands = ctx.saved_tensors
    values = [*operands[: ctx.target], gradient, *operands[ctx.target :]]
    needs_gradient = list(ctx.needs_input_grad[0])
    needs_gradient.insert(ctx.target, False)
    gradients = [
        torch.ops.einnet.contract_rows(values[:k] + values[k + 1 :], positions, ctx.rows, k, values[k].shape[1])
        if needs_gradient[k]
        else None
        for k in range(len(values))
        if k != ctx.target
    ]
    return gradients, None, None, None, None


_contract_rows.register_autograd(_backward, setup_context=_setup)


def _sum_bags(x: Tensor, index: Tensor, pointers: Tensor, weights: Tensor | None = None) -> Tensor:
    """The sums of the rows of `x` at consecutive parts of `index`, weighed."""
    return torch.ops.aten._embedding_bag_forward_only(x, index, pointers, False, 0, False, weights, True)[0]


def _gather(x: Tensor, place: Tensor | None, part: slice = slice(None)) -> Tensor:
    return x[part] if place is None else x.index_select(0, place[part])


def _weigh(thin: Sequence[tuple[Tensor, Tensor | None]]) -> Tensor | None:
    """The product of the operands with one feature, one number for each match."""
    weights = None
    for x, place in thin:
        factor = _gather(x[:, 0], place)
        weights = factor if weights is None else weights * factor
    return weights


def _sum_in_chunks(
    wide: Sequence[tuple[Tensor, Tensor | None]], weights: Tensor | None, order: Order, width: int
) -> Tensor:
    """The sums of products of two or more operands, for so many matches at a time that these stay in the cache."""
    x, features = wide[0][0], wide[0][0].shape[1]
    matches, rows = len(order.counter), len(order.pointers) - 1
    is_dot = width == 1  # of the features
    total = x.new_zeros(matches if is_dot else rows, width, dtype=_upcast(x.dtype))
    length = max(1, CHUNK.get(x.device.type, LARGE_CHUNK) // max(1, features))
    for start, stop, first, last in order.chunks(length):
        part = slice(start, stop)
        product = _gather(*wide[0], part)
        for x, place in wide[1:]:
            product = product * _gather(x, place, part)
        if is_dot:
            total[part, 0] = product.sum(1, dtype=total.dtype)
        else:
            pointers = (order.pointers[first : last + 1] - start).clamp_(0, stop - start)
            factor = None if weights is None else weights[part].to(total.dtype)
            total[first:last] += _sum_bags(product.to(total.dtype), order.counter[: stop - start], pointers, factor)
    if not is_dot:
        return total
    factor = None if weights is None else weights.to(total.dtype)
    return _sum_bags(total, order.counter, order.pointers, factor)


def _contract_at_once(operands: list[Tensor], positions: Tensor, rows: list[int], target: int, width: int) -> Tensor:
    """The contraction by standard operations, for transformations that see through plain operations only."""
    places = [p for k, p in enumerate(positions) if k != target]
    product = torch.ones((), dtype=operands[0].dtype, device=operands[0].device)
    for x, place in zip(operands, places, strict=True):
        product = product * x.index_select(0, place)
    return product.new_zeros(rows[target], width).index_add(0, positions[target], product)
