"""All terms of a type or type_set: against the oracle's, each once, as many as are counted, as a stream."""

import tracemalloc
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from einnet import EinNetError, Symmetry, Term, pooling
from einnet.terms import TypeSet, all_terms, count_terms, linear_terms
from oracles.closure import all_terms as literal_terms
from oracles.closure import canonical
from oracles.composition import row_of
from refusals import assert_limited
from strategies import symmetry_texts

STATES = [
    ("a", "aa"),
    ("ab", "aa", "bb"),
    ("a", "ab", "b"),
    ("ab; a->b", "a"),
    ("abc; a->b", "ac", "c"),
    ("a", "aa", "[aa]"),
]


@pytest.mark.parametrize(("text", "order"), [("ab", 3), ("aa", 3), ("ab; a->b", 3), ("abc; a->b", 2), ("abb; a->b", 2)])
def test_the_terms_of_a_type_are_those_of_the_oracle(text, order):
    symmetry, rank = Symmetry(text), len(Symmetry(text).axes)
    results = [canonical(tuple(row_of(t).tolist()), rank, order) for t in all_terms(text, order)]
    assert set(results) == literal_terms(symmetry, order)
    assert len(results) == len(set(results)) == count_terms(text, order)


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("types", STATES, ids=str)
def test_the_terms_of_a_type_set_are_valid_and_as_many_as_counted(types, order):
    type_set = TypeSet.of(types)
    results = list(all_terms(types, order))
    assert len(results) == count_terms(types, order) == len({t.canonical() for t in results})
    for term in results:
        type_set.types_of(term)


def test_linear_maps_of_a_type_set_by_hand():
    """Pairs of types of a graph: a->a 2, a->aa and aa->a 5 each, aa->aa 15."""
    assert count_terms(("a", "aa"), 1) == 2 + 5 + 5 + 15
    assert [count_terms("ab", k) for k in (1, 2, 3, 4, 5)] == [4, 17, 65, 251, 943]


@given(symmetry_texts().map(Symmetry).filter(lambda s: 0 < len(s.axes) <= 3), st.integers(1, 2))
def test_random_types(symmetry, order):
    if count_terms(symmetry, order) < 3000:
        results = list(all_terms(symmetry, order))
        assert len({t.canonical() for t in results}) == len(results) == count_terms(symmetry, order)
        assert all(t.is_valid(symmetry.bare) for t in results)


def test_many_terms_are_a_stream():
    assert count_terms("aa", 6) == 422_824 and count_terms("aa", 5) == 52_505
    tracemalloc.start()
    try:
        first = list(islice(all_terms("aa", 5), 100))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len({t.canonical() for t in first}) == 100
    assert peak < 50e6


def test_too_high_an_order_is_refused_at_once():
    with pytest.raises(EinNetError, match="is 8, more than the limit of 7"):
        next(all_terms("a", 8))
    with pytest.raises(EinNetError, match="is 9, more than the limit of 7"):
        pooling("a", 9, method="recipe")
    assert count_terms("a", 24) > count_terms("a", 8)
    with pytest.raises(EinNetError, match="order is 25, more than the limit of 24"):
        count_terms("a", 25)


@pytest.mark.parametrize(("order", "error"), [(0, EinNetError), (True, TypeError), (1.5, TypeError), ("2", TypeError)])
def test_an_order_that_is_none_is_refused(order, error):
    for act in (lambda: count_terms("ab", order), lambda: next(all_terms("ab", order))):
        with pytest.raises(error, match="order .*got"):
            act()


@pytest.mark.parametrize(("limit", "number", "call"), [
    ("operands", 2, lambda: Term("ab,bc->ac")),
    ("listed_order", 2, lambda: next(all_terms("aa", 2))),
    ("listed_positions", 6, lambda: next(all_terms("aa", 2))),
    ("counted_order", 2, lambda: count_terms("aa", 2)),
    ("counted_positions", 6, lambda: count_terms("aa", 2)),
    ("counted_types", 2 * 3, lambda: count_terms(("a", "aa"), 2)),  # of the output, of two operands
    ("linear_maps", 15, lambda: linear_terms("aa", "aa")),
])  # fmt: skip
def test_a_limit_is_the_largest_number_that_is_accepted(limit, number, call):
    assert_limited(call, limit, number)
