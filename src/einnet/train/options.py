"""How to train, whatever the task: the options that every `einnet train` command has."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from einnet.errors import EinNetError

__all__ = ["Options", "check_positive"]


def check_positive(settings: Any, *names: str) -> None:
    """Raises `EinNetError` for the first of these settings that is there and not positive."""
    for name in names:
        value = getattr(settings, name)
        if value is not None and not value > 0:
            raise EinNetError(f"--{name} must be positive, got {value}")


@Parameter(name="*", group="Training")
@dataclass(frozen=True)
class Options:
    """Training options."""

    minutes: float | None = None
    "Stop after so many minutes; the learning rate falls with the time where that is faster than with the steps."
    steps: int | None = None
    "Optimiser steps, rounded up to whole validations; without it, the task's own number."
    seed: int = 0
    "Seed of the weights and of everything random in training."
    patience: int | None = None
    "Stop when the validation metric has not improved in this many validations; off without it."
    devices: int = 1
    "Processes or GPUs of a machine; more than one trains with DDP."
    nodes: int = 1
    "Machines; more than one are started with torchrun, see docs/how-to/many-gpus.md."
    precision: str = "auto"
    "auto (bf16 where the hardware has it), bf16 or 32."
    deterministic: bool = False
    "Use deterministic algorithms only, so that a run can be repeated bit by bit."
    out: Annotated[Path, Parameter(name="--out")] = Path("runs")
    "Folder in which the run's own folder is made."

    def __post_init__(self) -> None:
        check_positive(self, "minutes", "steps", "patience", "devices", "nodes")
        if not 0 <= self.seed < 2**31:
            raise EinNetError(f"--seed must be from 0 to 2147483647, got {self.seed}")
        if self.precision not in ("auto", "bf16", "32"):
            raise EinNetError(f"--precision must be auto, bf16 or 32, got {self.precision!r}")

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"out": str(self.out)}

    @classmethod
    def from_json(cls, saved: dict[str, Any]) -> "Options":
        return cls(**{**saved, "out": Path(saved["out"])})
