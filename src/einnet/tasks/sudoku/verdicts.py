"""The verdict on a puzzle (solved, or why not), and how it is printed and drawn."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path
from typing import Any

import numpy as np

from einnet.nn import RecurrentNet
from einnet.tasks.console import make_console
from einnet.tasks.sudoku.boards import Entry, clash, follows_rules, format_board
from einnet.tasks.sudoku.drawing import draw_steps, format_grid, format_steps
from einnet.tasks.sudoku.guided import Outcome, solve_puzzles
from einnet.tasks.sudoku.search import SECONDS
from einnet.tasks.sudoku.solve import answers, to_batches
from einnet.tasks.sudoku.symbols import Symbols

__all__ = ["Verdict", "draw_verdict", "judge", "print_verdict"]

NETWORK_ALONE = 0  # tries


@dataclass(frozen=True)
class Verdict:
    """A puzzle, and its solution or the reason why there is none.

    `settled` has the step after which each cell stayed as it was in one pass of the network; None after a guess. The
    puzzle is None where a file has something that cannot be read. `examples` are two of several solutions.
    """

    puzzle: np.ndarray | None
    reason: str
    board: np.ndarray | None = None
    settled: np.ndarray | None = None
    symbols: Symbols | None = None
    guesses: int | None = None  # of the search; None without one
    examples: Sequence[np.ndarray] = ()
    note: str = ""

    @property
    def is_solved(self) -> bool:
        return self.board is not None

    def as_line(self) -> str:
        """The solution as one line; the puzzle and the reason after a # where there is none."""
        if self.board is not None:
            return self._format(self.board) or ""
        reason = ": ".join([self.reason, ", ".join(filter(None, map(self._format, self.examples)))]).removesuffix(": ")
        return " ".join(["#", *filter(None, [self._format(self.puzzle), reason])])

    def _format(self, board: np.ndarray | None) -> str | None:
        return None if board is None else format_board(board, self.symbols)

    def as_json(self) -> dict[str, Any]:
        return {
            "puzzle": self._format(self.puzzle),
            "solved": self.is_solved,
            "solution": self._format(self.board),
            "steps": None if self.settled is None else self.settled.tolist(),
            "search": self.is_solved and self.settled is None,
            "guesses": self.guesses,
            "solutions": list(map(self._format, self.examples or ([] if self.board is None else [self.board]))),
            "reason": self.reason or self.note or None,
        }


def judge(
    net: RecurrentNet,
    entries: Sequence[Entry],
    iterations: int | None = None,
    tries: int | None = None,
    seconds: float = SECONDS,
) -> Iterator[Verdict]:
    """The verdict on each puzzle, by the network and a search with at most so many tries; with 0 by the network alone.

    Every solution has been checked against the rules.
    """
    for is_sound, run in groupby(entries, key=lambda e: e.puzzle is not None and len(e.puzzle)):
        if is_sound:
            yield from _judge_boards(net, list(run), iterations, tries, seconds)
        else:
            yield from (Verdict(None, f"{e.place}: {e.problem}") for e in run)


def _judge_boards(
    net: RecurrentNet, entries: list[Entry], iterations: int | None, tries: int | None, seconds: float
) -> Iterator[Verdict]:
    symbols = iter(entry.symbols for entry in entries)
    for batch in to_batches(np.stack([e.puzzle for e in entries if e.puzzle is not None])):
        names = list(islice(symbols, len(batch)))
        clashes = list(map(clash, batch, names))
        proper = [k for k, problem in enumerate(clashes) if not problem]
        puzzles, chosen = batch[proper], [names[k] for k in proper]
        verdicts = iter(())
        if proper and tries == NETWORK_ALONE:
            verdicts = _answer(net, puzzles, chosen, iterations)
        elif proper:
            outcomes = solve_puzzles(net, puzzles, iterations, guesses=tries, seconds=seconds)
            rows = zip(puzzles, outcomes, chosen, strict=True)
            verdicts = (_to_verdict(*row, tries, seconds) for row in rows)
        for puzzle, problem, symbol in zip(batch, clashes, names, strict=True):
            yield Verdict(puzzle, f"the givens clash: {problem}", symbols=symbol) if problem else next(verdicts)


def _to_verdict(puzzle: np.ndarray, outcome: Outcome, symbols: Symbols, tries: int | None, seconds: float) -> Verdict:
    solutions, known = outcome.solutions, {"symbols": symbols, "guesses": outcome.guesses}
    limit = f"within {seconds:g} s (--seconds)"
    if len(solutions) > 1:
        return Verdict(puzzle, "the puzzle has more than one solution", examples=solutions, **known)
    if solutions:
        note = "" if outcome.is_decided else f"whether it is the only solution was not decided {limit}"
        return Verdict(puzzle, "", solutions[0], outcome.settled, note=note, **known)
    if outcome.is_decided:
        return Verdict(puzzle, "the puzzle has no solution", **known)
    if tries is not None and outcome.guesses >= tries:
        limit = f"with {_count(outcome.guesses)} (--tries)"
    return Verdict(puzzle, f"not solved {limit}", **known)


def _count(guesses: int) -> str:
    return f"{guesses:,} {'guess' if guesses == 1 else 'guesses'}"


def _answer(
    net: RecurrentNet, puzzles: np.ndarray, symbols: Sequence[Symbols], iterations: int | None
) -> Iterator[Verdict]:
    """By one pass of the network."""
    answer = answers(net, puzzles, iterations)
    for k, is_right in enumerate(follows_rules(answer.boards, puzzles)):
        if is_right:
            yield Verdict(puzzles[k], "", answer.boards[k], answer.settled[k], symbols[k])
        else:
            broken = clash(answer.boards[k], symbols[k]) or "a given is not kept"
            hint = "more --iterations may help, or a search: leave out --tries 0"
            yield Verdict(puzzles[k], f"not solved: in the network's answer {broken} ({hint})", symbols=symbols[k])


def draw_verdict(verdict: Verdict, picture: Path) -> bool:
    """Draws the steps of an answer; False if one pass of the network did not give it."""
    if verdict.board is None or verdict.settled is None or verdict.puzzle is None:
        return False
    draw_steps(verdict.board, verdict.settled, verdict.puzzle, picture, verdict.symbols)
    return True


def print_verdict(verdict: Verdict, steps: bool) -> None:
    """The board with its steps, or why there is none."""
    console, puzzle = make_console(), verdict.puzzle
    console.soft_wrap = True
    if puzzle is None:
        console.print(verdict.reason)
        return
    if verdict.board is None:
        console.print(format_grid(puzzle, puzzle, verdict.symbols))
        console.print(verdict.reason)
        for example in verdict.examples:
            console.print()
            console.print(format_grid(example, puzzle, verdict.symbols))
        return
    console.print(format_grid(verdict.board, puzzle, verdict.symbols))
    if steps and verdict.settled is not None:
        console.print("\nthe step at which each cell got its digit:")
        console.print(format_steps(verdict.settled, puzzle))
    console.print(_describe(verdict))


def _describe(verdict: Verdict) -> str:
    """How a solution was found."""
    if verdict.settled is not None:
        how = "solved in one pass of the network, 0 guesses"
    else:
        how = f"solved with {_count(verdict.guesses or 0)}: one pass of the network broke a rule"
    return "; ".join(filter(None, [how, verdict.note]))
