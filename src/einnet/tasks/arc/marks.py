"""What sets cells apart from the start: their place, the size or shape of the connected cells they belong to."""

from hashlib import sha1

import numpy as np
from scipy import ndimage

__all__ = ["BLACK", "components", "extremes", "marks_of_cells", "numbered_parts"]

BLACK = 0  # the background of objects


def marks_of_cells(kind: str, board: np.ndarray, block: tuple[int, int]) -> np.ndarray:
    """A number for each cell of a board; kinds are those of `families.PLACES` and `families.OBJECTS`.

    >>> marks_of_cells("border", np.zeros((3, 4)), (1, 1)).astype(int)
    array([[1, 1, 1, 1],
           [1, 0, 0, 1],
           [1, 1, 1, 1]])
    >>> marks_of_cells("object size", np.array([[0, 2, 2], [3, 0, 2]]), (1, 1))
    array([[1, 3, 3],
           [1, 1, 3]])
    """
    h, w = board.shape
    r, c = np.indices((h, w))
    places = {
        "row place": lambda: r,
        "column place": lambda: c,
        "row from below": lambda: h - 1 - r,
        "column from the right": lambda: w - 1 - c,
        "border": lambda: (r == 0) | (r == h - 1) | (c == 0) | (c == w - 1),
        "ring": lambda: np.minimum(np.minimum(r, h - 1 - r), np.minimum(c, w - 1 - c)),
        "sides": lambda: (r == 0) + 2 * (r == h - 1) + 4 * (c == 0) + 8 * (c == w - 1),
        "checkers": lambda: (r + c) % 2,
        "even": lambda: r % 2 * 2 + c % 2,
        "even rows": lambda: r % 2,
        "even columns": lambda: c % 2,
        "thirds": lambda: r % 3 * 3 + c % 3,
        "diagonals": lambda: (r == c) + 2 * (r + c == w - 1),
        "diagonal by 3": lambda: (r + c) % 3,
        "middle": lambda: (2 * r == h - 1) + 2 * (2 * c == w - 1),
        "block": lambda: r // block[0] * 32 + c // block[1],
        "place": lambda: r % block[0] * 32 + c % block[1],
    }
    return places[kind]() if kind in places else _of_objects(kind, board)


def components(board: np.ndarray, kind: str) -> np.ndarray:
    """Numbers, from 1, of connected cells: of one colour ("object"; "object8" over corners too), or
    ("thing") of any colours but black, whose number is 0 then.

    >>> components(np.array([[1, 0], [0, 1]]), "object8")
    array([[2, 1],
           [1, 2]])
    >>> components(np.array([[1, 2, 0, 3]]), "thing")
    array([[1, 1, 0, 2]], dtype=int32)
    """
    structure = None if kind == "object" else np.ones((3, 3))
    if kind == "thing":
        return numbered_parts(board != BLACK, structure)
    found, number = np.zeros(board.shape, np.int64), 0
    for colour in np.unique(board):
        parts = numbered_parts(board == colour, structure)
        found = np.where(parts > 0, parts + number, found)
        number += int(parts.max())
    return found


def numbered_parts(mask: np.ndarray, structure: np.ndarray | None = None) -> np.ndarray:
    """Numbers, from 1, of connected cells; `structure` says which neighbours count, by default four."""
    numbers, _ = ndimage.label(mask, structure)  # type: ignore[misc]
    return numbers


def extremes(counts: np.ndarray) -> np.ndarray:
    """10 for the largest, 5 for the second, 3 for the smallest, added up; 0 for others, and for those that are 0.

    >>> extremes(np.array([4, 0, 1, 7, 2, 7])).tolist()
    [5, 0, 3, 10, 0, 10]
    """
    there = np.unique(counts[counts > 0])
    marks = np.zeros(len(counts), np.int64)
    for place, mark in ((-1, 10), (-2, 5), (0, 3)):
        if len(there) >= abs(place) and len(there):
            marks[counts == there[place]] += mark
    return marks


def _of_objects(kind: str, board: np.ndarray) -> np.ndarray:
    """What connected cells have in common. Black ones are objects too, but of no rank and nobody's twin."""
    name, _, what = kind.partition(" ")
    parts = components(board, name)
    patches = [(parts[b] == k, board[b]) for k, b in enumerate(ndimage.find_objects(parts), start=1)]
    solid = np.array([colours[mask][0] != BLACK for mask, colours in patches], bool)
    match what:
        case "size":
            values = [mask.sum() for mask, _ in patches]
        case "rank":
            values = extremes(solid * np.array([mask.sum() for mask, _ in patches], int))
        case "border":
            edge = np.concatenate([parts[[0, -1]].ravel(), parts[:, [0, -1]].ravel()])
            values = np.isin(np.arange(1, len(patches) + 1), edge)
        case "filled":
            values = [mask.all() for mask, _ in patches]
        case "box":
            values = [mask.shape[0] * 32 + mask.shape[1] for mask, _ in patches]
        case "holes":
            values = [numbered_parts(np.pad(~mask, 1, constant_values=True)).max() - 1 for mask, _ in patches]
        case "symmetric":
            values = [_symmetry(np.where(mask, colours, -1)) for mask, colours in patches]
        case "shape":
            values = [int.from_bytes(_shape(mask)[:6], "big") for mask, _ in patches]
        case "twin":
            shapes = [_shape(mask) if one else None for (mask, _), one in zip(patches, solid, strict=True)]
            values = [0 if s is None else min(shapes.count(s), 3) for s in shapes]
        case _:
            raise ValueError(kind)
    return np.array([0, *values], np.int64)[parts]


def _symmetry(patch: np.ndarray) -> int:
    return np.array_equal(patch, patch[::-1]) + 2 * np.array_equal(patch, patch[:, ::-1])


def _shape(mask: np.ndarray) -> bytes:
    return sha1(repr(mask.shape).encode() + mask.tobytes()).digest()
