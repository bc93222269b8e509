"""What all networks share: `Network`, and `StatefulNetwork` for those whose layers lead from state to state."""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, fields
from inspect import Parameter
from inspect import Signature as CallSignature
from inspect import signature as signature_of
from pathlib import Path
from typing import Any, ClassVar, Unpack

import torch
from torch import Tensor, nn

from einnet.checks import check_count
from einnet.errors import CheckpointError, EinNetError, ShapeError, did_you_mean
from einnet.io.tensors import read_tensors, write_tensors
from einnet.nn.channels import format_arguments, reset
from einnet.nn.context import Context, MaskLike, axes_of
from einnet.nn.deprecated import NORM, NORMALIZE, rename_arguments
from einnet.nn.inputs import check_dtype, check_in_features, dtype_of
from einnet.nn.marks import Copies, MarkLike, Marks
from einnet.nn.mode import evaluation_mode
from einnet.nn.networks.config import NetworkConfig
from einnet.nn.networks.formats import pad_decoder, upgrade
from einnet.nn.networks.weights import is_weight_dtype, plain_weights
from einnet.nn.reductions import Reductions
from einnet.nn.semiring import DECOMPOSITIONS
from einnet.nn.sparse.call import CallOptions, Graph, bind_inputs, to_form_of_input
from einnet.nn.sparse.support import Support
from einnet.nn.state import as_tensors, check_widths, unwrap
from einnet.signature import Signature, hidden_types, with_features
from einnet.symmetry import Symmetry
from einnet.terms import TypeSet
from einnet.terms.term import as_terms

__all__ = ["Network", "StatefulNetwork"]

KIND = "network"
State = Tensor | tuple[Tensor, ...]
NO_EFFECT = {  # of arguments that a network does not have: what the old EinNet accepted
    "normalize": None,
    "dropout": 0.0,
    "checkpoint_activations": False,
    "automorphism": None,
}
POSITIONAL = ("signature", "in_features", "out_features", "heads", "hidden", "depth")


class Network(nn.Module, ABC):
    """An equivariant network: made from a config, called with one tensor for each input, saved and exported.

    Subclasses are final. The constructor of each has the fields of its config as arguments.
    """

    config_class: ClassVar[type[NetworkConfig]]
    config: Any
    history: Any = None  # of `einnet.fit`
    classes: ClassVar[dict[str, type["Network"]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        Network.classes[cls.__name__] = cls
        if config_class := cls.__dict__.get("config_class"):
            options = [f for f in fields(config_class) if f.name not in POSITIONAL]
            named = [Parameter(f.name, Parameter.KEYWORD_ONLY, default=f.default, annotation=f.type) for f in options]
            first = [p for p in signature_of(Network.__init__).parameters.values() if p.name in POSITIONAL]
            last = [Parameter(name, Parameter.KEYWORD_ONLY, default=None) for name in ("device", "dtype")]
            cls.__signature__ = CallSignature([*first, *named, *last])  # type: ignore[attr-defined]

    @rename_arguments(
        scale=NORMALIZE,
        norm=NORM,
        state="hidden_type",
        recompute="checkpoint_activations",
        exchange="automorphism",
        block=None,
    )
    def __init__(
        self,
        signature: Signature | str,
        in_features: int | Sequence[int],
        out_features: int,
        heads: int | None = None,
        hidden: int | Sequence[int] | None = None,
        depth: int | None = None,
        *,
        device: Any = None,
        dtype: Any = None,
        **options: Any,
    ):
        super().__init__()
        known = [f.name for f in fields(self.config_class)]
        options = {k: v for k, v in options.items() if k in known or v != NO_EFFECT.get(k, ...)}
        if unknown := sorted(options.keys() - {*known}):
            hint = did_you_mean(unknown[0], known)
            raise TypeError(f"{type(self).__name__} has no argument {unknown[0]!r}.{hint}")
        self.signature = with_features(signature)
        self.axes = axes_of(self.signature)
        self.in_features = check_in_features(self.signature, in_features)
        self.marks = Marks.of(options.get("marks"), self.signature)
        self.marked_signature = Signature.of((*self.signature.inputs, *self.marks.types), self.signature.output)
        self.hidden_types = hidden_types(self.marked_signature, options.get("hidden_type"))
        self.types = (*self.marked_signature.inputs, *self.hidden_types, self.signature.output)
        if options.get("terms") is not None:
            options["terms"] = tuple(map(str, as_terms(options["terms"])))
        sizes = self.config_class.sizes_for(self.hidden_types, self.signature.output)
        if heads is None and "reduction" in known:
            heads = Reductions.of(options.get("reduction", "sum")).heads
        sizes |= {k: n for k, n in (("heads", heads), ("hidden", hidden), ("depth", depth)) if n is not None}
        options |= {"hidden_type": str(TypeSet(self.hidden_types)), "in_features": self.in_features, **sizes}
        self.config = self.config_class(signature=str(self.signature), out_features=out_features, **options)
        self.out_features = self.config.out_features
        self.widths = check_widths(self.config.hidden, self.hidden_types, "hidden")
        self.to_state = [Signature.of(self.marked_signature.inputs, t) for t in self.hidden_types]
        self.to_output = Signature.of(self.hidden_types, self.signature.output)
        self.build(self.config, {"device": device, "dtype": dtype})

    @abstractmethod
    def build(self, config: Any, factory: dict[str, Any]) -> None:
        """Makes the submodules."""

    @property
    def hidden_type(self) -> Symmetry | tuple[Symmetry, ...]:
        """The type of the state, or its types."""
        return unwrap(self.hidden_types)

    def require_dense_type(self) -> Symmetry:
        """The one type of the state; raises for several types, and for one in brackets."""
        symmetry = self.hidden_type
        if isinstance(symmetry, tuple) or symmetry.is_sparse:
            raise EinNetError(
                f"the state of {type(self).__name__} has one dense type, got '{TypeSet(self.hidden_types)}': "
                "EinNet takes others"
            )
        return symmetry

    @abstractmethod
    def run(self, inputs: Sequence[Tensor], context: Context) -> Tensor:
        """The output for inputs that were checked, with the marks of each axis as further inputs."""

    def forward(
        self, *inputs: Any, mask: MaskLike = None, sizes: Mapping[str, int] | None = None, mark: MarkLike = None
    ) -> Any:
        tensors, context = self.bind(inputs, mask=mask, sizes=sizes)
        return self.write(self.run_copies(tensors, context, mark), inputs, context)

    def run_copies(self, tensors: Sequence[Tensor], context: Context, mark: MarkLike, *arguments: Any) -> Tensor:
        """The output: that of each copy with other marks, some copies at a time, pooled."""
        copies = self.make_copies(tensors, context, mark)
        return copies.run(lambda marks: self.run([*tensors, *marks], context, *arguments), self)

    def make_copies(self, tensors: Sequence[Tensor], context: Context, mark: MarkLike = None) -> Copies:
        """The copies of inputs that were checked, one for each choice of marks, or with the marks that a user gives."""
        is_mean = getattr(self.config, "normalize", "size") is not None
        return Copies(self.marks, self.signature, tensors, context, mark, self.config.mark_chunk, is_mean)

    def bind(self, inputs: Sequence[Any], **options: Unpack[CallOptions]) -> tuple[list[Tensor], Context]:
        """The tensors of a call, checked, and its sizes, masks and supports."""
        signature, symmetric = self.signature, getattr(self.config, "symmetric", False)
        tensors, context = bind_inputs(
            self, signature, self.axes, self.types, self.in_features, inputs, **options, symmetric=symmetric
        )
        check_dtype(tensors, dtype_of(self), inputs)
        return [context.fill_last(x, t) for x, t in zip(tensors, signature.inputs, strict=True)], context

    def write(self, output: Tensor, inputs: Sequence[Any], context: Context) -> Any:
        """The output of a call; the values of a sparse type in the form of the input of this type."""
        return to_form_of_input(output, self.signature.output, self.signature, inputs, context)

    def reset_parameters(self) -> None:
        """New random weights, as when the network was made."""
        for module in self.children():
            reset(module)

    def save(self, path: Path | str) -> None:
        """Writes the weights and the config to one safetensors file.

        Names that `torch.compile`, `DataParallel` and other wrappers of a part add are left out. Raises `EinNetError`
        for weights that `load` could not read, such as those of a parametrization.
        """
        config = asdict(self.config)
        with torch.device("meta"):
            expected = type(self)(**config).state_dict()
        weights = plain_weights(self.state_dict(), expected)
        write_tensors(path, weights, KIND, {"network": type(self).__name__, **config})

    @staticmethod
    def load(path: Path | str) -> Any:
        """The network that `save` wrote, of the class that it had, in evaluation mode, on torch's default device.

        No pickled code is run. Files of the previous formats are read too. Raises `CheckpointError` for a file that is
        damaged, foreign, or of a later version.
        """
        tensors, content, version = read_tensors(path, KIND)
        device = torch.get_default_device()
        try:
            content, tensors = upgrade(content, tensors, version)
            name = content.pop("network")
            with torch.device("meta"):  # no memory for weights that the file does not hold
                depth = check_count(content["depth"], "depth")
                shallow = Network.classes[name](**dict(content, depth=1))
                needed = depth * sum(key.startswith("layers.") for key in shallow.state_dict())
                if needed > len(tensors):  # before so many layers are made
                    raise EinNetError(f"{depth:,} layers have {needed:,} tensors, and it holds {len(tensors):,}")
                net = Network.classes[name](**content)
            if version == "4":
                tensors = pad_decoder(tensors, net.state_dict())
            if wrong := [t.dtype for t in tensors.values() if not is_weight_dtype(t.dtype)]:
                raise CheckpointError(f"{path} holds weights of {wrong[0]}: expected 16 bits or more, floating point")
            net.load_state_dict({key: t.to(device, copy=True) for key, t in tensors.items()}, assign=True)
        except CheckpointError:
            raise
        except (KeyError, TypeError, AttributeError, RuntimeError, StopIteration, EinNetError) as error:
            reason = " ".join(str(error).split())[:300]  # torch lists every tensor
            raise CheckpointError(f"{path} does not fit this version of EinNet: {reason}") from None
        return net.eval()

    def save_pretrained(self, folder: Path | str) -> None:
        """Writes a folder as the Hugging Face Hub has it: weights, config and a card that says what the network is."""
        from einnet.io.hub import save_folder

        save_folder(self, Path(folder))

    def push_to_hub(self, repository: str, **options: Any) -> str:
        """Uploads the network to a repository of the hub, such as "name/sets"; returns the address of the commit.

        The options are those of huggingface_hub's mixin: commit_message, private, token, branch, create_pr, ...
        """
        from einnet.io.hub import push

        return push(self, repository, options)

    @classmethod
    def from_pretrained(cls, name: Path | str, **options: Any) -> Any:
        """The network in a folder that `save_pretrained` wrote, or in a repository of the hub, in evaluation mode.

        >>> import tempfile
        >>> from einnet import EinNet
        >>> folder = tempfile.mkdtemp()
        >>> EinNet("aH", 1, 1, hidden=8, depth=1).save_pretrained(folder)
        >>> EinNet.from_pretrained(folder).signature
        Signature('aH -> aH')

        The options are those of huggingface_hub: revision, token, cache_dir, local_files_only, force_download.
        No pickled code is run. Raises `CheckpointError` where there is no such network.
        """
        from einnet.io.hub import fetch

        return fetch(name, options, cls.load)

    def export(self, path: Path | str, *inputs: Tensor, sizes: Mapping[str, int] | None = None) -> None:
        """Writes the network as a file that runs without this package, see `einnet.io.export`."""
        from einnet.io.export import check_examples, export_network

        if any(t.is_sparse for t in self.signature.inputs):
            raise EinNetError(f"a network with sparse inputs cannot be exported, got '{self.signature}'")
        self.marks.check_export()
        check_examples(Path(path), self.signature, inputs, sizes or {})
        self.bind(inputs, sizes=sizes)  # in numbers, not in the symbols of torch
        with evaluation_mode(self):
            export_network(self, self.signature, path, inputs, sizes, DECOMPOSITIONS)

    def extra_repr(self) -> str:
        arguments = self.config.as_arguments()
        widths = self.in_features[0] if len(self.in_features) == 1 else self.in_features
        arguments["in_features"] = (widths, None)
        for name, default in self.config.sizes_for(self.hidden_types, self.signature.output).items():
            arguments[name] = (arguments[name][0], default)
        if self.hidden_types == hidden_types(self.marked_signature):
            del arguments["hidden_type"]
        signature, _ = arguments.pop("signature")
        return format_arguments(signature, **arguments)


class StatefulNetwork(Network):
    """Inputs to a state, layers run `iterations` times one after the other, the state to the output.

    States have the shape (batch..., axes..., hidden), the axes of the hidden type; with several types, a state is a
    tuple with a tensor for each.
    """

    encoder: nn.Module
    layers: nn.ModuleList
    decoder: nn.Module

    def start(self, encoded: State, context: Context) -> State:
        """The state before the first layer, from the encoded inputs."""
        return encoded

    def step(self, layer: nn.Module, state: State, encoded: State, context: Context) -> State:
        """The state after a layer."""
        return layer(state, encoded, context)

    def decode_state(self, state: State, context: Context) -> Tensor:
        """The output from a state."""
        return self.decoder(as_tensors(state, self.hidden_types), context)

    def forward(
        self,
        *inputs: Any,
        mask: MaskLike = None,
        sizes: Mapping[str, int] | None = None,
        graph: Graph = None,
        at: Support | Tensor | None = None,
        mark: MarkLike = None,
        iterations: int | None = None,
    ) -> Any:
        tensors, context = self.bind(inputs, mask=mask, sizes=sizes, graph=graph, at=at)
        return self.write(self.run_copies(tensors, context, mark, iterations), inputs, context)

    def run(self, inputs: Sequence[Tensor], context: Context, iterations: int | None = None) -> Tensor:
        (state,) = deque(self._iterate(inputs, context, None, iterations), maxlen=1)  # those before are not kept
        return self.decode_state(state, context)

    def outputs(
        self, *inputs: Any, iterations: int | None = None, mark: MarkLike = None, **options: Unpack[CallOptions]
    ) -> list[Tensor]:
        """The output after each layer, the last as `forward` gives it; for a loss at every layer.

        This and the methods below take the arguments of `forward`. With marks they compute all copies at once, which
        are the first axis of a state.
        """
        tensors, context, copies = self._bind_copies(inputs, mark, options)
        states = self._iterate(tensors, context, None, iterations)
        return [self._decode(x, inputs, context, copies) for x in states]

    def states(
        self,
        *inputs: Any,
        start: State | None = None,
        iterations: int | None = None,
        mark: MarkLike = None,
        **options: Unpack[CallOptions],
    ) -> Iterator[State]:
        """Iterates over the state after each layer, from `start`, an earlier state, or from the first.

        >>> import torch
        >>> from einnet.nn import RecurrentNet
        >>> net = RecurrentNet("aH", 1, 1, hidden=8, depth=1, iterations=4)
        >>> x = torch.randn(5, 1)
        >>> *_, early = net.states(x)
        >>> *_, late = net.states(x, start=early)                    # four more iterations
        >>> torch.allclose(net.decode(late, x), net(x, iterations=8), atol=1e-5)
        True
        """
        tensors, context, _ = self._bind_copies(inputs, mark, options)
        if start is not None:
            start = self._bind_state(start, context)
        return self._iterate(tensors, context, start, iterations)

    def init_state(self, *inputs: Any, mark: MarkLike = None, **options: Unpack[CallOptions]) -> State:
        """The state before the first layer."""
        tensors, context, _ = self._bind_copies(inputs, mark, options)
        return self.start(self.encoder(tensors, context), context)

    def decode(self, state: State, *inputs: Any, mark: MarkLike = None, **options: Unpack[CallOptions]) -> Any:
        """The output from a state that the inputs led to."""
        _, context, copies = self._bind_copies(inputs, mark, options)
        return self._decode(self._bind_state(state, context), inputs, context, copies)

    def _decode(self, state: State, inputs: Sequence[Any], context: Context, copies: Copies) -> Any:
        return self.write(copies.pool(self.decode_state(state, context), copies.all), inputs, context)

    def _bind_copies(
        self, inputs: Sequence[Any], mark: MarkLike, options: CallOptions
    ) -> tuple[list[Tensor], Context, Copies]:
        """As `bind`, with the marks of all copies as further tensors."""
        tensors, context = self.bind(inputs, **options)
        copies = self.make_copies(tensors, context, mark)
        return [*tensors, *copies.inputs(copies.all)], context, copies

    def _iterate(
        self, inputs: Sequence[Tensor], context: Context, start: State | None, iterations: int | None
    ) -> Iterator[State]:
        if iterations is None:
            iterations = self.config.iterations  # type: ignore[attr-defined]
        iterations = check_count(iterations, "iterations")
        encoded = self.encoder(inputs, context)
        state = self.start(encoded, context) if start is None else start
        return self._run_layers(state, encoded, context, iterations)

    def _run_layers(self, state: State, encoded: State, context: Context, iterations: int) -> Iterator[State]:
        for _ in range(iterations):
            for layer in self.layers:
                state = self.step(layer, state, encoded, context)
                yield state

    def _bind_state(self, state: State, context: Context) -> State:
        """The state, zero where the masks say so; raises for one that does not fit the inputs."""
        tensors = as_tensors(state, self.hidden_types)
        for x, symmetry, width in zip(tensors, self.hidden_types, self.widths, strict=True):
            expected = [*context.shape(symmetry), width]
            if not isinstance(x, Tensor):
                raise TypeError(f"a state must be a torch tensor, got {type(x).__name__}")
            if list(x.shape[x.dim() - len(expected) :]) != expected:
                shape = ", ".join(map(str, expected))
                raise ShapeError(f"a state for these inputs has shape (batch..., {shape}), got {tuple(x.shape)}")
        return unwrap([context.fill_last(x, t) for x, t in zip(tensors, self.hidden_types, strict=True)])
