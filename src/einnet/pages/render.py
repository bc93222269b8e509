"""From sections to HTML, by Jinja's templates beside this file."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from einnet.files import write_whole
from einnet.pages.blocks import Section

__all__ = ["fragment", "page", "write_page"]


def page(title: str, sections: Sequence[Section], lead: str = "", form: Mapping[str, Any] | None = None) -> str:
    """A whole page. It loads nothing, neither from other files nor from the network.

    With `form` it is the explorer's, which asks for the sections named there in `later` once it is shown: `form`
    also holds the values of its fields and links to examples.

    >>> html = page("Squares", [Section("Two", [])])
    >>> html.splitlines()[0], "<h2>Two</h2>" in html
    ('<!doctype html>', True)
    """
    return _templates().get_template("page.html").render(title=title, sections=sections, lead=lead, form=form)


def fragment(section: Section) -> str:
    """One section alone."""
    return _templates().get_template("section.html").render(section=section)


def write_page(path: Path | str, html: str) -> None:
    """Writes a page whole or not at all."""
    with write_whole(path) as temporary:
        temporary.write_text(html, encoding="utf-8")


@lru_cache(maxsize=1)
def _templates() -> Any:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("einnet.pages", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["kind"] = lambda block: type(block).__name__
    return environment
