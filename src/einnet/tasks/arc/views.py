"""Views: how a task becomes cells with features. A view encodes a grid as features of the cells of its answer.

The shape of the answer comes from the view: a view fits a task if it gives every demonstration's output
the shape that it has. Views cut grids into panels of one size, crop them to a box around a colour or an
object, pick one panel or object out of several, enlarge, repeat, mirror and turn.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product

import numpy as np
from scipy import ndimage

from einnet.tasks.arc.grids import BLACK, COLOURS, MAX_SIZE, Grid, Pair, Puzzle
from einnet.tasks.arc.lattice import NO_BLOCK, Block, label_connected, label_objects

__all__ = ["NUMBERS", "Cells", "View", "select_views"]

MAX_FEATURES = 16  # of a cell
MAX_PANELS, MAX_OBJECTS = 36, 60  # among which one is picked
NUMBERS = 10  # features from here on are numbers, not colours: k is written NUMBERS + k


@dataclass(frozen=True)
class Cells:
    """A grid as the features of cells."""

    features: np.ndarray  # (features, rows, columns), colours
    block: Block = NO_BLOCK


Encoder = Callable[[Grid], Cells | None]  # None where the view does not apply to the grid
Crop = Callable[[Grid], Grid]  # empty where there is no such part
Split = Callable[[Grid], list[list[Grid]]]  # into rows of panels of one size; empty if there are none
Pick = Callable[[Sequence[Grid]], int | None]  # the number of one of several parts; None if none stands out


@dataclass(frozen=True)
class View:
    """A way to encode grids; with a `constant_shape` the answer is one colour in a grid of that shape."""

    name: str
    encode: Encoder
    constant_shape: tuple[int, ...] | None = None

    def fits(self, pair: Pair) -> bool:
        cells, output = self.encode(pair.input), pair.output
        if cells is None or output is None:
            return False
        if self.constant_shape is not None:
            return output.shape == self.constant_shape and len(np.unique(output)) == 1
        return cells.features.shape[1:] == output.shape


def select_views(puzzle: Puzzle) -> list[View]:
    """The views that give the demonstrations' outputs their shapes, and encode the tests with as many features.

    A view that encodes this task as an earlier one does is left out.
    """
    views: dict[tuple, View] = {}
    for view in _list_views(puzzle):
        if not all(view.fits(p) for p in puzzle.demonstrations):
            continue
        grids = [view.encode(p.input) for p in (*puzzle.demonstrations, *puzzle.tests)]
        if len({len(g.features) if g else 0 for g in grids}) == 1:
            key = (view.constant_shape, *((g.features.tobytes(), g.features.shape, g.block) for g in grids if g))
            views.setdefault(key, view)
    return list(views.values())


def _list_views(puzzle: Puzzle) -> Iterator[View]:
    (before, after), *_ = [(p.input.shape, p.output.shape) for p in puzzle.demonstrations if p.output is not None]
    yield View("the grid", _keep)
    yield View("the grid and its mirror images", _mirror)
    yield View("the grid turned", _turn)
    yield View("the grid, its mirror images and turned", _mirror_and_turn)
    yield View("the whole grid", _keep, constant_shape=after)
    for name, split in _list_splits():
        yield View(f"panels {name}", partial(_stack_panels, split))
        yield View(f"one cell for each panel, {name}", partial(_summarize_panels, split))
    yield from _list_resizes(before, after)
    for name, crop in _list_crops():
        for suffix, encode in (("", _keep), (", and its mirror images", _mirror), (", turned", _turn)):
            yield View(name + suffix, partial(_encode_crop, crop, encode))
    for name, pick in _list_picks():
        for how, split in _list_splits():
            yield View(f"the panel {name}, of {how}", partial(_pick_panel, split, pick))


def _list_resizes(before: tuple[int, ...], after: tuple[int, ...]) -> Iterator[View]:
    """Larger and smaller answers."""
    (h, w), (m, n) = before, after
    if m % h == 0 and n % w == 0 and (m, n) != (h, w):
        yield View(f"{m // h} by {n // w} copies", lambda g: _copy(g, m // h, n // w))
        yield View(f"{m // h} by {n // w} copies, mirrored", lambda g: _copy(g, m // h, n // w, mirrored=True))
    yield View("as many copies as rows and columns", lambda g: _copy(g, *g.shape))
    yield View("as many copies as colours", lambda g: _copy(g, k := len(np.unique(g[g != BLACK])), k))
    yield View("as many copies as cells", lambda g: _copy(g, k := int((g != BLACK).sum()), k))
    yield View("without repeated rows and columns", _drop_repeats)
    yield View("rows and columns that are not empty", partial(_encode_crop, _drop_empty_lines, _keep))
    if h % m == 0 and w % n == 0 and (m, n) != (h, w) and h // m * (w // n) <= MAX_FEATURES:
        yield View(f"cells {h // m} by {w // n}", lambda g: _merge_cells(g, h // m, w // n))
    yield View("inside the border", partial(_encode_crop, lambda g: g[1:-1, 1:-1], _keep))
    yield View("with a border", lambda g: Cells(np.pad(g, 1)[None]))
    yield View("with a border of its colours", lambda g: Cells(np.pad(g, 1, mode="edge")[None]))


def _keep(g: Grid) -> Cells:
    return Cells(g[None])


def _mirror(g: Grid) -> Cells:
    return Cells(np.stack([g, g[:, ::-1], g[::-1], g[::-1, ::-1]]))


def _turn(g: Grid) -> Cells:
    return Cells(_mirror(g).features.transpose(0, 2, 1))


def _mirror_and_turn(g: Grid) -> Cells | None:
    return Cells(np.concatenate([_mirror(g).features, _turn(g).features])) if g.shape[0] == g.shape[1] else None


def _copy(g: Grid, m: int, n: int, mirrored: bool = False) -> Cells | None:
    """Each cell enlarged, and the grid repeated; or its mirror images repeated."""
    h, w = g.shape
    if min(m, n) < 1 or m * n == 1 or m * h > MAX_SIZE or n * w > MAX_SIZE:
        return None
    if mirrored:
        return Cells(np.tile(_mirror(g).features, (1, m, n)), (h, w))
    return Cells(np.stack([np.kron(g, np.ones((m, n), g.dtype)), np.tile(g, (m, n))]), (h, w))


def _drop_repeats(g: Grid) -> Cells:
    rows = np.r_[True, (g[1:] != g[:-1]).any(1)]
    columns = np.r_[True, (g[:, 1:] != g[:, :-1]).any(0)]
    return _keep(g[rows][:, columns])


def _drop_empty_lines(g: Grid) -> Grid:
    return g[(g != BLACK).any(1)][:, (g != BLACK).any(0)]


def _merge_cells(g: Grid, m: int, n: int) -> Cells | None:
    h, w = g.shape
    if h % m or w % n:
        return None
    return Cells(g.reshape(h // m, m, w // n, n).transpose(1, 3, 0, 2).reshape(m * n, h // m, w // n))


# Panels --------------------------------------------------------------------------------------------------------------


def _list_splits() -> Iterator[tuple[str, Split]]:
    """Ways to cut a grid into panels, with their names."""
    yield "between lines", _split_at_lines
    for rows, columns in list(product(range(1, 6), repeat=2))[1:]:
        yield f"{rows} by {columns}", partial(_split_equally, rows, columns)


def _split_equally(rows: int, columns: int, g: Grid) -> list[list[Grid]]:
    is_possible = g.shape[0] % rows == g.shape[1] % columns == 0
    return [np.split(band, columns, 1) for band in np.split(g, rows, 0)] if is_possible else []


def _split_at_lines(g: Grid) -> list[list[Grid]]:
    """The parts between full rows and columns of one colour, all of one size."""
    for colour in np.unique(g)[::-1]:
        rows, columns = (g == colour).all(1), (g == colour).all(0)
        if not (rows.any() or columns.any()) or rows.all():
            continue
        bands, stacks = ([s for (s,) in ndimage.find_objects(label_connected(~lines))] for lines in (rows, columns))
        sizes = {(b.stop - b.start, s.stop - s.start) for b in bands for s in stacks}
        if len(sizes) == 1 and len(bands) * len(stacks) > 1:
            return [[g[b, s] for s in stacks] for b in bands]
    return []


def _stack_panels(split: Split, g: Grid) -> Cells | None:
    panels = [p for band in split(g) for p in band]
    return Cells(np.stack(panels)) if 0 < len(panels) <= MAX_FEATURES else None


def _summarize_panels(split: Split, g: Grid) -> Cells | None:
    """Four features of each panel: its most frequent colour but black, and three of the number of its coloured cells.

    These are the number's rank among the panels, the number up to 9, and whether it is the largest or the smallest.
    """
    if not (panels := split(g)):
        return None
    counts = np.array([[(p != BLACK).sum() for p in band] for band in panels])
    colours = np.array([[_find_most_frequent(p[p != BLACK]) for p in band] for band in panels])
    ranks = np.searchsorted(np.unique(counts), counts)
    extremes = np.where(counts == counts.max(), 1, np.where(counts == counts.min(), 2, 0))
    return Cells(np.stack([colours, *(NUMBERS + np.minimum(x, 9) for x in (ranks, counts, extremes))]))


def _pick_panel(split: Split, pick: Pick, g: Grid) -> Cells | None:
    panels = [p for band in split(g) for p in band]
    k = pick(panels) if 1 < len(panels) <= MAX_PANELS else None
    return None if k is None else _keep(panels[k])


# Boxes around colours and objects ------------------------------------------------------------------------------------


def _list_crops() -> Iterator[tuple[str, Crop]]:
    """Ways to crop a grid, with their names."""
    yield "the part that is not black", lambda g: _crop_to(g != BLACK, g)
    yield "the part that is not background", lambda g: _crop_to(g != _find_most_frequent(g), g)
    yield "the part of the rarest colour", lambda g: _crop_to(g == _find_rarest([g]), g)
    name = "the part of the second colour"
    yield name, lambda g: _crop_to(g == _find_most_frequent(g[g != _find_most_frequent(g)]), g)
    yield "inside the rarest colour", lambda g: _crop_to(g == _find_rarest([g]), g)[1:-1, 1:-1]
    for c, name in enumerate(COLOURS):
        yield f"the {name} part", lambda g, c=c: _crop_to(g == c, g)
        yield f"inside the {name} part", lambda g, c=c: _crop_to(g == c, g)[1:-1, 1:-1]
    for kind in ("object", "object8", "thing"):
        for name, pick in _list_picks():
            yield f"the {kind} {name}", partial(_crop_to_object, kind, pick)


def _encode_crop(crop: Crop, encode: Encoder, g: Grid) -> Cells | None:
    part = crop(g)
    return encode(part) if part.size else None


def _crop_to(mask: np.ndarray, g: Grid) -> Grid:
    """The smallest box around the cells of the mask."""
    boxes = ndimage.find_objects(mask.astype(int))
    return g[boxes[0]] if boxes else g[:0]


def _crop_to_object(kind: str, pick: Pick, g: Grid) -> Grid:
    numbers = label_objects(g, kind)
    objects = [(b, numbers[b] == k) for k, b in enumerate(ndimage.find_objects(numbers), start=1)]
    solid = [(b, mask) for b, mask in objects if g[b][mask][0] != BLACK]
    k = pick([np.where(mask, g[b], BLACK) for b, mask in solid]) if 1 < len(solid) <= MAX_OBJECTS else None
    return g[:0] if k is None else g[solid[k][0]]


# One of several parts ------------------------------------------------------------------------------------------------


def _list_picks() -> Iterator[tuple[str, Pick]]:
    """Ways to pick one of several parts, with their names. Black is outside a part."""
    for what, value in VALUES.items():
        yield f"of most {what}", partial(_pick_extreme, max, value)
        yield f"of least {what}", partial(_pick_extreme, min, value)


def _pick_extreme(end: Callable, value: Callable[[Grid, Sequence[Grid]], float], parts: Sequence[Grid]) -> int | None:
    """The part with the largest or smallest value, if all parts with this value are equal, and others differ."""
    values = [value(p, parts) for p in parts]
    best = [k for k, v in enumerate(values) if v == end(values)]
    same = all(np.array_equal(parts[k], parts[best[0]]) for k in best)
    return best[0] if same and len(best) < len(parts) else None


def _find_most_frequent(colours: np.ndarray) -> int:
    """The most frequent colour; black for an empty array."""
    return int(np.bincount(colours.ravel()).argmax()) if colours.size else BLACK


def _find_rarest(parts: Sequence[Grid]) -> int:
    counts = np.bincount(np.concatenate([p.ravel() for p in parts]), minlength=10)
    return int(np.where(counts > 0, counts, counts.sum() + 1).argmin())


VALUES: dict[str, Callable[[Grid, Sequence[Grid]], float]] = {  # of a part among parts
    "cells": lambda p, _: (p != BLACK).sum(),
    "area": lambda p, _: p.size,
    "colours": lambda p, _: len(np.unique(p[p != BLACK])),
    "copies": lambda p, parts: sum(np.array_equal(p, q) for q in parts),
    "copies of its shape": lambda p, parts: sum(np.array_equal(p != BLACK, q != BLACK) for q in parts),
    "symmetry": lambda p, _: np.array_equal(p, p[::-1]) + np.array_equal(p, p[:, ::-1]),
    "cells of the rarest colour": lambda p, parts: (p == _find_rarest([q[q != BLACK] for q in parts])).sum(),
    "cells that stand out": lambda p, _: ((p != BLACK) & (p != _find_most_frequent(p[p != BLACK]))).sum(),
    "holes": lambda p, _: label_connected(np.pad(p == BLACK, 1, constant_values=True)).max(),
}
