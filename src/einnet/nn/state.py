"""A state and what belongs to it: one for its only type, or one for each of its types."""

from collections.abc import Iterable, Sequence
from typing import Any

from torch import nn

from einnet.checks import check_count
from einnet.errors import EinNetError, ShapeError
from einnet.symmetry import Symmetry

__all__ = ["as_module", "as_tensors", "check_widths", "modules_of", "unwrap"]


def unwrap(values: Sequence[Any]) -> Any:
    """The only one of some values, or all of them as a tuple.

    >>> unwrap([5]), unwrap([5, 6])
    (5, (5, 6))
    """
    return values[0] if len(values) == 1 else tuple(values)


def as_module(modules: Iterable[nn.Module]) -> nn.Module:
    """The only one of some modules, or all of them as a list."""
    parts = nn.ModuleList(modules)
    return parts[0] if len(parts) == 1 else parts


def modules_of(module: nn.Module, types: Sequence[Symmetry]) -> list[Any]:
    """What `as_module` got: a module for each type."""
    return [module] if len(types) == 1 else list(module)  # type: ignore[arg-type]


def as_tensors(state: Any, types: Sequence[Symmetry]) -> list[Any]:
    """The tensors of a state, or the inputs of a layer; raises for another number of them."""
    if len(types) == 1:
        return [state]
    if not isinstance(state, Sequence) or len(state) != len(types):
        received = f"{len(state)} in a {type(state).__name__}" if isinstance(state, Sequence) else type(state).__name__
        hint = ": pass *batch.inputs, graph=batch" * (received == "DisjointUnion")
        names = ", ".join(map(str, types))
        raise ShapeError(f"expected one tensor for each of the types {names}, got {received}{hint}")
    return list(state)


def check_widths(features: Any, types: Sequence[Symmetry], name: str) -> tuple[int, ...]:
    """The features of each type, from a number for all or a sequence.

    >>> check_widths(8, [Symmetry("aH"), Symmetry("aaH")], "features")
    (8, 8)
    """
    if len(types) == 1 or not isinstance(features, list | tuple):
        return (check_count(features, name),) * len(types)
    if len(features) != len(types):
        names = ", ".join(map(str, types))
        raise EinNetError(f"{name} of {names} must be a number or {len(types)} numbers, got {features!r}")
    return tuple(check_count(n, name) for n in features)
