"""What `series` refuses: the class of the error and a key phrase of its message."""

import re
import time
import tracemalloc

import numpy as np
import pytest
import torch

from einnet import EinNetError, series, series_of
from einnet.errors import NotationError, ShapeError
from einnet.limits import raise_limits
from refusals import assert_limited, assert_refused

SIZES = [  # signature, sizes, key phrase
    ("ab -> a", {"a": 3}, "the size of 'b'"),
    ("abc ->", {"a": 3}, "the size of 'b', 'c'"),
    ("a -> b", {"a": 3, "H": 2}, "the size of 'b'"),
    ("ab ->", {"a": 3, "c": 2}, "'c'"),
    ("->", {"a": 3}, "'a'"),
    ("a ->", {"a": 0}, "axis 'a' must be .* got 0"),
    ("a ->", {"a": -2}, "axis 'a' must be .* got -2"),
    ("aH ->", {"H": 0}, "axis 'H' must be .* got 0"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "sizes", "phrase"), SIZES)
def test_sizes_that_do_not_fit_are_named(text, sizes, phrase):
    with pytest.raises(ShapeError, match=phrase):
        series(text, 1, sizes)


@pytest.mark.parametrize("size", [3.5, True, "3", None])
def test_a_size_is_a_whole_number(size):
    with pytest.raises(TypeError, match=f"axis 'a' must be .* got {size!r}"):
        series("a ->", 1, {"a": size})


def test_sizes_asked_for_later_are_checked_too():
    s = series("ab -> a", 1)
    with pytest.raises(ShapeError, match="size of 'b'"):
        s.dof_at({"a": 3})
    with pytest.raises(ShapeError, match="'a', 'b'"):
        s.dof_at({})
    with pytest.raises(ShapeError, match="axis 'b' must be .* got 0"):
        s.dof_at({"a": 3, "b": 0})
    with pytest.raises(ShapeError, match="'x'"):
        s.dof_at({"a": 3, "b": 2, "x": 1})


def test_a_numpy_integer_is_a_size():
    assert series("aa -> aa", 1, {"a": np.int64(2)}).dof == (2, 8)


@pytest.mark.parametrize("order", [1.5, "2", None, True])
def test_an_order_is_a_whole_number(order):
    with pytest.raises(TypeError, match=f"order .*got {order!r}"):
        series("a ->", order)


@pytest.mark.parametrize("order", [-1, 301])
def test_an_order_is_within_the_limit(order):
    with pytest.raises(EinNetError, match=f"order must be from 0 to 300, got {order}"):
        series("a ->", order)


def test_limits_can_be_raised():
    with raise_limits(series_order=301):
        assert series("->", 301).order == 301
    with raise_limits(partitions=10), pytest.raises(EinNetError, match="15 partitions, more than the limit of 10"):
        series("aa -> aa", 1).contractions(1)


@pytest.mark.parametrize(("limit", "number", "call"), [
    ("index_positions", 5, lambda: series("aa -> a", 2).dof),
    ("index_positions_commutative", 5, lambda: series("aa -> a", 2, commutative=True).dof),
    ("commuting_operands", 2, lambda: series("aa -> a", 2, commutative=True).dof),
    ("coefficient_entries", 3**4, lambda: series("aa", 1, sizes={"a": 3}).sharing(1)),
    ("basis_change_entries", 1 + 2, lambda: series("a -> a", 1).to_contraction([1, 2, 3])),  # a partition, the coarser
    ("orbit_entries", 3**2, lambda: series_of([[1, 2, 0], [1, 0, 2]], 2).sharing(2)),
])  # fmt: skip
def test_a_limit_is_the_largest_number_that_is_accepted(limit, number, call):
    assert_limited(call, limit, number)


def test_a_signature_that_cannot_be_read_is_marked():
    assert_refused(lambda: series("aB ->", 1), NotationError, "'B'", caret=(1, 2))


# --- which coefficient ---------------------------------------------------------------------------


@pytest.mark.parametrize("ask", [lambda s, k: s.sharing(k), lambda s, k: s.contractions(k), lambda s, k: s.words(k)])
def test_an_order_beyond_the_last_is_refused(ask):
    s = series("a -> a", 2, {"a": 3})
    with pytest.raises(EinNetError, match="order 2, got k=3"):
        ask(s, 3)
    with pytest.raises(EinNetError, match="k must be .*got -1"):
        ask(s, -1)


def test_the_entries_of_a_coefficient_need_sizes():
    s = series("ab -> a", 1)
    assert_refused(lambda: s.sharing(1), ShapeError, "sizes={'a': 3, 'b': 3}")


@pytest.mark.parametrize("inputs", [None, (0,), (1, 0), (0, 2), (0, 0, 1)])
def test_with_several_inputs_the_operands_must_be_named(inputs):
    s = series("a, aa -> a", 2, {"a": 3}, commutative=True)
    assert_refused(lambda: s.sharing(2, inputs), EinNetError, "inputs", "(0, 0)", f"got {inputs}")
    assert s.sharing(2, (0, 1)).shape == (3, 3, 3, 3)
    assert s.sharing(2, [0, 1]).shape == (3, 3, 3, 3)


# --- parameters, basis, inputs -------------------------------------------------------------------


@pytest.mark.parametrize("use", ["split", "to_orbit", "to_contraction"])
@pytest.mark.parametrize("framework", [np.ones, torch.ones])
def test_a_wrong_number_of_parameters_is_counted(use, framework):
    s = series("a -> a", 1, {"a": 3})
    call = getattr(s, use)
    for shape in [(4,), (3, 1), (), (0,)]:
        assert_refused(lambda shape=shape: call(framework(shape)), ShapeError, "3 parameters (1 + 2)", str(shape))
    assert_refused(lambda: call([framework(2), framework(1)]), ShapeError, "[1, 2] parameters", "got [2, 1]")
    assert_refused(lambda: call([framework(3)]), ShapeError, "[1, 2] parameters", "got [3]")


def test_a_wrong_number_of_parameters_is_refused_by_evaluate():
    with pytest.raises(ShapeError, match=r"got shape \(2,\)"):
        series("a -> a", 1).evaluate(np.ones(3), [1.0, 2.0])


@pytest.mark.parametrize("basis", ["orbits", "", None, 0])
def test_a_basis_is_one_of_two(basis):
    with pytest.raises(EinNetError if isinstance(basis, str) else TypeError, match=f"basis must .*got {basis!r}"):
        series("a -> a", 1).evaluate(np.ones(3), np.ones(3), basis=basis)


SHAPES = [  # signature, sizes, shapes of the inputs, key phrase
    ("a -> a", {"a": 3}, [(4,)], "x of type 'a' has size 4"),
    ("ab -> a", {"a": 3, "b": 2}, [(2, 3)], "x of type 'ab' has size 2"),
    ("aa -> a", None, [(3, 4)], "size 3 and size 4"),
    ("aa -> a", None, [(3,)], "got shape (3,)"),
    ("a, aa -> a", None, [(3,), (4, 4)], "x[1] of type 'aa' has size 4"),
    ("a, aa -> a", {"a": 3}, [(4,), (3, 3)], "x[0] of type 'a' has size 4"),
    ("a, aa -> a", None, [(3,)], "got 1"),
    ("a, aa -> a", None, [(3,), (3, 3), (3,)], "got 3"),
    ("a, aa -> a", None, [(2, 3), (5, 3, 3)], "(2,) and (5,)"),
    ("aH -> aH", {"a": 3, "H": 2}, [(3, 4)], "4 features, the series has 2"),
    ("aH -> aH", None, [(3, 4)], "4 features, the series has 1"),
    ("a -> ab", None, [(3,)], "axis 'b'"),
    ("a ->", None, [(0,)], "got 0"),
]  # fmt: skip


@pytest.mark.parametrize("basis", ["contraction", "orbit"])
@pytest.mark.parametrize("framework", [np.ones, torch.ones])
@pytest.mark.parametrize(("text", "sizes", "shapes", "phrase"), SHAPES)
def test_inputs_that_do_not_fit_are_named(text, sizes, shapes, phrase, framework, basis):
    s = series(text, 1, sizes)
    inputs = tuple(framework(shape) for shape in shapes)
    with pytest.raises(ShapeError, match=re.escape(phrase)):
        s.evaluate(inputs if len(inputs) > 1 else inputs[0], np.ones(s.total), basis)


def test_sizes_at_evaluation_are_checked():
    s = series("a -> ab", 1)
    with pytest.raises(ShapeError, match="'c'"):
        s.evaluate(np.ones(3), np.ones(s.total), sizes={"b": 2, "c": 2})
    with pytest.raises(ShapeError, match="size 3 .*4"):
        s.evaluate(np.ones(3), np.ones(s.total), sizes={"a": 4, "b": 2})
    with pytest.raises(ShapeError, match="axis 'b' must be .* got 0"):
        s.evaluate(np.ones(3), np.ones(s.total), sizes={"b": 0})


# --- too large -----------------------------------------------------------------------------------

TOO_LARGE = [  # what is asked, key phrase
    (lambda: series("aa -> aa", 6).contractions(6), "190,899,322"),
    (lambda: series("aa -> aa", 5, {"a": 12}).sharing(5), "8,916,100,448,256 entries"),
    (lambda: series("aa -> aa", 1, {"a": 200}).sharing(1), "1,600,000,000 entries"),
    (lambda: series("a -> a", 1).evaluate(np.ones(12_000), np.ones(3), basis="orbit"), "144,000,000 entries"),
    (lambda: series("aH -> aH", 2, {"H": 1000}, commutative=True).contractions(2), "5,000,000,000 entries"),
    (lambda: series("a, b ->", 30).words(30), "1,073,741,824 choices"),
]  # fmt: skip


@pytest.mark.parametrize(("ask", "phrase"), TOO_LARGE)
def test_what_is_too_large_is_refused_before_time_and_memory_are_spent(ask, phrase):
    tracemalloc.start()
    start = time.process_time()
    with pytest.raises(EinNetError, match=phrase):
        ask()
    seconds, peak = time.process_time() - start, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert seconds < 1
    assert peak < 2**22
