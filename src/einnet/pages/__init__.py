"""Pages of HTML in one file, for the explorer and for the report of a run, rendered by Jinja's templates.

A page has sections, a section has blocks: texts, tables, listings, pictures.
"""

import base64
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any, Literal

from einnet.errors import to_printable
from einnet.files import write_text

__all__ = [
    "Block", "Picture", "Section", "Table", "Text", "draw_picture", "encode_picture", "read_picture", "render_page",
    "render_section", "write_page",
]  # fmt: skip

_matplotlib_lock = Lock()  # its figures are not made for threads


@dataclass(frozen=True)
class Text:
    """A paragraph, or preformatted: a listing, or the message of an error, whose caret stays below its letter."""

    text: str
    kind: Literal["paragraph", "listing", "error"] = "paragraph"


@dataclass(frozen=True)
class Table:
    """Rows of cells; the rows with a number in `strong` stand out, and columns in `code` are notation."""

    header: Sequence[str]
    rows: Sequence[Sequence[object]]
    strong: frozenset[int] = frozenset()
    code: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Picture:
    """A picture; its source is a data URI."""

    source: str
    caption: str


Block = Text | Table | Picture


@dataclass(frozen=True)
class Section:
    """A heading with blocks below it; two narrow ones fit next to each other on a wide page."""

    title: str
    blocks: Sequence[Block]
    narrow: bool = False

    @property
    def is_error(self) -> bool:
        """Whether it has the message of an error."""
        return any(isinstance(block, Text) and block.kind == "error" for block in self.blocks)


def draw_picture(draw: Callable[[Path], object], caption: str) -> Picture:
    """The picture that `draw` writes to a file, an SVG.

    >>> draw_picture(lambda path: path.write_text("<svg/>"), "nothing").source
    'data:image/svg+xml;base64,PHN2Zy8+'
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "picture.svg"
        with _matplotlib_lock:
            draw(path)
        return read_picture(path, caption)


def read_picture(path: Path, caption: str) -> Picture:
    """The picture in a file, an SVG or a PNG."""
    return encode_picture(path.read_bytes(), path.suffix, caption)


def encode_picture(content: bytes, suffix: str, caption: str) -> Picture:
    """The picture that these bytes are, those of a file of this suffix."""
    kind = {".svg": "svg+xml", ".png": "png"}[suffix]
    return Picture(f"data:image/{kind};base64,{base64.b64encode(content).decode()}", caption)


def render_page(
    title: str, sections: Sequence[Section], lead: str = "", template: str = "pages/page.html", **variables: Any
) -> str:
    """A page that loads nothing, neither from other files nor from the network.

    >>> html = render_page("Squares", [Section("Two", [])])
    >>> html.splitlines()[0], "<h2>Two</h2>" in html
    ('<!doctype html>', True)

    Another template of the package may extend the page's; `variables` are for its additions.
    """
    return _load_templates().get_template(template).render(title=title, sections=sections, lead=lead, **variables)


def render_section(section: Section) -> str:
    """One section alone."""
    return _load_templates().get_template("pages/section.html").render(section=section)


def write_page(path: Path | str, html: str) -> None:
    """Writes all of a page or nothing; bytes of a path that are no UTF-8 are written as \\udcff."""
    write_text(path, html, errors="backslashreplace")


@lru_cache(maxsize=1)
def _load_templates() -> Any:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    options = {"autoescape": True, "undefined": StrictUndefined, "trim_blocks": True, "lstrip_blocks": True}
    options["finalize"] = lambda value: to_printable(str(value))  # UTF-8 has no surrogates
    environment = Environment(loader=PackageLoader("einnet", "."), **options)
    environment.filters["class"] = lambda block: type(block).__name__
    return environment
