"""`Task`: what a task must say to be trained: a loss, an evaluation, the metric to select on."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from einnet.nn import EinNet
from einnet.train.optimizers import adamw

__all__ = ["Task"]


class Task(LightningModule, ABC):
    """A network with its loss and its evaluation.

    All randomness of step k is drawn from (seed, k, rank), so that a resumed run goes on exactly.
    What is validated and kept is a running average of the weights.
    """

    metric: str = "metric"  # the name in validate()'s result that selects the best network
    higher_is_better: bool = True

    def __init__(self, net: EinNet, *, lr: float, weight_decay: float, average: float = 0.99, seed: int = 0):
        super().__init__()
        self.net = net
        self.average = AveragedModel(net, multi_avg_fn=partial(_average, average)).requires_grad_(False)
        self.lr, self.weight_decay, self.seed = lr, weight_decay, seed

    @abstractmethod
    def loss(self, step: int) -> Tensor:
        """The loss of one step; draws its own batch with torch's global generator."""

    @abstractmethod
    def validate(self, net: EinNet) -> dict[str, float]:
        """Metrics on the validation set by name, `self.metric` among them."""

    @property
    def averaged(self) -> EinNet:
        """The network to use: the running average of the weights."""
        return self.average.module  # type: ignore[return-value]

    def training_step(self, batch: Any, _index: int) -> Tensor:
        torch.manual_seed(hash((self.seed, self.global_step, self.global_rank)) % 2**63)
        return self.loss(self.global_step)

    def on_train_batch_end(self, *_: Any) -> None:
        self.average.update_parameters(self.net)

    def validation_step(self, batch: Any, _index: int) -> None:
        found = self.validate(self.averaged)
        self.log_dict({f"valid/{name}": value for name, value in found.items()}, sync_dist=True)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return adamw(self.net.parameters(), self.lr, self.weight_decay)


@torch.no_grad()
def _average(decay: float, averages: Sequence[Tensor], weights: Sequence[Tensor], updates: Tensor | int) -> None:
    """An exponential average whose memory grows with the run: the first weights are soon forgotten."""
    known = float(updates)
    for average, weight in zip(averages, weights, strict=True):
        average.lerp_(weight, 1 - min(decay, (1 + known) / (10 + known)))
