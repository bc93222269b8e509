"""`EinPool`: a set of einsum operations as a module, each on features of its own; `Pooling`, what it computes."""

from collections.abc import Sequence
from string import ascii_lowercase
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from einnet._notation import write_tuple
from einnet.checks import check_choice
from einnet.errors import EinNetError, ShapeError
from einnet.nn.backend import TORCH, feature_axis, largest, run_plan, run_upcast
from einnet.nn.context import Context, MaskLike, axes_of
from einnet.nn.deprecated import NORMALIZE, rename_arguments
from einnet.nn.inputs import batch_of
from einnet.nn.sparse.backend import SparseBackend, SparseMaxBackend
from einnet.nn.sparse.call import Graph, bind_inputs, to_form_of_input
from einnet.plan import Plan
from einnet.plan.execute import Expansion
from einnet.signature import Signature
from einnet.symmetry import Symmetry
from einnet.terms import Term, TypeSet
from einnet.terms.term import as_terms
from einnet.terms.type_set import Types

__all__ = ["EinPool", "Pooling", "infer_types", "pool_largest", "rescale"]

REDUCTIONS = ("sum", "max")
T = TypeVar("T")


class Pooling:
    """Operations on tensors of some types: the plan, which type each operand and result has, how sums are scaled.

    Not a module: it has neither parameters nor a state. `EinPool` and the layers call it.
    """

    def __init__(
        self, terms: Sequence[Term | str], types: Types | TypeSet | None, reduction: str, normalize: str | None
    ):
        parsed = as_terms(terms)
        if not parsed:
            raise EinNetError("expected at least one term, such as 'ab,bc->ac'")
        state = TypeSet.of(infer_types(parsed) if types is None else types)
        self.types = tuple(t.with_features for t in state.types)
        self.signature = Signature.of(self.types, self.types[0])
        self.axes = axes_of(self.signature)
        self.reduction = check_choice(reduction, "reduction", REDUCTIONS)
        self.normalize = None if normalize is None else check_choice(normalize, "normalize", ("size",))
        if self.reduction == "max" and (long := [str(t) for t in parsed if t.order > 1]):
            raise EinNetError(f"reduction='max' takes terms of one operand, got {', '.join(long)}")
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

    def pool(self, inputs: Sequence[Tensor], context: Context) -> list[Tensor]:
        """The compact result of each term, from one channels-first tensor for each type, without values in padding."""
        parts = [iter(self._split(k, x)) for k, x in enumerate(inputs)]
        operands = [next(parts[k]) for k in self.reads]
        if not self.has_one_type:
            self._check_heads(operands, inputs)
        return self.pool_operands(operands, context)

    def pool_operands(self, operands: Sequence[Tensor], context: Context) -> list[Tensor]:
        """As `pool`, from one channels-first tensor for each operand; in single precision from float16."""
        return run_upcast(self._pool, operands, context)

    def _pool(self, operands: Sequence[Tensor], context: Context) -> list[Tensor]:
        if self.reduction == "max":
            return pool_largest(self.plan, operands, context)
        results = run_plan(self.plan, operands, context.backend)
        return results if self.normalize is None else rescale(results, self.plan, context)

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
        if isinstance(backend, SparseBackend) and (result.support is not None or backend.is_union):
            return backend.expand(compact, result)
        return self.expansions[k].apply(compact, context.shape(self.types[self.writes[k]]), TORCH)

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

    The largest value of each row:

    >>> rows = EinPool(["ab->ac"], "abH", reduction="max")
    >>> rows(torch.tensor([[1.0, 3.0], [5.0, 4.0]]).unsqueeze(-1))[..., 0]
    tensor([[3., 3.],
            [5., 5.]])

    Args:
        terms: the operations, as `Term`s or strings.
        type: their type, or several types. Without it, the coarsest type that the terms
            allow; numbered indices such as `a0,a0a1->a1` name their types.
        reduction: "sum"; "max" takes the largest value instead, for terms with one operand.
        normalize: "size" divides a sum over N values by N in a term with one operand and by sqrt(N) in a
            contraction, so that a network trained at one size runs at another; None for plain sums.

    Shapes: (batch..., axes..., heads * fan_in) to (batch..., axes..., heads * fan_out); with several
    types `fan_in` and `fan_out` have a number for each. A `mask` is True for each index that is
    present (torch's `key_padding_mask` is the opposite): a tensor (batch..., n) for a type of one axis, else a
    dict such as {"a": (batch..., n_a), "b": (batch..., n_b)}; for `a->b`, that of `b` has shape
    (batch..., n_a, n_b). A mask under the axes of a type, {"aa": (batch..., n, n)}, is True for each index *tuple* at
    which the tensors of this type have a value, such as the edges of a graph; a dict may have masks of axes and of
    types. A masked cell contributes nothing, is not counted, and receives zero; what it holds, nan included, has no
    effect. `graph`: see `EinNet`. A sum over nothing is zero, and so is the largest value of nothing.

    No tensor of more axes than the types have is kept: operations such as the bridge `ab,ac,bc,bd,cd->ad` loop over an
    index. Raises `ShapeError` where shapes do not fit, `EinNetError` and `NotationError` for wrong arguments.
    """

    @rename_arguments(scale=NORMALIZE, symmetry="type")
    def __init__(
        self,
        terms: Sequence[Term | str],
        type: Types | None = None,
        *,
        reduction: str = "sum",
        normalize: str | None = "size",
    ):
        super().__init__()
        self.pooling = Pooling(terms, type, reduction, normalize)
        self.plan, self.types = self.pooling.plan, self.pooling.types
        self.fan_in, self.fan_out = self.pooling.fan_in, self.pooling.fan_out  # with several types, of each

    @property
    def symmetry(self) -> Symmetry:
        """The type, where there is one."""
        return self.pooling.symmetry

    def forward(self, *inputs: Any, mask: MaskLike | Context = None, graph: Graph = None) -> Any:
        signature, features = self.pooling.signature, [None] * len(self.types)
        axes = self.pooling.axes
        tensors, context = bind_inputs(self, signature, axes, self.types, features, inputs, mask, None, graph)
        if len(dtypes := {x.dtype for x in tensors}) > 1:
            raise ShapeError(f"the inputs must have one dtype, got {', '.join(sorted(map(str, dtypes)))}")
        batch = batch_of(self.types, tensors, context.backend.is_union)
        channels = [context.fill(x.movedim(-1, feature_axis(t)), t) for x, t in zip(tensors, self.types, strict=True)]
        results = self.pooling.pool(channels, context)
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
            f"reduction={self.pooling.reduction!r}, normalize={self.pooling.normalize!r}"
        )


def rescale(results: Sequence[Tensor], plan: Plan, context: Context) -> list[Tensor]:
    """Sums divided by the number of their values, or by its root: see `Context.factors`."""
    factors = context.factors(plan, results[0].dtype)
    return [x if f is None else x * f for x, f in zip(results, factors, strict=True)]


def pool_largest(plan: Plan, operands: Sequence[Tensor], context: Context) -> list[Tensor]:
    """The compact result of each term of one operand, with the largest value in place of the sum; zero of nothing."""
    types = [symmetry for symmetry, _ in plan.types]
    filled = [context.fill(x, t, lowest(x.dtype)) for x, t in zip(operands, types, strict=True)]
    if isinstance(context.backend, SparseBackend):
        return _largest_on_supports(plan, filled, types, context)
    results = []
    for x, symmetry, term, result in zip(filled, types, plan.terms, plan.results, strict=True):
        operand, cells = term.operands[0], context.cells(symmetry)
        y = largest(x, operand, result.compact)
        if cells is not None:  # a value may be the lowest number itself
            y = y.masked_fill(~largest(cells.unsqueeze(-1 - len(operand)), operand, result.compact), 0)
        results.append(y)
    return results


def _largest_on_supports(
    plan: Plan, filled: Sequence[Tensor], types: Sequence[Symmetry], context: Context
) -> list[Tensor]:
    sums: SparseBackend = context.backend  # type: ignore[assignment]
    backend = SparseMaxBackend(sums.supports, sums.membership, sums.matches)
    results = run_plan(plan, filled, backend)
    if not context.masks:
        return results
    counts = run_plan(plan, [context.indicator(t, torch.float32) for t in types], backend)
    return [y.masked_fill(count == 0, 0) for y, count in zip(results, counts, strict=True)]


def lowest(dtype: torch.dtype) -> float:
    """The lowest value of the dtype."""
    if dtype.is_floating_point:
        return -torch.inf
    return 0 if dtype == torch.bool else torch.iinfo(dtype).min


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
