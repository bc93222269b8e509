"""How large the cases are: on a GPU, and toy sizes on a CPU; rows of cases that may fail."""

import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

__all__ = ["DRY", "FULL", "Scale", "make_row"]

T = TypeVar("T")


@dataclass(frozen=True)
class Scale:
    """Sizes of the cases, and until when one may be begun."""

    device: str
    seconds: float  # for a comparison
    dtypes: tuple[str, ...]
    channels: int  # of the triangle product
    triangles: tuple[int, ...]
    layers: tuple[int, ...]
    compiled: tuple[int, ...]  # of layers
    edges: tuple[int, ...]
    largest: tuple[int, ...]  # sizes that are tried in turn
    heads: int  # of the network that is tried, and its depth
    depth: int
    product: int  # the size of the matrices of the roofline
    compiler: str
    deadline: float = float("inf")

    def until(self, deadline: float) -> "Scale":
        return replace(self, deadline=deadline)

    @property
    def has_time(self) -> bool:
        return time.monotonic() < self.deadline

    def take(self, cases: Iterable[T]) -> Iterator[T]:
        """The cases, as long as there is time."""
        for case in cases:
            if not self.has_time:
                return
            yield case


def make_row(head: Sequence[object], width: int, measure: Callable[[], Sequence[object]]) -> list[object]:
    """The cells of a row: `head`, and what `measure` gives; if it fails, as where memory is missing, the error."""
    try:
        return [*head, *measure()]
    except Exception as error:  # the other rows are still measured
        traceback.print_exc()
        return [*head, f"failed: {type(error).__name__}", *[""] * (width - len(head) - 1)]


FULL = Scale(
    device="cuda",
    seconds=0.2,
    dtypes=("bfloat16", "float32"),
    channels=128,
    triangles=(128, 256, 512, 1024),
    layers=(64, 128, 256, 512, 1024),
    compiled=(64, 256),
    edges=(10**6, 10**7),
    largest=(512, 768, 1024, 1536, 2048, 3072, 4096, 6144),
    heads=32,
    depth=4,
    product=8192,
    compiler="inductor",
)
DRY = Scale(
    device="cpu",
    seconds=0.0,
    dtypes=("float32",),
    channels=8,
    triangles=(6,),
    layers=(5,),
    compiled=(4,),
    edges=(200,),
    largest=(4,),
    heads=8,
    depth=1,
    product=16,
    compiler="eager",
)
