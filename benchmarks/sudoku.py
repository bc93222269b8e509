"""Measures the Sudoku solver, learns from a hundred puzzles and from ten; writes benchmarks/sudoku.md and a picture.

    .venv/bin/python benchmarks/sudoku.py --data FOLDER      # half an hour on two cores, half of it with --boards 400

FOLDER has the sets as files of `puzzle,solution` lines (`SETS` below lists them); a missing set is left out. The
solver is that of the package unless --checkpoint names a run; --palm names a run that learned from
Palm-style puzzles (`einnet train sudoku --data royle17_trainpool.txt.gz --puzzles 10000 --more 17
--iterations 128 --steps 100000 --minutes 28`). Runs in --out are not trained again. Plain logic is not learned.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import median

import numpy as np
import torch
from cyclopts import run
from measure import time_in_turns
from results_page import FOLDER, PAGE, make_table, write_results
from runs import train_once
from singles import share_solved_by_singles
from sudoku_search import FILES, GENERATED, HARD, draw, measure_sets, tabulate

from einnet.nn import RecurrentNet
from einnet.tasks.sudoku.app import SudokuApp, SudokuConfig
from einnet.tasks.sudoku.boards import Layout, read_file
from einnet.tasks.sudoku.generate import count_guesses, generate_puzzles
from einnet.tasks.sudoku.network import encode_boards
from einnet.tasks.sudoku.solve import (
    SHIPPED,
    accuracy_by_iterations,
    load_solver,
)
from einnet.train import Run, Task

PALM, SATNET = "rrn_valid_18000.txt.gz", "satnet9x9_10000.txt.gz"
SETS = [  # what, file, rows, published
    ("Palm-style, 17 to 34 givens", PALM, slice(None), "99.1 \\[5]; 80 to 85 \\[2]"),
    ("of these with 17 givens", PALM, 17, "96.6, 180,000 puzzles \\[1]"),
    ("SATNet's test boards", SATNET, slice(9000, None), "98.3 SATNet, 9,000 puzzles \\[4]"),
    ("17 clues (Royle)", "royle17_trainpool.txt.gz", slice(-1000, None), ""),
    (HARD, "hard_magictour_top1465.txt.gz", slice(None), ""),
    ("nullsudoku, intermediate", "nullsudoku_intermediate_5000.txt.gz", slice(1000), ""),
    ("nullsudoku, expert", "nullsudoku_expert_5000.txt.gz", slice(1000), ""),
    ("sudokuexchange, all grades", "sudokuexchange_all_3000.txt.gz", slice(None), ""),
    ("4x4", "gen4x4_unique_10000.txt.gz", slice(None), "95.5, a symbol-equivariant model \\[3]"),
    ("16x16, 140 givens", "gen16x16_singles_givens140_1000.txt.gz", slice(None), "27 eq. RRN \\[5]; 0 \\[3]"),
    ("16x16, no given to spare", "gen16x16_singles_irreducible_1000.txt.gz", slice(None), ""),
    ("25x25, 380 givens", "gen25x25_singles_givens380_150.txt.gz", slice(None), "0 \\[3]"),
]  # fmt: skip
OWN = "9x9, no given to spare, generated"
GRADES = {  # of generated puzzles that were changed to be harder: the guesses of a plain search
    "generated, 1 to 4 guesses": range(1, 5),
    "generated, 5 to 16 guesses": range(5, 17),
    "generated, 17 guesses or more": range(17, 100_000),
}
OWN_SEED, VARIATIONS = 6, 20  # no run learned from puzzles of this seed
DEPTHS = (64, 128, 256)  # boards were 60 steps deep at most in training
PASS = 128  # the depth in the page of results
GENERATOR = "5,000 puzzles of EinNet's own generator (the solver of the package)"
SATNET_PEERS = (
    "98.3 SATNet \\[5], 9,000 puzzles and 618 thousand parameters; 100 Recurrent Transformer \\[6], 9,000 puzzles"
)
PALM_SETS = ("Palm-style, 17 to 34 givens", "of these with 17 givens")
PEERS = {  # by set, for the page of results
    "Palm-style, 17 to 34 givens": "99.1 equivariant RRN, 10,000 puzzles, as cited by others; 80 to 85 Recurrent "
    "Transformer \\[6], 9,000 puzzles",
    "of these with 17 givens": "96.6 Recurrent Relational Network \\[7], 180,000 puzzles",
    "4x4": "95.5 SE-RRM \\[8], 2 million parameters",
    "16x16, 140 givens": "27 equivariant RRN, 0 SE-RRM \\[8]",
    "25x25, 380 givens": "0 SE-RRM \\[8]",
    OWN: "",
    HARD: "",
}

Boards = tuple[np.ndarray, np.ndarray]  # puzzles and solutions


def read_set(file: Path, rows: slice | int) -> Boards:
    """Puzzles and solutions of some rows, or with a number of givens."""
    puzzles, solutions = read_file(file)
    if solutions is None:
        raise SystemExit(f"{file} has no solutions")
    chosen = (puzzles > 0).sum((1, 2)) == rows if isinstance(rows, int) else rows
    return puzzles[chosen], solutions[chosen]


def sample(puzzles: np.ndarray, solutions: np.ndarray, boards: int) -> Boards:
    """Evenly spaced boards, at least 50, whose total time is about that of `boards` of 9x9."""
    limit = max(50, boards * 9**3 // puzzles.shape[1] ** 3)
    step = max(1, -(-len(puzzles) // limit))
    return puzzles[::step], solutions[::step]


def load_sets(data: Path, boards: int) -> dict[str, Boards]:
    """A sample of each set that is in the folder, and generated ones."""
    sets = {
        name: sample(*read_set(data / file, rows), boards) for name, file, rows, _ in SETS if (data / file).is_file()
    }
    return {name: pair for name, pair in (sets | generate_sets(boards)).items() if len(pair[0])}


def generate_sets(boards: int, processes: int | None = None) -> dict[str, Boards]:
    """Random puzzles without a given to spare; and harder ones near such puzzles, by their grade."""
    layout = Layout.of(9)
    sets = {OWN: generate_puzzles(layout, boards, OWN_SEED, processes)}
    puzzles, solutions = generate_puzzles(layout, boards, OWN_SEED + 1, processes, VARIATIONS)
    grades = np.array(list(map(count_guesses, puzzles)))
    for name, numbers in GRADES.items():
        chosen = (grades >= numbers.start) & (grades < numbers.stop)
        sets[name] = puzzles[chosen], solutions[chosen]
    return sets


def measure_depths(net: RecurrentNet, sets: dict[str, Boards], names: Iterable[str]) -> dict[str, list[float]]:
    """Percent of boards that are right after each depth, by set."""
    percents = {}
    for name in names:
        if name in sets:
            percents[name] = [100 * x for x in accuracy_by_iterations(net, *sets[name], DEPTHS).values()]
            print(name, *(f"{p:.2f}" for p in percents[name]), flush=True)
    return percents


def measure_speed(net: RecurrentNet, puzzles: np.ndarray, batch: int) -> float:
    """Boards a second, one pass at the network's own depth."""
    inputs = encode_boards(torch.from_numpy(puzzles[:batch]))
    with torch.inference_mode():
        (times,) = time_in_turns([lambda: net(inputs)], 15.0, max_rounds=1000)
    return batch / median(times)


def train(name: str, config: SudokuConfig, minutes: float, out: Path) -> Run:
    """A run as by `einnet train sudoku --steps 100000 --minutes ...`."""

    app = SudokuApp()

    def make(run: Run) -> Callable[[], Task]:
        data = app.load_data(config, 0, run)
        return lambda: app.make_task(config, data, 0)

    how = {"steps": 100_000, "validate_every": app.validate_every, "warmup": 50, "clip": 0.5}
    return train_once(name, "sudoku", config, minutes, out, make, **how)


def learn_from_few(data: Path, minutes: float, out: Path) -> list[tuple[int, float, int, float]]:
    """From 100 and 10 of SATNet's puzzles: their number, the minutes, parameters, percent of 1,000 boards right."""
    if not (data / SATNET).is_file():
        return []
    puzzles, solutions = read_set(data / SATNET, slice(9000, None))
    rows = []
    for number, limit in ((100, minutes), (10, minutes / 2)):
        config = SudokuConfig(data=str(data / SATNET), puzzles=number, more=10, copies=50, hidden=16, heads=8)
        net = load_solver(train(f"satnet-{number}", config, limit, out).best)
        (share,) = accuracy_by_iterations(net, puzzles, solutions, [net.config.iterations]).values()
        rows.append((number, limit, sum(p.numel() for p in net.parameters()), 100 * share))
        print(*rows[-1], flush=True)
    return rows


def tabulate_sets(sets: dict[str, Boards], percents: dict[str, list[float]]) -> list[str]:
    published, rows = {name: text for name, _, _, text in SETS} | dict.fromkeys((OWN, *GRADES), ""), []
    for name, values in percents.items():
        logic = [100 * share_solved_by_singles(*sets[name], hidden) for hidden in (False, True)]
        cells = [f"{p:.2f}" for p in (*values, *logic)]
        rows.append([name, f"{len(sets[name][0]):,}", *cells, published[name]])
    depths = [f"EinNet, {d} steps" for d in DEPTHS]
    return make_table(["boards", "number", *depths, "naked singles", "and hidden ones", "published"], rows)


def summarize(
    sets: dict[str, Boards],
    percents: dict[str, list[float]],
    palm: dict[str, list[float]],
    few: list[tuple[int, float, int, float]],
    hard: dict | None,
) -> list[str]:
    """The table of the page of results."""
    rows, depth = [], DEPTHS.index(PASS)
    for k, (number, minutes, _, percent) in enumerate(few):
        learned = f"{number} of its puzzles, {60 * minutes:.0f} seconds" + f" on {torch.get_num_threads()} cores" * (
            k == 0
        )
        rows.append(
            ["" if k else "SATNet's 1,000 test boards", learned, f"**{percent:.3g}**", "" if k else SATNET_PEERS]
        )
    sources = [
        (palm, "10,000 Palm-style puzzles, 28 minutes on one core", list(palm)),
        (percents, GENERATOR, list(PEERS)),
    ]
    for values, learned, names in sources:
        for k, name in enumerate(n for n in names if n in values):
            peers = PEERS[name] if values is palm or name not in palm else ""
            text = f"{values[name][depth]:.3g}"
            if name == HARD and hard:
                text += f", with search {100 * hard['solved'] / hard['boards']:.3g}"
            best = max((float(part.split()[0]) for part in peers.split("; ") if part), default=101)
            text = f"**{text}**" if float(f"{values[name][depth]:.3g}") >= best else text
            rows.append([f"{name} ({len(sets[name][0]):,})", "the same" if k else learned, text, peers])
    return make_table(["boards", "learned from", "EinNet", "peers"], rows)


def main(
    *,
    data: Path,
    checkpoint: Path | None = None,
    palm: Path | None = None,
    minutes: float = 1.2,
    boards: int = 1000,
    out: Path = Path("runs/benchmark-sudoku"),
    page: Path = PAGE,
) -> None:
    """Measure, learn from few puzzles, write the tables and the picture."""
    out.mkdir(parents=True, exist_ok=True)
    net = load_solver(SHIPPED if checkpoint is None else Run.open(checkpoint, "sudoku").best)
    few, sets = learn_from_few(data, minutes, out), load_sets(data, boards)
    percents = measure_depths(net, sets, sets)
    by_palm = measure_depths(load_solver(Run.open(palm, "sudoku").best), sets, PALM_SETS) if palm else {}
    searched = measure_sets(data, [*FILES, GENERATED], out)
    puzzles = generate_puzzles(Layout.of(9), 256, seed=1)[0]
    speeds = [f"{measure_speed(net, puzzles, batch):,.0f}" for batch in (1, 256)]
    threads = f"{torch.get_num_threads()} threads"
    parameters = sum(p.numel() for p in net.parameters())
    by_number = [[number, f"{size:,}", f"**{percent:.2f}**"] for number, _, size, percent in few]
    by_number += [["9,000, SATNet \\[4]", "618,000", "98.3"], ["9,000, Recurrent Transformer \\[2]", "", "100"]]
    palm_rows = [[n, f"{len(sets[n][0]):,}", *(f"{p:.2f}" for p in values)] for n, values in by_palm.items()]
    palm_lines = [
        "The same network, learned from 10,000 Palm-style puzzles instead:", "",
        *make_table(["boards", "number", *(f"{d} steps" for d in DEPTHS)], palm_rows), "",
    ] * bool(palm_rows)  # fmt: skip
    lines = [
        "# Sudoku", "",
        f"`benchmarks/sudoku.py --data FOLDER`: percent of whole boards that are right. The solver ({parameters:,} "
        "parameters) learned from generated 9x9 puzzles only; one pass at a fixed depth, no search; at most "
        f"{boards:,} boards of a 9x9 set, evenly spaced, more of smaller ones and fewer of larger ones.", "",
        *tabulate_sets(sets, percents), "",
        *palm_lines,
        "With the search that the network guides (`benchmarks/sudoku_search.py --data FOLDER` measures it alone), and "
        "with a plain one: the cell with the fewest candidates first, singles propagated; then locked candidates too, "
        "as in the guided search.", "",
        "<!-- search -->", *tabulate(searched), "<!-- /search -->", "", "![Solved against guesses](sudoku.svg)", "",
        f"Learning from the first of SATNet's puzzles, {minutes:g} minutes (half of it for ten puzzles) on {threads}, "
        "1,000 test boards:", "",
        *make_table(["puzzles to learn from", "parameters", "whole boards right"], by_number), "",
        f"Boards a second, {net.config.iterations} steps, {threads}:", "",
        *make_table(["batch 1", "batch 256"], [speeds]), "",
        "\\[1] Palm et al., *Recurrent Relational Networks*, 2018. \\[2] Yang et al., *Learning to Solve Constraint "
        "Satisfaction Problems with Recurrent Transformer*, 2023. \\[3] Freinschlag et al., *Symbol-Equivariant "
        "Recurrent Reasoning Models*, 2026, 2 million parameters. \\[4] Wang et al., *SATNet*, 2019. \\[5] An "
        "equivariant RRN that learned from 10,000 puzzles, as cited by a later paper.",
    ]  # fmt: skip
    write_results("sudoku", lines, summarize(sets, percents, by_palm, few, searched.get(HARD)), page)
    if HARD in searched:
        draw(searched[HARD], FOLDER / "sudoku.svg")


if __name__ == "__main__":
    run(main)
