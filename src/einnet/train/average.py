"""A running average of a network's weights: the network that is validated and saved."""

from collections.abc import Mapping
from copy import deepcopy

import torch
from torch import Tensor

from einnet.nn import Network

__all__ = ["AveragedNet"]


class AveragedNet:
    """An exponential average whose memory grows with the run: the first weights are soon forgotten."""

    def __init__(self, net: Network, decay: float):
        self.net = deepcopy(net).eval().requires_grad_(False)
        self.decay, self.updates = decay, 0

    @torch.no_grad()
    def update(self, net: Network) -> None:
        """Moves the average towards the weights of `net`."""
        weight = 1 - min(self.decay, (1 + self.updates) / (10 + self.updates)) if self.updates else 1.0
        for average, parameter in zip(self.net.parameters(), net.parameters(), strict=True):
            average.lerp_(parameter, weight)
        for copy, buffer in zip(self.net.buffers(), net.buffers(), strict=True):
            copy.copy_(buffer)
        self.updates += 1

    def state_dict(self) -> dict[str, Tensor | int]:
        return {"updates": self.updates, **self.net.state_dict()}

    def load_state_dict(self, state: Mapping[str, Tensor | int]) -> None:
        self.updates = int(state["updates"])
        self.net.load_state_dict({name: value for name, value in state.items() if name != "updates"})
