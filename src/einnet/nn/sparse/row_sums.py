"""Sums and largest values of rows, at rows that are linked to them."""

from collections.abc import Sequence
from functools import cached_property

import torch
from torch import Tensor

from einnet.nn.sparse.contract import contract, sum_bags
from einnet.nn.sparse.matches import Matches, sort_keys

__all__ = ["RowMaxima", "RowSums"]

Bags = tuple[Tensor, Tensor]  # the rows that are added up, and where those of each sum begin


class RowSums:
    """The sums of rows over several links, side by side or added up: a sparse matrix of zeros and ones.

    >>> rows = Matches(torch.tensor([[0, 1, 1], [1, 0, 1]]), (2, 3))     # row 0 at 1, row 1 at 0 and 1
    >>> RowSums([rows], 1).run(torch.tensor([[1.0], [10.0]]))
    tensor([[10.],
            [11.],
            [ 0.]])

    With several links, the rows of side `stacked` (0 for those that are added up, 1 for the sums) are those of the
    first link, then those of the second, and so on; the rows of the other side are the same in all links.
    """

    def __init__(self, links: Sequence[Matches], stacked: int):
        self.links, self.stacked = links, stacked
        starts = [0]
        for x in links:
            starts.append(starts[-1] + x.rows[stacked])
        self.starts, self.height = starts[:-1], starts[-1]
        self._bags: dict[int, Bags] = {}

    def run(self, x: Tensor, target: int = 1) -> Tensor:
        """The sums; with `target` 0 those of the transposed matrix."""
        if torch.is_grad_enabled():
            return contract(self._matches, [x], target)
        if target not in self._bags:
            self._bags[target] = self._stack() if target == self.stacked else self._merge(target)
        return sum_bags(x.contiguous(), *self._bags[target])

    def _stack(self) -> Bags:
        """The sums of one link after those of another."""
        orders, start, rows, pointers = [x.order(self.stacked) for x in self.links], 0, [], []
        for order in orders:
            place = order.positions[1 - self.stacked]
            rows.append(order.counter if place is None else place)
            pointers.append(order.pointers[:-1] + start if start else order.pointers[:-1])
            start += len(rows[-1])
        if len(orders) == 1:
            return rows[0], orders[0].pointers
        return torch.cat(rows), torch.cat([*pointers, pointers[0].new_full((1,), start)])

    def _merge(self, target: int) -> Bags:
        """The sums over all links."""
        rows = [x.positions[self.stacked] + n if n else x.positions[self.stacked] for x, n in self._parts]
        if all(x.identity == target for x in self.links):
            number = len(self.links)
            place = torch.arange(0, number * len(rows[0]) + 1, number, device=rows[0].device)
            return torch.stack(rows, 1).flatten().int(), place.int()
        place = sum(x.order(target).pointers for x in self.links)
        assert isinstance(place, Tensor)
        order = sort_keys(torch.cat([x.positions[target] for x in self.links]), len(place) - 1)
        row = torch.cat(rows)
        return (row if order is None else row[order]).to(place.dtype), place

    @property
    def _parts(self) -> list[tuple[Matches, int]]:
        return list(zip(self.links, self.starts, strict=True))

    @cached_property
    def _matches(self) -> Matches:
        """All links as one."""
        start = [torch.tensor([[n], [0]] if self.stacked == 0 else [[0], [n]]) for n in self.starts]
        places = [x.positions + n.to(x.positions.device) for x, n in zip(self.links, start, strict=True)]
        rows = list(self.links[0].rows)
        rows[self.stacked] = self.height
        return Matches(torch.cat(places, 1), rows)


class RowMaxima:
    """The largest of the rows of a link, feature by feature; 0 where there is none."""

    def __init__(self, link: Matches):
        self.rows, self.order = link.rows, link.order(1)
        is_empty = self.order.pointers.diff() == 0
        self.is_empty = is_empty[:, None] if is_empty.any() else None

    def run(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The largest values, and the row of each."""
        place, pointers = self.order.positions[0], self.order.pointers
        place = self.order.counter if place is None else place
        detached = x.detach().contiguous()
        values, _, _, rows = torch.ops.aten._embedding_bag(detached, place, pointers, False, 2, False, None, True)
        rows = rows.long()
        if torch.is_grad_enabled():
            values = x.gather(0, rows)
            values = values if self.is_empty is None else values.masked_fill(self.is_empty, 0)
        return values, rows

    def differentiate(self, gradient: Tensor, rows: Tensor) -> Tensor:
        """The gradient of the operand, given the rows of the largest values."""
        gradient = gradient if self.is_empty is None else gradient.masked_fill(self.is_empty, 0)
        return gradient.new_zeros(self.rows[0], gradient.shape[1]).scatter_add_(0, rows, gradient)
