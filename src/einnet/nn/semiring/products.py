"""Products of matrices in other semirings, in the order of n^2 numbers of memory.

logsumexp: the exponentials are taken and multiplied in double precision, after the largest number of each row of the
first matrix and of each column of the second is subtracted. Where the sum of a cell is then so small that it may have
lost digits, which takes numbers that differ by more than 600, the cell is computed again from its row and its column.
"""

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn

__all__ = ["extreme_product", "extreme_value", "finite_or_zero", "softmax_product"]

BLOCK = {"cpu": 2**18}  # numbers of a block of sums; they stay in the cache
LARGE_BLOCK = 2**25  # on other devices
GROUP = 16  # summands among which the extreme one is looked for at once
CELLS = 2**11  # computed one by one at once
TINY = 1e-290  # sums below it are computed again; the smallest normal number is 2e-308


def extreme_product(x: Tensor, y: Tensor, extremum: Callable, combine: Callable, zero: float) -> tuple[Tensor, Tensor]:
    """The x_ab and the y_bc of which `combine` makes the extreme value over b, one of several."""
    middle, missing = x.shape[2], -x.shape[2] % GROUP
    left = nn.functional.pad(x.detach(), (0, missing), value=zero)
    right = nn.functional.pad(y.detach(), (0, 0, 0, missing), value=zero)
    winners = [
        _find_extreme(sums.unflatten(2, (-1, GROUP)), extremum) for _, sums in _sums_by_rows(left, right, combine)
    ]
    index = torch.cat(winners, 1).clamp(max=middle - 1)
    return x.gather(2, index), y.gather(1, index)


def extreme_value(x: Tensor, y: Tensor, extremum: Callable, combine: Callable) -> Tensor:
    """The extreme value of `combine(x_ab, y_bc)` over b, without a derivative."""
    total = x.new_empty(x.shape[0], x.shape[1], y.shape[2])
    for rows, sums in _sums_by_rows(x.detach(), y.detach(), combine):
        extremum(sums, 2, out=total[:, rows])
    return total


def _sums_by_rows(x: Tensor, y: Tensor, combine: Callable) -> Iterator[tuple[slice, Tensor]]:
    """x_ab combined with y_bc, (n, a, b, c), for some rows a at a time; in one buffer."""
    block = BLOCK.get(x.device.type, LARGE_BLOCK)
    step = max(1, block // max(1, x.shape[0] * y.shape[1] * y.shape[2]))
    buffer = x.new_empty(x.shape[0], min(step, x.shape[1]), *y.shape[1:])
    for start in range(0, x.shape[1], step):
        part = x[:, start : start + step, :, None]
        yield slice(start, start + step), combine(part, y[:, None], out=buffer[:, : part.shape[1]])


def _find_extreme(groups: Tensor, extremum: Callable) -> Tensor:
    """A place on the axes 2 and 3 with the extreme value."""
    find = torch.max if extremum is torch.amax else torch.min
    group = find(extremum(groups, 3), 2).indices
    place = group[:, :, None, None].expand(-1, -1, 1, GROUP, -1)
    return group * GROUP + find(groups.gather(2, place)[:, :, 0], 2).indices


def softmax_product(
    x: Tensor, y: Tensor, u: Tensor | None = None, v: Tensor | None = None
) -> tuple[Tensor, Tensor | None]:
    """log sum_b exp(x_ab + y_bc), and with u and v sum_b softmax_b(x_ab + y_bc) u_ab v_bc."""
    left, right = x.double(), y.double()
    row = finite_or_zero(left.detach().amax(2, keepdim=True))
    column = finite_or_zero(right.detach().amax(1, keepdim=True))
    p, q = left.sub(row).exp_(), right.sub(column).exp_()
    total = p @ q
    smallest, largest = total.detach().aminmax() if total.numel() else (1.0, 1.0)
    is_exact = None  # everywhere
    if not (smallest >= TINY and largest < torch.inf):
        is_exact = (total >= TINY) & (total < torch.inf)
        total = torch.where(is_exact, total, 1)
    logits = total.log().add_(row).add_(column)
    if u is None or v is None:
        if is_exact is not None:
            cells, logits = _fill_inexact(logits, is_exact, left, right, -torch.inf)
            logits = _compute_cells(logits, cells, lambda n, i, j: (left[n, i] + right[n, :, j]).logsumexp(1))
        return logits.to(x.dtype), None
    means = (p * u) @ (q * v) / total
    if is_exact is not None:
        cells, logits = _fill_inexact(logits, is_exact, left, right, -torch.inf)
        _, means = _fill_inexact(means, is_exact, left, right, 0)
        logits = _compute_cells(logits, cells, lambda n, i, j: (left[n, i] + right[n, :, j]).logsumexp(1))
        wide_u, wide_v = u.double(), v.double()
        means = _compute_cells(
            means,
            cells,
            lambda n, i, j: ((left[n, i] + right[n, :, j]).softmax(1) * wide_u[n, i] * wide_v[n, :, j]).sum(1),
        )
    return logits.to(x.dtype), means.to(u.dtype)


def _fill_inexact(
    result: Tensor, is_exact: Tensor, x: Tensor, y: Tensor, nothing: float
) -> tuple[Sequence[Tensor], Tensor]:
    """The cells to compute one by one, and the result filled where there is nan, or nothing to sum."""
    is_nan = x.detach().isnan().any(2, keepdim=True) | y.detach().isnan().any(1, keepdim=True)
    is_empty = (x.detach() != -torch.inf).float() @ (y.detach() != -torch.inf).float() == 0
    filled = result.masked_fill(~is_exact & is_empty, nothing).masked_fill(is_nan, torch.nan)
    return (~is_exact & ~is_empty & ~is_nan).nonzero(as_tuple=True), filled


def _compute_cells(result: Tensor, cells: Sequence[Tensor], compute: Callable) -> Tensor:
    """The result with what `compute` gives for the matrices, rows and columns of these cells, some at a time."""
    parts = [compute(*part) for part in zip(*(k.split(CELLS) for k in cells), strict=True)]
    return result.index_put(tuple(cells), torch.cat(parts)) if len(cells[0]) else result


def finite_or_zero(x: Tensor) -> Tensor:
    return torch.where(x.isfinite(), x, 0)
