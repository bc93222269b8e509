"""A call of a module: its inputs as tensors with a context, its outputs in the form of the inputs."""

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

import numpy as np
import torch
from torch import Tensor, nn
from torch._compile import _disable_dynamo

from einnet.errors import EinNetError, ShapeError
from einnet.nn.context import Context, MaskLike, make_context
from einnet.nn.inputs import batch_of, check_features
from einnet.nn.sparse.backend import SparseBackend, make_backend
from einnet.nn.sparse.graphs import DisjointUnion, has_reverse, with_reverse
from einnet.nn.sparse.inputs import read_tensors
from einnet.nn.sparse.membership import Membership
from einnet.nn.sparse.receivers import add_receivers, hide_entries, read_asked
from einnet.nn.sparse.storage import to_form
from einnet.nn.sparse.support import Support
from einnet.signature import Signature
from einnet.symmetry import Symmetry

__all__ = ["CallOptions", "Graph", "bind_inputs", "check_support", "to_form_of_input"]

SEEN: dict[tuple, tuple[Context, Signature]] = {}  # the contexts of calls
MOST_SEEN = 256
Supports = Mapping[tuple[str, ...], Support]
Graph = Tensor | Mapping[str, Tensor] | DisjointUnion | None


class CallOptions(TypedDict, total=False):
    """The named arguments of a call of a network, see `EinNet`."""

    mask: MaskLike
    sizes: Mapping[str, int] | None
    graph: Graph
    at: Support | Tensor | None


def bind_inputs(
    module: nn.Module, signature: Signature, axes: Symmetry, types: Sequence[Symmetry], *arguments: Any, **options: Any
) -> tuple[list[Tensor], Context]:
    """As `read_call`; a compiled program has a break here, where supports are read and all matches are found.

    DTensors, and the inputs of a module of `einnet.distributed.shard`, are blocks of tensors. Of dense tensors of
    shapes that were seen before, without masks, nothing is checked again.
    """
    key = _find_key(module, signature, *arguments, **options)
    if key is None:
        return _bind_inputs(module, signature, axes, types, *arguments, **options)
    if (seen := SEEN.get(key)) is None:
        tensors, context = _bind_inputs(module, signature, axes, types, *arguments, **options)
        if len(SEEN) == MOST_SEEN:
            SEEN.clear()
        SEEN[key] = context, signature
        return tensors, context
    return list(arguments[1]), seen[0]


def _find_key(
    module: nn.Module,
    signature: Signature,
    features: Sequence[int | None],
    inputs: Sequence[Any],
    *arguments: Any,
    **options: Any,
) -> tuple | None:
    """What a call depends on, if it has neither masks nor supports; None for other calls."""
    for argument in (*arguments, *options.values()):
        if argument is not None and argument is not False:
            return None
    if torch.compiler.is_compiling() or "device_mesh" in module.__dict__:
        return None
    shapes = [x.shape for x in inputs if type(x) is Tensor and x.layout is torch.strided and not x.is_nested]
    return (id(signature), *features, *shapes) if len(shapes) == len(inputs) else None


def _bind_inputs(
    module: nn.Module, signature: Signature, axes: Symmetry, types: Sequence[Symmetry], *arguments: Any, **options: Any
) -> tuple[list[Tensor], Context]:
    is_inner = any(isinstance(x, Context) for x in (*arguments, options.get("mask")))
    if not is_inner and (mesh := _find_mesh(module, arguments[1])) is not None:
        return read_call(signature, axes, types, *arguments, **options, mesh=mesh)
    is_sparse = any(t.is_sparse for t in types)
    if is_sparse and not is_inner and torch.compiler.is_compiling():
        return _read_outside(module, signature, axes, types, *arguments, **options)
    return read_call(signature, axes, types, *arguments, **options)


@_disable_dynamo  # torch.compiler.disable, which imports the compiler when this file is imported
def _read_outside(module: nn.Module, *arguments: Any, **options: Any) -> tuple[list[Tensor], Context]:
    """As `read_call`, with the matches of all plans that a call of the module runs."""
    tensors, context = read_call(*arguments, **options)
    if isinstance(context.backend, SparseBackend):
        for plan in (plan for part in module.modules() for plan in getattr(part, "run_plans", ())):
            context.backend.find_matches(plan)
    return tensors, context


def _find_mesh(module: nn.Module, inputs: Sequence[Any]) -> Any:
    """The mesh over which the inputs of a call are sharded; None where they are whole."""
    for x in inputs:
        if isinstance(x, Tensor) and type(x).__name__ == "DTensor":
            return x.device_mesh  # type: ignore[attr-defined]
    return module.__dict__.get("device_mesh")


def read_call(
    signature: Signature,
    axes: Symmetry,
    types: Sequence[Symmetry],
    features: Sequence[int | None],
    inputs: Sequence[Any],
    mask: MaskLike | Context = None,
    sizes: Mapping[str, int] | None = None,
    graph: Graph = None,
    at: Support | Tensor | None = None,
    symmetric: bool = False,
    mesh: Any = None,
) -> tuple[list[Tensor], Context]:
    """The tensors of a call, and its sizes, masks and supports; raises for inputs that do not fit.

    `axes` has each axis of the signature once; a mask may be of one of them, or of one of the `types`. A module that
    passes a context on passes the values of sparse types alone. With `symmetric`, types such as `[aa]H` get missing
    reverse tuples and one more feature.
    """
    inputs, graph = _unpack(inputs, graph)
    if len(inputs) != len(signature.inputs):
        hint = "; a mask is passed by name, mask=..." * (len(inputs) > len(signature.inputs))
        raise ShapeError(f"'{signature}' has {len(signature.inputs)} inputs, got {len(inputs)} tensors{hint}")
    is_inner, is_union = isinstance(mask, Context), graph is not None
    if mesh is not None:
        if graph is not None or at is not None or symmetric:
            raise EinNetError("graph=, at= and symmetric=True are not supported yet where a state is sharded")
        return _read_sharded(signature, axes, types, features, inputs, mask, sizes, mesh)
    tensors, shapes, supports = (inputs, [], {}) if is_inner else read_tensors(signature.inputs, inputs, sizes)
    for k, (x, symmetry, width) in enumerate(zip(tensors, signature.inputs, features, strict=True), start=1):
        names = ("entries",) if symmetry.is_sparse else symmetry.axes or ("samples",) * is_union
        check_features(x, names, width, f"input {k} of type '{symmetry}'")
    if isinstance(mask, Context):
        return list(tensors), mask
    known, batch = signature.bind(shapes, sizes), batch_of(signature.inputs, tensors, is_union)
    own_supports = supports
    tensors, supports, queries = _adapt_supports(signature, tensors, supports, known, at, symmetric)
    membership = _make_membership(graph, axes, types, known) if is_union else None
    if membership is not None:
        _check_samples(signature, tensors, supports, membership)
    context = make_context(mask, axes, types, known, batch, make_backend(supports, membership))
    context.own_supports, context.queries = own_supports, queries
    return list(tensors), context


def _read_sharded(
    signature: Signature,
    axes: Symmetry,
    types: Sequence[Symmetry],
    features: Sequence[int | None],
    inputs: Sequence[Any],
    mask: Any,
    sizes: Mapping[str, int] | None,
    mesh: Any,
) -> tuple[list[Tensor], Context]:
    """The blocks of this process, and the sizes of the whole."""
    from einnet.nn.sharded.call import bind_mask  # torch's DTensor takes time
    from einnet.nn.sparse.cut import make_sharded_backend, read_cut

    blocks, shapes, cuts = read_cut(signature, types, inputs, mesh, sizes)
    for k, (x, symmetry, width) in enumerate(zip(blocks, signature.inputs, features, strict=True), start=1):
        names = ("entries",) if symmetry.is_sparse else symmetry.axes
        check_features(x, names, width, f"input {k} of type '{symmetry}'")
    check_support(signature)
    known, batch = signature.bind(shapes, sizes), batch_of(signature.inputs, blocks)
    backend = make_sharded_backend(mesh, known, cuts)
    return blocks, make_context(bind_mask(mask, mesh), axes, types, known, batch, backend)


def _adapt_supports(
    signature: Signature,
    tensors: Sequence[Tensor],
    supports: Supports,
    sizes: Mapping[str, int],
    at: Any,
    symmetric: bool,
) -> tuple[Sequence[Tensor], Supports, Tensor | None]:
    """The inputs with reverse tuples and with the asked tuples, and the entry of each asked tuple."""
    types, output = signature.inputs, signature.output
    query = None if at is None else read_asked(at, signature, sizes)
    if query is None:
        check_support(signature)
    else:
        tensors, supports = hide_entries(query.support, output, types, tensors, supports)
    if symmetric:
        tensors, supports = _add_reverse(types, tensors, supports)
    if query is None:
        return tensors, supports, None
    if symmetric:  # a reverse tuple may be asked for
        tensors, supports = hide_entries(query.support, output, types, tensors, supports)
    tensors, supports = add_receivers(query.support, output, types, tensors, supports)
    return tensors, supports, query.places + (supports[output.axes].entries - query.support.entries)


def _add_reverse(
    types: Sequence[Symmetry], tensors: Sequence[Tensor], supports: Supports
) -> tuple[list[Tensor], Supports]:
    """The inputs of types such as `[aa]` with reverse tuples."""
    values, extended = list(tensors), dict(supports)
    for k, t in enumerate(types):
        if has_reverse(t):
            extended[t.axes], values[k] = with_reverse(supports[t.axes], tensors[k])
    return values, extended


def to_form_of_input(
    y: Tensor, symmetry: Symmetry, signature: Signature, inputs: Sequence[Any], context: Context
) -> Any:
    """The output of a call: dense tensors as they are, those of a sparse type in the form of the input of this type.

    Where index tuples were asked for, a tensor with their values; of a sharded state a DTensor or a block.
    """
    if context.backend.is_sharded and not symmetry.is_sparse:
        from einnet.nn.sharded.call import write_block

        return write_block(y, symmetry, context.backend, inputs)  # type: ignore[arg-type]
    if not symmetry.is_sparse:
        return y
    if context.queries is not None:
        return y.index_select(-2, context.queries)
    like = next(x for x, t in zip(_unpack(inputs)[0], signature.inputs, strict=True) if t == symmetry)
    support = context.own_supports[symmetry.axes]
    return to_form(support, y[..., : support.entries, :], like)


def check_support(signature: Signature) -> None:
    """Raises for a sparse output of another type than all inputs."""
    if signature.output.is_sparse and signature.output not in signature.inputs:
        raise EinNetError(
            f"the output '{signature.output}' has a value for each entry of the input of its type, but no input of "
            f"'{signature}' has this type: a network takes the index tuples to compute as at=index"
        )


def _unpack(inputs: Sequence[Any], graph: Graph = None) -> tuple[Sequence[Any], Graph]:
    """The inputs and the samples of a call with a disjoint union."""
    if len(inputs) == 1 and isinstance(inputs[0], DisjointUnion):
        return inputs[0].inputs, inputs[0]
    return inputs, graph


def _make_membership(graph: Graph, axes: Symmetry, types: Sequence[Symmetry], sizes: Mapping[str, int]) -> Membership:
    """The sample of each element of each axis; raises for what does not fit the sizes."""
    if dense := [t for t in types if len(t.axes) > 1 and not t.is_sparse]:
        raise ShapeError(
            f"a disjoint union has no tensor of the dense type '{dense[0]}', most of whose cells would lie between "
            "samples: write an input of this type with brackets, pass hidden_type=... for a state, such as "
            "('aH', 'bH'), or pad the samples by einnet.nn.pad"
        )
    letters = [c for c in axes.classes if axes.parent_of(c) is None]
    if isinstance(graph, Tensor) and len(letters) == 1:
        graph = {letters[0]: graph}
    if not isinstance(graph, Mapping | DisjointUnion):
        hint = ": pass torch.tensor(graph)" * (len(letters) == 1 and isinstance(graph, list | tuple | np.ndarray))
        raise TypeError(
            f"graph must have the sample of each element of the axes {', '.join(letters)}: "
            f"a tensor for one axis, a dict by axis, or a DisjointUnion; got {type(graph).__name__}{hint}"
        )
    sample = graph.sample if isinstance(graph, DisjointUnion) else graph
    if missing := [c for c in letters if c not in sample]:
        raise ShapeError(f"graph lacks the sample of each element of axis '{missing[0]}', it has {', '.join(sample)}")
    for c in letters:
        if isinstance(sample[c], Tensor) and sample[c].shape != (sizes[c],):
            shape = tuple(sample[c].shape)
            raise ShapeError(f"graph has the shape {shape} on axis '{c}', expected ({sizes[c]},): one for each element")
    return graph.membership if isinstance(graph, DisjointUnion) else Membership({c: sample[c] for c in letters})


def _check_samples(signature: Signature, tensors: Sequence[Tensor], supports: Supports, membership: Membership) -> None:
    """Raises for entries of two samples, and for an input without axes that has not one row for each sample."""
    for letters, support in supports.items():
        membership.check(letters, support)
    for k, (x, symmetry) in enumerate(zip(tensors, signature.inputs, strict=True), start=1):
        if not symmetry.axes and x.shape[-2] != membership.number:
            raise ShapeError(
                f"input {k} of type '{symmetry}' must have shape (batch..., {membership.number}, features) for "
                f"{membership.number} samples, got {tuple(x.shape)}: if the last samples have no elements, pass their "
                "union as graph=batch, which says how many there are"
            )
