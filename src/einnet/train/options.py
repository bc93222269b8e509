"""How to train, whatever the task: the options that every `einnet train` command has."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from einnet.checks import check_choice, check_count, check_real
from einnet.errors import EinNetError

__all__ = ["Options", "check_fields"]


def check_fields(config: Any, check: Callable[..., Any], *names: str, **bounds: Any) -> None:
    """Checks fields of a config that are not None with a function of `einnet.checks`, and sets what it returns.

    Messages name the options.

    >>> check_fields(Options(steps=None), check_count, "steps", "devices")
    """
    for name in names:
        if (value := getattr(config, name)) is not None:
            object.__setattr__(config, name, check(value, "--" + name.replace("_", "-"), **bounds))


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
    "Stop when the validation metric has not improved in this many validations; 0: never. Without it, as the task does."
    devices: int = 1
    "Processes or GPUs of a machine."
    nodes: int = 1
    "Machines; more than one are started with torchrun, see docs/how-to/many-gpus.md."
    sharded: bool = False
    "Each process keeps its share of the weights, the gradients and the optimiser's state (FSDP) instead of all (DDP)."
    shard: str | None = None
    """Cut each sample over processes, such as 2x2: the first axis of its state over two, the second over two; of kg
    with a dense state."""
    precision: str = "auto"
    "auto (bf16 where the hardware has it), bf16 or 32."
    deterministic: bool = False
    "Use deterministic algorithms only, so that a run can be repeated bit by bit."
    out: Annotated[Path, Parameter(name="--out")] = Path("runs")
    "Folder in which the run's own folder is made."

    def __post_init__(self) -> None:
        check_fields(self, check_real, "minutes", above=0)
        check_fields(self, check_count, "steps", "devices", "nodes")
        check_fields(self, check_count, "patience", minimum=0)
        check_fields(self, check_count, "seed", minimum=0, maximum=2**31 - 1)
        if (shape := self.mesh_shape) is not None:
            number, demand = shape[0] * shape[1], self.devices * self.nodes
            if demand == 1:
                object.__setattr__(self, "devices", number)
            elif demand != number:
                options = f"--devices {self.devices} and --nodes {self.nodes} ask for {demand}"
                raise EinNetError(f"--shard {self.shard} takes {number} processes, but {options}")
        check_choice(self.precision, "--precision", ("auto", "bf16", "32"))

    @property
    def mesh_shape(self) -> tuple[int, int] | None:
        """The processes along each axis of a state that is cut.

        >>> Options(shard="2x2").mesh_shape, Options(shard="2x2").devices
        ((2, 2), 4)
        """
        if self.shard is None:
            return None
        rows, _, columns = str(self.shard).partition("x")
        if not (rows.isdecimal() and columns.isdecimal() and int(rows) and int(columns)):
            raise EinNetError(f"--shard must be two numbers of processes, such as 2x2, got {self.shard!r}")
        return int(rows), int(columns)

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"out": str(self.out)}

    @classmethod
    def from_json(cls, saved: dict[str, Any]) -> "Options":
        return cls(**{**saved, "out": Path(saved["out"])})
