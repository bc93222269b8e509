"""What happened while a network was trained on samples, and how good it is."""

from dataclasses import dataclass, field
from typing import Any

__all__ = ["History"]


@dataclass(frozen=True, repr=False)
class History:
    """A training in numbers; printed, it is a report.

    `error` is that of the returned network on what was held out, and `baseline_error` that of a prediction without a
    look at the inputs; both are NaN if nothing was held out. `rows` has a dict for each validation: `step`, `seconds`,
    `loss` (the mean since the last row), `valid loss` and `error`.
    """

    signature: str
    measure: str
    error: float
    baseline: str
    baseline_error: float
    trained_on: int
    held_out: int
    unit: str
    steps: int
    samples_seen: int
    seconds: float
    classes: tuple[Any, ...] | None = None
    notes: tuple[str, ...] = ()
    rows: tuple[dict[str, float], ...] = field(default=(), compare=False)

    def __repr__(self) -> str:
        seen = f", {self.samples_seen:,} samples seen" if self.unit == "samples" else ""
        lines = [
            f"'{self.signature}' trained on {self.trained_on:,} {self.unit}: {self.steps:,} steps in "
            f"{self.seconds:.0f} s{seen}",
            f"{self.measure} on {self.held_out:,} other {self.unit}: {self.error:.4g} "
            f"({self.baseline}: {self.baseline_error:.4g})"
            if self.held_out
            else f"no {self.unit} were held out (from 20 on a tenth): the error on new ones is not known",
        ]
        if self.classes is not None:
            names = ", ".join(map(str, self.classes[:9])) + ", ..." * (len(self.classes) > 9)
            lines.append(f"outputs are logits of the classes {names}")
        return "\n".join([*lines, *self.notes])
