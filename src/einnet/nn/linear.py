"""`EinLinear`: the complete linear equivariant map of a signature."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import accumulate, pairwise
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from einnet.checks import check_choice, check_count, check_flag
from einnet.nn.backend import feature_axis, run_plan, run_upcast
from einnet.nn.context import Context, MaskLike, axes_of
from einnet.nn.deprecated import NORMALIZE, rename_arguments
from einnet.nn.inputs import can_fuse, check_dtype, check_in_features
from einnet.nn.linear_map import LinearCall, LinearMap, map_cells
from einnet.nn.looped import is_in_transform
from einnet.nn.pool import rescale
from einnet.nn.pooled import PooledMap
from einnet.nn.reductions import pool_in_semiring
from einnet.nn.sparse.backend import SparseBackend
from einnet.nn.sparse.call import Graph, bind_inputs, to_form_of_input
from einnet.nn.sparse.row_map import Summand, map_rows
from einnet.plan import Plan, Result
from einnet.signature import Signature, with_features
from einnet.symmetry import Symmetry
from einnet.terms import linear_terms

__all__ = ["EinLinear"]

FEW_CELLS = 2**10  # up to which the map is one function


class EinLinear(nn.Module):
    """Every linear equivariant map from the inputs to the output, one weight matrix for each term.

    >>> import torch
    >>> layer = EinLinear("aaH -> aH", in_features=3, out_features=4)
    >>> [str(t) for t in layer.plans[0].terms]
    ['aa->a', 'aa->b', 'ab->a', 'ab->b', 'ab->c']
    >>> layer(torch.randn(2, 7, 7, 3)).shape
    torch.Size([2, 7, 4])
    >>> layer.weight.shape, layer.bias.shape
    (torch.Size([4, 15]), torch.Size([4, 1]))

    Args:
        signature: `inputs -> output`, see `Signature`.
        in_features: a number, or a tuple in the order of the inputs.
        out_features: features of the output.
        bias: whether to add the equivariant constants (for `aa` two: everywhere, on the diagonal).
        normalize: "size" or None, see `EinPool`.
        counts: whether each sum has one feature more, log(1 + the number of its values), which a mean does not tell.
        maxima: whether the map also has the largest value of each sum, for which it is not linear.
        roots: whether the map also has each sum divided by the root of the number of its values: a total and a mean are
            nearly linear in the two for numbers that differ little, and neither grows as a total does.
        device, dtype: of the parameters.

    Shapes: each input (batch..., its axes..., features). An output axis that no input has takes its size from
    `forward(x, sizes={...})`; `graph`: see `EinNet`. `weight` is (out_features, the sum over the inputs of terms *
    in_features): the matrices of the first input's terms side by side, in the order of `plans[0].terms`, then those of
    the next; last a column for each count, the matrices of the largest values, and those of the sums over roots.
    `bias` is (out_features, constants).

    Source: Maron et al., Invariant and Equivariant Graph Networks, section 3 (any type: `linear_terms`).
    """

    @rename_arguments(scale=NORMALIZE)
    def __init__(
        self,
        signature: Signature | str,
        in_features: int | Sequence[int],
        out_features: int,
        *,
        bias: bool = True,
        normalize: str | None = "size",
        counts: bool = False,
        maxima: bool = False,
        roots: bool = False,
        device: Any = None,
        dtype: Any = None,
    ):
        super().__init__()
        self.signature = with_features(signature)
        self.axes = axes_of(self.signature)
        self.types = (*self.signature.inputs, self.signature.output)
        self.in_features = check_in_features(self.signature, in_features)
        self.out_features = check_count(out_features, "out_features")
        self.normalize = None if normalize is None else check_choice(normalize, "normalize", ("size",))
        output = self.signature.output
        self.plans = [make_linear_plan(source, output) for source in self.signature.inputs]
        self.constants = make_linear_plan(Symmetry(""), output)
        check_flag(bias, "bias")
        self.widths = [w for plan, w in zip(self.plans, self.in_features, strict=True) for _ in plan.terms]
        results = [r for plan in self.plans for r in plan.results]
        self.has_counts, self.has_roots = check_flag(counts, "counts"), check_flag(roots, "roots")
        sums = [r for p in self.plans for r, axes in zip(p.results, p.summed_axes, strict=True) if axes]
        counted = sums if counts else []
        self.widths += [1] * len(counted)
        results += counted
        self.max_plans = [
            make_max_plan(t, output) if check_flag(maxima, "maxima") else None for t in self.signature.inputs
        ]
        for plan, width in zip(self.max_plans, self.in_features, strict=True):
            results += plan.results if plan else []
            self.widths += [width] * len(plan.results if plan else [])
        if self.has_roots:
            results += sums
            self.widths += [w for p, w in zip(self.plans, self.in_features, strict=True) for n in p.summed_axes if n]
        constants = list(self.constants.results)
        stops = list(accumulate([0, *self.widths, *[1] * len(constants)]))
        columns = [range(*bounds) for bounds in pairwise(stops)]
        self.map = PooledMap(results, columns[: len(results)], self.out_features)
        self.map_with_bias = PooledMap(results + constants, columns, self.out_features)
        self.weight = nn.Parameter(torch.empty(self.out_features, sum(self.widths), device=device, dtype=dtype))
        self.bias: nn.Parameter | None = None
        if bias:
            self.bias = nn.Parameter(torch.empty(self.out_features, len(constants), device=device, dtype=dtype))
        self.summands = self._list_summands()
        self.linear_map: LinearMap | None = None
        is_dense = not self.signature.is_sparse and not (counts or maxima or roots)
        if is_dense:
            constant_plan = self.constants if bias else None
            self.linear_map = LinearMap(self.plans, self.in_features, constant_plan, self.normalize is not None)
        self.reset_parameters()

    def _list_summands(self) -> list[Summand]:
        """What each of the columns of the matrix and of the bias is multiplied with."""
        terms, counts, maxima, roots = [], [], [], []
        for k, (plan, max_plan, width) in enumerate(zip(self.plans, self.max_plans, self.in_features, strict=True)):
            for result, axes in zip(plan.results, plan.summed_axes, strict=True):
                step = None if result.value < plan.input_count else plan.steps[result.value - plan.input_count]
                power = 0.0 if self.normalize is None or not axes else -1.0
                terms.append(Summand(result, width, k, step, power))
                if axes and self.has_counts:
                    counts.append(Summand(result, 1, None, step))
                if axes and self.has_roots:
                    roots.append(Summand(result, width, k, step, -0.5))
                if axes and max_plan:
                    maxima.append(Summand(result, width, k, step, is_maximum=True))
        constants = self.constants.results if self.bias is not None else ()
        return [*terms, *counts, *maxima, *roots, *(Summand(r, 1) for r in constants)]

    @property
    def run_plans(self) -> list[Plan]:
        """The plans that a call runs."""
        return [*self.plans, *filter(None, self.max_plans), self.constants]

    def reset_parameters(self) -> None:
        """New random weights; those of the counts and of the sums over roots, which may be large, begin at zero."""
        nn.init.zeros_(self.weight)
        linear, maxima = (
            [w * len(p.terms) for p, w in zip(plans, self.in_features, strict=True) if p]
            for plans in (self.plans, self.max_plans)
        )
        counts = self.has_counts * sum(bool(axes) for p in self.plans for axes in p.summed_axes)
        rest = self.weight.shape[1] - sum(linear) - counts - sum(maxima)
        blocks = self.weight.detach().split([*linear, counts, *maxima, rest], 1)
        for block in (*blocks[: len(linear)], *blocks[len(linear) + 1 : -1]):
            bound = max(block.shape[1], 1) ** -0.5
            nn.init.uniform_(block, -bound, bound)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(
        self,
        *inputs: Any,
        mask: MaskLike | Context = None,
        sizes: Mapping[str, int] | None = None,
        graph: Graph = None,
    ) -> Any:
        features = self.in_features
        tensors, context = bind_inputs(
            self, self.signature, self.axes, self.types, features, inputs, mask, sizes, graph
        )
        weight = self.weight
        check_dtype(tensors, weight.dtype, inputs)
        if context is not mask and context.masks:
            tensors = [context.fill_last(x, t) for x, t in zip(tensors, self.signature.inputs, strict=True)]
        if self._can_fuse(tensors, context) and (call := self._find_call(tensors, context)) is not None:
            y = map_cells(call, weight, self.bias, [x.movedim(-1, 0) for x in tensors]).movedim(0, -1)
        elif self._has_rows(tensors, context):
            y = self._map_rows(tensors, context)
        else:
            y = run_upcast(self._map, [weight, *tensors], context)
            y = y.half() if weight.dtype == torch.float16 else y
        if context is mask:
            return y
        output = self.signature.output
        y = context.fill_last(y, output) if context.masks else y
        return to_form_of_input(y, output, self.signature, inputs, context)

    def _has_rows(self, tensors: Sequence[Tensor], context: Context) -> bool:
        """Whether all are rows of features, in the precision of the weights, without padding."""
        backend, dtype = context.backend, self.weight.dtype
        if not isinstance(backend, SparseBackend) or context.masks or dtype not in (torch.float32, torch.float64):
            return False
        if torch.compiler.is_compiling() or is_in_transform() or torch.is_autocast_enabled(self.weight.device.type):
            return False
        return all(len(t.axes) == 1 or t.is_sparse or (backend.is_union and not t.axes) for t in self.types) and all(
            x.dim() == 2 for x in tensors
        )

    def _can_fuse(self, tensors: Sequence[Tensor], context: Context) -> bool:
        """Whether all are dense, without padding."""
        backend = context.backend
        if self.linear_map is None or context.masks or backend.is_sharded or backend.is_union or not tensors:
            return False
        return can_fuse(tensors, self.signature.inputs)

    def _find_call(self, tensors: Sequence[Tensor], context: Context) -> LinearCall | None:
        """The map as one function, if inputs and output have few cells."""
        linear, x, axes = self.linear_map, tensors[0], self.signature.inputs[0].axes
        assert linear is not None

        def make() -> LinearCall | None:
            batch, shape = x.shape[: x.dim() - 1 - len(axes)], context.shape(self.signature.output)
            cells = max(prod(batch) * prod(shape), *(prod(y.shape[:-1]) for y in tensors))
            if cells > FEW_CELLS:
                return None
            factors = [context.factors(plan, torch.float32) if self.normalize else () for plan in self.plans]
            return LinearCall(linear, batch, shape, factors)  # type: ignore[arg-type]

        weight, sizes = self.weight, context.sizes.values()
        key = (x.dtype, x.device, self.bias is None, weight.shape, *sizes, *[x.shape for x in tensors])
        return linear.find_call(key, make)

    def _map_rows(self, tensors: Sequence[Tensor], context: Context) -> Tensor:
        weights = [self.weight] if self.bias is None else [self.weight, self.bias]
        assert isinstance(context.backend, SparseBackend)
        return map_rows(self.summands, weights, tensors, context.backend, context.sizes)

    def _map(self, tensors: Sequence[Tensor], context: Context) -> Tensor:
        """The output from the matrix and the inputs, which have zeros in padding."""
        weight, *inputs = tensors
        results, counts, maxima, roots = [], [], [], []
        for x, source, plan, max_plan in zip(inputs, self.signature.inputs, self.plans, self.max_plans, strict=True):
            channels = x.movedim(-1, feature_axis(source))
            values = run_plan(plan, [channels] * plan.input_count, context.backend)
            results += values if self.normalize is None else rescale(values, plan, context)
            numbers = context.counts_of(plan, values[0].dtype) if self.has_counts or self.has_roots else []
            for number, value, result in zip(numbers, values, plan.results, strict=False):
                if number is not None and self.has_counts:
                    counts.append(_as_feature(number, value, result))
                if number is not None and self.has_roots:
                    roots.append(value * _inverse_root(number))
            if max_plan:
                maxima += pool_in_semiring([channels] * max_plan.input_count, "max", max_plan, context)
        results += counts + maxima + roots
        pooled_map = self.map
        if self.bias is not None:
            results += [inputs[0].new_ones([*context.shape(self.constants.types[0][0]), 1])] * self.bias.shape[1]
            weight, pooled_map = torch.cat([weight, self.bias], 1), self.map_with_bias
        shape = context.shape(self.signature.output)
        parts = pooled_map.map(pooled_map.concat(results, shape, context.backend), weight)
        return pooled_map.add(parts, shape, context.backend).movedim(feature_axis(self.signature.output), -1)

    def extra_repr(self) -> str:
        widths = self.in_features[0] if len(self.in_features) == 1 else self.in_features
        return (
            f"'{self.signature}', in_features={widths}, out_features={self.out_features}, "
            f"bias={self.bias is not None}, normalize={self.normalize!r}"
            + ", counts=True" * self.has_counts
            + ", roots=True" * self.has_roots
        )


def _as_feature(count: int | Tensor, value: Tensor, result: Result) -> Tensor:
    """log(1 + the number of values of a sum), in the layout of its result."""
    shape = list(value.shape)
    shape[-1 if result.is_sparse else -1 - len(result.compact)] = 1
    number = count.to(value.dtype) if isinstance(count, Tensor) else value.new_tensor(count)
    return number.log1p().expand(shape)


def _inverse_root(count: int | Tensor) -> float | Tensor:
    return count.clamp(min=1).rsqrt() if isinstance(count, Tensor) else max(count, 1) ** -0.5


@lru_cache(maxsize=128)
def make_linear_plan(source: Symmetry, target: Symmetry) -> Plan:
    """The plan of all linear maps between two types, which all read one tensor."""
    terms = linear_terms(source, target)
    return Plan.make(terms, source, target, sources=[(0,)] * len(terms))


@lru_cache(maxsize=128)
def make_max_plan(source: Symmetry, target: Symmetry) -> Plan:
    """The plan of those linear maps that sum, each of a tensor of its own."""
    return Plan.make([t for t in linear_terms(source, target) if t.summed_indices], source, target)
