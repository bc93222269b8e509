"""The errors about wrong values: one base class and four children. Wrong types are `TypeError`s.

A message says what was expected, what was received, where, and what to do. `except EinNetError`
catches all of them, and so does `except ValueError`.
"""

import difflib
import re
from collections.abc import Iterable

from rich.cells import cell_len  # columns of a terminal

__all__ = ["CheckpointError", "DataError", "EinNetError", "NotationError", "ShapeError", "did_you_mean", "to_printable"]

# characters that are commands to a terminal, or turn the direction of writing
COMMANDS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")


class EinNetError(ValueError):
    """Base of all errors about what the user passed."""


class NotationError(EinNetError):
    """A symmetry type, signature or term that cannot be read; the message has a caret below `text[start:stop]`.

    >>> print(NotationError("unknown letter 'B'", "aBH", 1, hint="axes are lowercase letters"))
    unknown letter 'B'
      aBH
       ^
    axes are lowercase letters
    """

    def __init__(self, problem: str, text: str, start: int, stop: int | None = None, hint: str = ""):
        self.text, self.start = text, start
        self.stop = max(start + 1, start + 1 if stop is None else stop)
        parts = (text[:start], text[start : self.stop], text[self.stop :])
        before, marked, after = (to_printable(part).replace("\n", r"\n") for part in parts)
        caret = " " * cell_len(before) + "^" * max(cell_len(marked), 1)
        lines = [to_printable(problem), f"  {before}{marked}{after}", f"  {caret}"]
        super().__init__("\n".join(lines + [hint] * bool(hint)))


class ShapeError(EinNetError):
    """A tensor, mask or size that does not fit the symmetry type."""


class DataError(EinNetError):
    """A data file or query that cannot be used."""


class CheckpointError(EinNetError):
    """A saved file that is truncated, foreign, or of another network."""


def to_printable(text: str) -> str:
    r"""A text with the characters that a terminal or the direction of writing obeys as escapes, but for new lines.

    >>> to_printable("\x1b[2J, a new\nline, 日本, \u202e")
    '\\x1b[2J, a new\nline, 日本, \\u202e'
    """
    return COMMANDS.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint naming the closest known words, or the empty string.

    >>> did_you_mean("persn7", ["person7", "person71", "term3"])
    " Did you mean 'person7' or 'person71'?"
    """
    close = difflib.get_close_matches(word, list(known), n=3)
    return f" Did you mean {' or '.join(map(repr, close))}?" if close else ""
