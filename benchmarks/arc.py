"""ARC-AGI: solved tasks of the training and evaluation sets, with two attempts; writes benchmarks/arc.md.

    .venv/bin/python benchmarks/arc.py                  # 50 minutes on two cores

Each task is attempted by itself, from its own demonstrations; tasks that are done already (in --out)
are not attempted again. `einnet bench arc --set training` is one row of it.
"""

from pathlib import Path

from cyclopts import run

from einnet.files import write_whole
from einnet.tasks.arc.bench import measured
from einnet.tasks.arc.grids import load
from einnet.tasks.arc.report import written_summary

SETS = [(1, "training"), (1, "evaluation"), (2, "evaluation")]
TIMES = (0.5, 1, 2, 5)  # seconds, beside the limit
PUBLISHED = {(1, "training"): "34.75", (1, "evaluation"): "20"}


def main(*, seconds: float = 10, processes: int | None = None, out: Path = Path("runs")) -> None:
    """Attempt the sets and write the tables."""
    rows, within, causes = [], [], []
    for version, part in SETS:
        puzzles, folder = load(part, version), out / f"arc-{version}-{part}"
        found = measured(puzzles, folder, seconds, networks=True, processes=processes)
        total = written_summary(puzzles, found, f"ARC-AGI-{version}, {part} set", folder)
        number = len(found)
        name = f"ARC-AGI-{version}, {part}"
        nets = sum(any(a["right"] and a["network"] for a in r["attempts"]) for r in found.values())
        rows.append(
            f"| {name} | {number} | **{total['solved']}** | {100 * total['solved'] / number:.2f} | {nets} | "
            f"{total['attempted']} | {total['seconds'] / number:.1f} | {PUBLISHED.get((version, part), '')} |"
        )
        shares = [sum(r["seconds"] <= t for r in found.values() if r["solved"]) for t in TIMES]
        within.append(f"| {name} | {' | '.join(map(str, [*shares, total['solved']]))} |")
        causes.append(f"| {name} | {' | '.join(map(str, total['failures'].values()))} |")
        print(rows[-1], flush=True)
    lines = [
        "# ARC-AGI", "",
        f"`benchmarks/arc.py`: tasks of which all tests are exactly right in one of two attempts, {seconds:g} seconds "
        "of one core for each task at most. Nothing was learned from other tasks; the views and symmetries that are "
        "tried were chosen by looking at tasks of the training set.", "",
        "| set | tasks | solved | percent | by a network | attempted | seconds a task | CompressARC \\[1], percent |",
        "|---" * 8 + "|", *rows, "",
        "Solved within so many seconds a task:", "",
        f"| set | {' | '.join(f'{t:g}' for t in TIMES)} | {seconds:g}, the limit |",
        "|---" * (2 + len(TIMES)) + "|", *within, "",
        "Why the others are not:", "",
        f"| set | {' | '.join(total['failures'])} |", "|---" * (1 + len(total["failures"])) + "|", *causes, "",
        "\\[1] Liao and Gu, *ARC-AGI Without Pretraining*, 2025: about 20 minutes a task on a GPU.",
    ]  # fmt: skip
    with write_whole(Path(__file__).parent / "arc.md") as temporary:
        temporary.write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    run(main)
