"""Pictures: learning curves, what the pooling operations do, which coefficients are shared."""

import csv
from collections.abc import Sequence
from math import prod
from pathlib import Path
from textwrap import fill
from typing import Any

import numpy as np

from einnet.checks import check_limit, check_package
from einnet.errors import EinNetError, to_printable
from einnet.files import check_writable, write_whole
from einnet.operations import pooling_terms
from einnet.operations.words import describe_term
from einnet.symmetry import Symmetry, check_dense
from einnet.taylor import Panel, Series
from einnet.terms import Term

__all__ = ["check_picture", "draw_learning_curve", "draw_pooling", "draw_sharing", "pyplot", "save_figure"]

SUFFIXES = (".svg", ".png", ".pdf")
FEW = 10  # points of a curve that are shown by markers
LEGEND = 24  # entries of a legend
DISTINCT = 20  # colours that are told apart without numbers


def draw_learning_curve(log: Path, picture: Path, metric: str, higher_is_better: bool = True) -> None:
    """Draws the loss and the validation metric of a run's log.csv over the steps, the best value marked.

    The loss, and a metric of which less is better, are drawn on a logarithmic scale where they are positive; one or two
    points, which make no curve, on a linear scale from 0.
    """
    with log.open(newline="", encoding="utf-8") as f:
        rows = list(csv.DictReader(f))
    steps, losses, values = ([float(r[name]) for r in rows] for name in ("step", "loss", metric))
    figure, left = pyplot().subplots(figsize=(6.4, 3.6), layout="constrained")
    marker = "s" if len(steps) < FEW else None
    left.plot(steps, losses, color="tab:gray", linestyle="dashed", marker=marker)
    left.set(xlabel="step", xlim=(0, 1.05 * max(steps)), ylabel=f"training loss ({'squares' if marker else 'dashed'})")
    left.locator_params(axis="x", integer=True)
    right = left.twinx()
    right.plot(steps, values, color="tab:blue", marker=".")
    for axis, numbers, is_log in ((left, losses, True), (right, values, not higher_is_better)):
        if min(numbers) > 0 and len(steps) < 3:
            axis.set_ylim(0, 1.1 * max(numbers))
        elif min(numbers) > 0 and is_log:
            axis.set_yscale("log")
    right.set_ylabel(f"valid {metric}", color="tab:blue", parse_math=False)
    best = (max if higher_is_better else min)(range(len(values)), key=values.__getitem__)
    right.plot(steps[best], values[best], "o", color="tab:blue")
    text = f"best valid {metric}: {values[best]:.4g}, step {steps[best]:.0f}"
    right.set_title(text, fontsize=9, color="tab:blue", parse_math=False)
    save_figure(figure, picture)


def draw_pooling(symmetry: Symmetry, picture: Path, terms: Sequence[Term] | None = None) -> None:
    """Draws the result of each pooling operation on random tensors, by default of the default operations.

    A column is one operation, in words too: its operands above, its result below. The type has one or two axes.
    """
    import torch

    from einnet.nn import EinPool

    check_picture(picture)
    check_dense([symmetry], "a picture of operations")
    if len(symmetry.axes) not in (1, 2):
        raise EinNetError(f"a picture shows types with one or two axes, got '{symmetry}'")
    sizes = dict(zip(symmetry.classes, (5, 7), strict=False))
    shape = [sizes[c] for c in symmetry.axes]
    terms = pooling_terms(symmetry) if terms is None else terms
    highest = max(t.order for t in terms)
    generator = torch.Generator().manual_seed(1)
    size = 1.5 * len(terms), 1.6 * (highest + 1)
    figure, panels = pyplot().subplots(highest + 1, len(terms), squeeze=False, layout="constrained", figsize=size)
    for panel in panels.flat:
        panel.set_axis_off()
    for column, term in enumerate(terms):
        operands = torch.randn(*shape, term.order, generator=generator)
        result = EinPool([term], symmetry)(operands)[..., 0]
        for row, value in (*enumerate(operands.unbind(-1)), (highest, result)):
            limit = float(value.abs().max()) or 1.0
            panels[row][column].imshow(value.reshape(shape[0], -1), cmap="RdBu", vmin=-limit, vmax=limit)
        panels[0][column].set_title(fill(describe_term(term), 18), fontsize=9)
        panels[highest][column].set_title(str(term), family="monospace", fontsize=9)
    for panel, label in ((panels[0][0], "operands"), (panels[highest][0], "result")):
        panel.text(-0.25, 0.5, label, rotation=90, va="center", transform=panel.transAxes)
    save_figure(figure, picture)


def draw_sharing(series: Series, picture: Path | str) -> None:
    """Draws the parameter at each entry of the coefficients of order 0, 1 and 2.

    One colour for each free parameter. A matrix has the output and the operand, or the two operands, as rows and
    columns; at order 2 there is a matrix for each entry of the output. The legend names a parameter by the contraction
    with the same indices, of which different letters are different (for a group given by generators, by the first entry
    of its orbit).
    """
    if not isinstance(series, Series):
        raise TypeError(f"a picture shows series of types or of permutation groups, got {type(series).__name__}")
    check_picture(picture)
    panels = [panel for k in range(min(series.order, 2) + 1) for panel in series.panels(k)]
    for panel in panels:
        check_limit(panel.sharing.size, "picture_entries", f"{panel.title} has {{}} entries", "choose smaller sizes")
    matrices = [_as_matrix(panel) for panel in panels]
    cell = min(0.28, 9 / max(m.shape[1] for m in matrices), 8 / max(len(m) for m in matrices))  # inches
    legends = [_legend_shape(p, cell * m.shape[1]) for p, m in zip(panels, matrices, strict=True)]
    widths = [max(2.0, cell * m.shape[1], c * w) + 0.3 for m, (_, c, w) in zip(matrices, legends, strict=True)]
    below = max(cell * len(m) + 0.17 * rows for m, (rows, _, _) in zip(matrices, legends, strict=True)) + 0.2
    total, height = max(sum(widths), 0.075 * len(series.heading)), below + 0.9
    figure = pyplot().figure(figsize=(total, height))
    figure.text(0.02, 1 - 0.12 / height, series.heading, fontsize=9, va="top")
    left = 0.0
    for panel, matrix, width, (_, columns, _) in zip(panels, matrices, widths, legends, strict=True):
        axis = figure.add_axes((left / total, 0, width / total, below / height))
        middle = (matrix.shape[1] - 1) / 2
        axis.set(xlim=(middle - width / cell / 2, middle + width / cell / 2), ylim=(below / cell - 0.5, -0.5))
        _draw_panel(axis, panel, matrix, columns)
        left += width
    save_figure(figure, picture)


def _legend_shape(panel: Panel, width: float) -> tuple[int, int, float]:
    """Rows, columns, and a column's width in inches."""
    names = _legend_names(panel)
    entries, column = len(names), 0.45 + 0.062 * max(map(len, names))
    columns = max(1, min(int(width / column), -(-entries // 4)))
    return -(-entries // columns), columns, column


def _legend_names(panel: Panel) -> list[str]:
    """The names, numbered if there are too many colours to tell apart, and cut if there are too many entries."""
    names = panel.names
    if len(names) > DISTINCT:
        names = [f"{k} {name}" for k, name in enumerate(names)]
    return names if len(names) <= LEGEND + 3 else [*names[:LEGEND], f"... {len(names) - LEGEND:,} more"]


def _as_matrix(panel: Panel) -> np.ndarray:
    """The parameter numbers as a matrix; NaN separates the matrices of different output entries."""
    output, *operands = panel.shapes
    if len(operands) == 2:
        outer = (1, *output) if len(output) < 2 else output
        blocks = panel.sharing.reshape(outer[0], prod(outer[1:]), *map(prod, operands)).astype(float)
        padded = np.pad(blocks, ((0, 0), (0, 0), (0, 1), (0, 1)), constant_values=np.nan)
        rows, columns, height, width = padded.shape
        return padded.transpose(0, 2, 1, 3).reshape(rows * height, columns * width)[:-1, :-1]
    if output and operands:
        rows = prod(output)
    else:  # one tensor: its first axis by the rest; an operand of one axis is a row, an output a column
        (shape,) = [s for s in panel.shapes if s] or [(1,)]
        rows = 1 if operands and len(shape) == 1 else shape[0]
    return panel.sharing.reshape(rows, -1).astype(float)


def _draw_panel(axis: Any, panel: Panel, matrix: np.ndarray, legend_columns: int) -> None:
    from matplotlib.colors import ListedColormap
    from matplotlib.patches import Patch

    rows, columns = matrix.shape
    colours = _colours(len(panel.names))
    look = {"cmap": ListedColormap(colours), "vmin": -0.5, "vmax": len(colours) - 0.5, "interpolation": "nearest"}
    axis.imshow(matrix, aspect="auto", extent=(-0.5, columns - 0.5, rows - 0.5, -0.5), zorder=0, **look)
    if max(rows, columns) <= 60:
        axis.vlines(np.arange(columns + 1) - 0.5, -0.5, rows - 0.5, color="white", linewidth=0.6)
        axis.hlines(np.arange(rows + 1) - 0.5, -0.5, columns - 0.5, color="white", linewidth=0.6)
    axis.set_axis_off()
    free = f"{len(panel.names):,} free of {panel.sharing.size:,}"
    axis.set_title("\n".join([panel.title, _what(panel.shapes), free]), fontsize=8)
    if len(panel.names) > DISTINCT and matrix.size <= 2500:
        for row, column in np.argwhere(~np.isnan(matrix)):
            number = int(matrix[row, column])
            ink = "white" if np.dot(colours[number][:3], (0.3, 0.59, 0.11)) < 0.45 else "black"
            axis.text(column, row, number, fontsize=4.5, ha="center", va="center", color=ink)
    names = _legend_names(panel)
    handles = [Patch(color=colour, label=name) for colour, name in zip(colours, names, strict=False)]
    if names[-1].startswith("..."):
        handles[-1] = Patch(alpha=0, label=names[-1])
    place = {"loc": "upper center", "bbox_to_anchor": ((columns - 1) / 2, rows - 0.5), "bbox_transform": axis.transData}
    style = {"frameon": False, "handlelength": 1.2, "columnspacing": 1.2, "prop": {"family": "monospace", "size": 7}}
    axis.legend(handles=handles, ncols=legend_columns, **place, **style)


def _what(shapes: tuple[tuple[int, ...], ...]) -> str:
    """Rows and columns of a panel's matrix, y the output and x the operands."""
    with_output = ("y", "rows y, columns x", "rows x, columns x, a block for each y")
    return (with_output if shapes[0] else ("y", "x", "rows x, columns x"))[len(shapes) - 1]


def _colours(number: int) -> list[Any]:
    """Up to 20 colours from the qualitative maps of matplotlib; more are spread over hue and shade."""
    from matplotlib import colormaps
    from matplotlib.colors import hsv_to_rgb

    if number <= DISTINCT:
        return list(colormaps["tab10" if number <= 10 else "tab20"].colors[:number])  # type: ignore[attr-defined]
    k = np.arange(number)
    shades = np.stack([k * 0.618034 % 1, 0.45 + 0.5 * (k // 2 % 2), 0.95 - 0.35 * (k % 3) / 2], 1)
    return list(hsv_to_rgb(shades))


def check_picture(picture: Path | str | None) -> None:
    """Raises before work starts whose picture could not be drawn to this file; None is no file."""
    if picture is None:
        return
    if Path(picture).suffix not in SUFFIXES:
        raise EinNetError(f"a picture is saved as {', '.join(SUFFIXES)}, got the file name '{picture}'")
    check_package("matplotlib", "a picture")
    check_writable(picture)


def save_figure(figure: Any, picture: Path | str) -> None:
    """Saves and closes a figure of matplotlib; control characters in its texts are escaped."""
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        text.set_text(to_printable(text.get_text()))
    with write_whole(picture) as temporary:
        figure.savefig(temporary, dpi=150, metadata={"Date": None} if Path(picture).suffix == ".svg" else None)
    pyplot().close(figure)


def pyplot():
    check_package("matplotlib", "a picture")
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "einnet"  # the same picture is the same file
    import matplotlib.pyplot as plt

    return plt
