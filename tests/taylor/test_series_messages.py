"""What `series` refuses, and the text with which it does."""

import re
import time
import tracemalloc

import numpy as np
import pytest
import torch

from einnet import EinNetError, series
from einnet.errors import NotationError, ShapeError

SIZES = [  # signature, sizes, message
    ("ab -> a", {"a": 3}, "the size of 'b' is missing: 'ab -> a' has the classes a, b, sizes gives a=3"),
    ("abc ->", {"a": 3}, "the size of 'b', 'c' is missing: 'abc ->' has the classes a, b, c, sizes gives a=3"),
    ("a -> b", {"a": 3, "H": 2}, "the size of 'b' is missing: 'a -> b' has the classes a, b, sizes gives a=3"),
    ("ab ->", {"a": 3, "c": 2}, "sizes names 'c', which 'ab ->' does not have: its classes are a, b"),
    ("->", {"a": 3}, "sizes names 'a', which '->' does not have: its classes are none"),
    ("a ->", {"a": 0}, "the size of class 'a' must be a whole number, 1 or more, got 0"),
    ("a ->", {"a": -2}, "the size of class 'a' must be a whole number, 1 or more, got -2"),
    ("a ->", {"a": 3.0}, "the size of class 'a' must be a whole number, 1 or more, got 3.0"),
    ("a ->", {"a": True}, "the size of class 'a' must be a whole number, 1 or more, got True"),
    ("a ->", {"a": "3"}, "the size of class 'a' must be a whole number, 1 or more, got '3'"),
    ("a ->", {"a": None}, "the size of class 'a' must be a whole number, 1 or more, got None"),
    ("aH ->", {"H": 0}, "the size of class 'H' must be a whole number, 1 or more, got 0"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "sizes", "message"), SIZES)
def test_sizes_that_do_not_fit_are_named(text, sizes, message):
    with pytest.raises(ShapeError, match=re.escape(message)):
        series(text, 1, sizes)


def test_sizes_asked_for_later_are_checked_too():
    s = series("ab -> a", 1)
    with pytest.raises(ShapeError, match="the size of 'b' is missing: 'ab -> a' has the classes a, b, sizes gives a=3"):
        s.dof_at({"a": 3})
    with pytest.raises(ShapeError, match="the size of 'a', 'b' is missing: .* sizes gives none"):
        s.dof_at({})
    with pytest.raises(ShapeError, match="the size of class 'b' must be a whole number, 1 or more, got 0"):
        s.dof_at({"a": 3, "b": 0})
    with pytest.raises(ShapeError, match="sizes names 'x', which 'ab -> a' does not have: its classes are a, b"):
        s.dof_at({"a": 3, "b": 2, "x": 1})


def test_a_numpy_integer_is_a_size():
    assert series("aa -> aa", 1, {"a": np.int64(2)}).dof == (2, 8)


@pytest.mark.parametrize("order", [-1, 1.0, "2", None, True])
def test_an_order_is_a_whole_number(order):
    with pytest.raises(EinNetError, match=re.escape(f"order must be a whole number, 0 or more, got {order!r}")):
        series("a ->", order)


def test_a_signature_that_cannot_be_read_is_marked():
    with pytest.raises(NotationError, match=r"unknown letter 'B' in a symmetry type\n  aB ->\n   \^"):
        series("aB ->", 1)


# --- which coefficient ---------------------------------------------------------------------------


@pytest.mark.parametrize("ask", [lambda s, k: s.sharing(k), lambda s, k: s.contractions(k), lambda s, k: s.words(k)])
def test_an_order_beyond_the_last_is_refused(ask):
    s = series("a -> a", 2, {"a": 3})
    with pytest.raises(EinNetError, match="the series goes up to order 2, got k=3"):
        ask(s, 3)
    with pytest.raises(EinNetError, match="k must be a whole number, 0 or more, got -1"):
        ask(s, -1)


def test_the_entries_of_a_coefficient_need_sizes():
    message = "the entries of a coefficient need sizes: series(..., sizes={'a': 3, 'b': 3})"
    with pytest.raises(ShapeError, match=re.escape(message)):
        series("ab -> a", 1).sharing(1)


@pytest.mark.parametrize("inputs", [None, (0,), (1, 0), (0, 2), (0, 0, 1)])
def test_with_several_inputs_the_operands_must_be_named(inputs):
    s = series("a, aa -> a", 2, {"a": 3}, commutative=True)
    message = (
        "order 2 of 'a, aa -> a' has a coefficient for each choice of operands: give inputs, one of (0, 0)"
    )  # fmt: skip
    with pytest.raises(EinNetError, match=re.escape(message)) as error:
        s.sharing(2, inputs)
    assert str(error.value).endswith(f"got {inputs}")
    assert s.sharing(2, (0, 1)).shape == (3, 3, 3, 3)
    assert s.sharing(2, [0, 1]).shape == (3, 3, 3, 3)


# --- parameters, basis, inputs -------------------------------------------------------------------


@pytest.mark.parametrize("use", ["split", "to_orbit", "to_contraction"])
@pytest.mark.parametrize("framework", [np.ones, torch.ones])
def test_a_wrong_number_of_parameters_is_counted(use, framework):
    s = series("a -> a", 1, {"a": 3})
    message = r"expected 3 parameters \(1 \+ 2\) in one vector, or a list with a vector for each order, got shape "
    for shape in [(4,), (3, 1), (), (0,)]:
        with pytest.raises(ShapeError, match=message + re.escape(str(shape))):
            getattr(s, use)(framework(shape))
    with pytest.raises(ShapeError, match=re.escape("expected [1, 2] parameters for orders 0 to 1, got [2, 1]")):
        getattr(s, use)([framework(2), framework(1)])
    with pytest.raises(ShapeError, match=re.escape("expected [1, 2] parameters for orders 0 to 1, got [3]")):
        getattr(s, use)([framework(3)])


def test_a_wrong_number_of_parameters_is_refused_by_evaluate():
    with pytest.raises(ShapeError, match=r"expected 3 parameters \(1 \+ 2\) .* got shape \(2,\)"):
        series("a -> a", 1).evaluate(np.ones(3), [1.0, 2.0])


@pytest.mark.parametrize("basis", ["orbits", "", None, 0])
def test_a_basis_is_one_of_two(basis):
    message = f"basis must be one of 'contraction', 'orbit', got {basis!r}"
    with pytest.raises(EinNetError, match=re.escape(message)):
        series("a -> a", 1).evaluate(np.ones(3), np.ones(3), basis=basis)


SHAPES = [  # signature, sizes, shapes of the inputs, message
    ("a -> a", {"a": 3}, [(4,)], "x of type 'a' has size 4 on axis 'a', expected 3"),
    ("ab -> a", {"a": 3, "b": 2}, [(2, 3)], "x of type 'ab' has size 2 on axis 'a', expected 3"),
    ("aa -> a", None, [(3, 4)], "x of type 'aa' has shape (3, 4), where axis 'a' has both size 3 and size 4"),
    ("aa -> a", None, [(3,)], "x of type 'aa' needs at least 2 axes ((batch...,) a, a), got shape (3,)"),
    ("a, aa -> a", None, [(3,), (4, 4)], "x[1] of type 'aa' has size 4 on axis 'a', expected 3"),
    ("a, aa -> a", {"a": 3}, [(4,), (3, 3)], "x[0] of type 'a' has size 4 on axis 'a', expected 3"),
    ("a, aa -> a", None, [(3,)], "'a, aa -> a' has 2 inputs, to be given as a tuple; got 1"),
    ("a, aa -> a", None, [(3,), (3, 3), (3,)], "'a, aa -> a' has 2 inputs, to be given as a tuple; got 3"),
    ("a, aa -> a", None, [(2, 3), (5, 3, 3)], "the inputs have different batch axes: (2,) and (5,)"),
    ("aH -> aH", {"a": 3, "H": 2}, [(3, 4)], "x of type 'aH' has 4 features, the series has 2: make it with sizes={'H': 4, ...}"),
    ("aH -> aH", None, [(3, 4)], "x of type 'aH' has 4 features, the series has 1: make it with sizes={'H': 4, ...}"),
    ("a -> ab", None, [(3,)], "the size of 'b' is missing: 'a -> ab' has the classes a, b, sizes gives a=3"),
    ("a ->", None, [(0,)], "the size of class 'a' must be a whole number, 1 or more, got 0"),
]  # fmt: skip


@pytest.mark.parametrize("basis", ["contraction", "orbit"])
@pytest.mark.parametrize("framework", [np.ones, torch.ones])
@pytest.mark.parametrize(("text", "sizes", "shapes", "message"), SHAPES)
def test_inputs_that_do_not_fit_are_named(text, sizes, shapes, message, framework, basis):
    s = series(text, 1, sizes)
    inputs = tuple(framework(shape) for shape in shapes)
    with pytest.raises(ShapeError, match=re.escape(message)):
        s.evaluate(inputs if len(inputs) > 1 else inputs[0], np.ones(s.total), basis)


def test_sizes_at_evaluation_are_checked():
    s = series("a -> ab", 1)
    with pytest.raises(ShapeError, match="sizes names 'c', which 'a -> ab' does not have: its classes are a, b"):
        s.evaluate(np.ones(3), np.ones(s.total), sizes={"b": 2, "c": 2})
    with pytest.raises(ShapeError, match="x of type 'a' has size 3 on axis 'a', expected 4"):
        s.evaluate(np.ones(3), np.ones(s.total), sizes={"a": 4, "b": 2})
    with pytest.raises(ShapeError, match="the size of class 'b' must be a whole number, 1 or more, got 0"):
        s.evaluate(np.ones(3), np.ones(s.total), sizes={"b": 0})


# --- too large -----------------------------------------------------------------------------------

TOO_LARGE = [  # what is asked, message
    (
        lambda: series("aa -> aa", 6).contractions(6),
        "the coefficient of order 6 (aa, aa, aa, aa, aa, aa -> aa) has 190,899,322 patterns, more than the "
        "200,000 that are enumerated: the counts (dof, total, dof_at) do not enumerate them; else lower the order",
    ),
    (lambda: series("aa -> aa", 5, {"a": 12}).sharing(5), "= 8,916,100,448,256 entries, more than the 134,217,728"),
    (
        lambda: series("aa -> aa", 1, {"a": 200}).sharing(1),
        "the coefficient of order 1 (aa -> aa) has 200 x 200 x 200 x 200 = 1,600,000,000 entries, more than the "
        "134,217,728 that are written out: dof and the contractions need no entries; or use smaller sizes",
    ),
    (
        lambda: series("a -> a", 1).evaluate(np.ones(12_000), np.ones(3), basis="orbit"),
        "the coefficient of order 1 (a -> a) has 12000 x 12000 = 144,000,000 entries, more than the 134,217,728",
    ),
    (
        lambda: series("aH -> aH", 2, {"H": 1000}, commutative=True).contractions(2),
        "the table of labels of the coefficient of order 2 (aH, aH -> aH) has 5 x 1000 x 1000 x 1000 = 5,000,000,000 entries",
    ),
    (lambda: series("a, b ->", 30).words(30), "order 30 of 'a, b ->' has more than 2,000 choices of operands: lower the order"),
]  # fmt: skip


@pytest.mark.parametrize(("ask", "message"), TOO_LARGE)
def test_what_is_too_large_is_refused_before_time_and_memory_are_spent(ask, message):
    tracemalloc.start()
    start = time.process_time()
    with pytest.raises(EinNetError, match=re.escape(message)):
        ask()
    seconds, peak = time.process_time() - start, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert seconds < 1
    assert peak < 2**22
