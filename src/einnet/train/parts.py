"""The parts of the data for training and for validation, and what a batch of each is."""

from dataclasses import dataclass

import torch
from torch import Tensor

from einnet.errors import EinNetError
from einnet.train.goals import Goal, make_goal
from einnet.train.samples import Call, Samples
from einnet.train.targets import Targets

__all__ = ["Part", "split"]

SHARE, FEWEST, LARGEST = 0.1, 20, 2_000  # hold-out: its share, the smallest number that is split, its largest size


@dataclass
class Part:
    """Samples with targets; with `at`, of index tuples of one sample. `units` are those of this part.

    `hidden` are tuples that are asked for as well, so that they are no input, without a target.
    """

    samples: Samples
    targets: Tensor | list[Tensor]
    units: Tensor
    goal: Goal
    at: Tensor | None = None
    hidden: Tensor | None = None

    @property
    def unit(self) -> str:
        """What is counted."""
        return "samples" if self.samples.number > 1 else "targets"

    @property
    def number(self) -> int:
        """The number of units, or of the known targets of a single sample."""
        if self.at is not None or self.samples.number > 1:
            return len(self.units)
        is_known = self.goal.is_known(self.targets[0])
        return int((is_known if self.goal.classes is not None else is_known.any(-1)).sum())

    def take(self, units: Tensor) -> tuple[Call, Tensor]:
        """The call of a network for some units, and its targets."""
        if self.at is not None:
            index = units if self.hidden is None else torch.cat([units, self.hidden])
            inputs, options = self.samples.take(torch.zeros(1, dtype=torch.long))
            target = self.targets[0][index]
            target[len(units) :] = self.goal.unknown
            return (inputs, {**options, "at": self.at[:, index]}), target
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
    """The part for training, and a tenth to stop at the best network; by samples, or by the elements of a single one.

    Samples without a known target are in none. There is no second part for fewer than 20, and where the user has one.
    """
    goal = make_goal(_concat(targets), targets.classes)
    generator = torch.Generator().manual_seed(seed)
    if at is None and samples.number > 1:
        values = targets.values
        is_known = [goal.is_known(y).any() for y in values] if isinstance(values, list) else goal.is_known(values)
        is_known = torch.stack(is_known) if isinstance(is_known, list) else is_known.reshape(len(is_known), -1).any(1)
        codes = values if isinstance(values, Tensor) and values.dim() == 1 and goal.classes is not None else None
        known = is_known.nonzero()[:, 0]
        train, rest = _draw(known, codes, generator, has_valid)
        goal = make_goal(_concat(targets, train), targets.classes)
        parts = [Part(samples, targets.values, units, goal) for units in (train, rest)]
    else:
        if not samples.signature.output.axes:
            raise EinNetError("there is one sample with one target, a network learns from many: pass a list")
        values = targets.values[0]
        is_known = goal.is_known(values)
        rows = is_known if goal.classes is not None else is_known.any(-1)
        flat = rows.flatten()
        codes = values.flatten() if goal.classes is not None else None
        train, rest = _draw(flat.nonzero()[:, 0], codes, generator, has_valid)
        goal = make_goal(values.flatten(0, rows.dim() - 1)[train], targets.classes)
        if at is not None:
            hidden = rest if len(rest) else None
            parts = [
                Part(samples, targets.values, train, goal, at, hidden),
                Part(samples, targets.values, rest, goal, at),
            ]
        else:
            parts = [
                Part(
                    samples, [_keep(values, rows, units, goal)], torch.zeros(min(len(units), 1), dtype=torch.long), goal
                )
                for units in (train, rest)
            ]
    return parts[0], parts[1] if len(parts[1].units) else None


def _draw(known: Tensor, codes: Tensor | None, generator: torch.Generator, has_valid: bool) -> tuple[Tensor, Tensor]:
    """The units for training and those held out; a class that would be held out only is for training."""
    number = 0 if has_valid or len(known) < FEWEST else min(max(round(SHARE * len(known)), FEWEST // 4), LARGEST)
    known = known[torch.randperm(len(known), generator=generator)]
    rest, train = known[:number], known[number:]
    if codes is not None:
        is_new = ~torch.isin(codes[rest], codes[train])
        rest, train = rest[~is_new], torch.cat([train, rest[is_new]])
    return train, rest


def _keep(values: Tensor, rows: Tensor, units: Tensor, goal: Goal) -> Tensor:
    """The targets of some elements of a sample, the others not known."""
    is_kept = torch.zeros_like(rows).flatten().index_fill(0, units, True).reshape(rows.shape)
    return torch.where(is_kept if goal.classes is not None else is_kept[..., None], values, goal.unknown)


def _concat(targets: Targets, units: Tensor | None = None) -> Tensor:
    """The targets of some samples in one list: (number, features), or (number,) for classes."""
    values = (
        targets.values
        if units is None
        else (
            targets.values[units] if isinstance(targets.values, Tensor) else [targets.values[k] for k in units.tolist()]
        )
    )
    parts = [values] if isinstance(values, Tensor) else values
    return torch.cat([y.flatten() if targets.classes is not None else y.flatten(0, -2) for y in parts])
