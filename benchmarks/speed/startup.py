"""How long it takes to start: the import beside that of torch, and the help; run by __main__.py."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from measure import alternated

__all__ = ["results", "tables"]

COMMANDS = {
    "torch": [sys.executable, "-c", "import torch"],
    "torch and einnet": [sys.executable, "-c", "import torch, einnet"],
    "torch, einnet and einnet.nn": [sys.executable, "-c", "import torch, einnet, einnet.nn"],
    "help": [str(Path(sys.executable).with_name("einnet")), "--help"],
}


def results(progress: Callable[[list], Any]) -> dict[str, float]:
    steps = [lambda c=c: subprocess.run(c, check=True, capture_output=True) for c in COMMANDS.values()]
    return {name: median(times) for name, times in zip(COMMANDS, alternated(steps, 0, least=7), strict=True)}


def tables(found: dict[str, float]) -> list[str]:
    torch = found["torch"]
    added = {name: found[name] - torch for name in ("torch and einnet", "torch, einnet and einnet.nn")}
    return [
        f"`import torch` takes {torch:.2f} s; `import einnet` adds {added['torch and einnet']:.2f} s, with `einnet.nn` "
        f"{added['torch, einnet and einnet.nn']:.2f} s. `einnet --help` takes {found['help']:.2f} s. Medians of seven, "
        "in turns."
    ]
