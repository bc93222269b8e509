"""Where results are written: a file for each benchmark, and its section of the page docs/results.md.

A section lies between the comments <!-- NAME --> and <!-- /NAME -->, where NAME is the name of the script. It is a
table of the main results; the text around it is written by hand.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from einnet.files import write_whole
from einnet.plots.figures import pyplot, save_figure

__all__ = ["EFFICIENCY", "FOLDER", "PAGE", "bold_best", "draw_curves", "make_table", "replace_section", "write_results"]

FOLDER = Path(__file__).parent
PAGE = FOLDER.parent / "docs" / "results.md"
EFFICIENCY = PAGE.with_name("data-efficiency.md")


def write_results(
    name: str, lines: Sequence[str], section: Sequence[str], page: Path, file: Path | None = None
) -> None:
    """Writes the lines to `file`, by default benchmarks/NAME.md, prints them, and replaces the section of the page."""
    text = "\n".join(lines) + "\n"
    with write_whole(file or FOLDER / f"{name}.md") as temporary:
        temporary.write_text(text, encoding="utf-8")
    print(text)
    replace_section(page, name, "\n".join(section))


def replace_section(page: Path, name: str, markdown: str) -> None:
    """Replaces the text between <!-- NAME --> and <!-- /NAME --> in a page; ends the program without them.

    >>> import tempfile
    >>> page = Path(tempfile.mkdtemp()) / "results.md"
    >>> _ = page.write_text("Before\\n<!-- kg -->\\nold\\n<!-- /kg -->\\nAfter\\n")
    >>> replace_section(page, "kg", "new")
    >>> page.read_text(encoding="utf-8")
    'Before\\n<!-- kg -->\\nnew\\n<!-- /kg -->\\nAfter\\n'
    """
    start, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
    text = page.read_text(encoding="utf-8") if page.is_file() else ""
    before, _, rest = text.partition(start)
    _, _, after = rest.partition(end)
    if (text.count(start), rest.count(end)) != (1, 1):
        raise SystemExit(f"{page} needs one section between {start.strip()} and {end}: its table is not written")
    with write_whole(page) as temporary:
        temporary.write_text(f"{before}{start}{markdown.strip()}\n{end}{after}", encoding="utf-8")


def make_table(head: Sequence[object], rows: Sequence[Sequence[object]]) -> list[str]:
    """The lines of a table in Markdown.

    >>> make_table(["n", "MiB"], [[64, 16], ["", 22]])
    ['| n | MiB |', '|---|---|', '| 64 | 16 |', '| | 22 |']
    """
    lines = [re.sub(r"\|  (?=\|)", "| ", f"| {' | '.join(map(str, row))} |") for row in (head, *rows)]
    return [lines[0], "|---" * len(head) + "|", *lines[1:]]


def bold_best(numbers: Sequence[str], best: Callable[..., float] = max) -> list[str]:
    """Numbers as text, the best ones in bold if there are others; empty texts are left out.

    >>> bold_best(["0.50", "", "0.25"])
    ['**0.50**', '', '0.25']
    """
    values = [float(n.replace(",", "")) if n else None for n in numbers]
    known = [v for v in values if v is not None]
    if len(known) < 2:
        return list(numbers)
    return [f"**{n}**" if v == best(known) else n for n, v in zip(numbers, values, strict=True)]


def draw_curves(
    file: Path, curves: Mapping[str, Sequence[Sequence[float]]], scale: str = "log", **axes: object
) -> None:
    """Draws named curves, each (x, y), with a legend if there are several; `axes` go to the panel's `set`."""
    figure, panel = pyplot().subplots(figsize=(6.4, 3.6), layout="constrained")
    for name, (x, y) in curves.items():
        panel.plot(x, y, marker="." if len(x) < 50 else "", label=name)
    panel.set(**{"xscale": scale, "yscale": scale} | axes)
    if len(curves) > 1:
        panel.legend()
    save_figure(figure, file)
