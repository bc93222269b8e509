"""Pooling operations as small graphs: indices are nodes, operands are edges, the output's indices are ringed."""

from collections import Counter
from collections.abc import Sequence
from functools import partial
from math import cos, pi, sin
from pathlib import Path
from typing import Any

import numpy as np

from einnet.operations import PoolingSet
from einnet.plots.figures import check_picture, pyplot, save_figure
from einnet.terms import Term, TypeSet

__all__ = ["draw_operations"]

COLUMNS = 6
COLOURS = ("#4c78a8", "#f58518", "#54a24b", "#b279a2", "#e45756", "#72b7b2")
INK, OUTPUT = "#444444", "#c0392b"


def draw_operations(operations: PoolingSet, picture: Path | str, number: int | None = None) -> None:
    """Draws the operations of a set, or the first few of each order: a row of small graphs for each order.

    A node is an index, coloured by its axis. An operand is a line, with an arrow to its second index if both are on one
    axis, a loop if it has one index, twice, or a square with lines to three indices or more. The indices of the output
    are ringed in red and connected by a dashed red line.
    """
    check_picture(picture)
    rows = [
        (f"order {k}" if start == 0 else "", terms[:number][start : start + COLUMNS])
        for k, terms in operations.by_order.items()
        for start in range(0, len(terms[:number]), COLUMNS)
    ]
    columns = max(len(terms) for _, terms in rows)
    width = columns * max(1.8, 0.075 * max(len(str(t)) for t in operations) + 0.2) + 0.7
    height = 1.9 * len(rows) + 0.5
    figure, panels = pyplot().subplots(len(rows), columns, squeeze=False, figsize=(width, height))
    figure.subplots_adjust(left=0.6 / width, right=1, top=1 - 0.5 / height, bottom=0)
    figure.text(0.01, 0.99, str(operations).partition("\n")[0], fontsize=9, va="top")
    for panel in panels.flat:
        panel.set_axis_off()
        panel.set(xlim=(-1.7, 1.7), ylim=(-1.6, 1.75), aspect="equal")
    for (name, terms), line in zip(rows, panels, strict=False):
        line[0].text(-0.25, 0.5, name, rotation=90, va="center", fontsize=8, transform=line[0].transAxes)
        for term, panel in zip(terms, line, strict=False):
            draw_term(panel, term, operations.type_set)
    save_figure(figure, picture)


def draw_term(panel: Any, term: Term, type_set: TypeSet) -> None:
    """One operation on a matplotlib axis that shows the square from -1.6 to 1.6."""
    classes = type_set.classes_of(term)
    at = _positions(term)
    for edge, times in Counter(term.operands).items():
        for k in range(times):
            _draw_edge(panel, edge, at, classes, bend=(k - (times - 1) / 2) * 0.5)
    overlaps = any(set(term.output) == set(t) for t in term.operands)
    _draw_edge(panel, term.output, at, classes, bend=0.35 + 0.25 * term.order if overlaps else 0.0, output=True)
    colour = {c: COLOURS[k % len(COLOURS)] for k, c in enumerate(type_set.classes)}
    for index, (x, y) in at.items():
        if index in term.output:
            panel.plot(x, y, "o", markersize=17, markerfacecolor="white", markeredgecolor=OUTPUT, markeredgewidth=1.4)
        panel.plot(x, y, "o", markersize=12, color=colour[classes[index]])
        panel.text(x, y, index, ha="center", va="center", color="white", fontsize=7)
    panel.set_title(str(term), family="monospace", fontsize=7, y=0.98, va="top")


def _positions(term: Term) -> dict[str, tuple[float, float]]:
    """The indices on a circle, those of the output on the left and on the right if that makes no more lines cross."""
    indices = list(term.indices)
    if len(indices) == 1:
        return {indices[0]: (0.0, 0.0)}
    outputs = list(dict.fromkeys(term.output))
    first, last = outputs[:1] or indices[:1], outputs[1:][-1:]
    middle = [i for i in indices if i not in first and i not in last]
    half = (len(middle) + 1) // 2
    around = min([*first, *middle[:half], *last, *middle[half:][::-1]], indices, key=partial(_count_crossings, term))
    return {i: (-cos(2 * pi * k / len(around)), sin(2 * pi * k / len(around))) for k, i in enumerate(around)}


def _count_crossings(term: Term, around: Sequence[str]) -> int:
    """How many lines between two indices cross, with the indices on a circle in this order."""
    ends = {tuple(sorted(map(around.index, set(t)))) for t in (*term.operands, term.output) if len(set(t)) == 2}
    return sum(i < k < j < m for i, j in ends for k, m in ends)


def _draw_edge(
    panel: Any, edge: Sequence[str], at: dict, classes: dict[str, str], *, bend: float, output: bool = False
) -> None:
    """A line between the indices of a tuple, a loop, or a square with a line to each of them."""
    distinct = list(dict.fromkeys(edge))
    colour, style = (OUTPUT, (0, (3, 2))) if output else (INK, "solid")
    if len(distinct) >= 3:
        x, y = np.mean([at[i] for i in distinct], 0) + np.array((0.7 * bend, -0.25 * bend))
        squares = [line.get_xydata()[0] for line in panel.lines if line.get_marker() == "s"]
        while any(np.abs(square - (x, y)).sum() < 0.2 for square in squares):
            y -= 0.25
        for i in distinct:
            panel.plot([x, at[i][0]], [y, at[i][1]], color=colour, linestyle=style, linewidth=1.0, zorder=1)
        panel.plot(x, y, "s", markersize=5, color=colour, markerfacecolor="white" if output else colour)
    elif len(distinct) == 2:
        joint = classes[distinct[0]] == classes[distinct[1]]
        look = {"arrowstyle": "-|>" if joint else "-", "color": colour, "linestyle": style, "linewidth": 1.2}
        look |= {"shrinkA": 9, "shrinkB": 9, "connectionstyle": f"arc3,rad={bend}"}
        panel.annotate("", xy=at[distinct[1]], xytext=at[distinct[0]], arrowprops=look)
    elif distinct and not (output and len(edge) == 1):
        (x, y), radius, turn = at[distinct[0]], 0.3 + 0.35 * abs(bend), np.linspace(0, 2 * pi, 40)
        xs, ys = x + 0.8 * radius * np.cos(turn), y + 0.32 + radius * np.sin(turn)
        panel.plot(xs, ys, color=colour, linestyle=style, linewidth=1.2)
