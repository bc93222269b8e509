"""`RowPlan`: a plan whose values are all rows of features, with the matches of its steps on the supports of a call."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from einnet.nn.context import Context
from einnet.nn.sparse.backend import SparseBackend
from einnet.nn.sparse.contract import contract, sum_products
from einnet.nn.sparse.matches import Matches
from einnet.plan import Plan

__all__ = ["RowPlan", "find_row_plan"]


class RowStep(NamedTuple):
    """The value that it adds: the sum over matches of products of the values `sources`."""

    sources: tuple[int, ...]
    matches: Matches


class RowResult(NamedTuple):
    """A value times a factor for each of its rows, at the rows of the output."""

    value: int
    factor: Tensor | None
    spread: Matches | None


class RowPlan:
    """Runs a plan on operands (rows, features), and backwards; the results are rows of the output."""

    def __init__(self, steps: Sequence[RowStep], results: Sequence[RowResult], operands: int):
        self.steps, self.results, self.operands = steps, results, operands

    def run(self, operands: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """The results, and all values."""
        values = [x.contiguous() for x in operands]
        for sources, matches in self.steps:
            values.append(_sum([values[k] for k in sources], matches, len(sources)))
        results = []
        for value, factor, spread in self.results:
            y = values[value] if factor is None else values[value] * factor
            results.append(y if spread is None else _sum([y], spread, 1))
        return results, values

    def differentiate(self, gradients: Sequence[Tensor], values: Sequence[Tensor]) -> list[Tensor]:
        """The gradients of the operands from those of the results."""
        totals: list[Tensor | None] = [None] * len(values)

        def add(k: int, gradient: Tensor) -> None:
            total = totals[k]
            totals[k] = gradient if total is None else total + gradient

        for g, (value, factor, spread) in zip(gradients, self.results, strict=True):
            g = g if spread is None else sum_products([g], spread, 0)
            add(value, g if factor is None else g * factor)
        for n in reversed(range(len(self.steps))):
            (sources, matches), g = self.steps[n], totals[self.operands + n]
            if g is not None:
                for place, k in enumerate(sources):
                    factors = [values[s] for s in sources[:place] + sources[place + 1 :]]
                    add(k, sum_products([*factors, g], matches, place))
        return [torch.zeros_like(v) if g is None else g for g, v in zip(totals[: self.operands], values, strict=False)]


def _sum(operands: Sequence[Tensor], matches: Matches, target: int) -> Tensor:
    if torch.is_grad_enabled():
        return contract(matches, operands, target)
    return sum_products(operands, matches, target)


def find_row_plan(plan: Plan, is_scaled: bool, context: Context, dtype: torch.dtype) -> RowPlan | None:
    """The plan on the supports of a context, with the factors of `Context.factors`; None where a value has no rows."""
    backend = context.backend
    assert isinstance(backend, SparseBackend)
    key = ("row plan", id(plan), is_scaled, dtype)
    return backend.cache(key, lambda: (_make_row_plan(plan, is_scaled, context, backend, dtype), plan))[0]


def _make_row_plan(
    plan: Plan, is_scaled: bool, context: Context, backend: SparseBackend, dtype: torch.dtype
) -> RowPlan | None:
    steps, results = [], []
    for s in plan.steps:
        matches = backend.link(s.tuples, s.supports or (None,) * len(s.tuples), dict(s.axes), context.sizes)
        if matches is None:
            return None
        steps.append(RowStep(s.sources, matches))
    factors = _find_factors(plan, steps, dtype) if is_scaled else [None] * len(plan.results)
    for r, factor in zip(plan.results, factors, strict=True):
        spread = None
        if not r.is_sparse and r.compact != r.output:
            spread = backend.link((r.compact, r.output), (None, r.support), dict(r.axes), context.sizes)
            if spread is None:
                return None
        results.append(RowResult(r.value, factor, spread))
    return RowPlan(steps, results, plan.input_count)


def _find_factors(plan: Plan, steps: Sequence[RowStep], dtype: torch.dtype) -> list[Tensor | None]:
    """What `Context.factors` gives, as columns."""
    counts: list[Tensor | None] = [None] * plan.input_count  # of values that are sums, as columns
    for sources, matches in steps:
        pointers, known = matches.order(len(sources)).pointers, [counts[k] for k in sources]
        if all(count is None for count in known):
            counts.append(pointers.diff().to(dtype)[:, None])
        else:
            rows = zip(known, matches.rows, strict=False)
            columns = [pointers.new_ones(n, 1, dtype=dtype) if count is None else count for count, n in rows]
            counts.append(sum_products(columns, matches, len(sources)))
    return [
        None if (count := counts[r.value]) is None or not summed
        else count.clamp(min=1).pow_(-1.0 if t.order == 1 else -0.5)
        for t, r, summed in zip(plan.terms, plan.results, plan.summed_axes, strict=True)
    ]  # fmt: skip
