"""A type or an order that would explode is refused before time or memory is spent, with the number and what to do."""

import gzip
import time

import pytest

import einnet
from einnet import EinNetError, Symmetry, Term
from einnet.errors import DataError
from einnet.nn import EinLayer, EinLinear, EinNet, EinPool
from einnet.operations.minimal import _grown, expected, indecomposable
from einnet.tasks.graphs.data import read_pairs
from einnet.tasks.kg.data import KnowledgeGraph
from einnet.tasks.sudoku.boards import read_file
from einnet.terms import all_terms, count_terms, linear_terms
from einnet.terms.type_set import State

STRUCTURES = "structures of operands and output, more than the 500,000 that are gone through: lower the order"
EXPLODING = [
    (lambda: einnet.pooling("abcdefg", order=3), f"order 3 of 'abcdefg' has 3,287,052 {STRUCTURES}"),
    (lambda: einnet.pooling("aaa", 6), f"order 6 of 'aaa' has 4,722,883 {STRUCTURES}"),
    (lambda: einnet.pooling("aaaa", 4), f"order 4 of 'aaaa' has 903,251 {STRUCTURES}"),
    (lambda: einnet.pooling(("ab", "aa", "bb"), 6), "structures of operands and output, more than the 1,500,000"),
    (lambda: einnet.pooling("aa", 10**9), "order is the largest number of operands, up to 24; got 1000000000"),
    (lambda: einnet.pooling("aa", 6, method="recipe"), "has 422,824 terms of order 6, more than the 100,000 that are"),
    (lambda: einnet.series("aaaa -> aaaa", order=3).contractions(3), "has 10,480,142,147 patterns, more than"),
    (lambda: einnet.series("aa", order=1, sizes={"a": 10**9}).sharing(1), "entries, more than the 134,217,728"),
    (lambda: linear_terms("aaaaa", "aaaaa"), "has 115,975 linear maps, more than the 10,000 that are gone through"),
    (lambda: linear_terms("a" * 60, "a" * 60), "has about 5.1e.145 linear maps, .*: use types of fewer axes"),
    (lambda: EinLinear("aaaaaH -> aaaaaH", 1, 1), "has 115,975 linear maps"),
    (lambda: EinNet("aH -> aaaaaaaaaH", 1, 1), "linear maps, more than the 10,000"),
    (lambda: EinNet("a" * 20 + "H", 1, 1), f"order 2 of 'aaaaaaaaaaaaaaaaaaaa' has .* {STRUCTURES}"),
    (lambda: EinLayer("abcdefghijklmnopqrstH", 4), STRUCTURES),
    (lambda: EinPool([",".join(["ab"] * 1000) + "->ab"]), "a term has 1,000 operands, more than the 300"),
    (
        lambda: einnet.generates(["ab,ab->ab"], ",".join(["ab"] * 70) + "->ab", "ab"),
        "has 70 operands, more than the 64",
    ),
    (lambda: count_terms("aa", 24), "has 50 index positions of one class, more than the 34 that are gone through"),
    (lambda: next(all_terms("aaaaaaaa", 7)), "have 64 index positions, more than the 24"),
    (lambda: Symmetry("a" * 65), "a type has 64 axes at most, as tensors have; got 65"),
    (lambda: Term(",".join(f"a{i}b{i}" for i in range(290)) + "->").canonical(), "is too symmetric: more than .* ways"),
]


@pytest.mark.parametrize(("call", "message"), EXPLODING, ids=[str(k) for k in range(len(EXPLODING))])
def test_what_would_explode_is_refused_at_once(call, message):
    started = time.process_time()
    with pytest.raises(EinNetError, match=message):
        call()
    assert time.process_time() - started < 1


def test_a_small_file_that_expands_is_refused(tmp_path):
    file = tmp_path / "puzzles.txt.gz"
    file.write_bytes(gzip.compress(b"." * 2**27))
    with pytest.raises(DataError, match="puzzles.txt.gz expands to more than 100 times its size"):
        read_file(file)


def test_a_graph_that_memory_does_not_hold_is_refused():
    facts = [(f"person{k}", f"knows{k}", "ann") for k in range(2000)]
    graph = KnowledgeGraph.of({"train": facts, "valid": [], "test": []}, "crowd")
    with pytest.raises(
        DataError, match="crowd has 2,001 entities and 2,000 relations, a tensor of 8,008,002,000 cells"
    ):
        graph.tensor(graph.train)


def test_a_long_line_of_graph6_is_refused(tmp_path):
    (tmp_path / "large.g6").write_text("~" + "?" * 10**6 + "\nC~\n")
    with pytest.raises(
        DataError, match="graph 1: 1,000,001 characters, graphs of up to 1,000 nodes have 83,300 at most"
    ):
        read_pairs(tmp_path / "large.g6")


@pytest.mark.parametrize(
    ("types", "order"),
    [("aa", 6), ("ab", 7), ("aaa", 3), ("abc", 4), ("abcd", 3), ("aab", 4), ("aabb", 2), (("a", "aa"), 4),
     (("ab", "aa", "bb"), 3), ("ab; a->b", 6), ("abc; a->b", 4), ("abb; a->b", 4), ("abc; a->b, b->c", 6)],
)  # fmt: skip
def test_the_number_of_structures_is_estimated_from_above(types, order):
    state = State.of(types)
    assert max(len(_grown(state, order + 1)), 1) <= expected(state, order + 1)


def test_what_is_not_refused_is_found():
    assert len(indecomposable("aa", 6)) == 0
    assert len(linear_terms("aaaa", "aaaa")) == 4140
    assert len(EinLinear("aaaaH -> aaaaH", 1, 1).plans[0].terms) == 4140
