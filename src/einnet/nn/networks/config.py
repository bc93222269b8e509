"""What rebuilds a network: its arguments, checked, as they are saved with it."""

from dataclasses import dataclass, fields
from typing import Any

from einnet.checks import check_choice, check_count, check_flag, check_real
from einnet.errors import EinNetError
from einnet.limits import limits
from einnet.nn.channels import ACTIVATIONS, NORMS

__all__ = ["EinNetConfig", "NetworkConfig", "PolynomialConfig", "RecurrentConfig", "ReferenceConfig"]


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """The arguments that every network has."""

    signature: str
    in_features: tuple[int, ...]
    out_features: int
    heads: int = 16
    hidden: int = 64
    depth: int = 4
    order: int | None = None
    terms: tuple[str, ...] | None = None
    hidden_type: str | None = None

    def __post_init__(self) -> None:
        for name in ("out_features", "heads", "hidden", "depth"):
            self._set(name, check_count(getattr(self, name), name))
        if self.order is not None:
            self._set("order", check_count(self.order, "order"))
        for name in ("in_features", "terms"):  # a list, where it was read from JSON
            if getattr(self, name) is not None:
                self._set(name, tuple(getattr(self, name)))

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    def _check_iterations(self) -> None:
        self._set("iterations", check_count(self.iterations, "iterations", maximum=limits().iterations))  # type: ignore[attr-defined]

    def _check_normalize(self) -> None:
        if self.normalize is not None:  # type: ignore[attr-defined]
            check_choice(self.normalize, "normalize", ("size",))  # type: ignore[attr-defined]

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
    normalize: str | None = "size"
    iterations: int = 1
    checkpoint_activations: bool = False
    chunks: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_iterations()
        self._check_normalize()
        self._set("expansion", check_real(self.expansion, "expansion"))
        self._set("dropout", check_real(self.dropout, "dropout", below=1))
        self._set("chunks", check_count(self.chunks, "chunks"))
        check_choice(self.activation, "activation", ACTIVATIONS)
        if self.norm is not None:
            check_choice(self.norm, "norm", NORMS)
        check_flag(self.bias, "bias")
        check_flag(self.checkpoint_activations, "checkpoint_activations")
        if self.chunks > self.heads:
            raise EinNetError(f"{self.heads} heads are pooled in {self.heads} chunks at most, got chunks={self.chunks}")


@dataclass(frozen=True, kw_only=True)
class PolynomialConfig(NetworkConfig):
    """The arguments of a `PolynomialNet`."""

    normalize: str | None = "size"
    iterations: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_iterations()
        self._check_normalize()


@dataclass(frozen=True, kw_only=True)
class RecurrentConfig(NetworkConfig):
    """The arguments of a `RecurrentNet`."""

    iterations: int = 1
    automorphism: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_iterations()


@dataclass(frozen=True, kw_only=True)
class ReferenceConfig(NetworkConfig):
    """The arguments of a `ReferenceNet`."""

    checkpoint_activations: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_flag(self.checkpoint_activations, "checkpoint_activations")
