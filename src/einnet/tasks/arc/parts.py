"""Parts of grids: panels, boxes around colours and objects, and which one among many."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np
from scipy import ndimage

from einnet.tasks.arc.grids import COLOURS, Grid
from einnet.tasks.arc.marks import BLACK, components, numbered_parts

__all__ = ["PANELS", "Box", "Split", "boxes", "most_frequent", "picks", "splits"]

Box = Callable[[Grid], Grid | None]
Split = Callable[[Grid], list[list[Grid]] | None]  # into rows of panels of one size
Value = Callable[[Grid, Sequence[Grid]], float]  # of a part among parts

PANELS, OBJECTS = 36, 60  # among so many, at most, one is picked


def splits() -> Iterator[tuple[str, Split]]:
    """Ways to cut a grid into panels, with their names."""
    yield "between lines", _between_lines
    for rows in range(1, 6):
        for columns in range(1, 6):
            if rows * columns > 1:
                yield f"{rows} by {columns}", partial(_equal_parts, rows, columns)


def boxes() -> Iterator[tuple[str, Box]]:
    """Ways to find a part of a grid, with their names."""
    yield "the part that is not black", lambda g: _around(g != BLACK, g)
    yield "the part that is not background", lambda g: _around(g != most_frequent(g), g)
    yield "the part of the rarest colour", lambda g: _around(g == _rarest([g]), g)
    yield "the part of the second colour", lambda g: _around(g == most_frequent(g[g != most_frequent(g)]), g)
    yield "inside the rarest colour", lambda g: _inside(_around(g == _rarest([g]), g))
    for c, name in enumerate(COLOURS):
        yield f"the {name} part", lambda g, c=c: _around(g == c, g)
        yield f"inside the {name} part", lambda g, c=c: _inside(_around(g == c, g))
    for kind in ("object", "object8", "thing"):
        for name, pick in picks():
            yield f"the {kind} {name}", partial(_object, kind, pick)


def picks() -> Iterator[tuple[str, Callable[[Sequence[Grid]], int | None]]]:
    """Ways to choose one of several parts: its number, None where none stands out. Black is outside a part."""
    for what, value in VALUES.items():
        yield f"of most {what}", partial(_first, max, value)
        yield f"of least {what}", partial(_first, min, value)


def most_frequent(colours: np.ndarray) -> int:
    """The most frequent colour, black where there is none."""
    return int(np.bincount(colours.ravel()).argmax()) if colours.size else BLACK


def _rarest(parts: Sequence[Grid]) -> int:
    counts = np.bincount(np.concatenate([p.ravel() for p in parts]), minlength=10)
    return int(np.where(counts > 0, counts, counts.sum() + 1).argmin())


VALUES: dict[str, Value] = {
    "cells": lambda p, _: (p != BLACK).sum(),
    "area": lambda p, _: p.size,
    "colours": lambda p, _: len(np.unique(p[p != BLACK])),
    "copies": lambda p, every: sum(np.array_equal(p, q) for q in every),
    "copies of its shape": lambda p, every: sum(np.array_equal(p != BLACK, q != BLACK) for q in every),
    "symmetry": lambda p, _: np.array_equal(p, p[::-1]) + np.array_equal(p, p[:, ::-1]),
    "cells of the rarest colour": lambda p, every: (p == _rarest([q[q != BLACK] for q in every])).sum(),
    "cells that stand out": lambda p, _: ((p != BLACK) & (p != most_frequent(p[p != BLACK]))).sum(),
    "holes": lambda p, _: numbered_parts(np.pad(p == BLACK, 1, constant_values=True)).max(),
}


def _first(end: Callable, value: Value, parts: Sequence[Grid]) -> int | None:
    """The part with the largest or smallest value, if all that have it are the same, and not all of them."""
    values = [value(p, parts) for p in parts]
    best = [k for k, v in enumerate(values) if v == end(values)]
    same = all(np.array_equal(parts[k], parts[best[0]]) for k in best)
    return best[0] if same and len(best) < len(parts) else None


def _object(kind: str, pick: Callable[[Sequence[Grid]], int | None], g: Grid) -> Grid | None:
    numbers = components(g, kind)
    found = [(b, numbers[b] == k) for k, b in enumerate(ndimage.find_objects(numbers), start=1)]
    solid = [(b, mask) for b, mask in found if g[b][mask][0] != BLACK]
    if not 1 < len(solid) <= OBJECTS:
        return None
    k = pick([np.where(mask, g[b], BLACK) for b, mask in solid])
    return None if k is None else g[solid[k][0]]


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
    return [s[0] for s in ndimage.find_objects(numbered_parts(flags))]


def _around(mask: np.ndarray, g: Grid) -> Grid | None:
    """The smallest box around the cells."""
    found = ndimage.find_objects(mask.astype(int))
    return g[found[0]] if found else None


def _inside(g: Grid | None) -> Grid | None:
    return None if g is None or min(g.shape) < 3 else g[1:-1, 1:-1]
