"""Views: how a task becomes cells with features. A view shows a grid as features of the cells of its answer.

The shape of the answer comes from the view: a view fits a task if it gives every demonstration's output
the shape that it has.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy import ndimage

from einnet.tasks.arc.grids import LARGEST, Grid, Pair, Puzzle
from einnet.tasks.arc.lattice import components

__all__ = ["Shown", "View", "fitting_views"]


@dataclass(frozen=True)
class Shown:
    """A grid as the features of cells.

    stack (features, rows, columns): colours; block: the size of the parts that the cells come in.
    """

    stack: np.ndarray
    block: tuple[int, int] = (1, 1)


@dataclass(frozen=True)
class View:
    """A way to show grids. `whole`: the answer is one colour, in a grid of that shape."""

    name: str
    show: Callable[[Grid], Shown | None]
    whole: tuple[int, int] | None = None

    def fits(self, pair: Pair) -> bool:
        assert pair.output is not None
        shown = self.show(pair.input)
        if shown is None:
            return False
        if self.whole is not None:
            return pair.output.shape == self.whole and len(np.unique(pair.output)) == 1
        return shown.stack.shape[1:] == pair.output.shape


def fitting_views(puzzle: Puzzle) -> list[View]:
    """The views that give the demonstrations' outputs their shapes, and show the tests too."""
    found = []
    for view in _views(puzzle):
        if all(view.fits(p) for p in puzzle.demonstrations):
            shown = [view.show(p.input) for p in (*puzzle.demonstrations, *puzzle.tests)]
            if len({len(s.stack) if s else 0 for s in shown}) == 1 and all(shown):
                found.append(view)
    return _distinct(found, puzzle)


def _distinct(views: list[View], puzzle: Puzzle) -> list[View]:
    """Without those that show this task as an earlier one does."""
    seen, found = set(), []
    for view in views:
        shown = [view.show(p.input) for p in (*puzzle.demonstrations, *puzzle.tests)]
        key = (view.whole, *((s.stack.tobytes(), s.stack.shape, s.block) for s in shown if s))
        if key not in seen:
            seen.add(key)
            found.append(view)
    return found


def _views(puzzle: Puzzle) -> Iterator[View]:
    first = puzzle.demonstrations[0]
    assert first.output is not None
    yield View("the grid", lambda g: Shown(g[None]))
    yield View("the grid and its mirror images", lambda g: Shown(_mirrored(g)))
    yield View("the grid turned", lambda g: Shown(_turned(g)))
    yield View("the grid, its mirror images and turned", lambda g: _all_shown(_turned_square(g)))
    yield View("the whole grid", lambda g: Shown(g[None]), whole=first.output.shape)
    for name, split in _splits():
        yield View(f"panels {name}", partial(_panels, split))
        yield View(f"one cell for each panel, {name}", partial(_summaries, split))
    yield from _scaled(first.input.shape, first.output.shape)
    for name, box in _boxes().items():
        yield View(name, partial(_cropped, box))
        yield View(f"{name}, and its mirror images", partial(_cropped, box, then=_mirrored))
        yield View(f"{name}, turned", partial(_cropped, box, then=_turned))
    for name, pick in _picks().items():
        for how, split in _splits():
            yield View(f"the panel {name}, of {how}", partial(_picked, split, pick))


def _mirrored(g: Grid) -> np.ndarray:
    found = [g, g[:, ::-1], g[::-1], g[::-1, ::-1]]
    return np.stack(found)


def _turned_square(g: Grid) -> np.ndarray | None:
    return np.concatenate([_mirrored(g), _turned(g)]) if g.shape[0] == g.shape[1] else None


def _turned(g: Grid) -> np.ndarray:
    return np.stack([x.T for x in (g, g[:, ::-1], g[::-1], g[::-1, ::-1])])


def _all_shown(stack: np.ndarray | None) -> Shown | None:
    return None if stack is None else Shown(stack)


# Panels.


def _splits() -> Iterator[tuple[str, Callable[[Grid], list[list[Grid]] | None]]]:
    yield "between lines", _between_lines
    for rows in range(1, 6):
        for columns in range(1, 6):
            if rows * columns > 1:
                yield f"{rows} by {columns}", partial(_equal_parts, rows, columns)


def _equal_parts(rows: int, columns: int, g: Grid) -> list[list[Grid]] | None:
    if g.shape[0] % rows or g.shape[1] % columns:
        return None
    return [np.split(band, columns, 1) for band in np.split(g, rows, 0)]


def _between_lines(g: Grid) -> list[list[Grid]] | None:
    """The parts between full rows and columns of one colour, all of one size."""
    for colour in np.unique(g)[::-1]:
        rows, columns = (g == colour).all(1), (g == colour).all(0)
        if not (rows.any() or columns.any()) or rows.all():
            continue
        bands, stacks = _runs(~rows), _runs(~columns)
        sizes = {(b.stop - b.start, s.stop - s.start) for b in bands for s in stacks}
        if len(sizes) == 1 and len(bands) * len(stacks) > 1:
            return [[g[b, s] for s in stacks] for b in bands]
    return None


def _runs(flags: np.ndarray) -> list[slice]:
    return [s[0] for s in ndimage.find_objects(ndimage.label(flags)[0])]


def _panels(split: Callable[[Grid], list[list[Grid]] | None], g: Grid) -> Shown | None:
    parts = split(g)
    if parts is None:
        return None
    every = [p for band in parts for p in band]
    return Shown(np.stack(every)) if len(every) <= 16 else None


def _summaries(split: Callable[[Grid], list[list[Grid]] | None], g: Grid) -> Shown | None:
    """Of each panel the most frequent colour but the background, and how many cells have one."""
    parts = split(g)
    if parts is None:
        return None
    counts = np.array([[(p != 0).sum() for p in band] for band in parts])
    most = np.array([[_most(p[p != 0]) for p in band] for band in parts])
    places = np.searchsorted(np.unique(counts), counts)
    rank = np.where(counts == counts.max(), 1, np.where(counts == counts.min(), 2, 0))
    return Shown(np.stack([most, np.minimum(places, 9), np.minimum(counts, 9), rank]))


def _most(colours: np.ndarray) -> int:
    return int(np.bincount(colours.ravel()).argmax()) if colours.size else 0


# Larger and smaller answers.


def _scaled(before: tuple[int, ...], after: tuple[int, ...]) -> Iterator[View]:
    (h, w), (m, n) = before, after
    if m % h == 0 and n % w == 0 and (m, n) != (h, w):
        yield View(f"{m // h} by {n // w} copies", lambda g: _copies(g, m // h, n // w))
        yield View(f"{m // h} by {n // w} copies, mirrored", lambda g: _copies(g, m // h, n // w, mirrored=True))
    yield View("as many copies as rows and columns", lambda g: _copies(g, *g.shape))
    yield View("as many copies as colours", lambda g: _copies(g, *[len(np.unique(g[g > 0]))] * 2))
    yield View("as many copies as cells", lambda g: _copies(g, *[int((g > 0).sum())] * 2))
    yield View("without repeated rows and columns", lambda g: Shown(_unrepeated(g)[None]))
    yield View("rows and columns that are not empty", lambda g: _full_lines(g))
    if h % m == 0 and w % n == 0 and (m, n) != (h, w) and h // m * (w // n) <= 16:
        yield View(f"cells {h // m} by {w // n}", lambda g: _blocks(g, h // m, w // n))
    yield View("inside the border", lambda g: Shown(g[None, 1:-1, 1:-1]) if min(g.shape) > 2 else None)
    yield View("with a border", lambda g: Shown(np.pad(g, 1)[None]))
    yield View("with a border of its colours", lambda g: Shown(np.pad(g, 1, mode="edge")[None]))


def _copies(g: Grid, m: int, n: int, mirrored: bool = False) -> Shown | None:
    """Each cell enlarged, and the grid repeated."""
    h, w = g.shape
    if min(m, n) < 1 or m * n == 1 or m * h > LARGEST or n * w > LARGEST:
        return None
    enlarged, repeated = np.kron(g, np.ones((m, n), g.dtype)), np.tile(g, (m, n))
    found = [enlarged, repeated]
    if mirrored:
        found = [np.tile(x, (m, n)) for x in _mirrored(g)]
    return Shown(np.stack(found), (h, w))


def _unrepeated(g: Grid) -> Grid:
    rows = np.r_[True, (g[1:] != g[:-1]).any(1)]
    columns = np.r_[True, (g[:, 1:] != g[:, :-1]).any(0)]
    return g[rows][:, columns]


def _full_lines(g: Grid) -> Shown | None:
    kept = g[(g != 0).any(1)][:, (g != 0).any(0)]
    return Shown(kept[None]) if kept.size else None


def _blocks(g: Grid, m: int, n: int) -> Shown | None:
    h, w = g.shape
    if h % m or w % n:
        return None
    return Shown(g.reshape(h // m, m, w // n, n).transpose(1, 3, 0, 2).reshape(m * n, h // m, w // n))


# A part of the grid.


Box = Callable[[Grid], np.ndarray | None]  # which cells the part is around


def _cropped(box: Box, g: Grid, then: Callable[[Grid], np.ndarray] | None = None) -> Shown | None:
    part = box(g)
    if part is None or not part.size:
        return None
    return Shown(part[None] if then is None else then(part))


def _around(mask: np.ndarray, g: Grid, margin: int = 0) -> Grid | None:
    if not mask.any():
        return None
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    r = slice(max(rows[0] - margin, 0), rows[-1] + 1 + margin)
    c = slice(max(columns[0] - margin, 0), columns[-1] + 1 + margin)
    return g[r, c]


def _boxes() -> dict[str, Box]:
    found: dict[str, Box] = {
        "the part that is not black": lambda g: _around(g != 0, g),
        "the part that is not background": lambda g: _around(g != _most(g), g),
        "the part of the rarest colour": lambda g: _around(g == _rarest(g), g),
        "the part of the most frequent colour": lambda g: _around(g == _most(g[g != _most(g)]), g),
        "inside the rarest colour": lambda g: _inside(_around(g == _rarest(g), g)),
    }
    for c in range(10):
        found[f"the part of colour {c}"] = partial(_part_of, c)
        found[f"inside the part of colour {c}"] = lambda g, c=c: _inside(_part_of(c, g))
    for kind, (diagonal, by_colour) in {
        "object": (False, True),
        "object8": (True, True),
        "thing": (True, False),
    }.items():
        for what, value in _values().items():
            for end in (max, min):
                how = "most" if end is max else "least"
                found[f"the {kind} of {how} {what}"] = partial(_extreme, diagonal, by_colour, value, end)
    return found


def _part_of(c: int, g: Grid) -> Grid | None:
    return _around(g == c, g)


def _inside(g: Grid | None) -> Grid | None:
    return None if g is None or min(g.shape) < 3 else g[1:-1, 1:-1]


def _rarest(g: Grid) -> int:
    counts = np.bincount(g.ravel(), minlength=10)
    return int(np.where(counts > 0, counts, 10_000).argmin())


def _values() -> dict[str, Callable[[Grid, list[Grid]], float]]:
    """Of a part among parts (colours, -1 outside)."""
    return {
        "cells": lambda p, _: int((p > 0).sum()),
        "area": lambda p, _: p.size,
        "colours": lambda p, _: len(np.unique(p[p > 0])),
        "copies": lambda p, every: sum(np.array_equal(p, q) for q in every),
        "copies of its shape": lambda p, every: sum(np.array_equal(p > 0, q > 0) for q in every),
        "symmetry": lambda p, _: int(np.array_equal(p, p[::-1])) + int(np.array_equal(p, p[:, ::-1])),
        "cells of the rarest colour": lambda p, every: int((p == _rarest_of(every)).sum()),
        "cells that stand out": lambda p, _: int(((p > 0) & (p != _most(p[p > 0]))).sum()),
        "holes": lambda p, _: ndimage.label(np.pad(p <= 0, 1, constant_values=True))[1],
    }


def _rarest_of(parts: list[Grid]) -> int:
    counts = sum(np.bincount(p[p > 0].ravel(), minlength=10) for p in parts)
    return int(np.where(counts > 0, counts, 10_000).argmin())


def _extreme(diagonal: bool, by_colour: bool, value: Callable, end: Callable, g: Grid) -> Grid | None:
    numbers = components(g, diagonal, by_colour)
    boxes = ndimage.find_objects(numbers)
    solid = [k for k, b in enumerate(boxes) if b is not None and g[b][numbers[b] == k + 1][0] != 0]
    if not 1 < len(solid) <= 60:
        return None
    parts = [np.where(numbers[boxes[k]] == k + 1, g[boxes[k]], 0) for k in solid]
    values = [value(p, parts) for p in parts]
    best = [k for k, v in enumerate(values) if v == end(values)]
    if len(best) > 1 and not all(np.array_equal(parts[k], parts[best[0]]) for k in best):
        return None
    return g[boxes[solid[best[0]]]]


def _picks() -> dict[str, Callable[[list[Grid]], int | None]]:
    found = {}
    for what, value in _values().items():
        for end in (max, min):
            found[f"of {'most' if end is max else 'least'} {what}"] = partial(_pick, value, end)
    return found


def _pick(value: Callable, end: Callable, parts: list[Grid]) -> int | None:
    values = [value(p, parts) for p in parts]
    best = [k for k, v in enumerate(values) if v == end(values)]
    same = all(np.array_equal(parts[k], parts[best[0]]) for k in best)
    return best[0] if same and len(best) < len(parts) else None


def _picked(split: Callable, pick: Callable, g: Grid) -> Shown | None:
    parts = split(g)
    if parts is None:
        return None
    every = [p for band in parts for p in band]
    k = pick(every) if len(every) <= 36 else None
    return None if k is None else Shown(every[k][None])
