"""The verdict on a puzzle (solved, or why not), and how it is printed and drawn."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from einnet.nn import RecurrentNet
from einnet.tasks.console import make_console
from einnet.tasks.sudoku.boards import clash, follows_rules, format_board
from einnet.tasks.sudoku.drawing import draw_steps, format_grid, format_steps
from einnet.tasks.sudoku.search import SearchError, solutions
from einnet.tasks.sudoku.solve import answers, search_with_restarts, to_batches

__all__ = ["Verdict", "draw_verdict", "judge", "print_verdict"]

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
    *_, boards = first.boards, *search_with_restarts(net, puzzles, first, tries, iterations)
    at_once = (boards == first.boards).all((1, 2))
    for k, valid in enumerate(follows_rules(boards, puzzles)):
        if valid:
            yield Verdict(puzzles[k], "", boards[k], first.settled[k] if at_once[k] else None)
        else:
            broken = clash(boards[k]) or "a given is not kept"
            hint = "more --iterations or --tries may help"
            yield Verdict(puzzles[k], f"not solved: in the network's answer {broken} ({hint})")


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
    console = make_console()
    console.soft_wrap = True
    if verdict.board is None:
        console.print(format_grid(verdict.puzzle, verdict.puzzle))
        console.print(verdict.reason)
        return
    console.print(format_grid(verdict.board, verdict.puzzle))
    if verdict.settled is None:
        console.print("found by search: one pass of the network broke a rule")
    elif steps:
        console.print("\nthe step at which each cell got its digit:")
        console.print(format_steps(verdict.settled, verdict.puzzle))
