"""The samples that a network is trained on: arrays, lists of samples of different sizes, datasets, graphs."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset

from einnet.errors import EinNetError, ShapeError
from einnet.nn import from_pyg, pad, union
from einnet.nn.sparse.storage import read_inputs
from einnet.nn.sparse.support import Support
from einnet.signature import Signature
from einnet.symmetry import Symmetry

__all__ = [
    "SIZES_HINT", "Samples", "as_tensor", "inputs_of", "is_array", "list_items", "read_index", "read_samples",
    "split_pairs", "values_of",
]  # fmt: skip

SIZES_HINT = "a sparse matrix, or (einnet.nn.Support(index, sizes), values)"
Call = tuple[tuple[Any, ...], dict[str, Any]]  # the inputs and the options of a call of a network


class Samples(ABC):
    """The inputs of many samples; `widths` are the features of each input."""

    signature: Signature
    number: int
    widths: tuple[int, ...]
    has_sizes: ClassVar[bool] = False  # dense samples of several sizes, which a network should know
    has_one_shape: ClassVar[bool] = False

    @abstractmethod
    def take(self, numbers: Tensor) -> Call:
        """Some samples as one call."""

    @abstractmethod
    def values(self, k: int, numbers: Tensor) -> Tensor:
        """All values of an input in some samples: (cells, features)."""

    @abstractmethod
    def join(self, targets: Sequence[Tensor], unknown: float) -> Tensor:
        """The targets of some samples in the shape of the network's output for them."""

    @abstractmethod
    def separate(self, output: Tensor, numbers: Tensor) -> list[Tensor]:
        """What the output of some samples is for each of them."""

    @abstractmethod
    def shape(self, k: int, symmetry: Symmetry) -> list[int | None]:
        """The shape that a tensor of a type has in sample k; None for an axis that no input has."""

    def check_finite(self) -> "Samples":
        """Raises for values that are no numbers."""
        for k, symmetry in enumerate(self.signature.inputs):
            if self.values(k, torch.arange(self.number)).isfinite().all():
                continue
            for n in range(self.number):
                if broken := int((~self.values(k, torch.tensor([n])).isfinite()).sum()):
                    raise EinNetError(
                        f"inputs must be finite, '{symmetry}' of sample {n} has {broken:,} values that are NaN or "
                        "infinite: fill them in, and mark them by one more feature, or leave such samples out"
                    )
        return self


class Stacked(Samples):
    """Samples of one size: a tensor for each input, the samples first."""

    has_one_shape = True

    def __init__(self, signature: Signature, tensors: Sequence[Tensor]):
        self.signature, self.tensors, self.number = signature, tensors, len(tensors[0])
        self.widths = tuple(x.shape[-1] for x in tensors)
        self.sizes = _bind(signature, [x.shape[1:] for x in tensors], "all samples")

    def take(self, numbers: Tensor) -> Call:
        return tuple(x[numbers] for x in self.tensors), {}

    def values(self, k: int, numbers: Tensor) -> Tensor:
        return self.tensors[k][numbers].flatten(0, -2)

    def join(self, targets: Sequence[Tensor], unknown: float) -> Tensor:
        return torch.stack(list(targets))

    def separate(self, output: Tensor, numbers: Tensor) -> list[Tensor]:
        return list(output)

    def shape(self, k: int, symmetry: Symmetry) -> list[int | None]:
        return [self.sizes.get(c) for c in symmetry.axes]


class Padded(Samples):
    """Samples of different sizes, of dense types."""

    has_sizes = True

    def __init__(self, signature: Signature, samples: Sequence[Sequence[Tensor]]):
        self.signature, self.samples, self.number = signature, samples, len(samples)
        self.widths = tuple(x.shape[-1] for x in samples[0])
        self.sizes = [_bind(signature, [x.shape for x in s], f"sample {k}") for k, s in enumerate(samples)]

    def take(self, numbers: Tensor) -> Call:
        samples = [self.samples[k] for k in numbers.tolist()]
        batches = [pad(inputs, t) for inputs, t in zip(zip(*samples, strict=True), self.signature.inputs, strict=True)]
        return tuple(x for x, _ in batches), {"mask": {c: m for _, masks in batches for c, m in masks.items()}}

    def values(self, k: int, numbers: Tensor) -> Tensor:
        return torch.cat([self.samples[n][k].reshape(-1, self.widths[k]) for n in numbers.tolist()])

    def join(self, targets: Sequence[Tensor], unknown: float) -> Tensor:
        largest = map(max, zip(*(y.shape for y in targets), strict=True))
        batch = targets[0].new_full((len(targets), *largest), unknown)
        for k, y in enumerate(targets):
            batch[(k, *(slice(n) for n in y.shape))] = y
        return batch

    def separate(self, output: Tensor, numbers: Tensor) -> list[Tensor]:
        shapes = [self.shape(k, self.signature.output) for k in numbers.tolist()]
        return [y[tuple(map(slice, shape))] for y, shape in zip(output, shapes, strict=True)]

    def shape(self, k: int, symmetry: Symmetry) -> list[int | None]:
        return [self.sizes[k].get(c) for c in symmetry.axes]


class United(Samples):
    """Samples of types of which some have brackets: each batch is a disjoint union, one sample alone is itself."""

    def __init__(self, signature: Signature, samples: Sequence[Sequence[Any]]):
        self.signature, self.samples, self.number = signature, samples, len(samples)
        self.types = ", ".join(map(str, (t.head for t in signature.inputs)))
        self.types += "".join(f"{'; ' if k == 0 else ', '}{a}->{b}" for k, (a, b) in enumerate(signature.dependencies))
        self.widths = tuple(values_of(x).shape[-1] for x in samples[0])

    def take(self, numbers: Tensor) -> Call:
        if self.number == 1:
            return tuple(self.samples[0]), {}
        return (union([tuple(self.samples[k]) for k in numbers.tolist()], self.types),), {}

    def values(self, k: int, numbers: Tensor) -> Tensor:
        return torch.cat([values_of(self.samples[n][k]).reshape(-1, self.widths[k]) for n in numbers.tolist()])

    def join(self, targets: Sequence[Tensor], unknown: float) -> Tensor:
        return torch.cat(list(targets))

    def separate(self, output: Tensor, numbers: Tensor) -> list[Tensor]:
        target = self.signature.output
        if self.number == 1:
            return [output]
        if not target.axes:
            return list(output)
        return list(output.split([self.shape(k, target)[0] or 0 for k in numbers.tolist()]))

    def shape(self, k: int, symmetry: Symmetry) -> list[int | None]:
        for x, t in zip(self.samples[k], self.signature.inputs, strict=True):
            if symmetry.is_sparse and t == symmetry:
                return [x[0].entries]
        sizes: dict[str, int] = {}
        for x, t in zip(self.samples[k], self.signature.inputs, strict=True):
            sizes |= dict(zip(t.axes, x[0].sizes if t.is_sparse else x.shape, strict=False))
        return [sizes.get(c) for c in symmetry.axes]


def values_of(x: Any) -> Tensor:
    """The values of a sparse input, or the tensor."""
    return x[1] if isinstance(x, tuple) else x


def _bind(signature: Signature, shapes: Sequence[Sequence[int]], name: str) -> dict[str, int]:
    names = [f"input {k} of {name}" if len(shapes) > 1 else name for k in range(1, len(shapes) + 1)]
    return signature.bind(shapes, names=names, required=(), has_batch=False)


def is_array(x: Any) -> bool:
    """Whether it is an array of numbers: a tensor, or what numpy can read as one, but no list."""
    return isinstance(x, Tensor) or (hasattr(x, "__array__") and not isinstance(x, list | tuple))


def as_tensor(x: Any, name: str, dtype: torch.dtype | None = None, device: Any = None) -> Tensor:
    """An array as a tensor; of a dtype, if one is given."""
    try:
        tensor = x.detach() if isinstance(x, Tensor) else torch.from_numpy(np.array(x))
    except (TypeError, ValueError):
        kind = getattr(x, "dtype", type(x).__name__)
        hint = "give words numbers first, and pass arrays of several sizes as a list"
        raise TypeError(f"{name} must be an array of numbers, got {kind}: {hint}") from None
    if tensor.is_complex():
        raise TypeError(f"{name} must be real, got {tensor.dtype}: pass torch.view_as_real(x), two features each")
    return tensor.to(device=device, dtype=dtype)


def _is_graph(x: Any) -> bool:
    return getattr(x, "edge_index", None) is not None


def list_items(inputs: Any) -> Any:
    """The items of a dataset or of a batch of graphs as a list; other inputs as they are."""
    if isinstance(inputs, IterableDataset):
        raise TypeError("inputs must have a length, got an IterableDataset: pass list(dataset)")
    if isinstance(inputs, DataLoader):
        raise TypeError("inputs must be samples, got a DataLoader: pass loader.dataset")
    if hasattr(inputs, "to_data_list"):
        return inputs.to_data_list()
    return [inputs[k] for k in range(len(inputs))] if isinstance(inputs, Dataset) else inputs  # type: ignore[arg-type]


def inputs_of(item: Any) -> Any:
    """The inputs of an item (inputs, target) or (input, input, ..., target) of a dataset; anything else as it is."""
    if not isinstance(item, tuple | list):
        return item
    return item[0] if len(item) == 2 else tuple(item[:-1])


def read_index(at: Any, signature: Signature, number: int, device: Any) -> Tensor:
    """The index tuples that are wanted of an output in brackets."""
    if number > 1 or not signature.output.is_sparse:
        got = f"'{signature}' and {number:,} samples"
        raise EinNetError(f"at= is for one structure and an output in brackets, got {got}")
    index = as_tensor(at.index if isinstance(at, Support) else at, "at", device=device)
    rank = len(signature.output.axes)
    if index.dim() != 2 or len(index) != rank:
        hint = ": pass index.T" * (index.dim() == 2 and index.shape[1] == rank)
        raise ShapeError(f"at must have shape ({rank}, M), one row for each axis, got {tuple(index.shape)}{hint}")
    if index.dtype.is_floating_point or index.dtype == torch.bool:
        raise TypeError(f"at must have whole numbers, got {index.dtype}: pass index.astype(int), or mask.nonzero()")
    return index.long()


def split_pairs(inputs: Any, targets: Any) -> tuple[Any, Any]:
    """Inputs and targets, also from a dataset of pairs, or from graphs with a target `y`."""
    is_dataset, inputs = isinstance(inputs, Dataset), list_items(inputs)
    if is_dataset and inputs and not _is_graph(inputs[0]):
        if targets is not None:
            raise TypeError("targets are in the dataset, whose items are (inputs, target): pass it alone")
        if not isinstance(inputs[0], tuple | list) or len(inputs[0]) < 2:
            raise TypeError(f"a dataset must have items (inputs, target), got {type(inputs[0]).__name__}")
        return [inputs_of(item) for item in inputs], [item[-1] for item in inputs]
    if targets is None and _is_graph(inputs):
        return inputs, _read_label(inputs, 0)
    if targets is None and isinstance(inputs, list | tuple) and inputs and all(map(_is_graph, inputs)):
        return inputs, [_read_label(graph, k) for k, graph in enumerate(inputs)]
    if targets is None:
        raise TypeError("targets are missing: pass fit(signature, inputs, targets), or a dataset of (inputs, target)")
    return inputs, targets


def _read_label(graph: Any, number: int) -> Tensor:
    """The target of a graph, without the axis of length 1 that batches need; unknown where `train_mask` is False."""
    if getattr(graph, "y", None) is None:
        raise ShapeError(f"graph {number} has no target y: set data.y, or pass targets")
    y = torch.as_tensor(graph.y)
    if (mask := getattr(graph, "train_mask", None)) is not None and mask.shape == y.shape[:1]:
        return y.masked_fill(~mask.reshape(-1, *[1] * (y.dim() - 1)), float("nan") if y.is_floating_point() else -1)
    return y


def read_samples(signature: Signature, inputs: Any, dtype: torch.dtype, device: Any) -> tuple[Samples, bool]:
    """The samples of whatever a user passes, and whether it is a single one that was not in a list."""
    options = {"dtype": dtype, "device": device}
    count = len(signature.inputs)
    arrays = [inputs] if is_array(inputs) and count == 1 else inputs
    has_arrays = isinstance(arrays, tuple | list) and len(arrays) == count and all(map(is_array, arrays))
    if not signature.is_sparse and has_arrays and (arrays is not inputs or count > 1):
        return _stack(signature, arrays, options).check_finite(), False
    if not signature.is_sparse and is_array(inputs):
        raise TypeError(f"'{signature}' has {count} inputs: pass a tuple of {count} arrays, got one array")
    if count > 1 and isinstance(inputs, tuple) and all(isinstance(x, list) for x in inputs):
        if len({len(x) for x in inputs}) > 1:
            numbers = ", ".join(str(len(x)) for x in inputs)
            raise ShapeError(f"the lists of inputs must have the same number of samples, got {numbers}")
        inputs = list(zip(*inputs, strict=True))
    is_single = not isinstance(inputs, list)
    items = [inputs] if is_single else inputs
    if not items:
        raise EinNetError("there are no samples to learn from: inputs is empty")
    samples = [_read_sample(signature, item, k, options) for k, item in enumerate(items)]
    return _collect(signature, samples).check_finite(), is_single


def _stack(signature: Signature, arrays: Sequence[Any], options: dict[str, Any]) -> Samples:
    tensors = []
    for k, (x, symmetry) in enumerate(zip(arrays, signature.inputs, strict=True), start=1):
        name = "inputs" if len(arrays) == 1 else f"input {k}"
        x = as_tensor(x, name, **options)
        if x.dim() != len(symmetry.axes) + 2:
            shape = ", ".join(["samples", *symmetry.axes, "features"])
            hint = ": with one feature, pass x[..., None]" * (x.dim() == len(symmetry.axes) + 1)
            hint = hint or ": one sample alone goes into a list, [x]" * (x.dim() < len(symmetry.axes) + 2)
            raise ShapeError(f"{name} of type '{symmetry}' must have shape ({shape}), got {tuple(x.shape)}{hint}")
        tensors.append(x)
    if len(numbers := {len(x) for x in tensors}) > 1:
        raise ShapeError(f"inputs must have the same number of samples, got {', '.join(str(len(x)) for x in tensors)}")
    if numbers == {0} or not all(x.shape[-1] for x in tensors):
        raise EinNetError(f"there is nothing to learn from: inputs has shape {tuple(tensors[0].shape)}")
    return Stacked(signature, tensors)


def _read_sample(signature: Signature, item: Any, number: int, options: dict[str, Any]) -> list[Any]:
    """One sample: for each input a tensor, or (support, values)."""
    name, types = f"sample {number}", signature.inputs
    if _is_graph(item):
        if [(len(t.axes), len(t.classes), t.is_sparse) for t in types] != [(1, 1, False), (2, 1, True)]:
            raise EinNetError(f"a graph has nodes and edges: the signature is 'aH, [aa]H -> ...', got '{signature}'")
        item = from_pyg(item).inputs
    elif len(types) == 1:
        item = [item]
    if not isinstance(item, list | tuple) or len(item) != len(types):
        got = f"{type(item).__name__}" + f" of {len(item)}" * isinstance(item, list | tuple)
        names = ", ".join(map(str, types))
        raise ShapeError(f"{name} must be a tuple with one input for each of the types {names}, got {got}")
    tensors: dict[int, Tensor] = {}  # by the identity of arrays: inputs may share an index
    item = [_as_input(x, t, f"{name} of type '{t}'", options, tensors) for x, t in zip(item, types, strict=True)]
    if not signature.is_sparse:
        return item
    try:
        inputs = read_inputs(types, item)
    except (EinNetError, TypeError) as error:
        hint = f"; for fit and predict: {SIZES_HINT}" * ("sizes=" in str(error))
        raise type(error)(f"{name}: {error}{hint}") from None
    device, dtype = options["device"], options["dtype"]
    return [(x[0].to(device), x[1].to(device, dtype)) if isinstance(x, tuple) else x for x in inputs]


def _as_input(x: Any, symmetry: Symmetry, name: str, options: dict[str, Any], tensors: dict[int, Tensor]) -> Any:
    """A dense input as a tensor; of a sparse one, arrays of numpy as tensors."""
    if symmetry.is_sparse:
        if not isinstance(x, tuple):
            return x
        return tuple(tensors.setdefault(id(v), as_tensor(v, name)) if is_array(v) else v for v in x)
    x = as_tensor(x, name, **options)
    if x.dim() != len(symmetry.axes) + 1:
        shape = ", ".join([*symmetry.axes, "features"])
        hint = ": with one feature, pass x[..., None]" * (x.dim() == len(symmetry.axes))
        raise ShapeError(f"{name} must have shape ({shape}), got {tuple(x.shape)}{hint}")
    return x


def _collect(signature: Signature, samples: list[list[Any]]) -> Samples:
    """The samples as one of the classes above; raises for features that differ."""
    for n, sample in enumerate(samples):
        for x, first, symmetry in zip(sample, samples[0], signature.inputs, strict=True):
            features, expected = values_of(x).shape[-1], values_of(first).shape[-1]
            if features != expected:
                raise ShapeError(f"sample {n} has {features} features in its '{symmetry}', sample 0 has {expected}")
    if signature.is_sparse:
        return United(signature, samples)
    columns = list(zip(*samples, strict=True))
    if all(len({x.shape for x in column}) == 1 for column in columns):
        return Stacked(signature, [torch.stack(column) for column in columns])
    return Padded(signature, samples)
