"""The loop that trains each peer network: the same optimizer, schedule and way to stop for all."""

import time
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from samples import Pairs, Predict, Problem
from torch import Tensor, nn

__all__ = ["Network", "Peer", "hold_out", "make_mlp"]

RATES = (1e-3, 3e-3, 1e-2, 3e-2)
BATCH, HELD_OUT = 64, 250
CHECK = 0.1  # of the time is for checks on held-out samples; the weights that are best there are used


@dataclass(frozen=True)
class Peer:
    """How a peer learns: (problem, samples, seconds, rate, seed) to a function that predicts; a rate of `rates`."""

    learn: Callable[[Problem, Any, float, float, int], Predict]
    rates: tuple[float, ...] = RATES


@dataclass(frozen=True)
class Network:
    """Trains the network that `make` builds for a first batch and a number of outputs; `store` makes batches."""

    make: Callable[..., nn.Module]
    store: Callable[[Any], Any]
    batch: int = BATCH

    def __call__(self, problem: Problem, samples: Any, seconds: float, rate: float, seed: int) -> Predict:
        start = time.process_time()
        torch.manual_seed(seed)
        train, valid = (self.store(part) for part in hold_out(samples))
        inputs, _ = train.batch(torch.arange(min(len(train), self.batch)))
        scaled = Scaled(self.make(*inputs, problem.out_features), problem.loss, train.targets)
        optimizer = torch.optim.Adam(scaled.net.parameters(), rate)
        best, weights, spent, check = float("inf"), scaled.net.state_dict(), 0.0, 0.0
        while spent < seconds:
            for numbers in torch.randperm(len(train)).split(self.batch):
                spent = time.process_time() - start
                if spent >= min(check, seconds):
                    if (error := scaled.evaluate(valid, self.batch)) <= best:
                        best, weights = error, deepcopy(scaled.net.state_dict())
                    after = time.process_time() - start
                    check = after + (after - spent) / CHECK
                if spent >= seconds:
                    break
                if len(numbers) == min(self.batch, len(train)):
                    factor = min(1.0, 20 * spent / seconds + 0.01, 1.25 * (1 - spent / seconds))
                    optimizer.param_groups[0]["lr"] = rate * factor
                    scaled.step(optimizer, *train.batch(numbers))
        scaled.net.load_state_dict(weights)
        return lambda samples: scaled.predict(self.store(samples), 4 * self.batch)


class Scaled:
    """A network whose outputs are in standard deviations of the targets, if these are quantities."""

    def __init__(self, net: nn.Module, loss: Callable[[Tensor, Tensor], Tensor], targets: Tensor):
        self.net, self.loss, self.center, self.spread = net, loss, 0.0, 1.0
        if targets.is_floating_point():
            self.center, self.spread = float(targets.mean()), float(targets.std()) or 1.0

    def compute_loss(self, inputs: Sequence[Any], targets: Tensor) -> Tensor:
        predicted = self.net(*inputs)
        if targets.is_floating_point():
            targets = (targets - self.center) / self.spread
        return self.loss(predicted if targets.dtype == torch.long else predicted[:, 0], targets)

    def step(self, optimizer: torch.optim.Optimizer, inputs: Sequence[Any], targets: Tensor) -> None:
        optimizer.zero_grad()
        (self.compute_loss(inputs, targets) + getattr(self.net, "penalty", 0.0)).backward()
        nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        optimizer.step()

    @torch.no_grad()
    def evaluate(self, store: Any, batch: int) -> float:
        self.net.eval()
        batches = [store.batch(numbers) for numbers in torch.arange(len(store)).split(batch)]
        loss = sum(len(targets) * float(self.compute_loss(inputs, targets)) for inputs, targets in batches)
        self.net.train()
        return loss / sum(len(targets) for _, targets in batches)

    @torch.no_grad()
    def predict(self, store: Any, batch: int) -> Tensor:
        self.net.eval()
        outputs = [self.net(*store.batch(numbers)[0]) for numbers in torch.arange(len(store)).split(batch)]
        return torch.cat(outputs) * self.spread + self.center


def hold_out(samples: Any) -> tuple[Any, Any]:
    """A fifth of few samples, a tenth of more, to choose the weights with: (rest, held out)."""
    order, number = torch.randperm(len(samples)), len(samples)
    held_out = min(number // 10, max(HELD_OUT, number // 20)) if number > 200 else max(1, number // 5)
    if isinstance(samples, Pairs):
        samples = samples.hide(order[:held_out])
    return samples.select(order[held_out:].tolist()), samples.select(order[:held_out].tolist())


def make_mlp(*widths: int) -> nn.Sequential:
    """Linear maps with ReLU between them."""
    layers = [layer for a, b in pairwise(widths) for layer in (nn.Linear(a, b), nn.ReLU())]
    return nn.Sequential(*layers[:-1])
