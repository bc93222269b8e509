"""What is left of a run to look at: tables on the screen, and the same in the run's `index.html`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from einnet import pages
from einnet.tasks.common import say
from einnet.train.run import Run

__all__ = ["CURVE", "Shown", "concluded", "report_of", "show", "write_report"]

Shown = Sequence[Table | str]  # tables, and sentences between them
CURVE = "curve.png"


def show(shown: Shown) -> None:
    """Prints results."""
    console = Console()
    for part in shown:
        console.print(part, highlight=False)


def concluded(run: Run, metrics: Mapping[str, Any], shown: Shown, pictures: Mapping[str, str] | None = None) -> None:
    """The end of a training: saves the metrics and the report, prints the results, names the files.

    `pictures` says of each picture in the folder, by its file's name, what it shows.
    """
    run.write_json("metrics.json", metrics)
    write_report(run, shown, pictures)
    show(shown)
    files = ["best.safetensors", "metrics.json", "log.csv", CURVE, *(pictures or ()), "index.html"]
    say(f"Saved in {run.folder}: {', '.join(files)}")


def write_report(run: Run, shown: Shown = (), pictures: Mapping[str, str] | None = None) -> None:
    """Writes the run's page: results, learning curve, pictures, settings. It holds everything itself."""
    config = run.config()
    results = [block for part in shown for block in _blocks(part)] or [pages.Text("No results: it was ended early.")]
    curve = {CURVE: "the training loss, and the metric on the validation set by which the network is chosen"}
    found = {name: text for name, text in (curve | dict(pictures or {})).items() if (run.folder / name).is_file()}
    sections = [
        pages.Section("Results", results),
        pages.Section("Pictures", [pages.picture_of(run.folder / name, text) for name, text in found.items()]),
        pages.Section("Settings", [pages.Table(("setting", "value"), _settings(config), code=frozenset({0, 1}))]),
    ]
    title = f"einnet {config['task']}, {run.folder.name}"
    pages.write_page(run.folder / "index.html", pages.page(title, sections))


def _blocks(part: Table | str) -> list[pages.Block]:
    """A table of rich as one of HTML, with its title and caption."""
    if isinstance(part, str):
        return [pages.Text(part)]
    header = [_plain(c.header) for c in part.columns]
    rows = list(zip(*([_plain(cell) for cell in c.cells] for c in part.columns), strict=True))
    strong = frozenset(k for k, row in enumerate(part.rows) if row.style == "bold")
    table = pages.Table(header, rows, strong)
    return [
        *[pages.Text(_plain(part.title))] * bool(part.title),
        table,
        *[pages.Text(_plain(part.caption))] * bool(part.caption),
    ]


def _plain(cell: Any) -> str:
    return Text.from_markup(cell).plain if isinstance(cell, str) else str(cell)


def _settings(config: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The config as pairs of a dotted name and a value."""
    rows: list[tuple[str, str]] = []
    for name, value in config.items():
        if isinstance(value, dict):
            rows += [(f"{name}.{inner}", text) for inner, text in _settings(value)]
        elif not isinstance(value, list):
            rows.append((name, str(value)))
        else:
            rows.append((name, ", ".join(map(str, value[:20])) + f", ... {len(value) - 20} more" * (len(value) > 20)))
    return rows


def report_of(folder: Path, title: str, shown: Shown) -> None:
    """Writes the page of a benchmark's folder: its results."""
    blocks = [block for part in shown for block in _blocks(part)]
    pages.write_page(folder / "index.html", pages.page(title, [pages.Section("Results", blocks)]))
