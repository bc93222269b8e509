"""Views: how a task becomes cells with features. A view shows a grid as features of the cells of its answer.

The shape of the answer comes from the view: a view fits a task if it gives every demonstration's output
the shape that it has.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from einnet.tasks.arc.grids import LARGEST, Grid, Pair, Puzzle
from einnet.tasks.arc.marks import BLACK
from einnet.tasks.arc.parts import PANELS, Box, Split, boxes, most_frequent, picks, splits

__all__ = ["NUMBERS", "Shown", "View", "fitting_views"]

MOST = 16  # features of a cell
NUMBERS = 10  # features from here on are numbers, not colours: k is written NUMBERS + k


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
    whole: tuple[int, ...] | None = None

    def fits(self, pair: Pair) -> bool:
        shown, output = self.show(pair.input), pair.output
        if shown is None or output is None:
            return False
        if self.whole is not None:
            return output.shape == self.whole and len(np.unique(output)) == 1
        return shown.stack.shape[1:] == output.shape


def fitting_views(puzzle: Puzzle) -> list[View]:
    """The views that give the demonstrations' outputs their shapes, and show the tests as they show those.

    Without those that show this task as an earlier one does.
    """
    seen, found = set(), []
    for view in _views(puzzle):
        if not all(view.fits(p) for p in puzzle.demonstrations):
            continue
        shown = [view.show(p.input) for p in (*puzzle.demonstrations, *puzzle.tests)]
        if len({len(s.stack) if s else 0 for s in shown}) > 1:
            continue
        key = (view.whole, *((s.stack.tobytes(), s.stack.shape, s.block) for s in shown if s))
        if key not in seen:
            seen.add(key)
            found.append(view)
    return found


def _views(puzzle: Puzzle) -> Iterator[View]:
    (before, after), *_ = [(p.input.shape, p.output.shape) for p in puzzle.demonstrations if p.output is not None]
    yield View("the grid", _plain)
    yield View("the grid and its mirror images", _mirrored)
    yield View("the grid turned", _turned)
    yield View("the grid, its mirror images and turned", _turned_too)
    yield View("the whole grid", _plain, whole=after)
    for name, split in splits():
        yield View(f"panels {name}", partial(_panels, split))
        yield View(f"one cell for each panel, {name}", partial(_summaries, split))
    yield from _scaled(before, after)
    for name, box in boxes():
        yield View(name, partial(_cropped, box, _plain))
        yield View(f"{name}, and its mirror images", partial(_cropped, box, _mirrored))
        yield View(f"{name}, turned", partial(_cropped, box, _turned))
    for name, pick in picks():
        for how, split in splits():
            yield View(f"the panel {name}, of {how}", partial(_picked, split, pick))


def _scaled(before: tuple[int, ...], after: tuple[int, ...]) -> Iterator[View]:
    """Larger and smaller answers."""
    (h, w), (m, n) = before, after
    if m % h == 0 and n % w == 0 and (m, n) != (h, w):
        yield View(f"{m // h} by {n // w} copies", lambda g: _copies(g, m // h, n // w))
        yield View(f"{m // h} by {n // w} copies, mirrored", lambda g: _mirrored_copies(g, m // h, n // w))
    yield View("as many copies as rows and columns", lambda g: _copies(g, g.shape[0], g.shape[1]))
    yield View("as many copies as colours", lambda g: _copies(g, k := len(np.unique(g[g != BLACK])), k))
    yield View("as many copies as cells", lambda g: _copies(g, k := int((g != BLACK).sum()), k))
    yield View("without repeated rows and columns", _unrepeated)
    yield View("rows and columns that are not empty", _full_lines)
    if h % m == 0 and w % n == 0 and (m, n) != (h, w) and h // m * (w // n) <= MOST:
        yield View(f"cells {h // m} by {w // n}", lambda g: _blocks(g, h // m, w // n))
    yield View("inside the border", lambda g: Shown(g[None, 1:-1, 1:-1]) if min(g.shape) > 2 else None)
    yield View("with a border", lambda g: Shown(np.pad(g, 1)[None]))
    yield View("with a border of its colours", lambda g: Shown(np.pad(g, 1, mode="edge")[None]))


def _plain(g: Grid) -> Shown:
    return Shown(g[None])


def _mirrored(g: Grid) -> Shown:
    return Shown(np.stack([g, g[:, ::-1], g[::-1], g[::-1, ::-1]]))


def _turned(g: Grid) -> Shown:
    return Shown(_mirrored(g).stack.transpose(0, 2, 1))


def _turned_too(g: Grid) -> Shown | None:
    return Shown(np.concatenate([_mirrored(g).stack, _turned(g).stack])) if g.shape[0] == g.shape[1] else None


def _panels(split: Split, g: Grid) -> Shown | None:
    every = [p for band in split(g) or () for p in band]
    return Shown(np.stack(every)) if 0 < len(every) <= MOST else None


def _summaries(split: Split, g: Grid) -> Shown | None:
    """Of each panel the most frequent colour but black; and how many cells have one: the place of this number among
    those of the panels, the number up to 9, whether it is the largest (1) or the smallest (2)."""
    parts = split(g)
    if parts is None:
        return None
    counts = np.array([[(p != BLACK).sum() for p in band] for band in parts])
    most = np.array([[most_frequent(p[p != BLACK]) for p in band] for band in parts])
    places = np.searchsorted(np.unique(counts), counts)
    end = np.where(counts == counts.max(), 1, np.where(counts == counts.min(), 2, 0))
    return Shown(np.stack([most, *(NUMBERS + np.minimum(x, 9) for x in (places, counts, end))]))


def _picked(split: Split, pick: Callable, g: Grid) -> Shown | None:
    every = [p for band in split(g) or () for p in band]
    k = pick(every) if 1 < len(every) <= PANELS else None
    return None if k is None else _plain(every[k])


def _cropped(box: Box, then: Callable[[Grid], Shown], g: Grid) -> Shown | None:
    part = box(g)
    return None if part is None or not part.size else then(part)


def _copies(g: Grid, m: int, n: int) -> Shown | None:
    """Each cell enlarged, and the grid repeated."""
    if not _can_repeat(g, m, n):
        return None
    return Shown(np.stack([np.kron(g, np.ones((m, n), g.dtype)), np.tile(g, (m, n))]), (g.shape[0], g.shape[1]))


def _mirrored_copies(g: Grid, m: int, n: int) -> Shown | None:
    if not _can_repeat(g, m, n):
        return None
    return Shown(np.tile(_mirrored(g).stack, (1, m, n)), (g.shape[0], g.shape[1]))


def _can_repeat(g: Grid, m: int, n: int) -> bool:
    return min(m, n) > 0 and m * n > 1 and m * g.shape[0] <= LARGEST and n * g.shape[1] <= LARGEST


def _unrepeated(g: Grid) -> Shown:
    rows = np.r_[True, (g[1:] != g[:-1]).any(1)]
    columns = np.r_[True, (g[:, 1:] != g[:, :-1]).any(0)]
    return _plain(g[rows][:, columns])


def _full_lines(g: Grid) -> Shown | None:
    kept = g[(g != BLACK).any(1)][:, (g != BLACK).any(0)]
    return _plain(kept) if kept.size else None


def _blocks(g: Grid, m: int, n: int) -> Shown | None:
    h, w = g.shape
    if h % m or w % n:
        return None
    return Shown(g.reshape(h // m, m, w // n, n).transpose(1, 3, 0, 2).reshape(m * n, h // m, w // n))
