"""The numbers of the sudoku task: the puzzles, the network's size, how it learns."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cyclopts import Parameter

from einnet.errors import EinNetError

__all__ = ["Settings"]


@Parameter(name="*", group="Puzzles and network")
@dataclass(frozen=True)
class Settings:
    """Puzzles and network."""

    data: Path | None = None
    "File of puzzles, puzzle,solution on each line; without it, puzzles are generated."
    puzzles: int = 500
    "Puzzles to learn from; the first of the file, a tenth of them held out to select on."
    more: int = 10
    "Each puzzle gets, once, up to so many further givens from its solution."
    side: int = 9
    "Side of the boards that are generated."
    hidden: int = 32
    "State of each cell and digit."
    heads: int = 16
    "Features summed over each row, column, box, ..."
    iterations: int = 64
    "Steps that the trained network takes; any other number can be asked for later."
    batch: int = 48
    "Boards at a step of training."
    lr: float = 5e-3
    "Peak learning rate."

    def __post_init__(self) -> None:
        for name in ("puzzles", "hidden", "heads", "iterations", "batch", "lr"):
            if not getattr(self, name) > 0:
                raise EinNetError(f"--{name} must be positive, got {getattr(self, name)}")
        if self.puzzles < 2:
            raise EinNetError(f"--puzzles must be 2 or more, one of them to select on, got {self.puzzles}")
        if self.more < 0:
            raise EinNetError(f"--more must be 0 or more, got {self.more}")

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"data": None if self.data is None else str(self.data.resolve())}

    @classmethod
    def from_json(cls, saved: dict[str, Any]) -> "Settings":
        return cls(**{**saved, "data": None if saved["data"] is None else Path(saved["data"])})
