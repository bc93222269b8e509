"""Boards of any box size: reading, writing, and the rules.

A board is an array of n x n whole numbers, 0 for a blank; a box has `height` rows and `width`
columns, n = height * width symbols: usually 1 to 9, then A, B, C, ...
"""

from collections import Counter
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

from einnet.errors import DataError
from einnet.files import STANDARD_INPUT, name_source, read_named_text, read_text
from einnet.tasks.console import log
from einnet.tasks.sudoku.records import MAX_SIDE, Record, box_height, find_problem, find_records
from einnet.tasks.sudoku.symbols import Symbols, choose_symbols, read_symbols, symbols_of_side, to_numbers

__all__ = [
    "Boards", "Entry", "Layout", "clash", "follows_rules", "format_board", "parse_entries", "read_board", "read_boards",
    "read_file", "read_puzzles",
]  # fmt: skip

ENDINGS = (".txt", ".csv", ".tsv", ".gz", ".zip", ".sdm", ".sdk")  # of an argument that is a file


@dataclass(frozen=True)
class Layout:
    """The shape of a box; with a height of 1 the boxes are the rows again: a Latin square, of any side.

    >>> Layout.of(9), Layout.of(6), Layout.of(16).n
    (Layout(height=3, width=3), Layout(height=2, width=3), 16)
    >>> len(Layout(1, 5).peers[0])
    8
    """

    height: int
    width: int

    def __post_init__(self) -> None:
        if self.height != 1 and box_height(self.n) != self.height:
            raise DataError(f"boxes are as near to a square as can be, never higher than wide; got {self}")

    @classmethod
    @cache
    def of(cls, n: int) -> "Layout":
        """The box for n symbols that is nearest to a square, never higher than wide."""
        height = box_height(n)
        if height is None:
            raise DataError(
                f"a board has boxes of two rows or more, so its side is 4, 6, 8, 9, ... {MAX_SIDE}; got {n}"
            )
        return cls(height, n // height)

    @property
    def n(self) -> int:
        """The side of the board, and the number of symbols."""
        return self.height * self.width

    @cached_property
    def units(self) -> np.ndarray:
        """The cells (by number, row by row) of each row, column and box: (3 n, n)."""
        cells = np.arange(self.n**2).reshape(self.n, self.n)
        boxes = cells.reshape(self.n // self.height, self.height, self.n // self.width, self.width)
        boxes = boxes.transpose(0, 2, 1, 3).reshape(self.n, self.n)
        return np.concatenate([cells, cells.T, boxes])

    @cached_property
    def units_of(self) -> np.ndarray:
        """The numbers of the row, the column and the box of each cell: (n n, 3)."""
        return np.stack([np.nonzero((self.units == cell).any(1))[0] for cell in range(self.n**2)])

    @cached_property
    def peers(self) -> list[list[int]]:
        """The other cells in a unit with each cell."""
        return [sorted(set(self.units[u].ravel().tolist()) - {cell}) for cell, u in enumerate(self.units_of)]


def format_board(board: np.ndarray, symbols: Symbols | None = None) -> str:
    """The board as one line, with spaces between numbers of two digits.

    >>> format_board(read_board("1..2" + "." * 12))
    '1..2............'
    """
    names = (".", *(symbols or symbols_of_side(len(board))))
    return ("" if max(map(len, names)) == 1 else " ").join(names[v] for v in board.ravel().tolist())


def clash(board: np.ndarray, symbols: Symbols | None = None) -> str | None:
    """What breaks the rules, in words; None if nothing does (blanks break none).

    >>> clash(read_board("11.." + "." * 12))
    '1 stands twice in row 1'
    """
    layout = Layout.of(len(board))
    for number, unit in enumerate(board.ravel()[layout.units].tolist()):
        for v, times in Counter(unit).items():
            if v and times > 1:
                kind = ("row", "column", "box")[number // layout.n]
                return f"{(symbols or symbols_of_side(layout.n))[v - 1]} stands twice in {kind} {number % layout.n + 1}"
    return None


def follows_rules(boards: np.ndarray, puzzles: np.ndarray) -> np.ndarray:
    """For each of some boards (number, n, n) whether it is full, by the rules, and has the puzzle's givens."""
    units = Layout.of(boards.shape[1]).units
    right = (np.sort(boards.reshape(len(boards), -1)[:, units], -1) == np.arange(1, boards.shape[1] + 1)).all((1, 2))
    return right & ((puzzles == 0) | (puzzles == boards)).all((1, 2))


@dataclass(frozen=True)
class Entry:
    """What a text has at one place: a puzzle and perhaps its solution, or the problem with what was meant to be one."""

    place: str  # such as "line 7"
    puzzle: np.ndarray | None = None  # (n, n)
    solution: np.ndarray | None = None
    symbols: Symbols = ()
    problem: str = ""


class Boards(NamedTuple):
    """Puzzles of one side, their solutions, and the problems with those that are left out."""

    puzzles: np.ndarray  # (number, n, n)
    solutions: np.ndarray | None
    left_out: list[str]


def parse_entries(text: str, symbols: str | None = None) -> list[Entry]:
    """The puzzles of a text, in its order; how they may be written is said in `records`.

    >>> first, second = parse_entries("1..2............\\n3..2...........")
    >>> first.puzzle[0], second.problem[:8]
    (array([1, 0, 0, 2]), '15 cells')
    """
    records = find_records(text)
    sound = [record for record in records if not record.problem]
    chosen = iter(choose_symbols(sound, None if symbols is None else read_symbols(symbols)))
    return [Entry(r.place, problem=r.problem) if r.problem else _to_entry(r, next(chosen)) for r in records]


def _to_entry(record: Record, symbols: Symbols | str) -> Entry:
    if isinstance(symbols, str):
        return Entry(record.place, problem=symbols)
    side = record.side
    puzzle = to_numbers(record.puzzle, symbols).reshape(side, side)
    if record.solution is None:
        return Entry(record.place, puzzle, None, symbols)
    return Entry(record.place, puzzle, to_numbers(record.solution, symbols).reshape(side, side), symbols)


def read_board(text: str, where: str = "the puzzle") -> np.ndarray:
    """A board, by default from one line: a symbol for each cell, row by row, `.` or `0` for a blank.

    >>> read_board("1...", "row 7")
    Traceback (most recent call last):
    einnet.errors.DataError: row 7 has 4 cells: a board of side n has n * n cells, 81 for the usual one
    >>> read_board("1..2" + "." * 12)[0]
    array([1, 0, 0, 2])
    """
    entries = parse_entries(text)
    if len(entries) != 1 or entries[0].puzzle is None:
        cells = "".join(text.split())
        problem = entries[0].problem if len(entries) == 1 else find_problem(cells)
        raise DataError(f"{where} has {problem}")
    return entries[0].puzzle


def read_puzzles(text: str | None, symbols: str | None = None) -> list[Entry]:
    """The puzzles of a text, of the file that it names, or of standard input for "-" or None.

    Raises `DataError` if there is none, with the first problem.
    """
    if text is not None and not text.strip():
        raise DataError("expected a puzzle or a file, got an empty text (without one, standard input is read)")
    content, file = read_named_text(STANDARD_INPUT if text is None else text, ENDINGS)
    entries = parse_entries(content, symbols)
    if all(entry.puzzle is None for entry in entries):
        raise DataError(_explain_nothing(content, file or "", entries))
    return entries


def _explain_nothing(text: str, file: str, entries: list[Entry]) -> str:
    if entries:
        more = f", and {len(entries) - 1:,} more" if len(entries) > 1 else ""
        return f"{f'{file}, {entries[0].place}' if file else 'the puzzle'} has {entries[0].problem}{more}"
    if text.startswith("--") and text[2:3].isalpha():
        return f"{text} is neither an option nor a puzzle: see --help"
    return f"{file} has no puzzle" if file else f"the puzzle has {find_problem(''.join(text.split()))}"


def read_boards(source: Path | str, symbols: str | None = None) -> Boards:
    """The puzzles of a file, or of standard input for "-", of the commonest side, with solutions if it has any.

    Says what is left out: problems, other sides, puzzles without a solution where others have one.
    """
    entries = parse_entries(read_text(source), symbols)
    name = name_source(source)
    sides = Counter(len(e.puzzle) for e in entries if e.puzzle is not None)
    if not sides:
        raise DataError(_explain_nothing("", name, entries))
    side = sides.most_common(1)[0][0]
    has_solutions = any(e.solution is not None and len(e.solution) == side for e in entries)
    problems = [_find_misfit(entry, side, has_solutions) for entry in entries]
    chosen = [entry for entry, problem in zip(entries, problems, strict=True) if not problem]
    left_out = [f"{name}, {e.place}: {problem}" for e, problem in zip(entries, problems, strict=True) if problem]
    if not chosen:
        raise DataError(f"{left_out[0]}; no board can be used")
    if left_out:
        log(f"{len(left_out):,} of {len(entries):,} boards are left out. {left_out[0]}")
    puzzles = np.stack([e.puzzle for e in chosen if e.puzzle is not None])
    solutions = np.stack([e.solution for e in chosen if e.solution is not None]) if has_solutions else None
    return Boards(puzzles, solutions, left_out)


def _find_misfit(entry: Entry, side: int, has_solutions: bool) -> str:
    """Why a board cannot be measured together with the others; empty if it can."""
    if entry.puzzle is None:
        return entry.problem
    if len(entry.puzzle) != side:
        return f"the board's side is {len(entry.puzzle)}, that of most is {side}"
    if entry.solution is None:
        if has_solutions:
            return "no solution, as others have"
        return "no blanks: nothing is to be solved" if entry.puzzle.all() else ""
    is_right = follows_rules(entry.solution[None], entry.puzzle[None])[0]
    return "" if is_right else "the solution breaks a rule or the givens"


def read_file(source: Path | str) -> tuple[np.ndarray, np.ndarray | None]:
    """The puzzles (number, n, n) of a file, and their solutions if it has any; what is left out is said."""
    return read_boards(source)[:2]
