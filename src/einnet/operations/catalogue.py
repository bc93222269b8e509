"""The minimal sets of the common types, stored next to this file.

`python -m einnet.operations` computes them again and writes the file; a test compares.
"""

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from einnet.operations.generators import generators
from einnet.operations.minimal import indecomposable_terms
from einnet.terms.term import Term
from einnet.terms.type_set import TypeSet

__all__ = ["FILE", "compute_operations", "format_catalogue", "read_operations"]

FILE = Path(__file__).with_name("catalogue.json")

ORDERS = {  # the highest stored order of each type
    "": 3, "a": 8, "ab": 8, "aa": 8, "abc": 5, "aab": 5, "aaa": 5, "abcd": 3, "aabb": 3,
    "ab; a->b": 8, "abc; a->b": 5, "abb; a->b": 4, "abc; a->b, a->c": 5, "abc; a->b, b->c": 8, "abcd; a->b, c->d": 4,
    "ixjyc; i->x, j->y": 3,
}  # fmt: skip


def compute_operations(type_set: TypeSet, order: int) -> tuple[Term, ...]:
    """The operations of one order, computed."""
    return generators(type_set) if order == 1 else tuple(indecomposable_terms(type_set, order))


@lru_cache(maxsize=64)
def read_operations(type_set: TypeSet) -> Mapping[int, tuple[Term, ...]]:
    """The stored operations of a type by order; empty if none are stored."""
    return {int(k): tuple(map(Term, terms)) for k, terms in _read().get(type_set.canonical(), {}).items()}


@lru_cache(maxsize=1)
def _read() -> dict[TypeSet, dict[str, list[str]]]:
    content = json.loads(FILE.read_text(encoding="utf-8"))
    return {TypeSet.of(types).canonical(): by_order for types, by_order in content.items()}


def format_catalogue() -> str:
    """The content of the file, computed."""
    sets = {
        types: {str(k): [str(t) for t in compute_operations(TypeSet.of(types), k)] for k in range(1, highest + 1)}
        for types, highest in ORDERS.items()
    }
    return json.dumps(sets, indent=1) + "\n"
