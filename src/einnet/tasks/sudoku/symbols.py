"""The symbols of a board: which stand for 1, 2, 3, ..., and whether 0 is one of them or a blank."""

from collections import Counter
from collections.abc import Sequence
from functools import cache

import numpy as np

from einnet.errors import DataError
from einnet.tasks.sudoku.records import BLANKS, MAX_SIDE, ZERO, Cells, Record, box_height, is_row

__all__ = ["Symbols", "choose_symbols", "read_symbols", "symbols_of_side", "to_numbers"]

Symbols = tuple[str, ...]

DIGITS = tuple("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ")
NUMBERS = tuple(map(str, range(MAX_SIDE + 1)))
DECIMAL = 9  # the largest side of boards whose zero next to another blank is in doubt


def symbols_of_side(side: int) -> Symbols:
    """The usual ones: 1 to 9, then A, B, C, ..."""
    return DIGITS[1 : side + 1]


def to_numbers(cells: Cells, symbols: Symbols) -> np.ndarray:
    """The cells as whole numbers, row by row, 0 for a blank."""
    table = _make_table(symbols)
    return np.array([table.get(cell, 0) for cell in cells])


@cache
def _make_table(symbols: Symbols) -> dict[str, int]:
    """The number of each symbol, in small letters and with a zero in front too."""
    spellings = ({s, s.lower(), s.zfill(2) if s.isdigit() else s} for s in symbols)
    return {spelling: number for number, same in enumerate(spellings, start=1) for spelling in same}


def read_symbols(text: str) -> Symbols:
    """The symbols that a text names in their order, next to each other or with spaces or commas between.

    >>> read_symbols("abcd"), read_symbols("0 1 2 3")
    (('A', 'B', 'C', 'D'), ('0', '1', '2', '3'))
    """
    words = text.upper().replace(",", " ").split()
    symbols = tuple(words[0] if len(words) == 1 else words)
    side = len(symbols)
    if box_height(side) is None or len(set(symbols)) < side or not is_row(symbols, side):
        expected = f"4, 6, 8, 9, ... {MAX_SIDE} different numbers or letters from the first of them on"
        raise DataError(f"--symbols names {expected}, such as 0123456789ABCDEF; got {text!r}")
    return symbols


def choose_symbols(records: Sequence[Record], named: Symbols | None = None) -> list[Symbols | str]:
    """The symbols of each record, those that are named or those that fit, or the problem with them.

    >>> from einnet.tasks.sudoku.records import find_records
    >>> choose_symbols(find_records("1..2............"))
    [('1', '2', '3', '4')]

    They are 1 to 9 and A, B, ..., or 0 to 9 and A, B, ..., or letters alone, or numbers. Zero is a symbol if a solution
    has it, or a board of a side above 9 that has other blanks; then it is one in all boards of that side that allow it.
    """
    if named is not None:
        return [named if _fits(record, named) else _name_stranger(record, named) for record in records]
    guesses = [_guess(record) for record in records]
    from_zero = {r.side: g for r, g in zip(records, guesses, strict=True) if isinstance(g, tuple) and g[0] == "0"}
    return [
        from_zero[r.side] if r.side in from_zero and _fits(r, from_zero[r.side]) else guess
        for r, guess in zip(records, guesses, strict=True)
    ]


def _cells_of(record: Record) -> set[str]:
    return {*record.puzzle, *(record.solution or ())}


def _fits(record: Record, symbols: Symbols) -> bool:
    """Whether the cells that are no symbols are blanks of one kind, or dots and zeros."""
    blanks = _cells_of(record).difference(_make_table(symbols))
    kinds = {blank[0] for blank in blanks}
    return len(symbols) == record.side and blanks <= BLANKS and (len(kinds) < 2 or kinds == {".", "0"})


def _guess(record: Record) -> Symbols | str:
    """The symbols of a record by itself."""
    side, standard = record.side, symbols_of_side(record.side)
    from_one = next((s for s in (standard, DIGITS[10 : 10 + side], NUMBERS[1 : side + 1]) if _fits(record, s)), None)
    from_zero = next((s for s in (DIGITS[:side], NUMBERS[:side]) if _fits(record, s)), None)
    if from_zero and _has_zero(record, from_zero):
        if from_one and side <= DECIMAL and not record.solution:
            names = f"--symbols {''.join(standard)} or --symbols {''.join(from_zero)}"
            return f"0 and another blank, so that 0 may be a blank or a symbol: give {names}"
        return from_zero
    return from_one or _name_stranger(record, standard)


def _has_zero(record: Record, symbols: Symbols) -> bool:
    """Whether zero is a symbol, where the symbols may be these: in a full board, or one with another blank."""
    if record.solution and sum(cell in ZERO for cell in record.solution) == record.side:
        return True
    if record.side > DECIMAL and (to_numbers(record.puzzle, symbols) > 0).all():
        return bool((np.bincount(to_numbers(record.puzzle, symbols))[1:] == record.side).all())
    return bool(ZERO.intersection(record.puzzle)) and not set(record.puzzle) <= _make_table(symbols).keys()


def _name_stranger(record: Record, symbols: Symbols) -> str:
    """The problem with a cell that is neither a symbol nor a blank as the others."""
    side, table = record.side, _make_table(symbols)
    if len(symbols) != side:
        return f"a board of {side}x{side}, but --symbols names {len(symbols)}"
    cells = [*record.puzzle, *(record.solution or ())]
    kinds = Counter(cell[0] for cell in cells if cell in BLANKS and cell not in table)
    blank = kinds.most_common(1)[0][0] if kinds else "."
    place = next(k for k, cell in enumerate(cells) if cell not in table and (cell not in BLANKS or cell[0] != blank))
    where = f"row {place // side % side + 1}, column {place % side + 1}" + " of the solution" * (place >= side**2)
    blanks = "'.' or '0'" if blank in ".0" and "0" not in table else repr(blank)
    known = f"symbols of a {side}x{side} board are {symbols[0]} to {symbols[-1]}, and {blanks} for a blank"
    return f"{cells[place]!r} in {where}: {known}"
