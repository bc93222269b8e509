"""`laurent`: monomials against brute force, orbits against the listed group, values and their invariance."""

import time
import tracemalloc
from collections import Counter
from math import comb, prod

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from einnet import EinNetError, laurent
from einnet.errors import ShapeError
from oracles.groups import monomial_orbits, zero_sums
from refusals import assert_refused

SHIFT = [1, 2, 0]


@st.composite
def cases(draw):
    n = draw(st.integers(1, 5))
    powers = draw(st.lists(st.integers(-3, 3), min_size=1, max_size=5, unique=True))
    generators = draw(st.lists(st.permutations(range(n)), max_size=2))
    return n, powers, generators


def test_the_worked_example():
    s = laurent(3, range(-2, 3))
    assert s.dof == len(s.exponents) == 19
    assert list(s.groups.items()) == [
        ((0, 0, 0), 1), ((-1, 0, 1), 6), ((-2, 0, 2), 6), ((-2, 1, 1), 3), ((-1, -1, 2), 3),
    ]  # fmt: skip
    assert laurent(3, range(-2, 3), [SHIFT]).dof == 7
    assert laurent(3, range(-2, 3), [SHIFT, [1, 0, 2]]).dof == 5


@given(cases())
def test_the_monomials_are_those_of_brute_force(case):
    n, powers, generators = case
    s, expected = laurent(n, powers, generators), zero_sums(n, powers)
    assert s.exponents.shape == (len(expected), n)
    assert [tuple(e) for e in s.exponents.tolist()] == expected
    assert s.groups == Counter(tuple(sorted(e)) for e in expected)
    assert laurent(n, powers).dof == len(expected)
    assert laurent(n, [*powers, *powers]).dof == len(expected)


@given(cases())
def test_parameters_are_shared_along_the_orbits_of_the_listed_group(case):
    n, powers, generators = case
    s = laurent(n, powers, generators)
    exponents = zero_sums(n, powers)
    orbits = monomial_orbits(exponents, generators or [range(n)])
    assert s.dof == len(orbits)
    assert sorted(np.bincount(s.sharing, minlength=s.dof)) == sorted(orbits.values())
    for number in range(s.dof):
        members = [e for e, k in zip(exponents, s.sharing.tolist(), strict=True) if k == number]
        assert len(monomial_orbits(members, generators or [range(n)])) == 1
    assert list(dict.fromkeys(s.sharing.tolist())) == list(range(s.dof))  # numbered by first occurrence


@given(cases())
def test_values_and_their_invariance(case):
    n, powers, generators = case
    s = laurent(n, powers, generators)
    rng = np.random.default_rng(0)
    x = rng.uniform(0.5, 2, (2, n)) * rng.choice([-1, 1], (2, n))
    params = rng.standard_normal(s.dof)
    y = s.evaluate(x, params)
    assert y.shape == (2,)
    for point, value in zip(x.tolist(), y, strict=True):
        terms = [params[k] * prod(v**p for v, p in zip(point, e, strict=True)) for e, k in zip(zero_sums(n, powers), s.sharing, strict=True)]  # fmt: skip
        assert value == pytest.approx(sum(terms), rel=1e-9, abs=1e-9)
    for factor in (7.0, 0.01, -1.0, -2.5):
        assert np.allclose(s.evaluate(factor * x, params), y, rtol=1e-9, atol=1e-9)
    for g in generators:
        assert np.allclose(s.evaluate(x[:, np.argsort(g)], params), y, rtol=1e-9, atol=1e-9)


def test_only_the_generators_act():
    """A shift of the variables leaves the function alone, a swap does not."""
    s = laurent(3, range(-2, 3), [SHIFT])
    x, params = np.array([1.0, 2.0, 3.0]), np.arange(7.0)
    assert s.evaluate(x[[1, 2, 0]], params) == pytest.approx(s.evaluate(x, params))
    assert s.evaluate(x[[1, 0, 2]], params) != pytest.approx(s.evaluate(x, params))


def test_torch_has_the_values_of_numpy_and_right_gradients():
    s = laurent(3, range(-2, 3), [SHIFT])
    x, params = np.array([[0.5, -1.5, 2.0], [-1.0, 1.2, 0.7]]), np.linspace(-1, 1, 7)
    tx, tp = (torch.tensor(v, requires_grad=True) for v in (x, params))
    assert np.allclose(s.evaluate(tx, tp).detach().numpy(), s.evaluate(x, params), rtol=1e-12, atol=0)
    assert torch.autograd.gradcheck(s.evaluate, (tx, tp))
    assert s.evaluate(tx.float(), tp.float()).dtype == torch.float32


@pytest.mark.parametrize("batch", [(), (4,), (2, 3), (0, 2)])
def test_batch_axes(batch):
    s = laurent(3, [-1, 0, 1])
    x, params = np.random.default_rng(1).uniform(1, 2, (*batch, 3)), np.arange(7.0)
    y = s.evaluate(x, params)
    assert y.shape == batch
    assert all(y[at] == pytest.approx(s.evaluate(x[at], params)) for at in np.ndindex(batch))


@pytest.mark.parametrize(
    ("n", "powers", "number"), [(1, range(-5, 6), 1), (1, [1, 2], 0), (3, [1, 2], 0), (2, [-3, 1], 0), (4, [-3, 1], 4)]
)
def test_few_or_no_monomials(n, powers, number):
    for generators in ([], [[*range(1, n), 0]]):
        s = laurent(n, powers, generators)
        assert s.exponents.shape == (number, n)
        assert s.dof == (min(number, 1) if generators else number)
        assert sum(s.groups.values()) == number
        assert s.evaluate(np.full((2, n), 3.0), np.ones(s.dof)).tolist() == [number] * 2  # every monomial is 1


def test_the_number_alone_needs_no_list():
    """Exponents -1, 0, 1 that sum to 0: as many of one as of the other."""
    expected = sum(comb(60, k) * comb(60 - k, k) for k in range(31))
    assert laurent(60, [-1, 0, 1]).dof == expected


def test_powers_may_be_large():
    assert laurent(2, [-(10**6), 10**6]).exponents.tolist() == [[-(10**6), 10**6], [10**6, -(10**6)]]


def test_the_table_lists_the_exponents_unless_they_are_too_many():
    assert "(-1, 0, 1)  6" in str(laurent(3, [-1, 0, 1]))
    assert "too many to list" in str(laurent(30, range(-5, 6)))


def test_zeros_have_no_negative_powers():
    with pytest.raises(EinNetError, match="zero"):
        laurent(2, [-1, 0, 1]).evaluate(np.array([[1.0, 2.0], [0.0, 1.0]]), np.ones(3))
    with pytest.raises(EinNetError, match="zero"):
        laurent(2, [-1, 0, 1]).evaluate(torch.tensor([0.0, 1.0]), torch.ones(3))
    assert laurent(2, [0, 1, 2]).evaluate(np.zeros(2), [4.0]) == 4


@pytest.mark.parametrize("act", [
    lambda: laurent(30, range(-5, 6)).exponents, lambda: laurent(30, range(-5, 6), [list(range(30))]).dof,
    lambda: laurent(16, [-1, 0, 1]).sharing, lambda: laurent(30, range(-5, 6)).groups,
])  # fmt: skip
def test_too_many_monomials_are_refused_before_memory_is_spent(act):
    start = time.process_time()
    tracemalloc.start()
    with pytest.raises(EinNetError, match="more than the limit"):
        act()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10 * 2**20
    assert time.process_time() - start < 2


WRONG = {
    "n": (lambda: laurent(0, [0]), "number of variables", "got 0"),
    "n of another kind": (lambda: laurent(True, [0]), "got True"),
    "no powers": (lambda: laurent(2, []), "powers", "[]"),
    "powers not whole": (lambda: laurent(2, [0.5, -0.5]), "powers"),
    "one power": (lambda: laurent(2, 3), "powers", "got 3"),
    "powers in words": (lambda: laurent(2, ["a", 1]), "powers"),
    "generators of another size": (lambda: laurent(2, [0], [SHIFT]), "3 variables"),
    "one generator": (lambda: laurent(3, [0], SHIFT), "[[1, 2, 0]]"),
    "not a permutation": (lambda: laurent(3, [0], [[0, 0, 1]]), "not a permutation"),
    "x": (lambda: laurent(3, [0]).evaluate(np.ones(2), [1.0]), "(batch..., 3)", "(2,)"),
    "scalar x": (lambda: laurent(3, [0]).evaluate(1.0, [1.0]), "(batch..., 3)", "()"),
    "params": (lambda: laurent(3, [0]).evaluate(np.ones(3), [1.0, 2.0]), "1 parameters", "(2,)"),
}  # fmt: skip


CLASSES = dict.fromkeys(["x", "scalar x", "params"], ShapeError) | {"n of another kind": TypeError}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_argument_is_refused(name):
    call, *phrases = WRONG[name]
    assert_refused(call, CLASSES.get(name, EinNetError), *phrases)


def test_an_x_of_whole_numbers_keeps_the_parameters():
    assert laurent(2, [0, 1]).evaluate(torch.tensor([2, 8]), [0.5]) == 0.5


def test_whole_numbers_have_fractional_ratios():
    ratios = laurent(2, [-1, 0, 1])
    assert ratios.evaluate(torch.tensor([2, 4]), [1, 1, 1]) == 3.5
    assert ratios.evaluate(np.array([2, 4]), [1, 1, 1]) == 3.5


def test_large_values_do_not_overflow():
    assert laurent(2, range(-2, 3)).evaluate(np.full(2, 1e200), np.ones(5)) == 5
    assert laurent(2, range(-2, 3)).evaluate(torch.full((2,), 1e20), np.ones(5)) == 5


def test_what_is_kept_cannot_be_changed():
    s = laurent(3, range(-2, 3))
    for array in (s.exponents, s.sharing):
        with pytest.raises(ValueError, match="read-only"):
            array[:] = 0


@pytest.mark.parametrize(
    ("ask", "phrase"),
    [
        (lambda: laurent(3, range(-(10**9), 10**9)), "2,000,000,000"),
        (lambda: laurent(2, [10**30, -(10**30)]), "powers"),
    ],
)
def test_extreme_arguments_are_refused(ask, phrase):
    with pytest.raises(EinNetError, match=phrase):
        ask()


def test_powers_are_at_most_a_million():
    assert laurent(2, [-(10**6), 10**6]).exponents.tolist() == [[-(10**6), 10**6], [10**6, -(10**6)]]
    for wrong in (10**6 + 1, -(10**6) - 1):
        with pytest.raises(EinNetError, match="each of the powers must be from -1,000,000 to 1,000,000"):
            laurent(2, [wrong])
