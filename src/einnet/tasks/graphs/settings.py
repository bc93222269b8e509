"""How pairs of graphs are compared."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["Protocol", "Settings"]

Protocol = Literal["untrained", "trained"]


@dataclass(frozen=True)
class Settings:
    """How pairs are compared: operations of up to `order` operands, `depth` layers, `seeds` networks at most."""

    protocol: Protocol
    order: int
    depth: int
    seeds: int
