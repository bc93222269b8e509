"""AdamW, and Muon for the matrices with AdamW for the rest."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn
from torch.optim import AdamW, Muon, Optimizer

__all__ = ["MuonAdamW", "adamw"]

BETAS = (0.9, 0.98)


def adamw(parameters: Iterable[nn.Parameter], lr: float, weight_decay: float) -> AdamW:
    """AdamW; biases and gains do not decay."""
    known = list(parameters)
    matrices = [p for p in known if p.dim() > 1]
    others = [p for p in known if p.dim() <= 1]
    groups = [{"params": matrices}, {"params": others, "weight_decay": 0.0}]
    return AdamW(groups, lr=lr, betas=BETAS, weight_decay=weight_decay)


class MuonAdamW(Optimizer):
    """Muon for matrices, at four times the learning rate, AdamW for vectors and for matrices with a side of 3 or less.

    One optimiser of two, so that a schedule sees the groups of both. Source: Jordan et al., Muon, 2024.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], lr: float):
        known = list(parameters)
        matrices = [p for p in known if p.dim() == 2 and min(p.shape) > 3]
        mine = {id(p) for p in matrices}
        self.muon = Muon(matrices, lr=4 * lr, weight_decay=0.0, momentum=0.9)
        self.adam = AdamW([p for p in known if id(p) not in mine], lr=lr, betas=BETAS, weight_decay=0.0)
        super().__init__(known, {"lr": lr})
        self.param_groups = self.muon.param_groups + self.adam.param_groups

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:  # type: ignore[override]
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        self.muon.step()
        self.adam.step()
        return loss

    def state_dict(self) -> dict[str, Any]:
        return {"muon": self.muon.state_dict(), "adam": self.adam.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.muon.load_state_dict(state_dict["muon"])
        self.adam.load_state_dict(state_dict["adam"])
        self.param_groups = self.muon.param_groups + self.adam.param_groups
