"""EinNet with its defaults: a signature, `einnet.fit`, nothing else."""

import time
from collections import defaultdict
from typing import Any

import torch
from graphs import mark_pairs
from samples import Pairs, Predict, Problem, Samples
from torch import Tensor, nn

import einnet
from einnet import EinNet
from einnet.nn import union

__all__ = ["learn"]

HIDDEN = 0.1  # the share of ratings to predict in a step; those that are asked for are not shown


def learn(problem: Problem, samples: Any, seconds: float, rate: float, seed: int) -> Predict:
    """Trains a network for so many seconds of processor time; its rate is its own."""
    if isinstance(samples, Pairs) and samples.graph is None:
        return complete(problem, samples, seconds, seed)
    samples = to_samples(samples)
    inputs = [x[0] for x in samples.inputs] if len(samples.inputs[0]) == 1 else samples.inputs
    targets = samples.targets if has_axes(problem) else [target[0] for target in samples.targets]
    net = einnet.fit(problem.signature, inputs, targets, seconds=seconds, clock=time.process_time, seed=seed)
    return lambda samples: predict(net.eval(), to_samples(samples), problem.out_features)


def to_samples(samples: Samples | Pairs) -> Samples:
    return mark_pairs(samples) if isinstance(samples, Pairs) else samples


def has_axes(problem: Problem) -> bool:
    return len(problem.signature.rpartition("->")[2].strip()) > 1


@torch.no_grad()
def predict(net: EinNet, samples: Samples, out_features: int) -> Tensor:
    """A row for each target: a quantity, the logit of yes, or a logit for each class."""
    rows: list[Tensor] = [torch.empty(0)] * len(samples)
    for numbers in group_by_size(samples):
        part = [samples.inputs[k] for k in numbers]
        if net.signature.is_sparse:
            output = net(union(part))
            parts = output.split([len(samples.targets[k]) for k in numbers])
        else:
            parts = net(*(torch.stack(tensors) for tensors in zip(*part, strict=True)))
        for k, row in zip(numbers, parts, strict=True):
            rows[k] = row.reshape(-1, row.shape[-1])
    values, classes = torch.cat(rows), net.config.classes
    if samples.targets[0].dtype == torch.bool:
        return values[:, 1:] - values[:, :1]
    if samples.targets[0].is_floating_point():
        return values
    logits = values.new_full((len(values), out_features), -torch.inf)  # a class that no example had
    logits[:, list(classes)] = values
    return logits


def group_by_size(samples: Samples, batch: int = 128) -> list[list[int]]:
    """Samples whose tensors have one shape; sparse ones in any batches."""
    groups = defaultdict(list)
    for k, inputs in enumerate(samples.inputs):
        groups[() if any(isinstance(x, tuple) for x in inputs) else tuple(x.shape for x in inputs)].append(k)
    return [group[k : k + batch] for group in groups.values() for k in range(0, len(group), batch)]


def complete(problem: Problem, pairs: Pairs, seconds: float, seed: int) -> Predict:
    """Predicts ratings from ratings: in each step some are hidden and asked for, in a plain loop."""
    start, spent = time.process_time(), 0.0
    torch.manual_seed(seed)
    mean, spread = pairs.values.mean(), pairs.values.std()
    values = ((pairs.values - mean) / spread)[:, None]
    net = EinNet(problem.signature, in_features=1, out_features=1)
    optimizer = torch.optim.AdamW(net.parameters(), 5e-3)
    while spent < seconds:
        optimizer.param_groups[0]["lr"] = 5e-3 * min(1.0, 20 * spent / seconds + 0.01, 1.25 * (1 - spent / seconds))
        asked = torch.rand(len(values)) < HIDDEN
        known = pairs.index[:, ~asked], values[~asked]
        predicted = net(known, at=pairs.index[:, asked], sizes=dict(zip("ab", pairs.sizes, strict=True)))
        optimizer.zero_grad()
        (predicted - values[asked]).square().mean().backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        spent = time.process_time() - start
    sizes = dict(zip("ab", pairs.sizes, strict=True))

    @torch.no_grad()
    def predict(some: Pairs) -> Tensor:
        return net.eval()((pairs.index, values), at=some.index, sizes=sizes) * spread + mean

    return predict
