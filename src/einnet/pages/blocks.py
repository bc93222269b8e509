"""What a section of a page is made of."""

import base64
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

__all__ = ["Block", "Listing", "Picture", "Section", "Table", "Text", "Wrong", "drawn", "picture_of"]

_one_at_a_time = Lock()  # matplotlib's figures are not made for threads
MEDIA = {".svg": "image/svg+xml", ".png": "image/png"}


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str


@dataclass(frozen=True)
class Listing:
    """Text as it stands, in a typewriter's letters."""

    text: str


@dataclass(frozen=True)
class Wrong:
    """The message of an error, as it stands: a caret stays below its letter."""

    text: str


@dataclass(frozen=True)
class Table:
    """Rows of cells; those in `strong`, by number, stand out, and columns in `code` are notation."""

    header: Sequence[str]
    rows: Sequence[Sequence[object]]
    strong: frozenset[int] = frozenset()
    code: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Picture:
    """A picture, held in the page itself."""

    source: str  # a data URI
    caption: str


Block = Text | Listing | Wrong | Table | Picture


@dataclass(frozen=True)
class Section:
    """A heading and blocks below it. A narrow one has its neighbour beside it where the page is wide enough."""

    title: str
    blocks: Sequence[Block]
    narrow: bool = False


def drawn(draw: Callable[[Path], None], caption: str) -> Picture:
    """The picture that `draw` writes to the file it is given, an SVG.

    >>> drawn(lambda path: path.write_text("<svg/>") and None, "nothing").source
    'data:image/svg+xml;base64,PHN2Zy8+'
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "picture.svg"
        with _one_at_a_time:
            draw(path)
        return picture_of(path, caption)


def picture_of(path: Path, caption: str) -> Picture:
    """The picture in a file, an SVG or a PNG."""
    content = base64.b64encode(path.read_bytes()).decode()
    return Picture(f"data:{MEDIA[path.suffix]};base64,{content}", caption)
