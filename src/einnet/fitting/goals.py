"""What is learned: quantities or classes, with the loss, the error, and the error of a trivial prediction."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

__all__ = ["Classification", "Goal", "Loss", "Regression"]

Loss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Regression:
    """Quantities (..., features), NaN where not known; with their mean and standard deviation in training."""

    mean: Tensor
    std: Tensor
    classes = None
    unknown = float("nan")
    error = "mean absolute error"
    trivial = "predicting the mean"

    @classmethod
    def of(cls, targets: Tensor) -> "Regression":
        """From the targets of training: (number, features)."""
        values = targets.cpu().double()
        mean = values.nanmean(0).nan_to_num()  # of a feature that is never known: 0
        std = (values - mean).square().nanmean(0).sqrt()
        std = torch.where(std > 1e-7 * mean.abs(), std, 1.0)  # a constant
        return cls(mean.to(targets), std.to(targets))

    @property
    def features(self) -> int:
        return len(self.mean)

    @staticmethod
    def find_known(target: Tensor) -> Tensor:
        """Which targets have a known feature."""
        return ~target.isnan().all(-1)

    def is_known(self, target: Tensor) -> Tensor:
        return ~target.isnan()

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """The mean squared error, in standard deviations."""
        is_known = self.is_known(target)  # before the difference: NaN has no gradient, also times 0
        return ((output[is_known] - target[is_known]) / self.std.expand_as(target)[is_known]).square().mean()

    def count_errors(self, output: Tensor, target: Tensor) -> Tensor:
        """The sum of the errors."""
        return (output - target)[self.is_known(target)].abs().sum()

    def predict_trivially(self, target: Tensor) -> Tensor:
        """The best output for a target without a look at its inputs."""
        return self.mean.expand_as(target)


@dataclass(frozen=True)
class Classification:
    """Numbers of classes, -1 where not known; with the share of each class in training."""

    classes: tuple[Any, ...]
    shares: Tensor
    unknown = -1
    error = "share of errors"
    trivial = "predicting the most frequent class"

    @classmethod
    def of(cls, targets: Tensor, classes: tuple[Any, ...]) -> "Classification":
        """From the targets of training: numbers of classes (number,)."""
        counts = torch.bincount(targets[targets >= 0], minlength=len(classes))
        return cls(classes, counts / counts.sum())

    @property
    def features(self) -> int:
        return len(self.classes)

    @staticmethod
    def find_known(target: Tensor) -> Tensor:
        """Which targets are known."""
        return target >= 0

    is_known = find_known

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """The mean cross entropy."""
        return cross_entropy(output.flatten(0, -2), target.flatten(), ignore_index=self.unknown)

    def count_errors(self, output: Tensor, target: Tensor) -> Tensor:
        """The number of targets whose class has not the largest output."""
        return (output.argmax(-1) != target)[self.is_known(target)].sum()

    def predict_trivially(self, target: Tensor) -> Tensor:
        """The best output for a target without a look at its inputs."""
        return self.shares.clamp(min=1e-9).log().expand(*target.shape, -1)


Goal = Regression | Classification
