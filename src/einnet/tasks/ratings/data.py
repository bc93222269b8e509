"""Ratings: reading files as people have them, naming users and items, splits, and the axis of the ratings."""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from einnet.errors import DataError, did_you_mean
from einnet.files import get_stem, name_source, read_text

__all__ = ["Axis", "Entries", "Ratings", "load"]

COLUMNS = {  # of a first line that names them
    "user": re.compile(
        r"(users?|u|uid|raters?|reviewers?|customers?|members?|person)[ _.-]?(id|no|name|number)?", re.I
    ),
    "item": re.compile(
        r"(items?|i|iid|movies?|films?|books?|isbn|asin|products?|songs?|tracks?|artists?|jokes?|games?|anime|business)"
        r"[ _.-]?(id|no|name|title|number)?",
        re.I,
    ),
    "rating": re.compile(r"([a-z]+[ _.-])?(ratings?|scores?|stars?|values?|r|overall|preference)", re.I),
}
DELIMITERS = ("::", "\t", ";", ",", "|")
HELD_OUT = 0.1  # of the ratings, to select on, and to measure on where no file has those
FEWEST = 10  # ratings
MAX_LEVELS = 100  # with more different ratings, the axis gets so many in equal distances
SPLIT_SEED = 0  # the same split for every seed of training


@dataclass(frozen=True)
class Entries:
    """Ratings as rows: the numbers of user and item (2, entries), and the values (entries,)."""

    index: np.ndarray
    values: np.ndarray

    def __len__(self) -> int:
        return len(self.values)

    def __add__(self, other: "Entries") -> "Entries":
        return Entries(np.concatenate([self.index, other.index], 1), np.concatenate([self.values, other.values]))

    def take(self, rows: np.ndarray) -> "Entries":
        return Entries(self.index[:, rows], self.values[rows])


@dataclass(frozen=True)
class Axis:
    """The ordered axis of the ratings, rescaled so that 0 is the lowest and 1 the highest of the known ones.

    >>> axis = Axis.of(np.array([3.0, 1.0, 5.0, 4.0]))
    >>> axis.levels, axis.to_positions(np.array([4.0])), axis.to_ratings(np.array([0.5]))
    (array([0.  , 0.5 , 0.75, 1.  ]), array([0.75]), array([3.]))
    """

    low: float
    high: float
    levels: np.ndarray  # the positions at which a rating may be

    @classmethod
    def of(cls, values: np.ndarray) -> "Axis":
        """The axis of these ratings; raises `DataError` if all are equal."""
        levels = np.unique(values)
        if len(levels) < 2:
            raise DataError(f"all ratings to learn from are {levels[0]:g}: nothing can be predicted")
        low, high = float(levels[0]), float(levels[-1])
        positions = (levels - low) / (high - low)
        return cls(low, high, positions if len(levels) <= MAX_LEVELS else np.linspace(0, 1, MAX_LEVELS))

    def to_positions(self, values: np.ndarray) -> np.ndarray:
        return (values - self.low) / (self.high - self.low)

    def to_ratings(self, positions: np.ndarray) -> np.ndarray:
        return self.low + (self.high - self.low) * positions


@dataclass(frozen=True)
class Ratings:
    """Users, items, and the ratings to learn from, to select on and to measure on; each pair is in one split, once.

    `notes` says what of the source was left out, and what is unusual.
    """

    name: str
    users: tuple[str, ...]
    items: tuple[str, ...]
    train: Entries
    valid: Entries
    test: Entries
    notes: tuple[str, ...] = ()

    @property
    def sizes(self) -> tuple[int, int]:
        return len(self.users), len(self.items)

    @property
    def evidence(self) -> Entries:
        """All ratings but those to measure on."""
        return self.train + self.valid

    @property
    def axis(self) -> Axis:
        return Axis.of(self.evidence.values)

    def find_user(self, name: str) -> int:
        return _look_up(name, self.users, "user")

    def find_item(self, name: str) -> int:
        return _look_up(name, self.items, "item")


def load(source: Path | str, test: Path | str | None = None) -> Ratings:
    """The ratings of a file; those to measure on of a second file, or else a tenth of the first, drawn at random.

    A line is a user, an item and a rating, and perhaps more, which is not read: with tabs, commas, semicolons, `::`,
    bars or spaces between them; a first line may name the columns, in any order. Files may be packed (gzip, zip).
    A tenth of the ratings to learn from is set aside to select on. Raises `DataError` with the line for what is not
    such a file.
    """
    rows, notes = read_ratings(source)
    test_rows, test_notes = ({}, []) if test is None else read_ratings(test)
    notes = [*notes, *test_notes]
    if shared := rows.keys() & test_rows.keys():
        notes.append(f"{len(shared):,} of {len(rows):,} ratings are in {name_source(test or '')} too: measured on only")
        rows = {pair: value for pair, value in rows.items() if pair not in shared}
    if len(rows) < FEWEST:
        raise DataError(f"{name_source(source)} has {len(rows)} ratings to learn from, expected {FEWEST} or more")
    users, items = (tuple(sorted({pair[k] for pair in (*rows, *test_rows)}, key=_natural_order)) for k in (0, 1))
    numbers = [{name: k for k, name in enumerate(names)} for names in (users, items)]
    entries, test_entries = (_number_rows(part, numbers) for part in (rows, test_rows))
    generator = np.random.default_rng(SPLIT_SEED)
    if test is None:
        entries, test_entries = _hold_out(entries, generator)
    train, valid = _hold_out(entries, generator)
    ratings = Ratings(get_stem(source).partition(".")[0], users, items, train, valid, test_entries, tuple(notes))
    _ = ratings.axis  # raises where it has one level only
    return ratings


def read_ratings(source: Path | str) -> tuple[dict[tuple[str, str], float], list[str]]:
    """The ratings of a file by user and item, and what was unusual in words; of a pair's ratings the last counts."""
    name = name_source(source)
    text = read_text(source)
    lines = [(number, line) for number, line in enumerate(re.split(r"\r\n?|\n", text), start=1) if line.strip()]
    if not lines:
        raise DataError(f"{name} has no ratings")
    delimiter = next((d for d in DELIMITERS if d in lines[0][1]), None)
    first = next(_split_lines(lines[:1], delimiter))[1]
    places, notes, has_header = _find_columns(first, name)
    rows: dict[tuple[str, str], float] = {}
    repeated = 0
    for number, cells in _split_lines(lines[has_header:], delimiter):
        user, item, rating = _read_row(cells, places, f"{name}, line {number}")
        repeated += (user, item) in rows
        rows[user, item] = rating
    if repeated:
        notes.append(f"{repeated:,} ratings of {name} repeat a user and an item: the last of each pair counts")
    return rows, notes


def _split_lines(lines: Iterable[tuple[int, str]], delimiter: str | None) -> Iterator[tuple[int, list[str]]]:
    """The numbers of lines and their cells, without spaces and quotes around them."""
    for number, line in lines:
        if delimiter is None or delimiter == "::":
            cells = line.split(delimiter)
        elif '"' in line:
            cells = next(csv.reader([line], delimiter=delimiter))
        else:
            cells = line.split(delimiter)
        yield number, [cell.strip() for cell in cells]


def _find_columns(first: Sequence[str], name: str) -> tuple[tuple[int, int, int], list[str], bool]:
    """Where user, item and rating are, notes in words, and whether the first line names the columns."""
    if len(first) >= 3 and _is_number(first[2]):
        return (0, 1, 2), [], False
    cells = [cell.lstrip("#").strip() for cell in first]
    matches = {kind: [k for k, c in enumerate(cells) if pattern.fullmatch(c)] for kind, pattern in COLUMNS.items()}
    if all(matches.values()):
        user, item, rating = (places[0] for places in matches.values())
        return (user, item, rating), [], True
    if len(first) < 3 or any(map(_is_number, first)):
        problem = f"expected a user, an item and a rating, got {len(first)} cells: {', '.join(first)[:60]!r}"
        raise DataError(f"{name}, line 1: {problem}")
    missing = " and ".join(kind for kind, places in matches.items() if not places)
    line = ", ".join(first)[:60]
    return (
        (0, 1, 2),
        [f"the first line of {name}, {line!r}, names no {missing}: the first three columns are read"],
        True,
    )


def _read_row(cells: Sequence[str], places: tuple[int, int, int], where: str) -> tuple[str, str, float]:
    if len(cells) <= max(places):
        expected = f"expected {max(places) + 1} cells or more (user, item, rating)"
        raise DataError(f"{where}: {expected}, got {len(cells)}: {' '.join(cells)[:60]!r}")
    user, item, rating = (cells[k] for k in places)
    if not user or not item:
        raise DataError(f"{where}: the {'item' if user else 'user'} is empty")
    if not _is_number(rating):
        raise DataError(f"{where}: expected a number as rating, got {rating[:60]!r}")
    return user, item, float(rating)


def _is_number(text: str) -> bool:
    try:
        return bool(np.isfinite(float(text)))
    except ValueError:
        return False


def _natural_order(name: str) -> tuple[bool, int, str]:
    """Numbers by size, before names in the order of the alphabet."""
    is_number = name.isascii() and name.isdigit() and len(name) < 20
    return not is_number, int(name) if is_number else 0, name


def _number_rows(rows: dict[tuple[str, str], float], numbers: Sequence[dict[str, int]]) -> Entries:
    """The ratings in the order of users and items, whatever the order in the file."""
    index = np.array([[numbers[k][pair[k]] for pair in rows] for k in (0, 1)], dtype=np.int64).reshape(2, -1)
    order = np.lexsort(index[::-1])
    return Entries(index, np.fromiter(rows.values(), dtype=np.float64, count=len(rows))).take(order)


def _hold_out(entries: Entries, generator: np.random.Generator) -> tuple[Entries, Entries]:
    """The entries, and a random share that is set aside."""
    order = generator.permutation(len(entries))
    number = max(1, round(HELD_OUT * len(entries)))
    return entries.take(np.sort(order[number:])), entries.take(np.sort(order[:number]))


def _look_up(name: str, names: tuple[str, ...], kind: str) -> int:
    if name not in names:
        hint = did_you_mean(name, names) or f" There are {len(names):,}, such as {', '.join(names[:3])}."
        raise DataError(f"unknown {kind} {name!r}.{hint}")
    return names.index(name)
