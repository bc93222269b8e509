"""A type or an order that would explode is refused before time or memory is spent, with the number and what to do."""

import gzip
import time

import pytest

import einnet
from einnet import EinNetError, Symmetry, Term
from einnet.errors import DataError
from einnet.nn import EinLayer, EinLinear, EinNet, EinPool
from einnet.operations.minimal import _grow, estimate_hypergraphs, indecomposable_terms
from einnet.tasks.graphs.pairs import read_pairs
from einnet.tasks.kg.data import KnowledgeGraph
from einnet.tasks.sudoku.boards import read_file
from einnet.terms import all_terms, count_terms, linear_terms
from einnet.terms.type_set import TypeSet

EXPLODING = [  # call, key phrase
    (lambda: einnet.pooling("abcdefg", order=3), "3,287,052"),
    (lambda: einnet.pooling("aaa", 6), "4,722,883"),
    (lambda: einnet.pooling("aaaa", 4), "903,251"),
    (lambda: einnet.pooling(("ab", "aa", "bb"), 6), "1,500,000"),
    (lambda: einnet.pooling("aa", 10**9), "24"),
    (lambda: einnet.pooling("aa", 6, method="recipe"), "422,824"),
    (lambda: einnet.series("aaaa -> aaaa", order=3).contractions(3), "10,480,142,147"),
    (lambda: einnet.series("aa", order=1, sizes={"a": 10**9}).sharing(1), "entries"),
    (lambda: linear_terms("aaaaa", "aaaaa"), "115,975 linear maps"),
    (lambda: linear_terms("a" * 60, "a" * 60), "5.1e.145 linear maps"),
    (lambda: EinLinear("aaaaaH -> aaaaaH", 1, 1), "115,975 linear maps"),
    (lambda: EinNet("aH -> aaaaaaaaaH", 1, 1), "linear maps"),
    (lambda: EinNet("a" * 20 + "H", 1, 1), "order 2 of 'aaaaaaaaaaaaaaaaaaaa'"),
    (lambda: EinLayer("abcdefghijklmnopqrstH", 4), "lower the order"),
    (lambda: EinPool([",".join(["ab"] * 1000) + "->ab"]), "1,000 operands"),
    (
        lambda: einnet.generates(["ab,ab->ab"], ",".join(["ab"] * 70) + "->ab", "ab"),
        "70 operands",
    ),
    (lambda: count_terms("aa", 24), "50 index positions"),
    (lambda: next(all_terms("aaaaaaaa", 7)), "64 index positions"),
    (lambda: Symmetry("a" * 65), "got 65"),
    (lambda: Term(",".join(f"a{i}b{i}" for i in range(290)) + "->").canonical(), "symmetric"),
]


@pytest.mark.parametrize(("call", "phrase"), EXPLODING, ids=[str(k) for k in range(len(EXPLODING))])
def test_what_would_explode_is_refused_at_once(call, phrase):
    started = time.process_time()
    with pytest.raises(EinNetError, match=phrase):
        call()
    assert time.process_time() - started < 1


def test_a_small_file_that_expands_is_refused(tmp_path):
    file = tmp_path / "puzzles.txt.gz"
    file.write_bytes(gzip.compress(b"." * 2**27))
    with pytest.raises(DataError, match="puzzles.txt.gz .*100"):
        read_file(file)


def test_a_graph_that_memory_does_not_hold_is_refused():
    facts = [(f"person{k}", f"knows{k}", "ann") for k in range(2000)]
    graph = KnowledgeGraph.of({"train": facts, "valid": [], "test": []}, "crowd")
    with pytest.raises(DataError, match="8,008,002,000"):
        graph.tensor(graph.train)


def test_a_long_line_of_graph6_is_refused(tmp_path):
    (tmp_path / "large.g6").write_text("~" + "?" * 10**6 + "\nC~\n")
    with pytest.raises(DataError, match="graph 1.*1,000,001"):
        read_pairs(tmp_path / "large.g6")


@pytest.mark.parametrize(
    ("types", "order"),
    [("aa", 6), ("ab", 7), ("aaa", 3), ("abc", 4), ("abcd", 3), ("aab", 4), ("aabb", 2), (("a", "aa"), 4),
     (("ab", "aa", "bb"), 3), ("ab; a->b", 6), ("abc; a->b", 4), ("abb; a->b", 4), ("abc; a->b, b->c", 6)],
)  # fmt: skip
def test_the_number_of_hypergraphs_is_estimated_from_above(types, order):
    type_set = TypeSet.of(types)
    assert max(len(_grow(type_set, order + 1)), 1) <= estimate_hypergraphs(type_set, order + 1)


def test_what_is_not_refused_is_found():
    assert len(indecomposable_terms("aa", 6)) == 0
    assert len(linear_terms("aaaa", "aaaa")) == 4140
    assert len(EinLinear("aaaaH -> aaaaH", 1, 1).plans[0].terms) == 4140
