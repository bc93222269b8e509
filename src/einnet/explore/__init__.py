"""The explorer: what follows from a symmetry type, as a page in the browser or in a file."""

from einnet.explore.question import Question
from einnet.explore.sections import render_report
from einnet.explore.server import format_address, serve

__all__ = ["Question", "format_address", "render_report", "serve"]
