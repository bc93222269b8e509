"""The training of a network on samples: steps, validations, and the best network so far."""

import math
import signal
from collections.abc import Callable
from copy import deepcopy
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from einnet.errors import EinNetError
from einnet.fitting.goals import Loss
from einnet.fitting.history import History
from einnet.fitting.parts import Part
from einnet.fitting.samples import values_of
from einnet.nn import EinNet
from einnet.signals import handle_signals
from einnet.train.optimizers import adamw
from einnet.train.steps import Guard, Schedule, make_bar
from einnet.train.weights import AveragedNet

__all__ = ["Training"]

WEIGHT_DECAY, AVERAGE, CLIP = 1e-4, 0.99, 1.0
BATCH, SMALLEST_BATCH = 64, 8
STEPS = 1_000  # that have to fit into the time, or the batches become smaller
VALIDATIONS = 40
CELLS = 2**21  # of the states of a batch, times features: about 1 GiB with a default network


class Training:
    """A network with the data, and all that changes while it learns; `loss` is the user's, if there is one."""

    def __init__(
        self,
        net: EinNet,
        train: Part,
        held_out: Part | None,
        schedule: Schedule,
        loss: Loss | None,
        batch_size: int | None,
        learning_rate: float,
        seed: int,
    ):
        self.net, self.train, self.held_out, self.schedule, self.loss = net.train(), train, held_out, schedule, loss
        self.goal, self.is_timed = train.goal, math.isfinite(schedule.seconds)
        self.may_shrink = self.is_timed and batch_size is None and train.at is None
        self.batch_size = batch_size or self.choose_batch()
        self.optimizer = adamw(net.parameters(), learning_rate, WEIGHT_DECAY, fused=True)
        self.average = AveragedNet(net, AVERAGE)
        self.weights = list(net.parameters())
        self.guard = Guard("lower learning_rate, and look for huge values in the data")
        self.generator, self.queue = torch.Generator().manual_seed(seed), train.units[:0]
        self.durations: list[float] = []  # of the steps with this size of the batch
        self.duration = math.inf  # of a step with the size before
        self.step, self.samples_seen, self.is_interrupted = 0, 0, False
        self.losses: list[float] = []  # since the last row
        self.rows: list[dict[str, float]] = []
        self.best: dict[str, Any] = {}  # the weights of the best network, and its place among the rows
        self.best_row: dict[str, float] = {}
        self.next_validation = 1 / VALIDATIONS  # as a share of the training

    def run(self) -> None:
        """Steps until the schedule or the user ends it."""
        total = math.ceil(self.schedule.seconds) if self.is_timed else self.schedule.steps
        with make_bar(True) as bar, handle_signals(self.note_signal, "SIGINT"):
            row = bar.add_task("training", total=total, text="")
            while (share := self.share()) < 1 and not self.is_interrupted:
                self.schedule.set_rate(self.optimizer, self.step, share)
                self.take_step()
                bar.update(row, completed=int(self.share() * total), text=self.summary())
                if self.share() >= self.next_validation:
                    self.validate()
            if self.step and not (self.rows and self.rows[-1]["step"] == self.step):
                self.validate()
        if not self.step:
            if self.is_interrupted:
                raise KeyboardInterrupt
            spent, budget = self.schedule.duration, self.schedule.seconds
            raise EinNetError(f"reading the data took {spent:.3g} s, of {budget:g} s in all: pass more seconds")

    def share(self) -> float:
        """The share of the training that is done."""
        return max(self.step / self.schedule.steps, self.schedule.time_share())

    def note_signal(self, number: int, _: Any) -> None:
        """The training ends after the step; with a second Ctrl-C at once."""
        self.is_interrupted = True
        signal.signal(number, signal.default_int_handler)

    def choose_batch(self) -> int:
        """The number of units in a step, by the number of samples and by the memory of a step."""
        if self.train.at is not None:
            return max(len(self.train.units) // 10, 1)
        samples = self.train.samples
        shapes = [samples.shape(k, t) for k in self.train.units[:100].tolist() for t in self.net.hidden_types]
        largest = max(math.prod(n or 1 for n in shape) for shape in shapes) * max(self.net.widths)
        number = min(BATCH, max(len(self.train.units) // 10, SMALLEST_BATCH))
        return max(min(number, CELLS // max(largest, 1)), 1)

    def draw(self) -> Tensor:
        """The units of the next step; each comes once before one comes again."""
        units = self.train.units
        size = min(self.batch_size, len(units))
        if len(self.queue) < size:
            self.queue = units[torch.randperm(len(units), generator=self.generator)]
        batch, self.queue = self.queue[:size], self.queue[size:]
        return batch

    def take_step(self) -> None:
        """One optimiser step."""
        started, units = self.schedule.duration, self.draw()
        (inputs, options), target = self.train.take(units)
        loss = self.compute_loss(values_of(self.net(*inputs, **options)), target)
        self.optimizer.zero_grad()
        loss.backward()
        norm = clip_grad_norm_(self.weights, CLIP)
        if self.guard.passes(value := float(loss.detach()), float(norm), self.step):
            self.optimizer.step()
            self.average.update(self.net)
            self.losses.append(value)
        self.step += 1
        self.samples_seen += len(units)
        if self.is_timed and (self.may_shrink or self.step == 1):
            self.check_duration(self.schedule.duration - started)

    def check_duration(self, seconds: float) -> None:
        """Raises where the time is too short; halves the batches while that gives more steps, until there are many."""
        budget = self.schedule.seconds
        if self.step == 1 and seconds > budget / 2:
            raise EinNetError(
                f"one step takes {seconds:.1f} s, of {budget:g} s in all: pass more seconds, or a smaller network, "
                "such as hidden=16, heads=4, depth=2"
            )
        self.durations.append(seconds)
        if not self.may_shrink or len(self.durations) < 3:
            return
        duration = min(self.durations[1:])
        if duration > 0.75 * self.duration:  # of a batch twice as large
            self.batch_size, self.may_shrink = 2 * self.batch_size, False
        elif budget / duration > STEPS or self.batch_size < 2 * SMALLEST_BATCH:
            self.may_shrink = False
        else:
            self.batch_size, self.duration, self.durations = self.batch_size // 2, duration, []

    def compute_loss(self, output: Tensor, target: Tensor) -> Tensor:
        """The goal's loss, or that of the user for the known targets."""
        if self.loss is None:
            return self.goal.loss(output, target)
        is_known = self.goal.is_known(target)
        rows = is_known if self.goal.classes is not None else is_known.all(-1)
        return self.loss(output[rows], target[rows])

    @torch.no_grad()
    def validate(self) -> None:
        """Measures the averaged network on what is held out, and keeps it if it is the best."""
        started, net = self.share(), self.average.gather()
        row = {"step": self.step, "seconds": round(self.schedule.duration, 2), "loss": _mean(self.losses)}
        if self.held_out is not None:
            row |= self.measure(lambda call, _: values_of(net(*call[0], **call[1])))
        if not self.best_row or self.rank(row) < self.rank(self.best_row):
            self.best_row, self.best = row, deepcopy(net.state_dict())
        self.rows.append(row)
        self.losses = []
        pause = 9 * (self.share() - started) * self.is_timed
        self.next_validation = self.share() + max(1 / VALIDATIONS, pause)

    def measure(self, predict: Callable[[Any, Tensor], Tensor]) -> dict[str, float]:
        """The mean loss and the mean error of predictions of what is held out."""
        sums = torch.zeros(3, dtype=torch.float64)
        for call, target in self.validation_batches:
            output, number = predict(call, target), int(self.goal.is_known(target).sum())
            if number:
                loss = float(self.compute_loss(output, target)) * number
                sums += torch.tensor([number, loss, float(self.goal.count_errors(output, target))], dtype=torch.float64)
        number, loss, errors = sums.tolist()
        return {"valid loss": loss / number, "error": errors / number}

    @cached_property
    def validation_batches(self) -> list[tuple[Any, Tensor]]:
        """What is held out, in batches; tuples that are asked for all at once, so that none is an input."""
        part: Any = self.held_out
        size = len(part.units) if part.at is not None else self.batch_size
        return [part.take(units) for units in part.units.split(size)]

    def rank(self, row: dict[str, float]) -> tuple[float, ...]:
        """What is smaller for the better network: the error in classes, then the loss; without validation the last."""
        if self.held_out is None:
            return (-row["step"],)
        names = ["valid loss"] if self.goal.classes is None or self.loss else ["error", "valid loss"]
        return tuple(math.inf if math.isnan(row[name]) else row[name] for name in names)

    def summary(self) -> str:
        """The last loss and the best error, for the progress bar."""
        parts = [f"loss {loss:.3f}" for loss in self.losses[-1:]]
        if self.held_out is not None and self.best_row:
            parts.append(f"{self.goal.error} {self.best_row['error']:.4g}")
        return "  ".join(parts)

    def conclude(self, notes: list[str]) -> History:
        """The history, once the training has ended."""
        notes = list(notes)
        if self.is_interrupted:
            notes.append(f"interrupted at {self.share():.0%} of the training: the best network until then")
        if self.guard.left_out:
            notes.append(f"steps left out, as loss or gradient was not finite: {self.guard.left_out}")
        nothing = {"error": math.nan, "valid loss": math.nan}
        trivial = nothing
        if self.held_out is not None:
            with torch.no_grad():
                trivial = self.measure(lambda _, target: self.goal.predict_trivially(target))
        key = "error" if self.loss is None else "valid loss"
        return History(
            signature=str(self.net.signature),
            measure="loss" if self.loss is not None else self.goal.error,
            error=(nothing | self.best_row)[key],
            baseline=self.goal.trivial,
            baseline_error=trivial[key],
            trained_on=self.train.number,
            held_out=0 if self.held_out is None else self.held_out.number,
            unit=self.train.unit,
            steps=self.step,
            samples_seen=self.samples_seen,
            seconds=round(self.schedule.duration, 2),
            classes=self.goal.classes,
            notes=tuple(notes),
            rows=tuple(self.rows),
        )


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else math.nan
