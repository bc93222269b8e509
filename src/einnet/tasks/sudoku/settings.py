"""The numbers of the sudoku task: the puzzles, the network's size, how it learns."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cyclopts import Parameter

from einnet.errors import EinNetError
from einnet.tasks.sudoku.boards import Layout
from einnet.train.options import check_counts, check_positive

__all__ = ["Settings"]


@Parameter(name="*", group="Puzzles and network")
@dataclass(frozen=True)
class Settings:
    """Puzzles and network."""

    data: str | None = None
    "File with a puzzle,solution on each line; without it, puzzles are generated."
    puzzles: int = 500
    "Puzzles to learn from, the first of the file; a tenth of them, 200 at most, is held out to select on."
    more: int = 10
    "Up to so many cells of the solution are added to each puzzle, drawn once."
    copies: int = 1
    "Times that each puzzle is there, each time with other cells added: for few puzzles."
    side: int = 9
    "Side of the boards that are generated; above 12 more than half of the cells are left, as digging is slow."
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
        check_counts(self, "puzzles", "copies", "hidden", "heads", "iterations", "batch")
        check_positive(self, "lr")
        if self.puzzles < 2:
            raise EinNetError(f"--puzzles must be 2 or more, one of them to select on, got {self.puzzles}")
        Layout.of(self.side)
        if self.more < 0:
            raise EinNetError(f"--more must be 0 or more, got {self.more}")

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"data": self.data and str(Path(self.data).resolve())}
