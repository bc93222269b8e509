"""`Plan`: a set of terms as pairwise steps, made once, run at any size.

Each operand of a term is first reduced: diagonals taken, indices of this operand alone summed. The reduced operands are
contracted two at a time along the path that opt_einsum finds for representative sizes. Where that would make a tensor
of more axes than the types have, all operands are contracted in one step that loops over some indices. The *compact
result* has each index of the output once, without those that are broadcast; a linear map of the output can be applied
to it, as it is smaller. The `Result` says how it becomes the output.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import accumulate
from string import ascii_letters
from typing import Any

from einnet.errors import EinNetError
from einnet.plan.cost import Cost
from einnet.plan.kernel import Kernel
from einnet.plan.path import choose_loop, contraction_steps, reduce_operands
from einnet.symmetry import Symmetry, as_symmetry
from einnet.terms.term import IndexMap, Term, as_terms
from einnet.terms.type_set import Types, TypeSet

__all__ = ["Plan", "Result", "Step"]

Tuple = tuple[str, ...]


@dataclass(frozen=True)
class Step:
    """An einsum of one or two values, or of more with a loop, whose output has each index once.

    `sources` are the numbers of the values that it reads: the plan's inputs first, then the steps in order.
    The indices of `loop` are taken one at a time, so that no tensor larger than the output is kept.
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


@dataclass(frozen=True)
class Result:
    """How a value, the compact result, becomes the output of a term.

    `axis_map` has the axis of the compact result for each output axis, and a negative number for each
    broadcast index. Results of one axis map can be added before they are expanded.

    >>> Result(0, ("a",), ("a", "a")).axis_map, Result(0, ("a",), ("b", "a")).axis_map
    ((0, 0), (-1, 0))
    """

    value: int
    compact: Tuple
    output: Tuple
    axis_map: tuple[int, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        broadcast = dict.fromkeys(i for i in self.output if i not in self.compact)
        axes = {i: k for k, i in enumerate(self.compact)} | {i: -1 - k for k, i in enumerate(broadcast)}
        object.__setattr__(self, "axis_map", tuple(axes[i] for i in self.output))


@dataclass(frozen=True)
class Plan:
    """Terms as pairwise steps.

    >>> plan = Plan.make(["ab,dc,ae,ac,db->de"], Symmetry("aa"))
    >>> plan
    plan of ab,dc,ae,ac,db->de
     step  contraction  reads  FLOPs  size
        5  ab,cb->ac    0, 4    2a^3   a^2
        6  ab,cb->ac    1, 3    2a^3   a^2
        7  ab,ba->ab    5, 6     a^2   a^2
        8  ab,ac->bc    2, 7    2a^3   a^2
    FLOPs 6a^3 + a^2, largest intermediate a^2, per feature
    """

    terms: tuple[Term, ...]
    sources: tuple[tuple[int, ...], ...]
    input_count: int
    steps: tuple[Step, ...]
    results: tuple[Result, ...]
    index_maps: tuple[IndexMap, ...]  # of each term
    summed_axes: tuple[tuple[str, ...], ...]  # the axis of each summed index of each term

    @classmethod
    def make(
        cls,
        terms: Sequence[Term | str],
        types: Types | TypeSet,
        output: Symmetry | str | None = None,
        sources: Sequence[Sequence[int]] | None = None,
    ) -> "Plan":
        """The plan of terms of a type set; with `output`, of terms from a type to another one.

        `sources` gives, for each term, the number of the input that each operand is read from; by default each operand
        is an input of its own, in order. Equal steps on equal values are done once.
        """
        parsed = tuple(as_terms(terms))
        type_set = TypeSet.of(types)
        if output is None:
            index_maps = tuple(map(type_set.index_map, parsed))
        else:
            index_maps = tuple(t.index_map([type_set.types[0]] * t.order, as_symmetry(output)) for t in parsed)
        return _make_plan(parsed, _number_inputs(parsed, sources), index_maps, True)

    @classmethod
    def without_types(cls, terms: Sequence[Term], sources: Sequence[Sequence[int]] | None = None) -> "Plan":
        """The plan of terms without types: each index is an axis of its own, and no step has a loop."""
        index_maps = tuple(IndexMap({i: i for i in t.indices}, {}) for t in terms)
        return _make_plan(tuple(terms), _number_inputs(terms, sources), index_maps, False)

    @property
    def flops(self) -> Cost:
        """Multiplications and additions, for each feature."""
        return sum((s.flops for s in self.steps), Cost())

    @property
    def largest(self) -> Cost:
        """The size of the largest intermediate, without inputs and outputs."""
        return max((s.size for s in self.steps), key=lambda size: size.degree, default=Cost())

    def rows(self) -> list[tuple[str, str, str, str, str]]:
        """A header and a row for each step: its number, the contraction, what it reads, its cost per feature."""
        rows = [("step", "contraction", "reads", "FLOPs", "size")]
        for k, step in enumerate(self.steps, start=self.input_count):
            reads = ", ".join(map(str, step.sources))
            loop = f" for each {', '.join(step.loop)}" if step.loop else ""
            rows.append((str(k), step.equation + loop, reads, str(step.flops), str(step.size)))
        return rows

    def table(self) -> str:
        """The plan as text."""
        rows = self.rows()
        width = [max(len(r[k]) for r in rows) for k in range(5)]
        lines = [f"plan of {'  '.join(map(str, self.terms))}"]
        for a, b, c, d, e in rows:
            lines.append(f" {a:>{width[0]}}  {b:<{width[1]}}  {c:<{width[2]}}  {d:>{width[3]}}  {e:>{width[4]}}")
        lines.append(f"FLOPs {self.flops}, largest intermediate {self.largest}, per feature")
        return "\n".join(lines)

    __repr__ = table


def _number_inputs(terms: Sequence[Term], sources: Sequence[Sequence[int]] | None) -> tuple[tuple[int, ...], ...]:
    if sources is None:
        starts = accumulate((t.order for t in terms), initial=0)
        return tuple(tuple(range(s, s + t.order)) for s, t in zip(starts, terms, strict=False))
    if [len(s) for s in sources] != [t.order for t in terms]:
        raise EinNetError("sources needs one input number for each operand of each term")
    return tuple(tuple(s) for s in sources)


@lru_cache(maxsize=256)
def _make_plan(
    terms: tuple[Term, ...], sources: tuple[tuple[int, ...], ...], index_maps: tuple[IndexMap, ...], has_loops: bool
) -> Plan:
    """The plan of terms; cached, as the layers of a network have equal plans."""
    builder = _Builder(1 + max((k for s in sources for k in s), default=-1), has_loops)
    axes = [m.classes for m in index_maps]
    results = [Result(*builder.add(t, s, a), t.output) for t, s, a in zip(terms, sources, axes, strict=True)]
    summed_axes = tuple(tuple(a[i] for i in t.summed_indices) for t, a in zip(terms, axes, strict=True))
    return Plan(terms, sources, builder.input_count, tuple(builder.steps), tuple(results), index_maps, summed_axes)


class _Builder:
    """Collects steps; equal steps are done once. With `has_loops`, a loop keeps intermediates small."""

    def __init__(self, input_count: int, has_loops: bool = True):
        self.input_count = input_count
        self.has_loops = has_loops
        self.steps: list[Step] = []
        self.known: dict[Any, tuple[int, Tuple]] = {}

    def add(self, term: Term, sources: Sequence[int], axes: Mapping[str, str]) -> tuple[int, Tuple]:
        """The number of the term's compact result and its indices."""
        values = list(zip(sources, term.operands, strict=True))
        for k, reduced in enumerate(reduce_operands(term)):
            if term.operands[k] != reduced:
                distinct = dict.fromkeys(term.operands[k])
                flops = Cost.of((axes[i] for i in distinct), int(len(distinct) > len(reduced)))
                values[k] = self.add_step([values[k]], reduced, flops, axes)
        operands, rank = [t for _, t in values], max(map(len, (*term.operands, term.output)))
        loop = choose_loop(operands, term.output, rank) if self.has_loops else ()
        contractions = contraction_steps(operands, term.output, loop)
        flops = [
            Cost.of((axes[i] for i in (*c.indices, *loop)), 2 if len(c.output) < len(c.indices) else 1)
            for c in contractions
        ]
        if loop:
            output = tuple(i for i in dict.fromkeys(term.output) if any(i in t for t in operands))
            return self.add_step(values, output, sum(flops, Cost()), axes, loop)
        for c, cost in zip(contractions, flops, strict=True):
            values.append(self.add_step([values[c.left], values[c.right]], c.output, cost, axes))
        return values[-1]

    def add_step(
        self, values: Sequence[tuple[int, Tuple]], output: Tuple, flops: Cost, axes: Mapping[str, str], loop: Tuple = ()
    ) -> tuple[int, Tuple]:
        """The number of the value of this einsum, and the order of its indices."""
        values = sorted(values, key=lambda v: v[0]) if len({v for v, _ in values}) > 1 else list(values)
        letters = dict(zip(dict.fromkeys(i for _, t in values for i in t), ascii_letters, strict=False))
        operands = tuple(tuple(letters[i] for i in t) for _, t in values)
        sources = tuple(v for v, _ in values)
        key = (sources, operands, frozenset(letters[i] for i in output))
        if key not in self.known:
            renamed, size = tuple(letters[i] for i in output), Cost.of(axes[i] for i in output)
            self.steps.append(Step(sources, operands, renamed, flops, size, tuple(letters[i] for i in loop)))
            self.known[key] = (self.input_count + len(self.steps) - 1, renamed)
        value, renamed = self.known[key]
        indices = {letter: i for i, letter in letters.items()}
        return value, tuple(indices[letter] for letter in renamed)
