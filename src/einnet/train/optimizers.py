"""AdamW, and Muon for the matrices with AdamW for the rest."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn
from torch.optim import AdamW, Muon, Optimizer

__all__ = ["MuonAdamW", "adamw"]

BETAS = (0.9, 0.98)
FASTER = 4  # Muon's learning rate as a multiple of AdamW's: its updates are smaller, measured in each weight
SMALLEST = 4  # a matrix with a shorter side has too few directions for Muon to make equally long


def adamw(parameters: Iterable[nn.Parameter], lr: float, weight_decay: float, fused: bool | None = None) -> AdamW:
    """AdamW; biases and gains do not decay."""
    weights = list(parameters)
    vectors = {"params": [p for p in weights if p.dim() <= 1], "weight_decay": 0.0}
    groups = [{"params": [p for p in weights if p.dim() > 1]}, vectors]
    return AdamW(groups, lr=lr, betas=BETAS, weight_decay=weight_decay, fused=fused)


class MuonAdamW(Optimizer):
    """Muon for matrices, AdamW for the rest: one optimiser of two, so that a schedule sees the groups of both.

    Source: Jordan et al., Muon, 2024.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], lr: float, weight_decay: float = 0.0):
        weights = list(parameters)
        matrices = [p for p in weights if p.dim() == 2 and min(p.shape) >= SMALLEST]
        rest = [p for p in weights if p.dim() != 2 or min(p.shape) < SMALLEST]
        self.parts: list[Optimizer] = []
        if matrices:
            self.parts.append(Muon(matrices, lr=FASTER * lr, weight_decay=weight_decay, momentum=0.9))
        if rest:
            self.parts.append(adamw(rest, lr, weight_decay))
        super().__init__(weights, {"lr": lr})
        self._share_groups()

    def _share_groups(self) -> None:
        self.param_groups = [group for part in self.parts for group in part.param_groups]

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:  # type: ignore[override]
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for part in self.parts:
            part.step()
        return loss

    def state_dict(self) -> dict[str, Any]:
        return {"parts": [part.state_dict() for part in self.parts]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        for part, saved in zip(self.parts, state_dict["parts"], strict=True):
            part.load_state_dict(saved)
        self._share_groups()

    def __getstate__(self) -> dict[str, Any]:
        return super().__getstate__() | {"parts": self.parts}
