"""Grids in the terminal, a picture of a task with its attempts, a gallery of many tasks."""

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from rich.columns import Columns
from rich.text import Text

from einnet import pages
from einnet.plots.figures import pyplot, save_figure
from einnet.tasks.arc.grids import Grid, Puzzle
from einnet.tasks.arc.solve import Outcome
from einnet.tasks.console import make_console

__all__ = ["draw_puzzle", "make_sections", "print_outcome"]

PALETTE = (
    "#000000", "#0074d9", "#ff4136", "#2ecc40", "#ffdc00", "#aaaaaa", "#f012be", "#ff851b", "#7fdbff", "#870c25",
)  # fmt: skip
YELLOW = 4  # needs dark digits
CELL, CAPTION, GAP = 12, 16, 20  # pixels of a gallery's picture


def print_outcome(puzzle: Puzzle, outcome: Outcome, solved: bool | None) -> None:
    """Prints the attempts as digits on their colours, and what the answers follow from."""
    console = make_console()
    if not outcome.attempts:
        fits = f"{outcome.views} views and {outcome.families} symmetries fit" if outcome.views else "no view fits"
        console.print(f"{puzzle.name}: no answer: {fits} the demonstrations.")
        return
    for number, attempt in enumerate(outcome.attempts, start=1):
        console.print(f"attempt {number}: {attempt.describe()}")
        share = f"{attempt.left_out:.0%} of the demonstrations follow from the others"
        console.print(share, style="dim")
        console.print(Columns([_color_digits(a) for a in attempt.answers], padding=(0, 3)))
    if solved is not None:
        console.print("One of the attempts is right." if solved else "No attempt is right.")


def _color_digits(grid: Grid) -> Text:
    styles = [f"{'black' if colour == YELLOW else 'white'} on {ink}" for colour, ink in enumerate(PALETTE)]
    lines = [Text.assemble(*((f"{colour} ", styles[colour]) for colour in row)) for row in grid.tolist()]
    return Text("\n").join(lines)


def draw_puzzle(puzzle: Puzzle, outcome: Outcome, picture: Path) -> None:
    """Draws the demonstrations, the tests with each attempt, and the symmetry in words."""
    columns = [[("input", p.input), ("output", p.output)] for p in puzzle.demonstrations]
    for k, p in enumerate(puzzle.tests):
        answers = [(f"attempt {n}", a.answers[k]) for n, a in enumerate(outcome.attempts, start=1)]
        columns.append([("test", p.input), *answers])
    rows = max(map(len, columns))
    size = (1.8 * len(columns), 1.9 * rows + 0.6)
    figure, panels = pyplot().subplots(rows, len(columns), figsize=size, squeeze=False, layout="constrained")
    for panel in panels.flat:
        panel.set_axis_off()
    for line, column in zip(panels.T, columns, strict=True):
        for panel, (caption, grid) in zip(line, column, strict=False):
            _paint(panel, grid, caption)
    symmetry = outcome.attempts[0].describe() if outcome.attempts else "No symmetry that fits gives an answer."
    name = puzzle.name.replace("$", r"\$")  # no formula; parse_math=False has no effect on wrapped text
    figure.suptitle(f"{name}\n{symmetry}", fontsize=8, wrap=True)
    save_figure(figure, picture)


def _paint(panel: Any, grid: Grid, caption: str) -> None:
    from matplotlib.colors import ListedColormap

    panel.set_axis_on()
    panel.set_title(caption, fontsize=8)
    panel.imshow(grid, cmap=ListedColormap(PALETTE), vmin=0, vmax=9)
    panel.set_xticks(np.arange(-0.5, grid.shape[1]), labels=[])
    panel.set_yticks(np.arange(-0.5, grid.shape[0]), labels=[])
    panel.grid(color="#555555", linewidth=0.5)
    panel.tick_params(length=0)


def make_sections(puzzles: Mapping[str, Puzzle], results: Mapping[str, Mapping[str, Any]]) -> list[pages.Section]:
    """A section of a page for each attempted task: symmetries, and a picture of its grids; the solved ones first."""
    attempted = sorted((n for n in results if results[n]["attempts"]), key=lambda n: (not results[n]["solved"], n))
    return [_make_section(puzzles[name], results[name]) for name in attempted]


def _make_section(puzzle: Puzzle, result: Mapping[str, Any]) -> pages.Section:
    first = puzzle.demonstrations[0]
    grids = [("demonstration", first.input), ("its output", first.output)]
    for k, test in enumerate(puzzle.tests):
        grids.append(("test", test.input))
        for number, attempt in enumerate(result["attempts"], start=1):
            answer = np.array(attempt["answers"][k])
            verdict = "" if test.output is None else ", right" if np.array_equal(answer, test.output) else ", wrong"
            grids.append((f"attempt {number}{verdict}", answer))
        if test.output is not None and not result["solved"]:
            grids.append(("the answer", test.output))
    status = {True: "solved", False: "not solved", None: ""}[result["solved"]]
    symmetries = [pages.Text(f"Attempt {k}: {a['symmetry']}") for k, a in enumerate(result["attempts"], start=1)]
    return pages.Section(f"{puzzle.name} {status}", [*symmetries, _draw_grids(grids)])


def _draw_grids(grids: list[tuple[str, Any]]) -> pages.Picture:
    """Grids side by side below their captions, as SVG."""
    x, height, parts = 0, 0, []
    for caption, grid in grids:
        rows, columns = grid.shape
        parts.append(f'<text x="{x}" y="11">{escape(caption)}</text>')
        for (r, c), colour in np.ndenumerate(grid):
            place = f'x="{x + c * CELL}" y="{CAPTION + r * CELL}"'
            parts.append(f'<rect {place} width="11" height="11" fill="{PALETTE[colour]}"/>')
        x += max(columns * CELL, 7 * len(caption)) + GAP
        height = max(height, CAPTION + rows * CELL)
    start = f'<svg xmlns="http://www.w3.org/2000/svg" width="{x}" height="{height}" font-family="sans-serif" '
    svg = f'{start}font-size="12">{"".join(parts)}</svg>'
    return pages.encode_picture(svg.encode(), ".svg", ", ".join(caption for caption, _ in grids))
