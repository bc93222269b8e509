"""Reading the notation of symmetry types: axes, dependencies, and errors with a caret."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from einnet.checks import check_text
from einnet.errors import NotationError
from einnet.limits import limits

__all__ = [
    "Dependency", "ancestors_of", "find_late_output", "parse_parts", "split_at_commas", "split_dependencies",
    "write_tuple", "write_type",
]  # fmt: skip

_BRACKETS = "Brackets enclose all axes but Z and H: '[aa]H' is a sparse relation, '[ab]H; a->b' a ragged list of lists."
_LETTERS = "Write one lowercase letter for each permuted axis and H for the features, last: 'abH', 'aaH', 'abcH; a->b'."
_SIGNATURE = "Inputs are separated by ',', the arrow is '->', dependencies come after ';': 'aH, abH -> aH; a->b'."
_DEPENDENCY = "For example 'abH; a->b': each a has its own list of b. Several are separated by commas."
_LATE_OUTPUT = re.compile(r"[^;>]*;(\s*[a-z]\s*->\s*[a-z]\s*(?:,\s*[a-z]\s*->\s*[a-z]\s*)*)->([^;>]*)")
_PARENT = "A parent letter occurs once in a type that has its child: give the second axis a letter of its own."

Span = tuple[int, int]


@dataclass(frozen=True)
class Dependency:
    parent: str
    child: str
    start: int  # its position in the text, for the caret


def split_at_commas(text: str, start: int, stop: int) -> list[Span]:
    """The start and the end of each part of text[start:stop] between commas."""
    commas = [k for k in range(start, stop) if text[k] == ","]
    return list(zip([start, *(k + 1 for k in commas)], [*commas, stop], strict=True))


def write_type(head: str, dependencies: Iterable[tuple[str, str]]) -> str:
    """The notation of a type or signature with its dependencies."""
    return "; ".join(filter(None, [head, ", ".join(f"{p}->{c}" for p, c in dependencies)]))


def write_tuple(letters: Iterable[str], is_sparse: bool) -> str:
    """Axes or indices one after the other, in brackets for a sparse tensor.

    >>> write_tuple("ab", True)
    '[ab]'
    """
    return f"[{''.join(letters)}]" if is_sparse else "".join(letters)


def _check(text: str) -> str:
    return check_text(text, "a symmetry type or signature", "aaH -> aH")


def find_late_output(text: str) -> int | None:
    """The place of the arrow in a signature that has arrow and output after the dependencies.

    >>> find_late_output("abH; a->b -> aH"), find_late_output("abH -> aH; a->b")
    (10, None)
    """
    match = _LATE_OUTPUT.fullmatch(_check(text))
    if match is None:
        return None
    output = match[2].strip()
    if re.fullmatch("[a-z]", output) and output not in match[1]:  # in a chain it would be a cycle
        problem = f"'{output}' may be the output or a dependent axis"
        hint = f"An output '{output}' comes before the semicolon; a chain of dependencies is written 'a->b, b->c'."
        raise NotationError(problem, text, match.end(1), len(text.rstrip()), hint)
    return match.end(1)


def split_dependencies(text: str, end: int | None = None) -> tuple[str, list[Dependency]]:
    """The notation before the semicolon, and the dependencies between it and `end`."""
    head, semicolon, _ = _check(text).partition(";")
    dependencies: list[Dependency] = []
    end = len(text) if end is None else end
    for start, stop in split_at_commas(text, len(head) + 1, end) if semicolon else ():
        part = text[start:stop]
        match = re.fullmatch(r"\s*([a-z])\s*->\s*([a-z])\s*", part)
        if not match:
            start += len(part) - len(part.lstrip())
            raise NotationError("a dependency is written parent->child", text, start, stop, _DEPENDENCY)
        dependency = Dependency(match[1], match[2], start + match.start(1))
        if any(d.child == dependency.child for d in dependencies):
            hint, stop = "Dependencies form a forest: one parent for each letter.", start + len(part.rstrip())
            raise NotationError(f"'{dependency.child}' has two parents", text, dependency.start, stop, hint)
        dependencies.append(dependency)
    parents = {d.child: d.parent for d in dependencies}
    for d in dependencies:
        letter = d.parent
        for _ in dependencies:  # a longer chain is a cycle
            letter = parents.get(letter, "")
        if letter:
            hint = "Dependencies form a forest: start from a letter that depends on nothing."
            raise NotationError("the dependencies form a cycle", text, d.start, hint=hint)
    return head, dependencies


def _parse_axes(text: str, start: int, stop: int) -> dict[str, Any]:
    """The axes of the type at text[start:stop], and whether it has features, batch axes and a support."""
    part = text[start:stop]
    first = start + len(part) - len(part.lstrip())
    body = part.strip()
    batch, features = body.startswith("Z"), body.endswith("H")
    axes = body[batch : len(body) - features]
    if is_sparse := "[" in axes or "]" in axes:
        axes = _read_brackets(text, first + batch, axes)
    inner = first + batch + is_sparse
    if odd := re.search(r"\s|[^\w\s]", axes):
        problem = f"{odd.group()!r} has no meaning within a type"
        raise NotationError(problem, text, inner + odd.start(), hint=_SIGNATURE)
    for offset, letter in enumerate(axes, start=inner):
        hint = _BRACKETS if is_sparse and letter in "HZ" else _LETTERS
        if letter == "H":
            place = "after the brackets" if is_sparse else "last"
            raise NotationError(f"H, the feature axis, comes {place}", text, offset, hint=hint)
        if "A" <= letter < "Z":
            hint = f"Did you mean {letter.lower()!r}? {hint}"
        if not ("a" <= letter <= "z"):
            raise NotationError(f"unknown letter {letter!r} in a symmetry type", text, offset, hint=hint)
    if len(axes) > (maximum := limits().axes):
        hint = "Raise the limit with einnet.raise_limits(axes=...)."
        raise NotationError(f"a type has {maximum} axes at most, got {len(axes)}", text, first, first + len(body), hint)
    return {"axes": tuple(axes), "features": features, "batch": batch, "is_sparse": is_sparse}


def _read_brackets(text: str, start: int, axes: str) -> str:
    """The axes within their brackets, which enclose all of them."""
    for bracket, place in (("[", 0), ("]", len(axes) - 1)):
        if bracket not in axes:
            at = start + (len(axes) - 1 if bracket == "]" else 0)
            raise NotationError(f"{bracket!r} is missing", text, at, hint=_BRACKETS)
        if axes.count(bracket) > 1:
            raise NotationError(f"a type has one {bracket!r}", text, start + axes.rindex(bracket), hint=_BRACKETS)
        if axes.index(bracket) != place:
            problem = "brackets enclose all axes of a type, but not H"
            raise NotationError(problem, text, start, start + len(axes), _BRACKETS)
    if axes == "[]":
        raise NotationError("brackets without axes", text, start, start + 2, _BRACKETS)
    return axes[1:-1]


def parse_parts(text: str, spans: Iterable[Span], dependencies: list[Dependency]) -> Iterator[dict[str, Any]]:
    """The fields of the types at these places; each has the dependencies of which it has the child."""
    parts = [_parse_axes(text, *span) for span in spans]
    letters = {x for part in parts for x in part["axes"]}
    for d in dependencies:
        for letter in (d.parent, d.child):
            if letter not in letters:
                hint, start = f"The axes are: {', '.join(sorted(letters)) or 'none'}.", text.index(letter, d.start)
                raise NotationError(f"unknown letter {letter!r} in a dependency", text, start, hint=hint)
    for part in parts:
        axes = part["axes"]
        own = [d for d in dependencies if d.child in axes]
        for d in own:
            problem = f"'{d.child}' depends on '{d.parent}', which"
            if d.parent not in axes:
                hint = "A dependent axis comes with its parent axis."
                raise NotationError(f"{problem} the type '{''.join(axes)}' lacks", text, d.start, hint=hint)
            if axes.count(d.parent) > 1:
                problem += f" occurs twice: which '{d.parent}' does it belong to?"
                raise NotationError(problem, text, d.start, hint=_PARENT)
        pairs = tuple((d.parent, d.child) for d in own)
        yield part | {"dependencies": pairs, "_dependency_set": frozenset(pairs)}


def ancestors_of(letter: str, parents: Mapping[str, str]) -> tuple[str, ...]:
    """The letters that a letter depends on, the outermost first."""
    parent = parents.get(letter)
    return () if parent is None else (*ancestors_of(parent, parents), parent)
