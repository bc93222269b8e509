"""Sudoku as people write it: from a text to its records, each a puzzle and perhaps its solution.

A text is a list of lines, and a line is one of three things:

- a record: fields that are whole boards (a puzzle, and its solution), between further columns,
- a row of a board: as many rows below each other as a row has cells are a board,
- neither: a title, a header, a border, a comment after #.

The cells of a field or a row are read in one of a few ways (`READINGS`): a word for each cell (numbers of two digits),
a character, or a column of a table, where an empty one is a blank. An index and a header are left out (`labels`). Rows
are read in the way that makes the most boards of them. Which cells are blanks, and the order of the symbols, are found
in `symbols`.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from itertools import groupby
from math import isqrt

from einnet.tasks.sudoku.labels import has_coordinates, is_count, remove_labels

__all__ = ["BLANKS", "MAX_SIDE", "ZERO", "Cells", "Record", "box_height", "find_problem", "find_records", "is_row"]

Cells = Sequence[str]
Line = tuple[int, str]  # its number, from 1, and what it says
Row = tuple[int, list[str] | None]  # the number of the line; None for a line that was meant to be a row
Reading = Callable[[str], list[str]]

MAX_SIDE = 35  # 1 to 9 and A to Z
ZERO = frozenset({"0", "00"})
BLANKS = frozenset(".0_*?Xx-\u00b7\u2013\u25a1") | {"..", "00", "__", "--"}  # 0 and X where they are no symbols
BOX_DRAWING = "".join(map(chr, range(0x2500, 0x2580)))
SPACES = "\\s\ufeff\u200b"
BARS = re.compile(rf"[{SPACES},;:|\"'`\[\](){{}}<>/\\{BOX_DRAWING}]+")  # between cells and around boards
SIGNS = frozenset(f"+=~{BOX_DRAWING}")  # of a border
FIELDS = re.compile(r'["\t;|]')  # whose cells have commas or spaces between them
RULED = "".join(SIGNS) + " |:'`-_*.,"  # of a line that is a border, or a row of blanks
WORD = re.compile(r"[^\W\d_]{2}")
CELL = re.compile(r"(\d{1,2})\.0?|-1(\.0?)?|(\w+\.)?nan|none|null|nil|n/?a", re.IGNORECASE)  # as programs write it
PLACED = re.compile(r"\+(?=[1-9])")  # before a digit that is no given, in files of HoDoKu
SMALLEST = 16  # cells of a board of 4x4, or of a row of 16x16


@dataclass(frozen=True)
class Record:
    """A board of a text and its solution, as cells row by row; or the problem with what was meant to be one."""

    lines: tuple[int, int]  # the first and the last
    puzzle: Cells = ()
    solution: Cells | None = None
    problem: str = ""

    @property
    def side(self) -> int:
        """The number of cells in a row."""
        return isqrt(len(self.puzzle))

    @property
    def place(self) -> str:
        """The lines, for messages."""
        first, last = self.lines
        return f"line {first}" if first == last else f"lines {first} to {last}"


@cache
def box_height(n: int) -> int | None:
    """The height of the box of n cells that is nearest to a square, never higher than wide; None for no side."""
    return next((h for h in range(isqrt(max(n, 0)), 1, -1) if n % h == 0), None) if n <= MAX_SIDE else None


def find_records(text: str) -> list[Record]:
    """The records of a text, in its order.

    >>> [(r.place, r.side) for r in find_records("Grid 01\\n1..2\\n....\\n....\\n2..1\\n\\nGrid 02\\n3.......4.......")]
    [('lines 2 to 5', 4), ('line 8', 4)]
    >>> find_records("id,puzzle,solution\\n7,1..............., 1234341221434321")[0].solution
    '1234341221434321'
    """
    text = PLACED.sub("", text)
    lines = [(number, line.partition("#")[0].strip(" \ufeff")) for number, line in enumerate(text.splitlines(), 1)]
    items = ((line, _find_boards(line[1])) for line in lines)
    records: list[Record] = []
    for is_record, run in groupby(items, key=lambda item: _is_record(item[1])):
        if is_record:
            records += [_to_record(line, boards) for line, boards in run]
        else:
            records += _read_block(list(run))
    if all(record.problem for record in records) and has_coordinates(text):
        problem = "rows, columns and values of single cells: write the board as rows of cells, '.' for a blank"
        return [Record((1, len(lines)), problem=problem)]
    return list(_join_solutions(records))


def _join_solutions(records: list[Record]) -> Iterator[Record]:
    """The records, a puzzle and its solution below it as one."""
    last: Record | None = None
    for record in records:
        if last and _is_solution(record, last):
            yield replace(last, lines=(last.lines[0], record.lines[1]), solution=record.puzzle)
            last = None
            continue
        if last:
            yield last
        last = record
    if last:
        yield last


def _is_solution(record: Record, puzzle: Record) -> bool:
    """Whether a board without blanks has all givens of a puzzle, which has blanks."""
    if record.problem or puzzle.problem or record.solution or puzzle.solution or record.side != puzzle.side:
        return False
    pairs = [(a, b) for a, b in zip(puzzle.puzzle, record.puzzle, strict=True) if a != b]
    return 0 < len(pairs) == sum(a in BLANKS and b not in BLANKS - ZERO for a, b in pairs)


# --- cells -----------------------------------------------------------------------------------------------------------


def _words(line: str) -> list[str]:
    """What stands between spaces, commas, bars and brackets."""
    return [word for word in BARS.split(line) if word]


def _cells(line: str) -> list[str]:
    """A word for each cell."""
    return list(map(_to_cell, _words(line)))


def _to_cell(word: str) -> str:
    """A number without its point; a dot for what programs write where no number is."""
    match = CELL.fullmatch(word)
    return (match[1] or ".") if match else word


def _characters(line: str) -> list[str]:
    return list(BARS.sub("", line))


def _columns(delimiter: str, line: str) -> list[str]:
    """The columns of a table, an empty one as a blank."""
    return [_to_cell(BARS.sub("", cell)) or "." for cell in line.split(delimiter)] if delimiter in line else []


def _columns_in_bars(line: str) -> list[str]:
    """Those between the bars at both ends."""
    return _columns("|", line[1:-1]) if line[:1] == line[-1:] == "|" else []


def _pairs(line: str) -> list[str]:
    """Two digits for each cell, without anything between."""
    text = BARS.sub("", line)
    return [text[k : k + 2] for k in range(0, len(text), 2)] if text.isdigit() and len(text) % 2 == 0 else []


READINGS: list[Reading] = [_cells, _characters, *(partial(_columns, d) for d in ",;\t|"), _columns_in_bars, _pairs]


def _is_board(cells: Cells) -> bool:
    side = isqrt(len(cells))
    return side * side == len(cells) and is_row(cells, side)


def is_row(cells: Cells, side: int) -> bool:
    """Whether each cell may be a symbol or a blank of a board of that side."""
    return box_height(side) is not None and set(cells) <= _cells_of_side(side)


@cache
def _cells_of_side(side: int) -> frozenset[str]:
    numbers = {f"{k:0{digits}}" for k in range(side + 1) for digits in (1, 2)}
    letters = {letter for k in range(min(side, 26)) for letter in (chr(65 + k), chr(97 + k))}
    return BLANKS | numbers | letters


# --- lines that are records ------------------------------------------------------------------------------------------


def _find_boards(line: str) -> list[Cells]:
    """The fields of a line that are whole boards, those of the largest side."""
    if len(line) < SMALLEST:
        return []
    words, values = _words(line), _cells(line)
    halves = values[: len(values) // 2], values[len(values) // 2 :]
    boards: Sequence[Cells] = [word for word in words if _is_board(word)]
    boards = boards or [cells for read in READINGS if _is_board(cells := read(line))][:1]
    boards = boards or [half for half in halves if _is_board(half)]
    boards = boards or [cells for field in FIELDS.split(line) if _is_board(cells := _cells(field))]
    return [b for b in boards if len(b) == max(map(len, boards))]


def _is_record(boards: list[Cells]) -> bool:
    """Whether a line with these boards is no row: sixteen cells alone may be one of 16x16."""
    return bool(boards) and (len(boards) > 1 or len(boards[0]) > SMALLEST)


def _to_record(line: Line, boards: list[Cells]) -> Record:
    """The board with more blanks is the puzzle, whatever the order of the columns."""
    lines = (line[0], line[0])
    if len(boards) > 2:
        return Record(lines, problem=f"{len(boards)} boards, expected a puzzle, or a puzzle and its solution")
    size = len(boards[0])
    damaged = [w for w in _words(line[1]) if 0.9 * size < len(w) < 1.1 * size and not _is_board(w)]
    if len(boards) == 1 and damaged:  # a puzzle next to its solution, which is not the puzzle
        return Record(lines, problem=find_problem(damaged[0]))
    puzzle, *solution = sorted(boards, key=lambda cells: -sum(map(BLANKS.__contains__, cells)))
    return Record(lines, puzzle, solution[0] if solution else None)


def _explain(line: Line) -> Record | None:
    """The problem with a line that was meant to be a board; None for one without cells, such as a title."""
    number, text = line
    word = max(_words(text), key=len, default="")
    cells = list(word) if len(word) >= SMALLEST else _characters(text)
    digits = sum(cell.isdigit() or cell in BLANKS for cell in cells)
    is_short = len(word) < SMALLEST and digits < (SMALLEST if WORD.search(text) else 12)
    if is_short or _is_rule(text) or _is_border(text) or is_count(_words(text)):
        return None
    return Record((number, number), problem=find_problem(cells))


def find_problem(cells: Cells) -> str:
    """Why cells that are no board are none."""
    side = isqrt(len(cells))
    if side * side != len(cells) or side < 4:
        return f"{len(cells)} cells: a board of side n has n * n cells, 81 for the usual one"
    if box_height(side) is None:
        return (
            f"rows of {side} cells: a box has two rows or more, so that a side is 4, 6, 8, ... {MAX_SIDE}; got {side}"
        )
    place = next((k for k, cell in enumerate(cells) if not is_row([cell], side)), 0)
    return (
        f"{cells[place]!r} in row {place // side + 1}, column {place % side + 1} is no symbol of a {side}x{side} board"
    )


# --- lines that are rows ---------------------------------------------------------------------------------------------


def _read_block(items: list[tuple[Line, list[Cells]]]) -> list[Record]:
    """The boards of rows; or of lines of 16 cells, where most of these are boards of 4x4."""
    singles = [_to_record(line, boards) if boards else _explain(line) for line, boards in items]
    of_4x4 = sum(bool(boards) for _, boards in items)
    if of_4x4 and 2 * of_4x4 > sum(_has_sixteen(line[1]) for line, _ in items):
        runs = [list(run) for _, run in groupby(items, key=lambda item: bool(item[1]))]
        return [r for run in runs for r in ([_to_record(*i) for i in run] if run[0][1] else _read_block(run))]
    lines = [line for line, _ in items if not _is_border(line[1])]
    without_rules = [line for line in lines if not _is_rule(line[1])]
    parts = [without_rules, lines] if len(without_rules) < len(lines) else [lines]
    attempts = [list(_stack_rows(part, read)) for part in parts for read in READINGS]
    best = max(attempts, key=lambda records: (sum(not r.problem for r in records), sum(map(_height, records))))
    if not any(map(_height, best)):
        return [r for r in singles if r] or best
    problems = {r.lines[0]: r for r in singles if r and r.problem}
    best = [problems.get(r.lines[0], r) if r.problem and not _height(r) else r for r in best]
    covered = {number for r in best for number in range(r.lines[0], r.lines[1] + 1)}
    return sorted(best + [r for n, r in problems.items() if n not in covered], key=lambda record: record.lines)


def _has_sixteen(text: str) -> bool:
    """Whether a line may be a row of 16x16."""
    return any(len(cells := read(text)) == SMALLEST and is_row(cells, SMALLEST) for read in READINGS)


def _height(record: Record) -> int:
    """The number of lines after the first."""
    return record.lines[1] - record.lines[0]


def _is_rule(text: str) -> bool:
    """Whether a line is a border, or a row of blanks."""
    return not text.strip(RULED) and any(2 * sign in text for sign in "-_*")


def _is_border(text: str) -> bool:
    """Whether a line is a border and no row."""
    return not text.strip(RULED) and not SIGNS.isdisjoint(text)


def _stack_rows(lines: list[Line], read: Reading) -> Iterator[Record]:
    """The boards of rows that are read in one way, and the problems with rows that make no board."""
    cells = remove_labels(read(text) for _, text in lines)
    rows = [(number, text if row else "", row) for (number, text), row in zip(lines, cells, strict=True)]
    groups: list[tuple[int, list[Row]]] = []
    for kind, run in groupby(rows, key=lambda row: _kind_of(*row[1:])):
        if kind == "row":
            groups += _to_groups([(number, cells) for number, _, cells in run])
        elif kind == "title":
            groups.append((0, []))
    for is_band, band in groupby(groups, key=lambda group: len(group[1]) < group[0] and group[0]):
        for side, group in _join_bands(list(band)) if is_band else band:
            yield from _cut_boards(side, group)


def _kind_of(text: str, cells: list[str]) -> str:
    """What a line is: a row, well written or not, a title, or a gap."""
    if is_row(cells, len(cells)):
        return "row"
    characters = _characters(text)
    if not characters:
        return "gap"
    return "title" if WORD.search(text) or len(characters) < 4 else "row"


def _to_groups(rows: list[tuple[int, list[str]]]) -> list[tuple[int, list[Row]]]:
    """The side that most rows have, and the rows, None for one of another side; parts if these are whole boards."""
    sides = Counter(len(cells) for _, cells in rows if is_row(cells, len(cells)))
    if not sides:
        return []
    side = sides.most_common(1)[0][0]
    group: list[Row] = [(n, cells if len(cells) == side and is_row(cells, side) else None) for n, cells in rows]
    parts = [list(part) for is_bad, part in groupby(group, key=lambda row: row[1] is None) if not is_bad]
    return [(side, part) for part in (parts if all(len(part) % side == 0 for part in parts) else [group])]


def _join_bands(bands: list[tuple[int, list[Row]]]) -> Iterator[tuple[int, list[Row]]]:
    """Boards whose rows have gaps between them, band by band."""
    side = bands[0][0]
    height = Counter(len(rows) for _, rows in bands).most_common(1)[0][0]
    number = side // height
    if len(bands) % number:
        number = len(bands)
    for start in range(0, len(bands), number):
        yield side, [row for _, rows in bands[start : start + number] for row in rows]


def _cut_boards(side: int, rows: list[Row]) -> Iterator[Record]:
    step = len(rows) if side and len(rows) % side else max(side, 1)
    for start in range(0, len(rows), step):
        yield _to_board(side, rows[start : start + step])


def _to_board(side: int, rows: list[Row]) -> Record:
    lines = (rows[0][0], rows[-1][0])
    if bad := [number for number, cells in rows if cells is None]:
        return Record(lines, problem=f"line {bad[0]} is no row of {side} cells, as the lines around it")
    board, size = [cell for _, cells in rows for cell in cells or ()], f"{len(rows)} rows of {side} cells"
    if part := _find_part(board, len(rows), side):
        return Record(lines, problem=f"{size}: write boards of {part}x{part} below each other, not side by side")
    if len(rows) != side:
        return Record(lines, problem=f"{size}: a board has as many rows as a row has cells")
    return Record(lines, board)


def _find_part(cells: Cells, height: int, side: int) -> int:
    """The side of boards that stand side by side: as high as their rows, or with no symbol of a larger board; or 0."""
    if height < side:
        return height if side % height == 0 and box_height(height) else 0
    sides = [side // k for k in (3, 2) if side % k == 0 and box_height(side // k)]
    has_enough = sum(cell not in BLANKS for cell in cells) >= SMALLEST
    return next((part for part in sides if has_enough and is_row(cells, part)), 0)
