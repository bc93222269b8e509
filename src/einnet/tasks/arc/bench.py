"""All tasks of a part of ARC: a file for each task, so that a run that was ended can be gone on with."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from hashlib import sha1
from pathlib import Path
from typing import Any

import numpy as np

from einnet.files import write_whole
from einnet.tasks.arc.grids import Pair, Puzzle
from einnet.tasks.arc.solve import REVISION, Outcome, attempts
from einnet.tasks.parallel import check_conditions, map_in_processes, read_result

__all__ = ["measured", "solved", "summary", "unanswered"]


def unanswered(puzzle: Puzzle) -> Puzzle:
    """The task without the tests' outputs, as it is given to what must solve it."""
    return replace(puzzle, tests=tuple(Pair(p.input, None) for p in puzzle.tests))


def solved(puzzle: Puzzle, outcome: Outcome) -> bool | None:
    """Whether one attempt is right in all tests; None where the outputs are not known."""
    if any(p.output is None for p in puzzle.tests):
        return None
    return any(_right(puzzle, a.answers) for a in outcome.attempts)


def _right(puzzle: Puzzle, answers: Sequence[np.ndarray]) -> bool:
    return all(p.output is not None and np.array_equal(a, p.output) for a, p in zip(answers, puzzle.tests, strict=True))


def measured(
    puzzles: Mapping[str, Puzzle], folder: Path, seconds: float, networks: bool, processes: int | None = None
) -> dict[str, dict[str, Any]]:
    """What was found for each task, by name; those that are in the folder already are not done again."""
    check_conditions(folder, {"seconds": seconds, "networks": networks, "revision": REVISION})
    todo = [p for p in puzzles.values() if _done(folder, p) is None]
    work = partial(_one, folder=folder, seconds=seconds, networks=networks)
    map_in_processes(work, todo, processes, "tasks", len(puzzles))
    return {name: result for name, p in puzzles.items() if (result := _done(folder, p)) is not None}


def _done(folder: Path, puzzle: Puzzle) -> dict[str, Any] | None:
    """What is in the folder of this very task."""
    found = read_result(_file(folder, puzzle.name))
    return found if found and found.get("task") == _fingerprint(puzzle) else None


def _fingerprint(puzzle: Puzzle) -> str:
    grids = [g for p in (*puzzle.demonstrations, *puzzle.tests) for g in (p.input, p.output) if g is not None]
    return sha1(repr([g.tolist() for g in grids]).encode()).hexdigest()


def summary(found: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """How many are solved, how many were attempted, the seconds, and the same for each task."""
    return {
        "tasks": len(found),
        "solved": sum(bool(r["solved"]) for r in found.values()),
        "answers not known": sum(r["solved"] is None for r in found.values()),
        "attempted": sum(bool(r["attempts"]) for r in found.values()),
        "seconds": round(sum(r["seconds"] for r in found.values()), 1),
        "failures": {kind: sum(r["failure"] == kind for r in found.values()) for kind in FAILURES},
        "per_task": {n: {k: r[k] for k in ("solved", "seconds", "failure")} for n, r in found.items()},
    }


FAILURES = ("no view fits", "no symmetry fits", "fits, no whole answer", "answered wrongly", "out of time", "error")


def _failure(outcome: Outcome, right: bool | None) -> str | None:
    if right or right is None:
        return None
    if not outcome.views:
        return FAILURES[0]
    if outcome.attempts:
        return FAILURES[3]
    if outcome.out_of_time:
        return FAILURES[4]
    return FAILURES[2] if outcome.consistent else FAILURES[1]


def _one(puzzle: Puzzle, folder: Path, seconds: float, networks: bool) -> None:
    started, error = time.perf_counter(), None
    try:
        outcome = attempts(unanswered(puzzle), seconds, networks)
    except Exception as problem:  # one task does not end the others
        outcome, error = Outcome((), 0, 0), f"{type(problem).__name__}: {problem}"
    right = solved(puzzle, outcome)
    found = {
        "task": _fingerprint(puzzle),
        "solved": right,
        "failure": FAILURES[5] if error else _failure(outcome, right),
        "error": error,
        "seconds": round(time.perf_counter() - started, 2),
        "views": outcome.views,
        "symmetries that fit": outcome.consistent,
        "out of time": outcome.out_of_time,
        "attempts": [
            {
                "right": _right(puzzle, a.answers), "symmetry": a.describe(), "network": a.network,
                "left out": round(a.left_out, 3), "answers": [x.tolist() for x in a.answers],
            }
            for a in outcome.attempts
        ],
    }  # fmt: skip
    with write_whole(_file(folder, puzzle.name)) as temporary:
        temporary.write_text(json.dumps(found))


def _file(folder: Path, name: str) -> Path:
    return folder / "tasks" / f"{name}.json"
