"""Steps of a plan, and the builder that makes them of terms."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from string import ascii_letters
from typing import Any

from einnet.plan.cost import Cost
from einnet.plan.kernel import Kernel
from einnet.plan.path import contraction_steps, live_operands, loop_of
from einnet.terms.term import Term

__all__ = ["Builder", "Step"]

Tuple = tuple[str, ...]


@dataclass(frozen=True)
class Step:
    """An einsum of one or two values, or of more with a loop, whose output has each index once.

    `sources` are value numbers: the plan's slots first, then the steps in order. The indices of
    `loop` are taken one at a time, so that nothing larger than the output is kept.
    """

    sources: tuple[int, ...]
    operands: tuple[Tuple, ...]
    output: Tuple
    flops: Cost
    size: Cost
    loop: Tuple = ()
    kernel: Kernel | None = field(init=False, repr=False, compare=False)  # None with a loop

    def __post_init__(self) -> None:
        object.__setattr__(self, "kernel", None if self.loop else Kernel.of(self.operands, self.output))

    @property
    def equation(self) -> str:
        return ",".join("".join(t) for t in self.operands) + "->" + "".join(self.output)


class Builder:
    """Collects steps; equal steps are done once. With `loops`, a loop keeps intermediates small."""

    def __init__(self, slots: int, loops: bool = True):
        self.slots = slots
        self.loops = loops
        self.steps: list[Step] = []
        self.known: dict[Any, tuple[int, Tuple]] = {}

    def add(self, term: Term, slots: Sequence[int], classes: Mapping[str, str]) -> tuple[int, Tuple]:
        """The number of the term's compact result and its indices."""
        reduced = live_operands(term)
        values = [self.reduce(s, t, r, classes) for s, t, r in zip(slots, term.operands, reduced, strict=True)]
        rank = max(map(len, (*term.operands, term.output)))
        if self.loops and (loop := loop_of([t for _, t in values], term.output, rank)):
            return self.contract_in_loop(values, term.output, loop, classes)
        for pair in contraction_steps([t for _, t in values], term.output):
            flops = Cost.of((classes[i] for i in pair.indices), 2 if len(pair.output) < len(pair.indices) else 1)
            values.append(self.step([values[pair.left], values[pair.right]], pair.output, flops, classes))
        return values[-1]

    def reduce(self, value: int, tup: Tuple, output: Tuple, classes: Mapping[str, str]) -> tuple[int, Tuple]:
        if tup == output:
            return value, tup
        distinct = dict.fromkeys(tup)
        flops = Cost.of((classes[i] for i in distinct), coefficient=int(len(distinct) > len(output)))
        return self.step([(value, tup)], output, flops, classes)

    def contract_in_loop(
        self, values: Sequence[tuple[int, Tuple]], output: Tuple, loop: Tuple, classes: Mapping[str, str]
    ) -> tuple[int, Tuple]:
        """All values contracted in one step that takes the indices of the loop one at a time."""
        live = tuple(i for i in dict.fromkeys(output) if any(i in t for _, t in values))
        flops = Cost()
        for pair in contraction_steps([t for _, t in values], output, loop):
            flops += Cost.of(
                (classes[i] for i in (*pair.indices, *loop)), 2 if len(pair.output) < len(pair.indices) else 1
            )
        return self.step(values, live, flops, classes, loop)

    def step(
        self,
        values: Sequence[tuple[int, Tuple]],
        output: Tuple,
        flops: Cost,
        classes: Mapping[str, str],
        loop: Tuple = (),
    ) -> tuple[int, Tuple]:
        """The value of this einsum, and the order of the indices that it has."""
        values = sorted(values, key=lambda v: v[0]) if len({v for v, _ in values}) > 1 else list(values)
        names: dict[str, str] = {}
        for _, tup in values:
            for i in tup:
                names.setdefault(i, ascii_letters[len(names)])
        operands = tuple(tuple(names[i] for i in t) for _, t in values)
        sources = tuple(v for v, _ in values)
        key = (sources, operands, frozenset(names[i] for i in output))
        if key not in self.known:
            renamed = tuple(names[i] for i in output)
            size = Cost.of(classes[i] for i in output)
            self.steps.append(Step(sources, operands, renamed, flops, size, tuple(names[i] for i in loop)))
            self.known[key] = (self.slots + len(self.steps) - 1, renamed)
        value, renamed = self.known[key]
        letters = {new: old for old, new in names.items()}
        return value, tuple(letters[i] for i in renamed)
