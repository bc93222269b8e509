"""A running average of a network's weights: the network that is validated and saved."""

from collections.abc import Mapping
from copy import deepcopy

import torch
from torch import Tensor

from einnet.nn import Network
from einnet.train.sharding import shard_like, to_full

__all__ = ["AveragedNet"]


class AveragedNet:
    """An exponential average whose memory grows with the run: the first weights are soon forgotten.

    `net` has the full weights; while the trained network is sharded they are those of the last `gather`.
    """

    def __init__(self, net: Network, decay: float):
        self.net = deepcopy(net).eval().requires_grad_(False)
        self.decay, self.updates = decay, 0
        self.weights: list[Tensor] = []  # sharded as those of the trained network are

    @torch.no_grad()
    def update(self, net: Network) -> None:
        """Moves the average towards the weights of `net`."""
        if not self.weights:
            pairs = zip(self.net.parameters(), net.parameters(), strict=True)
            self.weights = [shard_like(average, parameter) for average, parameter in pairs]
        weight = 1 - min(self.decay, (1 + self.updates) / (10 + self.updates)) if self.updates else 1.0
        for average, parameter in zip(self.weights, net.parameters(), strict=True):
            average.lerp_(parameter, weight)
        for average, buffer in zip(self.net.buffers(), net.buffers(), strict=True):
            average.copy_(buffer)
        self.updates += 1

    @torch.no_grad()
    def gather(self) -> Network:
        """The network with its full weights; all processes call it together."""
        for full, average in zip(self.net.parameters(), self.weights, strict=False):
            if average is not full:
                full.copy_(to_full(average))
        return self.net

    def state_dict(self) -> dict[str, Tensor | int]:
        return {"updates": self.updates, **self.gather().state_dict()}

    def load_state_dict(self, state: Mapping[str, Tensor | int]) -> None:
        self.updates = int(state["updates"])
        self.net.load_state_dict({name: value for name, value in state.items() if name != "updates"})
