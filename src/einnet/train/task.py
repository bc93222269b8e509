"""`Task`: what is trained: a network with a loss, an evaluation, and the metric to select on."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from einnet.errors import EinNetError
from einnet.nn import Network
from einnet.train.optimizers import adamw

__all__ = ["Task"]


class Task(nn.Module, ABC):
    """A network with its loss and its evaluation; data in buffers moves to the device with it.

    All randomness of step k is drawn from (seed, k, rank), so that a resumed run continues exactly.
    `fit` sets `rank` and `world_size`, the number of this process and how many there are. Processes that share each
    sample draw alike: of them `rank` is 0 and `world_size` 1.
    """

    metric: str = "metric"  # the name in validate()'s result that selects the best network
    higher_is_better: bool = True
    rank: int = 0
    world_size: int = 1

    def __init__(self, net: Network, *, lr: float, weight_decay: float = 0.0, average: float = 0.99, seed: int = 0):
        super().__init__()
        self.net: Any = net
        self.lr, self.weight_decay, self.average, self.seed = lr, weight_decay, average, seed

    @abstractmethod
    def loss(self, step: int) -> Tensor:
        """The loss of one step; draws its own batch with torch's global generator."""

    @abstractmethod
    def validate(self, net: Any) -> dict[str, float]:
        """Metrics on the validation set by name, `self.metric` among them; `net` has the averaged weights."""

    def shard(self, mesh: Any) -> None:
        """Cuts the state of each sample over the processes of a mesh; then `loss` gives this process's part.

        The parts add up to the loss. Raises `EinNetError` for a task that does not know how.
        """
        name = type(self).__name__
        raise EinNetError(f"sharded samples of {name} are not supported yet, only those of kg with a dense state")

    def make_optimizer(self) -> torch.optim.Optimizer:
        """AdamW; the loop sets the learning rate as a share of `lr`, its peak."""
        return adamw(self.net.parameters(), self.lr, self.weight_decay)

    def extra_state(self) -> dict[str, Tensor]:
        """Tensors of this process, besides the weights, from which the next step starts."""
        return {}

    def load_extra_state(self, state: Mapping[str, Tensor]) -> None:
        """Takes what `extra_state` returned in the process of the same rank."""

    def forward(self, step: int) -> Tensor:
        torch.manual_seed(hash((self.seed, step, self.rank)) % 2**63)
        return self.loss(step)
