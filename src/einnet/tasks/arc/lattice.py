"""Cells with colours: what a network could read in them, and which of them are related.

A *lattice* is several boards, each of some features that are colours, shape (features, rows,
columns). Its entries are a cell and a colour each: the axes `abc` of one-hot boards, all boards in a row.
"""

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from einnet.tasks.arc.marks import components, extremes, marks_of_cells

__all__ = ["OFFSETS", "Lattice"]

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
    >>> lattice.entries, lattice.has[:, 0].tolist()
    (8, [True, False, False, True, False, True, False, True])
    >>> lattice.groups("row").tolist()                # entries of one row and one colour
    [0, 1, 0, 1, 2, 3, 2, 3]

    `blocks`: for each board the size of the parts that its cells come in, rows and columns; without them there
    are none.
    """

    def __init__(
        self, stacks: Sequence[np.ndarray], colours: Sequence[int], blocks: Sequence[tuple[int, int]] | None = None
    ):
        self.stacks, self.colours = list(stacks), np.array(colours)
        self.blocks = [NO_BLOCK] * len(stacks) if blocks is None else list(blocks)
        self.shapes = [s.shape[1:] for s in stacks]
        sizes = [h * w * len(colours) for h, w in self.shapes]
        self.entries, self.starts = sum(sizes), np.cumsum([0, *sizes])
        self.board = np.repeat(np.arange(len(sizes)), sizes)
        self._cache: dict[str, np.ndarray] = {}

    def flat(self, cells: Sequence[np.ndarray]) -> np.ndarray:
        """A number for each cell of each board as one for each entry."""
        return np.concatenate([np.repeat(np.asarray(x).ravel(), len(self.colours)) for x in cells])

    @property
    def in_blocks(self) -> bool:
        return any(b != NO_BLOCK for b in self.blocks)

    @cached_property
    def colour(self) -> np.ndarray:
        return np.tile(np.arange(len(self.colours)), self.entries // max(len(self.colours), 1))

    @cached_property
    def has(self) -> np.ndarray:
        """(entries, features): does this feature of the cell have this colour."""
        return np.concatenate([(s[..., None] == self.colours).reshape(len(s), -1) for s in self.stacks], 1).T

    def groups(self, relation: str) -> np.ndarray:
        """A number for each entry: the related ones, of one colour but for "cell", have the same."""
        if relation not in self._cache:
            cells = [_groups_of_cells(relation, s, b) for s, b in zip(self.stacks, self.blocks, strict=True)]
            keys = self.board * 100_000 + self.flat(cells)
            if relation != "cell":
                keys = keys * len(self.colours) + self.colour
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
        """A number for each entry that sets it apart from the start; "" sets nothing apart.

        "ranked": is its colour the most, the second, or the least frequent of the board's (in the first
        feature); else see `marks_of_cells`.
        """
        name = f"marks {kind}"
        if name not in self._cache:
            if not kind:
                found = np.zeros(self.entries, np.int64)
            elif kind == "ranked":
                ranks = [extremes((s[0].ravel()[:, None] == self.colours).sum(0)) for s in self.stacks]
                found = np.array(ranks)[self.board, self.colour]
            else:
                each = zip(self.stacks, self.blocks, strict=True)
                found = self.flat([marks_of_cells(kind, s[0], b) for s, b in each])
            self._cache[name] = found
        return self._cache[name]


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
        case "block" | "place":
            return marks_of_cells(relation, stack[0], block)
        case "object" | "object8" | "thing":
            return components(stack[0], relation)
    raise ValueError(relation)
