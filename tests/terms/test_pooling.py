"""`pooling`: a set by order, its table, and what it refuses."""

import time
from collections import Counter

import networkx as nx
import pytest

from einnet import EinNetError, Symmetry, Term, pooling
from einnet.cli import main
from einnet.terms.enumeration import all_terms, count_terms
from einnet.terms.recipe import recipe
from oracles.closure import all_terms, canonical

NUMBERS = {  # as in docs/pooling.md, from order 2 on
    "a": (1, 0, 0, 0, 0, 0, 0), "ab": (1, 1, 0, 2, 0, 5, 5), "aa": (2, 0, 0, 1, 0, 2), "abc": (1, 7, 20),
    "aab": (2, 5, 20), "aaa": (2, 4), "abc; a->b": (1, 2, 0),
}  # fmt: skip


@pytest.mark.parametrize("text", NUMBERS)
def test_the_numbers_of_the_documentation(text):
    found = pooling(text, len(NUMBERS[text]) + 1)
    assert tuple(len(found.by_order[k]) for k in range(2, found.order + 1)) == NUMBERS[text]
    assert len(found) == len(found.terms) == len(found.by_order[1]) + sum(NUMBERS[text])


STAGES = {  # unique terms, with dependencies, no pointwise products, no swaps, no broadcasts
    "ab": {2: (17, 17, 8, 8, 1), 3: (65, 65, 17, 17, 1), 4: (251, 251, 50, 50, 5), 5: (943, 943, 146, 146, 22)},
    "aa": {3: (877, 877, 237, 46, 14), 4: (6719, 6719, 1436, 144, 50)},
    "ab; a->b": {2: (17, 9, 4, 4, 1)},
}


@pytest.mark.parametrize("text", STAGES)
def test_the_recipe_keeps_what_the_source_text_says(text):
    found = pooling(text, max(STAGES[text]), method="recipe")
    for order, stages in STAGES[text].items():
        assert found.stages[order] == stages
        assert len({t.canonical() for t in found.by_order[order]}) == stages[-1]


def test_the_recipe_at_order_5_of_relations():
    terms, stages = recipe(Symmetry("aa"), 5)
    assert stages == (52505, 52505, 9699, 523, 202)
    turned = {Term.of(map(sorted, t.operands), sorted(t.output)).canonical() for t in terms}
    assert any(nx.is_isomorphic(graph_of(t), nx.complete_graph(4)) for t in turned)


def graph_of(term: Term) -> nx.Graph:
    """The operands and the output as edges, a doubled edge as a loop more."""
    edges = [*term.operands, term.output]
    return nx.Graph([*edges, *((a, a) for (a, _), n in Counter(edges).items() if n > 1)])


@pytest.mark.parametrize(("text", "order"), [("ab", 3), ("aa", 3), ("ab; a->b", 3), ("abc; a->b", 2), ("abb; a->b", 2)])
def test_unique_terms_are_those_of_the_oracle(text, order):
    rows = unique_terms(Symmetry(text), order)
    assert {canonical(tuple(r), len(Symmetry(text).axes), order) for r in rows.tolist()} == all_terms(
        Symmetry(text), order
    )
    assert len(rows) == count_terms(Symmetry(text), order)


def test_too_many_terms_for_the_recipe_are_refused():
    with pytest.raises(EinNetError, match="has 422,824 terms of order 6, more than the 100,000 that are gone through"):
        pooling("aa", 6, method="recipe")
    with pytest.raises(EinNetError, match="method must be 'minimal' or 'recipe', got 'table'"):
        pooling("aa", 2, method="table")


def test_features_and_letters_do_not_matter():
    assert pooling("xyH", 3) == pooling(Symmetry("ab"), 3)
    assert pooling("xyH", 3).symmetry == Symmetry("ab")


@pytest.mark.parametrize(("text", "order", "seconds"), [("ab", 5, 1), ("aa", 4, 1), ("aa", 5, 20), ("ab", 7, 60)])
def test_it_is_quick(text, order, seconds):
    start = time.perf_counter()
    pooling(text, order)
    assert time.perf_counter() - start < seconds


@pytest.mark.parametrize("order", [0, -1, 2.0, True])
def test_an_order_that_is_none_is_refused(order, capsys):
    with pytest.raises(EinNetError, match="order is the largest number of operands, 1 or more; got"):
        pooling("ab", order)


def test_wrong_input_at_the_command_line(capsys):
    assert main(["pool", "aB"]) == 2
    assert "unknown letter 'B'" in capsys.readouterr().err
