"""Measures the search that the network guides: the section of benchmarks/sudoku.md that it replaces, and a picture.

    .venv/bin/python benchmarks/sudoku_search.py --data FOLDER

FOLDER has the sets as files of `puzzle,solution` lines. Each set is measured once; its result is kept in --out, and
the table has all that are there. --boards takes evenly spaced boards instead of all.
A plain search takes the cell with the fewest candidates, its digits in order, and propagates singles; that of the
package propagates locked candidates too, as the guided one does.
"""

import json
import random
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from cyclopts import run
from results_page import FOLDER, draw_curves, make_table, replace_section

from einnet.tasks.sudoku.boards import Layout, read_file
from einnet.tasks.sudoku.generate import make_puzzle
from einnet.tasks.sudoku.guided import solve_puzzles
from einnet.tasks.sudoku.search import Search, SearchError
from einnet.tasks.sudoku.solve import load_solver

__all__ = ["measure_sets"]

HARD = "hard (magictour)"
FILES = {  # file, rows
    HARD: ("hard_magictour_top1465.txt.gz", slice(None)),
    "17 clues (Royle), the first 2,000": ("royle17_trainpool.txt.gz", slice(2000)),
    "sudokuexchange, all grades": ("sudokuexchange_all_3000.txt.gz", slice(None)),
    "nullsudoku, expert": ("nullsudoku_expert_5000.txt.gz", slice(None)),
    "nullsudoku, intermediate": ("nullsudoku_intermediate_5000.txt.gz", slice(None)),
    "nullsudoku, easy": ("nullsudoku_easy_5000.txt.gz", slice(None)),
    "nullsudoku, simple": ("nullsudoku_simple_5000.txt.gz", slice(None)),
    "16x16, no given to spare": ("gen16x16_singles_irreducible_1000.txt.gz", slice(0, None, 20)),
}
GENERATED = "16x16, 100 givens, generated"  # most of them need guesses
BOARDS, GIVENS, SEED = 20, 100, 5
PLAIN_LIMIT = 20_000  # guesses of the plain search
Boards = tuple[np.ndarray, np.ndarray]  # puzzles and solutions


def load_set(name: str, data: Path) -> Boards | None:
    """The boards of a set; None where its file is missing."""
    if name == GENERATED:
        pairs = [make_puzzle(Layout.of(16), random.Random(f"{SEED} {k}"), GIVENS) for k in range(BOARDS)]
        puzzles, solutions = map(np.stack, zip(*pairs, strict=True))
        return puzzles, solutions
    file, rows = FILES[name]
    if not (data / file).is_file():
        return None
    puzzles, solutions = read_file(data / file)
    if solutions is None:
        raise SystemExit(f"{data / file} has no solutions")
    return puzzles[rows], solutions[rows]


class PlainSearch(Search):
    """A search that propagates naked and hidden singles only."""

    def find_locked(self, unit: int, places: list[int]) -> list[int]:
        return []


def count_plainly(puzzle: np.ndarray, kind: type[Search]) -> tuple[int, int]:
    """Guesses of a search without network until it has the solution, and until it is known to be the only one."""
    search = kind(Layout.of(len(puzzle)), guesses=PLAIN_LIMIT)
    completions = search.solve(search.start(puzzle) or [])
    try:
        next(completions)
        first = search.guesses
        next(completions, None)
    except SearchError:
        return (search.guesses, search.guesses)
    return first, search.guesses


def measure_set(puzzles: np.ndarray, solutions: np.ndarray) -> dict:
    """What the guided and the plain search need for the boards of a set."""
    start = time.perf_counter()
    outcomes = list(solve_puzzles(load_solver(), puzzles))
    seconds = time.perf_counter() - start
    pairs = zip(outcomes, solutions, strict=True)
    right = [o.is_decided and len(o.solutions) == 1 and np.array_equal(o.solutions[0], s) for o, s in pairs]
    return {
        "boards": len(puzzles),
        "solved": sum(right),
        "in one pass": sum(outcome.settled is not None for outcome in outcomes),
        "guesses": [outcome.guesses for outcome in outcomes],
        "checks": [outcome.checks for outcome in outcomes],
        "plain": [count_plainly(puzzle, PlainSearch) for puzzle in puzzles],
        "locked": [count_plainly(puzzle, Search) for puzzle in puzzles],
        "seconds": seconds,
        "threads": torch.get_num_threads(),
    }


def measure_sets(data: Path, names: Sequence[str], out: Path, boards: int | None = None) -> dict[str, dict]:
    """The results of all sets that are measured; first measures some that are in the folder, if they are not."""
    results = {}
    for name in (*FILES, GENERATED):
        file = out / f"search {name.replace(',', '')}.json"
        if name in names and not file.is_file() and (pair := load_set(name, data)) is not None:
            step = max(1, len(pair[0]) // boards) if boards else 1
            file.write_text(json.dumps(measure_set(*(part[::step] for part in pair))), encoding="utf-8")
        if file.is_file():
            results[name] = json.loads(file.read_text(encoding="utf-8"))
            print(*tabulate({name: results[name]})[2:], flush=True)
    return results


def tabulate(results: dict[str, dict]) -> list[str]:
    rows = []
    for name, result in results.items():
        (first, total), (first_locked, total_locked) = (np.mean(result[key], 0) for key in ("plain", "locked"))
        guesses, checks = np.mean(result["guesses"]), np.mean(result["checks"])
        seconds = result["seconds"] / result["boards"]
        counts = [f"{result[key]:,}" for key in ("boards", "solved", "in one pass")]
        numbers = [f"{x:.2f}" for x in (guesses, first, first_locked, guesses + checks, total, total_locked)]
        rows.append([name, *counts, *numbers, f"{seconds:.3f}"])
    head = ["boards", "number", "solved", "in one pass", "guesses to the solution", "plain", "and locked"]
    return make_table([*head, "until it is known to be the only one", "plain", "and locked", "seconds a board"], rows)


def draw(result: dict, file: Path) -> None:
    """The share of boards solved with at most so many guesses."""
    last = 100
    shares = [
        [float(np.mean(np.array(guesses) <= k)) for k in range(last + 1)]
        for guesses in (result["guesses"], [first for first, _ in result["plain"]])
    ]
    curves = {name: (range(last + 1), y) for name, y in zip(("guided by the network", "plain"), shares, strict=True)}
    label = f"solved of {result['boards']:,} hard boards"
    draw_curves(file, curves, "linear", xlabel="guesses", ylabel=label, ylim=(0, 1.02))


def main(
    *,
    data: Path,
    only: list[str] | None = None,
    boards: int | None = None,
    out: Path = Path("runs/benchmark-sudoku"),
    page: Path | None = None,
) -> None:
    """Measure the search on the sets of a folder, or on some of them."""
    out.mkdir(parents=True, exist_ok=True)
    results = measure_sets(data, only or [*FILES, GENERATED], out, boards)
    replace_section(page or FOLDER / "sudoku.md", "search", "\n".join(tabulate(results)))
    if HARD in results and page is None:
        draw(results[HARD], FOLDER / "sudoku.svg")


if __name__ == "__main__":
    run(main)
