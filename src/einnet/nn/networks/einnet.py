"""`EinNet`: the default network."""

import warnings
from collections.abc import Sequence
from functools import partial
from typing import Any, Unpack

from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from einnet.errors import EinNetError
from einnet.nn.backend import rank_of
from einnet.nn.channels import Linear, make_norm
from einnet.nn.context import Context
from einnet.nn.layer import EinLayer
from einnet.nn.networks.affine import Affine
from einnet.nn.networks.base import Network, State, StatefulNetwork
from einnet.nn.networks.config import EinNetConfig
from einnet.nn.networks.decoder import Decoder
from einnet.nn.networks.formats import NETWORKS
from einnet.nn.networks.type_map import TypeMap, TypeMaps
from einnet.nn.sparse.call import CallOptions
from einnet.nn.sparse.graphs import find_missing_reverse, has_reverse
from einnet.nn.state import as_module, as_tensors, modules_of
from einnet.operations import pooling_terms
from einnet.operations.pooling_set import needs_symmetric_support
from einnet.terms import TypeSet
from einnet.terms.term import as_terms

__all__ = ["EinNet"]


class EinNet(StatefulNetwork):
    """An equivariant network for a signature: inputs to a state, `EinLayer`s, a norm, the state to the output.

    Inputs become a state, of one type or of several. The output is a linear map of the last state, cell by cell where
    the types are equal; where the state is summed to fewer axes, a perceptron of means and largest values.

    >>> import torch
    >>> net = EinNet("aaH -> aH", in_features=3, out_features=2, heads=4, hidden=16, depth=2)
    >>> net(torch.randn(5, 7, 7, 3)).shape                       # a batch of 5 relations over 7 things
    torch.Size([5, 7, 2])
    >>> nodes_and_edges = EinNet("aH, aaH -> H", in_features=(4, 3), out_features=1)
    >>> nodes_and_edges.hidden_type         # nodes enter on the diagonal, along rows and along columns
    Symmetry('aaH')
    >>> nodes_and_edges(torch.randn(7, 4), torch.randn(7, 7, 3)).shape
    torch.Size([1])

    Nodes and edges side by side, with fewer features for the edges; with a sparse input, in brackets, this is the
    default:

    >>> thin = EinNet("aH, aaH -> H", (4, 3), 1, hidden_type=("aH", "aaH"), hidden=(32, 8), depth=2)
    >>> [tuple(x.shape) for x in thin.init_state(torch.randn(7, 4), torch.randn(7, 7, 3))]
    [(7, 32), (7, 7, 8)]
    >>> graphs = EinNet("aH, [aa]H -> H", in_features=(4, 3), out_features=1)
    >>> graphs.hidden_type
    (Symmetry('aH'), Symmetry('[aa]H'))
    >>> edge_index, edge_attr = torch.tensor([[0, 1, 2], [1, 2, 0]]), torch.randn(3, 3)
    >>> graphs(torch.randn(7, 4), (edge_index, edge_attr)).shape
    torch.Size([1])

    Graphs of different sizes as one disjoint union, each computed as if it were alone:

    >>> from einnet.nn.sparse import union
    >>> triangle = torch.randn(3, 4), (edge_index, edge_attr)
    >>> arrow = torch.randn(2, 4), (torch.tensor([[0], [1]]), torch.randn(1, 3))
    >>> graphs(union([triangle, arrow])).shape
    torch.Size([2, 1])

    Ratings of users `a` for items `b`, and new pairs to predict:

    >>> ratings = EinNet("[ab]H -> [ab]H", in_features=1, out_features=1, hidden=16, depth=2)
    >>> known = torch.tensor([[0, 0, 1, 2], [0, 3, 1, 3]]), torch.tensor([[5.0], [3.0], [4.0], [1.0]])
    >>> ratings(known, sizes={"a": 3, "b": 4}, at=torch.tensor([[0, 1], [1, 3]])).shape
    torch.Size([2, 1])

    Marks: a copy of the graph for each node, in which it has one more feature; the results of all copies are pooled, or
    read at the marked node. Matrix products then see what needs three nodes at once:

    >>> marked = EinNet("aaH -> H", in_features=3, out_features=1, order=2, marks=1)
    >>> marked(torch.randn(7, 7, 3)).shape
    torch.Size([1])
    >>> EinNet("aaH -> aaH", 3, 1, marks="read")(torch.randn(7, 7, 3)).shape    # row i is of the copy with mark i
    torch.Size([7, 7, 1])
    >>> marked(torch.randn(5, 7, 7, 3), mark=torch.tensor([0, 3, 3, 6, 2])).shape       # of one copy each: a query
    torch.Size([5, 1])

    Args:
        signature: `inputs -> output; dependencies`, or one type for both; see `Signature`.
        in_features: a number, or a tuple in the order of the inputs.
        out_features: features of the output.
        heads: features given to each operand of each pooling operation; by default those of a mix of reductions.
        hidden: features of the state; for several hidden types a number for all, or one for each.
        depth: number of layers. Without `heads`, `hidden` and `depth` these are 16, 64 and 2, with 32 features for
            entries of a support where elements have a state too; 8, 32 and 2 for a state with a dense type of
            several axes, with 3 layers if the output has several axes too: few, to learn much in the first minute.
        decoder_hidden: features between the linear maps from the state to the output, the first of which has means
            and largest values; 0 for one linear map of means, which keeps its accuracy at other sizes than those of
            training best. By default `expansion` times `hidden` for an output that has fewer axes than the state,
            else 0.
        order: the largest number of operands of the default pooling operations; None for the default order.
        terms: the pooling operations, instead of the default ones.
        hidden_type: the type of the state, or several types such as ("aH", "aaH"). By default the smallest that fits
            all inputs and the output; with sparse inputs, one for the elements of each axis, and one for each input
            of several axes, and for an output in brackets.
        marks: how many elements of an axis are marked: a number for a signature with one letter, or `{"a": 1, "b": 1}`.
            There is a copy for each choice of them, also of the same element twice, and for a letter that depends on
            another one for each element of each list; the output is the mean over all copies, their sum with
            `normalize=None`. "read" instead of a number: one mark, and at each element of the output the result of the
            copy in which it is marked; for `aaH -> aaH` the row. See docs/course/marks.md for what a mark adds.
        mark_chunk: how many copies are computed at a time, which bounds memory: n^2 values of each feature times this
            number. In training each part is computed again in the backward pass, unless it is the only one. By default
            parts that fit the cache; all at once in compiled programs, unless it is given, and in exported files.
        symmetric: the supports of types such as `[aa]H` have with (i, j) also (j, i); where (j, i) is missing it is
            added, with zeros and one more feature that is 1 there. This takes fewer operations, those of
            `pooling(types, order)`; the default operations are those of `pooling(types, order, directed=True)`, for any
            support. Terms that need (j, i) refuse a support without it.
        counts: whether the maps from inputs to the state, and from it to the output, know how many values their sums
            have, such as the degree of a node, so that a total can be learned; see `EinLinear`. By default with sparse
            inputs. For dense types good where samples of several sizes are trained on.
        reduction: "sum", "max", "min", "minmax", "logsumexp" or "attention", see `EinPool`; a mix such as
            {"sum": 8, "max": 8} has so many heads of each, ("sum", "max") equally many.
        expansion, activation, norm, bias, dropout, normalize, chunks: see `EinLayer`; activation and norm by name.
        standardized: buffers change the units of the inputs and of the output, so that the layers see values around 1.
            `einnet.fit` sets them; until then they change nothing.
        classes: names of the output's features, whole numbers or strings, which are saved with the network.
        iterations: how often the layers are run one after the other, with the same weights.
        checkpoint_activations: compute activations again in the backward pass, which saves memory.
        device, dtype: of the parameters.

    Shapes: `forward(*inputs, mask=None, sizes=None, graph=None, at=None, mark=None, iterations=None)`,
    each input (batch..., its axes..., features), to (batch..., output axes..., out_features); the features are there
    also where the notation has no H. Inputs of sparse types as `einnet.nn.sparse.as_sparse` takes them; a sparse output
    has the support and form of the input of its type. `mask`: see `EinPool`. An output axis that no input has takes its
    size from `sizes={"b": 5}`.

    `mark` marks elements that the user chooses, in the only copy: whole numbers (batch...), with several marks
    (batch..., marks), or boolean masks (batch..., elements), with several marks (batch..., elements, marks); for
    several axes a dict of them. The output is that of this copy.

    `graph` says of which sample of a disjoint union each element is: whole numbers (elements,), as PyTorch Geometric's
    `batch`, for several axes a dict by axis, or the `DisjointUnion`, which may also be the only input. Sums, counts and
    outputs without axes are those of each sample; an input or output `H` is (batch..., samples, features).

    `at` asks for other values of an output in brackets: index tuples (axes, M), also repeated ones, or a `Support`; the
    result is (batch..., M, out_features). In each layer an asked tuple has a state of its own, which receives what
    an entry receives, such as the states of its ends, so that these interact, and the paths that an edge there would
    close. It contributes to no sum, count or degree. An asked tuple that is an entry of the input is removed from the
    input first: what is asked for in training is hidden everywhere, and every query is answered alike, whatever else is
    asked for. Ask for (i, j) and (j, i) if both are entries with the same fact. A signature whose output has another
    type than the inputs, such as `aH, bH -> [ab]H`, always needs `at`.
    Raises `EinNetError` and `TypeError` for wrong arguments, `ShapeError` for wrong tensors.
    """

    config_class = EinNetConfig
    config: EinNetConfig

    def __new__(cls, *args: Any, block: str = "default", **kwargs: Any) -> Any:
        """The network of another class, for the old argument `block`."""
        if block == "default":
            return super().__new__(cls)
        if block not in NETWORKS:
            raise EinNetError(f"block={block!r} is no network; there are {', '.join(NETWORKS.values())}")
        name = NETWORKS[block]
        warnings.warn(
            f"EinNet(block={block!r}) is now einnet.nn.{name}; the old name goes with the next release",
            DeprecationWarning,
            stacklevel=2,
        )
        return Network.classes[name](*args, **kwargs)

    def build(self, config: EinNetConfig, factory: dict[str, Any]) -> None:
        names = (
            "terms",
            "order",
            "expansion",
            "activation",
            "norm",
            "bias",
            "dropout",
            "reduction",
            "normalize",
            "chunks",
        )
        options = {name: getattr(config, name) for name in names} | factory
        types, widths = self.hidden_types, self.widths
        counts = self.signature.is_sparse if config.counts is None else config.counts
        linear_options: dict[str, Any] = {"normalize": config.normalize, "counts": counts} | factory
        in_features = [
            n + (config.symmetric and has_reverse(t))
            for n, t in zip(config.in_features, self.signature.inputs, strict=True)
        ]
        if config.symmetric and in_features == [*config.in_features]:
            raise EinNetError(f"symmetric=True is for inputs of a type such as '[aa]H', '{self.signature}' has none")
        if config.symmetric and config.terms is None:
            options["terms"] = pooling_terms(types, config.order, symmetric=True)
        if config.classes is not None and len(config.classes) != config.out_features:
            number = config.out_features
            raise EinNetError(
                f"classes must name each of the {number} features of the output, got {len(config.classes)}"
            )
        if config.standardized:
            self.to_inner_units = nn.ModuleList(Affine(n, **factory) for n in in_features)
            self.to_output_units = Affine(config.out_features, **factory)
        encoders = TypeMaps(
            TypeMap(
                signature, [*in_features, *self.marks.widths], width,
                partial(Linear, out_features=width, rank=rank_of(signature.output), **factory), **linear_options,
            )
            for signature, width in zip(self.to_state, widths, strict=True)
        )  # fmt: skip
        self.encoder = encoders[0] if len(types) == 1 else encoders
        self.layers = nn.ModuleList(
            EinLayer(types, config.hidden, config.heads, **options) for _ in range(config.depth)
        )
        own_terms = () if config.symmetric or config.terms is None else as_terms(config.terms)
        self.needs_reverse = needs_symmetric_support(own_terms, TypeSet.of(types))
        self.norm = as_module(make_norm(config.norm, width, **factory) for width in widths)
        self.decoder = self._make_decoder(config, linear_options, factory)

    def _make_decoder(
        self, config: EinNetConfig, linear_options: dict[str, Any], factory: dict[str, Any]
    ) -> Decoder | TypeMap:
        widths, out, hidden = self.widths, config.out_features, config.decoder_hidden
        if hidden is None:
            has_fewer_axes = any(len(t.axes) > len(self.signature.output.axes) for t in self.hidden_types)
            hidden = max(1, round(config.expansion * max(widths))) if has_fewer_axes else 0
        if hidden:
            return Decoder(self.to_output, widths, hidden, out, config.activation, linear_options, factory)
        decode = partial(nn.Linear, out_features=out, **factory)
        return TypeMap(self.to_output, widths, out, decode, **linear_options)

    def bind(self, inputs: Sequence[Any], **options: Unpack[CallOptions]) -> tuple[list[Tensor], Context]:
        tensors, context = super().bind(inputs, **options)
        if self.config.standardized:
            parts = zip(self.to_inner_units, tensors, self.signature.inputs, strict=True)
            tensors = [context.fill_last(to_units(x), t) for to_units, x, t in parts]
        pairs = {t.axes: t for t in self.signature.inputs if has_reverse(t) and self.needs_reverse}
        for axes, support in context.own_supports.items():
            if axes in pairs and not support.is_symmetric():
                missing = find_missing_reverse(support)
                raise EinNetError(
                    f"the operations of this network need with each entry (i, j) the reverse (j, i), the input of type "
                    f"'{pairs[axes]}' lacks {missing.shape[1]:,}, such as {tuple(missing[:, 0].tolist())}: make the "
                    "network with symmetric=True, which adds them, or with terms for any support, such as "
                    "einnet.pooling(types, order, directed=True).terms"
                )
        return tensors, context

    def write(self, output: Tensor, inputs: Sequence[Any], context: Context) -> Any:
        if self.config.standardized:
            output = context.fill_last(self.to_output_units(output), self.signature.output)
        return super().write(output, inputs, context)

    def step(self, layer: nn.Module, state: State, encoded: State, context: Context) -> State:
        if self.config.checkpoint_activations:
            return checkpoint(layer, state, mask=context, use_reentrant=False)
        return layer(state, mask=context)

    def decode_state(self, state: State, context: Context) -> Tensor:
        types = self.hidden_types
        parts = zip(modules_of(self.norm, types), as_tensors(state, types), types, strict=True)
        return self.decoder([context.clear(norm(x), t, -1) for norm, x, t in parts], context)
