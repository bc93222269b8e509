"""Pictures: the sharing of a series, learning curves, pooling operations as small graphs."""

from einnet.plots.figures import (
    check_picture_name,
    draw_learning_curve,
    draw_pooling,
    draw_sharing,
    pyplot,
    save_figure,
)
from einnet.plots.operations import draw_operations, draw_term

__all__ = [
    "check_picture_name",
    "draw_learning_curve",
    "draw_operations",
    "draw_pooling",
    "draw_sharing",
    "draw_term",
    "pyplot",
    "save_figure",
]
