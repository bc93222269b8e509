"""Breaks lines of the core, one at a time, and says which the tests notice.

    python tests/mutants                                          the twenty of catalogue.py
    python tests/mutants --random 50 --seed 1 [--package taylor]  lines chosen by chance

Each mutant is made in a copy of the project, so nothing here is touched. First the tests that are near it run, up to
the first failure; where they miss one of the twenty, the whole suite runs, which must pass on the unbroken copy. So
must all the near tests before anything is broken. The exit code is the number of mutants that survived or did not end.
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

sys.path.insert(0, str(Path(__file__).parents[1]))

from mutants.catalogue import CORE, MUTANTS, Mutant, random_mutants
from mutants.sites import SOURCES, break_source, path_of

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 1800  # seconds of one run of tests


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", type=int, nargs="*", metavar="N", help="the numbers of mutants, from 1")
    parser.add_argument("--random", type=int, metavar="N", help="break N lines chosen by chance in place of the twenty")
    parser.add_argument("--seed", type=int, default=0, help="which lines chance chooses")
    parser.add_argument("--package", choices=CORE, help="choose lines of this part of the core only")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the outcomes to this file too")
    options = parser.parse_args()
    packages = (options.package,) if options.package else CORE
    mutants = random_mutants(options.random, options.seed, packages) if options.random else list(MUTANTS)
    chosen = [m for k, m in enumerate(mutants, start=1) if not options.only or k in options.only]
    with tempfile.TemporaryDirectory() as folder:
        copy = copy_project(Path(folder))
        if failure := first_failure(copy, sorted({t for m in chosen for t in m.tests.split()})):
            print(f"the tests fail on unbroken sources: {failure}", file=sys.stderr)
            return 1
        style = {"description": "mutants", "console": Console(stderr=True), "transient": True}
        rows = [try_mutant(copy, m, run_all=not options.random) for m in track(chosen, **style)]
    print_report(rows)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))
    return sum(not row["killed by"] for row in rows)


def copy_project(folder: Path) -> Path:
    """A copy of all files that git knows, in which its own sources are imported."""
    listing = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in listing.splitlines():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    return folder


def try_mutant(copy: Path, mutant: Mutant, run_all: bool) -> dict[str, object]:
    """Breaks the line, runs the tests, restores the line."""
    path = copy / "src" / "einnet" / path_of(mutant.site.module).relative_to(SOURCES)
    unbroken, broken = path.read_text(), break_source(mutant.site)
    start = time.monotonic()
    path.write_text(broken)
    try:
        test = first_failure(copy, mutant.tests.split())
        if not test and run_all:
            path.write_text(unbroken)
            if failure := first_failure(copy, []):
                raise SystemExit(f"the whole suite fails on unbroken sources: {failure}")
            path.write_text(broken)
            test = first_failure(copy, [])
    except subprocess.TimeoutExpired:
        test = ""
    finally:
        path.write_text(unbroken)
    return {
        "mutant": mutant.name,
        "site": str(mutant.site),
        "killed by": test,
        "seconds": round(time.monotonic() - start),
    }


def first_failure(copy: Path, tests: list[str]) -> str:
    """The first test that fails in the copy, or an empty string; no names mean all tests."""
    # `python -m pytest` would look for the installed sources; the path of the copy comes first
    environment = os.environ | {"PYTHONPATH": str(copy / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *(f"tests/{t}" for t in tests)]
    done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, timeout=LIMIT)
    if done.returncode == 0:
        return ""
    lines = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return lines[0].split(" - ")[0].partition(" ")[2] if lines else f"pytest ended with {done.returncode}"


def print_report(rows: list[dict[str, object]]) -> None:
    table = Table("mutant", "site", "killed by", "seconds")
    for row in rows:
        outcome = row["killed by"] or "SURVIVED, or no end"
        table.add_row(*(str(cell) for cell in (row["mutant"], row["site"], outcome, row["seconds"])))
    Console(width=200).print(table)
    print(f"{sum(bool(row['killed by']) for row in rows)} of {len(rows)} killed")


if __name__ == "__main__":
    sys.exit(main())
