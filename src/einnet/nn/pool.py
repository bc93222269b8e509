"""`EinPool`: a set of einsum operations as a module, each on features of its own."""

from collections.abc import Mapping, Sequence
from math import prod
from string import ascii_lowercase
from typing import Any

import torch
from torch import Tensor, nn

from einnet.errors import EinNetError, ShapeError
from einnet.nn.backend import expand, largest, run_plan, to_channels_first, to_channels_last
from einnet.nn.binding import batch_of, bind_sizes, check_features, every_class
from einnet.nn.masks import MaskLike, Masks
from einnet.plan import Plan
from einnet.signature import Signature
from einnet.symmetry import Symmetry
from einnet.terms import Term, TypeSet
from einnet.terms.term import as_terms
from einnet.terms.type_set import Types

__all__ = ["EinPool", "pool_cores"]

SCALES = ("mean", "sum")


class EinPool(nn.Module):
    """Einsum operations, feature by feature.

    The features of the input are cut into `fan_in` equal parts, one for each operand of each term,
    in order; those of the output are `fan_out` parts, one for each term. There are no parameters.

    >>> import torch
    >>> pool = EinPool(["ab->ba", "ab,bc->ac"], scale="sum")     # a transpose, a matrix product
    >>> pool.fan_in, pool.fan_out
    (3, 2)
    >>> x = torch.randn(5, 5, 3)                                 # one feature for each operand
    >>> y = pool(x)
    >>> torch.allclose(y[..., 0], x[..., 0].T), torch.allclose(y[..., 1], x[..., 1] @ x[..., 2], atol=1e-5)
    (True, True)

    In a state of several types there is one input for each type, and one output. Each has parts for
    the operands, or results, of its type:

    >>> messages = EinPool(["a,ab->b"], ("aH", "aaH"), scale="sum")       # along the edges of a graph
    >>> nodes, edges = messages(torch.ones(5, 4), torch.eye(5).unsqueeze(-1).expand(5, 5, 4))
    >>> nodes.shape, edges.shape                                 # nothing is computed for the edges
    (torch.Size([5, 4]), torch.Size([5, 5, 0]))

    The largest value of each row:

    >>> rows = EinPool(["ab->ac"], "abH", reduction="max")
    >>> rows(torch.tensor([[1.0, 3.0], [5.0, 4.0]]).unsqueeze(-1))[..., 0]
    tensor([[3., 3.],
            [5., 5.]])

    Args:
        terms: the operations, as `Term`s or strings.
        symmetry: their type, or the types of a state. Without it, the coarsest type that the terms
            allow; numbered indices such as `a0,a0a1->a1` name their types.
        scale: "sum" for plain sums. "mean" divides a sum over N values by N in a term with one
            operand and by sqrt(N) in a contraction, so that a network carries over to other sizes.
        reduction: "max" takes the largest value in place of the sum, for terms with one operand.

    Shapes: (batch..., axes..., heads * fan_in) to (batch..., axes..., heads * fan_out); with several
    types `fan_in` and `fan_out` have a number for each. A `mask` is True for each index that is
    there: a tensor (batch..., n) for a state of one class, else a dict such as
    {"a": (batch..., n_a), "b": (batch..., n_b)}; for `a->b`, that of `b` has shape
    (batch..., n_a, n_b). A masked cell contributes nothing and receives zero; a sum over nothing is
    zero, and so is a largest value of nothing. No tensor of more axes than the types have is kept:
    operations such as the bridge `ab,ac,bc,bd,cd->ad` loop over an index. Raises `ShapeError` where shapes do not fit,
    `EinNetError` and `NotationError` for wrong arguments.
    """

    def __init__(
        self, terms: Sequence[Term | str], symmetry: Types | None = None, *, scale: str = "mean", reduction: str = "sum"
    ):
        super().__init__()
        parsed = as_terms(terms)
        if not parsed:
            raise EinNetError("EinPool needs at least one term, such as 'ab,bc->ac'")
        state = TypeSet.of(_coarsest_types(parsed) if symmetry is None else symmetry)
        self.types = tuple(Symmetry.of(t.axes, t.dependencies) for t in state.types)  # with a feature axis
        self.several = state.has_several_types
        self.whole = every_class(Signature.of(self.types, self.types[0])) if self.several else self.types[0]
        self.scale = check_scale(scale)
        self.reduction = _check_reduction(reduction, parsed)
        self.plan = Plan.make(parsed, state)
        places = [state.types_of(t) for t in parsed]
        self.reads = [state.number_of(t) for operands, _ in places for t in operands]  # for each operand
        self.writes = [state.number_of(output) for _, output in places]  # for each term

    @property
    def symmetry(self) -> Symmetry:
        """The type, where there is one."""
        if self.several:
            raise EinNetError(f"this EinPool has the types {', '.join(map(str, self.types))}: use .types")
        return self.types[0]

    @property
    def rank(self) -> int:
        return len(self.symmetry.axes)

    @property
    def fan_in(self) -> Any:
        """The number of operands; with several types, of each."""
        return self._for_each_type(self.reads)

    @property
    def fan_out(self) -> Any:
        """The number of results; with several types, of each."""
        return self._for_each_type(self.writes)

    def _for_each_type(self, numbers: list[int]) -> Any:
        return tuple(numbers.count(k) for k in range(len(self.types))) if self.several else len(numbers)

    def forward(self, *inputs: Tensor, mask: MaskLike | Masks = None) -> Any:
        sizes = self._sizes(inputs)
        batch = batch_of(self.types, inputs)
        masks = Masks.make(mask, self.whole, sizes, batch)
        fronts = [to_channels_first(x, len(t.axes)) for x, t in zip(inputs, self.types, strict=True)]
        if masks is not None:
            fronts = [masks.restricted_to(t).apply(x) for x, t in zip(fronts, self.types, strict=True)]
        cores = self.cores(fronts, sizes, masks)
        outputs = [self._output(k, cores, fronts[k], batch, sizes, masks) for k in range(len(self.types))]
        return tuple(outputs) if len(outputs) > 1 else outputs[0]

    def _sizes(self, inputs: Sequence[Tensor]) -> dict[str, int]:
        if len(inputs) != len(self.types):
            raise ShapeError(
                f"there is one input for each of the types {', '.join(map(str, self.types))}, got {len(inputs)}; "
                "a mask is passed by name, mask=..."
            )
        if self.several:
            if len(kinds := {x.dtype for x in inputs if isinstance(x, Tensor)}) > 1:
                raise ShapeError(f"the inputs must be of one dtype, got {', '.join(sorted(map(str, kinds)))}")
            return bind_sizes(Signature.of(self.types, self.types[0]), [None] * len(inputs), inputs, None)
        check_features(inputs[0], self.types[0].axes)
        return self.types[0].sizes_of(inputs[0].shape)

    def _output(
        self,
        k: int,
        cores: Sequence[Tensor],
        front: Tensor,
        batch: Sequence[int],
        sizes: Mapping[str, int],
        masks: Masks | None,
    ) -> Tensor:
        """The results of the k-th type side by side, features last."""
        rank = len(self.types[k].axes)
        axes = [sizes[c] for c in self.types[k].axes]
        mine = [
            expand(core, result.axis_map, axes)
            for core, result, target in zip(cores, self.plan.results, self.writes, strict=True)
            if target == k
        ]
        if mine:
            y = torch.cat([y.expand(*batch, *y.shape[y.dim() - 1 - rank :]) for y in mine], -1 - rank)
        else:
            y = front.new_zeros(*batch, 0, *axes)
        return to_channels_last(y if masks is None else masks.restricted_to(self.types[k]).apply(y), rank)

    def cores(self, fronts: Sequence[Tensor], sizes: Mapping[str, int], masks: Masks | None = None) -> list[Tensor]:
        """Each term's result before it is expanded; the inputs have their features before the axes."""
        parts = [iter(self._parts(k, x)) for k, x in enumerate(fronts)]
        slots = [next(parts[k]) for k in self.reads]
        if len({x.shape[-1 - len(self.types[k].axes)] for x, k in zip(slots, self.reads, strict=True)}) > 1:
            widths = [x.shape[-1 - len(t.axes)] for x, t in zip(fronts, self.types, strict=True)]
            raise ShapeError(
                f"the terms {self._terms()} have {' and '.join(map(str, self.fan_in))} operands of the types "
                f"{', '.join(map(str, self.types))}: the features must be heads times these numbers, with one number "
                f"of heads; got {' and '.join(map(str, widths))}"
            )
        if self.reduction == "max":
            return self._largest(slots, masks)
        return pool_cores(self.plan, slots, sizes, masks, self.scale)

    def _largest(self, slots: Sequence[Tensor], masks: Masks | None) -> list[Tensor]:
        found = []
        for x, k, term, result in zip(slots, self.reads, self.plan.terms, self.plan.results, strict=True):
            if masks is None:
                found.append(largest(x, term.operands[0], result.compact))
            else:
                y = largest(masks.restricted_to(self.types[k]).apply(x, -torch.inf), term.operands[0], result.compact)
                found.append(y.masked_fill(y == -torch.inf, 0))
        return found

    def _parts(self, k: int, x: Tensor) -> Sequence[Tensor]:
        """The input of the k-th type cut into a part for each operand."""
        number, axis = self.reads.count(k), -1 - len(self.types[k].axes)
        if number == 0:
            return []
        if x.shape[axis] % number:
            of_type = f" of type '{self.types[k]}'" if self.several else ""
            raise ShapeError(
                f"the terms {self._terms()} have {number} operands{of_type}, so the "
                f"features must be a multiple of {number}, got {x.shape[axis]}"
            )
        return x.split(x.shape[axis] // number, axis) if x.shape[axis] else [x] * number

    def _terms(self) -> str:
        return ", ".join(map(str, self.plan.terms))

    def extra_repr(self) -> str:
        how = f"scale={self.scale!r}" if self.reduction == "sum" else f"reduction={self.reduction!r}"
        return f"{self._terms()}; type {', '.join(map(str, self.types))}, {how}"


def pool_cores(
    plan: Plan, slots: Sequence[Tensor], sizes: Mapping[str, int], masks: Masks | None, scale: str
) -> list[Tensor]:
    """The scaled cores of a plan; slots are already masked."""
    cores = run_plan(plan, slots)
    if scale == "sum":
        return cores
    scaled = []
    for k, (core, term, summed) in enumerate(zip(cores, plan.terms, plan.summed, strict=True)):
        if summed:
            power = -1.0 if term.order == 1 else -0.5
            if masks is None or not masks.by_class:
                core = core * max(prod([sizes[c] for c in summed]), 1) ** power
            else:
                counts = masks.counts(term, plan.index_classes[k], sizes, plan.results[k].compact)
                wide = torch.promote_types(core.dtype, torch.float32)
                core = core * counts.clamp(min=1).to(wide).pow(power).to(core.dtype)
        scaled.append(core)
    return scaled


def check_scale(scale: str) -> str:
    if scale not in SCALES:
        raise EinNetError(f"scale must be one of {', '.join(map(repr, SCALES))}, got {scale!r}")
    return scale


def _check_reduction(reduction: str, terms: Sequence[Term]) -> str:
    if reduction not in ("sum", "max"):
        raise EinNetError(f"reduction must be 'sum' or 'max', got {reduction!r}")
    if reduction == "max" and (long := [str(t) for t in terms if t.order > 1]):
        raise EinNetError(f"reduction='max' is for terms with one operand, got {', '.join(long)}: use 'sum' for those")
    return reduction


def _coarsest_types(terms: Sequence[Term]) -> list[Symmetry]:
    """Numbered indices name their classes; else positions that share an index are one class."""
    rank = len(terms[0].output)
    tuples = [tup for term in terms for tup in (*term.operands, term.output)]
    if any(len(index) > 1 for tup in tuples for index in tup):
        return [Symmetry(t) for t in dict.fromkeys("".join(index[0] for index in tup) for tup in tuples)]
    if any(len(tup) != rank for tup in tuples):
        raise EinNetError(f"the terms {', '.join(map(str, terms))} have tuples of different lengths: name their types")
    root = list(range(rank))
    for term in terms:
        first: dict[str, int] = {}
        for tup in (*term.operands, term.output):
            for k, index in enumerate(tup):
                j = first.setdefault(index, k)
                root = [root[j] if r == root[k] else r for r in root]
    return [Symmetry("".join(ascii_lowercase[sorted(set(root)).index(r)] for r in root))]
