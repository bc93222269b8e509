"""Puzzles as people give them, and what can be said of each: solved, or why not."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from math import isqrt
from pathlib import Path
from typing import Any

import numpy as np

from einnet.errors import DataError
from einnet.nn import EinNet
from einnet.tasks.sudoku.boards import Layout, clash, follows_rules, lines_of, numbered, read_board, read_lines, written
from einnet.tasks.sudoku.search import SearchError, solutions
from einnet.tasks.sudoku.solve import answers, in_batches, solved_with_restarts

__all__ = ["Verdict", "read_puzzles", "verdicts"]

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
    def solved(self) -> bool:
        return self.board is not None

    def line(self) -> str:
        """The solution as one line; the puzzle and the reason after a # where there is none."""
        return f"# {written(self.puzzle)} {self.reason}" if self.board is None else written(self.board)

    def as_json(self) -> dict[str, Any]:
        return {
            "puzzle": written(self.puzzle),
            "solved": self.solved,
            "solution": None if self.board is None else written(self.board),
            "steps": None if self.settled is None else self.settled.tolist(),
            "search": self.solved and self.settled is None,
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
        source, lines = "standard input", list(numbered(_standard_input()))
    elif _exists(text):
        source, lines = text, list(lines_of(text))
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


def verdicts(net: EinNet, puzzles: np.ndarray, depth: int | None, tries: int) -> Iterator[Verdict]:
    """What the network answers to each puzzle, checked against the rules; an exact search counts solutions."""
    for batch in in_batches(puzzles):
        reasons = [_improper(puzzle) for puzzle in batch]
        proper = batch[[not r for r in reasons]]
        found = iter(_answered(net, proper, depth, tries) if len(proper) else ())
        for puzzle, reason in zip(batch, reasons, strict=True):
            yield Verdict(puzzle, reason) if reason else next(found)


def _answered(net: EinNet, puzzles: np.ndarray, depth: int | None, tries: int) -> Iterator[Verdict]:
    found = answers(net, puzzles, depth)
    boards = found.boards
    for tried in solved_with_restarts(net, puzzles, found, tries, depth):
        boards = tried
    at_once = (boards == found.boards).all((1, 2))
    for k, valid in enumerate(follows_rules(boards, puzzles)):
        if valid:
            yield Verdict(puzzles[k], "", boards[k], found.settled[k] if at_once[k] else None)
        else:
            broken = clash(boards[k]) or "a given is not kept"
            reason = f"not solved: in the network's answer {broken} (more --depth or --tries may help)"
            yield Verdict(puzzles[k], reason)


def _improper(puzzle: np.ndarray) -> str:
    """Why this is no puzzle with one solution; empty if it is, or if that takes too long to find out."""
    if found := clash(puzzle):
        return f"the givens clash: {found}"
    try:
        number = len(solutions(puzzle, most=2, guesses=GUESSES * 81 // puzzle.size))
    except SearchError:
        return ""
    return ("the puzzle has no solution", "", "the puzzle has more than one solution")[number]
