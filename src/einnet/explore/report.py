"""The explorer's page as one file."""

from rich.console import Console
from rich.progress import track

from einnet.explore.question import Question
from einnet.explore.sections import LEAD, answered, asked_for
from einnet.pages import page

__all__ = ["report"]


def report(asked: Question) -> str:
    """All sections as one page of HTML that needs nothing else, with a progress bar on standard error.

    >>> html = report(Question("aH", 2))
    >>> "a,a-&gt;a" in html, "http://" in html
    (True, False)
    """
    shown = {"description": "working it out", "console": Console(stderr=True), "transient": True}
    sections = [answered(asked, name) for name in track(asked_for(asked), **shown)]
    return page(asked.title, sections, LEAD)
