"""The numbers of the pinv task: the matrices, the network's size, how it learns."""

from dataclasses import asdict, dataclass
from typing import Any

from cyclopts import Parameter

from einnet.train.options import check_counts, check_positive

__all__ = ["Settings"]


@Parameter(name="*", group="Matrices and network")
@dataclass(frozen=True)
class Settings:
    """Matrices and network."""

    matrices: int = 1000
    "Matrices to learn from; entries are normal. Others are drawn to select and to test on."
    rows: int = 8
    "Rows of a matrix."
    columns: int = 16
    "Columns; the same trained network runs at other sizes too."
    heads: int = 8
    "Products of three matrices in a layer."
    hidden: int = 8
    "Matrices that the network's state consists of."
    depth: int = 8
    "Layers."
    batch: int = 64
    "Matrices at a step."
    lr: float = 4e-3
    "Peak learning rate."

    def __post_init__(self) -> None:
        check_counts(self, "matrices", "rows", "columns", "heads", "hidden", "depth", "batch")
        check_positive(self, "lr")

    def as_json(self) -> dict[str, Any]:
        return asdict(self)
