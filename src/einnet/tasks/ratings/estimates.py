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

__all__ = ["ESTIMATES", "NEIGHBOURS", "Biases", "Known", "fit_biases", "fit_factors"]

ROUNDS = 8  # of the biases, one side after the other
FIRST_RIDGES = (4.0, 3.0)  # of users and items, in ratings, where they are estimated
TINY = 1e-6
RANK, RIDGE, FACTOR_ROUNDS = 12, 18.0, 8  # the ridge in units of the residuals' variance
CHUNK = 2**20  # pairs whose similarity is computed at a time
SHRINKAGE = 50.0  # of a correlation: as if so many more had rated both without agreeing
FEW = 5.0  # ratings more of each, in common with none
DOUBTS = (0.1, 0.02)  # weight of no neighbour
NEIGHBOURS = {  # the estimates by neighbours, and what they are weighed with before a network changes that
    "items rated alike": 0.55,
    "items rated by the same users": 0.8,
    "users who rate alike": 0.5,
    "users who rated the same items": 0.3,
}
ESTIMATES = {**NEIGHBOURS, "factors": 0.3, "rest of the user": 1.0, "rest of the item": 1.0}


@dataclass(frozen=True)
class Biases:
    """The mean, and what each user and each item differs from it."""

    mean: Tensor
    user: Tensor  # (users,)
    item: Tensor  # (items,)

    def predict(self, pairs: Tensor) -> Tensor:
        return self.mean + self.user[pairs[0]] + self.item[pairs[1]]


def fit_biases(support: Support, values: Tensor, ridge: tuple[float, float] | None = None) -> Biases:
    """The biases of users and items, each by ridge regression on what the other leaves.

    Without ridges, in ratings, these are the variance of what is left over that of the biases, both estimated along
    (the EM algorithm for random effects): few ratings of a user whose like rate alike say little about this user.

    >>> full = Support(torch.cartesian_prod(torch.arange(3), torch.arange(2)).T, (3, 2))
    >>> biases = fit_biases(full, torch.tensor([0.0, 0.2, 0.4, 0.6, 0.8, 1.0]), ridge=(0.0, 0.0))
    >>> biases.mean, biases.item
    (tensor(0.5000), tensor([-0.1000,  0.1000]))
    >>> biases.predict(torch.tensor([[0, 2], [1, 1]]))
    tensor([0.2000, 1.0000])
    """
    (u, i), mean = support.index, values.mean()
    user, item = values.new_zeros(support.sizes[0]), values.new_zeros(support.sizes[1])
    counts = count_entries(support, 0), count_entries(support, 1)
    ridges = values.new_tensor(FIRST_RIDGES if ridge is None else ridge)
    for _ in range(ROUNDS):
        item = _sum_rows(support, values - mean - user[u], 1) / (counts[1] + ridges[1]).clamp(min=TINY)
        user = _sum_rows(support, values - mean - item[i], 0) / (counts[0] + ridges[0]).clamp(min=TINY)
        if ridge is None:
            ridges = _estimate_ridges(values - mean - user[u] - item[i], (user, item), counts, ridges)
    return Biases(mean, user, item)


def _estimate_ridges(
    rest: Tensor, biases: tuple[Tensor, Tensor], counts: tuple[Tensor, Tensor], ridges: Tensor
) -> Tensor:
    """The variance of the rest over those of the biases, of users and items with ratings."""
    fitted = torch.stack([(n / (n + r)).sum() for n, r in zip(counts, ridges, strict=True)]).sum()
    noise = rest.square().sum() / (len(rest) - fitted).clamp(min=0.1 * len(rest))
    variances = [
        ((b.square() + noise / (n + r)) * (n > 0)).sum() / (n > 0).sum()
        for b, n, r in zip(biases, counts, ridges, strict=True)
    ]
    return (noise / torch.stack(variances).clamp(min=TINY)).clamp(TINY, 1 / TINY)


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
    x = start.new_zeros(support.sizes[0], rank)
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
    `by_neighbours` are the estimates at the known ratings, each without this rating; `rest` has the biases of what
    these leave. `start` (items, rank) is what the factors begin with; by default always the same random numbers.
    `estimates` are those at `pairs` (2, M), where these are given: at once they take half of the time.
    """

    def __init__(
        self,
        index: Tensor,
        values: Tensor,
        sizes: tuple[int, int],
        start: Tensor | None = None,
        pairs: Tensor | None = None,
    ):
        self.support, self.values = Support(index, sizes), values
        self.biases = fit_biases(self.support, values)
        rest = values - self.biases.predict(index)
        self.scale = rest.square().mean().sqrt().clamp(min=1e-3)
        self.residuals = rest / self.scale
        self.counts = count_entries(self.support, 0), count_entries(self.support, 1)
        if start is None:
            start = torch.randn(sizes[1], RANK, generator=torch.Generator().manual_seed(0)).to(values)
        self.factors = fit_factors(self.support, self.residuals, start.shape[1], RIDGE, FACTOR_ROUNDS, start)
        pairs = index[:, :0] if pairs is None else pairs
        table = self.estimate_by_neighbours(torch.cat([index, pairs], 1))
        self.by_neighbours, by_neighbours = table.split([index.shape[1], pairs.shape[1]])
        weights = self.residuals.new_tensor([*NEIGHBOURS.values()])
        self.rest = fit_biases(self.support, self.residuals - (self.by_neighbours * weights).sum(1))
        self.estimates = self._complete(pairs, by_neighbours)

    def estimate(self, pairs: Tensor) -> Tensor:
        """Estimates of the residuals at pairs of user and item (2, M), one column for each of `ESTIMATES`."""
        return self._complete(pairs, self.estimate_by_neighbours(pairs))

    def _complete(self, pairs: Tensor, by_neighbours: Tensor) -> Tensor:
        (u, i), (x, y) = pairs, self.factors
        columns = (x[u] * y[i]).sum(1), self.rest.user[u] + self.rest.mean, self.rest.item[i]
        return torch.cat([by_neighbours, torch.stack(columns, 1)], 1)

    def estimate_by_neighbours(self, pairs: Tensor) -> Tensor:
        """The first of these, one column for each of `NEIGHBOURS`."""
        by_items = estimate_by_neighbours(self.support, self.residuals, self.counts[1], pairs)
        transposed = Support(self.support.index.flip(0), self.support.sizes[::-1])
        by_users = estimate_by_neighbours(transposed, self.residuals, self.counts[0], pairs.flip(0))
        return torch.cat([by_items, by_users], 1)


def estimate_by_neighbours(support: Support, residuals: Tensor, counts: Tensor, pairs: Tensor) -> Tensor:
    """Means of the residuals of `a` at the neighbours of `c`, for pairs (a, c) of the type `[ab]`: (M, 2).

    One weighs neighbours by the correlation of the residuals, shrunk where few rated both, times the square of the
    share that rated both; the other by the cube of this share.
    """
    targets, places = pairs[1].unique(return_inverse=True)
    result, ones = residuals.new_empty(pairs.shape[1], 2), torch.ones_like(residuals)
    length = max(1, CHUNK // max(support.sizes))
    for first in range(0, len(targets), length):
        weights = weigh_neighbours(support, residuals, counts, targets[first : first + length])
        sums, totals = (
            einsum("[ab],b->a", (support, values[:, None]), table.flatten(1)).unflatten(1, (-1, 2))
            for values, table in ((residuals, weights), (ones, weights.abs()))
        )
        rows = ((places >= first) & (places < first + length)).nonzero()[:, 0]
        result[rows] = (sums / (totals + totals.new_tensor(DOUBTS)))[pairs[0, rows], places[rows] - first]
    return result


def weigh_neighbours(support: Support, residuals: Tensor, counts: Tensor, columns: Tensor) -> Tensor:
    """The weights of all `b` as neighbours of some, (b, columns, 2)."""
    position = torch.full((support.sizes[1],), -1, device=columns.device)
    position[columns] = torch.arange(len(columns), device=columns.device)
    place = position[support.index[1]]
    is_column = place >= 0
    rows, place = support.index[0, is_column], place[is_column]
    x = residuals.new_zeros(support.sizes[0], len(columns))
    present = torch.zeros_like(x)
    x[rows, place], present[rows, place] = residuals[is_column], 1.0

    def sum_common(values: Tensor, table: Tensor) -> Tensor:
        return einsum("[ab],a->b", (support, values[:, None]), table)

    number = sum_common(torch.ones_like(residuals), present)
    squares = sum_common(residuals.square(), present) * sum_common(torch.ones_like(residuals), x.square())
    correlation = sum_common(residuals, x) / squares.sqrt().clamp(min=1e-6) * number / (number + SHRINKAGE)
    share = number / ((counts[:, None] + FEW) * (counts[columns] + FEW)).sqrt()
    weights = torch.stack([correlation * share**2, share**3], -1)
    weights[columns, torch.arange(len(columns), device=columns.device)] = 0.0  # none is its own neighbour
    return weights
