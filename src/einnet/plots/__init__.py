"""Pictures: the sharing of a series, learning curves, pooling operations as small graphs."""

from einnet.plots.figures import (
    check_picture_name,
    learning_curve,
    pooling_picture,
    pyplot,
    save_figure,
    sharing_picture,
)
from einnet.plots.operations import draw_term, operations_picture

__all__ = [
    "check_picture_name",
    "draw_term",
    "learning_curve",
    "operations_picture",
    "pooling_picture",
    "pyplot",
    "save_figure",
    "sharing_picture",
]
