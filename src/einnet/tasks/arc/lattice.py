"""Cells with colours: what a network could read in them, and which of them are related.

A *lattice* is several boards, each of some features that are colours, shape (features, rows,
columns). Its entries are a cell and a colour each: the axes `abc` of one-hot boards, all boards in a row.
"""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from scipy import ndimage

__all__ = ["OFFSETS", "Lattice"]

OFFSETS = {
    "four": ((0, 1), (0, -1), (1, 0), (-1, 0)),
    "eight": ((0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (1, -1), (-1, 1), (-1, -1)),
    "left": ((0, -1),),
    "right": ((0, 1),),
    "up": ((-1, 0),),
    "down": ((1, 0),),
}


class Lattice:
    """The entries (cell, colour) of some boards, in order: board, row, column, colour.

    >>> lattice = Lattice([np.array([[[0, 3], [3, 3]]])], colours=[0, 3], block=(1, 1))
    >>> lattice.entries, lattice.has[:, 0].tolist()
    (8, [True, False, False, True, False, True, False, True])
    >>> lattice.groups("row").tolist()                # entries of one row and one colour
    [0, 1, 0, 1, 2, 3, 2, 3]
    """

    def __init__(self, stacks: Sequence[np.ndarray], colours: Sequence[int], block: tuple[int, int]):
        self.stacks, self.colours, self.block = list(stacks), np.array(colours), block
        self.shapes = [s.shape[1:] for s in stacks]
        sizes = [h * w * len(colours) for h, w in self.shapes]
        self.entries, self.starts = sum(sizes), np.cumsum([0, *sizes])
        self.board = np.repeat(np.arange(len(sizes)), sizes)

    def flat(self, cells: Sequence[np.ndarray]) -> np.ndarray:
        """A number for each cell of each board as one for each entry."""
        return np.concatenate([np.repeat(np.asarray(x).ravel(), len(self.colours)) for x in cells])

    @cached_property
    def colour(self) -> np.ndarray:
        return np.tile(np.arange(len(self.colours)), self.entries // max(len(self.colours), 1))

    @cached_property
    def has(self) -> np.ndarray:
        """(entries, features): does this feature of the cell have this colour."""
        return np.concatenate([(s[..., None] == self.colours).reshape(len(s), -1) for s in self.stacks], 1).T

    def groups(self, relation: str) -> np.ndarray:
        """A number for each entry: the related ones, of one colour but for "cell", have the same."""
        return self._numbered(relation)

    @cached_property
    def _cache(self) -> dict[str, np.ndarray]:
        return {}

    def _numbered(self, relation: str) -> np.ndarray:
        if relation not in self._cache:
            cells = [_groups_of_cells(relation, s, self.block) for s in self.stacks]
            keys = self.board * 100_000 + self.flat(cells)
            if relation != "cell":
                keys = keys * 16 + self.colour
            self._cache[relation] = np.unique(keys, return_inverse=True)[1]
        return self._cache[relation]

    def neighbours(self, relation: str) -> np.ndarray:
        """(neighbours, entries): the number of the entry there, -1 outside the board."""
        name = f"neighbours {relation}"
        if name not in self._cache:
            found = []
            for start, (h, w) in zip(self.starts, self.shapes, strict=False):
                n = len(self.colours)
                numbers = np.full((h + 2, w + 2, n), -1)
                numbers[1:-1, 1:-1] = start + np.arange(h * w * n).reshape(h, w, n)
                parts = [numbers[1 + a : 1 + a + h, 1 + b : 1 + b + w].ravel() for a, b in OFFSETS[relation]]
                found.append(np.stack(parts))
            self._cache[name] = np.concatenate(found, 1)
        return self._cache[name]

    def marks(self, kind: str) -> np.ndarray:
        """A number for each entry that sets it apart from the start: its place, its size, ...

        Kinds are joined by "+"; "" sets nothing apart.
        """
        if kind not in self._cache:
            found = np.zeros(self.entries, np.int64)
            for part in filter(None, kind.split("+")):
                found = found * 1009 + self._mark(part)
            self._cache[kind] = found
        return self._cache[kind]

    def _mark(self, kind: str) -> np.ndarray:
        if kind == "ranked":
            return self._ranked()
        return self.flat([_marks_of_cells(kind, s, self.block) for s in self.stacks])

    def _ranked(self) -> np.ndarray:
        """Is a colour the most or the least frequent of the board's, the first counted apart."""
        found = np.zeros(self.entries, np.int64)
        for k, s in enumerate(self.stacks):
            counts = (s[0].ravel()[:, None] == self.colours).sum(0)
            mine = slice(self.starts[k], self.starts[k + 1])
            found[mine] = _extremes(counts)[self.colour[mine]]
        return found


def _extremes(counts: np.ndarray) -> np.ndarray:
    """For numbers of which 0 says "not there": 1 the largest, 2 the second, 3 the smallest, 0 others; ties share."""
    marks = np.zeros(len(counts), np.int64)
    there = np.unique(counts[counts > 0])
    if len(there):
        marks[counts == there[0]] = 3
        if len(there) > 1:
            marks[counts == there[-2]] += 5
        marks[counts == there[-1]] += 10
    return marks


def components(board: np.ndarray, diagonal: bool = False, by_colour: bool = True, background: int = 0) -> np.ndarray:
    """Numbers, from 1, of connected cells of one colour, or of any colours but the background (which is 0 then)."""
    structure = np.ones((3, 3)) if diagonal else None
    if not by_colour:
        return ndimage.label(board != background, structure)[0]
    found, number = np.zeros(board.shape, np.int64), 0
    for colour in np.unique(board):
        parts, n = ndimage.label(board == colour, structure)
        found = np.where(parts > 0, parts + number, found)
        number += n
    return found


def _groups_of_cells(relation: str, stack: np.ndarray, block: tuple[int, int]) -> np.ndarray:
    h, w = stack.shape[1:]
    rows, columns = np.indices((h, w))
    match relation:
        case "cell":
            return rows * w + columns
        case "row":
            return rows
        case "column":
            return columns
        case "all":
            return rows * 0
        case "diagonal":
            return rows - columns + w
        case "antidiagonal":
            return rows + columns
        case "block":
            return rows // block[0] * 100 + columns // block[1]
        case "place":
            return rows % block[0] * 100 + columns % block[1]
        case "object":
            return components(stack[0])
        case "object8":
            return components(stack[0], diagonal=True)
        case "thing":
            return components(stack[0], diagonal=True, by_colour=False)
    raise ValueError(relation)


def _marks_of_cells(kind: str, stack: np.ndarray, block: tuple[int, int]) -> np.ndarray:
    h, w = stack.shape[1:]
    rows, columns = np.indices((h, w))
    match kind:
        case "row place":
            return rows
        case "column place":
            return columns
        case "row from below":
            return h - 1 - rows
        case "column from the right":
            return w - 1 - columns
        case "border":
            return (rows == 0) | (rows == h - 1) | (columns == 0) | (columns == w - 1)
        case "ring":
            return np.minimum(np.minimum(rows, h - 1 - rows), np.minimum(columns, w - 1 - columns))
        case "sides":
            return (rows == 0) + 2 * (rows == h - 1) + 4 * (columns == 0) + 8 * (columns == w - 1)
        case "checkers":
            return (rows + columns) % 2
        case "even":
            return rows % 2 * 2 + columns % 2
        case "even rows":
            return rows % 2
        case "even columns":
            return columns % 2
        case "thirds":
            return rows % 3 * 3 + columns % 3
        case "diagonals":
            return (rows == columns) * 1 + (rows + columns == w - 1) * 2
        case "diagonal by 3":
            return (rows + columns) % 3
        case "middle":
            return (2 * rows == h - 1) * 1 + (2 * columns == w - 1) * 2
        case "block":
            return rows // block[0] * 32 + columns // block[1]
        case "place":
            return rows % block[0] * 32 + columns % block[1]
        case _:
            return _marks_of_objects(kind, stack[0])


def _marks_of_objects(kind: str, board: np.ndarray) -> np.ndarray:
    """What connected cells have in common; the background (colour 0) counts as objects of their own."""
    name, _, what = kind.partition(" ")
    parts = components(board, diagonal=name != "object", by_colour=name != "thing")
    numbers = parts.max() + 1
    sizes = np.bincount(parts.ravel(), minlength=numbers)
    solid = np.zeros(numbers, bool)
    np.logical_or.at(solid, parts.ravel(), (board != 0).ravel())
    boxes = ndimage.find_objects(parts)
    match what:
        case "size":
            values = sizes
        case "rank":
            values = _extremes(np.where(solid, sizes, 0))
        case "border":
            edge = np.zeros(board.shape, bool)
            edge[[0, -1]] = edge[:, [0, -1]] = True
            values = np.zeros(numbers, np.int64)
            np.logical_or.at(values, parts[edge], True)
        case "filled":
            values = np.array([0, *(sizes[k + 1] == _area(b) for k, b in enumerate(boxes))])
        case "box":
            values = np.array(
                [0, *((0 if b is None else (b[0].stop - b[0].start) * 32 + b[1].stop - b[1].start) for b in boxes)]
            )
        case "holes":
            values = np.array([0, *(0 if b is None else _holes(parts[b] == k + 1) for k, b in enumerate(boxes))])
        case "symmetric":
            values = np.array(
                [
                    0,
                    *(
                        0 if b is None else _symmetric(np.where(parts[b] == k + 1, board[b], -1))
                        for k, b in enumerate(boxes)
                    ),
                ]
            )
        case "shape":
            shapes = [b"" if b is None else _shape(parts[b] == k + 1) for k, b in enumerate(boxes)]
            values = np.array([0, *(int.from_bytes(s[:6], "big") for s in shapes)])
        case "twin":
            shapes = ["" if b is None or not solid[k + 1] else _shape(parts[b] == k + 1) for k, b in enumerate(boxes)]
            values = np.array([0, *(min(shapes.count(s), 3) for s in shapes)])
        case _:
            raise ValueError(kind)
    return values[parts]


def _area(box: tuple[slice, slice] | None) -> int:
    return 0 if box is None else (box[0].stop - box[0].start) * (box[1].stop - box[1].start)


def _holes(mask: np.ndarray) -> int:
    outside = ndimage.label(np.pad(~mask, 1, constant_values=True))[1]
    return outside - 1


def _symmetric(patch: np.ndarray) -> int:
    return int(np.array_equal(patch, patch[::-1])) + 2 * int(np.array_equal(patch, patch[:, ::-1]))


def _shape(mask: np.ndarray) -> bytes:
    import hashlib

    return hashlib.sha1(repr(mask.shape).encode() + mask.tobytes()).digest()
