"""`einnet train | eval | predict sudoku`."""

import gzip
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from cyclopts import Parameter

from einnet.checks import check_count, check_real
from einnet.errors import DataError, EinNetError
from einnet.files import STANDARD_INPUT, name_source, write_whole
from einnet.plots.figures import check_picture
from einnet.tasks.app import TaskApp, write_code
from einnet.tasks.console import Flag, Json, Source, log
from einnet.tasks.report import Results, Suggestion
from einnet.tasks.sudoku.boards import Layout, format_board, read_boards, read_puzzles
from einnet.tasks.sudoku.generate import add_givens, generate_puzzles
from einnet.tasks.sudoku.search import SECONDS
from einnet.train.options import check_fields
from einnet.train.run import Run

__all__ = ["SudokuApp", "SudokuConfig"]

PUZZLES = "puzzles.txt.gz"  # of a run that generated them
Boards = tuple[np.ndarray, np.ndarray]  # puzzles and solutions, (number, n, n)


@Parameter(name="*", group="Puzzles and network")
@dataclass(frozen=True)
class SudokuConfig:
    """Puzzles and network."""

    data: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None
    "File of puzzles with their solutions, or - for standard input; without it, puzzles are generated."
    symbols: str | None = None
    "The symbols of the boards in --data, where these leave them in doubt, such as 0123456789ABCDEF."
    puzzles: int = 500
    "Puzzles to learn from, the first of the file; a tenth of them, 200 at most, is held out to select on."
    more: int = 10
    "Up to so many cells of the solution are added to each puzzle, drawn once."
    copies: int = 1
    "Copies of each puzzle, with different cells added: for few puzzles."
    side: int = 9
    "Side of the boards that are generated; above 12 more than half of the cells are left, as digging is slow."
    variations: int = 1
    "Puzzles on each solution that is generated, each a change to the hardest of those before: 10 mixes grades."
    hidden: int = 32
    "State of each cell and digit."
    heads: int = 16
    "Features summed over each row, column, box, ..."
    start: str | None = None
    "Network to learn on from, a .safetensors file; it is widened if --hidden and --heads are a multiple of its own."
    iterations: int = 64
    "Steps that the trained network takes; any other number can be asked for later."
    batch: int = 48
    "Boards at a step of training."
    lr: float = 5e-3
    "Peak learning rate."

    def __post_init__(self) -> None:
        check_fields(self, check_count, "copies", "variations", "hidden", "heads", "iterations", "batch")
        check_fields(self, check_count, "puzzles", minimum=2)  # one of them to select on
        check_fields(self, check_count, "more", minimum=0)
        check_fields(self, check_real, "lr", above=0)
        Layout.of(self.side)
        if self.start is not None and not Path(self.start).is_file():
            raise DataError(f"--start {self.start} is no file: expected a saved network, such as RUN/best.safetensors")


@Parameter(name="*", group="Network")
@dataclass(frozen=True)
class Solver:
    """Which network, and how long it runs."""

    checkpoint: Path | None = None
    "Folder of a run; without it, the solver that comes with EinNet."
    iterations: int | None = None
    "Steps of the network; without it, its own number (--iterations of its training)."
    tries: int | None = None
    "Guesses of a search before it gives a puzzle up; 0 for one pass of the network, without a search."
    seconds: float = SECONDS
    "Time of a search before it gives a puzzle up."
    depth: Annotated[int | None, Parameter(show=False)] = None
    "The former name of --iterations."

    def __post_init__(self) -> None:
        if self.depth is not None:
            log("--depth is now called --iterations; the former name goes with the next release")
            object.__setattr__(self, "iterations", self.depth)
        check_fields(self, check_count, "iterations")
        check_fields(self, check_count, "tries", minimum=0)
        check_fields(self, check_real, "seconds", above=0)

    def load_net(self):
        from einnet.tasks.sudoku.solve import load_solver

        return load_solver() if self.checkpoint is None else load_solver(Run.open(self.checkpoint, "sudoku").best)


class SudokuApp(TaskApp):
    """Learns to solve Sudoku: the network is given the rows, columns and boxes of the board, not the rules."""

    name, config_class = "sudoku", SudokuConfig
    train_help = "Learn to solve Sudoku from puzzles with their solutions; the rules are not told."
    steps, validate_every, warmup, clip, sources = 1000, 100, 50, 0.5, ("data",)

    def load_data(self, config: SudokuConfig, seed: int, run: Run | None = None) -> Boards:
        source = Path(config.data) if config.data else run and run.folder / PUZZLES
        if source is None or not (config.data or source.is_file()):
            return generate_puzzles(Layout.of(config.side), config.puzzles, seed, variations=config.variations)
        puzzles, solutions, _ = read_boards(source, config.symbols if config.data else None)
        name = name_source(source)
        if solutions is None:
            raise DataError(f"{name} has puzzles without solutions: lines to learn from are puzzle,solution")
        if len(puzzles) < config.puzzles:
            raise DataError(f"{name} has {len(puzzles)} puzzles, fewer than --puzzles {config.puzzles}")
        return puzzles[: config.puzzles], solutions[: config.puzzles]

    def save_data(self, config: SudokuConfig, data: Boards, run: Run) -> None:
        if config.data in (None, STANDARD_INPUT):
            with write_whole(run.folder / PUZZLES) as temporary, gzip.open(temporary, "wt", encoding="ascii") as f:
                f.writelines(f"{format_board(p)},{format_board(s)}\n" for p, s in zip(*data, strict=True))

    def to_json(self, config: SudokuConfig, data: Boards) -> dict[str, Any]:
        source = None if config.data == STANDARD_INPUT else config.data
        return {"config": asdict(config) | {"data": _to_absolute(source), "start": _to_absolute(config.start)}}

    def describe(self, config: SudokuConfig, data: Boards) -> str:
        side = data[0].shape[1]
        return f"{len(data[0]):,} puzzles of {side}x{side} to learn from"

    def make_task(self, config: SudokuConfig, data: Boards, seed: int):
        from einnet.tasks.sudoku.network import Solving

        puzzles, solutions = (np.repeat(boards, config.copies, 0) for boards in data)
        return Solving(config, add_givens(puzzles, solutions, config.more, seed), solutions, seed)

    def load_net(self, run: Run):
        from einnet.tasks.sudoku.solve import load_solver

        return load_solver(run.best)

    def measure(self, net: Any, config: SudokuConfig, data: Boards) -> Results:
        from einnet.tasks.sudoku.solve import measure

        return measure(net, data[0].shape[1])

    def suggest(self, run: Run, config: SudokuConfig, data: Boards) -> Suggestion:
        puzzle = format_board(data[0][0])
        prediction = f"einnet.tasks.sudoku.answers(net, einnet.tasks.sudoku.read_board({puzzle!r})[None]).boards"
        code = write_code("einnet.tasks.sudoku", "einnet.tasks.sudoku.load_solver", run, prediction)
        return Suggestion(self.write_command("predict", run, puzzle), code)

    def evaluate(  # type: ignore[override]
        self,
        *,
        data: Source,
        limit: int | None = None,
        symbols: str | None = None,
        search: Flag = False,
        solver: Solver = Solver(),
        as_json: Json = False,
    ) -> int:
        """Count the whole boards that a network solves, in one pass of a fixed number of steps.

        einnet eval sudoku --data puzzles.txt.gz --json

        Args:
            data: File of puzzles, with solutions or without, as `predict` reads them; or - for standard input.
            limit: Only the first so many boards.
            symbols: The symbols of the boards, where these leave them in doubt, such as 0123456789ABCDEF.
            search: Also solve the boards by a search that the network guides, as `predict` does.
        """
        if limit is not None:
            check_count(limit, "--limit")
        if solver.tries and not search:
            raise EinNetError("--tries limits the guesses of a search: add --search")
        puzzles, solutions, left_out = read_boards(data, symbols)
        puzzles, solutions = puzzles[:limit], None if solutions is None else solutions[:limit]
        from einnet.tasks.sudoku.solve import count_solved, format_counts

        net = solver.load_net()
        result = count_solved(net, puzzles, solutions, solver.iterations) | {"left_out": len(left_out)}
        if search:
            from einnet.tasks.sudoku.guided import count_found

            limits = {"guesses": solver.tries, "seconds": solver.seconds}
            result["search"] = count_found(net, puzzles, solutions, solver.iterations, **limits)
        print(json.dumps(result) if as_json else format_counts(result))
        return 0

    def predict(
        self,
        puzzle: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None,
        /,
        *,
        symbols: str | None = None,
        show_steps: Flag = False,
        plot: Path | None = None,
        solver: Solver = Solver(),
        as_json: Json = False,
    ) -> int:
        """Solve a puzzle, or each puzzle of a file; exit code 1 if one was not solved.

        Example: einnet predict sudoku .......24...3..1

        The network guides a search, which ends with the solution, with two of several, or with the proof that there
        is none. Every answer is checked against the rules before it is shown.

        Args:
            puzzle: The cells row by row, . or 0 for a blank: 16 of them for 4x4, 81, 256, 625, ...; or a file of
                puzzles, a puzzle or a row of one on each line, with or without solutions, bars, titles, other columns.
                Without it, or for -, standard input is read.
            symbols: The symbols of the boards, where these leave them in doubt, such as 0123456789ABCDEF.
            show_steps: Also show the step at which each cell got its digit (for one puzzle; --json always has them).
            plot: Draw the steps of the first puzzle to this file (.svg, .png or .pdf).
        """
        check_picture(plot)
        from einnet.tasks.sudoku.verdicts import draw_verdict, judge, print_verdict

        entries = read_puzzles(puzzle, symbols)
        unsolved, first = 0, None
        for verdict in judge(solver.load_net(), entries, solver.iterations, solver.tries, solver.seconds):
            first = first or verdict
            unsolved += not verdict.is_solved
            if as_json:
                print(json.dumps(verdict.as_json()), flush=True)
            elif len(entries) > 1:
                print(verdict.as_line(), flush=True)
            else:
                print_verdict(verdict, show_steps)
        if plot is not None and first is not None:
            reason = "is not drawn: one pass of the network did not solve the first puzzle"
            log(f"drawn to {plot}" if draw_verdict(first, plot) else f"{plot} {reason}")
        return 1 if unsolved else 0


def _to_absolute(file: str | None) -> str | None:
    return None if file is None else str(Path(file).expanduser().resolve())
