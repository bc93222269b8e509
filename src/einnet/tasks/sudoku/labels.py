"""The index and the header of a table that has a board; and boards that are lists of their givens."""

import re
from collections.abc import Iterable, Sequence
from itertools import groupby

__all__ = ["has_coordinates", "is_count", "remove_labels"]

Cells = list[str]
MIN_LABELS = 4
COORDINATES = re.compile(r"[\[(]*r?\d{1,2}[\s,;:c]+\d{1,2}\)?[\s,;:=]+\w{1,2}[\])]*|\d{3}", re.IGNORECASE)
PIECES = re.compile(r"\s*\n\s*|(?<=\))\s*,\s*")


def remove_labels(rows: Iterable[Cells]) -> list[Cells]:
    """The rows of boards without an index and a header: numbers or letters in turn; a header becomes an empty row.

    >>> remove_labels([["0", "1", "2", "3"], *(["A", *"1234"], ["B", *"...."], ["C", *"...."], ["D", *"...."])])
    [[], ['1', '2', '3', '4'], ['.', '.', '.', '.'], ['.', '.', '.', '.'], ['.', '.', '.', '.']]
    """
    runs = [list(run) for _, run in groupby(rows, key=len)]
    rows = [row[1:] if has_index else row for run in runs for has_index in [_has_index(run)] for row in run]
    runs = [list(run) for _, run in groupby(rows, key=len)]
    steps = map(_find_header_step, runs)
    return [
        [] if step and k % step == 0 else row
        for run, step in zip(runs, steps, strict=True)
        for k, row in enumerate(run)
    ]


def _has_index(run: list[Cells]) -> bool:
    """Whether the first cells count the rows of boards that are one cell less wide."""
    labels = [row[0] for row in run if row and not (row[0] == "." and is_count(row[1:]))]  # none in a header
    side = len(run[0]) - 1
    boards = [labels[k : k + side] for k in range(0, len(labels), max(side, 1))]
    return all(len(board) == side and is_count(board) for board in boards) and bool(boards)


def _find_header_step(run: list[Cells]) -> int:
    """From one header to the next, rows that are too many and count the columns; 0 if there is none."""
    side = len(run[0])
    step = side + 1 if len(run) % (side + 1) == 0 else len(run)
    return step if side and (len(run) - len(run) // step) % side == 0 and all(map(is_count, run[::step])) else 0


def is_count(labels: Sequence[str]) -> bool:
    """Whether they are numbers or letters in turn."""
    if len(labels) < MIN_LABELS or max(map(len, labels)) > 2:
        return False
    numbers = [int(label) if label.isdecimal() else ord(label) if len(label) == 1 else -1 for label in labels]
    return numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def has_coordinates(text: str) -> bool:
    """Whether a text lists cells, each with its row, its column and its value."""
    pieces = [piece for piece in PIECES.split(text) if piece.strip(" []")]
    return 2 * sum(COORDINATES.fullmatch(piece.strip()) is not None for piece in pieces) > max(
        len(pieces), 2 * MIN_LABELS
    )
