"""The verdict on a puzzle (solved, or why not), and how it is printed and drawn."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from einnet.nn import RecurrentNet
from einnet.tasks.sudoku.boards import Entry, clash, follows_rules, format_board
from einnet.tasks.sudoku.drawing import draw_steps, format_grid, format_steps
from einnet.tasks.sudoku.search import SearchError, solutions
from einnet.tasks.sudoku.solve import answers, search_with_restarts, to_batches
from einnet.tasks.sudoku.symbols import Symbols

__all__ = ["Verdict", "draw_verdict", "judge", "print_verdict"]

GUESSES = 2000  # of the exact search that counts solutions, on a board of 9x9; fewer where each takes longer


@dataclass(frozen=True)
class Verdict:
    """A puzzle, and its solution by the network or the reason why there is none.

    `settled` has the step after which each cell stayed as it is; None for a solution found by search. The puzzle is
    None where a file has something that cannot be read.
    """

    puzzle: np.ndarray | None
    reason: str
    board: np.ndarray | None = None
    settled: np.ndarray | None = None
    symbols: Symbols | None = None

    @property
    def is_solved(self) -> bool:
        return self.board is not None

    def as_line(self) -> str:
        """The solution as one line; the puzzle and the reason after a # where there is none."""
        words = [self._format(self.puzzle) or "", self.reason] if self.board is None else []
        return self._format(self.board) or " ".join(["#", *filter(None, words)])

    def _format(self, board: np.ndarray | None) -> str | None:
        return None if board is None else format_board(board, self.symbols)

    def as_json(self) -> dict[str, Any]:
        return {
            "puzzle": self._format(self.puzzle),
            "solved": self.is_solved,
            "solution": self._format(self.board),
            "steps": None if self.settled is None else self.settled.tolist(),
            "search": self.is_solved and self.settled is None,
            "reason": self.reason or None,
        }


def judge(net: RecurrentNet, entries: Sequence[Entry], iterations: int | None, tries: int) -> Iterator[Verdict]:
    """What the network answers to each puzzle, checked against the rules; an exact search counts solutions."""
    for is_sound, run in groupby(entries, key=lambda e: e.puzzle is not None and len(e.puzzle)):
        if is_sound:
            yield from _judge_boards(net, list(run), iterations, tries)
        else:
            yield from (Verdict(None, f"{e.place}: {e.problem}") for e in run)


def _judge_boards(net: RecurrentNet, entries: list[Entry], iterations: int | None, tries: int) -> Iterator[Verdict]:
    symbols = iter(entry.symbols for entry in entries)
    for batch in to_batches(np.stack([e.puzzle for e in entries if e.puzzle is not None])):
        names = list(islice(symbols, len(batch)))
        reasons = list(map(_find_flaw, batch, names))
        proper = [k for k, reason in enumerate(reasons) if not reason]
        answered = _answer(net, batch[proper], [names[k] for k in proper], iterations, tries) if proper else iter(())
        for puzzle, reason, symbol in zip(batch, reasons, names, strict=True):
            yield Verdict(puzzle, reason, symbols=symbol) if reason else next(answered)


def _answer(
    net: RecurrentNet, puzzles: np.ndarray, symbols: Sequence[Symbols], iterations: int | None, tries: int
) -> Iterator[Verdict]:
    first = answers(net, puzzles, iterations)
    *_, boards = first.boards, *search_with_restarts(net, puzzles, first, tries, iterations)
    at_once = (boards == first.boards).all((1, 2))
    for k, valid in enumerate(follows_rules(boards, puzzles)):
        if valid:
            yield Verdict(puzzles[k], "", boards[k], first.settled[k] if at_once[k] else None, symbols[k])
        else:
            broken = clash(boards[k], symbols[k]) or "a given is not kept"
            hint = "more --iterations or --tries may help"
            yield Verdict(puzzles[k], f"not solved: in the network's answer {broken} ({hint})", symbols=symbols[k])


def _find_flaw(puzzle: np.ndarray, symbols: Symbols) -> str:
    """Why this is no puzzle with one solution; empty if it is, or if that takes too long to find out."""
    if problem := clash(puzzle, symbols):
        return f"the givens clash: {problem}"
    try:
        number = len(solutions(puzzle, limit=2, guesses=GUESSES * 81 // puzzle.size))
    except SearchError:
        return ""
    return ("the puzzle has no solution", "", "the puzzle has more than one solution")[number]


def draw_verdict(verdict: Verdict, picture: Path) -> bool:
    """Draws the steps of an answer; False if one pass of the network did not give it."""
    if verdict.board is None or verdict.settled is None or verdict.puzzle is None:
        return False
    draw_steps(verdict.board, verdict.settled, verdict.puzzle, picture, verdict.symbols)
    return True


def print_verdict(verdict: Verdict, steps: bool) -> None:
    """The board with its steps, or why there is none."""
    console, puzzle = Console(soft_wrap=True), verdict.puzzle
    if puzzle is None or verdict.board is None:
        if puzzle is not None:
            console.print(format_grid(puzzle, puzzle, verdict.symbols))
        console.print(verdict.reason, highlight=False, markup=False)
        return
    console.print(format_grid(verdict.board, puzzle, verdict.symbols))
    if verdict.settled is None:
        console.print("found by search: one pass of the network broke a rule", highlight=False)
    elif steps:
        console.print("\nthe step at which each cell got its digit:", highlight=False)
        console.print(format_steps(verdict.settled, puzzle))
