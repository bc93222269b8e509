"""`Cut`: how the processes of a grid share an einsum, chosen so that they send little.

Each dimension of the grid is given an index of the einsum, which is cut along it: each process computes with its ranges
of these two. An operand that lacks one of them is needed with the whole range of its summed indices by each process;
it is taken in panels, such as the columns of the first matrix and the rows of the second in a product. So no process
has more than its share of any tensor and some panels (SUMMA: van de Geijn and Watts, Scalable universal matrix
multiplication algorithm, 1997).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise, product
from math import prod

from einnet.nn.sharded.grid import Coordinate, Placement, default_placement

__all__ = ["Cut", "choose_cut"]

Tuple = tuple[str, ...]
WORK = 0.01  # numbers that could be sent in the time of one multiplication


@dataclass(frozen=True)
class Cut:
    """The index that is cut along each dimension of the grid, the placement of each operand, and that of the output.

    Operands have the indices of `panels` cut along dimensions of which they lack the index. The output is a partial sum
    along the dimensions `summed`.
    """

    indices: tuple[str | None, str | None]
    operands: tuple[Placement, ...]
    output: Placement
    panels: Tuple
    summed: tuple[int, ...]
    sent: float  # numbers that a process sends, for each feature
    work: float  # multiplications


def _align(operand: Tuple, indices: Sequence[str | None], output: Tuple, shape: Coordinate) -> tuple[Placement, Tuple]:
    """The placement of an operand, and those of its indices that are taken in panels."""
    dims = {i: tuple(d for d in (0, 1) if indices[d] == i) for i in operand}
    free = [i for i in operand if not dims[i] and i not in output]
    panels: list[str] = []
    for d in (0, 1):
        if indices[d] not in operand and shape[d] > 1 and free:
            index = free.pop(0) if len(free) > 1 else free[0]
            dims[index] += (d,)
            panels.append(index)
    return tuple(dims[i] for i in operand), tuple(dict.fromkeys(panels))


def _count(indices: Tuple, placement: Placement, sizes: Mapping[str, int], shape: Coordinate) -> float:
    """The numbers of a block."""
    parts = prod(shape[d] for dims in placement for d in dims)
    return prod(sizes[i] for i in indices) / parts


def make_cut(
    operands: Sequence[Tuple], output: Tuple, sizes: Mapping[str, int], shape: Coordinate, indices: Sequence[str | None]
) -> Cut:
    """The cut along these indices, with what it costs."""
    aligned = [_align(t, indices, output, shape) for t in operands]
    panels = tuple(dict.fromkeys(i for _, names in aligned for i in names))
    sent = 0.0
    for t, (placement, names) in zip(operands, aligned, strict=True):
        block = _count(t, placement, sizes, shape)
        parts = prod(shape[d] for i, dims in zip(t, placement, strict=True) if i in names for d in dims)
        sent += block * (parts - 1)
        if _used(placement, shape) != _used(default_placement(len(t)), shape):
            sent += block
    placement = tuple(tuple(d for d in (0, 1) if indices[d] == i) for i in output)
    summed = tuple(d for d in (0, 1) if shape[d] > 1 and indices[d] is not None and indices[d] not in output)
    block, parts = _count(output, placement, sizes, shape), prod(shape[d] for d in summed)
    sent += 2 * block * (parts - 1) / parts
    if _used(placement, shape) != _used(default_placement(len(output)), shape):
        sent += block
    everything = dict.fromkeys(i for t in operands for i in t)
    work = prod(sizes[i] for i in everything) / prod(shape[d] for d in (0, 1) if indices[d] is not None)
    return Cut(tuple(indices), tuple(p for p, _ in aligned), placement, panels, summed, sent, work)  # type: ignore[arg-type]


def _used(placement: Placement, shape: Coordinate) -> Placement:
    return tuple(tuple(d for d in dims if shape[d] > 1) for dims in placement)


@lru_cache(maxsize=1024)
def choose_cut(
    operands: tuple[Tuple, ...], output: Tuple, sizes: tuple[tuple[str, int], ...], shape: Coordinate
) -> Cut:
    """The cut with the least time; the indices of the output first.

    >>> sizes = tuple(dict.fromkeys("abc", 100).items())
    >>> cut = choose_cut((("a", "b"), ("b", "c")), ("a", "c"), sizes, (2, 2))
    >>> cut.indices, cut.panels, cut.operands
    (('a', 'c'), ('b',), (((0,), (1,)), ((0,), (1,))))
    >>> choose_cut((("a", "b"), ("b",)), ("a",), sizes, (2, 2)).indices       # a matrix stays where it is
    ('a', 'b')
    """
    names = dict.fromkeys((*output, *(i for t in operands for i in t)))
    candidates = [tuple(c) for c in product((*names, None), repeat=2)]
    cuts = [make_cut(operands, output, dict(sizes), shape, c) for c in candidates]
    return min(cuts, key=lambda cut: cut.sent + WORK * cut.work)


def split_range(edges: Sequence[int], width: int) -> Iterator[tuple[int, int]]:
    """The ranges between neighbouring edges, none wider than `width`.

    >>> list(split_range([0, 5, 3, 5], 2))
    [(0, 2), (2, 3), (3, 5)]
    """
    ordered = sorted(set(edges))
    for first, last in pairwise(ordered):
        for start in range(first, last, width):
            yield start, min(start + width, last)
