"""All tasks of a subset of ARC, each attempted in a process of its own."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from einnet.tasks.arc.gallery import make_sections
from einnet.tasks.arc.grids import Puzzle
from einnet.tasks.arc.solve import REVISION, Answers, Outcome, solve_puzzle
from einnet.tasks.bench import hash_arrays, report_results, run_items
from einnet.tasks.report import make_table

__all__ = ["evaluate_puzzle", "is_solved", "make_tables", "report_outcomes", "run_puzzles", "summarize"]

FAILURES = ("no view fits", "no symmetry fits", "fits, no complete answer", "wrong answer", "out of time", "error")
Results = Mapping[str, Mapping[str, Any]]  # by the name of the task


def run_puzzles(
    puzzles: Mapping[str, Puzzle], folder: Path, seconds: float, networks: bool, processes: int | None = None
) -> dict[str, dict[str, Any]]:
    """The result of each task, by name; tasks with a result in the folder are not attempted again."""
    conditions = {"seconds": seconds, "networks": networks, "revision": REVISION}
    evaluate = partial(evaluate_puzzle, seconds=seconds, networks=networks)
    return run_items(puzzles, evaluate, _hash, folder, "tasks", conditions, processes)


def evaluate_puzzle(puzzle: Puzzle, seconds: float, networks: bool) -> dict[str, Any]:
    """The attempts at a task, and whether one is right; an exception is part of the result."""
    outcome, error = Outcome(), None
    try:
        outcome = solve_puzzle(puzzle.hide_answers(), seconds, networks)
    except MemoryError:  # not a property of the task: no result is stored
        raise
    except Exception as problem:  # one task does not end the others
        error = f"{type(problem).__name__}: {problem}"
    solved = is_solved(puzzle, outcome)
    return {
        "solved": solved,
        "failure": "error" if error else _explain_failure(outcome, solved),
        "error": error,
        "views": outcome.views,
        "symmetries that fit": outcome.families,
        "out of time": outcome.out_of_time,
        "attempts": [
            {
                "right": _is_right(puzzle, a.answers), "symmetry": a.describe(), "network": a.by_network,
                "left out": round(a.left_out, 3), "answers": [x.tolist() for x in a.answers],
            }
            for a in outcome.attempts
        ],
    }  # fmt: skip


def is_solved(puzzle: Puzzle, outcome: Outcome) -> bool | None:
    """Whether one attempt is right in all tests; None for a task without known outputs."""
    if any(p.output is None for p in puzzle.tests):
        return None
    return any(_is_right(puzzle, a.answers) for a in outcome.attempts)


def _is_right(puzzle: Puzzle, answers: Answers) -> bool:
    return all(p.output is not None and np.array_equal(a, p.output) for a, p in zip(answers, puzzle.tests, strict=True))


def _explain_failure(outcome: Outcome, solved: bool | None) -> str | None:
    if solved is not False:
        return None
    if not outcome.views:
        return "no view fits"
    if outcome.attempts:
        return "wrong answer"
    if outcome.out_of_time:
        return "out of time"
    return "fits, no complete answer" if outcome.families else "no symmetry fits"


def _hash(puzzle: Puzzle) -> str:
    pairs = (*puzzle.demonstrations, *puzzle.tests)
    return hash_arrays(*(grid for p in pairs for grid in (p.input, p.output) if grid is not None))


def summarize(results: Results) -> dict[str, Any]:
    """How many tasks are solved and attempted, the seconds, and the same for each task."""
    return {
        "tasks": len(results),
        "solved": sum(bool(r["solved"]) for r in results.values()),
        "answers not known": sum(r["solved"] is None for r in results.values()),
        "attempted": sum(bool(r["attempts"]) for r in results.values()),
        "seconds": round(sum(r["seconds"] for r in results.values()), 1),
        "failures": {kind: sum(r["failure"] == kind for r in results.values()) for kind in FAILURES},
        "per_task": {n: {k: r[k] for k in ("solved", "seconds", "failure")} for n, r in results.items()},
    }


def make_tables(summary: Mapping[str, Any], title: str) -> list[Table]:
    """The counts of a summary."""
    table, unknown = make_table(title, ["tasks"], ["number"]), summary["answers not known"]
    rows = {"solved": f"{summary['solved']} of {summary['tasks'] - unknown}"}
    rows |= {"without known answers": unknown} if unknown else {}
    rows |= {"left out": len(summary["left out"])} if summary.get("left out") else {}
    rows |= {"attempted": f"{summary['attempted']} of {summary['tasks']}", **summary["failures"]}
    for name, number in (*rows.items(), ("seconds of one core", f"{summary['seconds']:,.0f}")):
        table.add_row(name, str(number))
    return [table]


def report_outcomes(
    puzzles: Mapping[str, Puzzle],
    results: Results,
    title: str,
    folder: Path,
    as_json: bool,
    left_out: Sequence[str] = (),
) -> dict[str, Any]:
    """The summary of the results: saved, printed, and on a page with a picture of each attempted task.

    `left_out` has the problems with tasks that were not attempted.
    """
    summary = {"title": title} | summarize(results) | {"left out": list(left_out)}
    tables, sections = make_tables(summary, title), partial(make_sections, puzzles, results)
    report_results(folder, "tasks", title, summary, tables, as_json, sections)
    return summary
