"""What the arc task shows: grids in the terminal, a picture of a task with its answer, a gallery of many."""

import json
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.columns import Columns
from rich.console import Console
from rich.text import Text

from einnet.files import write_whole
from einnet.plots.figures import pyplot, save_figure
from einnet.tasks.arc.bench import summary
from einnet.tasks.arc.grids import Grid, Puzzle

if TYPE_CHECKING:
    from einnet.tasks.arc.solve import Outcome

__all__ = ["gallery", "print_outcome", "print_summary", "task_picture", "written_summary"]

PALETTE = (
    "#000000", "#0074d9", "#ff4136", "#2ecc40", "#ffdc00", "#aaaaaa", "#f012be", "#ff851b", "#7fdbff", "#870c25",
)  # fmt: skip


def drawn(grid: Grid) -> Text:
    """A grid as digits on their colours."""
    text = Text()
    for k, row in enumerate(grid.tolist()):
        text.append("\n" * (k > 0))
        for colour in row:
            text.append(f"{colour} ", style=f"white on {PALETTE[colour]}" if colour != 4 else f"black on {PALETTE[4]}")
    return text


def print_outcome(puzzle: Puzzle, outcome: "Outcome", right: bool | None) -> None:
    console = Console()
    if not outcome.attempts:
        fits = f"{outcome.views} views and {outcome.consistent} symmetries" if outcome.views else "no view"
        console.print(f"{puzzle.name}: no answer. Of what is tried, {fits} fit the demonstrations.", markup=False)
        return
    for number, attempt in enumerate(outcome.attempts, start=1):
        console.print(f"attempt {number}: {attempt.describe()}", highlight=False)
        console.print(
            f"{attempt.left_out:.0%} of the demonstrations follow from the others", style="dim", highlight=False
        )
        console.print(Columns([drawn(a) for a in attempt.answers], padding=(0, 3)))
    if right is not None:
        console.print("One of the attempts is right." if right else "No attempt is right.")


def task_picture(puzzle: Puzzle, outcome: "Outcome", picture: Path) -> None:
    """Draws the demonstrations, the tests with each attempt, and the symmetry that was found."""
    plt = pyplot()
    columns = [
        *([p.input, p.output] for p in puzzle.demonstrations),
        *([p.input, *(a.answers[k] for a in outcome.attempts)] for k, p in enumerate(puzzle.tests)),
    ]
    rows = max(map(len, columns))
    size = (1.8 * len(columns), 1.9 * rows + 0.6)
    figure, panels = plt.subplots(rows, len(columns), figsize=size, squeeze=False, layout="constrained")
    for panel in panels.flat:
        panel.set_axis_off()
    number = len(puzzle.demonstrations)
    for c, grids in enumerate(columns):
        for r, grid in enumerate(grids):
            _paint(panels[r][c], grid, plt)
            what = "input" if r == 0 else "output" if c < number else f"attempt {r}"
            panels[r][c].set_title(what if c < number or r else "test", fontsize=8)
    found = outcome.attempts[0].describe() if outcome.attempts else "No symmetry that fits gives an answer."
    name = puzzle.name.replace("$", r"\$")  # begins no formula; parse_math=False is not heeded where lines are wrapped
    figure.suptitle(f"{name}\n{found}", fontsize=8, wrap=True)
    save_figure(figure, picture)
    plt.close(figure)


def _paint(panel: Any, grid: Grid, plt: Any) -> None:
    from matplotlib.colors import ListedColormap

    panel.set_axis_on()
    panel.imshow(grid, cmap=ListedColormap(PALETTE), vmin=0, vmax=9)
    panel.set_xticks(np.arange(-0.5, grid.shape[1]), labels=[])
    panel.set_yticks(np.arange(-0.5, grid.shape[0]), labels=[])
    panel.grid(color="#555555", linewidth=0.5)
    panel.tick_params(length=0)


def _of_known(found: Mapping[str, Any]) -> str:
    unknown = found["answers not known"]
    without = f" (and {unknown} without answers)" * bool(unknown)
    return f"{found['solved']} of {found['tasks'] - unknown} tasks{without}"


def print_summary(found: Mapping[str, Any], title: str) -> None:
    console = Console()
    console.print(
        f"{title}: {_of_known(found)} solved, {found['attempted']} of {found['tasks']} attempted, "
        f"{found['seconds']:,.0f} s of one core in all",
        markup=False,
        highlight=False,
    )
    for kind, number in found["failures"].items():
        console.print(f"  {number:4} {kind}", highlight=False)


def written_summary(
    puzzles: Mapping[str, Puzzle], found: Mapping[str, Mapping[str, Any]], title: str, folder: Path
) -> dict[str, Any]:
    """The summary of a bench; writes it to results.json, with the title, and the gallery beside it."""
    result = {"title": title} | summary(found)
    with write_whole(folder / "results.json") as temporary:
        temporary.write_text(json.dumps(result, indent=1))
    gallery(puzzles, found, title, folder / "index.html")
    return result


def gallery(puzzles: Mapping[str, Puzzle], found: Mapping[str, Mapping[str, Any]], title: str, file: Path) -> None:
    """Writes a page with each task that has an attempt: tests, attempts, symmetries; the solved ones first."""
    shown = sorted((n for n in found if found[n]["attempts"]), key=lambda n: (not found[n]["solved"], n))
    parts = [_section(puzzles[name], found[name]) for name in shown]
    style = (
        "body{font:14px sans-serif;margin:2em auto;max-width:70em}section{border-top:1px solid #ccc;padding:1em 0}"
        "figure{display:inline-block;margin:0 1em 0 0;vertical-align:top}figcaption{color:#666;font-size:12px}"
    )
    solved = sum(bool(r["solved"]) for r in found.values())
    page = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title><style>{style}</style>'
        f"<h1>{escape(title)}</h1><p>{solved} of {len(found)} tasks solved; those with an attempt are shown.</p>"
        f"{''.join(parts)}</html>\n"
    )
    with write_whole(file) as temporary:
        temporary.write_text(page)


def _section(puzzle: Puzzle, result: Mapping[str, Any]) -> str:
    first = puzzle.demonstrations[0]
    figures = [_figure("demonstration", first.input), _figure("its output", first.output)]
    for k, test in enumerate(puzzle.tests):
        figures.append(_figure("test", test.input))
        for number, attempt in enumerate(result["attempts"], start=1):
            right = np.array_equal(attempt["answers"][k], [] if test.output is None else test.output)
            verdict = "" if test.output is None else ", right" if right else ", wrong"
            figures.append(_figure(f"attempt {number}{verdict}", attempt["answers"][k]))
        if test.output is not None and not result["solved"]:
            figures.append(_figure("the answer", test.output))
    said = "".join(f"<li>{escape(a['symmetry'])}</li>" for a in result["attempts"])
    mark = {True: "solved", False: "not solved", None: ""}[result["solved"]]
    return f"<section><h2>{escape(puzzle.name)} {mark}</h2><ol>{said}</ol>{''.join(figures)}</section>"


def _figure(caption: str, grid: "Grid | Sequence[Sequence[int]] | None") -> str:
    rows = np.asarray(grid).tolist()
    cells = "".join(
        f'<rect x="{c}" y="{r}" width=".95" height=".95" fill="{PALETTE[v]}"/>'
        for r, row in enumerate(rows) for c, v in enumerate(row)
    )  # fmt: skip
    h, w = len(rows), len(rows[0])
    scale = min(12, 240 // max(h, w))
    picture = f'<svg width="{w * scale}" height="{h * scale}" viewBox="0 0 {w} {h}">{cells}</svg>'
    return f"<figure>{picture}<figcaption>{escape(caption)}</figcaption></figure>"
