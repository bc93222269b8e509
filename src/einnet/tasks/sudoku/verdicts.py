"""Puzzles as people give them, the verdict on each (solved, or why not), and how it is printed and drawn."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from math import isqrt
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from einnet.errors import DataError
from einnet.nn import RecurrentNet
from einnet.tasks.sudoku.boards import (
    Layout,
    clash,
    follows_rules,
    format_board,
    number_lines,
    read_board,
    read_lines,
    read_numbered_lines,
)
from einnet.tasks.sudoku.drawing import draw_steps, format_grid, format_steps
from einnet.tasks.sudoku.search import SearchError, solutions
from einnet.tasks.sudoku.solve import answers, search_with_restarts, to_batches

__all__ = ["Verdict", "draw_verdict", "judge", "print_verdict", "read_puzzles"]

GUESSES = 2000  # of the exact search that counts solutions, on a board of 9x9; fewer where each takes longer


@dataclass(frozen=True)
class Verdict:
    """A puzzle, and its solution by the network or the reason why there is none.

    `settled` has the step after which each cell stayed as it is; None for a solution found by search.
    """

    puzzle: np.ndarray
    reason: str
    board: np.ndarray | None = None
    settled: np.ndarray | None = None

    @property
    def is_solved(self) -> bool:
        return self.board is not None

    def as_line(self) -> str:
        """The solution as one line; the puzzle and the reason after a # where there is none."""
        return f"# {format_board(self.puzzle)} {self.reason}" if self.board is None else format_board(self.board)

    def as_json(self) -> dict[str, Any]:
        return {
            "puzzle": format_board(self.puzzle),
            "solved": self.is_solved,
            "solution": None if self.board is None else format_board(self.board),
            "steps": None if self.settled is None else self.settled.tolist(),
            "search": self.is_solved and self.settled is None,
            "reason": self.reason or None,
        }


def read_puzzles(text: str | None) -> np.ndarray:
    """The puzzles (number, n, n) of a line of cells, of a file, or of standard input for None.

    A file, or standard input, may also hold one board with a row on each line, where a row is not a
    board of its own.
    """
    if text is not None and not text.strip():
        raise DataError("expected a puzzle or a file, got an empty text (without one, standard input is read)")
    if text is None:
        source, lines = "standard input", list(number_lines(_standard_input()))
    elif _exists(text):
        source, lines = text, list(read_numbered_lines(text))
    elif "/" in text or text.endswith((".txt", ".csv", ".gz")):
        raise DataError(f"no file at {text}")
    else:
        return read_board(text)[None]
    rows = ["".join(line.split()) for _, line in lines]
    square = bool(rows) and all(len(row) == len(rows) and "," not in row for row in rows)
    if square and Layout.exists(len(rows)) and not _is_board(len(rows)):
        return read_board("".join(rows), source)[None]
    return read_lines(lines, source)[0]


def _is_board(cells: int) -> bool:
    return isqrt(cells) ** 2 == cells and Layout.exists(isqrt(cells))


def _exists(text: str) -> bool:
    try:
        return Path(text).exists()
    except (OSError, ValueError):  # too long for a name, or no name at all
        return False


def _standard_input() -> str:
    try:
        return "" if sys.stdin is None else sys.stdin.read().removeprefix("\ufeff")
    except ValueError as error:
        raise DataError(f"standard input cannot be read: {error}") from None


def judge(net: RecurrentNet, puzzles: np.ndarray, iterations: int | None, tries: int) -> Iterator[Verdict]:
    """What the network answers to each puzzle, checked against the rules; an exact search counts solutions."""
    for batch in to_batches(puzzles):
        reasons = [_find_flaw(puzzle) for puzzle in batch]
        proper = batch[[not r for r in reasons]]
        verdicts = iter(_answer(net, proper, iterations, tries) if len(proper) else ())
        for puzzle, reason in zip(batch, reasons, strict=True):
            yield Verdict(puzzle, reason) if reason else next(verdicts)


def _answer(net: RecurrentNet, puzzles: np.ndarray, iterations: int | None, tries: int) -> Iterator[Verdict]:
    first = answers(net, puzzles, iterations)
    boards = first.boards
    for boards in search_with_restarts(net, puzzles, first, tries, iterations):  # noqa: B007  (the last)
        pass
    at_once = (boards == first.boards).all((1, 2))
    for k, valid in enumerate(follows_rules(boards, puzzles)):
        if valid:
            yield Verdict(puzzles[k], "", boards[k], first.settled[k] if at_once[k] else None)
        else:
            broken = clash(boards[k]) or "a given is not kept"
            reason = f"not solved: in the network's answer {broken} (more --iterations or --tries may help)"
            yield Verdict(puzzles[k], reason)


def _find_flaw(puzzle: np.ndarray) -> str:
    """Why this is no puzzle with one solution; empty if it is, or if that takes too long to find out."""
    if problem := clash(puzzle):
        return f"the givens clash: {problem}"
    try:
        number = len(solutions(puzzle, limit=2, guesses=GUESSES * 81 // puzzle.size))
    except SearchError:
        return ""
    return ("the puzzle has no solution", "", "the puzzle has more than one solution")[number]


def draw_verdict(verdict: Verdict, picture: Path) -> bool:
    """Draws the steps of an answer; False if one pass of the network did not give it."""
    if verdict.board is None or verdict.settled is None:
        return False
    draw_steps(verdict.board, verdict.settled, verdict.puzzle, picture)
    return True


def print_verdict(verdict: Verdict, steps: bool) -> None:
    """The board with its steps, or why there is none."""
    console = Console(soft_wrap=True)
    if verdict.board is None:
        console.print(format_grid(verdict.puzzle, verdict.puzzle))
        console.print(verdict.reason, highlight=False)
        return
    console.print(format_grid(verdict.board, verdict.puzzle))
    if verdict.settled is None:
        console.print("found by search: one pass of the network broke a rule", highlight=False)
    elif steps:
        console.print("\nthe step at which each cell got its digit:", highlight=False)
        console.print(format_steps(verdict.settled, verdict.puzzle))
