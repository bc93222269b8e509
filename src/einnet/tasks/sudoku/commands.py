"""`einnet train sudoku`, `einnet eval sudoku`, `einnet predict sudoku`.

Torch is imported inside the functions: the command line must be quick to answer --help.
"""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from cyclopts import Parameter
from rich.console import Console
from rich.progress import track

from einnet.errors import EinNetError
from einnet.tasks.common import fitted, interrupted, prepared
from einnet.tasks.console import Json, say
from einnet.tasks.sudoku.boards import Layout, follows_rules, read_file
from einnet.tasks.sudoku.data import LARGEST, from_file, generated, learned_from
from einnet.tasks.sudoku.settings import Settings
from einnet.train.options import Options
from einnet.train.run import Run

if TYPE_CHECKING:
    from einnet.nn import EinNet

__all__ = ["evaluate", "predict", "train"]

STEPS, EVERY = 1000, 100
TEST, TEST_SEED = 100, 2**31  # fresh puzzles; seeds of runs are smaller


def train(
    *,
    settings: Settings = Settings(),  # noqa: B008
    options: Options = Options(),  # noqa: B008
    resume: Path | None = None,
) -> int:
    """Learn to solve Sudoku from puzzles with their solutions.

    The network is given the rows, columns and boxes of the board, not what may stand in them.

    Parameters
    ----------
    resume
        Folder of a run to go on with, with the run's own settings and options.
    """
    known = None
    if resume is None and settings.data is not None:
        known = from_file(Path(settings.data), settings, options.seed)  # what is wrong is said before there is a run
    run, settings, options = prepared("sudoku", settings, options, resume)
    say(f"run in {run.folder}")
    puzzles, solutions = known or learned_from(settings, run.folder, options.seed)
    from einnet.tasks.report import concluded
    from einnet.tasks.sudoku.report import results
    from einnet.tasks.sudoku.task import Solving

    def task() -> Solving:
        return Solving(settings, puzzles, solutions, options.seed)

    if not fitted(task, Solving, run, options, resume, steps=STEPS, every=EVERY, warmup=50, clip=0.5):
        return interrupted(run, "sudoku")
    metrics, draw = _measured(run, puzzles.shape[1])
    pictures = {"steps.png": ("a fresh puzzle: when each cell got its digit", draw)}
    concluded(run, metrics, [results(metrics)], pictures)
    return 0


def _measured(run: Run, side: int) -> tuple[dict[str, Any], Callable[[Path], None]]:
    """How many fresh puzzles are solved, for several depths, and what draws the steps of one."""
    from einnet.tasks.sudoku.report import steps_picture
    from einnet.tasks.sudoku.solve import accuracy_by_depth, answers, load_solver

    net = load_solver(run.best)
    number = TEST if side <= LARGEST else TEST // 10
    puzzles, solutions = generated(Layout.of(side), number, TEST_SEED)
    depths = sorted({max(1, net.settings.iterations * k // 4) for k in (1, 2, 4, 8, 16)})
    accuracy = accuracy_by_depth(net, puzzles, solutions, depths)
    parameters = sum(p.numel() for p in net.parameters())
    title = f"{number} fresh {side}x{side} puzzles; {parameters:,} parameters"

    def draw(picture: Path) -> None:
        one = answers(net, puzzles[:1])
        steps_picture(one.boards[0], one.settled[0], puzzles[0], picture)

    return {"title": title, "accuracy": accuracy}, draw


def evaluate(
    *,
    data: Path,
    depth: int | None = None,
    tries: int = 0,
    limit: int | None = None,
    checkpoint: Path | None = None,
    as_json: Json = False,
) -> int:
    """Count the whole boards that a network solves, in one pass of a fixed number of steps.

    einnet eval sudoku --data puzzles.txt.gz --json

    Parameters
    ----------
    data
        File with a puzzle, or puzzle,solution, on each line; boards of any size, .gz or plain.
    depth
        Steps of the network; without it, its own number (--iterations of its training).
    tries
        Also search: run the network up to so many more times on each board whose answer breaks a
        rule, with some cells guessed; counted apart.
    limit
        Only the first so many boards.
    checkpoint
        Folder of a run; without it, the solver that comes with EinNet.
    as_json
        Print one JSON object and nothing else.
    """
    _check_positive(depth=depth, limit=limit)
    _check_tries(tries)
    puzzles, solutions = read_file(data)
    puzzles, solutions = puzzles[:limit], None if solutions is None else solutions[:limit]
    net = _net(checkpoint)
    from einnet.tasks.sudoku.solve import answers, in_batches, joined, solved_with_restarts

    def solved(boards: np.ndarray) -> int:
        right = follows_rules(boards, puzzles) if solutions is None else (boards == solutions).all((1, 2))
        return int(right.sum())

    started = time.perf_counter()
    batches = list(in_batches(puzzles))
    shown = {"description": "solving", "console": Console(stderr=True), "transient": True}
    found = joined(answers(net, batch, depth) for batch in track(batches, **shown))
    result = _counted(len(puzzles), solved(found.boards), net.settings.iterations if depth is None else depth, started)
    if tries:
        tried = solved_with_restarts(net, puzzles, found, tries, depth)
        result["tries"] = [
            {"solved": solved(b), "seconds": round(time.perf_counter() - started, 2)}
            for b in track(tried, total=tries, **shown)
        ]
    print(json.dumps(result) if as_json else _sentence(result))
    return 0


def _counted(boards: int, solved: int, depth: int, started: float) -> dict[str, Any]:
    seconds = time.perf_counter() - started
    return {"boards": boards, "solved": solved, "accuracy": solved / boards, "depth": depth, "seconds": seconds}


def _sentence(result: dict[str, Any]) -> str:
    lines = [
        f"{result['solved']:,} of {result['boards']:,} boards solved whole ({result['accuracy']:.2%}) in one pass of "
        f"{result['depth']} steps, {result['seconds']:.1f} s"
    ]
    if tried := result.get("tries"):
        lines.append(f"{tried[-1]['solved']:,} with {len(tried)} tries of search, {tried[-1]['seconds']:.1f} s in all")
    return "\n".join(lines)


def predict(
    puzzle: str | None = None,
    *,
    depth: int | None = None,
    tries: int = 0,
    show_steps: Annotated[bool, Parameter(negative="")] = False,
    plot: Path | None = None,
    checkpoint: Path | None = None,
    as_json: Json = False,
) -> int:
    """Solve a puzzle, or each puzzle of a file; exit code 1 if one was not solved.

    Example: einnet predict sudoku .......24...3..1

    Every answer is checked against the rules before it is shown.

    Parameters
    ----------
    puzzle
        The cells row by row, . or 0 for a blank: 16 of them for 4x4, 81, 256, 625, ...; or a file with
        a puzzle on each line, or with one puzzle, a row on each line (but 16 rows of 16 are read as
        puzzles of 4x4: give a 16x16 board on one line). Without it, standard input is read.
    depth
        Steps of the network; without it, its own number.
    tries
        Where the answer breaks a rule, search: run the network up to so many more times with some
        cells guessed.
    show_steps
        Also show the step at which each cell got its digit (for one puzzle; --json always has them).
    plot
        Draw the steps of the first puzzle to this file (.svg, .png or .pdf).
    checkpoint
        Folder of a run; without it, the solver that comes with EinNet.
    as_json
        Print one JSON object for each puzzle and nothing else.
    """
    _check_positive(depth=depth)
    _check_tries(tries)
    if plot is not None:
        from einnet.plots.figures import check_picture_name

        check_picture_name(plot)
    from einnet.tasks.sudoku.predict import read_puzzles, verdicts
    from einnet.tasks.sudoku.report import print_verdict, steps_picture

    puzzles = read_puzzles(puzzle)
    unsolved, first = 0, None
    for verdict in verdicts(_net(checkpoint), puzzles, depth, tries):
        first = first or verdict
        unsolved += not verdict.solved
        if as_json:
            print(json.dumps(verdict.as_json()), flush=True)
        elif len(puzzles) > 1:
            print(verdict.line(), flush=True)
        else:
            print_verdict(verdict, show_steps)
    if plot is not None and first is not None:
        if first.board is None or first.settled is None:
            say(f"{plot} is not drawn: one pass of the network did not solve the first puzzle")
        else:
            steps_picture(first.board, first.settled, first.puzzle, plot)
            say(f"drawn to {plot}")
    return 1 if unsolved else 0


def _check_positive(**numbers: int | None) -> None:
    for name, value in numbers.items():
        if value is not None and value < 1:
            raise EinNetError(f"--{name} must be 1 or more, got {value}")


def _check_tries(tries: int) -> None:
    if tries < 0:
        raise EinNetError(f"--tries must be 0 or more, got {tries}")


def _net(checkpoint: Path | None) -> "EinNet":
    from einnet.tasks.sudoku.solve import load_solver

    return load_solver() if checkpoint is None else load_solver(Run.open(checkpoint, "sudoku").best)
