"""Breaks twenty lines of the core, one at a time, and says which the tests notice: `python tests/mutants`.

Each mutant is made in a copy of the project, so nothing here is touched. First the tests that are
near it run, up to the first failure; where they notice nothing, the whole suite, which must pass on
the unbroken copy. So must all the near tests before anything is broken. The exit code is the number
of mutants that survived, or did not end.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

from mutants import MUTANTS, Mutant

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 1800  # seconds of one run of tests


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", type=int, nargs="*", metavar="N", help="the numbers of mutants, from 1")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the outcomes to this file too")
    given = parser.parse_args()
    chosen = [m for k, m in enumerate(MUTANTS, start=1) if not given.only or k in given.only]
    with tempfile.TemporaryDirectory() as folder:
        copy = copied(Path(folder))
        unbroken = failing(copy, sorted({t for m in chosen for t in m.tests.split()}))
        if unbroken:
            print(f"the tests fail on unbroken sources: {unbroken}", file=sys.stderr)
            return 1
        shown = {"description": "mutants", "console": Console(stderr=True), "transient": True}
        found = [tried(copy, mutant) for mutant in track(chosen, **shown)]
    report(found)
    if given.json:
        given.json.write_text(json.dumps(found, indent=1))
    return sum(not row["killed by"] for row in found)


def copied(folder: Path) -> Path:
    """A copy of all files that git knows, in which its own sources are imported."""
    known = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in known.splitlines():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    return folder


def tried(copy: Path, mutant: Mutant) -> dict[str, object]:
    """Breaks the line, tests, mends it."""
    path = copy / "src" / "einnet" / mutant.file
    whole = path.read_text()
    started = time.monotonic()
    path.write_text(whole.replace(mutant.before, mutant.after))
    try:
        test = failing(copy, mutant.tests.split())
        if not test:
            path.write_text(whole)
            if unbroken := failing(copy, []):
                raise SystemExit(f"the whole suite fails on unbroken sources: {unbroken}")
            path.write_text(whole.replace(mutant.before, mutant.after))
            test = failing(copy, [])
    except subprocess.TimeoutExpired:
        test = ""
    finally:
        path.write_text(whole)
    return {
        "mutant": mutant.name,
        "file": mutant.file,
        "killed by": test,
        "seconds": round(time.monotonic() - started),
    }


def failing(copy: Path, tests: list[str]) -> str:
    """The first test that fails in the copy, or an empty string; no names mean all tests."""
    # `python -m pytest` would look for the installed sources; the path of the copy comes first
    environment = os.environ | {"PYTHONPATH": str(copy / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *(f"tests/{t}" for t in tests)]
    ran = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, timeout=LIMIT)
    if ran.returncode == 0:
        return ""
    lines = [line for line in ran.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return lines[0].split(" - ")[0].partition(" ")[2] if lines else f"pytest ended with {ran.returncode}"


def report(found: list[dict[str, object]]) -> None:
    table = Table("mutant", "file", "killed by", "seconds")
    for row in found:
        table.add_row(
            str(row["mutant"]), str(row["file"]), str(row["killed by"] or "SURVIVED, or no end"), str(row["seconds"])
        )
    Console(width=200).print(table)
    print(f"{sum(bool(r['killed by']) for r in found)} of {len(found)} killed")


if __name__ == "__main__":
    sys.exit(main())
