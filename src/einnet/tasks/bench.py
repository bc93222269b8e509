"""A benchmark of many independent items: a process for each core, a file for each item, so that it can be resumed."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from hashlib import sha1
from pathlib import Path
from typing import Any, TypeVar

from einnet.errors import CheckpointError, DataError
from einnet.files import write_whole
from einnet.pages import Section
from einnet.tasks.console import log, read_json
from einnet.tasks.parallel import map_in_processes
from einnet.tasks.report import Report, print_report, write_report_page

__all__ = ["check_conditions", "hash_arrays", "print_results", "run_items", "save_results"]

T = TypeVar("T")
Result = dict[str, Any]
Job = tuple[Path, str, Any]  # the file of the result, the fingerprint of the item, the item


def run_items(
    items: Mapping[str, T],
    evaluate: Callable[[T], Result],
    fingerprint: Callable[[T], str],
    folder: Path,
    unit: str,
    conditions: Mapping[str, Any],
    processes: int | None = None,
) -> dict[str, Result]:
    """The results of `evaluate` and its seconds for each item, by name.

    A result is stored in the file `folder/unit/NAME.json` and used again for an item with the same fingerprint.
    `evaluate` must be picklable; it runs in `processes`, by default one for each core. Raises `CheckpointError` for a
    folder with other conditions, which are all that the results depend on.
    """
    check_conditions(folder, dict(conditions))
    jobs = {name: (folder / unit / f"{name}.json", fingerprint(item), item) for name, item in items.items()}
    new = [job for job in jobs.values() if _load_result(job) is None]
    map_in_processes(partial(_run_item, evaluate), new, processes, unit, len(items))
    return {name: result for name, job in jobs.items() if (result := _load_result(job)) is not None}


def check_conditions(folder: Path, conditions: dict[str, Any]) -> None:
    """Saves the conditions in a new folder; raises `CheckpointError` if the folder was begun with different ones."""
    file = folder / "conditions.json"
    if not file.exists():
        with write_whole(file) as temporary:
            temporary.write_text(json.dumps(conditions))
    saved = _read_result(file) or {}
    if different := [k for k in {**conditions, **saved} if saved.get(k) != conditions.get(k)]:
        before, now = (", ".join(f"{k} {d.get(k)}" for k in different) for d in (saved, conditions))
        raise CheckpointError(f"{folder} was begun with {before}, not with {now}: give another folder")


def _read_result(file: Path) -> dict[str, Any] | None:
    """The JSON object that a job left in its file; None if there is no file."""
    if not file.is_file():
        return None
    if not isinstance(content := read_json(file), dict):
        raise DataError(f"{file} must hold a JSON object: delete it, and its job is done again")
    return content


def _load_result(job: Job) -> Result | None:
    file, fingerprint, _ = job
    result = _read_result(file)
    return result if result and result.get("item") == fingerprint else None


def _run_item(evaluate: Callable[[T], Result], job: Job) -> None:
    file, fingerprint, item = job
    start = time.perf_counter()
    result = evaluate(item) | {"item": fingerprint, "seconds": round(time.perf_counter() - start, 2)}
    with write_whole(file) as temporary:
        temporary.write_text(json.dumps(result))


def hash_arrays(*arrays: Any) -> str:
    """A fingerprint of numpy arrays: their shapes and contents.

    >>> import numpy as np
    >>> hash_arrays(np.zeros((1, 4))) == hash_arrays(np.zeros((2, 2)))
    False
    """
    return sha1(b"".join(f"{a.shape}{a.dtype}".encode() + a.tobytes() for a in arrays)).hexdigest()


def save_results(folder: Path, title: str, summary: Result, tables: Report, sections: Sequence[Section] = ()) -> None:
    """Writes results.json, and index.html with the tables and further sections."""
    with write_whole(folder / "results.json") as temporary:
        temporary.write_text(json.dumps(summary, indent=1))
    write_report_page(folder, title, tables, sections)


def print_results(folder: Path, unit: str, summary: Result, tables: Report, as_json: bool) -> None:
    """Prints the summary as JSON, or the tables; names the files."""
    if as_json:
        print(json.dumps(summary))
    else:
        print_report(tables)
    log(f"Saved in {folder}: results.json, index.html, {unit}/")
