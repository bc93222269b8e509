"""Time and memory of our layers beside others; writes benchmarks/RESULTS.md.

    .venv/bin/python benchmarks/speed                       # half an hour on two cores, nothing beside it
    .venv/bin/python benchmarks/speed --only layers         # one part again, the others as they were

Each part is stored when it is done, and not done again.
"""

import json
import platform
from pathlib import Path
from typing import Annotated, Literal

import growth
import large
import layers
import roofline
import startup
import torch
from cyclopts import App, Parameter
from rich.progress import track

from einnet.files import write_whole

PARTS = {
    "layers": ("Layers side by side", layers),
    "roofline": ("How near to the limit", roofline),
    "growth": ("Cost grows as the plan says", growth),
    "large": ("Large relations", large),
    "startup": ("Starting up", startup),
}

app = App(help=__doc__)


@app.default
def main(
    *,
    only: Annotated[
        list[Literal["layers", "roofline", "growth", "large", "startup"]] | None, Parameter(negative="")
    ] = None,
    stored: Path = Path("runs/speed"),
    out: Path = Path("benchmarks/RESULTS.md"),
) -> None:
    """Measure what is not stored, or the parts that are named, and write all tables.

    Parameters
    ----------
    only
        Measure this part (again). May be given several times.
    stored
        Folder of what was measured.
    out
        File of the tables.
    """
    lines = ["# Speed and memory", "", "`.venv/bin/python benchmarks/speed`", "", machine()]
    for name, (title, part) in PARTS.items():
        file = stored / f"{name}.json"
        if name in (only or ()) or not (only or file.exists()):
            found = part.results(lambda cases, title=title: track(cases, description=title))
            with write_whole(file) as temporary:
                temporary.write_text(json.dumps({"machine": machine(), "found": found}))
        if file.exists():
            kept = json.loads(file.read_text())
            lines += ["", f"## {title}", "", *([] if kept["machine"] == machine() else [kept["machine"], ""])]
            lines += part.tables(kept["found"])
    with write_whole(out) as temporary:
        temporary.write_text("\n".join(lines) + "\n")


def machine() -> str:
    """In words: the processor, threads, versions."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    name = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    versions = f"torch {torch.__version__}, Python {platform.python_version()}"
    return f"{name}, {torch.get_num_threads()} threads, {versions}."


if __name__ == "__main__":
    app()
