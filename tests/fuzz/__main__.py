"""python tests/fuzz --engine atheris --minutes 10 --only terms

Calls each target with hostile inputs for so many minutes. The engine makes the inputs: hypothesis at random, atheris by
mutating those that reached code which was not reached before. What breaks the property is saved, and told how to replay.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from ast import literal_eval
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
sys.path[0] = str(FOLDER.parent)

from fuzz.targets import TARGETS  # noqa: E402

ENGINES = ("hypothesis", "atheris")


def run(engine: str, name: str, given: argparse.Namespace) -> dict[str, Any]:
    """The figures of one target under one engine."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "figures.json"
        arguments = [str(file), engine, name, str(given.minutes), str(given.seed)]
        command = [sys.executable, str(FOLDER / "engine.py"), *arguments]
        try:
            ended = subprocess.run(command, capture_output=True, text=True, timeout=60 * given.minutes + 120)
            place, said = f"the process ended with code {ended.returncode}", ended.stderr[-5000:]
        except subprocess.TimeoutExpired:
            place, said = "a call did not come back", ""
        if file.exists():
            return json.loads(file.read_text())
        last = Path(f"{file}.last")
        found = {place: [last.read_text() if last.exists() else "", said]}
        return {"target": name, "engine": engine, "minutes": 0, "executions": 0, "slowest": 0, "findings": found}


def saved(figures: dict[str, Any], folder: Path) -> list[Path]:
    """Each finding as a file: the target, the input, and what happened."""
    files = []
    for number, (place, (value, trace)) in enumerate(figures["findings"].items(), start=1):
        folder.mkdir(parents=True, exist_ok=True)
        files.append(folder / f"{figures['target']}-{figures['engine']}-{number}.txt".replace(" ", "-"))
        files[-1].write_text(f"{figures['target']}\n{value}\n{place}\n{trace}", errors="backslashreplace")
    return files


def replay(file: Path) -> None:
    """Calls the target of a finding with its input again."""
    name, value, *_ = file.read_text().split("\n")
    TARGETS[name].call(TARGETS[name].valid)
    print(f"{name}: nothing wrong, {TARGETS[name].check(literal_eval(value)):.3f} seconds")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python tests/fuzz", description=__doc__.partition("\n")[2])
    parser.add_argument("--engine", choices=ENGINES, help="without it, both")
    parser.add_argument("--only", choices=TARGETS, action="append", help="a target, may be given several times")
    parser.add_argument("--minutes", type=float, default=10, help="for each target and engine")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--findings", type=Path, default=Path("runs/fuzz"), help="folder for what is found")
    parser.add_argument("--replay", type=Path, help="instead, call a target with the input of this file")
    given = parser.parse_args()
    if given.replay:
        replay(given.replay)
        return 0
    every = []
    for name in given.only or TARGETS:
        for engine in [given.engine] if given.engine else ENGINES:
            figures = run(engine, name, given)
            every.append(figures)
            said = "{target}, {engine}: {executions:,} executions in {minutes} minutes, slowest call {slowest} s"
            print(said.format(**figures), flush=True)
            for place, file in zip(figures["findings"], saved(figures, given.findings), strict=True):
                print(f"  {place}: python tests/fuzz --replay {file}", flush=True)
            if given.json:
                given.json.write_text(json.dumps(every, indent=1))
    return int(any(f["findings"] for f in every))


if __name__ == "__main__":
    sys.exit(main())
