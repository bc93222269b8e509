"""`Builder`: collects the steps of a plan, term by term."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from string import ascii_letters
from typing import Any

from einnet.errors import EinNetError
from einnet.plan.cost import Cost
from einnet.plan.path import choose_loop, contraction_steps, reduce_operands
from einnet.plan.split import find_split
from einnet.plan.step import Result, Step
from einnet.symmetry import Symmetry
from einnet.terms.term import Term, with_letters

__all__ = ["Builder"]

Tuple = tuple[str, ...]
Value = tuple[int, Tuple]  # its number, and its indices


class Builder:
    """Collects steps; equal steps are done once. With `has_loops`, a loop keeps dense intermediates small.

    `types` are those of the plan: a dense intermediate fits one of them, a sparse one lies on one of their supports.
    """

    def __init__(self, input_count: int, has_loops: bool = True, types: Sequence[Symmetry] = ()):
        self.input_count = input_count
        self.has_loops = has_loops
        self.shapes = [Counter(t.axes) for t in types if not t.is_sparse]
        self.has_several_supports = sum(t.is_sparse for t in types) > 1
        self.supports: dict[int, Symmetry] = {}  # the type of each sparse value
        self.steps: list[Step] = []
        self.known: dict[Any, tuple[int, Tuple]] = {}

    def add(self, term: Term, sources: Sequence[int], types: Sequence[Symmetry], axes: Mapping[str, str]) -> Result:
        """The compact result of a term; `types` are those of its tuples, where there are any."""
        self.supports |= {v: t for v, t in zip(sources, types, strict=False) if t.is_sparse}
        support = types[-1] if term.brackets[-1] else None
        values = list(zip(sources, term.operands, strict=True))
        live = tuple(i for i in dict.fromkeys(term.output) if i not in term.broadcast_indices)
        is_sparse = support is not None and (len(live) > 1 or live == term.output)
        if is_sparse or support is None:
            value, compact = self.contract(values, term.output, support, axes)
        else:  # the values of the entries follow from a dense vector
            value, compact = self.contract(values, live, None, axes)
        return Result(value, compact, term.output, support, is_sparse, tuple((i, axes[i]) for i in term.indices))

    def contract(
        self, values: Sequence[Value], output: Tuple, support: Symmetry | None, axes: Mapping[str, str]
    ) -> Value:
        """The value of an einsum, dense or on a support."""
        rank = max(map(len, (*(t for _, t in values), output)))
        values = self._reduce(values, output, axes)
        while support is not None or self._has_sparse(values):
            frames = [(t, self.supports.get(v)) for v, t in values]
            split = find_split(frames, (output, support), lambda indices: self._fits(indices, axes))
            if split is None:
                break
            value = self.contract([values[k] for k in split.members], split.output, split.support, axes)
            values = [v for k, v in enumerate(values) if k not in split.members] + [value]
        if not self._has_sparse(values):
            live = tuple(i for i in dict.fromkeys(output) if any(i in t for _, t in values))
            if support is None:
                return self._contract_dense(values, output, axes, rank)
            if self._fits(live, axes) and any(i not in output for _, t in values for i in t):
                values = [self._contract_dense(values, live, axes, rank)]
        return self._join(values, output, support, axes)

    def _has_sparse(self, values: Sequence[Value]) -> bool:
        return any(v in self.supports for v, _ in values)

    def _fits(self, indices: Collection[str], axes: Mapping[str, str]) -> bool:
        """Whether indices fit a dense type."""
        counts = Counter(axes[i] for i in indices)
        return any(counts <= shape for shape in self.shapes)

    def _reduce(self, values: Sequence[Value], output: Tuple, axes: Mapping[str, str]) -> list[Value]:
        """Values without the indices of one alone; a sparse one of which at most one index remains becomes dense."""
        reduced = list(values)
        for k, names in enumerate(reduce_operands([t for _, t in values], output)):
            value, operand = values[k]
            if operand == names:
                continue
            if value not in self.supports:
                distinct = dict.fromkeys(operand)
                flops = Cost.of((axes[i] for i in distinct), int(len(distinct) > len(names)))
                reduced[k] = self.add_step([values[k]], names, flops, axes)
            elif len(names) < 2:
                reduced[k] = self._join([values[k]], names, None, axes)
        return reduced

    def _contract_dense(self, values: Sequence[Value], output: Tuple, axes: Mapping[str, str], rank: int) -> Value:
        values, operands = list(values), [t for _, t in values]
        loop = choose_loop(operands, output, rank) if self.has_loops else ()
        contractions = contraction_steps(operands, output, loop)
        flops = [
            Cost.of((axes[i] for i in (*c.indices, *loop)), 2 if len(c.output) < len(c.indices) else 1)
            for c in contractions
        ]
        if loop:
            output = tuple(i for i in dict.fromkeys(output) if any(i in t for t in operands))
            return self.add_step(values, output, sum(flops, Cost()), axes, loop)
        for c, cost in zip(contractions, flops, strict=True):
            values.append(self.add_step([values[c.left], values[c.right]], c.output, cost, axes))
        return values[-1]

    def _join(self, values: Sequence[Value], output: Tuple, support: Symmetry | None, axes: Mapping[str, str]) -> Value:
        """The value of an einsum that does not split and has sparse operands or a sparse output."""
        indices = dict.fromkeys(i for _, t in values for i in t)
        if len(names := {*indices, *output}) > len(ascii_letters):
            raise EinNetError(
                f"a join has {len(ascii_letters)} indices at most, a part that does not split has {len(names)}"
            )
        if support is None:
            output = tuple(i for i in dict.fromkeys(output) if i in indices)
        elif len(set(output)) == len(output) and [(t, self.supports.get(v)) for v, t in values] == [(output, support)]:
            return values[0]
        tuples = [t for v, t in values if v in self.supports] + [output] * (support is not None)
        is_sum = not indices.keys() <= set(output)
        return self.add_step(
            values, output, self._count(tuples, indices, axes, len(values) - 1 + is_sum), axes, (), support
        )

    def _count(self, tuples: Sequence[Tuple], indices: Collection[str], axes: Mapping[str, str], number: int) -> Cost:
        """The number of index tuples at which all sparse tuples have entries, times `number`, as a named size."""
        joined = {i for t in tuples for i in t}
        names = {i: f"{axes[i]} {i}" for i in joined}
        distinct = [[names[i] for i in t] for t in dict.fromkeys(tuples)]
        term = with_letters(distinct, (), self.has_several_supports, [*(True for _ in distinct), False]).canonical()
        matches = str(term).removesuffix("->").replace(",", "")
        return Cost.of((f"|{matches}|", *(axes[i] for i in indices if i not in joined)), number)

    def _count_entries(self, support: Symmetry) -> Cost:
        axes = {str(k): c for k, c in enumerate(support.axes)}
        return self._count([tuple(axes)], (), axes, 1)

    def add_step(
        self,
        values: Sequence[Value],
        output: Tuple,
        flops: Cost,
        axes: Mapping[str, str],
        loop: Tuple = (),
        support: Symmetry | None = None,
    ) -> Value:
        """The number of the value of this einsum, and the order of its indices."""
        values = sorted(values, key=lambda v: v[0]) if len({v for v, _ in values}) > 1 else list(values)
        names = dict.fromkeys(i for t in (*(t for _, t in values), output) for i in t)
        letters = dict(zip(names, ascii_letters, strict=False))
        operands = tuple(tuple(letters[i] for i in t) for _, t in values)
        renamed = tuple(letters[i] for i in output)
        sources = tuple(v for v, _ in values)
        key = (sources, operands, frozenset(letters[i] for i in output) if support is None else renamed, support)
        if key not in self.known:
            supports = (*map(self.supports.get, sources), support)
            is_join = any(s is not None for s in supports)
            size = Cost.of(axes[i] for i in output) if support is None else self._count_entries(support)
            loop = tuple(letters[i] for i in loop)
            pairs = tuple((letter, axes[i]) for i, letter in letters.items())
            self.steps.append(Step(sources, operands, renamed, flops, size, loop, supports if is_join else (), pairs))
            number = self.input_count + len(self.steps) - 1
            self.known[key] = (number, renamed)
            if support is not None:
                self.supports[number] = support
        value, renamed = self.known[key]
        indices = {letter: i for i, letter in letters.items()}
        return value, tuple(indices[letter] for letter in renamed)
