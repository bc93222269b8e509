"""The numbers of the kg task: the network's size, its regularisation, how facts are hidden."""

from dataclasses import asdict, dataclass
from typing import Any

from cyclopts import Parameter

from einnet.errors import EinNetError
from einnet.train.options import check_counts, check_positive

__all__ = ["Settings"]


@Parameter(name="*", group="Network and loss")
@dataclass(frozen=True)
class Settings:
    """Network and loss."""

    heads: int = 16
    "Features given to each operand of each pooling operation."
    hidden: int = 64
    "Features of the state at each pair of entities."
    depth: int = 4
    "Layers."
    dropout: float = 0.3
    "Probability of dropping a pooled value, and a value of a layer's update."
    lr: float = 3e-3
    "Peak learning rate."
    weight_decay: float = 0.5
    "Weight decay of the weight matrices."
    label_smoothing: float = 0.1
    "Share of the target that is spread over all candidates."
    mask_low: float = 0.02
    "Smallest share of the training facts that is hidden at a step."
    mask_high: float = 0.6
    "Largest share; the share is drawn anew at each step."

    relation_loss: float = 1.0
    "Weight of predicting the relation of head and tail, beside head and tail themselves; less where pairs have many."

    def __post_init__(self) -> None:
        check_counts(self, "heads", "hidden", "depth")
        check_positive(self, "lr")
        for name in ("dropout", "label_smoothing"):
            if not 0 <= getattr(self, name) < 1:
                raise EinNetError(f"--{name.replace('_', '-')} must be from 0 to below 1, got {getattr(self, name)}")
        for name in ("weight_decay", "relation_loss"):
            if not getattr(self, name) >= 0:
                raise EinNetError(f"--{name.replace('_', '-')} must be 0 or more, got {getattr(self, name)}")
        if not 0 <= self.mask_low <= self.mask_high <= 1:
            raise EinNetError(f"expected 0 <= --mask-low <= --mask-high <= 1, got {self.mask_low} and {self.mask_high}")

    def as_json(self) -> dict[str, Any]:
        return asdict(self)
