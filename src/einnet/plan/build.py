"""Steps of a plan, and the builder that makes them of terms."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import ascii_letters
from typing import Any

from einnet.plan.cost import Cost
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

    @property
    def equation(self) -> str:
        return ",".join("".join(t) for t in self.operands) + "->" + "".join(self.output)


class Builder:
    """Collects steps; a step that was there before is not added again."""

    def __init__(self, slots: int):
        self.slots = slots
        self.steps: list[Step] = []
        self.known: dict[Any, tuple[int, Tuple]] = {}

    def add(self, term: Term, slots: Sequence[int], classes: Mapping[str, str]) -> tuple[int, Tuple]:
        """The number of the term's core and its indices."""
        kept = live_operands(term)
        values = [self.reduce(s, t, k, classes) for s, t, k in zip(slots, term.operands, kept, strict=True)]
        rank = max(map(len, (*term.operands, term.output)))
        if loop := loop_of([t for _, t in values], term.output, rank):
            return self.looped(values, term.output, loop, classes)
        for pair in contraction_steps([t for _, t in values], term.output):
            flops = Cost.of((classes[i] for i in pair.indices), 2 if len(pair.output) < len(pair.indices) else 1)
            values.append(self.step([values[pair.left], values[pair.right]], pair.output, flops, classes))
        return values[-1]

    def reduce(self, value: int, tup: Tuple, kept: Tuple, classes: Mapping[str, str]) -> tuple[int, Tuple]:
        if tup == kept:
            return value, tup
        distinct = dict.fromkeys(tup)
        flops = Cost.of((classes[i] for i in distinct), coefficient=int(len(distinct) > len(kept)))
        return self.step([(value, tup)], kept, flops, classes)

    def looped(
        self, values: Sequence[tuple[int, Tuple]], output: Tuple, loop: Tuple, classes: Mapping[str, str]
    ) -> tuple[int, Tuple]:
        """All values contracted in one step that takes the indices of the loop one at a time."""
        kept = tuple(i for i in dict.fromkeys(output) if any(i in t for _, t in values))
        flops = Cost()
        for pair in contraction_steps([t for _, t in values], output, loop):
            flops += Cost.of(
                (classes[i] for i in (*pair.indices, *loop)), 2 if len(pair.output) < len(pair.indices) else 1
            )
        return self.step(values, kept, flops, classes, loop)

    def step(
        self,
        values: Sequence[tuple[int, Tuple]],
        kept: Tuple,
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
        key = (sources, operands, frozenset(names[i] for i in kept))
        if key not in self.known:
            output = tuple(names[i] for i in kept)
            size = Cost.of(classes[i] for i in kept)
            self.steps.append(Step(sources, operands, output, flops, size, tuple(names[i] for i in loop)))
            self.known[key] = (self.slots + len(self.steps) - 1, output)
        value, output = self.known[key]
        letters = {new: old for old, new in names.items()}
        return value, tuple(letters[i] for i in output)
