"""`Affine`: features from one unit to another."""

from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["Affine"]


class Affine(nn.Module):
    """(x - shift) * scale, with buffers (features,): not trained, but saved with the network, and moved with it.

    >>> to_celsius = Affine(1)
    >>> to_celsius.set(shift=torch.tensor([32.0]), scale=torch.tensor([5 / 9]))
    >>> to_celsius(torch.tensor([[50.0], [212.0]])).round()
    tensor([[ 10.],
            [100.]])
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, features: int, device: Any = None, dtype: Any = None):
        super().__init__()
        self.register_buffer("shift", torch.zeros(features, device=device, dtype=dtype))
        self.register_buffer("scale", torch.ones(features, device=device, dtype=dtype))

    def set(self, shift: Tensor, scale: Tensor) -> None:
        """Sets both, for the first features; others keep their unit."""
        self.shift[: len(shift)] = shift
        self.scale[: len(scale)] = scale

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.shift) * self.scale

    def extra_repr(self) -> str:
        return str(len(self.shift))
