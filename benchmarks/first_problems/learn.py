"""The loop that trains each peer network: the same optimizer, schedule and way to stop for all."""

import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from samples import Predict, Problem
from torch import Tensor, nn

__all__ = ["Network", "Peer", "hold_out", "make_mlp"]

RATES = (1e-3, 3e-3, 1e-2, 3e-2)
BATCH, CHECKS = 64, 20  # the weights that are best on held-out samples, of so many, are used


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
        center, spread = measure_targets(train.targets)
        net = self.make(*inputs, problem.out_features)
        optimizer = torch.optim.Adam(net.parameters(), rate)
        best, weights, checks, spent = float("inf"), net.state_dict(), 0, 0.0

        def compute_loss(store: Any, numbers: Tensor) -> Tensor:
            inputs, targets = store.batch(numbers)
            predicted = net(*inputs)
            if targets.dtype == torch.long:
                return problem.loss(predicted, targets)
            return problem.loss(
                predicted[:, 0], (targets - center) / spread if targets.is_floating_point() else targets
            )

        while spent < seconds:
            for numbers in torch.randperm(len(train)).split(self.batch):
                if len(numbers) < min(self.batch, len(train)):
                    continue
                share = (time.process_time() - start) / seconds
                optimizer.param_groups[0]["lr"] = rate * min(1.0, 20 * share + 0.01, max(0.0, 1.25 * (1 - share)))
                optimizer.zero_grad()
                (compute_loss(train, numbers) + getattr(net, "penalty", 0.0)).backward()
                nn.utils.clip_grad_norm_(net.parameters(), 1.0)
                optimizer.step()
                spent = time.process_time() - start
                if spent >= seconds * (checks + 1) / CHECKS:
                    checks = int(CHECKS * spent / seconds)
                    error = evaluate(net, valid, compute_loss, self.batch)
                    if error <= best:
                        best, weights = error, deepcopy(net.state_dict())
                if spent >= seconds:
                    break
        net.load_state_dict(weights)
        return lambda samples: predict(net, self.store(samples), center, spread)


def hold_out(samples: Any) -> tuple[Any, Any]:
    """A tenth of the samples, a fifth of few, to choose the weights with: (rest, held out)."""
    order, number = torch.randperm(len(samples)), len(samples)
    held_out = number // 10 if number > 200 else max(1, number // 5)
    return samples.select(order[held_out:].tolist()), samples.select(order[:held_out].tolist())


def measure_targets(targets: Tensor) -> tuple[float, float]:
    """Mean and standard deviation of numbers, 0 and 1 of classes."""
    if not targets.is_floating_point():
        return 0.0, 1.0
    return float(targets.mean()), float(targets.std()) or 1.0


@torch.no_grad()
def evaluate(net: nn.Module, store: Any, compute_loss: Callable[[Any, Tensor], Tensor], batch: int) -> float:
    net.eval()
    numbers = torch.arange(len(store)).split(4 * batch)
    loss = sum(len(k) * float(compute_loss(store, k)) for k in numbers) / len(store)
    net.train()
    return loss


@torch.no_grad()
def predict(net: nn.Module, store: Any, center: float, spread: float) -> Tensor:
    net.eval()
    numbers = torch.arange(len(store)).split(4 * BATCH)
    return torch.cat([net(*store.batch(k)[0]) for k in numbers]) * spread + center


def make_mlp(*widths: int) -> nn.Sequential:
    """Linear maps with ReLU between them."""
    layers = [layer for a, b in pairwise(widths) for layer in (nn.Linear(a, b), nn.ReLU())]
    return nn.Sequential(*layers[:-1])
