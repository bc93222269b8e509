"""`Kernel`: an einsum of one or two values as array primitives, compiled when a plan is made."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from einnet.plan.backends import Backend

__all__ = ["Expansion", "Kernel", "Layout", "align", "make_axis_map", "transpose"]

Tuple = tuple[str, ...]


@dataclass(frozen=True)
class Layout:
    """The order in which axes are put, then the new axes of size one, the last first."""

    order: tuple[int, ...]
    new_axes: tuple[int, ...]

    @classmethod
    def of(cls, names: Sequence[Any], target: Sequence[Any]) -> "Layout":
        """From axes called `names` to the order of `target`.

        >>> Layout.of("ab", "ba"), Layout.of("b", "abc")
        (Layout(order=(-1, -2), new_axes=()), Layout(order=(), new_axes=(-1, -3)))
        """
        rank, total = len(names), len(target)
        order = tuple([names.index(n) - rank for n in target if n in names])
        new_axes = tuple([k - total for k in range(total - 1, -1, -1) if target[k] not in names])
        return cls(() if order == tuple(range(-rank, 0)) else order, new_axes)

    def apply(self, x: Any, backend: Backend) -> Any:
        if self.order:
            x = backend.permute(x, self.order)
        for axis in self.new_axes:
            x = backend.unsqueeze(x, axis)
        return x


def align(x: Any, names: Sequence[Any], target: Sequence[Any], backend: Backend) -> Any:
    """The last axes of `x`, called `names`, in the order of `target`; an axis of size one where `names` lacks it."""
    return x if tuple(names) == tuple(target) else Layout.of(names, target).apply(x, backend)


@dataclass(frozen=True)
class Kernel:
    """An einsum of one or two values whose output has each index once.

    `kind` says how it is computed: "reduce" takes diagonals and sums, "multiply" aligns two operands, "matmul"
    is the product of two matrices, and "einsum" is anything else.
    """

    kind: str
    layouts: tuple[Layout, ...] = ()
    diagonals: tuple[tuple[int, int], ...] = ()
    summed_axes: tuple[int, ...] = ()
    equation: str = ""
    is_reversed: bool = False  # the second matrix times the first

    @classmethod
    def of(cls, operands: Sequence[Tuple], output: Tuple) -> "Kernel":
        """The kernel of an einsum.

        >>> Kernel.of([("a", "b")], ("a",)).summed_axes
        (-1,)
        >>> [Kernel.of(pair, ("a", "c")).kind for pair in (["ab", "bc"], ["ab", "ac"], ["abd", "bcd"])]
        ['matmul', 'einsum', 'einsum']
        """
        if len(operands) == 1:
            return cls._reduce(operands[0], output)
        left, right = map(tuple, operands)
        if set(output) == {*left, *right}:
            return cls("multiply", (Layout.of(left, output), Layout.of(right, output)))
        shared = set(left) & set(right)
        if len(left) == len(right) == len(output) == 2 and len(shared) == 1 and not shared & set(output):
            is_reversed = output[0] in right
            first, second = (right, left) if is_reversed else (left, right)
            layouts = Layout.of(first, (output[0], *shared)), Layout.of(second, (*shared, output[1]))
            return cls("matmul", layouts, is_reversed=is_reversed)
        return cls("einsum", equation=f"...{''.join(left)},...{''.join(right)}->...{''.join(output)}")

    @classmethod
    def _reduce(cls, operand: Tuple, output: Tuple) -> "Kernel":
        names, diagonals = operand, []
        for name in dict.fromkeys(operand):
            while names.count(name) > 1:
                first = names.index(name)
                second = names.index(name, first + 1)
                diagonals.append((first - len(names), second - len(names)))
                names = (*(n for k, n in enumerate(names) if k not in (first, second)), name)
        summed_axes = tuple(k - len(names) for k, n in enumerate(names) if n not in output)
        layout = Layout.of([n for n in names if n in output], output)
        return cls("reduce", (layout,), tuple(diagonals), summed_axes)

    def run(self, operands: Sequence[Any], backend: Backend) -> Any:
        """The einsum of these arrays."""
        if self.kind == "reduce":
            x = operands[0]
            for first, second in self.diagonals:
                x = backend.diagonal(x, first, second)
            if self.summed_axes:
                x = backend.sum(x, self.summed_axes)
            layout = self.layouts[0]
            return layout.apply(x, backend) if layout.order else x
        left, right = reversed(operands) if self.is_reversed else operands
        if self.kind == "einsum":
            return backend.einsum(self.equation, left, right)
        first, second = self.layouts
        if first.order or first.new_axes:
            left = first.apply(left, backend)
        if second.order or second.new_axes:
            right = second.apply(right, backend)
        return backend.multiply(left, right) if self.kind == "multiply" else backend.matmul(left, right)


@dataclass(frozen=True)
class Expansion:
    """How a compact result becomes the output: the order of its axes, where broadcast sizes stand, the diagonals."""

    layout: Layout
    broadcast_axes: tuple[int, ...]  # the output axis that gives the size of each axis; () where nothing is broadcast
    diagonals: tuple[tuple[int, int], ...]

    @staticmethod
    @lru_cache(maxsize=8192)
    def of(axis_map: tuple[int, ...]) -> "Expansion":
        axes = list(dict.fromkeys(axis_map))
        own_axes = sorted(f for f in axes if f >= 0)
        broadcast_axes = tuple(axis_map.index(f) for f in axes) if len(own_axes) < len(axes) else ()
        layout, diagonals = Layout.of(own_axes, axes), []
        for place, axis in enumerate(axis_map):
            first = axis_map.index(axis)
            if first < place:
                axes.insert(place, axis)
                diagonals.append((first - len(axes), place - len(axes)))
        return Expansion(layout, broadcast_axes, tuple(diagonals))

    def apply(self, x: Any, sizes: Sequence[int], backend: Backend) -> Any:
        if self.layout.order or self.layout.new_axes:
            x = self.layout.apply(x, backend)
        if self.broadcast_axes:
            x = backend.broadcast(x, [sizes[k] for k in self.broadcast_axes])
        for first, second in self.diagonals:
            x = backend.embed(x, first, second)
        return x


def make_axis_map(compact: Tuple, output: Tuple) -> tuple[int, ...]:
    """The axis of `compact` for each index of `output`, and a negative number for each index that it lacks.

    >>> make_axis_map(("a",), ("a", "a")), make_axis_map(("a",), ("b", "a"))
    ((0, 0), (-1, 0))
    """
    broadcast = dict.fromkeys(i for i in output if i not in compact)
    axes = {i: k for k, i in enumerate(compact)} | {i: -1 - k for k, i in enumerate(broadcast)}
    return tuple([axes[i] for i in output])


def transpose(operands: Sequence[Tuple], output: Tuple) -> tuple[Expansion | Kernel, ...]:
    """For each operand of a kernel its gradient, of real numbers: of the output's, and of the other operand.

    >>> [x.equation for x in transpose([("a", "b"), ("a", "b", "c")], ("a", "c"))]
    ['...ac,...abc->...ab', '']
    """
    if len(operands) == 1:
        return (Expansion.of(make_axis_map(output, operands[0])),)
    left, right = operands
    return Kernel.of((output, right), left), Kernel.of((output, left), right)
