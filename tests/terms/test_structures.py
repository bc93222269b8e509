"""`indecomposable`: the sets that the theory states, and the literal definition on small types."""

import numpy as np
import pytest

from einnet import Symmetry, Term
from einnet.terms.minimal import indecomposable
from oracles.closure import all_terms, canonical, maximal_classes, splits

COUNTS = {  # of order 2, 3, ...
    "a": (1, 0, 0, 0, 0), "ab": (1, 1, 0, 2, 0), "aa": (2, 0, 0, 1, 0), "ab; a->b": (1, 0, 0, 0),
    "abc": (1, 7), "aab": (2, 5), "abc; a->b": (1, 2), "ixjyc; i->x, j->y": (1,),
}  # fmt: skip


@pytest.mark.parametrize("text", COUNTS)
def test_how_many_operations_no_lower_order_composes(text):
    found = [indecomposable(Symmetry(text), order) for order in range(2, 2 + len(COUNTS[text]))]
    assert tuple(map(len, found)) == COUNTS[text]
    for terms in found:
        assert all(t.is_valid(Symmetry(text)) for t in terms)
        assert len({t.canonical() for t in terms}) == len(terms)


def test_the_sets_of_relations_and_matrices():
    assert [str(t) for k in (2, 5) for t in indecomposable(Symmetry("aa"), k)] == [
        "ab,ab->ab", "ab,bc->ac", "ab,ac,bc,bd,cd->ad",
    ]  # fmt: skip
    assert [str(t) for k in (2, 3) for t in indecomposable(Symmetry("ab"), k)] == ["ab,ab->ab", "ab,cb,cd->ad"]
    expected = {Term(t).canonical() for t in ("ab,ac,db,dc,de->ae", "ab,ac,db,dc,ec->eb")}
    assert {t.canonical() for t in indecomposable(Symmetry("ab"), 5)} == expected


def row_of(term: Term) -> tuple[int, ...]:
    names = [*term.output, *(i for t in term.operands for i in t)]
    return canonical(tuple(names), len(term.output), term.order)


@pytest.mark.parametrize(
    ("text", "order"),
    [("a", 2), ("ab", 2), ("ab", 3), ("aa", 2), ("aa", 3), ("ab; a->b", 2), ("ab; a->b", 3), ("abc", 2), ("abc", 3),
     ("abc; a->b", 2), ("abc; a->b", 3), ("abc; a->b, b->c", 3), ("abc; a->b, a->c", 2), ("ab", 4)],
)  # fmt: skip
def test_one_of_each_maximal_class_of_the_literal_definition(text, order):
    symmetry = Symmetry(text)
    classes = maximal_classes(symmetry, order)
    found = [row_of(t) for t in indecomposable(symmetry, order)]
    assert len(found) == len(classes)
    for members in classes:
        assert len(members & set(found)) == 1


@pytest.mark.parametrize(("text", "counts"), [("ab", (4, 17, 65, 251)), ("aa", (15, 117, 877))])
def test_the_oracle_has_all_terms(text, counts):
    assert tuple(len(all_terms(Symmetry(text), k)) for k in range(1, len(counts) + 1)) == counts


def test_the_oracle_can_tell_a_split():
    path = canonical(tuple(np.array([0, 3, 0, 1, 1, 2, 2, 3]).tolist()), 2, 3)  # X Y Z
    assert splits(path, Symmetry("aa"), 3)
