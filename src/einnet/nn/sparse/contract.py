"""Contractions of rows over matches: gather, multiply and sum up, without a tensor of all products.

out[positions[target]] += product of operands[k][positions[k]], over the matches. Each gradient is the same
function with another target. Matches are visited in the order of the target's rows, so a sum over
matches is a sum over consecutive rows; torch's embedding bag gathers, weighs and sums in one pass. Two or more
operands with several features are multiplied in chunks that stay in the cache. On a GPU a Triton kernel does all of it.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from einnet.errors import ShapeError
from einnet.nn.kernels import load_kernels
from einnet.nn.looped import is_in_transform, upcast_dtype
from einnet.nn.sparse.matches import Matches, Order

__all__ = ["contract", "sum_bags", "sum_products"]

CHUNK = {"cpu": 2**17}  # entries of a chunk of products
LARGE_CHUNK = 2**24  # on other devices
Rows = tuple[Tensor, Tensor | None]  # of an operand, and the row of each match; None where these are 0, 1, 2, ...


def contract(matches: Matches, operands: Sequence[Tensor], target: int = -1) -> Tensor:
    """The sum over the matches of the products of the operands' rows, at the rows of the tuple `target`.

    >>> from einnet.nn.sparse.matches import find_matches
    >>> from einnet.nn.sparse.support import Support
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
    if is_in_transform() or dtype.is_complex:  # an embedding bag has real numbers only
        return _contract_at_once(same, matches, target, width)
    if torch.compiler.is_compiling():
        return torch.ops.einnet.contract_rows(same, matches.positions, list(matches.rows), target, width)
    return Contraction.apply(matches, target, width, *same)


def sum_products(operands: Sequence[Tensor], matches: Matches, target: int, width: int | None = None) -> Tensor:
    """The contraction without a derivative; with `width` 1 the sum over the features too."""
    x = operands[0]
    width = max(y.shape[1] for y in operands) if width is None else width
    if not len(matches) or not width:
        return x.new_zeros(matches.rows[target], width)
    order = matches.order(target)
    places = [p for k, p in enumerate(order.positions) if k != target]
    wide = [(x.contiguous(), p) for x, p in zip(operands, places, strict=True) if x.shape[1] != 1]
    thin = [(x.contiguous(), p) for x, p in zip(operands, places, strict=True) if x.shape[1] == 1]
    kernels = None if order.is_identity or len(wide) > 2 or (wide and width == 1) else load_kernels(x)
    if kernels:
        rows = wide or [thin.pop()]
        total = kernels.sum_rows(rows, _weigh(thin), order.pointers, order.longest, x.dtype)
        return total.repeat(1, width) if total.shape[1] < width else total
    if len(wide) > 1:
        wide.sort(key=lambda row: row[1] is None)  # one that is gathered first, into the place of the product
        return _sum_in_chunks(wide, _weigh(thin), order, width).to(x.dtype)
    if wide and width == 1:
        x, place = wide.pop()
        thin.append((x.sum(1, keepdim=True), place))
    x, place = wide[0] if wide else thin.pop()
    if order.is_identity and not thin:
        total = x.index_select(0, order.counter if place is None else place)
    elif place is None and not thin and matches.rows[target] == 1:
        total = x.sum(0, keepdim=True)  # pairwise, which is more accurate for many numbers
    else:
        total = sum_bags(x, order.counter if place is None else place, order.pointers, _weigh(thin))
    return total.repeat(1, width) if total.shape[1] < width else total


Run = Callable[[list[Tensor], int, int], Tensor]  # of operands, target and width


def _differentiate(
    gradient: Tensor, operands: Sequence[Tensor], target: int, is_needed: Sequence[bool], run: Run
) -> list[Tensor | None]:
    """The gradient of an operand is the contraction that has it as target and `gradient` in the target's place."""
    values = [*operands[:target], gradient, *operands[target:]]
    tuples = [k for k in range(len(values)) if k != target]
    return [
        run(values[:k] + values[k + 1 :], k, values[k].shape[1]) if need else None
        for k, need in zip(tuples, is_needed, strict=True)
    ]


class Contraction(torch.autograd.Function):
    """The contraction with its derivatives, which keep the operands only."""

    @staticmethod
    def forward(ctx, matches: Matches, target: int, width: int, *operands: Tensor) -> Tensor:
        ctx.matches, ctx.target = matches, target
        ctx.width = operands[0].shape[1]
        ctx.save_for_backward(*operands if len(operands) > 1 else ())  # the derivative of a sum does not need these
        return sum_products(operands, matches, target, width)

    @staticmethod
    def backward(ctx, *gradients: Tensor):
        def run(operands: list[Tensor], target: int, width: int) -> Tensor:
            return Contraction.apply(ctx.matches, target, width, *operands)  # type: ignore[return-value]

        is_needed = ctx.needs_input_grad[3:]
        operands = ctx.saved_tensors or [gradients[0].new_empty(0, ctx.width)]
        return None, None, None, *_differentiate(gradients[0], operands, ctx.target, is_needed, run)


@torch.library.custom_op("einnet::contract_rows", mutates_args=())
def _contract_rows(operands: list[Tensor], positions: Tensor, rows: list[int], target: int, width: int) -> Tensor:
    """The same as one operator, for compiled programs."""
    return sum_products(operands, Matches.of(positions, rows), target, width)


@_contract_rows.register_fake
def _(operands: list[Tensor], positions: Tensor, rows: list[int], target: int, width: int) -> Tensor:
    return operands[0].new_empty(rows[target], width)


def _setup(ctx, inputs, output) -> None:
    operands, positions, ctx.rows, ctx.target, _ = inputs
    ctx.save_for_backward(positions, *operands)


def _backward(ctx, gradient: Tensor):
    positions, *operands = ctx.saved_tensors

    def run(operands: list[Tensor], target: int, width: int) -> Tensor:
        return torch.ops.einnet.contract_rows(operands, positions, ctx.rows, target, width)

    return _differentiate(gradient, operands, ctx.target, ctx.needs_input_grad[0], run), None, None, None, None


_contract_rows.register_autograd(_backward, setup_context=_setup)


def sum_bags(x: Tensor, index: Tensor, pointers: Tensor, weights: Tensor | None = None) -> Tensor:
    """The sums of the rows of `x` at consecutive parts of `index`, weighed."""
    return torch.ops.aten._embedding_bag_forward_only(x, index, pointers, False, 0, False, weights, True)[0]


def _gather(x: Tensor, place: Tensor | None, part: slice = slice(None), buffer: Tensor | None = None) -> Tensor:
    """The rows of `x` at the matches of a part, a view or in the buffer."""
    return x[part] if place is None else torch.index_select(x, 0, place[part], out=buffer)


def _weigh(thin: Sequence[Rows]) -> Tensor | None:
    """The product of the operands with one feature, one number for each match."""
    weights = None
    for x, place in thin:
        factor = _gather(x[:, 0], place)
        weights = factor if weights is None else weights * factor
    return weights


def _sum_in_chunks(wide: Sequence[Rows], weights: Tensor | None, order: Order, width: int) -> Tensor:
    """The sums of products of two or more operands, for so many matches at a time that these stay in the cache."""
    x, features = wide[0][0], wide[0][0].shape[1]
    number, rows = len(order.counter), len(order.pointers) - 1
    length = min(number, max(1, CHUNK.get(x.device.type, LARGE_CHUNK) // max(1, features)))
    buffers = x.new_empty(2, length, features)  # for all chunks
    is_dot = width < features  # over the features, which leaves one number for each match
    make = x.new_empty if is_dot or order.is_identity else x.new_zeros
    total = make((number if is_dot else rows, width), dtype=upcast_dtype(x.dtype))
    for part, row_part, pointers in order.chunks(length):
        if order.is_identity and not is_dot:
            _multiply(wide, part, total[part], buffers[1])
            continue
        product = _multiply(wide, part, buffers[0], buffers[1])
        if is_dot:
            torch.sum(product, 1, keepdim=True, dtype=total.dtype, out=total[part])
        else:
            factor = None if weights is None else weights[part].to(total.dtype)
            sums = sum_bags(product.to(total.dtype), order.counter[: len(product)], pointers, factor)
            total[row_part].add_(sums)
    if weights is not None and (is_dot or order.is_identity):
        total.mul_(weights[:, None])
    return sum_bags(total, order.counter, order.pointers) if is_dot and not order.is_identity else total


def _multiply(wide: Sequence[Rows], part: slice, out: Tensor, buffer: Tensor) -> Tensor:
    """The products of the operands at the matches of a part."""
    number = part.stop - part.start
    value, out, buffer = _gather(*wide[0], part, out[:number]), out[:number], buffer[:number]
    for x, place in wide[1:]:
        value = torch.mul(value, _gather(x, place, part, buffer), out=out)
    return value


def _contract_at_once(operands: Sequence[Tensor], matches: Matches, target: int, width: int) -> Tensor:
    """The contraction by standard operations, for transformations that see through plain operations only."""
    places = [p for k, p in enumerate(matches.positions) if k != target]
    product = operands[0].index_select(0, places[0])
    for x, place in zip(operands[1:], places[1:], strict=True):
        product = product * x.index_select(0, place)
    return product.new_zeros(matches.rows[target], width).index_add(0, matches.positions[target], product)
