"""Problems of sets: the median, the number of blobs, a line through points with outliers."""

from collections.abc import Callable

import numpy as np
import torch
from samples import Data, Problem, Samples, measure_absolute_error, measure_misses
from torch import Tensor
from torch.nn.functional import cross_entropy, l1_loss

__all__ = ["PROBLEMS", "draw_data"]

TRAIN, TEST = 10_000, 1_000
BLOBS = 6
Draw = Callable[[np.random.Generator, int, int], tuple[tuple, Tensor]]


def draw_data(draw: Draw, sizes: tuple[int, int], larger: tuple[int, int], train: int = TRAIN) -> Callable[[int], Data]:
    """A function from a seed to samples; `draw` makes one from a generator and its least and largest size.

    Samples to test with are the same for each seed.
    """

    def draw_samples(number: int, bounds: tuple[int, int], *seed: int) -> Samples:
        generator = np.random.default_rng(seed)
        inputs, targets = zip(*(draw(generator, *bounds) for _ in range(number)), strict=True)
        return Samples(list(inputs), list(targets))

    def load(seed: int) -> Data:
        return Data(
            draw_samples(train, sizes, 0, seed),
            draw_samples(TEST, sizes, 1, 0),
            draw_samples(TEST, sizes, 2, 0),
            draw_samples(TEST // 4, larger, 3, 0),
        )

    return load


def as_tensor(values: np.ndarray) -> Tensor:
    return torch.from_numpy(np.asarray(values, np.float32))


def draw_median(generator: np.random.Generator, minimum: int, maximum: int) -> tuple[tuple, Tensor]:
    x = generator.normal(size=generator.integers(minimum, maximum + 1))
    return (as_tensor(x[:, None]),), as_tensor(np.median(x, keepdims=True))


def draw_blobs(generator: np.random.Generator, minimum: int, maximum: int) -> tuple[tuple, Tensor]:
    """Points around centres in the unit square, of which no two are closer than four standard deviations."""
    number, size = generator.integers(1, BLOBS + 1), generator.integers(minimum, maximum + 1)
    centres = np.empty((0, 2))
    while len(centres) < number:
        centre = generator.uniform(size=(1, 2))
        if len(centres) == 0 or np.linalg.norm(centres - centre, axis=1).min() > 0.2:
            centres = np.concatenate([centres, centre])
    blob = np.arange(size) % number
    blob[2 * number :] = generator.integers(number, size=max(0, size - 2 * number))  # two points each, then chance
    points = centres[blob] + generator.normal(size=(size, 2), scale=0.05)
    return (as_tensor(points),), torch.tensor([number - 1])


def draw_line(generator: np.random.Generator, minimum: int, maximum: int) -> tuple[tuple, Tensor]:
    """Points of a line with a random slope, of which three in ten are moved anywhere."""
    size = generator.integers(minimum, maximum + 1)
    slope, height = generator.normal(), generator.normal(scale=0.5)
    x = generator.uniform(-1, 1, size)
    y = slope * x + height + generator.normal(size=size, scale=0.1)
    outlier = generator.permutation(size) < 0.3 * size
    y[outlier] = generator.uniform(-3, 3, outlier.sum())
    return (as_tensor(np.stack([x, y], 1)),), as_tensor([slope])


PROBLEMS = {
    "median": Problem(
        "Median of 5 to 25 numbers (larger: 50 to 100)",
        "aH -> H",
        15,
        draw_data(draw_median, (5, 25), (50, 100)),
        l1_loss,
        "mean absolute error, standard deviations",
        measure_absolute_error,
    ),
    "blobs": Problem(
        "How many blobs, 1 to 6, in 10 to 40 points of a plane (larger: 60 to 120)",
        "aH -> H",
        20,
        draw_data(draw_blobs, (10, 40), (60, 120)),
        cross_entropy,
        "share of wrong numbers",
        measure_misses,
        BLOBS,
    ),
    "line": Problem(
        "Slope of a line through 10 to 30 points, 30% of them outliers (larger: 60 to 100)",
        "aH -> H",
        20,
        draw_data(draw_line, (10, 30), (60, 100)),
        l1_loss,
        "mean absolute error, standard deviations",
        measure_absolute_error,
    ),
}
