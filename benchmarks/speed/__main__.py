"""Time and memory of EinNet's layers and of peers; writes benchmarks/RESULTS.md.

    .venv/bin/python benchmarks/speed                       # half an hour on two idle cores
    .venv/bin/python benchmarks/speed --only layers         # one part again, the other ones as stored

Each part is stored, and not measured again.
"""

import json
import platform
import sys
from pathlib import Path
from typing import Annotated, Literal

import torch
from cyclopts import App, Parameter
from rich.progress import track

from einnet.files import write_whole

sys.path.append(str(Path(__file__).parents[1]))  # for the modules that the benchmarks share

import growth
import large
import layers
import roofline
import startup
from results_page import FOLDER, PAGE, write_results

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
    page: Path = PAGE,
) -> None:
    """Measure the parts that are not stored, or the named ones, and write all tables.

    Parameters
    ----------
    only
        Measure this part (again). May be given several times.
    stored
        Folder of the measurements.
    page
        Page with the main results.
    """
    section, lines = [], ["# Speed and memory", "", "`.venv/bin/python benchmarks/speed`", "", describe_machine()]
    for name, (title, part) in PARTS.items():
        file = stored / f"{name}.json"
        if name in (only or ()) or not (only or file.exists()):
            measured = part.measure(lambda cases, title=title: track(cases, description=title))
            with write_whole(file) as temporary:
                content = json.dumps({"machine": describe_machine(), "results": measured})
                temporary.write_text(content, encoding="utf-8")
        if file.exists():
            content = json.loads(file.read_text(encoding="utf-8"))
            elsewhere = [content["machine"], ""] if content["machine"] != describe_machine() else []
            lines += ["", f"## {title}", "", *elsewhere, *part.make_tables(content["results"])]
            if part is layers:
                section = layers.summarize(content["results"])
    if section:
        write_results("speed", lines, section, page, FOLDER / "RESULTS.md")


def describe_machine() -> str:
    """The processor, threads, versions."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    name = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    versions = f"torch {torch.__version__}, Python {platform.python_version()}"
    return f"{name}, {torch.get_num_threads()} threads, {versions}."


if __name__ == "__main__":
    app()
