"""`Reductions`: what the heads of a pooling have in place of the sum, and pooling in a semiring."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from einnet.checks import check_choice, check_count, check_real
from einnet.errors import EinNetError, ShapeError
from einnet.nn.backend import feature_axis, run_plan
from einnet.nn.context import Context
from einnet.nn.semiring import ALGEBRAS
from einnet.nn.sparse.backend import in_semiring
from einnet.plan import Plan
from einnet.symmetry import Symmetry

__all__ = ["REDUCTIONS", "Reduction", "Reductions", "check_reduction", "check_temperature", "pool_in_semiring"]

REDUCTIONS = ("sum", *ALGEBRAS)
Reduction = str | Mapping[str, int] | Sequence[str] | Sequence[tuple[str, int]]


@dataclass(frozen=True)
class Reductions:
    """The reduction of each head: `parts` has names with numbers of heads, in order; None for an equal share of all.

    >>> mixed = Reductions.of({"sum": 8, "attention": 4})
    >>> mixed.heads, mixed.in_features              # attention reads a logit and a value for each head
    (12, 16)
    >>> mixed.select(slice(6, 10)).parts, mixed.in_slice(slice(6, 10))
    ((('sum', 2), ('attention', 2)), slice(6, 12, None))
    """

    parts: tuple[tuple[str, int | None], ...]

    @staticmethod
    def of(reduction: Reduction, heads: int | None = None) -> "Reductions":
        """From an argument; raises unless the numbers of a mix add up to `heads`."""
        checked = check_reduction(reduction)
        if isinstance(checked, str) or isinstance(checked[0], str):
            return Reductions(_share_heads((checked,) if isinstance(checked, str) else checked, heads))
        if heads is not None and (total := sum(n for _, n in checked)) != heads:
            numbers = " + ".join(str(n) for _, n in checked)
            raise EinNetError(f"the heads of a mix of reductions must add up to heads={heads}, got {numbers} = {total}")
        return Reductions(checked)

    @property
    def is_sum(self) -> bool:
        return all(name == "sum" for name, _ in self.parts)

    @property
    def heads(self) -> int | None:
        numbers = [n for _, n in self.parts]
        return None if None in numbers else sum(numbers)  # type: ignore[arg-type]

    @property
    def in_features(self) -> int:
        """The features of an operand."""
        return sum(_width(name) * (number or 0) for name, number in self.parts)

    @property
    def warm_heads(self) -> int:
        """How many heads may have a temperature."""
        return sum(number or 0 for name, number in self.parts if _has_temperature(name))

    def select(self, heads: slice) -> "Reductions":
        """Those of a slice of the heads."""
        parts, start = [], 0
        for name, number in self.parts:
            stop = start + (number or 0)
            if (n := min(stop, heads.stop) - max(start, heads.start)) > 0:
                parts.append((name, n))
            start = stop
        return Reductions(tuple(parts))

    def in_slice(self, heads: slice) -> slice:
        """The features of an operand that a slice of the heads reads."""
        return slice(self.select(slice(0, heads.start)).in_features, self.select(slice(0, heads.stop)).in_features)

    def warm_slice(self, heads: slice) -> slice:
        """The temperatures of a slice of the heads."""
        return slice(self.select(slice(0, heads.start)).warm_heads, self.select(slice(0, heads.stop)).warm_heads)

    def bind(self, features: int, terms: str) -> "Reductions":
        """With the numbers of heads for so many features of an operand; raises for features that do not fit."""
        share = features // sum(_width(name) for name, _ in self.parts)
        bound = Reductions(tuple((name, share if number is None else number) for name, number in self.parts))
        if bound.in_features != features:
            names = [name for name, _ in self.parts]
            expected = f"{bound.in_features} features"
            if self.heads is None:
                expected = "as many features for each reduction, and a logit and a value for each head of attention"
            raise ShapeError(
                f"each operand of the terms {terms} needs, for the reductions {', '.join(names)}, {expected}; "
                f"got {features}"
            )
        return bound

    def places(self) -> list[tuple[str, slice, slice]]:
        """Each reduction, its slice of the features of an operand, and its slice of the temperatures."""
        places, start = [], 0
        for name, number in self.parts:
            heads = slice(start, start := start + (number or 0))
            places.append((name, self.in_slice(heads), self.warm_slice(heads)))
        return places


def _share_heads(names: Sequence[str], heads: int | None) -> tuple[tuple[str, int | None], ...]:
    """The names with equal shares of the heads, the first of which may have one more."""
    if heads is None:
        return tuple((name, None) for name in names)
    if heads < len(names):
        raise EinNetError(f"{len(names)} reductions need as many heads or more, got heads={heads}")
    share, more = divmod(heads, len(names))
    return tuple((name, share + (k < more)) for k, name in enumerate(names))


def check_reduction(reduction: Any, name: str = "reduction") -> Any:
    """A name, names, or names with numbers of heads; from a mapping, tuples, or lists as JSON has them."""
    if isinstance(reduction, str):
        return check_choice(reduction, name, REDUCTIONS)
    if isinstance(reduction, Mapping):
        reduction = tuple(reduction.items())
    if isinstance(reduction, list | tuple) and reduction and all(isinstance(n, str) for n in reduction):
        return tuple(check_choice(n, name, REDUCTIONS) for n in reduction)
    is_pairs = isinstance(reduction, list | tuple) and all(
        isinstance(p, list | tuple) and len(p) == 2 for p in reduction
    )
    if not is_pairs or not reduction:
        raise TypeError(
            f"{name} must be a name such as 'max', names such as ('sum', 'max'), or the number of heads of each, such "
            f"as {{'sum': 8, 'max': 8}}; got {reduction!r}"
        )
    return tuple((check_choice(n, name, REDUCTIONS), check_count(k, f"the heads of {n!r}")) for n, k in reduction)


def check_temperature(temperature: Any, heads: int, like: Tensor) -> Tensor:
    """A number for each of some heads, from a positive number or a tensor."""
    if not heads:
        raise EinNetError("temperature is for the reductions 'logsumexp' and 'attention', and there are none")
    if not isinstance(temperature, Tensor):
        return like.new_full((heads,), check_real(temperature, "temperature", above=0))
    if temperature.shape not in ((), (heads,)):
        raise ShapeError(
            f"temperature must be a number, or have one for each of {heads} heads, got {temperature.shape}"
        )
    return temperature.expand(heads)


def pool_in_semiring(
    operands: Sequence[Tensor], name: str, plan: Plan, context: Context, temperature: Tensor | None = None
) -> list[Tensor]:
    """The compact result of each term in a semiring; zero where it has nothing to sum.

    `temperature` has a number for each feature of the results: with T, the results are T times those of operands
    divided by T, and attention divides its logits.
    """
    if not operands:
        return []
    algebra, dtype, types = ALGEBRAS[name], operands[0].dtype, _types_of_inputs(plan)
    _check_dtype(name, dtype)
    operands = [_widen(x, plan) for x in operands]
    axes = [feature_axis(t) for t in types]
    if temperature is not None:
        ones = torch.ones_like(temperature)
        factor = torch.stack([1 / temperature, *[ones] * (algebra.width - 1)], 1).flatten()
        operands = [_scale(x, factor, axis) for x, axis in zip(operands, axes, strict=True)]
    if algebra.stacked_axes:
        operands = _expand_batches(operands, types, context)
    fills = [partial(context.fill, symmetry=t) for t in types]
    values = [
        algebra.read(x, axis, lambda y, value, fill=fill: fill(y, value=value))
        for x, axis, fill in zip(operands, axes, fills, strict=True)
    ]
    results = run_plan(plan, values, in_semiring(context.backend, name))
    outputs = []
    for value, result, is_present in zip(results, plan.results, context.find_present(plan), strict=True):
        y = algebra.write(value)
        if isinstance(is_present, Tensor):
            y = y.masked_fill(~is_present, 0)
        elif not is_present:
            y = y.masked_fill(y.new_ones((), dtype=torch.bool), 0)
        if temperature is not None and not algebra.stacked_axes:
            y = _scale(y, temperature, -1 if result.is_sparse else -1 - len(result.compact))
        outputs.append(y.to(dtype))
    return outputs


def _types_of_inputs(plan: Plan) -> list[Symmetry]:
    pairs = [
        p for sources, types in zip(plan.sources, plan.types, strict=True) for p in zip(sources, types, strict=False)
    ]
    types = dict(pairs)
    return [types[k] for k in range(plan.input_count)]


def _check_dtype(name: str, dtype: torch.dtype) -> None:
    if dtype.is_complex or (ALGEBRAS[name].has_temperature and not dtype.is_floating_point):
        kind = "floating-point" if ALGEBRAS[name].has_temperature else "real"
        raise EinNetError(f"reduction='{name}' takes {kind} numbers, got {dtype}")


def _widen(x: Tensor, plan: Plan) -> Tensor:
    """In single precision or better; whole numbers that are added in double precision, which has infinity."""
    if x.is_floating_point():
        return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
    return x.double() if any(t.order > 1 for t in plan.terms) else x


def _scale(x: Tensor, factor: Tensor, axis: int) -> Tensor:
    """`x` times a number for each feature, which are on `axis`."""
    return x * factor.to(x.dtype).view(-1, *[1] * (-1 - axis))


def _expand_batches(operands: Sequence[Tensor], types: Sequence[Symmetry], context: Context) -> list[Tensor]:
    """The operands with the same batch axes."""
    is_union = context.backend.is_union
    ranks = [2 if t.is_sparse or (is_union and not t.axes) else 1 + len(t.axes) for t in types]
    batch = torch.broadcast_shapes(*(x.shape[: x.dim() - r] for x, r in zip(operands, ranks, strict=True)))
    return [x.expand(*batch, *x.shape[x.dim() - r :]) for x, r in zip(operands, ranks, strict=True)]


def _width(name: str) -> int:
    return ALGEBRAS[name].width if name in ALGEBRAS else 1


def _has_temperature(name: str) -> bool:
    return name in ALGEBRAS and ALGEBRAS[name].has_temperature
