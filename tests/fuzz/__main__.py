"""python tests/fuzz --engine atheris --minutes 10 --only terms

Calls each target with hostile inputs for so many minutes. The engine makes the inputs: hypothesis at random, atheris by
mutating those that reached code which was not reached before. An input that breaks the property is saved, and the
command that replays it is printed.
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


def run(engine: str, name: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """The figures of one target under one engine."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "figures.json"
        words = [str(file), engine, name, str(arguments.minutes), str(arguments.seed)]
        command = [sys.executable, str(FOLDER / "engine.py"), *words]
        try:
            process = subprocess.run(command, capture_output=True, text=True, timeout=60 * arguments.minutes + 120)
            place, trace = f"the process ended with code {process.returncode}", process.stderr[-5000:]
        except subprocess.TimeoutExpired:
            place, trace = "a call did not return", ""
        if file.exists():
            return json.loads(file.read_text())
        last = Path(f"{file}.last")
        findings = {place: [last.read_text() if last.exists() else "", trace]}
        return {"target": name, "engine": engine, "minutes": 0, "executions": 0, "slowest": 0, "findings": findings}


def save_findings(figures: dict[str, Any], folder: Path) -> list[Path]:
    """Writes each finding to a file: the target, the input, and what happened."""
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
    parser.add_argument("--only", choices=TARGETS, action="append", help="a target, may be repeated")
    parser.add_argument("--minutes", type=float, default=10, help="for each target and engine")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--findings", type=Path, default=Path("runs/fuzz"), help="folder for the findings")
    parser.add_argument("--replay", type=Path, help="instead, call a target with the input of this file")
    arguments = parser.parse_args()
    if arguments.replay:
        replay(arguments.replay)
        return 0
    results = []
    for name in arguments.only or TARGETS:
        for engine in [arguments.engine] if arguments.engine else ENGINES:
            figures = run(engine, name, arguments)
            results.append(figures)
            line = "{target}, {engine}: {executions:,} executions in {minutes} minutes, slowest call {slowest} s"
            print(line.format(**figures), flush=True)
            for place, file in zip(figures["findings"], save_findings(figures, arguments.findings), strict=True):
                print(f"  {place}: python tests/fuzz --replay {file}", flush=True)
            if arguments.json:
                arguments.json.write_text(json.dumps(results, indent=1))
    return int(any(f["findings"] for f in results))


if __name__ == "__main__":
    sys.exit(main())
