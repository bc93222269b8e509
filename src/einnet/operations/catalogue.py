"""The minimal sets of the common types, computed once and stored beside this file.

`python -m einnet.operations` computes them anew and writes the file; a test compares.
"""

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from einnet.operations.minimal import generators, indecomposable
from einnet.terms.term import Term
from einnet.terms.type_set import TypeSet

__all__ = ["FILE", "computed", "stored", "text"]

FILE = Path(__file__).with_name("catalogue.json")

ORDERS = {  # up to which order each type is stored
    "": 3, "a": 8, "ab": 8, "aa": 8, "abc": 4, "aab": 4, "aaa": 4, "abcd": 3, "aabb": 3,
    "ab; a->b": 8, "abc; a->b": 5, "abb; a->b": 4, "abc; a->b, a->c": 5, "abc; a->b, b->c": 8, "abcd; a->b, c->d": 4,
    "ixjyc; i->x, j->y": 3,
}  # fmt: skip


def computed(type_set: TypeSet, order: int) -> tuple[Term, ...]:
    """The operations of one order, found by the algorithm."""
    return generators(type_set) if order == 1 else tuple(indecomposable(type_set, order))


def stored(type_set: TypeSet) -> Mapping[int, tuple[Term, ...]]:
    """The operations by order of a type whose set is stored; empty for another."""
    known = _types().get(type_set.canonical())
    return {} if known is None else _parsed(known)


@lru_cache(maxsize=1)
def _types() -> dict[TypeSet, str]:
    return {TypeSet.of(t).canonical(): t for t in ORDERS}


@lru_cache(maxsize=1)
def _read() -> dict[str, dict[str, list[str]]]:
    return json.loads(FILE.read_text())


@lru_cache(maxsize=len(ORDERS))
def _parsed(text: str) -> Mapping[int, tuple[Term, ...]]:
    return {int(k): tuple(map(Term, terms)) for k, terms in _read()[text].items()}


def text() -> str:
    """The whole catalogue, computed, as it is written to the file."""
    sets = {
        t: {str(k): [str(x) for x in computed(TypeSet.of(t), k)] for k in range(1, most + 1)}
        for t, most in ORDERS.items()
    }
    return json.dumps(sets, indent=1) + "\n"
