"""`series`: the numbers worked out by hand, and counts and sharing against orbits made entry by entry."""

import time
import tracemalloc
from math import comb

import numpy as np
import pytest
from hypothesis import assume, given, settings
from sympy.functions.combinatorial.numbers import bell, stirling

from einnet import Signature, series
from oracles.series import dof, dof_by_fixed_points, dof_by_null_space, entries, orbits, words
from strategies import series_cases

# --- by hand -------------------------------------------------------------------------------------

HAND = [  # signature, sizes, commutative, free parameters of each order
    ("a ->", {"a": 3}, False, (1, 1, 2)),
    ("aH ->", {"a": 2, "H": 2}, False, (1, 2, 8)),
    ("ab ->", {"a": 2, "b": 2}, False, (1, 1, 4)),
    ("aa ->", {"a": 2}, False, (1, 2, 8)),
    ("aa ->", {"a": 2}, True, (1, 2, 6)),
    ("a -> a", {"a": 3}, False, (1, 2)),
    ("aaaaa ->", {"a": 4}, False, (1, 51)),
    ("aaaaa ->", {"a": 5}, False, (1, 52)),
    ("aaaaa ->", None, False, (1, 52)),
    ("aa -> aa", None, False, (2, 15, 203, 4140)),
    ("->", None, True, (1, 1, 1, 1)),
    ("H -> H", {"H": 3}, False, (3, 9, 27)),
    ("H -> H", {"H": 3}, True, (3, 9, 18)),
    ("a, aa -> a", None, False, (1, 7, 5 + 2 * 15 + 52)),
    ("a, aa -> a", None, True, (1, 7, 4 + 15 + 32)),
    ("a, b ->", None, True, (1, 2, 2 + 2 + 1)),
    ("a, b ->", None, False, (1, 2, 2 + 2 + 1 + 1)),
]  # fmt: skip

LINEAR = {
    "a": 2, "ab": 4, "aa": 15, "aa -> a": 5, "aab": 30, "aaa -> aa": 52, "aaa": 203, "aa ->": 2,
    "ab; a->b": 3, "abc; a->b": 6, "abc; a->b, b->c": 4, "abc; a->b, a->c": 5, "abcd; a->b, c->d": 9,
    "ixjyc; i->x, j->y": 18,
}  # fmt: skip


@pytest.mark.parametrize(("text", "sizes", "commutative", "expected"), HAND)
def test_the_numbers_worked_out_by_hand(text, sizes, commutative, expected):
    s = series(text, len(expected) - 1, sizes, commutative)
    assert s.dof == expected
    assert s.total == sum(expected)


@pytest.mark.parametrize("text", LINEAR)
def test_the_number_of_linear_maps(text):
    s = series(text, 1)
    assert s.dof[1] == len(s.contractions(1)) == LINEAR[text]
    six = dict.fromkeys(Signature(text).classes, 6)
    assert series(text, 1, six).dof[1] == s.dof_at(six)[1] == LINEAR[text]


def test_at_a_size_only_patterns_with_so_many_blocks_exist():
    s = series("aa -> aa", 1)
    assert [s.dof_at({"a": n})[1] for n in range(1, 6)] == [1, 8, 14, 15, 15]
    assert s.dof == (2, 15)


def test_the_sizes_belong_to_the_letters_and_not_to_their_places():
    """`aaab` and `bbba` are one type, but not with the same sizes of a and b."""
    sizes = {"a": 2, "b": 3}
    assert series("aaab ->", 1, sizes).dof == (1, 4)
    assert series("bbba ->", 1, sizes).dof == (1, 5)
    assert series("baaa ->", 1, sizes).dof == (1, 4)


def test_features_multiply_and_count_as_one_unless_given():
    assert series("aH -> aH", 2).dof == series("a -> a", 2).dof
    assert series("aH -> aH", 2, {"a": 4, "H": 3}).dof == (1 * 3, 2 * 9, 5 * 27)
    assert series("aH -> aH", 2, {"H": 3}).dof == (1 * 3, 2 * 9, 5 * 27)
    assert series("aH -> a", 1, {"H": 3}).dof == (1, 2 * 3)


@pytest.mark.parametrize("k", range(7))
def test_commuting_vectors_are_multisets(k):
    """Order k of `a ->` is a partition of the number k; of `H ->` a multiset of k features."""
    partitions = (1, 1, 2, 3, 5, 7, 11)
    assert series("a ->", k, commutative=True).dof[k] == partitions[k]
    assert series("H ->", k, {"H": 4}, commutative=True).dof[k] == comb(k + 3, k)
    assert series("ab; a->b", k).dof[k] == series("ab; a->b", k, dict.fromkeys("ab", k + 1)).dof[k]


# --- against orbits, fixed points and null spaces ------------------------------------------------


@given(series_cases())
def test_counts_and_sharing_are_the_orbits_of_all_entries(case):
    text, order, sizes, commutative = case
    s, signature = series(text, order, sizes, commutative), Signature(text)
    for k in range(order + 1):
        total = 0
        for word in words(signature, k, commutative):
            expected = orbits(signature, word, sizes, commutative)
            sharing = s.sharing(k, word)
            free = expected.max() + 1
            assert sharing.dtype == np.int32 and sharing.shape == expected.shape
            assert len(set(zip(sharing.ravel().tolist(), expected.ravel().tolist(), strict=True))) == free
            assert np.unique(sharing).tolist() == list(range(free))
            total += free
        assert s.dof[k] == total
    assert s.words(order) == tuple(words(signature, order, commutative))


@settings(max_examples=30)
@given(series_cases(entries=250))
def test_counts_are_the_mean_number_of_fixed_entries_over_the_whole_group(case):
    text, order, sizes, commutative = case
    signature = Signature(text)
    assume(all(n < 3 for c, n in sizes.items() if c != "H") or (not signature.dependencies and len(sizes) < 4))
    assert series(text, order, sizes, commutative).dof == tuple(
        dof_by_fixed_points(signature, k, sizes, commutative) for k in range(order + 1)
    )


@settings(max_examples=20)
@given(series_cases(entries=100))
def test_counts_are_the_dimensions_of_the_null_spaces(case):
    text, order, sizes, commutative = case
    signature = Signature(text)
    assert series(text, order, sizes, commutative).dof == tuple(
        dof_by_null_space(signature, k, sizes, commutative) for k in range(order + 1)
    )


TABLE = [
    ("ab; a->b", 2, {"a": 3, "b": 2}), ("ab; a->b", 3, {"a": 2, "b": 2}), ("aab -> b", 2, {"a": 2, "b": 2}),
    ("abc; a->b, b->c", 1, {"a": 2, "b": 2, "c": 2}), ("acH, abH -> aH; a->b, a->c", 2, {"a": 2, "b": 2, "c": 1, "H": 2}),
    ("abbH -> abH; a->b", 1, {"a": 2, "b": 2, "H": 2}), ("aa, a -> aa", 2, {"a": 2}), ("aH, H -> H", 2, {"a": 3, "H": 2}),
    ("aH ->", 3, {"a": 3, "H": 2}), ("aa ->", 3, {"a": 3}),
]  # fmt: skip


@pytest.mark.parametrize("commutative", [False, True])
@pytest.mark.parametrize(("text", "order", "sizes"), TABLE)
def test_counts_of_chosen_types_are_those_of_all_oracles(text, order, sizes, commutative):
    signature = Signature(text)
    s = series(text, order, sizes, commutative)
    assert s.dof[order] == dof(signature, order, sizes, commutative)
    assert s.dof[order] == dof_by_fixed_points(signature, order, sizes, commutative)
    assert s.dof[order] == series(text, order, commutative=commutative).dof_at(sizes)[order]
    if entries(signature, words(signature, order, commutative)[-1], sizes) < 130:
        assert s.dof[order] == dof_by_null_space(signature, order, sizes, commutative)


def test_sharing_of_order_0_has_the_axes_of_the_output():
    assert series("->", 0).sharing(0).shape == ()
    assert series("a ->", 0, {"a": 3}).sharing(0).shape == ()
    assert series("a -> aa", 0, {"a": 3}).sharing(0).tolist() == [[0, 1, 1], [1, 0, 1], [1, 1, 0]]
    assert series("a -> H", 0, {"a": 3, "H": 2}).sharing(0).tolist() == [0, 1]


# --- large ones ----------------------------------------------------------------------------------


def quickest(function, times: int = 3) -> float:
    seconds = []
    for _ in range(times):
        start = time.process_time()
        function()
        seconds.append(time.process_time() - start)
    return min(seconds)


def test_counting_needs_no_enumeration():
    assert quickest(lambda: series("aa -> aa", 3).dof) < 1
    assert series("aa -> aa", 20).dof[20] == bell(42)
    assert series("ab -> ab", 9).dof[9] == bell(10) ** 2
    sized = series("aa ->", 15, {"a": 10**6}).dof[15]
    assert sized == bell(30)
    assert series("aa ->", 10, {"a": 3}).dof[10] == sum(stirling(20, blocks) for blocks in range(4))


def test_the_203_contractions_of_three_joint_axes_are_quick():
    assert len(series("aaa -> aaa", 1).contractions(1)) == 203
    assert quickest(lambda: series("aaa -> aaa", 1).contractions(1)) < 0.1


@pytest.mark.parametrize(
    ("text", "k", "n", "counts"), [("a -> a", 1, 3163, [3163, 3163 * 3162]), ("a -> a", 2, 216, None)]
)
def test_sharing_of_ten_million_entries_is_quick_and_small(text, k, n, counts):
    s = series(text, k, {"a": n})
    tracemalloc.start()
    start = time.process_time()
    shared = s.sharing(k)
    seconds, peak = time.process_time() - start, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    if counts is None:
        counts = [n, *[n * (n - 1)] * 3, n * (n - 1) * (n - 2)]
    assert np.bincount(shared.ravel()).tolist() == counts
    assert seconds < 2
    assert peak < 2**30
