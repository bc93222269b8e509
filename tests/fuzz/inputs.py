"""Hostile inputs: valid ones that were mutated, and arbitrary text, bytes and JSON."""

import json
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

__all__ = ["as_json", "mutate", "mutate_json"]

NUMBERS = st.sampled_from([0, 1, -1, 2, 7, 255, 2**16, 2**31, 2**53, 2**63, 2**64, 10**30])
LEAVES = st.one_of(
    st.none(), st.booleans(), NUMBERS, st.integers(), st.floats(), st.text(max_size=8), st.just([]), st.just({})
)
VALUES = st.recursive(LEAVES, lambda v: st.lists(v, max_size=4) | st.dictionaries(st.text(max_size=4), v, max_size=4))
DEEP = st.sampled_from([10, 1000, 100_000]).map(lambda n: "[" * n + "]" * n)


@st.composite
def mutate(draw: Any, seeds: Sequence[Any], words: Sequence[Any], edits: int = 4) -> Any:
    """A seed (all texts, or all bytes) in which pieces were removed, repeated, or replaced by words, other seeds' parts
    or anything."""
    value = draw(st.sampled_from(seeds))
    anything = st.text(max_size=6) if isinstance(value, str) else st.binary(max_size=6)
    pieces = st.one_of(st.sampled_from(words), anything, st.sampled_from(seeds))
    for _ in range(draw(st.integers(0, edits))):
        start = draw(st.integers(0, len(value)))
        stop = draw(st.integers(start, min(len(value), start + draw(st.sampled_from([0, 1, 4, 1000])))))
        times = draw(st.sampled_from([1, 1, 1, 2, 9, 100]))
        piece = draw(st.one_of(pieces, st.just(value[start:stop])))
        value = value[:start] + piece * times + value[stop:]
        value = value[:20_000]
    return value


@st.composite
def mutate_json(draw: Any, seeds: Sequence[Any], edits: int = 3) -> Any:
    """A JSON value in which values, somewhere, were replaced, removed or repeated, or come under another name."""
    value = json.loads(json.dumps(draw(st.sampled_from(seeds))))
    for _ in range(draw(st.integers(0, edits))):
        value = _edit(draw, value)
    return value


def _edit(draw: Any, value: Any) -> Any:
    if not isinstance(value, list | dict) or not value or draw(st.integers(0, 5)) == 0:
        return draw(st.one_of(VALUES, st.just([value]), st.just({"": value})))
    keys = list(range(len(value))) if isinstance(value, list) else list(value)
    key = draw(st.sampled_from(keys))
    kind = draw(st.sampled_from(["within", "within", "within", "removed", "added"]))
    if kind == "within":
        value[key] = _edit(draw, value[key])
    elif kind == "removed":
        del value[key]
    elif isinstance(value, list):
        value += [value[key]] * draw(st.sampled_from([1, 2, 40]))
    else:
        value[draw(st.text(max_size=4))] = value[key]
    return value


def as_json(seeds: Sequence[Any], words: Sequence[str] = ()) -> SearchStrategy[bytes]:
    """The text of mutated JSON values, mutated texts of them, and what is no JSON at all."""
    texts = [json.dumps(s) for s in seeds]
    punctuation = [
        *words,
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        '"',
        "null",
        "NaN",
        "Infinity",
        "-",
        "1e999",
        "\\ud800",
        "\x00",
    ]
    return st.one_of(
        mutate_json(seeds).map(json.dumps).map(_encode),
        mutate(texts, punctuation).map(_encode),
        DEEP.map(_encode),
        st.binary(max_size=60),
    )


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
