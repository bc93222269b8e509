"""What the problems are made of: samples of different sizes, pairs of one graph, and measures of error."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from scipy.stats import rankdata
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

__all__ = [
    "Data",
    "Pairs",
    "Predict",
    "Problem",
    "Samples",
    "compute_logit_loss",
    "measure_absolute_error",
    "measure_misses",
    "measure_order_error",
    "measure_rank_error",
    "measure_root_square_error",
    "measure_sample_misses",
]


@dataclass(frozen=True)
class Samples:
    """The inputs of each sample, one for each input of the signature, and its targets, (rows,).

    Targets are floats to predict, whole numbers for classes, or booleans for yes and no.
    """

    inputs: list[tuple[Any, ...]]
    targets: list[Tensor]

    def __len__(self) -> int:
        return len(self.targets)

    def select(self, numbers: Sequence[int]) -> "Samples":
        return Samples([self.inputs[k] for k in numbers], [self.targets[k] for k in numbers])


@dataclass(frozen=True)
class Pairs:
    """Values, (pairs,), at the pairs `index`, (2, pairs), of two sets or of one; `graph` is what is known besides."""

    index: Tensor
    values: Tensor
    sizes: tuple[int, int]
    graph: Tensor | None = None

    def __len__(self) -> int:
        return len(self.values)

    def select(self, numbers: Sequence[int]) -> "Pairs":
        return replace(self, index=self.index[:, numbers], values=self.values[numbers])

    def hide(self, numbers: Tensor) -> "Pairs":
        """The same pairs, some of which the graph does not have as links."""
        if self.graph is None:
            return self
        i, j = self.index[:, numbers]
        number = self.sizes[1]
        keys = torch.cat([i * number + j, j * number + i])
        return replace(self, graph=self.graph[:, ~torch.isin(self.graph[0] * number + self.graph[1], keys)])

    @property
    def targets(self) -> list[Tensor]:
        return [self.values]


Predict = Callable[[Any], Tensor]  # samples or pairs to predictions, (all rows, features)


@dataclass(frozen=True)
class Data:
    """What is learned from, what rates are chosen with, and what is measured with; `larger` has larger sizes."""

    train: Any
    valid: Any
    test: Any
    larger: Any = None


@dataclass(frozen=True)
class Problem:
    """A problem: `seconds` of processor time, the peers' loss, and what `error` is called and measured by."""

    title: str
    signature: str
    seconds: float
    load: Callable[[int], Data]
    loss: Callable[[Tensor, Tensor], Tensor]
    error: str
    measure: Callable[[Tensor, Sequence[Tensor]], float]
    out_features: int = 1
    examples: tuple[int, ...] = (10, 100, 1000)


def measure_absolute_error(predicted: Tensor, targets: Sequence[Tensor]) -> float:
    """The mean absolute error in standard deviations of the targets.

    >>> measure_absolute_error(torch.tensor([[1.0], [2.0], [4.0]]), [torch.tensor([1.0, 2.0]), torch.tensor([3.0])])
    0.3333...
    """
    values = torch.cat(list(targets))
    return float((predicted[:, 0] - values).abs().mean() / values.std())


def measure_root_square_error(predicted: Tensor, targets: Sequence[Tensor]) -> float:
    return float((predicted[:, 0] - torch.cat(list(targets))).square().mean().sqrt())


def measure_misses(predicted: Tensor, targets: Sequence[Tensor]) -> float:
    """The share of wrong classes."""
    return float((predicted.argmax(1) != torch.cat(list(targets))).float().mean())


def measure_sample_misses(predicted: Tensor, targets: Sequence[Tensor]) -> float:
    """The share of samples of which a row has the wrong sign."""
    parts = (predicted[:, 0] > 0).split([len(t) for t in targets])
    return float(np.mean([not torch.equal(p, t) for p, t in zip(parts, targets, strict=True)]))


def measure_rank_error(predicted: Tensor, targets: Sequence[Tensor]) -> float:
    """1 - Spearman's rank correlation, averaged over samples."""
    parts = predicted[:, 0].split([len(t) for t in targets])
    pairs = [(rankdata(p), rankdata(t)) for p, t in zip(parts, targets, strict=True)]
    return float(np.mean([1 - np.corrcoef(p, t)[0, 1] if p.std() else 1.0 for p, t in pairs]))


def measure_order_error(predicted: Tensor, targets: Sequence[Tensor]) -> float:
    """1 - the area under the curve: the share of (true, false) pairs in the wrong order, ties as half.

    >>> measure_order_error(torch.tensor([[3.0], [1.0], [2.0]]), [torch.tensor([True, True, False])])
    0.5
    """
    is_true, ranks = torch.cat(list(targets)).numpy(), rankdata(predicted[:, 0].numpy())
    number = is_true.sum()
    area = (ranks[is_true].sum() - number * (number + 1) / 2) / (number * (len(ranks) - number))
    return float(1 - area)


def compute_logit_loss(predicted: Tensor, target: Tensor) -> Tensor:
    return binary_cross_entropy_with_logits(predicted, target.float())
