"""Pictures: the sharing of a series, learning curves, pooling operations as small graphs."""

from einnet.plots.figures import draw_learning_curve, draw_pooling, draw_sharing
from einnet.plots.operations import draw_operations

__all__ = ["draw_learning_curve", "draw_operations", "draw_pooling", "draw_sharing"]
