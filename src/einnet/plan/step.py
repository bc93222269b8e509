"""`Step`, one contraction of a plan, and `Result`, how a value becomes the output of a term."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from einnet._notation import write_tuple
from einnet.plan.cost import Cost
from einnet.plan.kernel import Expansion, Kernel, make_axis_map, transpose
from einnet.symmetry import Symmetry

__all__ = ["Result", "Step", "is_connected"]

Tuple = tuple[str, ...]


@dataclass(frozen=True)
class Step:
    """An einsum of one or two values, or of more with a loop, whose output has each index once; or a join.

    `sources` are the numbers of the values that it reads: the plan's inputs first, then the steps in order.
    The indices of `loop` are taken one at a time, so that no tensor larger than the output is kept.

    A join has sparse operands, or a sparse output: it runs over the index tuples at which all of them have entries.
    `supports` has the type on whose support each operand and the output lies, None for a dense one.
    """

    sources: tuple[int, ...]
    operands: tuple[Tuple, ...]
    output: Tuple
    flops: Cost
    size: Cost
    loop: Tuple = ()
    supports: tuple[Symmetry | None, ...] = ()  # of a join
    axes: tuple[tuple[str, str], ...] = ()  # of each index
    is_join: bool = field(init=False, repr=False, compare=False)
    kernel: Kernel | None = field(init=False, repr=False, compare=False)  # None for a join and with a loop
    transposes: tuple[Expansion | Kernel, ...] = field(init=False, repr=False, compare=False)  # for each operand

    def __post_init__(self) -> None:
        object.__setattr__(self, "is_join", bool(self.supports))
        kernel = None if self.loop or self.is_join else Kernel.of(self.operands, self.output)
        object.__setattr__(self, "kernel", kernel)
        object.__setattr__(self, "transposes", () if kernel is None else transpose(self.operands, self.output))

    @property
    def tuples(self) -> tuple[Tuple, ...]:
        """Those of the operands, then that of the output."""
        return (*self.operands, self.output)

    @property
    def equation(self) -> str:
        tuples = self.tuples
        brackets = [s is not None for s in self.supports] or [False] * len(tuples)
        *operands, output = [write_tuple(t, b) for t, b in zip(tuples, brackets, strict=True)]
        return ",".join(operands) + "->" + output


@dataclass(frozen=True)
class Result:
    """How a value, the compact result, becomes the output of a term.

    `axis_map` has the axis of the compact result for each output axis, and a negative number for each
    broadcast index. Results of one axis map can be added before they are expanded.

    For an output on a support, the compact result has a value for each entry if `is_sparse`, and the axis map counts
    up; otherwise it is dense, with one axis or none.
    """

    value: int
    compact: Tuple
    output: Tuple
    support: Symmetry | None = None  # the type of the output, if that is sparse
    is_sparse: bool = False
    axes: tuple[tuple[str, str], ...] = ()  # of each index
    axis_map: tuple[int, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        axis_map = tuple(range(len(self.output))) if self.is_sparse else make_axis_map(self.compact, self.output)
        object.__setattr__(self, "axis_map", axis_map)


@lru_cache(maxsize=1024)
def is_connected(tuples: Sequence[Tuple]) -> bool:
    """Whether common indices connect all tuples, none of which is empty.

    >>> is_connected((("a", "b"), ("b",))), is_connected((("a",), ())), is_connected((("a",), ("b",)))
    (True, False, False)
    """
    reached, *rest = map(set, tuples)
    while near := [t for t in rest if t & reached]:
        rest = [t for t in rest if not t & reached]
        reached.update(*near)
    return bool(reached) and not rest
