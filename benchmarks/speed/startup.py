"""The time to start: of the import next to that of torch, and of the help; run by __main__.py."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from measure import time_in_turns

__all__ = ["make_tables", "measure"]

COMMANDS = {
    "torch": [sys.executable, "-c", "import torch"],
    "torch and einnet": [sys.executable, "-c", "import torch, einnet"],
    "torch, einnet and einnet.nn": [sys.executable, "-c", "import torch, einnet, einnet.nn"],
    "help": [str(Path(sys.executable).with_name("einnet")), "--help"],
}


def measure(progress: Callable[[list], Any]) -> dict[str, float]:
    steps = [lambda c=c: subprocess.run(c, check=True, capture_output=True) for c in COMMANDS.values()]
    return {name: median(times) for name, times in zip(COMMANDS, time_in_turns(steps, 0, min_rounds=7), strict=True)}


def make_tables(results: dict[str, float]) -> list[str]:
    torch = results["torch"]
    added = {name: results[name] - torch for name in ("torch and einnet", "torch, einnet and einnet.nn")}
    return [
        f"`import torch` takes {torch:.2f} s; `import einnet` adds {added['torch and einnet']:.2f} s, with `einnet.nn` "
        f"{added['torch, einnet and einnet.nn']:.2f} s. `einnet --help` takes {results['help']:.2f} s. Medians of "
        "seven, in turns."
    ]
