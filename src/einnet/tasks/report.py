"""What is left of a run to look at: tables on the screen, and the same in the run's `index.html`."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from einnet import pages
from einnet.tasks.console import say
from einnet.train.run import Run

__all__ = [
    "CURVE",
    "Picture",
    "Shown",
    "concluded",
    "draw",
    "report_of",
    "show",
    "tell_files",
    "titled",
    "write_report",
]

Shown = Sequence[Table | str]  # tables, and sentences between them
Picture = tuple[str, Callable[[Path], Any]]  # what it shows, and what draws it to a file
CURVE = "curve.png"


def show(shown: Shown) -> None:
    """Prints results."""
    console = Console()
    for part in shown:
        console.print(part, highlight=False)


def titled(title: str) -> Table:
    """A table below a title that stands as it is: no letter in it is markup."""
    return Table(title=Text(title, style="table.title"), title_justify="left")


def concluded(
    run: Run, metrics: Mapping[str, Any], shown: Shown, pictures: Mapping[str, Picture] | None = None
) -> None:
    """The end of a training: saves the metrics, prints the results, draws, writes the report, names the files.

    `pictures` has each picture by its file's name.
    """
    run.write_json("metrics.json", metrics)
    show(shown)
    pictures = pictures or {}
    for name, (_, how) in pictures.items():
        draw(run.folder / name, how)
    write_report(run, shown, {name: text for name, (text, _) in pictures.items()})
    tell_files(run, "best.safetensors", "metrics.json", "log.csv", CURVE, *pictures, "index.html")


def draw(picture: Path, how: Callable[[Path], Any]) -> None:
    """Draws a picture of a run. One that cannot be drawn is named, and the run goes on: its results do not need it."""
    try:
        how(picture)
    except Exception as error:
        say(f"{picture} is not drawn: {type(error).__name__}: {error}")


def tell_files(run: Run, *names: str) -> None:
    """Says which of these files the run's folder has."""
    say(f"Saved in {run.folder}: {', '.join(name for name in names if (run.folder / name).is_file())}")


def write_report(run: Run, shown: Shown = (), pictures: Mapping[str, str] | None = None) -> None:
    """Writes the run's page: results, learning curve, pictures, settings. It holds everything itself."""
    config = run.read_config()
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
