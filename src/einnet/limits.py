"""Limits: how large an input or a search may become before it is refused, in one place, for a user to raise."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace

__all__ = ["Limits", "limits", "raised_limits"]


@dataclass(frozen=True)
class Limits:
    """The limits in force; every default is reached within a few seconds.

    >>> limits().axes
    64
    """

    # symmetry types
    axes: int = 64  # of a type, as tensors have

    # terms

    # plans

    # series

    # operations

    # networks
    iterations: int = 10_000  # of a recurrent network, as saved with it

    # tasks
    graph_cells: int = 2**32  # of a knowledge graph as a tensor: 16 GiB
    expansion: int = 100  # of a compressed file, as a multiple of its size


_limits: ContextVar[Limits] = ContextVar("limits", default=Limits())  # noqa: B039  (frozen)


def limits() -> Limits:
    """The limits in force."""
    return _limits.get()


@contextmanager
def raised_limits(**changes: int) -> Iterator[Limits]:
    """Other limits within a block.

    >>> with raised_limits(axes=100):
    ...     limits().axes
    100
    """
    token = _limits.set(replace(limits(), **changes))
    try:
        yield limits()
    finally:
        _limits.reset(token)
