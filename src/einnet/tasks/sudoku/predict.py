"""Puzzles as people give them, and what can be said of each: solved, or why not."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from einnet.errors import DataError
from einnet.nn import EinNet
from einnet.tasks.sudoku.boards import clash, follows_rules, numbered, read_board, read_file, read_lines, written
from einnet.tasks.sudoku.search import SearchError, solutions
from einnet.tasks.sudoku.solve import answers, in_batches, solved_with_restarts

__all__ = ["Verdict", "asked", "verdicts"]

GUESSES = 2000  # of the exact search that counts solutions


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
        """The solution as one line; the reason after a # where there is none."""
        return f"# {self.reason}" if self.board is None else written(self.board)

    def as_json(self) -> dict[str, Any]:
        return {
            "puzzle": written(self.puzzle),
            "solved": self.solved,
            "solution": None if self.board is None else written(self.board),
            "steps": None if self.settled is None else self.settled.tolist(),
            "reason": self.reason or None,
        }


def asked(text: str) -> np.ndarray:
    """The puzzles (number, n, n) of a line of cells, of a file, or of standard input for "-".

    A file, or standard input, may also hold one board with a row on each line.
    """
    if text != "-" and not _is_file(text):
        if "/" in text or text.endswith((".txt", ".csv", ".gz")):
            raise DataError(f"no file at {text}")
        return read_board(text)[None]
    if text == "-":
        source, lines = "standard input", list(numbered(sys.stdin.read()))
    elif text.endswith(".gz"):
        return read_file(text)[0]
    else:
        source, lines = text, list(numbered(_content(Path(text))))
    if len(lines) > 3 and all(len("".join(line.split())) == len(lines) for _, line in lines):
        return read_board("".join(line for _, line in lines), source)[None]
    return read_lines(lines, source)[0]


def _is_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except OSError:  # too long for a name
        return False


def _content(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {error}") from None


def verdicts(net: EinNet, puzzles: np.ndarray, depth: int | None, tries: int) -> Iterator[Verdict]:
    """What the network answers to each puzzle, checked against the rules; an exact search counts solutions."""
    for batch in in_batches(puzzles):
        found = answers(net, batch, depth)
        boards = found.boards
        for tried in solved_with_restarts(net, batch, boards, found.chances, tries, depth):
            boards = tried
        right = follows_rules(boards, batch)
        at_once = (boards == found.boards).all((1, 2))
        for k, (puzzle, board, valid) in enumerate(zip(batch, boards, right, strict=True)):
            if reason := _improper(puzzle):
                yield Verdict(puzzle, reason)
            elif not valid:
                broken = clash(board) or "a given is not kept"
                yield Verdict(
                    puzzle, f"not solved: in the network's answer {broken} (more --depth or --tries may help)"
                )
            else:
                yield Verdict(puzzle, "", board, found.settled[k] if at_once[k] else None)


def _improper(puzzle: np.ndarray) -> str:
    """Why this is no puzzle with one solution; empty if it is, or if that takes too long to find out."""
    if found := clash(puzzle):
        return f"the givens clash: {found}"
    try:
        number = len(solutions(puzzle, most=2, guesses=GUESSES))
    except SearchError:
        return ""
    return ("the puzzle has no solution", "", "the puzzle has more than one solution")[number]
