"""Reading the notation of symmetry types: axes, dependencies, and errors with a caret."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from einnet.checks import check_text
from einnet.errors import NotationError
from einnet.limits import limits

__all__ = ["Dependency", "ancestors_of", "check_letters", "check_parent", "parse_axes", "split_dependencies"]

_HINT = "Write one lowercase letter for each permuted axis and H for the features, last: 'abH', 'aaH', 'abcH; a->b'."


@dataclass(frozen=True)
class Dependency:
    parent: str
    child: str
    start: int  # its position in the text, for the caret


def split_dependencies(text: str) -> tuple[str, list[Dependency]]:
    """The notation before the semicolon, and the dependencies after it."""
    check_text(text, "a symmetry type or signature", "aaH -> aH")
    head, semicolon, tail = text.partition(";")
    dependencies: list[Dependency] = []
    start = len(head) + 1
    for part in tail.split(",") if semicolon else []:
        match = re.fullmatch(r"\s*([a-z])\s*->\s*([a-z])\s*", part)
        if not match:
            hint = "For example 'abH; a->b': each a has its own list of b. Several are separated by commas."
            blank = len(part) - len(part.lstrip())
            raise NotationError("a dependency is written parent->child", text, start + blank, start + len(part), hint)
        dependency = Dependency(match[1], match[2], start + match.start(1))
        if any(d.child == dependency.child for d in dependencies):
            hint = "Dependencies form a forest: one parent for each letter."
            stop = start + len(part.rstrip())
            raise NotationError(f"'{dependency.child}' has two parents", text, dependency.start, stop, hint)
        dependencies.append(dependency)
        start += len(part) + 1
    parents = {d.child: d.parent for d in dependencies}
    for d in dependencies:
        seen, letter = {d.child}, d.parent
        while letter in parents and letter not in seen:
            seen.add(letter)
            letter = parents[letter]
        if letter in seen:
            hint = "Dependencies form a forest: start from a letter that depends on nothing."
            raise NotationError("the dependencies form a cycle", text, d.start, d.start + 1, hint)
    return head, dependencies


def parse_axes(text: str, start: int, stop: int) -> tuple[tuple[str, ...], bool, bool]:
    """The axes of the type at text[start:stop], and whether it has features and batch axes."""
    part = text[start:stop]
    first = start + len(part) - len(part.lstrip())
    body = part.strip()
    batch, features = body.startswith("Z"), body.endswith("H")
    axes = body[batch : len(body) - features]
    if odd := re.search(r"\s|[^\w\s]", body):
        raise NotationError(
            f"{odd.group()!r} has no meaning within a type",
            text,
            first + odd.start(),
            hint="Inputs are separated by ',', the arrow is '->', dependencies come after ';': 'aH, abH -> aH; a->b'.",
        )
    for offset, letter in enumerate(axes, start=first + batch):
        if letter == "H":
            raise NotationError("H, the feature axis, comes last", text, offset, hint=_HINT)
        if not ("a" <= letter <= "z"):
            raise NotationError(f"unknown letter {letter!r} in a symmetry type", text, offset, hint=_HINT)
    if len(axes) > (maximum := limits().axes):
        hint = "Raise the limit with einnet.raise_limits(axes=...)."
        raise NotationError(f"a type has {maximum} axes at most, got {len(axes)}", text, first, first + len(body), hint)
    return tuple(axes), features, batch


def check_letters(text: str, dependencies: list[Dependency], letters: set[str]) -> None:
    """Raises unless all letters of the dependencies are axes."""
    for d in dependencies:
        for letter in (d.parent, d.child):
            if letter not in letters:
                at = text.index(letter, d.start)
                raise NotationError(
                    f"unknown letter {letter!r} in a dependency",
                    text,
                    at,
                    hint=f"The axes are: {', '.join(sorted(letters)) or 'none'}.",
                )


def check_parent(text: str, d: Dependency, axes: tuple[str, ...]) -> None:
    """Raises unless a type that has the child of a dependency has the parent once."""
    if d.parent not in axes:
        raise NotationError(
            f"'{d.child}' depends on '{d.parent}', which the type '{''.join(axes)}' lacks",
            text,
            d.start,
            hint="A dependent axis comes with its parent axis.",
        )
    if axes.count(d.parent) > 1:
        raise NotationError(
            f"'{d.child}' depends on '{d.parent}', which occurs twice: which '{d.parent}' does it belong to?",
            text,
            d.start,
            hint="A parent letter occurs once in a type that has its child: give the second axis a letter of its own.",
        )


def ancestors_of(letter: str, parents: Mapping[str, str]) -> tuple[str, ...]:
    """The letters that a letter depends on, the outermost first."""
    chain: list[str] = []
    while (letter := parents.get(letter, "")) != "":
        chain.insert(0, letter)
    return tuple(chain)
