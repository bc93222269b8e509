"""From sections to HTML, by Jinja's templates."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from einnet.files import write_whole
from einnet.pages.blocks import Section

__all__ = ["fragment", "page", "write_page"]


def page(
    title: str, sections: Sequence[Section], lead: str = "", template: str = "pages/page.html", **more: Any
) -> str:
    """A whole page. It loads nothing, neither from other files nor from the network.

    >>> html = page("Squares", [Section("Two", [])])
    >>> html.splitlines()[0], "<h2>Two</h2>" in html
    ('<!doctype html>', True)

    Another template of the package may extend the page's; `more` is for what it adds.
    """
    return _templates().get_template(template).render(title=title, sections=sections, lead=lead, **more)


def fragment(section: Section) -> str:
    """One section alone."""
    return _templates().get_template("pages/section.html").render(section=section)


def write_page(path: Path | str, html: str) -> None:
    """Writes a page whole or not at all."""
    with write_whole(path) as temporary:
        temporary.write_text(html, encoding="utf-8")


@lru_cache(maxsize=1)
def _templates() -> Any:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("einnet", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["kind"] = lambda block: type(block).__name__
    return environment
