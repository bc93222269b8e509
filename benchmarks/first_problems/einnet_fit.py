"""EinNet with its defaults: a signature, `einnet.fit`, nothing else."""

import time
from collections import defaultdict
from contextlib import redirect_stderr
from io import StringIO
from typing import Any

import torch
from samples import Pairs, Predict, Problem, Samples
from torch import Tensor

import einnet
from einnet import EinNet
from einnet.nn import Support, union

__all__ = ["learn"]


def learn(problem: Problem, samples: Any, seconds: float, rate: float, seed: int) -> Predict:
    """Trains a network for so many seconds of processor time; its rate is its own."""
    if isinstance(samples, Pairs):
        return (complete if samples.graph is None else link)(problem, samples, seconds, seed)
    inputs = [x[0] for x in samples.inputs] if len(samples.inputs[0]) == 1 else samples.inputs
    targets = samples.targets if has_axes(problem) else [target[0] for target in samples.targets]
    net = train(problem, inputs, targets, seconds, seed)
    return lambda samples: predict(net, problem, samples)


def train(problem: Problem, inputs: Any, targets: Any, seconds: float, seed: int, **options: Any) -> EinNet:
    options |= {"seconds": seconds, "clock": time.process_time, "seed": seed}
    with redirect_stderr(StringIO()):  # the report would break the progress bar
        return einnet.fit(problem.signature, inputs, targets, **options)


def has_axes(problem: Problem) -> bool:
    return len(problem.signature.rpartition("->")[2].strip()) > 1


@torch.no_grad()
def predict(net: EinNet, problem: Problem, samples: Samples) -> Tensor:
    """A row for each target: a quantity, the logit of yes, or a logit for each class."""
    rows: list[Tensor] = [torch.empty(0)] * len(samples)
    for numbers in group_by_size(samples):
        part = [samples.inputs[k] for k in numbers]
        if net.signature.is_sparse:
            output = net(union(part, problem.signature.partition("->")[0]))
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
    logits = values.new_full((len(values), problem.out_features), -torch.inf)  # a class that no example had
    logits[:, list(classes)] = values
    return logits


def group_by_size(samples: Samples, batch: int = 128) -> list[list[int]]:
    """Samples whose tensors have one shape; sparse ones in any batches."""
    groups = defaultdict(list)
    for k, inputs in enumerate(samples.inputs):
        groups[() if any(isinstance(x, tuple) for x in inputs) else tuple(x.shape for x in inputs)].append(k)
    return [group[k : k + batch] for group in groups.values() for k in range(0, len(group), batch)]


def complete(problem: Problem, pairs: Pairs, seconds: float, seed: int) -> Predict:
    """Predicts ratings from the other ratings."""
    ratings = Support(pairs.index, pairs.sizes), pairs.values[:, None]
    net = train(problem, ratings, pairs.values, seconds, seed, at=pairs.index)

    @torch.no_grad()
    def predict(some: Pairs) -> Tensor:
        return net(ratings, at=some.index)

    return predict


def link(problem: Problem, pairs: Pairs, seconds: float, seed: int) -> Predict:
    """Predicts links from the other links; they have no direction, so each pair is asked in both."""
    assert pairs.graph is not None
    graph = Support(pairs.graph, pairs.sizes), torch.ones(pairs.graph.shape[1], 1)
    net = train(problem, graph, pairs.values.repeat(2), seconds, seed, at=in_both_directions(pairs.index))

    @torch.no_grad()
    def predict(some: Pairs) -> Tensor:
        logits = net(graph, at=in_both_directions(some.index))
        return (logits[:, 1:] - logits[:, :1]).reshape(2, -1, 1).mean(0)

    return predict


def in_both_directions(index: Tensor) -> Tensor:
    return torch.cat([index, index.flip(0)], 1)
