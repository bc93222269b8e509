"""`EinPool`: a set of einsum operations as a module, each on features of its own; `Pooling`, what it computes."""

from collections.abc import Sequence
from string import ascii_lowercase
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from einnet._notation import write_tuple
from einnet.checks import check_choice
from einnet.errors import EinNetError, ShapeError
from einnet.nn.backend import TORCH, feature_axis, run_plan, run_upcast
from einnet.nn.context import Context, MaskLike, axes_of
from einnet.nn.deprecated import NORMALIZE, rename_arguments
from einnet.nn.inputs import batch_of
from einnet.nn.pooled import concat_features
from einnet.nn.reductions import Reduction, Reductions, check_reduction, check_temperature, pool_in_semiring
from einnet.nn.sparse.call import Graph, bind_inputs, to_form_of_input
from einnet.plan import Plan
from einnet.plan.kernel import Expansion
from einnet.signature import Signature
from einnet.symmetry import Symmetry
from einnet.terms import Term, TypeSet
from einnet.terms.term import as_terms
from einnet.terms.type_set import Types

__all__ = ["EinPool", "Pooling", "infer_types", "rescale"]

T = TypeVar("T")


class Pooling:
    """Operations on tensors of some types: the plan, which type each operand and result has, how sums are scaled.

    Not a module: it has neither parameters nor a state. `EinPool` and the layers call it.
    """

    def __init__(
        self, terms: Sequence[Term | str], types: Types | TypeSet | None, reductions: Reductions, normalize: str | None
    ):
        parsed = as_terms(terms)
        if not parsed:
            raise EinNetError("expected at least one term, such as 'ab,bc->ac'")
        state = TypeSet.of(infer_types(parsed) if types is None else types)
        self.types = tuple(t.with_features for t in state.types)
        self.signature = Signature.of(self.types, self.types[0])
        self.axes = axes_of(self.signature)
        self.reductions = reductions
        self.normalize = None if normalize is None else check_choice(normalize, "normalize", ("size",))
        self.plan = Plan.make(parsed, state)
        self.expansions = [Expansion.of(r.axis_map) for r in self.plan.results]
        places = [state.types_of(t) for t in parsed]
        self.reads = [state.types.index(t) for operands, _ in places for t in operands]  # the type of each operand
        self.writes = [state.types.index(output) for _, output in places]  # the type of each result
        self.has_one_type = len(self.types) == 1
        self.fan_in, self.fan_out = self._count_by_type(self.reads), self._count_by_type(self.writes)

    def _count_by_type(self, numbers: list[int]) -> Any:
        """The number of operands or results; with several types a tuple."""
        return len(numbers) if self.has_one_type else tuple(numbers.count(k) for k in range(len(self.types)))

    @property
    def symmetry(self) -> Symmetry:
        """The type, where there is one."""
        if not self.has_one_type:
            raise EinNetError(f"expected one type, got the types {', '.join(map(str, self.types))}: use .types")
        return self.types[0]

    def check_types(self) -> None:
        """Raises unless each type is read by a term and written by one."""
        for what, numbers in (("an operand", self.reads), ("an output", self.writes)):
            if idle := [str(t) for k, t in enumerate(self.types) if k not in numbers]:
                raise EinNetError(f"none of the terms {self.terms_as_text()} has {what} of type '{idle[0]}': add one")

    def select(self, k: int, values: Sequence[T]) -> list[T]:
        """Of one value for each result, those of the k-th type."""
        return [x for x, number in zip(values, self.writes, strict=True) if number == k]

    def pool(
        self,
        inputs: Sequence[Tensor],
        context: Context,
        temperature: Tensor | None = None,
        heads: slice | None = None,
    ) -> list[Tensor]:
        """The compact result of each term, from one channels-first tensor for each type, without values in padding.

        `temperature` has a number for each head whose reduction has one; `heads` says of which heads the inputs are.
        """
        parts = [iter(self._split(k, x)) for k, x in enumerate(inputs)]
        operands = [next(parts[k]) for k in self.reads]
        if not self.has_one_type:
            self._check_heads(operands, inputs)
        return self.pool_operands(operands, context, temperature, heads)

    def pool_operands(
        self,
        operands: Sequence[Tensor],
        context: Context,
        temperature: Tensor | None = None,
        heads: slice | None = None,
    ) -> list[Tensor]:
        """As `pool`, from one channels-first tensor for each operand; in single precision from float16."""
        reductions = self.reductions if heads is None else self.reductions.select(heads)
        if reductions.is_sum:
            return run_upcast(self._sum, operands, context)
        if len(reductions.parts) == 1:
            return self._pool(reductions.parts[0][0], operands, context, temperature)
        axes = [feature_axis(self.types[k]) for k in self.reads]
        if reductions.heads is None:
            reductions = reductions.bind(operands[0].shape[axes[0]], self.terms_as_text())
        parts = []
        for name, features, warm in reductions.places():
            own = [_take(x, features, axis) for x, axis in zip(operands, axes, strict=True)]
            own_temperature = None if temperature is None or warm.start == warm.stop else temperature[warm]
            parts.append(self._pool(name, own, context, own_temperature))
        ranks = [0 if r.is_sparse else len(r.compact) for r in self.plan.results]
        return [concat_features(results, rank) for results, rank in zip(zip(*parts, strict=True), ranks, strict=True)]

    def _pool(
        self, name: str, operands: Sequence[Tensor], context: Context, temperature: Tensor | None
    ) -> list[Tensor]:
        if name == "sum":
            return run_upcast(self._sum, operands, context)
        return run_upcast(pool_in_semiring, operands, name, self.plan, context, temperature)

    def bind_heads(self, inputs: Sequence[Tensor]) -> Reductions:
        """The reductions with their numbers of heads; raises for inputs of `pool` whose features do not fit."""
        k = self.reads[0]
        features = inputs[k].shape[feature_axis(self.types[k])]
        number = self.reads.count(k)
        return self.reductions if features % number else self.reductions.bind(features // number, self.terms_as_text())

    def _sum(self, operands: Sequence[Tensor], context: Context) -> list[Tensor]:
        results = run_plan(self.plan, operands, context.backend)
        return results if self.normalize is None else rescale(results, self.plan, context)

    def find_factors(self, context: Context) -> list[float | None]:
        """What each sum without masks is multiplied by."""
        if self.normalize is None:
            return [None] * len(self.writes)
        return context.factors(self.plan, torch.float32)  # type: ignore[return-value]

    def _split(self, k: int, x: Tensor) -> Sequence[Tensor]:
        """The input of the k-th type cut into a part for each operand."""
        number, axis = self.reads.count(k), feature_axis(self.types[k])
        if number == 0:
            return []
        if x.shape[axis] % number:
            of_type = "" if self.has_one_type else f" of type '{self.types[k]}'"
            raise ShapeError(
                f"the terms {self.terms_as_text()} have {number} operands{of_type}: the features must be a multiple of "
                f"{number}, got {x.shape[axis]}"
            )
        return x.split(x.shape[axis] // number, axis) if x.shape[axis] else [x] * number

    def _check_heads(self, operands: Sequence[Tensor], inputs: Sequence[Tensor]) -> None:
        widths = [
            (x.shape[feature_axis(self.types[k])], self.types[k]) for x, k in zip(operands, self.reads, strict=True)
        ]
        heads = {width for width, symmetry in widths if width != 1 or not symmetry.is_sparse}
        if len(heads) > 1:
            features = [x.shape[feature_axis(t)] for x, t in zip(inputs, self.types, strict=True)]
            raise ShapeError(
                f"the terms {self.terms_as_text()} have {' and '.join(map(str, self.fan_in))} operands of the types "
                f"{', '.join(map(str, self.types))}: the features must be these numbers times the same number of "
                f"heads, got {' and '.join(map(str, features))}"
            )

    def expand(self, k: int, compact: Tensor, context: Context) -> Tensor:
        """The output of the k-th term from its compact result: channels first, or the values of the entries."""
        backend, result = context.backend, self.plan.results[k]
        shape = context.shape(self.types[self.writes[k]])
        if result.support is not None or backend.is_union or backend.is_sharded:
            return backend.expand(compact, result, shape)
        return self.expansions[k].apply(compact, shape, TORCH)

    def __repr__(self) -> str:
        return f"Pooling({self.terms_as_text()}; {', '.join(map(str, self.types))})"

    def terms_as_text(self) -> str:
        return ", ".join(map(str, self.plan.terms))


class EinPool(nn.Module):
    """Einsum operations, feature by feature.

    The features of the input are cut into `fan_in` equal parts, one for each operand of each term,
    in order; those of the output are `fan_out` parts, one for each term. There are no parameters.

    >>> import torch
    >>> pool = EinPool(["ab->ba", "ab,bc->ac"], normalize=None)  # a transpose, a matrix product
    >>> pool.fan_in, pool.fan_out
    (3, 2)
    >>> x = torch.randn(5, 5, 3)                                 # one feature for each operand
    >>> y = pool(x)
    >>> torch.allclose(y[..., 0], x[..., 0].T), torch.allclose(y[..., 1], x[..., 1] @ x[..., 2], atol=1e-5)
    (True, True)

    With several types there is one input for each type, and one output. Each has parts for the operands, or
    results, of its type:

    >>> messages = EinPool(["a,ab->b"], ("aH", "aaH"), normalize=None)    # along the edges of a graph
    >>> nodes, edges = messages(torch.ones(5, 4), torch.eye(5).unsqueeze(-1).expand(5, 5, 4))
    >>> nodes.shape, edges.shape                                 # nothing is computed for the edges
    (torch.Size([5, 4]), torch.Size([5, 5, 0]))

    An input of a type in brackets has values at the index tuples of a support only, in any form of
    `einnet.nn.sparse.as_sparse`; its output has the same form. Sums run over the tuples that are present, which are
    counted for the normalization, and no tensor has a cell for each pair. One feature for each operand of such a type,
    as of edges that are there or have a weight, is taken for all heads:

    >>> edge_index, edges = torch.tensor([[0, 1, 0], [1, 2, 2]]), torch.ones(3, 1)
    >>> pool = EinPool(["b,[ba]->a"], ("aH", "[aa]H"), normalize=None)
    >>> nodes, _ = pool(torch.ones(3, 4), (edge_index, edges))
    >>> nodes[:, 0]                                              # the messages that reach each node
    tensor([0., 1., 2.])

    In place of sums of products, the largest or smallest sum, or a smooth form of it, with the same steps and memory:

    >>> rows = EinPool(["ab->ac"], "abH", reduction="max")       # the largest value of each row
    >>> rows(torch.tensor([[1.0, 3.0], [5.0, 4.0]]).unsqueeze(-1))[..., 0]
    tensor([[3., 3.],
            [5., 5.]])
    >>> ways = EinPool(["ab,bc->ac"], "aaH", reduction="min")    # min_b (x_ab + y_bc)
    >>> roads = torch.tensor([[0.0, 1.0, 9.0], [9.0, 0.0, 1.0], [9.0, 9.0, 0.0]]).unsqueeze(-1)
    >>> ways(roads.expand(3, 3, 2))[..., 0]
    tensor([[0., 1., 2.],
            [9., 0., 1.],
            [9., 9., 0.]])

    Args:
        terms: the operations, as `Term`s or strings.
        type: their type, or several types. Without it, the coarsest type that the terms
            allow; numbered indices such as `a0,a0a1->a1` name their types.
        reduction: "sum"; "max" and "min" take the largest or smallest value in place of the sum, and add where "sum"
            multiplies; "minmax" takes the smallest of the largest operands; "logsumexp" is log sum exp(x + y + ...);
            "attention" is sum softmax(x + y + ...) u v ..., where each operand has two features for each head, its
            logit x and its value u, side by side. A dict such as {"sum": 8, "max": 8} has heads of each, in order, a
            tuple such as ("sum", "max") equally many.
        normalize: "size" divides a sum over N values by N in a term with one operand and by sqrt(N) in a
            contraction, so that a network trained at one size runs at another; None for plain sums. It is for sums
            alone: the other reductions of numbers of one size have that size at any N, logsumexp up to log N.

    Shapes: (batch..., axes..., heads * fan_in) to (batch..., axes..., heads * fan_out); with several
    types `fan_in` and `fan_out` have a number for each. A `mask` is True for each index that is
    present (torch's `key_padding_mask` is the opposite): a tensor (batch..., n) for a type of one axis, else a
    dict such as {"a": (batch..., n_a), "b": (batch..., n_b)}; for `a->b`, that of `b` has shape
    (batch..., n_a, n_b). A mask under the axes of a type, {"aa": (batch..., n, n)}, is True for each index *tuple* at
    which the tensors of this type have a value, such as the edges of a graph; a dict may have masks of axes and of
    types. A masked cell contributes nothing, is not counted, and receives zero; what it holds, nan included, has no
    effect. `graph`: see `EinNet`. Every reduction of nothing is zero. `temperature`, a number or a tensor with one for
    each head of logsumexp and attention, divides what they exponentiate; a logsumexp is multiplied by it again, so that
    it goes from the largest value at T = 0 to a mean as T grows, plus T log N.

    The derivative of the largest value goes to one place at which it is reached, or is shared among several.

    No tensor of more axes than the types have is kept: operations such as the bridge `ab,ac,bc,bd,cd->ad` loop over an
    index. Raises `ShapeError` where shapes do not fit, `EinNetError` and `NotationError` for wrong arguments.
    """

    @rename_arguments(scale=NORMALIZE, symmetry="type")
    def __init__(
        self,
        terms: Sequence[Term | str],
        type: Types | None = None,
        *,
        reduction: Reduction = "sum",
        normalize: str | None = "size",
    ):
        super().__init__()
        self.reduction = check_reduction(reduction)
        self.pooling = Pooling(terms, type, Reductions.of(self.reduction), normalize)
        self.plan, self.types = self.pooling.plan, self.pooling.types
        self.fan_in, self.fan_out = self.pooling.fan_in, self.pooling.fan_out  # with several types, of each

    @property
    def symmetry(self) -> Symmetry:
        """The type, where there is one."""
        return self.pooling.symmetry

    def forward(
        self,
        *inputs: Any,
        mask: MaskLike | Context = None,
        graph: Graph = None,
        temperature: float | Tensor | None = None,
    ) -> Any:
        signature, features = self.pooling.signature, [None] * len(self.types)
        axes = self.pooling.axes
        tensors, context = bind_inputs(self, signature, axes, self.types, features, inputs, mask, None, graph)
        if len(dtypes := {x.dtype for x in tensors}) > 1:
            raise ShapeError(f"the inputs must have one dtype, got {', '.join(sorted(map(str, dtypes)))}")
        batch = batch_of(self.types, tensors, context.backend.is_union)
        channels = [context.fill(x.movedim(-1, feature_axis(t)), t) for x, t in zip(tensors, self.types, strict=True)]
        reductions = self.pooling.bind_heads(channels)
        if temperature is not None:
            temperature = check_temperature(temperature, reductions.warm_heads, channels[0])
        results = self.pooling.pool(channels, context, temperature)
        outputs = [self._concat(k, results, channels[k], batch, context) for k in range(len(self.types))]
        if context is not mask:
            outputs = [
                to_form_of_input(y, t, signature, inputs, context) for y, t in zip(outputs, self.types, strict=True)
            ]
        return outputs[0] if self.pooling.has_one_type else tuple(outputs)

    @property
    def run_plans(self) -> list[Plan]:
        """The plans that a call runs."""
        return [self.plan]

    def _concat(self, k: int, results: Sequence[Tensor], x: Tensor, batch: Sequence[int], context: Context) -> Tensor:
        """The results of the k-th type side by side, features last."""
        symmetry, axis = self.types[k], feature_axis(self.types[k])
        shape = context.shape(symmetry)
        parts = [
            self.pooling.expand(n, y, context)
            for n, (y, number) in enumerate(zip(results, self.pooling.writes, strict=True))
            if number == k
        ]
        if parts:
            y = torch.cat([y.expand(*batch, *y.shape[y.dim() - 1 - len(shape) :]) for y in parts], axis)
        else:
            y = x.new_zeros(*batch, *shape, 0).movedim(-1, axis)
        y = y.half() if x.dtype == torch.float16 else y
        return context.fill(y, symmetry).movedim(axis, -1)

    def extra_repr(self) -> str:
        types = [str(t) for t in self.types]
        return (
            f"{[str(t) for t in self.plan.terms]}, {repr(types[0]) if len(types) == 1 else tuple(types)}, "
            f"reduction={self.reduction!r}, normalize={self.pooling.normalize!r}"
        )


def rescale(results: Sequence[Tensor], plan: Plan, context: Context) -> list[Tensor]:
    """Sums divided by the number of their values, or by its root: see `Context.factors`."""
    factors = context.factors(plan, results[0].dtype)
    return [x if f is None else x * f for x, f in zip(results, factors, strict=True)]


def _take(x: Tensor, part: slice, axis: int) -> Tensor:
    """The slice of an axis."""
    return x.narrow(axis, part.start, part.stop - part.start)


def infer_types(terms: Sequence[Term]) -> list[Symmetry]:
    """The coarsest types of the terms: positions of tuples of one length that share an index are one axis.

    >>> infer_types([Term("ab,bc->ac")]), infer_types([Term("a,ab->b")])
    ([Symmetry('aa')], [Symmetry('a'), Symmetry('aa')])

    The axes of numbered indices are in their names.
    """
    check_outputs(terms)
    if any(term.has_typed_indices for term in terms):
        texts = (write_tuple((i[0] for i in tup), bracket) for term in terms for tup, bracket, _ in term.spans())
        return [Symmetry(t) for t in dict.fromkeys(texts)]
    ranks = [(len(tup), bracket) for term in terms for tup, bracket, _ in term.spans()]
    root = {(rank, k): (rank, k) for rank in sorted(ranks) for k in range(rank[0])}
    for term in terms:
        first: dict[str, tuple[tuple[int, bool], int]] = {}
        for tup, bracket, _ in term.spans():
            for k, index in enumerate(tup):
                place = (len(tup), bracket), k
                one, two = root[first.setdefault(index, place)], root[place]
                root = {p: one if r == two else r for p, r in root.items()}
    distinct = dict.fromkeys(ranks)
    letters = dict(zip(dict.fromkeys(root[r, k] for r in distinct for k in range(r[0])), ascii_lowercase, strict=False))
    return [Symmetry(write_tuple((letters[root[r, k]] for k in range(r[0])), r[1])) for r in distinct]


def check_outputs(terms: Sequence[Term]) -> None:
    """Raises for a dense output of two axes or more, if of the operands of its term only sparse ones have so many."""
    for term in terms:
        *operands, (output, is_sparse, _) = term.spans()
        live = {i for i in output if i not in term.broadcast_indices}
        is_justified = is_sparse or len(live) < 2 or any(len(live) <= len(set(t)) for t, b, _ in operands if not b)
        if not is_justified and any(b and live & set(t) for t, b, _ in operands):
            dense = write_tuple(output, False)
            raise EinNetError(
                f"the output '{dense}' of '{term}' has a value at every index tuple, its operands have not: write "
                f"'[{dense}]' for the values on a support, or pass type=(...) with a dense type of these axes"
            )
