"""Rows that a process needs of tensors whose rows are cut over all processes, with their gradients."""

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor

from einnet.nn.sharded.grid import Grid
from einnet.nn.sharded.moves import run_step

__all__ = ["Fetch", "fetch_rows"]


class Fetch:
    """Which rows come from which process, and which go there; made by all processes together.

    `ranges` has for each process of the group the rows that it has, `need` the rows that this one needs, in order.
    """

    def __init__(self, grid: Grid, ranges: Sequence[tuple[int, int]], need: Tensor):
        self.grid, self.me = grid, grid.coordinates.index(grid.coordinate)
        edges = torch.tensor(ranges, dtype=need.dtype, device=need.device)
        self.places = [slice(*bounds) for bounds in torch.searchsorted(need, edges).tolist()]  # in `need`
        counts = torch.tensor([p.stop - p.start for p in self.places], device=need.device)
        table = torch.stack(grid.gather(counts, (0, 1)), 1)[self.me].tolist()  # the numbers that others need from here
        requests = [need[p] if k != self.me else need[:0] for k, p in enumerate(self.places)]
        received = grid.send_parts(requests, [0 if k == self.me else n for k, n in enumerate(table)])
        start, stop = ranges[self.me]
        self.rows, self.needed = stop - start, len(need)
        self.to_send = [rows - start for rows in received]
        self.own = need[self.places[self.me]] - start
        sent = torch.tensor([float(sum(len(rows) for rows in received))], device=need.device)
        self.is_local = not grid.sum(sent, (0, 1)).item()
        self.is_identity = self.is_local and torch.equal(self.own, torch.arange(self.rows, device=need.device))

    def forward(self, x: Tensor) -> Tensor:
        if self.is_local:
            return x.index_select(0, self.own)
        y = x.new_empty(self.needed, *x.shape[1:])
        y[self.places[self.me]] = x.index_select(0, self.own)
        pieces = [x.index_select(0, rows) for rows in self.to_send]
        counts = [0 if k == self.me else p.stop - p.start for k, p in enumerate(self.places)]
        for place, piece in zip(self.places, self._send(pieces, counts), strict=True):
            if len(piece):
                y[place] = piece
        return y

    def backward(self, gradient: Tensor) -> Tensor:
        x = gradient.new_zeros(self.rows, *gradient.shape[1:])
        x[self.own] = gradient[self.places[self.me]]
        if self.is_local:
            return x
        pieces = [gradient[p if k != self.me else slice(0, 0)] for k, p in enumerate(self.places)]
        for rows, piece in zip(self.to_send, self._send(pieces, [len(r) for r in self.to_send]), strict=True):
            x.index_add_(0, rows, piece)
        return x

    def _send(self, pieces: Sequence[Tensor], counts: Sequence[int]) -> list[Tensor]:
        """Sends rows to each process, and receives so many from each."""
        lead = pieces[0].shape[1:]
        received = self.grid.send_parts([p.reshape(-1) for p in pieces], [n * prod(lead) for n in counts])
        return [flat.view(n, *lead) for flat, n in zip(received, counts, strict=True)]


def fetch_rows(x: Tensor, fetch: Fetch) -> Tensor:
    """The rows that are needed of (..., rows, features), from those that this process has; the gradient goes back."""
    if fetch.is_identity:
        return x
    return run_step(x.movedim(-2, 0), fetch).movedim(0, -2)
