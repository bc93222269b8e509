"""What rebuilds a network: its arguments, checked, as they are saved with it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import partial
from typing import Any

from einnet.checks import check_choice, check_count, check_flag, check_real
from einnet.limits import limits
from einnet.nn.channels import ACTIVATIONS, NORMS
from einnet.nn.reductions import check_reduction
from einnet.symmetry import Symmetry

__all__ = ["EinNetConfig", "NetworkConfig", "PolynomialConfig", "RecurrentConfig", "ReferenceConfig"]

CHECKS: dict[str, Callable[[Any, str], Any]] = {
    **dict.fromkeys(("out_features", "heads", "depth", "order", "chunks"), check_count),
    **dict.fromkeys(("bias", "checkpoint_activations", "symmetric", "counts"), check_flag),
    "iterations": lambda value, name: check_count(value, name, maximum=limits().iterations),
    "decoder_hidden": partial(check_count, minimum=0),
    "expansion": check_real,
    "dropout": partial(check_real, below=1),
    "activation": partial(check_choice, choices=ACTIVATIONS),
    "norm": partial(check_choice, choices=NORMS),
    "normalize": partial(check_choice, choices=("size",)),
    "hidden": lambda value, name: (
        tuple(check_count(n, name) for n in value) if isinstance(value, list | tuple) else check_count(value, name)
    ),
    "in_features": lambda value, _: tuple(value),  # a list, if it was read from JSON
    "terms": lambda value, _: tuple(value),
    "standardized": check_flag,
    "mark_chunk": check_count,
    "reduction": check_reduction,
    "classes": lambda value, _: None if value is None else tuple(value),
}


OPTIONAL = ("order", "terms", "norm", "normalize", "counts", "decoder_hidden", "mark_chunk")


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """The arguments that every network has."""

    signature: str
    in_features: tuple[int, ...]
    out_features: int
    heads: int = 16
    hidden: int | tuple[int, ...] = 64
    depth: int = 4
    order: int | None = None
    terms: tuple[str, ...] | None = None
    hidden_type: str | None = None
    marks: int | str | dict[str, int | str] | None = None
    mark_chunk: int | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name in CHECKS and not (value is None and field.name in OPTIONAL):
                object.__setattr__(self, field.name, CHECKS[field.name](value, field.name))

    @classmethod
    def sizes_for(cls, types: Sequence[Symmetry], output: Symmetry) -> dict[str, Any]:
        """The heads, the hidden features and the depth of a network by default, for these types."""
        return {"heads": cls.heads, "hidden": cls.hidden, "depth": cls.depth}

    def as_arguments(self) -> dict[str, tuple[Any, Any]]:
        """The fields with their values and defaults, as `format_arguments` takes them."""
        return {f.name: (getattr(self, f.name), f.default) for f in fields(self)}


@dataclass(frozen=True, kw_only=True)
class EinNetConfig(NetworkConfig):
    """The arguments of an `EinNet`."""

    expansion: float = 2
    activation: str = "gelu"
    norm: str | None = "rms"
    bias: bool = True
    dropout: float = 0.0
    reduction: str | tuple[str, ...] | tuple[tuple[str, int], ...] = "sum"
    normalize: str | None = "size"
    standardized: bool = False
    classes: tuple[Any, ...] | None = None
    iterations: int = 1
    checkpoint_activations: bool = False
    chunks: int = 1
    symmetric: bool = False
    counts: bool | None = None
    decoder_hidden: int | None = None

    @classmethod
    def sizes_for(cls, types: Sequence[Symmetry], output: Symmetry) -> dict[str, Any]:
        """Those that learn most in the first minute on one core, see benchmarks/defaults.md.

        Each layer doubles the length of the paths that a network sees; an output at pairs needs more of them.
        """
        if all(len(t.axes) < 2 or t.is_sparse for t in types):
            widths = [32 if len(t.axes) > 1 else 64 for t in types]  # entries are more than elements, and say less
            return {"heads": 16, "hidden": 64 if len(set(widths)) == 1 else tuple(widths), "depth": 2}
        return {"heads": 8, "hidden": 32, "depth": 2 if len(output.axes) < 2 else 3}


@dataclass(frozen=True, kw_only=True)
class PolynomialConfig(NetworkConfig):
    """The arguments of a `PolynomialNet`."""

    hidden: int = 64
    normalize: str | None = "size"
    iterations: int = 1


@dataclass(frozen=True, kw_only=True)
class RecurrentConfig(NetworkConfig):
    """The arguments of a `RecurrentNet`."""

    hidden: int = 64
    iterations: int = 1
    automorphism: str | None = None


@dataclass(frozen=True, kw_only=True)
class ReferenceConfig(NetworkConfig):
    """The arguments of a `ReferenceNet`."""

    hidden: int = 64
    checkpoint_activations: bool = False
