"""The arguments of an `EinNet`, checked, as they are saved with it."""

from dataclasses import dataclass

from einnet.errors import EinNetError

__all__ = ["Settings"]


MOST_ITERATIONS = 10_000


@dataclass(frozen=True)
class Settings:
    """The arguments of an `EinNet`, as they are saved with it."""

    signature: str
    in_features: tuple[int, ...]
    out_features: int
    heads: int = 16
    hidden: int = 64
    depth: int = 4
    order: int | None = None
    terms: tuple[str, ...] | None = None
    block: str = "default"
    dropout: float = 0.0
    scale: str = "mean"
    state: str | None = None
    recompute: bool = False
    iterations: int = 1
    exchange: str | None = None
    chunks: int = 1

    def __post_init__(self) -> None:
        for name in ("out_features", "heads", "hidden", "depth", "iterations", "chunks"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise EinNetError(f"{name} must be a positive whole number, got {value!r}")
        if self.iterations > MOST_ITERATIONS:
            raise EinNetError(
                f"iterations must be {MOST_ITERATIONS:,} at most, got {self.iterations:,}: more can be asked for at a "
                "call, net(x, iterations=...)"
            )
        if not isinstance(self.recompute, bool):
            raise EinNetError(f"recompute must be True or False, got {self.recompute!r}")
        if not isinstance(self.dropout, int | float) or not 0 <= self.dropout < 1:
            raise EinNetError(f"dropout must be a number from 0 to below 1, got {self.dropout!r}")
        if self.exchange is not None and self.block != "recurrent":
            raise EinNetError('only a recurrent network has an exchange: block="recurrent"')
        if self.chunks > 1 and self.block != "default":
            raise EinNetError('only the default block pools in chunks: block="default"')
