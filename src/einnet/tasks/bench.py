"""A benchmark of many independent items: a process for each core, a file for each item, so that it can be resumed."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from hashlib import sha1
from pathlib import Path
from typing import Any, TypeVar

from einnet.errors import CheckpointError, DataError, EinNetError
from einnet.files import read_json, remove_leftovers, write_text
from einnet.pages import Section
from einnet.tasks.console import log
from einnet.tasks.parallel import map_in_processes
from einnet.tasks.report import PAGE, Report, log_files, print_report, save_result, write_report_page

__all__ = ["check_conditions", "hash_arrays", "report_results", "run_items"]

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
    for place in (folder, folder / unit):
        remove_leftovers(place)
    jobs = {name: (folder / unit / f"{name}.json", fingerprint(item), item) for name, item in items.items()}
    new = [job for job in jobs.values() if _load_result(job) is None]
    try:
        map_in_processes(partial(_run_item, evaluate), new, processes, unit, len(items), _save_result)
    except (KeyboardInterrupt, EinNetError):
        done = sum(_load_result(job) is not None for job in jobs.values())
        log(f"{done:,} of {len(jobs):,} {unit} are done and stored in {folder}; the same command continues")
        raise
    return {name: result for name, job in jobs.items() if (result := _load_result(job)) is not None}


def check_conditions(folder: Path, conditions: dict[str, Any]) -> None:
    """Saves the conditions in a new folder; raises `CheckpointError` if the folder was begun with different ones."""
    file = folder / "conditions.json"
    if not file.exists():
        write_text(file, json.dumps(conditions))
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


def _run_item(evaluate: Callable[[T], Result], job: Job) -> Result:
    _, fingerprint, item = job
    start = time.perf_counter()
    return evaluate(item) | {"item": fingerprint, "seconds": round(time.perf_counter() - start, 2)}


def _save_result(job: Job, result: Result) -> None:
    write_text(job[0], json.dumps(result))


def hash_arrays(*arrays: Any) -> str:
    """A fingerprint of numpy arrays: their shapes and contents.

    >>> import numpy as np
    >>> hash_arrays(np.zeros((1, 4))) == hash_arrays(np.zeros((2, 2)))
    False
    """
    return sha1(b"".join(f"{a.shape}{a.dtype}".encode() + a.tobytes() for a in arrays)).hexdigest()


def report_results(
    folder: Path,
    unit: str,
    title: str,
    summary: Result,
    tables: Report,
    as_json: bool,
    make_sections: Callable[[], Sequence[Section]] = list,
) -> None:
    """Saves the summary, prints it, as JSON or as tables, writes the page with further sections, names the files."""
    save_result(folder / "results.json", summary, as_json, partial(print_report, tables))
    write_report_page(folder, title, tables, make_sections)
    log_files(folder, "results.json", PAGE, unit)
