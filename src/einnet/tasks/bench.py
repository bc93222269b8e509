"""A benchmark of many independent items: a process for each core, a file for each item, so that it can be resumed."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from hashlib import sha1
from pathlib import Path
from typing import Any, TypeVar

from rich.table import Table

from einnet.files import write_whole
from einnet.pages import Section
from einnet.tasks.console import log
from einnet.tasks.parallel import check_conditions, map_in_processes, read_result
from einnet.tasks.report import print_report, write_report_page

__all__ = ["hash_arrays", "print_results", "run_items", "save_results"]

T = TypeVar("T")
Result = dict[str, Any]


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

    Args:
        evaluate: runs in processes of its own, so it must be picklable.
        unit: what the items are called, such as "tasks".
        conditions: all that the results depend on; raises `CheckpointError` for a folder with other ones.
        processes: by default one for each core.
    """
    check_conditions(folder, dict(conditions))
    files = {name: folder / unit / f"{name}.json" for name in items}
    hashes = {name: fingerprint(item) for name, item in items.items()}

    def load(name: str) -> Result | None:
        result = read_result(files[name])
        return result if result and result.get("item") == hashes[name] else None

    jobs = [(files[name], hashes[name], item) for name, item in items.items() if load(name) is None]
    map_in_processes(partial(_run_item, evaluate), jobs, processes, unit, len(items))
    return {name: result for name in items if (result := load(name)) is not None}


def _run_item(evaluate: Callable[[T], Result], job: tuple[Path, str, T]) -> None:
    file, fingerprint, item = job
    start = time.perf_counter()
    result = evaluate(item)
    seconds = round(time.perf_counter() - start, 2)
    with write_whole(file) as temporary:
        temporary.write_text(json.dumps(result | {"item": fingerprint, "seconds": seconds}))


def hash_arrays(*arrays: Any) -> str:
    """A fingerprint of numpy arrays: their shapes and contents.

    >>> import numpy as np
    >>> hash_arrays(np.zeros((1, 4))) == hash_arrays(np.zeros((2, 2)))
    False
    """
    return sha1(b"".join(f"{a.shape}{a.dtype}".encode() + a.tobytes() for a in arrays)).hexdigest()


def save_results(
    folder: Path,
    title: str,
    summary: Mapping[str, Any],
    tables: Sequence[Table | str],
    sections: Sequence[Section] = (),
) -> None:
    """Writes results.json, and index.html with the tables and further sections."""
    with write_whole(folder / "results.json") as temporary:
        temporary.write_text(json.dumps(summary, indent=1))
    write_report_page(folder, title, tables, sections)


def print_results(
    folder: Path, unit: str, summary: Mapping[str, Any], tables: Sequence[Table | str], as_json: bool
) -> None:
    """Prints the summary as JSON, or the tables; names the files."""
    if as_json:
        print(json.dumps(summary))
    else:
        print_report(tables)
    log(f"Saved in {folder}: results.json, index.html, {unit}/")
