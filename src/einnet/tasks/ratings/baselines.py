"""What a network must beat: the mean, biases of users and items, and a matrix factorisation, well chosen."""

from collections.abc import Callable, Iterable
from itertools import product
from typing import TypeVar

import torch
from torch import Tensor

from einnet.nn import Support
from einnet.tasks.ratings.estimates import fit_biases, fit_factors

__all__ = ["BASELINES", "predict_by_baselines"]

BASELINES = ("global mean", "means and biases", "matrix factorisation")
Ridge = tuple[float, float] | None  # of users and items; None where it is estimated
STRENGTHS = (1.0, 3.0, 6.0, 12.0, 24.0)
BIAS_RIDGES: tuple[Ridge, ...] = (None, *product(STRENGTHS, STRENGTHS))
FACTORS = tuple(product((4, 8, 16), (8.0, 12.0, 18.0, 27.0)))  # rank, ridge
ROUNDS = 12

Table = tuple[Tensor, Tensor]  # index (2, ratings) and values
Choice = TypeVar("Choice")


def predict_by_baselines(train: Table, valid: Table, pairs: Tensor, sizes: tuple[int, int]) -> dict[str, Tensor]:
    """The predictions of each baseline at pairs (2, M), of which it knows the ratings of train and valid.

    The ridges and the rank are those that predict valid best from train.
    """
    known = torch.cat([train[0], valid[0]], 1), torch.cat([train[1], valid[1]])
    ridge = _choose(BIAS_RIDGES, lambda ridge: _predict_by_biases(train, valid[0], sizes, ridge), valid[1])
    factors = _choose(FACTORS, lambda choice: _predict_by_factors(train, valid[0], sizes, ridge, *choice), valid[1])
    predictions = (
        known[1].mean().expand(pairs.shape[1]),
        _predict_by_biases(known, pairs, sizes, ridge),
        _predict_by_factors(known, pairs, sizes, ridge, *factors),
    )
    low, high = known[1].min(), known[1].max()
    return {name: p.clamp(low, high) for name, p in zip(BASELINES, predictions, strict=True)}


def _choose(choices: Iterable[Choice], predict: Callable[[Choice], Tensor], values: Tensor) -> Choice:
    return min(choices, key=lambda choice: float((predict(choice) - values).square().mean()))


def _predict_by_biases(table: Table, pairs: Tensor, sizes: tuple[int, int], ridge: Ridge) -> Tensor:
    return fit_biases(Support(table[0], sizes), table[1], ridge).predict(pairs)


def _predict_by_factors(
    table: Table, pairs: Tensor, sizes: tuple[int, int], ridge: Ridge, rank: int, strength: float
) -> Tensor:
    """Biases, and the products of factors of what they leave."""
    support = Support(table[0], sizes)
    biases = fit_biases(support, table[1], ridge)
    rest = table[1] - biases.predict(table[0])
    scale = rest.square().mean().sqrt().clamp(min=1e-6)
    start = torch.randn(sizes[1], rank, generator=torch.Generator().manual_seed(0)).to(rest)
    x, y = fit_factors(support, rest / scale, rank, strength, ROUNDS, start)
    return biases.predict(pairs) + scale * (x[pairs[0]] * y[pairs[1]]).sum(1)
