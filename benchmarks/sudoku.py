"""Measures the Sudoku solver, learns from a hundred puzzles and from ten; writes benchmarks/sudoku.md and a picture.

    .venv/bin/python benchmarks/sudoku.py --data FOLDER      # half an hour on two cores, half of it with --boards 400

FOLDER has the sets as files of `puzzle,solution` lines (`SETS` below says which are looked for); a set that is
not there is left out. The solver is the one that comes with the package unless --checkpoint names a
run; --palm names a run that learned from Palm-style puzzles (`einnet train sudoku --data
royle17_trainpool.txt.gz --puzzles 10000 --more 17 --iterations 128 --steps 100000 --minutes 28`). Runs
that are there already (in --out) are not trained again. Plain logic is not learned.
"""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from cyclopts import run
from runs import trained_once

from einnet import EinNet
from einnet.files import write_whole
from einnet.plots.figures import pyplot, save_figure
from einnet.tasks.sudoku.app import SudokuApp, SudokuConfig
from einnet.tasks.sudoku.boards import Layout, read_file
from einnet.tasks.sudoku.generate import generate_puzzles
from einnet.tasks.sudoku.network import encode_boards
from einnet.tasks.sudoku.search import share_solved_by_singles
from einnet.tasks.sudoku.solve import (
    SHIPPED,
    Answers,
    accuracy_by_iterations,
    answers,
    load_solver,
    search_with_restarts,
    to_batches,
)
from einnet.train import Run, Task

PALM, SATNET, HARD = "rrn_valid_18000.txt.gz", "satnet9x9_10000.txt.gz", "hard_magictour_top1465.txt.gz"
SETS = [  # what, file, rows, published
    ("Palm-style, 17 to 34 givens", PALM, slice(None), "99.1 \\[5]; 80 to 85 \\[2]"),
    ("of these with 17 givens", PALM, 17, "96.6, 180,000 puzzles \\[1]"),
    ("SATNet's test boards", SATNET, slice(9000, None), "98.3 SATNet, 9,000 puzzles \\[4]"),
    ("17 clues (Royle)", "royle17_trainpool.txt.gz", slice(-1000, None), ""),
    ("hard (magictour)", HARD, slice(None), ""),
    ("nullsudoku, intermediate", "nullsudoku_intermediate_5000.txt.gz", slice(1000), ""),
    ("nullsudoku, expert", "nullsudoku_expert_5000.txt.gz", slice(1000), ""),
    ("sudokuexchange, all grades", "sudokuexchange_all_3000.txt.gz", slice(None), ""),
    ("4x4", "gen4x4_unique_10000.txt.gz", slice(None), "95.5, a symbol-equivariant model \\[3]"),
    ("16x16, 140 givens", "gen16x16_singles_givens140_1000.txt.gz", slice(None), "27 eq. RRN \\[5]; 0 \\[3]"),
    ("16x16, no given to spare", "gen16x16_singles_irreducible_1000.txt.gz", slice(None), ""),
    ("25x25, 380 givens", "gen25x25_singles_givens380_150.txt.gz", slice(None), "0 \\[3]"),
]  # fmt: skip
DEPTHS = (64, 128, 256)  # boards were 60 steps deep at most in training


def chosen(file: Path, rows: slice | int) -> tuple[np.ndarray, np.ndarray]:
    """Puzzles and solutions of some rows, or with a number of givens."""
    puzzles, solutions = read_file(file)
    if solutions is None:
        raise SystemExit(f"{file} has no solutions")
    if isinstance(rows, int):
        some = (puzzles > 0).sum((1, 2)) == rows
        return puzzles[some], solutions[some]
    return puzzles[rows], solutions[rows]


def boards_a_second(net: EinNet, puzzles: np.ndarray, batch: int, seconds: float = 15) -> float:
    """Boards a second, one pass at the network's own depth."""
    given = encode_boards(torch.from_numpy(puzzles[:batch]))
    with torch.inference_mode():
        net(given)
        started, done = time.perf_counter(), 0
        while time.perf_counter() - started < seconds:
            net(given)
            done += batch
    return done / (time.perf_counter() - started)


def learned(name: str, settings: SudokuConfig, minutes: float, out: Path) -> Run:
    """A run as by `einnet train sudoku --steps 100000 --minutes ...`, or the one that is there already."""

    app = SudokuApp()

    def make(run: Run) -> Callable[[], Task]:
        data = app.load_data(settings, 0, run)
        return lambda: app.make_task(settings, data, 0)

    how = {"steps": 100_000, "validate_every": app.validate_every, "warmup": 50, "clip": 0.5}
    return trained_once(name, "sudoku", settings, minutes, out, make, **how)


def sample(puzzles: np.ndarray, solutions: np.ndarray, boards: int) -> tuple[np.ndarray, np.ndarray]:
    """Evenly spaced boards, as many as take about the time of so many of 9x9, but 50."""
    most = max(50, boards * 9**3 // puzzles.shape[1] ** 3)
    step = max(1, -(-len(puzzles) // most))
    return puzzles[::step], solutions[::step]


def sets_table(net: EinNet, data: Path, boards: int) -> list[str]:
    heads = [
        "boards",
        "number",
        *(f"EinNet, {d} steps" for d in DEPTHS),
        "naked singles",
        "and hidden ones",
        "published",
    ]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for name, file, rows, published in SETS:
        if not (data / file).is_file():
            continue
        puzzles, solutions = sample(*chosen(data / file, rows), boards)
        if not len(puzzles):
            continue
        shares = list(accuracy_by_iterations(net, puzzles, solutions, DEPTHS).values())
        shares += [share_solved_by_singles(puzzles, solutions, hidden) for hidden in (False, True)]
        cells = [name, f"{len(puzzles):,}", *(f"{100 * x:.2f}" for x in shares), published]
        lines.append(f"| {' | '.join(cells)} |")
        print(lines[-1], flush=True)
    return lines


def palm_table(checkpoint: Path | None, data: Path, boards: int) -> list[str]:
    """A run that learned from Palm-style puzzles, on others."""
    if checkpoint is None or not (data / PALM).is_file():
        return []
    net = load_solver(Run.open(checkpoint, "sudoku").best)
    lines = [
        "The same network, learned from 10,000 Palm-style puzzles instead:", "",
        f"| boards | number | {' | '.join(f'{d} steps' for d in DEPTHS)} |", "|---" * (2 + len(DEPTHS)) + "|",
    ]  # fmt: skip
    for name, file, rows, _ in SETS[:2]:
        puzzles, solutions = sample(*chosen(data / file, rows), boards)
        shares = accuracy_by_iterations(net, puzzles, solutions, DEPTHS).values()
        lines.append(f"| {name} | {len(puzzles):,} | {' | '.join(f'{100 * x:.2f}' for x in shares)} |")
        print(lines[-1], flush=True)
    return [*lines, ""]


def few_table(data: Path, minutes: float, out: Path) -> list[str]:
    """Learning from few of SATNet's puzzles."""
    if not (data / SATNET).is_file():
        return []
    puzzles, solutions = chosen(data / SATNET, slice(9000, None))
    lines = ["| puzzles to learn from | parameters | whole boards right |", "|---|---|---|"]
    for number, time_given in ((100, minutes), (10, minutes / 2)):
        settings = SudokuConfig(data=str(data / SATNET), puzzles=number, more=10, copies=50, hidden=16, heads=8)
        net = load_solver(learned(f"satnet-{number}", settings, time_given, out).best)
        (share,) = accuracy_by_iterations(net, puzzles, solutions, [net.config.iterations]).values()
        size = sum(p.numel() for p in net.parameters())
        lines.append(f"| {number} | {size:,} | **{100 * share:.2f}** |")
        print(lines[-1], flush=True)
    return [
        *lines, "| 9,000, SATNet \\[4] | 618,000 | 98.3 |", "| 9,000, Recurrent Transformer \\[2] | | 100 |",
    ]  # fmt: skip


def search_curve(net: EinNet, data: Path, picture: Path, tries: int, boards: int) -> list[str]:
    """Hard boards: one pass, then restarts that check the answer against the rules."""
    if not (data / HARD).is_file():
        return []
    puzzles, solutions = sample(*chosen(data / HARD, slice(None)), boards)
    started = time.perf_counter()
    first = Answers.concat([answers(net, batch) for batch in to_batches(puzzles)])
    points = [(time.perf_counter() - started, float((first.boards == solutions).all((1, 2)).mean()))]
    for tried in search_with_restarts(net, puzzles, first, tries):
        points.append((time.perf_counter() - started, float((tried == solutions).all((1, 2)).mean())))
    plt = pyplot()
    figure, panel = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
    panel.plot(*zip(*points, strict=True), marker=".")
    panel.set(xlabel="seconds", ylabel=f"solved of {len(puzzles):,} hard boards", ylim=(0, 1.02))
    save_figure(figure, picture)
    plt.close(figure)
    shown = [0, *(k for k in (1, 4, 16, 64) if k < tries), tries]
    return [
        "| tries | 0, one pass | " + " | ".join(map(str, shown[1:])) + " |", "|---" * (1 + len(shown)) + "|",
        "| solved | " + " | ".join(f"{100 * points[k][1]:.2f}" for k in shown) + " |",
        "| seconds | " + " | ".join(f"{points[k][0]:.0f}" for k in shown) + " |",
    ]  # fmt: skip


def main(
    *, data: Path, checkpoint: Path | None = None, palm: Path | None = None, minutes: float = 1.2, tries: int = 12,
    boards: int = 1000,
    out: Path = Path("runs/benchmark-sudoku"),
) -> None:  # fmt: skip
    """Measure, learn from few, write the tables and the picture."""
    out.mkdir(parents=True, exist_ok=True)
    net = load_solver(SHIPPED if checkpoint is None else Run.open(checkpoint, "sudoku").best)
    folder = Path(__file__).parent
    few = few_table(data, minutes, out)
    some = generate_puzzles(Layout.of(9), 256, seed=1)[0]
    speeds = " | ".join(f"{boards_a_second(net, some, batch):,.0f}" for batch in (1, 256))
    parameters = sum(p.numel() for p in net.parameters())
    threads = f"{torch.get_num_threads()} threads"
    lines = [
        "# Sudoku", "",
        f"`benchmarks/sudoku.py --data FOLDER`: percent of whole boards that are right. The solver ({parameters:,} "
        "parameters) learned from 9x9 puzzles of our own generator only; one pass at a fixed depth, no search; "
        f"{boards:,} boards of a 9x9 set at most, evenly spaced, more of smaller ones and fewer of larger ones.", "",
        *sets_table(net, data, boards), "", *palm_table(palm, data, boards),
        "Hard boards with restarts that check the answer against the rules, which is search:", "",
        *search_curve(net, data, folder / "sudoku.svg", tries, boards), "", "![Solved against time](sudoku.svg)", "",
        f"Learning from the first of SATNet's puzzles, {minutes:g} minutes (half of it for ten puzzles) on {threads}, "
        "1,000 test boards:", "",
        *few, "",
        f"Boards a second, {net.config.iterations} steps, {threads}:", "",
        "| batch 1 | batch 256 |", "|---|---|", f"| {speeds} |", "",
        "\\[1] Palm et al., *Recurrent Relational Networks*, 2018. \\[2] Yang et al., *Learning to Solve Constraint "
        "Satisfaction Problems with Recurrent Transformer*, 2023. \\[3] Freinschlag et al., *Symbol-Equivariant "
        "Recurrent Reasoning Models*, 2026, 2 million parameters. \\[4] Wang et al., *SATNet*, 2019. \\[5] An "
        "equivariant RRN that learned from 10,000 puzzles; quoted at second hand.",
    ]  # fmt: skip
    with write_whole(folder / "sudoku.md") as temporary:
        temporary.write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    run(main)
