"""`EinLayer`: the default equivariant layer, from the types of a state to the same types."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from einnet.checks import check_count, check_flag, check_real
from einnet.errors import EinNetError
from einnet.nn.backend import feature_axis, rank_of
from einnet.nn.blocks import Grid
from einnet.nn.cell_layer import CellLayer, update_cells
from einnet.nn.cells import CellPlan, TypeCells
from einnet.nn.channels import HeadLinear, Linear, format_arguments, make_activation, make_dropout, make_norm, reset
from einnet.nn.context import Context, MaskLike
from einnet.nn.deprecated import NORM, NORMALIZE, rename_arguments
from einnet.nn.inputs import can_fuse, check_dtype, dtype_of
from einnet.nn.parts import PartModules, TypePart
from einnet.nn.pool import Pooling
from einnet.nn.pooled import PooledLinear
from einnet.nn.reductions import Reduction, Reductions, check_reduction
from einnet.nn.sparse.call import Graph, bind_inputs, to_form_of_input
from einnet.nn.sparse.row_layer import RowLayer, update_types
from einnet.nn.sparse.row_plan import RowPlan, find_row_plan
from einnet.nn.state import as_module, as_tensors, check_widths, modules_of, unwrap
from einnet.operations import pooling_terms
from einnet.plan import Plan
from einnet.symmetry import Symmetry
from einnet.terms import Term, TypeSet
from einnet.terms.type_set import Types

__all__ = ["EinLayer"]

Norm = str | Callable[[int], nn.Module] | None
Activation = str | Callable[[Tensor], Tensor]


class EinLayer(nn.Module):
    """Norm, projection to the operands, einsum pooling, norm and projection, activation, projection, residual.

    >>> import torch
    >>> layer = EinLayer("aaH", features=32, heads=4)
    >>> layer(torch.randn(2, 7, 7, 32)).shape
    torch.Size([2, 7, 7, 32])

    A state of several types has a tensor for each, in and out. All are pooled together, so that nodes and edges see
    each other:

    >>> layer = EinLayer(("aH", "aaH"), features=(32, 8), heads=4)       # edges with fewer features than nodes
    >>> nodes, edges = layer((torch.randn(2, 7, 32), torch.randn(2, 7, 7, 8)))
    >>> nodes.shape, edges.shape
    (torch.Size([2, 7, 32]), torch.Size([2, 7, 7, 8]))

    Args:
        symmetry: the type of the input and of the output, or several types.
        features: of the input and of the output; for several types a number for all, or one for each.
        heads: features given to each operand of each term; 16, or those of a mix of reductions.
        terms: the pooling operations; without them, the default set of the types up to `order`.
        order: the largest number of operands; None for the default.
        expansion: the features between the two output projections, as a multiple of `features`.
        activation: "gelu", "relu", "silu", "tanh", "identity", or a function of a tensor.
        norm: "rms", "layer", a function from a number of features to a module, or None: then the layer is a
            polynomial up to its activation, and with the right weights a given series exactly (docs/low-rank.md).
            A norm that is not None also divides the pooled results of a cell by their root mean square.
        bias: whether the projections have biases.
        dropout: probability of dropping, while training, a pooled value and a value of the update.
        reduction: what the pooling has in place of sums, see `EinPool`; a mix such as {"sum": 8, "logsumexp": 8} has
            so many heads of each, ("sum", "logsumexp") equally many. Heads of logsumexp and attention have a learned
            temperature each, the exponential of `log_temperature`, which begins at 0.
        normalize: "size" or None, see `EinPool`.
        chunks: with more than one, the heads are pooled in so many parts one after the other, and each again in
            the backward pass: the pooled values of one part only are in memory at a time. With several types,
            each part is pooled for each of them.
        device, dtype: of the parameters.

    Submodules, called in this order on tensors with the features last: `norm`; `in_proj`, features to
    heads * operands; `pool_proj` (a `PooledLinear`, which is called with the pooling), the results of all terms to
    expansion * features; `activation`; `out_proj`; `dropout`. With several types, `norm`, `in_proj`, `pool_proj` and
    `out_proj` are lists of modules, one for each type.

    Shapes: (batch..., axes..., features), masks as in `EinPool`. `layer(x, mask)`; with several types
    `layer((x, y), mask=mask)` or `layer(x, y, mask=mask)`. `graph`: see `EinNet`.
    """

    @rename_arguments(scale=NORMALIZE, norm=NORM)
    def __init__(
        self,
        symmetry: Types,
        features: int | Sequence[int],
        heads: int | None = None,
        *,
        terms: Sequence[Term | str] | None = None,
        order: int | None = None,
        expansion: float = 2,
        activation: Activation = "gelu",
        norm: Norm = "rms",
        bias: bool = True,
        dropout: float = 0.0,
        reduction: Reduction = "sum",
        normalize: str | None = "size",
        chunks: int = 1,
        device: Any = None,
        dtype: Any = None,
    ):
        super().__init__()
        type_set = TypeSet.of(symmetry)
        order = None if order is None else check_count(order, "order")
        self.reduction = check_reduction(reduction)
        default = Reductions.of(self.reduction).heads or 16
        self.heads = check_count(default if heads is None else heads, "heads")
        self.reductions = Reductions.of(self.reduction, self.heads)
        terms_or_default = pooling_terms(type_set, order) if terms is None else terms
        self.pool = Pooling(terms_or_default, type_set, self.reductions, normalize)
        self.types = self.pool.types
        self.widths = check_widths(features, self.types, "features")
        self.chunks = check_count(chunks, "chunks")
        if self.chunks > self.heads:
            raise EinNetError(f"{heads} heads are pooled in {heads} chunks at most, got chunks={chunks}")
        check_flag(bias, "bias")
        self.pool.check_types()
        inner = [max(1, round(w * check_real(expansion, "expansion"))) for w in self.widths]
        options = {"bias": bias, "norm": norm is not None, "dropout": check_real(dropout, "dropout", below=1)}
        options["chunks"] = self.chunks
        self.parts: list[TypePart] = []
        if self.chunks == 1 and self.reductions.is_sum and any(t.is_sparse for t in self.types):
            self.parts = [TypePart.of(self.pool, k) for k in range(len(self.types))]
        self.mixing = self._make_mixing(type_set)
        self.cell_plan: CellPlan | None = None
        if self.chunks == 1 and self.reductions.is_sum and all(t.axes and not t.is_sparse for t in self.types):
            self.cell_plan = CellPlan(self.pool.plan, self.pool.reads, self.pool.writes)
        self._make_modules(inner, norm, activation, options, {"device": device, "dtype": dtype})
        names, is_default = [str(t) for t in self.pool.plan.terms], terms is None and order is None
        self._arguments = {
            "features": (self.features, None),
            "heads": (self.heads, 16),
            "terms": (names, names if is_default else None),
            "expansion": (expansion, 2),
            "activation": (activation, "gelu"),
            "norm": (norm, "rms"),
            "bias": (bias, True),
            "dropout": (dropout, 0.0),
            "reduction": (self.reduction, "sum"),
            "normalize": (normalize, "size"),
            "chunks": (self.chunks, 1),
        }

    def _make_mixing(self, type_set: TypeSet) -> Pooling | None:
        """The pooling of the terms that are not local, see `TypePart`."""
        is_local = [iter(p.local) for p in self.parts]
        terms = [
            t
            for t, k in zip(self.pool.plan.terms, self.pool.writes, strict=True)
            if self.parts and next(is_local[k]) is None
        ]
        return Pooling(terms, type_set, self.reductions, self.pool.normalize) if terms else None

    def _make_modules(
        self, inner: Sequence[int], norm: Norm, activation: Activation, options: dict[str, Any], factory: dict[str, Any]
    ) -> None:
        """The submodules; `inner` are the features between the output projections of each type."""
        widths, bias, ranks = self.widths, options["bias"], [rank_of(t) for t in self.types]
        numbers = range(len(self.types))
        results = [self.pool.select(k, self.pool.plan.results) for k in numbers]
        if self.parts:
            ranks, results = [p.rank for p in self.parts], [p.results for p in self.parts]
        self.norm = as_module(make_norm(norm, w, **factory, rank=r) for w, r in zip(widths, ranks, strict=True))
        self.in_proj = as_module(
            HeadLinear(widths[k], self.reductions.in_features, self.pool.reads.count(k), ranks[k], bias=bias, **factory)
            for k in numbers
        )
        self.log_temperature: nn.Parameter | None = None
        if self.reductions.warm_heads:
            self.log_temperature = nn.Parameter(torch.zeros(self.reductions.warm_heads, **factory))
        self.pool_proj = as_module(
            PooledLinear(results[k], self.heads, inner[k], **options, **factory) for k in numbers
        )
        self.activation = make_activation(activation)
        self.out_proj = as_module(Linear(inner[k], widths[k], ranks[k], bias, **factory) for k in numbers)
        self.dropout = make_dropout(options["dropout"])

    @property
    def symmetry(self) -> Symmetry:
        """The type, where there is one."""
        return self.pool.symmetry

    @property
    def run_plans(self) -> list[Plan]:
        """The plans that a call runs."""
        return [self.pool.plan]

    @property
    def features(self) -> int | tuple[int, ...]:
        """The features of the input, with several types of each."""
        return unwrap(self.widths)

    def reset_parameters(self) -> None:
        """New random weights, as when the layer was made."""
        for module in self.children():
            reset(module)
        if self.log_temperature is not None:
            nn.init.zeros_(self.log_temperature)

    def forward(self, x: Any, *more: Any, mask: MaskLike | Context = None, graph: Graph = None) -> Any:
        inputs, mask = self._read_arguments(x, more, mask)
        signature, axes = self.pool.signature, self.pool.axes
        tensors, context = bind_inputs(self, signature, axes, self.types, self.widths, inputs, mask, None, graph)
        if context is mask:
            return unwrap(self._update(tensors, context))
        check_dtype(tensors, dtype_of(self._modules_of("in_proj")[0]), inputs)
        if context.masks:  # nan would reach weights
            tensors = [context.fill_last(x, t) for x, t in zip(tensors, self.types, strict=True)]
        states = zip(self._update(tensors, context), self.types, strict=True)
        return unwrap([to_form_of_input(y, t, signature, inputs, context) for y, t in states])

    def _update(self, tensors: Sequence[Tensor], context: Context) -> list[Tensor]:
        """The state after the layer."""
        if self.parts:
            return self._update_parts(tensors, context)
        if (modules := self._find_plain_modules(tensors, context)) is not None:
            return self._update_cells(modules, tensors, context)
        norms, pool_projs, out_projs = map(self._modules_of, ("norm", "pool_proj", "out_proj"))
        normed = [norm(x) for norm, x in zip(norms, tensors, strict=True)]

        def pool(heads: slice) -> list[list[Tensor]]:
            """The results of each type."""
            results = self.pool.pool(self._project(normed, heads, context), context, **self._options_of(heads))
            return [self.pool.select(k, results) for k in range(len(self.types))]

        pooled = dict(enumerate(pool(slice(0, self.heads)))) if self.chunks == 1 else {}

        def take(k: int, heads: slice) -> list[Tensor]:
            return pooled.pop(k, None) or pool(heads)[k]

        outputs = []
        for k, (x, t) in enumerate(zip(tensors, self.types, strict=True)):
            update = self.activation(pool_projs[k](partial(take, k), context.shape(t), context.backend))
            outputs.append(context.clear(x + self.dropout(out_projs[k](update)), t, -1))
        return outputs

    def _list_modules(self) -> list[PartModules]:
        """The submodules of each type."""
        parts = [self._modules_of(name) for name in ("norm", "in_proj", "pool_proj", "out_proj")]
        activation, dropout = self.activation, self.dropout
        return [PartModules(n, i, p, activation, o, dropout) for n, i, p, o in zip(*parts, strict=True)]

    def _find_plain_modules(self, tensors: Sequence[Tensor], context: Context) -> list[PartModules] | None:
        """The submodules if `update_cells` does what they do; None if they are to be called."""
        backend = context.backend
        if self.cell_plan is None or context.masks or backend.is_sharded or backend.is_union:
            return None
        if not can_fuse(tensors, self.types):
            return None
        modules = self._list_modules()
        return modules if all(m.is_plain and m.maps_cells for m in modules) else None

    def _update_cells(
        self, modules: Sequence[PartModules], tensors: Sequence[Tensor], context: Context
    ) -> list[Tensor]:
        """The same in one function."""
        plan, values = self.cell_plan, []
        for m, x in zip(modules, tensors, strict=True):
            values += m.list_tensors(x)
        assert plan is not None
        activation, x = modules[0].activation, tensors[0]
        shapes = [None if x is None else x.shape for x in values]
        key = (type(activation), getattr(activation, "approximate", ""), x.dtype, x.device, *shapes)

        def make() -> CellLayer:
            factors = self.pool.find_factors(context)
            types = [
                TypeCells(Grid.of(x, len(t.axes)), self.pool.select(k, factors), m.norm_is_rms, activation)
                for k, (m, x, t) in enumerate(zip(modules, tensors, self.types, strict=True))
            ]
            return CellLayer(plan, types)

        return list(update_cells(plan.find_layer(key, make), values))

    def _update_parts(self, tensors: Sequence[Tensor], context: Context) -> list[Tensor]:
        """The same where some types are sparse."""
        modules = self._list_modules()
        parts, is_sharded = zip(self.parts, modules, tensors, strict=True), context.backend.is_sharded
        if not is_sharded and all(part.has_few_rows(m, x, context) for part, m, x in parts):
            mixing, plan = self.mixing, None
            if mixing is not None:
                plan = find_row_plan(mixing.plan, mixing.normalize is not None, context, tensors[0].dtype)
            if plan is not None or mixing is None:
                return self._update_rows(modules, tensors, plan, context)
        results = self._mix(modules, tensors, context)
        return [
            part.update(m, x, [y for y, k in results if k == part.number], context)
            for part, m, x in zip(self.parts, modules, tensors, strict=True)
        ]

    def _update_rows(
        self, modules: Sequence[PartModules], tensors: Sequence[Tensor], plan: RowPlan | None, context: Context
    ) -> list[Tensor]:
        """The same for few rows; the plan is that of the terms that are not local."""
        types, values = [], []
        for part, m, x in zip(self.parts, modules, tensors, strict=True):
            rows, weights = part.rows_of(m, context)
            types.append(rows)
            values += [x, *weights]
        reads, writes = (self.mixing.reads, self.mixing.writes) if self.mixing else ([], [])
        return update_types(RowLayer(types, plan, reads, writes), values)

    def _mix(
        self, modules: Sequence[PartModules], tensors: Sequence[Tensor], context: Context
    ) -> list[tuple[Tensor, int]]:
        """The results of the terms that are not local, with the number of their type; of row types as rows."""
        if self.mixing is None:
            return []
        shared = [iter(p.share(m, x, context)) for p, m, x in zip(self.parts, modules, tensors, strict=True)]
        results = self.mixing.pool_operands([next(shared[k]) for k in self.mixing.reads], context)
        for n, k in enumerate(self.mixing.writes):
            if self.parts[k].has_rows:
                results[n] = self.mixing.expand(n, results[n], context).movedim(feature_axis(self.types[k]), -1)
        return list(zip(results, self.mixing.writes, strict=True))

    def _options_of(self, heads: slice) -> dict[str, Any]:
        """What the pooling of some heads needs to know where they are no plain sums."""
        if self.reductions.is_sum:
            return {}
        temperature, warm = None, self.reductions.warm_slice(heads)
        if self.log_temperature is not None and warm.start < warm.stop:
            temperature = self.log_temperature[warm].exp()
        return {"temperature": temperature, "heads": heads}

    def _modules_of(self, name: str) -> list[Any]:
        """The submodule of this name for each type."""
        return modules_of(self._modules[name], self.types)  # type: ignore[arg-type]

    def _read_arguments(self, x: Any, more: Sequence[Any], mask: Any) -> tuple[list[Any], Any]:
        """The input of each type, and the mask."""
        if len(self.types) > 1 and more:
            return as_tensors((x, *more), self.types), mask
        if len(more) > 1:
            raise TypeError(f"expected a tensor and a mask, got {1 + len(more)} arguments")
        return as_tensors(x, self.types), *(more or [mask])

    def _project(self, normed: Sequence[Tensor], heads: slice, context: Context) -> list[Tensor]:
        """The operands of some heads, side by side for each type, features first."""
        operands, features = [], self.reductions.in_slice(heads)
        for module, x, t in zip(self._modules_of("in_proj"), normed, self.types, strict=True):
            if self.chunks == 1:
                y = module(x)
            elif isinstance(module, HeadLinear):
                y = module(x, features)
            else:  # another module
                y = module(x).unflatten(-1, (-1, self.reductions.in_features))[..., features].flatten(-2)
            operands.append(context.clear(y.movedim(-1, feature_axis(t)), t, feature_axis(t)))
        return operands

    def extra_repr(self) -> str:
        return format_arguments(unwrap([str(t) for t in self.types]), **self._arguments)
