"""Results of a run: tables on the screen, and the same with pictures on the run's page `index.html`."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from rich.table import Table

from einnet import pages
from einnet.files import write_text
from einnet.tasks.console import log, make_console
from einnet.train.run import Run

__all__ = [
    "CURVE", "PAGE", "Picture", "Report", "Results", "Suggestion", "draw_picture", "finish_run", "log_files",
    "make_table", "print_as", "print_report", "save_result", "write_report_page", "write_run_page",
]  # fmt: skip

Report = Sequence[Table | str]  # tables, and sentences between them
Picture = tuple[str, Callable[[Path], Any]]  # a caption, and a function that draws to a file
CURVE, PAGE = "curve.png", "index.html"
MAX_ITEMS = 20  # of a list in the config that the page names


@dataclass(frozen=True)
class Results:
    """The metrics of a trained network, as JSON has them; how they are shown; pictures by file name."""

    metrics: dict[str, Any]
    report: Report
    pictures: Mapping[str, Picture] = field(default_factory=dict)


@dataclass(frozen=True)
class Suggestion:
    """What to do with a trained network: a command, and lines of Python that load it and predict."""

    command: str
    code: str


def print_report(report: Report) -> None:
    """Prints tables and sentences on standard output."""
    console = make_console()
    for part in report:
        console.print(part)


def make_table(title: str, texts: Sequence[str] = (), numbers: Sequence[str] = ()) -> Table:
    """A table with columns of texts, then columns of numbers; on a narrow terminal texts are folded, not cut."""
    table = Table(title=title, title_justify="left")
    for name in texts:
        table.add_column(name, overflow="fold")
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def finish_run(
    run: Run,
    results: Results,
    name: str = "metrics.json",
    as_json: bool = False,
    print_results: Callable[[], None] | None = None,
    suggestion: Suggestion | None = None,
) -> None:
    """Saves the metrics, prints them or the report, draws the pictures, writes the page, names files and what next."""
    save_result(run.folder / name, results.metrics, as_json, print_results or partial(print_report, results.report))
    for picture, (_, draw) in results.pictures.items():
        draw_picture(run.folder / picture, draw)
    write_run_page(run, results, suggestion)
    log_files(run.folder, "best.safetensors", name, "log.csv", CURVE, *results.pictures, PAGE)
    if suggestion is not None:
        log(f"Next: {suggestion.command}\nIn Python:\n{suggestion.code}")


def save_result(file: Path, result: Mapping[str, Any], as_json: bool, print_result: Callable[[], None]) -> None:
    """Saves a result and prints it, as JSON or by `print_result`, also where the disk is full."""
    try:
        write_text(file, json.dumps(result, indent=2) + "\n")
    finally:
        print_as(result, as_json, print_result)


def print_as(result: Any, as_json: bool, print_result: Callable[[], None]) -> None:
    """Prints a result as JSON or by `print_result`."""
    if as_json:
        print(json.dumps(result), flush=True)
    else:
        print_result()


def draw_picture(picture: Path, draw: Callable[[Path], Any]) -> None:
    """Draws a picture of a run; a picture that cannot be drawn is named, and the run continues."""
    with _name_failure(picture, "drawn"):
        draw(picture)


@contextmanager
def _name_failure(file: Path, verb: str) -> Iterator[None]:
    """An error in the block is a message: what only shows the results must not cost them."""
    try:
        yield
    except Exception as error:
        log(f"{file} is not {verb}: {type(error).__name__}: {error}")


def log_files(folder: Path, *names: str) -> None:
    """Names the files and folders that a folder has, among these."""
    log(f"Saved in {folder}: {', '.join(name for name in names if (folder / name).exists())}")


def write_run_page(run: Run, results: Results | None = None, suggestion: Suggestion | None = None) -> None:
    """Writes the run's page: results, what next, learning curve, pictures, config; one file with everything in it."""
    results = results or Results({}, ["No results: training was ended early."])
    curve = "the training loss, and the metric on the validation set by which the network is chosen"
    captions = {CURVE: curve} | {name: caption for name, (caption, _) in results.pictures.items()}
    files = {run.folder / name: caption for name, caption in captions.items()}

    with _name_failure(run.folder / PAGE, "written"):
        config = run.read_config()
        pictures = [pages.read_picture(file, caption) for file, caption in files.items() if file.is_file()]
        rows = pages.Table(("name", "value"), _flatten(config), code=frozenset({0, 1}))
        sections = [pages.Section("Pictures", pictures), pages.Section("Config", [rows])]
        if suggestion is not None:
            listings = [pages.Text(text, "listing") for text in (suggestion.command, suggestion.code)]
            sections.insert(0, pages.Section("Next: a command, and the same network in Python", listings))
        write_report_page(run.folder, f"einnet {config['task']}, {run.folder.name}", results.report, lambda: sections)


def write_report_page(
    folder: Path, title: str, report: Report, make_sections: Callable[[], Sequence[pages.Section]] = list
) -> None:
    """Writes the page of a folder: its results, and further sections; a page that cannot be written is named."""
    with _name_failure(folder / PAGE, "written"):
        parts = (([pages.Text(part)] if isinstance(part, str) else _to_html(part)) for part in report)
        results = pages.Section("Results", [block for blocks in parts for block in blocks])
        pages.write_page(folder / PAGE, pages.render_page(title, [results, *make_sections()]))


def _to_html(table: Table) -> list[pages.Block]:
    """A table of rich as one of HTML, between its title and its caption."""
    header = [str(c.header) for c in table.columns]
    rows = list(zip(*(map(str, c.cells) for c in table.columns), strict=True))
    strong = frozenset(k for k, row in enumerate(table.rows) if row.style == "bold")
    title, caption = ([pages.Text(str(text))] if text else [] for text in (table.title, table.caption))
    return [*title, pages.Table(header, rows, strong), *caption]


def _flatten(config: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The config as pairs of a dotted name and a value."""
    rows: list[tuple[str, str]] = []
    for name, value in config.items():
        if isinstance(value, dict):
            rows += [(f"{name}.{inner}", text) for inner, text in _flatten(value)]
        else:
            items = value if isinstance(value, list) else [value]
            more = [f"... {len(items) - MAX_ITEMS} more"] if len(items) > MAX_ITEMS else []
            rows.append((name, ", ".join([*map(str, items[:MAX_ITEMS]), *more])))
    return rows
