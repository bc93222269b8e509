"""The explorer: all that follows from a symmetry type, as a page to look at or to keep."""

from einnet.explore.question import Question
from einnet.explore.report import report
from einnet.explore.server import address, serve

__all__ = ["Question", "address", "report", "serve"]
