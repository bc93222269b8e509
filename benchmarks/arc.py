"""ARC-AGI: solved tasks of the training and evaluation sets, with two attempts; writes benchmarks/arc.md.

    .venv/bin/python benchmarks/arc.py                  # 50 minutes on two cores

Each task is attempted by itself, from its own demonstrations; tasks with a result in --out are not
attempted again. `einnet bench arc --set training` is one row of it.
"""

from pathlib import Path

from cyclopts import run
from results_page import PAGE, bold_best, make_table, write_results

from einnet.tasks.arc.benchmark import report_outcomes, run_puzzles
from einnet.tasks.arc.grids import load_puzzles

SETS = {
    (1, "training"): ("developed on", 34.75),
    (1, "evaluation"): ("run once", 20),
    (2, "evaluation"): ("run once", None),
}
TIMES = (0.5, 1, 2, 5)  # seconds, and the limit


def main(*, seconds: float = 10, processes: int | None = None, out: Path = Path("runs"), page: Path = PAGE) -> None:
    """Attempt the sets and write the tables."""
    rows, within, causes, section = [], [], [], []
    for (version, subset), (usage, published) in SETS.items():
        name = f"ARC-AGI-{version}, {subset}"
        puzzles, folder = load_puzzles(subset, version), out / f"arc-{version}-{subset}"
        results = run_puzzles(puzzles, folder, seconds, networks=True, processes=processes)
        summary = report_outcomes(puzzles, results, f"{name} set", folder, as_json=False)
        number, solved = len(results), summary["solved"]
        percent, average = 100 * solved / number, f"{summary['seconds'] / number:.1f}"
        networks = sum(any(a["right"] and a["network"] for a in r["attempts"]) for r in results.values())
        counts = [number, f"**{solved}**", f"{percent:.2f}", networks, summary["attempted"]]
        rows.append([name, *counts, average, published or ""])
        within.append([name, *(sum(r["seconds"] <= t for r in results.values() if r["solved"]) for t in TIMES), solved])
        causes.append([name, *summary["failures"].values()])
        own, peer = bold_best([f"{percent:.2f}", str(published or "")])
        how = f" ({solved} tasks, {average} seconds on average)" * bool(solved)
        section.append([f"ARC-AGI-{version} {subset} ({number}; {usage})", own + how, peer])
        print(rows[-1], flush=True)
    lines = [
        "# ARC-AGI", "",
        f"`benchmarks/arc.py`: tasks of which all tests are exactly right in one of two attempts, at most {seconds:g} "
        "seconds of one core for each task. Nothing was learned from other tasks; the views and symmetries that are "
        "tried were chosen by looking at tasks of the training set.", "",
        *make_table(
            ["set", "tasks", "solved", "percent", "by a network", "attempted", "seconds a task",
             "CompressARC \\[1], percent"], rows,
        ), "",
        "Solved within so many seconds a task:", "",
        *make_table(["set", *(f"{t:g}" for t in TIMES), f"{seconds:g}, the limit"], within), "",
        "Why the others are not:", "",
        *make_table(["set", *summary["failures"]], causes), "",
        "\\[1] Liao and Gu, *ARC-AGI Without Pretraining*, 2025: about 20 minutes a task on a GPU.",
    ]  # fmt: skip
    head = ["set", f"EinNet, at most {seconds:g} seconds of one CPU core a task",
            "CompressARC \\[9], about 20 minutes of a GPU a task"]  # fmt: skip
    write_results("arc", lines, make_table(head, section), page)


if __name__ == "__main__":
    run(main)
