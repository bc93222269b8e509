"""How many demonstrations ARC's tasks need; writes benchmarks/arc_demonstrations.md and a picture.

    .venv/bin/python benchmarks/arc_demonstrations.py                  # a quarter of an hour of one core

Each eighth task of the training set of ARC-AGI-1 that has three demonstrations or more, of which only the first ones
are shown. Tasks with a result in --out are not attempted again. Nothing else is learned from, and no other method that
learns a task from its demonstrations alone runs in seconds, so there is no peer here.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from cyclopts import run
from results_page import EFFICIENCY, FOLDER, draw_curves, make_table, write_results

from einnet.tasks.arc.benchmark import run_puzzles
from einnet.tasks.arc.grids import load_puzzles

STEP, FEWEST = 8, 3


def main(*, numbers: Sequence[int] = (1, 2, 3), seconds: float = 10, step: int = STEP, processes: int = 1,
         out: Path = Path("runs/arc-demonstrations"), page: Path = EFFICIENCY) -> None:  # fmt: skip
    """Attempt the tasks with each number of demonstrations, and write the table and the picture."""
    puzzles = {name: p for name, p in load_puzzles("training", 1).items() if len(p.demonstrations) >= FEWEST}
    puzzles = dict(list(puzzles.items())[::step])
    solved, attempted = [], []
    for number in numbers:
        cut = {name: replace(p, demonstrations=p.demonstrations[:number]) for name, p in puzzles.items()}
        results = run_puzzles(cut, out / str(number), seconds, networks=True, processes=processes).values()
        solved.append(sum(r["solved"] for r in results))
        attempted.append(sum(bool(r["attempts"]) for r in results))
    rows = [["solved", *solved], ["attempted", *attempted]]
    table = make_table([f"of {len(puzzles)} tasks, by demonstrations", *map(str, numbers)], rows)
    curves = {"EinNet": (numbers, [100 * s / len(puzzles) for s in solved])}
    axes = {"xlabel": "demonstrations", "ylabel": "tasks solved, percent", "xticks": list(numbers)}
    draw_curves(FOLDER / "arc_demonstrations.svg", curves, "linear", **axes)
    text = f"`benchmarks/arc_demonstrations.py`: at most {seconds:g} seconds of one core a task, two attempts."
    write_results("arc_demonstrations", ["# Demonstrations", "", text, "", *table], table, page)


if __name__ == "__main__":
    run(main)
