"""Sets of operations of many types, and programs that compose einsums, as stored in tables.txt."""

from collections.abc import Callable
from pathlib import Path

import pytest

from annotations import assert_annotated
from einnet import Term, generates, pooling
from einnet.operations import pooling_terms
from einnet.operations.generators import generators
from einnet.operations.minimal import estimate_hypergraphs
from einnet.operations.pooling_set import needs_symmetric_support, orient
from einnet.operations.words import describe_term
from einnet.terms import TypeSet
from stored import assert_stored, write_tables

FILE = Path(__file__).with_name("tables.txt")
SETS = {  # types, order
    "": 2, "abcd": 2, "aabb": 2, "ab; a->b": 3, "abb; a->b": 2, "[aa]": 4, "[ab]": 4, "[ab]; a->b": 3,
    "a, aa": 3, "a, b, ab": 2, "ab, aa, bb": 3, "ab, a; a->b": 3, "a, [aa]": 4, "a, b, [ab]": 3, "a, [ab]; a->b": 3,
    "aa, [aa]": 3, "ab, [aa]": 2, "[aa], [ab]": 2, "aab, bb": 3, "abc, a": 2, "[abc]": 2, "aaaa": 2, "abcde": 2,
    "abbc; a->b": 2, "abcd; a->b, c->d": 3, "aab, abb": 2, "abc, ad": 2, "ac, [ab]": 3, "aaa, ab": 3,
}  # fmt: skip
OPTIONS = {
    "recipe": ("ab", 4, {"method": "recipe"}), "recipe of lists": ("ab; a->b", 3, {"method": "recipe"}),
    "cheap": ("aa", 5, {"max_exponent": 3}), "cheap pairs": ("ab, aa, bb", 3, {"max_exponent": 2}),
    "targets": ("ab, aa, bb", 5, {"targets": "ab"}), "one target": ("a, aa", 3, {"targets": "a"}),
    "directed": ("[aa]", 3, {"directed": True}), "directed nodes": ("a, [aa]", 3, {"directed": True}),
    "not directed": ("[ab]", 2, {"directed": True}),
}  # fmt: skip
PROGRAMS = {  # operations, a term, types
    "chain": (["ab,bc->ac"], "ab,bc,cd,de->ae", "aa"), "turned": (["ab,bc->ac"], "ba,cb->ca", "aa"),
    "trace": (["ab,bc->ac"], "ab,bc,ca->", ("aa", "")), "vectors": (["a0b0,a0b0->a0b0"], "a0,a0->a0", ("a", "ab")),
    "diagonal": (["ab,ab->ab"], "aa,ab->bb", "aa"), "sums": (["ab,ab->ab"], "ab,ac,ad->ae", "ab"),
    "lists": (["ab,ab->ab"], "ab,ac->ad", "ab; a->b"), "attention": (["ab,cb,cd->ad"], "ab,cb,cd,ed,ef->af", "ab"),
    "sparse": (["[ab],[ab]->[ab]", "[ab],[bc]->[ac]"], "[ab],[bc],[ac]->[ac]", "[aa]"),
    "messages": (["[a0a1],[a0a1]->[a0a1]"], "a0,[a0a1]->a1", ("a", "[aa]")),
    "alone": ([], "ab->cc", "aa"), "none": (["ab,ab->ab"], "ab,bc->ac", "aa"), "as it is": ([], "ab->ab", "ab"),
    "square": (["ab,bc->ac", "ab,ab->ab"], "ab,bc,cd,da->ac", "aa"), "scalars": (["a,a->a"], "a,b->c", "a"),
}  # fmt: skip
SUPPORTS = ("[aa]", "a, [aa]", "[ab]", "a, b, [ab]")


def describe_sets(types: str) -> str:
    """The default sets, their order-1 terms in all orders, and which of them need a symmetric support."""
    type_set, lines = TypeSet.of(types), []
    for symmetric in (False, True):
        terms = pooling_terms(types, symmetric=symmetric)
        lines.append(f"{'  '.join(map(str, terms))}  {needs_symmetric_support(terms, type_set)}")
    first = generators(types)
    lines += ["  ".join(map(str, first)), "  ".join(map(str, orient(first, type_set)))]
    return "\n".join([*lines, f"{needs_symmetric_support(first, type_set)}"])


def describe_program(ops: list[str], term: str, types: object) -> str:
    return str(generates(ops, term, types))


CASES: dict[str, Callable[[], object]] = {
    **{f"set {types}": lambda t=types, k=order: pooling(t, k) for types, order in SETS.items()},
    **{name: lambda t=types, k=order, o=more: pooling(t, k, **o) for name, (types, order, more) in OPTIONS.items()},
    **{f"program {name}": lambda p=program: describe_program(*p) for name, program in PROGRAMS.items()},
    **{f"support {types}": lambda t=types: describe_sets(t) for types in SUPPORTS},
    "default sets": lambda: "\n".join(f"{t}: {'  '.join(map(str, pooling_terms(t)))}" for t in SETS if t != "abcde" and ("aa" not in t or "[" in t)),
    "estimates": lambda: "\n".join(f"{t}: {[estimate_hypergraphs(TypeSet.of(t), k) for k in range(2, 6)]}" for t in SETS),
    "words": lambda: "\n".join(f"{t}: {describe_term(Term(str(t)))}" for t in pooling("aab", 3)),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_table_is_the_stored_one(name):
    assert_stored(FILE, name, CASES[name]())


def test_functions_return_what_they_are_annotated_with():
    assert_annotated("einnet.operations", {n: c for n, c in CASES.items() if not n.startswith(("set a", "default"))})


if __name__ == "__main__":
    write_tables(FILE, CASES)
