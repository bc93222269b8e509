"""`fit`: a network from inputs and targets, without a training loop."""

import math
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from einnet.checks import check_count, check_real
from einnet.errors import EinNetError
from einnet.fitting.goals import Loss
from einnet.fitting.parts import Part, split
from einnet.fitting.samples import SIZES_HINT, read_index, read_samples, split_pairs, values_of
from einnet.fitting.targets import read_targets
from einnet.fitting.training import Training
from einnet.nn import EinNet
from einnet.nn.sparse.graphs import has_reverse
from einnet.signature import Signature, with_features
from einnet.train.steps import Schedule

__all__ = ["fit"]

LEARNING_RATE = 5e-3
WARMUP = 30  # steps
ALIASES = {"lr": "learning_rate", "epochs": "seconds or steps", "max_epochs": "seconds or steps", "sizes": SIZES_HINT}


def fit(
    signature: Signature | str,
    inputs: Any,
    targets: Any = None,
    seconds: float = 60,
    *,
    steps: int | None = None,
    valid: tuple[Any, Any] | None = None,
    at: Any = None,
    loss: Loss | None = None,
    batch_size: int | None = None,
    learning_rate: float = LEARNING_RATE,
    seed: int = 0,
    device: Any = None,
    clock: Callable[[], float] = time.monotonic,
    **options: Any,
) -> EinNet:
    """Trains an `EinNet` on inputs and targets for some time, and returns it, ready for new inputs.

    >>> import numpy as np
    >>> import einnet
    >>> sets = np.random.default_rng(0).normal(size=(500, 7, 1))  # 500 sets of 7 numbers
    >>> net = einnet.fit("aH -> H", sets, sets.max(axis=(1, 2)), steps=20, hidden=8, depth=1)
    >>> net(torch.tensor([[0.3], [0.5]])).shape                   # a set of any size
    torch.Size([1])
    >>> print(net.history)                                        # doctest: +ELLIPSIS
    'aH -> H' trained on 450 samples: 20 steps in ...
    mean absolute error on 50 other samples: ...

    Args:
        signature: of the network, see `EinNet`. Brackets say that a type is sparse.
        inputs: - an array (samples, axes..., features), of numpy or torch; for several inputs a tuple of arrays;
            - a list of samples, which may have different sizes: each an array (axes..., features), for several inputs a
              tuple of arrays, for types in brackets any form that `einnet.nn.sparse.as_sparse` reads;
            - a dataset of torch with items (inputs, target), or graphs of PyTorch Geometric, without `targets` if they
              have their own, `y`;
            - for a signature with brackets one structure alone, such as a graph with a target for each node.
        targets: one for each sample, floats (samples, features) or (samples,) for regression; whole numbers, flags or
            strings (samples,) for classification. An output with axes has a target for each element: (samples, axes...)
            or a list. NaN, or the class -1 of an output with axes, says that a target is not known.
        seconds: how long to train. Reading the data counts too.
        steps: number of optimiser steps instead of a time; with it, and a seed, a training can be repeated.
        valid: inputs and targets to select the best network by, instead of a tenth of the data.
        at: index tuples (axes, M) of an output in brackets whose M values are the targets, of one structure: ratings to
            predict. What a step asks for is hidden from the input in this step; in a relation without direction, which
            has with nearly all entries (i, j) an entry (j, i), both are hidden.
        loss: called with outputs and known targets, (number, features) each, instead of the mean squared error; for
            classes with outputs and numbers of classes, instead of the cross entropy.
        batch_size: samples, or index tuples of `at`, in a step.
        learning_rate: its peak, after a warm-up; then it falls to zero with the time.
        seed: of the weights, of the split, and of the order of the samples.
        device: to train on; a GPU if there is one. The network comes back to the CPU.
        clock: the seconds that count, such as `time.process_time`.
        options: of `EinNet`, such as `hidden`, `depth` and `order`. Of an output such as `[aa]H` the order is 2 here: a
            pair sees the paths of two steps that lead from one to the other, common neighbours; `order=None` leaves
            them out, which is faster where elements have very many neighbours.

    `einnet.predict` says what the network thinks of new data, in all these forms. The network itself takes tensors, in
    their own units, and returns predictions in the units of the targets: a number for each feature, or for each class a
    logit; `net.config.classes` names the classes. It is the best one on the held-out part, an
    average over the last steps. `net.history` has the report. Ctrl-C, after the first step, ends the training
    and not the program: the best network so far is returned.
    """
    for name, right in ALIASES.items():
        if name in options:
            raise TypeError(f"fit has no argument {name!r}: pass {right}")
    if loss is not None and not callable(loss):
        raise TypeError(f"loss must be a function of outputs and targets, got {loss!r}")
    seconds = check_real(seconds, "seconds", above=0)
    if steps is None:
        schedule = Schedule(math.inf, seconds, WARMUP, clock)
    else:
        schedule = Schedule(check_count(steps, "steps"), math.inf, min(WARMUP, steps // 10 + 1), clock)
    batch_size = None if batch_size is None else check_count(batch_size, "batch_size")
    learning_rate = check_real(learning_rate, "learning_rate", above=0)
    seed = check_count(seed, "seed", minimum=0, maximum=2**31 - 1)
    device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    signature = with_features(signature)
    train, held_out, notes = _read_data(signature, inputs, targets, at, valid, seed, options.get("dtype"), device)
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        arguments = {"standardized": True, "classes": train.goal.classes, "device": device}
        if train.samples.has_sizes:
            arguments["counts"] = True
        if has_reverse(signature.output):
            arguments["order"] = 2
        arguments |= options
        net = EinNet(signature, train.samples.widths, train.goal.features, **arguments)
        if net.config.standardized:
            notes += _set_units(net, train)
        for note in notes:
            print(note, file=sys.stderr)
        training = Training(net, train, held_out, schedule, loss, batch_size, learning_rate, seed)
        training.run()
    net.load_state_dict(training.best)
    net.history = training.conclude(notes)
    print(replace(net.history, notes=net.history.notes[len(notes) :]), file=sys.stderr)
    return net.cpu().eval()


def _read_data(
    signature: Signature,
    inputs: Any,
    targets: Any,
    at: Any,
    valid: Any,
    seed: int,
    dtype: torch.dtype | None,
    device: torch.device,
) -> tuple[Part, Part | None, list[str]]:
    """The parts for training and validation, and what is to be said about the data."""
    output, options = signature.output, {"dtype": dtype or torch.get_default_dtype(), "device": device}
    if at is None and output.is_sparse and output not in signature.inputs:
        raise EinNetError(f"no input of '{signature}' is of the type of the output: pass at=, the index of the targets")
    inputs, targets = split_pairs(inputs, targets)
    samples, is_single = read_samples(signature, inputs, **options)
    if at is not None:
        at = read_index(at, signature, samples.number, device)
    queries = None if at is None else at.shape[1]
    train_targets = read_targets(targets, samples, output, is_single=is_single, queries=queries, **options)
    if at is None and train_targets.classes is None and output.is_sparse and is_single:
        values = samples.values(signature.inputs.index(output), torch.zeros(1, dtype=torch.long))
        if torch.equal(values, train_targets.values[0]):
            raise EinNetError(f"the targets are the values of the input '{output}': pass at=, so that they are hidden")
    train, held_out = split(samples, train_targets, at, seed, valid is not None)
    if valid is None:
        return train, held_out, train_targets.notes
    if at is not None:
        raise TypeError("valid is not for at=: a tenth of the targets is held out")
    if not isinstance(valid, tuple | list) or len(valid) != 2:
        raise TypeError(f"valid must be a pair (inputs, targets), got {type(valid).__name__}")
    inputs, targets = split_pairs(*valid)
    samples, is_single = read_samples(signature, inputs, **options)
    if samples.widths != (widths := train.samples.widths):
        raise EinNetError(f"the inputs of valid have {samples.widths} features, those of training {widths}")
    classes = train_targets.classes
    valid_targets = read_targets(targets, samples, output, is_single=is_single, classes=classes, **options)
    held_out = Part(samples, valid_targets.values, torch.arange(samples.number), train.goal)
    return train, held_out, train_targets.notes + [f"valid: {note}" for note in valid_targets.notes]


def _set_units(net: EinNet, train: Part) -> list[str]:
    """The units of the inputs, from the part for training; zeros and flags keep their meaning. Returns notes."""
    notes: list[str] = []
    units = train.units[:10_000] if train.at is None else torch.zeros(1, dtype=torch.long)
    for k, to_inner_units in enumerate(net.to_inner_units):
        x = train.samples.values(k, units).cpu().double()
        if not len(x):
            continue
        is_flag = ((x == 0) | (x == 1)).all(0)
        mean = torch.where(is_flag | ((x == 0).double().mean(0) > 0.5), 0.0, x.mean(0))
        std = (x - mean).square().mean(0).sqrt()
        is_constant = std <= 1e-6 * mean.abs()
        scale = torch.where(is_flag | is_constant, 1.0, 1 / std)
        to_inner_units.set(mean, scale)  # type: ignore[operator]
        notes += _note_offsets(mean, std, f"input {k + 1}", net)
    if train.goal.classes is None:
        notes += _note_offsets(train.goal.mean, train.goal.std, "the targets", net)
    _set_output_units(net, train)
    return notes


def _note_offsets(mean: Tensor, std: Tensor, name: str, net: EinNet) -> list[str]:
    """A note for features that differ so little from their mean that few digits are left."""
    is_far = ((std > 0) & (std < 1e-4 * mean.abs())).nonzero()[:, 0].tolist()
    return [
        f"{name}: feature {k} is {float(mean[k]):.4g} on average, with differences of {float(std[k]):.2g}, of which "
        f"{next(net.parameters()).dtype} keeps few digits: subtract a constant from the data"
        for k in is_far[:3]
    ]


@torch.no_grad()
def _set_output_units(net: EinNet, train: Part) -> None:
    """The units of the targets, so that an untrained network is not far from their mean, whatever it computes first."""
    (inputs, options), target = train.take(train.units[:16])
    output = values_of(net(*inputs, **options))[train.goal.find_known(target)]
    center, spread = output.mean(0), (output - output.mean(0)).square().mean(0).sqrt()
    center = torch.where(center.abs() > 1, center, 0.0)
    mean, std = (0.0, 1.0) if train.goal.classes is not None else (train.goal.mean, train.goal.std)
    scale = std / spread.clamp(min=1)
    net.to_output_units.set(center - mean / scale, scale)
