"""Correctness, time and memory on one GPU, in at most eight minutes; writes benchmarks/gpu.md as it goes.

    .venv/bin/python benchmarks/gpu                    # on a machine with a GPU
    .venv/bin/python benchmarks/gpu --page PATH        # the table to another place
    .venv/bin/python benchmarks/gpu --dry              # toy sizes on the CPU, to test this script

It needs torch (with its Triton) and the dependencies of EinNet. PyTorch Geometric and cuequivariance-torch are compared
with where they can be imported. The page is written after each row, so that what was measured is kept if time runs out.
"""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from cyclopts import run

from einnet.files import write_whole

sys.path.append(str(Path(__file__).parents[1]))  # for the modules that the benchmarks share
sys.path.append(str(Path(__file__).parents[1] / "speed"))

import checks
import edges
import largest
import side_by_side
import triangles
from results_page import FOLDER, make_table
from scale import DRY, FULL, Scale

PARTS = (checks, triangles, side_by_side, edges, largest)  # the most important first


@dataclass
class Page:
    """The tables so far, written to a file after each change."""

    file: Path | None
    head: Sequence[str]
    sections: list[list[str]] = field(default_factory=list)

    def add(self, title: str, note: str, columns: Sequence[str], rows: Iterator[Sequence[object]]) -> None:
        """A table whose rows are written as they come; ends early if there is no time left."""
        self.sections.append([])
        lines: list[Sequence[object]] = []
        self._show(title, note, columns, lines)
        for row in rows:
            lines.append(row)
            self._show(title, note, columns, lines)

    def _show(self, title: str, note: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        self.sections[-1] = ["", f"## {title}", "", note, "", *make_table(columns, rows)]
        if rows:
            print(title, *rows[-1], sep=" | ", flush=True)
        if self.file:
            text = "\n".join([*self.head, *(line for section in self.sections for line in section)]) + "\n"
            with write_whole(self.file) as temporary:
                temporary.write_text(text, encoding="utf-8")


def describe_device(scale: Scale) -> str:
    """The card and versions."""
    triton = sys.modules.get("triton")
    name = torch.cuda.get_device_name() if scale.device == "cuda" else "CPU, toy sizes"
    return f"{name}; torch {torch.__version__}, Triton {getattr(triton, '__version__', 'not loaded')}."


def main(*, dry: bool = False, minutes: float = 7.0, page: Path | None = None) -> None:
    """Measure everything.

    Parameters
    ----------
    dry
        Toy sizes on the CPU.
    minutes
        After this time no further row is begun.
    page
        The page to write; benchmarks/gpu.md, and nothing with --dry.
    """
    if not dry and not torch.cuda.is_available():
        raise SystemExit("there is no GPU: --dry runs toy sizes on the CPU")
    scale = (DRY if dry else FULL).until(time.monotonic() + 60 * minutes)
    file = page if page or dry else FOLDER / "gpu.md"
    if not dry:
        from einnet.nn.kernels import load_kernels

        load_kernels(torch.ones(1, device=scale.device))
    head = ["# On a GPU", "", f"`benchmarks/gpu`: {describe_device(scale)}"]
    tables = Page(file, head)
    for part in PARTS:
        make_tables: Callable = part.make_tables
        for title, note, columns, rows in make_tables(scale):
            tables.add(title, note, columns, rows)


if __name__ == "__main__":
    run(main)
