"""What follows from known ratings in closed form: biases, factors, and estimates by similar items and users.

All of it is written as einsums of sparse types, `[ab]` being the known ratings of users `a` for items `b`. Hidden
ratings are in none of them. Ratings are positions on the axis from 0 to 1.

Sources: biases and neighbours as Koren, Factorization meets the neighborhood, 2008; factors by alternating least
squares as Zhou et al., Large-scale parallel collaborative filtering, 2008.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from einnet.nn import Support
from einnet.nn.functional import einsum

__all__ = ["ESTIMATES", "Biases", "Known", "fit_biases", "fit_factors"]

ROUNDS = 6  # of the biases, one side after the other
RANK, RIDGE, FACTOR_ROUNDS = 12, 12.0, 8  # the ridge in units of the residuals' variance
CHUNK = 2**21  # pairs whose similarity is computed at a time
ESTIMATES = (
    "items rated alike",
    "items rated by the same",
    "users who rate alike",
    "users who rate the same",
    "factors",
)


@dataclass(frozen=True)
class Biases:
    """The mean, and what each user and each item differs from it."""

    mean: Tensor
    user: Tensor  # (users,)
    item: Tensor  # (items,)

    def predict(self, pairs: Tensor) -> Tensor:
        return self.mean + self.user[pairs[0]] + self.item[pairs[1]]


def fit_biases(support: Support, values: Tensor, ridge: tuple[float, float] = (4.0, 3.0)) -> Biases:
    """The biases of users and items, each by ridge regression on what the other leaves.

    >>> full = Support(torch.cartesian_prod(torch.arange(3), torch.arange(2)).T, (3, 2))
    >>> biases = fit_biases(full, torch.tensor([0.0, 0.2, 0.4, 0.6, 0.8, 1.0]), ridge=(0.0, 0.0))
    >>> biases.mean, biases.user, biases.item
    (tensor(0.5000), tensor([-0.4000,  0.0000,  0.4000]), tensor([-0.1000,  0.1000]))
    """
    (u, i), mean = support.index, values.mean()
    user, item = values.new_zeros(support.sizes[0]), values.new_zeros(support.sizes[1])
    users, items = (count_entries(support, axis) for axis in (0, 1))
    for _ in range(ROUNDS):
        item = _sum_rows(support, values - mean - user[u], 1) / (items + ridge[1]).clamp(min=1)
        user = _sum_rows(support, values - mean - item[i], 0) / (users + ridge[0]).clamp(min=1)
    return Biases(mean, user, item)


def _sum_rows(support: Support, values: Tensor, axis: int) -> Tensor:
    return einsum(("[ab]->a", "[ab]->b")[axis], (support, values[:, None]))[:, 0]


def count_entries(support: Support, axis: int) -> Tensor:
    """How many entries each element of an axis has, as floating point numbers."""
    return _sum_rows(support, torch.ones(support.entries, device=support.device), axis)


def fit_factors(
    support: Support, residuals: Tensor, rank: int, ridge: float, rounds: int, start: Tensor
) -> tuple[Tensor, Tensor]:
    """Vectors of the users and of the items whose products approximate the residuals, by alternating least squares.

    start: (items, rank), random; another start rotates the vectors, and leaves their products nearly as they are.
    """
    values, ones, y = residuals[:, None], torch.ones_like(residuals)[:, None], start
    identity = ridge * torch.eye(rank, dtype=start.dtype, device=start.device)
    for _ in range(rounds):
        x = _solve("[ab],b->a", support, ones, values, y, identity)
        y = _solve("[ab],a->b", support, ones, values, x, identity)
    return x, y


def _solve(term: str, support: Support, ones: Tensor, values: Tensor, y: Tensor, identity: Tensor) -> Tensor:
    squares = einsum(term, (support, ones), (y[:, :, None] * y[:, None, :]).flatten(1)).unflatten(1, identity.shape)
    return torch.linalg.solve(squares + identity, einsum(term, (support, values), y))


class Known:
    """Known ratings, and what is computed of them for predictions.

    The residuals are what the biases leave, in units of their standard deviation `scale`, and so are the estimates.
    `start` (items, rank) is what the factors begin with; by default always the same random numbers.
    """

    def __init__(self, index: Tensor, values: Tensor, sizes: tuple[int, int], start: Tensor | None = None):
        self.support, self.values = Support(index, sizes), values
        self.biases = fit_biases(self.support, values)
        rest = values - self.biases.predict(index)
        self.scale = rest.square().mean().sqrt().clamp(min=1e-3)
        self.residuals = rest / self.scale
        self.counts = count_entries(self.support, 0), count_entries(self.support, 1)
        if start is None:
            start = torch.randn(sizes[1], RANK, generator=torch.Generator().manual_seed(0)).to(values)
        self.factors = fit_factors(self.support, self.residuals, start.shape[1], RIDGE, FACTOR_ROUNDS, 0.1 * start)

    def estimate(self, pairs: Tensor) -> Tensor:
        """Estimates of the residuals at pairs of user and item (2, M), one column for each of `ESTIMATES`."""
        x, y = self.factors
        by_items = estimate_by_neighbours(self.support, self.residuals, self.counts[1], pairs)
        transposed = Support(self.support.index.flip(0), self.support.sizes[::-1])
        by_users = estimate_by_neighbours(transposed, self.residuals, self.counts[0], pairs.flip(0))
        return torch.cat([by_items, by_users, (x[pairs[0]] * y[pairs[1]]).sum(1, keepdim=True)], 1)


def estimate_by_neighbours(support: Support, residuals: Tensor, counts: Tensor, pairs: Tensor) -> Tensor:
    """Means of the residuals of `a` at the neighbours of `c`, for pairs (a, c) of the type `[ab]`: (M, 2).

    One weighs neighbours by the correlation of the residuals, shrunk where few rated both, the other by how many
    rated both.
    """
    targets, places = pairs[1].unique(return_inverse=True)
    result = residuals.new_empty(pairs.shape[1], 2)
    length = max(1, CHUNK // support.sizes[1])
    for first in range(0, len(targets), length):
        columns = targets[first : first + length]
        is_here = (places >= first) & (places < first + length)
        weights = weigh_neighbours(support, residuals, counts, columns)
        rows = torch.stack([pairs[0, is_here], places[is_here] - first])
        distinct, order = rows.unique(dim=1, return_inverse=True)
        query = Support(distinct, (support.sizes[0], len(columns)))
        _, sums = einsum("[ab],bc->[ac]", (support, residuals[:, None]), weights, at=query)
        _, totals = einsum("[ab],bc->[ac]", (support, torch.ones_like(residuals)[:, None]), weights.abs(), at=query)
        result[is_here] = (sums / (totals + totals.new_tensor(DOUBTS)))[order]
    return result


SHRINKAGE = 100.0  # of a correlation: as if so many more had rated both without agreeing
POWERS = (2, 3)  # of the correlation, and of the share that rated both
DOUBTS = (0.01, 0.001)  # weight of no neighbour


def weigh_neighbours(support: Support, residuals: Tensor, counts: Tensor, columns: Tensor) -> Tensor:
    """The weights of all `b` as neighbours of some, (b, columns, 2)."""
    position = torch.full((support.sizes[1],), -1, device=columns.device)
    position[columns] = torch.arange(len(columns), device=columns.device)
    place = position[support.index[1]]
    rows, place = support.index[0, place >= 0], place[place >= 0]
    x = residuals.new_zeros(support.sizes[0], len(columns))
    present = torch.zeros_like(x)
    x[rows, place], present[rows, place] = residuals[position[support.index[1]] >= 0], 1.0

    def sum_both(values: Tensor, table: Tensor) -> Tensor:
        return einsum("[ab],a->b", (support, values[:, None]), table)

    number = sum_both(torch.ones_like(residuals), present)
    squares = sum_both(residuals.square(), present) * sum_both(torch.ones_like(residuals), x.square())
    correlation = sum_both(residuals, x) / squares.sqrt().clamp(min=1e-6) * number / (number + SHRINKAGE)
    share = number / (counts[:, None] * counts[columns]).sqrt().clamp(min=1)
    weights = torch.stack([correlation.sign() * correlation.abs() ** POWERS[0], share ** POWERS[1]], -1)
    weights[columns, torch.arange(len(columns), device=columns.device)] = 0.0  # none is its own neighbour
    return weights
