"""`EinNet`: from a signature to a network."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from einnet.errors import CheckpointError, EinNetError, ShapeError
from einnet.io.tensors import read_tensors, write_tensors
from einnet.nn.backend import to_channels_first, to_channels_last
from einnet.nn.binding import batch_of, bind_sizes, check_dtype, every_class, per_input
from einnet.nn.fanout import RMSNorm
from einnet.nn.layer import EinLayer
from einnet.nn.loops import DECOMPOSITIONS
from einnet.nn.masks import MaskLike, Masks
from einnet.nn.modes import evaluating
from einnet.nn.polynomial import PolynomialBody
from einnet.nn.recurrent import RecurrentBody
from einnet.nn.reference import ReferenceBody
from einnet.nn.settings import Settings
from einnet.nn.stack import Stack
from einnet.nn.typemap import TypeMap
from einnet.signature import Signature, hidden_type, with_features
from einnet.symmetry import Symmetry
from einnet.terms.term import as_terms

__all__ = ["EinNet"]


class EinNet(nn.Module):
    """An equivariant network for a signature.

    Inputs are lifted into one state, equivariant layers transform it, and a linear map takes it to
    the output: cell by cell where the output has the state's type, else all equivariant linear maps.

    >>> import torch
    >>> net = EinNet("aaH -> aH", in_features=3, out_features=2, heads=4, hidden=16, depth=2)
    >>> net(torch.randn(5, 7, 7, 3)).shape                       # a batch of 5 relations over 7 things
    torch.Size([5, 7, 2])
    >>> nodes_and_edges = EinNet("aH, aaH -> H", in_features=(4, 3), out_features=1)
    >>> nodes_and_edges.state               # nodes enter on the diagonal, along rows and along columns
    Symmetry('aaH')
    >>> nodes_and_edges(torch.randn(7, 4), torch.randn(7, 7, 3)).shape
    torch.Size([1])

    Args:
        signature: `inputs -> output; dependencies`, or one type for both; see `Signature`.
        in_features: a number, or a tuple in the order of the inputs.
        out_features: features of the output.
        heads: features given to each operand of each pooling operation.
        hidden: features of the state (in the reference block: of each perceptron's hidden layer).
        depth: number of layers.
        order: the largest number of operands of the usual pooling operations; None for all of them.
        terms: the pooling operations, instead of the usual ones.
        block: "default"; "polynomial" for layers without activations and norms (see
            `einnet.nn.polynomial`); "recurrent" for layers run again and again (`einnet.nn.recurrent`);
            "reference" for the network of the source text.
        dropout: probability of dropping, while training, a pooled value and a value of an update; in the
            default block.
        scale: "mean" or "sum", see `EinPool`; the reference block and the recurrent one always have plain sums.
        state: the type of the state, if not the smallest that holds all inputs and the output.
        recompute: recompute activations in the backward pass, which saves memory; in the default and
            reference blocks.
        iterations: how often the layers are run one after the other, with the same weights.
        exchange: a further symmetry of a recurrent network, the type's letters in another order:
            "ba" for "ab" makes it commute with transposition too.
        chunks: pools the heads of a layer in so many parts one after the other, which saves memory; in the
            default block, see `EinLayer`.

    Shapes: `forward(*inputs, mask=None, sizes=None, iterations=None)`, each input (batch..., its axes..., features),
    to (batch..., output axes..., out_features); the features are there also where the notation has no
    H. `mask`: see `EinPool`. An output axis that no input has takes its size from `sizes={"b": 5}`.
    Raises `EinNetError` for wrong arguments, `ShapeError` for wrong tensors.
    """

    def __init__(
        self,
        signature: Signature | str,
        in_features: int | Sequence[int],
        out_features: int,
        heads: int = 16,
        hidden: int = 64,
        depth: int = 4,
        *,
        order: int | None = None,
        terms: Sequence[str] | None = None,
        block: str = "default",
        dropout: float = 0.0,
        scale: str | None = None,
        state: Symmetry | str | None = None,
        recompute: bool = False,
        iterations: int = 1,
        exchange: str | None = None,
        chunks: int = 1,
    ):
        super().__init__()
        self.signature = with_features(signature)
        self.in_features = per_input(self.signature, in_features)
        self.out_features = out_features
        self.state = hidden_type(self.signature, state)
        if not isinstance(block, str) or block not in BODIES:
            raise EinNetError(f"block must be one of {', '.join(map(repr, BODIES))}, got {block!r}")
        self.settings = Settings(
            signature=str(self.signature),
            in_features=self.in_features,
            out_features=out_features,
            heads=heads,
            hidden=hidden,
            depth=depth,
            order=order,
            terms=None if terms is None else tuple(map(str, as_terms(terms))),
            block=block,
            dropout=dropout,
            scale=scale or ("sum" if block in ("reference", "recurrent") else "mean"),
            state=str(self.state),
            recompute=recompute,
            iterations=iterations,
            exchange=exchange,
            chunks=chunks,
        )
        self.body = BODIES[block](self.signature, self.state, self.settings)

    def forward(
        self,
        *inputs: Tensor,
        mask: MaskLike = None,
        sizes: Mapping[str, int] | None = None,
        iterations: int | None = None,
    ) -> Tensor:
        masks, bound = self._bound(inputs, mask, sizes)
        return self.body(inputs, masks, bound, _checked(iterations))

    def outputs(
        self,
        *inputs: Tensor,
        mask: MaskLike = None,
        sizes: Mapping[str, int] | None = None,
        iterations: int | None = None,
    ) -> list[Tensor]:
        """What the network would give after each of its layers, the last as `forward` gives it.

        For a loss at every layer. The reference network has no output before its last layer.
        """
        body, (masks, bound) = self._stack(), self._bound(inputs, mask, sizes)
        return [body.read(x, masks, bound) for x in body.states(inputs, masks, bound, None, _checked(iterations))]

    def states(
        self,
        *inputs: Tensor,
        start: Tensor | None = None,
        mask: MaskLike = None,
        sizes: Mapping[str, int] | None = None,
        iterations: int | None = None,
    ) -> Iterator[Tensor]:
        """Iterates over the state after each layer, from `start`, a state that was reached before, or from the first.

        States have the shape (batch..., axes..., hidden).

        >>> import torch
        >>> net = EinNet("aH", 1, 1, hidden=8, depth=1, block="recurrent", iterations=4)
        >>> x = torch.randn(5, 1)
        >>> *_, early = net.states(x)
        >>> *_, late = net.states(x, start=early)                    # goes on for four more
        >>> torch.allclose(net.read(late, x), net(x, iterations=8), atol=1e-5)
        True
        """
        body, (masks, bound) = self._stack(), self._bound(inputs, mask, sizes)
        if start is not None:
            self._check_state(start, bound)
        return body.states(inputs, masks, bound, start, _checked(iterations))

    def start(self, *inputs: Tensor, mask: MaskLike = None, sizes: Mapping[str, int] | None = None) -> Tensor:
        """The state before the first layer."""
        body, (masks, bound) = self._stack(), self._bound(inputs, mask, sizes)
        return body.first(body.lifted(inputs, masks, bound), masks and masks.restricted_to(self.state))

    def read(
        self, state: Tensor, *inputs: Tensor, mask: MaskLike = None, sizes: Mapping[str, int] | None = None
    ) -> Tensor:
        """The output from a state that the inputs led to."""
        body, (masks, bound) = self._stack(), self._bound(inputs, mask, sizes)
        self._check_state(state, bound)
        return body.read(state, masks, bound)

    def _stack(self) -> Stack:
        if not isinstance(self.body, Stack):
            raise EinNetError(f'block="{self.settings.block}" has an output after its last layer only, and no states')
        return self.body

    def _check_state(self, state: Tensor, sizes: Mapping[str, int]) -> None:
        wanted = [*(sizes[c] for c in self.state.axes), self.settings.hidden]
        if not isinstance(state, Tensor) or list(state.shape[state.dim() - len(wanted) :]) != wanted:
            found = tuple(state.shape) if isinstance(state, Tensor) else type(state).__name__
            shape = ", ".join(map(str, wanted))
            raise ShapeError(f"a state for these inputs has shape (batch..., {shape}), got {found}")

    def _bound(
        self, inputs: Sequence[Tensor], mask: MaskLike, sizes: Mapping[str, int] | None
    ) -> tuple[Masks | None, dict[str, int]]:
        """The masks and the size of each class, checked."""
        bound = bind_sizes(self.signature, self.in_features, inputs, sizes)
        check_dtype(inputs, next(self.parameters()).dtype)
        return Masks.make(mask, every_class(self.signature), bound, batch_of(self.signature.inputs, inputs)), bound

    def save(self, path: Path | str) -> None:
        """Writes the weights, the signature and the arguments to one safetensors file."""
        write_tensors(path, self.state_dict(), "network", asdict(self.settings))

    @classmethod
    def load(cls, path: Path | str) -> "EinNet":
        """The network that `save` wrote, in evaluation mode; no pickled code is run.

        Raises `CheckpointError` for a file that is damaged, foreign, or of another version.
        """
        tensors, settings = read_tensors(path, "network")
        try:
            if settings["depth"] > len(tensors):
                raise CheckpointError(f"{path} names {settings['depth']} layers and holds {len(tensors)} tensors")
            with torch.device("meta"):  # no memory for weights that the file does not hold
                net = cls(**settings)
            dtype = next(iter(tensors.values())).dtype
            if not dtype.is_floating_point or dtype.itemsize < 2:
                raise CheckpointError(f"{path} holds weights of {dtype}: expected 16 bits or more, floating point")
            net.load_state_dict({name: t.to(dtype, copy=True) for name, t in tensors.items()}, assign=True)
        except (KeyError, TypeError, RuntimeError, StopIteration, EinNetError) as error:
            raise CheckpointError(f"{path} does not fit this version of EinNet: {error}") from None
        return net.eval()

    def save_pretrained(self, folder: Path | str) -> None:
        """Writes a folder as the Hugging Face Hub has it: weights, config and a card that says what the network is."""
        from einnet.io.hub import saved

        saved(self, Path(folder))

    def push_to_hub(self, repository: str, **options: Any) -> str:
        """Uploads the network to a repository of the hub, such as "name/sets"; returns the address of the commit.

        The options are those of huggingface_hub's mixin: commit_message, private, token, branch, create_pr, ...
        """
        from einnet.io.hub import pushed

        return pushed(self, repository, options)

    @classmethod
    def from_pretrained(cls, name: Path | str, **options: Any) -> "EinNet":
        """The network in a folder that `save_pretrained` wrote, or in a repository of the hub, in evaluation mode.

        >>> import tempfile
        >>> folder = tempfile.mkdtemp()
        >>> EinNet("aH", 1, 1, hidden=8, depth=1).save_pretrained(folder)
        >>> EinNet.from_pretrained(folder).signature
        Signature('aH -> aH')

        The options are those of huggingface_hub: revision, token, cache_dir, local_files_only, force_download.
        No pickled code is run. Raises `CheckpointError` where there is no such network.
        """
        from einnet.io.hub import fetched

        return fetched(name, options, cls.load)

    def export(self, path: Path | str, *inputs: Tensor, sizes: Mapping[str, int] | None = None) -> None:
        """Writes the network as a file that runs without this package, see `einnet.io.export`."""
        from einnet.io.export import check_examples, export_network

        check_examples(Path(path), self.signature, inputs, sizes or {})
        bind_sizes(self.signature, self.in_features, inputs, sizes)  # in numbers, not in the symbols of torch
        batch_of(self.signature.inputs, inputs)
        with evaluating(self):
            export_network(self, self.signature, path, inputs, sizes, DECOMPOSITIONS)

    def extra_repr(self) -> str:
        return f"{self.signature}, state {self.state}"


class DefaultBody(Stack):
    """Inputs to state, layers, norm, state to output."""

    def __init__(self, signature: Signature, state: Symmetry, s: Settings):
        super().__init__()
        self.state, self.rank, self.recompute = state, len(state.axes), s.recompute
        self.iterations = s.iterations
        to_state, to_output = Signature.of(signature.inputs, state), Signature.of([state], signature.output)
        self.lift = TypeMap(to_state, s.in_features, s.hidden, lambda f: nn.Linear(f, s.hidden), s.scale)
        options = {"terms": s.terms, "order": s.order, "dropout": s.dropout, "scale": s.scale, "chunks": s.chunks}
        self.layers = nn.ModuleList(EinLayer(state, s.hidden, s.heads, **options) for _ in range(s.depth))
        self.norm = RMSNorm(s.hidden, self.rank)
        out = s.out_features
        self.head = TypeMap(to_output, [s.hidden], out, lambda f: nn.Linear(f, out), s.scale)

    def lifted(self, inputs: Sequence[Tensor], masks: Masks | None, sizes: Mapping[str, int]) -> Tensor:
        return self.lift(inputs, masks, sizes)

    def first(self, given: Tensor, masks: Masks | None) -> Tensor:
        return given

    def step(self, layer: nn.Module, x: Tensor, given: Tensor, masks: Masks | None, sizes: Mapping[str, int]) -> Tensor:
        return checkpoint(layer, x, masks, use_reentrant=False) if self.recompute else layer(x, masks)

    def read(self, state: Tensor, masks: Masks | None, sizes: Mapping[str, int]) -> Tensor:
        x = to_channels_last(self.norm(to_channels_first(state, self.rank)), self.rank)
        return self.head([x], masks, sizes)


BODIES = {"default": DefaultBody, "polynomial": PolynomialBody, "recurrent": RecurrentBody, "reference": ReferenceBody}


def _checked(iterations: int | None) -> int | None:
    if iterations is not None and (not isinstance(iterations, int) or iterations < 1):
        raise EinNetError(f"iterations must be a positive whole number, got {iterations!r}")
    return iterations
