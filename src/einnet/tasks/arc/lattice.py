"""Cells with colours: the features that a network reads in them, the relations between them, the marks of each.

A *lattice* is several boards, each of some features that are colours, shape (features, rows, columns).
Its entries are a cell and a colour each: the axes `abc` of one-hot boards, all boards in a row. A *mark*
is a number that sets a cell apart from the start: its place, or a property of the object that it
belongs to. An *object* is a set of connected cells of one colour.
"""

from collections.abc import Sequence
from functools import cache, cached_property, partial
from hashlib import sha1
from weakref import proxy

import numpy as np
from scipy import ndimage

from einnet.tasks.arc.grids import BLACK

__all__ = ["OFFSETS", "Lattice", "label_connected", "label_objects", "mark_cells"]

Block = tuple[int, int]  # its rows and columns
NO_BLOCK = (1, 1)
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

    >>> lattice = Lattice([np.array([[[0, 3], [3, 3]]])], colours=[0, 3])
    >>> lattice.entries, lattice.one_hot[:, 0].tolist()
    (8, [True, False, False, True, False, True, False, True])
    >>> lattice.groups("row").tolist()                # entries of one row and one colour
    [0, 1, 0, 1, 2, 3, 2, 3]

    `blocks` are the rows and columns of the blocks that the cells of each board come in; by default no blocks.
    """

    def __init__(self, boards: Sequence[np.ndarray], colours: Sequence[int], blocks: Sequence[Block] = ()):
        self.boards, self.colours = list(boards), np.array(colours)
        self.blocks = list(blocks) or [NO_BLOCK] * len(boards)
        self.shapes = [b.shape[1:] for b in boards]
        sizes = [h * w * len(colours) for h, w in self.shapes]
        self.entries, self.starts = sum(sizes), np.cumsum([0, *sizes])
        self.board = np.repeat(np.arange(len(sizes)), sizes)
        self.colour = np.tile(np.arange(len(colours)), self.entries // max(len(colours), 1))
        self.has_blocks = any(b != NO_BLOCK for b in self.blocks)
        methods = Lattice._groups, Lattice._neighbours, Lattice._marks
        self.groups, self.neighbours, self.marks = (cache(partial(m, proxy(self))) for m in methods)  # no cycle

    @cached_property
    def one_hot(self) -> np.ndarray:
        """(entries, features): whether this feature of the cell has this colour."""
        return np.concatenate([(b[..., None] == self.colours).reshape(len(b), -1) for b in self.boards], 1).T

    def _groups(self, relation: str) -> np.ndarray:
        """A number for each entry: related entries have the same one, if they have one colour or for "cell"."""
        cells = [_group_cells(relation, b, size) for b, size in zip(self.boards, self.blocks, strict=True)]
        keys = self.board * 100_000 + self._repeat_for_colours(cells)
        if relation != "cell":
            keys = keys * len(self.colours) + self.colour
        return np.unique(keys, return_inverse=True)[1]

    def _neighbours(self, direction: str) -> np.ndarray:
        """(neighbours, entries): the number of the neighbouring entry, -1 outside the board."""
        boards, n = [], len(self.colours)
        for start, (h, w) in zip(self.starts, self.shapes, strict=False):
            numbers = np.full((h + 2, w + 2, n), -1)
            numbers[1:-1, 1:-1] = start + np.arange(h * w * n).reshape(h, w, n)
            boards.append([numbers[1 + a : 1 + a + h, 1 + b : 1 + b + w].ravel() for a, b in OFFSETS[direction]])
        return np.concatenate([np.stack(b) for b in boards], 1)

    def _marks(self, kind: str) -> np.ndarray:
        """A number for each entry that sets it apart from the start.

        "" sets nothing apart; "ranked" marks the most, the second and the least frequent colour of the board's
        first feature; the other kinds are those of `mark_cells`.
        """
        if not kind:
            return np.zeros(self.entries, np.int64)
        if kind == "ranked":
            ranks = [_rank_extremes((b[0].ravel()[:, None] == self.colours).sum(0)) for b in self.boards]
            return np.array(ranks)[self.board, self.colour]
        pairs = zip(self.boards, self.blocks, strict=True)
        return self._repeat_for_colours([mark_cells(kind, b[0], size) for b, size in pairs])

    def _repeat_for_colours(self, cells: Sequence[np.ndarray]) -> np.ndarray:
        """From a number for each cell of each board to one for each entry."""
        return np.concatenate([np.repeat(np.asarray(x).ravel(), len(self.colours)) for x in cells])


def _group_cells(relation: str, board: np.ndarray, block: Block) -> np.ndarray:
    if relation in ("block", "place"):
        return mark_cells(relation, board[0], block)
    if relation in ("object", "object8", "thing"):
        return label_objects(board[0], relation)
    w = board.shape[2]
    r, c = np.indices(board.shape[1:])
    lines = {"row": r, "column": c, "all": 0 * r, "diagonal": r - c + w, "antidiagonal": r + c}
    return {"cell": r * w + c, **lines}[relation]


def mark_cells(kind: str, board: np.ndarray, block: Block) -> np.ndarray:
    """A number for each cell of a board; kinds are those of `refinement.PLACES` and `refinement.OBJECTS`.

    >>> mark_cells("border", np.zeros((3, 4)), (1, 1)).astype(int)
    array([[1, 1, 1, 1],
           [1, 0, 0, 1],
           [1, 1, 1, 1]])
    >>> mark_cells("object size", np.array([[0, 2, 2], [3, 0, 2]]), (1, 1))
    array([[1, 3, 3],
           [1, 1, 3]])
    """
    h, w = board.shape
    r, c = np.indices((h, w))
    places = {
        "row place": lambda: r, "row from below": lambda: h - 1 - r,
        "column place": lambda: c, "column from the right": lambda: w - 1 - c,
        "border": lambda: (r == 0) | (r == h - 1) | (c == 0) | (c == w - 1),
        "ring": lambda: np.minimum(np.minimum(r, h - 1 - r), np.minimum(c, w - 1 - c)),
        "sides": lambda: (r == 0) + 2 * (r == h - 1) + 4 * (c == 0) + 8 * (c == w - 1),
        "even": lambda: r % 2 * 2 + c % 2, "even rows": lambda: r % 2, "even columns": lambda: c % 2,
        "thirds": lambda: r % 3 * 3 + c % 3, "checkers": lambda: (r + c) % 2, "diagonal by 3": lambda: (r + c) % 3,
        "diagonals": lambda: (r == c) + 2 * (r + c == w - 1),
        "middle": lambda: (2 * r == h - 1) + 2 * (2 * c == w - 1),
        "block": lambda: r // block[0] * 32 + c // block[1],
        "place": lambda: r % block[0] * 32 + c % block[1],
    }  # fmt: skip
    return places[kind]() if kind in places else _mark_objects(kind, board)


def label_objects(board: np.ndarray, kind: str) -> np.ndarray:
    """Numbers, from 1, of connected cells.

    The kind "object" connects cells of one colour, "object8" over corners too, "thing" cells of any colours but
    black, which gets the number 0.

    >>> label_objects(np.array([[1, 0], [0, 1]]), "object8")
    array([[2, 1],
           [1, 2]])
    >>> label_objects(np.array([[1, 2, 0, 3]]), "thing")
    array([[1, 1, 0, 2]], dtype=int32)
    """
    structure = None if kind == "object" else np.ones((3, 3))
    if kind == "thing":
        return label_connected(board != BLACK, structure)
    numbers = np.zeros(board.shape, np.int64)
    for colour in np.unique(board):
        parts = label_connected(board == colour, structure)
        numbers += np.where(parts > 0, parts + numbers.max(), 0)
    return numbers


def label_connected(mask: np.ndarray, structure: np.ndarray | None = None) -> np.ndarray:
    """Numbers, from 1, of connected cells; `structure` says which neighbours count, by default four."""
    numbers, _ = ndimage.label(mask, structure)  # type: ignore[misc]
    return numbers


def _rank_extremes(counts: np.ndarray) -> np.ndarray:
    """The sum of 10 for the largest, 5 for the second and 3 for the smallest positive number; 0 otherwise.

    >>> _rank_extremes(np.array([4, 0, 1, 7, 2, 7])).tolist()
    [5, 0, 3, 10, 0, 10]
    """
    values = np.unique(counts[counts > 0])
    marks = np.zeros(len(counts), np.int64)
    for place, mark in ((-1, 10), (-2, 5), (0, 3)):
        if len(values) >= max(1, abs(place)):
            marks[counts == values[place]] += mark
    return marks


def _mark_objects(kind: str, board: np.ndarray) -> np.ndarray:
    """A property of the object of each cell. Black cells form objects too, but have no rank and no twins."""
    name, _, what = kind.partition(" ")
    parts = label_objects(board, name)
    patches = [(parts[b] == k, board[b]) for k, b in enumerate(ndimage.find_objects(parts), start=1)]
    masks = [mask for mask, _ in patches]
    solid = np.array([colours[mask][0] != BLACK for mask, colours in patches], bool)

    def find_mirrors() -> list[int]:
        patterns = [np.where(mask, colours, -1) for mask, colours in patches]
        return [np.array_equal(p, p[::-1]) + 2 * np.array_equal(p, p[:, ::-1]) for p in patterns]

    def count_twins() -> list[int]:
        shapes = [_hash_shape(mask) if is_solid else None for mask, is_solid in zip(masks, solid, strict=True)]
        return [0 if s is None else min(shapes.count(s), 3) for s in shapes]

    properties = {
        "size": lambda: [m.sum() for m in masks],
        "rank": lambda: _rank_extremes(solid * np.array([m.sum() for m in masks], int)),
        "border": lambda: np.isin(np.arange(1, len(patches) + 1), parts[mark_cells("border", board, NO_BLOCK)]),
        "filled": lambda: [m.all() for m in masks],
        "box": lambda: [m.shape[0] * 32 + m.shape[1] for m in masks],
        "holes": lambda: [label_connected(np.pad(~m, 1, constant_values=True)).max() - 1 for m in masks],
        "symmetric": find_mirrors,
        "shape": lambda: [int.from_bytes(_hash_shape(m)[:6], "big") for m in masks],
        "twin": count_twins,
    }
    return np.array([0, *properties[what]()], np.int64)[parts]


def _hash_shape(mask: np.ndarray) -> bytes:
    return sha1(repr(mask.shape).encode() + mask.tobytes()).digest()
