"""A Markdown extension: doctests in docstrings are code, without the fences that pages have.

>>> add_fences(["What it does.", "", ">>> 1 + 1", "2", "", "```python", ">>> add_fences", "```"])
['What it does.', '', '```pycon', '>>> 1 + 1', '2', '```', '', '```python', '>>> add_fences', '```']
"""

from collections.abc import Iterable

from markdown.extensions import Extension
from markdown.preprocessors import Preprocessor

__all__ = ["DoctestExtension", "add_fences", "makeExtension"]


def add_fences(lines: Iterable[str]) -> list[str]:
    """The lines with a fence around each doctest that has none; it ends at an empty line."""
    result, inside, open_fence = [], False, False
    for line in [*lines, ""]:
        if line.lstrip().startswith("```"):
            open_fence = not open_fence
        if not open_fence and not inside and line.startswith(">>> "):
            result.append("```pycon")
            inside = True
        elif inside and not line.strip():
            result.append("```")
            inside = False
        result.append(line)
    return result[:-1]


class _Fences(Preprocessor):
    def run(self, lines: list[str]) -> list[str]:
        return add_fences(lines)


class DoctestExtension(Extension):
    def extendMarkdown(self, md) -> None:  # noqa: N802 (the name that Markdown asks for)
        md.preprocessors.register(_Fences(md), "doctests", 60)


def makeExtension(**options) -> DoctestExtension:  # noqa: N802
    return DoctestExtension(**options)
