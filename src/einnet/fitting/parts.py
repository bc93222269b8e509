"""The parts of the data for training and for validation, and what a batch of each is."""

from dataclasses import dataclass
from math import nan
from typing import Any

import torch
from torch import Tensor

from einnet.errors import EinNetError
from einnet.fitting.goals import Goal
from einnet.fitting.samples import Call, Samples
from einnet.fitting.targets import Targets
from einnet.nn.sparse.graphs import has_reverse

__all__ = ["Part", "split"]

SHARE, FEWEST, LARGEST = 0.1, 20, 1_000  # hold-out: its share, the smallest number that is split, its largest size
MIRRORED = 0.9  # the share of entries with a reverse from which on a relation has no direction


@dataclass
class Part:
    """Samples with targets; with `at`, of index tuples of one sample. `units` are those of this part.

    `hidden` are tuples that are asked for as well, so that they are no input, without a target. `is_mirrored` says that
    the input has with nearly each tuple its reverse, which is hidden together with it.
    """

    samples: Samples
    targets: Tensor | list[Tensor]
    units: Tensor
    goal: Goal
    at: Tensor | None = None
    hidden: Tensor | None = None
    is_mirrored: bool = False

    @property
    def unit(self) -> str:
        """What is counted."""
        return "samples" if self.samples.number > 1 else "targets"

    @property
    def number(self) -> int:
        """The number of units, or of the known targets of a single sample."""
        is_counted = self.at is not None or self.samples.number > 1
        return len(self.units) if is_counted else int(self.goal.find_known(self.targets[0]).sum())

    def take(self, units: Tensor) -> tuple[Call, Tensor]:
        """The call of a network for some units, and its targets."""
        if self.at is not None:
            index = units if self.hidden is None else torch.cat([units, self.hidden])
            inputs, options = self.samples.take(torch.zeros(1, dtype=torch.long))
            at, target = self.at[:, index], self.targets[0][index]
            if self.is_mirrored:
                at, target = torch.cat([at, at.flip(0)], 1), torch.cat([target, target])
            target[len(units) :] = self.goal.unknown
            return (inputs, {**options, "at": at}), target
        inputs, options = self.samples.take(units)
        if isinstance(self.targets, Tensor):
            target = self.targets[units]
        else:
            target = self.samples.join([self.targets[k] for k in units.tolist()], self.goal.unknown)
        output = self.samples.signature.output
        letters = {c for t in self.samples.signature.inputs for c in t.axes}
        rank = len(output.axes) + (self.goal.classes is None)
        sizes = {
            c: n for c, n in zip(output.axes, target.shape[target.dim() - rank :], strict=False) if c not in letters
        }
        return (inputs, {**options, "sizes": sizes} if sizes else options), target


def split(
    samples: Samples, targets: Targets, at: Tensor | None, seed: int, has_valid: bool
) -> tuple[Part, Part | None]:
    """The part for training, and a tenth to select the best network by: of the samples, or of a single one's targets.

    What has no known target is in none. There is no second part of fewer than 20, and none if the user has one.
    """
    generator = torch.Generator().manual_seed(seed)
    if at is None and samples.number > 1:
        values: Any = targets.values
        has_axes = bool(samples.signature.output.axes)
        known = torch.stack([targets.find_known(y).any() for y in values]) if has_axes else targets.find_known(values)
        codes = None if has_axes or targets.classes is None else values
        train, rest = _draw(known.nonzero()[:, 0], codes, generator, has_valid)
        goal = targets.make_goal([values[k] for k in train.tolist()] if has_axes else [values[train]])
        parts = [Part(samples, values, units, goal) for units in (train, rest)]
        return parts[0], parts[1] if len(rest) else None
    if not samples.signature.output.axes:
        raise EinNetError("there is one sample with one target, a network learns from many: pass a list")
    values = targets.values[0]
    known = targets.find_known(values)
    codes = None if targets.classes is None else values.flatten()
    train, rest = _draw(known.flatten().nonzero()[:, 0], codes, generator, has_valid)
    is_mirrored = at is not None and _is_mirrored(samples)
    if at is not None and is_mirrored:
        train, rest = _move_reverse(train, rest, at.cpu())
    subsets = [_select(values, known, units, targets) for units in (train, rest)]
    goal = targets.make_goal(subsets[:1])
    if at is not None:
        parts = [Part(samples, [values], units, goal, at, is_mirrored=is_mirrored) for units in (train, rest)]
        parts[0].hidden = rest
    else:
        parts = [Part(samples, [subset], torch.zeros(1, dtype=torch.long), goal) for subset in subsets]
    return parts[0], parts[1] if len(rest) else None


def _draw(known: Tensor, codes: Tensor | None, generator: torch.Generator, has_valid: bool) -> tuple[Tensor, Tensor]:
    """The units for training and those held out; a class that would be held out only is for training."""
    number = 0 if has_valid or len(known) < FEWEST else min(max(round(SHARE * len(known)), FEWEST // 4), LARGEST)
    known = known[torch.randperm(len(known), generator=generator).to(known.device)].cpu()
    rest, train = known[:number], known[number:]
    if codes is not None:
        is_new = ~torch.isin(codes.cpu()[rest], codes.cpu()[train])
        rest, train = rest[~is_new], torch.cat([train, rest[is_new]])
    return train, rest


def _is_mirrored(samples: Samples) -> bool:
    """Whether the input that `at` asks for is a relation without direction: nearly all (i, j) have an entry (j, i)."""
    output = samples.signature.output
    if not has_reverse(output):
        return False
    (inputs, _), k = samples.take(torch.zeros(1, dtype=torch.long)), samples.signature.inputs.index(output)
    support = inputs[k][0]
    rows, columns = support.index[:, support.index[0] != support.index[1]]
    if support.sizes[0] != support.sizes[1] or not len(rows):
        return False
    size = support.sizes[1]
    return float(torch.isin(columns * size + rows, rows * size + columns).float().mean()) >= MIRRORED


def _move_reverse(train: Tensor, rest: Tensor, at: Tensor) -> tuple[Tensor, Tensor]:
    """The units with those from training held out whose reverse is: both have one target."""
    key, key_of_reverse = (a * (1 + int(at.max())) + b for a, b in (at, at.flip(0)))
    is_held_out = torch.isin(key_of_reverse[train], key[rest])
    return train[~is_held_out], torch.cat([rest, train[is_held_out]])


def _select(values: Tensor, known: Tensor, units: Tensor, targets: Targets) -> Tensor:
    """The targets of some elements of a sample, the others not known."""
    rows = torch.zeros_like(known).flatten().index_fill(0, units.to(known.device), True).reshape(known.shape)
    return torch.where(rows[..., None], values, nan) if targets.classes is None else torch.where(rows, values, -1)
