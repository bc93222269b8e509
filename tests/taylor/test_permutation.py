"""`series_of`: counts against listed groups, sharing against union-find, values against the coefficients written out."""

import time
import tracemalloc
from math import gcd

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from einnet import EinNetError, series, series_of
from einnet.errors import ShapeError
from oracles.groups import burnside, elements, evaluate_series, face_turns, number_parameters, order_of, power
from refusals import assert_refused

SHIFT, MIRROR = (1, 2, 3, 0), (3, 2, 1, 0)


@st.composite
def groups(draw):
    """Up to three permutations of up to five points, and what they do to an output, if there is one."""
    count = draw(st.integers(1, 3))

    def permutations(limit: int) -> list:
        n = draw(st.integers(1, limit))
        return [draw(st.permutations(range(n))) for _ in range(count)]

    return permutations(5), permutations(4) if draw(st.booleans()) else None


def random_params(s, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(d) for d in s.dof]


def evaluate_written_out(s, params: list[np.ndarray], x: np.ndarray) -> np.ndarray:
    """The value at each x of a batch, by the union-find's sharing."""
    coefficients = [
        p[number_parameters(s.generators, s.out_generators, k, s.commutative)] for k, p in enumerate(params)
    ]
    return np.array([evaluate_series(coefficients, one, len(s.out_shape)) for one in x])


def move(g, x):
    """x with the value of point i at point g[i]."""
    return x[..., np.argsort(g)]


def relabel_shift(points) -> tuple[int, ...]:
    """The shift along the points in this order."""
    g = [0] * len(points)
    for k, p in enumerate(points):
        g[p] = points[(k + 1) % len(points)]
    return tuple(g)


KNOWN = [
    ([SHIFT], 2, None, False, (1, 1, 4)),
    ([SHIFT], 2, None, True, (1, 1, 3)),
    ([SHIFT], 2, [SHIFT], False, (1, 4, 16)),
    ([SHIFT], 2, [SHIFT], True, (1, 4, 10)),
    ([SHIFT, MIRROR], 2, None, False, (1, 1, 3)),
    ([SHIFT, MIRROR], 1, [SHIFT, MIRROR], False, (1, 3)),
    ([(0, 1, 2)], 2, None, False, (1, 3, 9)),
    ([(0, 1, 2)], 2, None, True, (1, 3, 6)),
    ([(1, 0, 2)], 1, [(0, 1)], False, (2, 4)),
    ([(0,)], 3, None, False, (1, 1, 1, 1)),
    ([(1, 2, 0), (1, 0, 2)], 2, None, False, (1, 1, 2)),
]  # fmt: skip


@pytest.mark.parametrize(("generators", "order", "outs", "commutative", "dof"), KNOWN)
def test_known_counts(generators, order, outs, commutative, dof):
    s = series_of(generators, order, outs, commutative)
    assert s.dof == dof
    assert s.total == sum(dof)
    assert s.size == len(generators[0])


@given(groups(), st.booleans())
def test_counts_are_burnsides_mean_over_the_listed_group(group, commutative):
    generators, outs = group
    listed = elements(generators, outs)
    assert series_of(generators, 3, outs, commutative).dof == tuple(burnside(listed, k, commutative) for k in range(4))


@given(groups(), st.booleans(), st.integers(0, 3))
def test_sharing_is_that_of_union_find_numbered_by_first_occurrence(group, commutative, k):
    generators, outs = group
    expected = number_parameters(generators, outs, k, commutative)
    s = series_of(generators, 3, outs, commutative)
    assert s.sharing(k).shape == expected.shape
    assert (s.sharing(k) == expected).all()
    assert s.dof[k] == expected.max() + 1


@given(groups(), st.booleans())
def test_values_are_those_of_the_coefficients_written_out_and_equivariant(group, commutative):
    generators, outs = group
    s = series_of(generators, 3, outs, commutative)
    x, params = np.random.default_rng(1).standard_normal((2, s.size)), random_params(s)
    y = s.evaluate(x, params)
    assert y.shape == (2, *s.out_shape)
    assert np.allclose(y, evaluate_written_out(s, params, x), rtol=1e-10, atol=1e-10)
    for k, g in enumerate(generators):
        assert np.allclose(s.evaluate(move(g, x), params), move(outs[k], y) if outs else y, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("commutative", [False, True])
@pytest.mark.parametrize("n", [2, 3, 5])
@pytest.mark.parametrize("text", ["a ->", "a -> a"])
def test_a_swap_and_a_shift_make_the_series_of_a_set(text, n, commutative):
    """The symmetric group, whose series is also counted by patterns."""
    generators = [(*range(1, n), 0), (1, 0, *range(2, n))]
    s = series_of(generators, 3, generators if text == "a -> a" else None, commutative)
    typed = series(text, 3, sizes={"a": n}, commutative=commutative)
    assert s.dof == typed.dof
    for k in range(4):
        pairs = set(zip(s.sharing(k).ravel().tolist(), typed.sharing(k).ravel().tolist(), strict=True))
        assert len(pairs) == s.dof[k]  # one label of the one is one label of the other


@pytest.mark.parametrize(("n", "commutative"), [(2, False), (2, True), (3, False), (3, True)])
def test_acting_on_pairs_it_makes_the_series_of_a_relation(n, commutative):
    swaps = [(*range(1, n), 0), (1, 0, *range(2, n))]
    on_pairs = [tuple(g[i] * n + g[j] for i in range(n) for j in range(n)) for g in swaps]
    assert (
        series_of(on_pairs, 2, commutative=commutative).dof
        == series("aa ->", 2, sizes={"a": n}, commutative=commutative).dof
    )
    assert series_of(on_pairs, 1, swaps).dof == series("aa -> a", 1, sizes={"a": n}).dof


@pytest.mark.parametrize("n", range(3, 9))
def test_dihedral_symmetry_leaves_one_parameter_for_each_distance(n):
    shift, mirror = (*range(1, n), 0), tuple(range(n))[::-1]
    s = series_of([shift, mirror], 2)
    assert s.dof == (1, 1, n // 2 + 1)
    i, j = np.indices((n, n))
    assert (s.sharing(2) == np.minimum((i - j) % n, (j - i) % n)).all()


def test_rubiks_cube():
    """Two stickers may be one, on one corner (one way or the other round) or edge, or on two of a kind, or mixed."""
    combinatorics = pytest.importorskip("sympy.combinatorics")
    turns = list(face_turns())
    assert [order_of(t) for t in turns] == [4] * 6
    assert [sum(t[i] != i for i in range(48)) for t in turns] == [20] * 6
    group = combinatorics.PermutationGroup([combinatorics.Permutation(list(t)) for t in turns])
    assert group.order() == 43252003274489856000
    s = series_of(turns, 2)
    assert s.dof == (1, 2, 4 + 3 + 1 + 1)
    assert np.bincount(s.sharing(1)).tolist() == [24, 24]
    assert sorted(np.bincount(s.sharing(2).ravel())) == sorted([24, 24, 24, 24 * 21, 24, 24, 24 * 22, 24 * 24, 24 * 24])
    assert (s.sharing(2) == number_parameters(turns, None, 2, False)).all()
    assert series_of(turns, 2, commutative=True).dof == (1, 2, 3 + 3 + 1)
    assert s.cycle is None


@given(st.data(), st.integers(1, 7), st.booleans(), st.booleans())
def test_cyclic_shifts_by_fft_are_the_coefficients_written_out(data, n, commutative, equivariant):
    """Any labelling of the cycle, of the output another; powers of the shift, of which one generates all."""
    shift = relabel_shift(data.draw(st.permutations(range(n))))
    out_shift = relabel_shift(data.draw(st.permutations(range(n))))
    powers = data.draw(st.lists(st.integers(0, n - 1), max_size=2))
    powers += [data.draw(st.sampled_from([p for p in range(1, n + 1) if gcd(p, n) == 1]))]
    powers = data.draw(st.permutations(powers))
    outs = [power(out_shift, p) for p in powers] if equivariant else None
    s = series_of([power(shift, p) for p in powers], 3, outs, commutative)
    assert s.cycle is not None
    x, params = np.random.default_rng(n).standard_normal((2, n)), random_params(s)
    assert np.allclose(s.evaluate(x, params), evaluate_written_out(s, params, x), rtol=1e-10, atol=1e-10)
    z = x + 1j * x[::-1]
    assert np.allclose(s.evaluate(z, params), evaluate_written_out(s, params, z), rtol=1e-10, atol=1e-10)


NOT_CYCLIC = {
    "two cycles": ([(1, 0, 3, 2)], None),
    "powers that do not generate": ([power(SHIFT, 2)], None),
    "dihedral": ([SHIFT, MIRROR], None),
    "two different cycles": ([SHIFT, (1, 3, 0, 2)], [SHIFT, SHIFT]),
    "the output moves otherwise": ([SHIFT, power(SHIFT, 2)], [SHIFT, SHIFT]),
    "the output is shorter": ([SHIFT], [(1, 0)]),
    "the output is longer": ([(1, 0)], [SHIFT]),
    "the output stays": ([SHIFT], [(0, 1, 2, 3)]),
    "the output's cycle is half": ([SHIFT], [(1, 0, 3, 2)]),
}


@pytest.mark.parametrize("commutative", [False, True])
@pytest.mark.parametrize("name", NOT_CYCLIC)
def test_what_is_not_quite_cyclic(name, commutative):
    generators, outs = NOT_CYCLIC[name]
    s = series_of(generators, 3, outs, commutative)
    assert s.cycle is None
    listed = elements(generators, outs)
    assert s.dof == tuple(burnside(listed, k, commutative) for k in range(4))
    x, params = np.random.default_rng(2).standard_normal((2, s.size)), random_params(s)
    assert np.allclose(s.evaluate(x, params), evaluate_written_out(s, params, x), rtol=1e-10, atol=1e-10)


CASES = {
    "cyclic": ([SHIFT], None), "cyclic, equivariant": ([SHIFT], [(2, 3, 1, 0)]), "dihedral": ([SHIFT, MIRROR], None),
    "dihedral, equivariant": ([SHIFT, MIRROR], [(1, 0), (0, 1)]), "one point": ([(0,)], [(0,)]),
}  # fmt: skip


@pytest.mark.parametrize("commutative", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_torch_has_the_values_of_numpy_and_right_gradients(name, commutative):
    s = series_of(CASES[name][0], 3, CASES[name][1], commutative)
    x, params = np.random.default_rng(3).standard_normal((2, s.size)), np.concatenate(random_params(s))
    tx, tp = (torch.tensor(v, requires_grad=True) for v in (x, params))
    y = s.evaluate(tx, tp)
    assert y.dtype == torch.float64
    assert np.allclose(y.detach().numpy(), s.evaluate(x, params), rtol=1e-12, atol=1e-12)
    assert torch.autograd.gradcheck(s.evaluate, (tx, tp))
    single = s.evaluate(tx.float(), tp.float())
    assert single.dtype == torch.float32
    assert torch.allclose(single.double(), y, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", CASES)
def test_batch_axes(name):
    s = series_of(CASES[name][0], 2, CASES[name][1])
    x, params = np.random.default_rng(4).standard_normal((3, 2, s.size)), random_params(s)
    y = s.evaluate(x, params)
    assert y.shape == (3, 2, *s.out_shape)
    assert np.allclose(y[2, 1], s.evaluate(x[2, 1], params), rtol=1e-12, atol=1e-12)
    assert s.evaluate(x[:0], params).shape == (0, 2, *s.out_shape)
    assert np.allclose(s.evaluate(x, np.concatenate(params)), y, rtol=1e-12, atol=1e-12)


def test_order_zero_is_a_constant_for_each_orbit_of_the_output():
    s = series_of([(0, 1)], 0, [(1, 0, 2)])
    assert s.dof == (2,)
    assert s.evaluate(np.ones((2, 2)), [3.0, 5.0]).tolist() == [[3, 3, 5], [3, 3, 5]]


def test_order_zero_of_a_cyclic_group_has_a_value_for_each_output():
    assert series_of([SHIFT], 0, [SHIFT]).evaluate(np.ones((2, 4)), [3.0]).tolist() == [[3] * 4] * 2


def test_an_x_of_whole_numbers_keeps_the_parameters():
    s, params = series_of([SHIFT, MIRROR], 1), [0.5, 0.25]
    assert s.evaluate(np.arange(4), params) == 2
    assert s.evaluate(torch.arange(4), params) == 2


def test_a_long_cycle_takes_n_log_n():
    """2**18 variables: their 2**36 pairs are never written out."""
    n = 2**18
    shift = np.roll(np.arange(n), -1)
    x, params = np.random.default_rng(5).standard_normal(n), np.zeros(n + 2)
    params[[0, 1, 2 + 0, 2 + 3]] = 5, 2, 0.5, 1
    expected = 5 + 2 * x.sum() + 0.5 * (x * x).sum() + (x * np.roll(x, -3)).sum()
    start = time.process_time()
    s = series_of([shift], 2)
    assert s.dof == (1, 1, n)
    assert s.evaluate(x, params) == pytest.approx(expected)
    assert time.process_time() - start < 2
    y = series_of([shift], 1, [shift]).evaluate(x, [np.ones(1), np.eye(1, n, n - 1)[0]])
    assert np.allclose(y, 1 + np.roll(x, 1), rtol=0, atol=1e-9)


WRONG = {
    "not a permutation": (lambda: series_of([[0, 2, 2, 0]], 1), "generators[0]", "1, 3"),
    "from 1": (lambda: series_of([[1, 2, 3]], 1), "[1, 2, 3]"),
    "negative": (lambda: series_of([[0, -1]], 1), "permutation"),
    "not whole": (lambda: series_of([[0.0, 1.0]], 1), "whole numbers"),
    "different lengths": (lambda: series_of([[1, 0], [1, 2, 0]], 1), "generators[1]", "3 points"),
    "one permutation": (lambda: series_of([1, 2, 0], 1), "[[1, 2, 0]]"),
    "none": (lambda: series_of([], 1), "[list(range(n))]"),
    "a number": (lambda: series_of(3, 1), "list of permutations"),
    "a matrix": (lambda: series_of([[[0, 1], [1, 0]]], 1), "each point"),
    "no points": (lambda: series_of([[]], 1), "whole numbers"),
    "long": (lambda: series_of([[0] * 100], 1), "..."),
    "another number of outputs": (lambda: series_of([SHIFT], 1, [SHIFT, SHIFT]), "output", "got 2"),
    "one output": (lambda: series_of([SHIFT], 1, SHIFT), "out_generators"),
    "outputs not permuted": (lambda: series_of([SHIFT], 1, [[0, 0]]), "out_generators[0]"),
    "order": (lambda: series_of([SHIFT], -1), "order", "got -1"),
    "order of another kind": (lambda: series_of([SHIFT], 1.5), "got 1.5"),
    "beyond the order": (lambda: series_of([SHIFT], 2).sharing(3), "order 2", "k=3"),
    "basis": (lambda: series_of([SHIFT], 1).evaluate(np.ones(4), [1, 1], basis="contraction"), "'contraction'"),
    "x": (lambda: series_of([SHIFT], 1).evaluate(np.ones(3), [1, 1]), "(batch..., 4)", "(3,)"),
    "scalar x": (lambda: series_of([SHIFT], 1).evaluate(1.0, [1, 1]), "got ()"),
    "params": (lambda: series_of([SHIFT], 1).evaluate(np.ones(4), [1, 1, 1]), "2 parameters (1 + 1)"),
}  # fmt: skip


CLASSES = dict.fromkeys(["x", "scalar x", "params"], ShapeError) | {"order of another kind": TypeError}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_argument_is_refused(name):
    call, *phrases = WRONG[name]
    assert_refused(call, CLASSES.get(name, EinNetError), *phrases)


@pytest.mark.parametrize(
    ("act", "phrase"),
    [
        (lambda: series_of([range(6000), range(6000)[::-1]], 2).dof, "36,000,000 entries"),
        (lambda: series_of([range(300)], 1, [range(200_000)]).sharing(1), "60,000,000 entries"),
        (lambda: series_of([[*range(1, 6000), 0]], 3, commutative=True).dof, "order 3"),
        (lambda: series_of([[*range(1, 6000), 0]], 2).sharing(2), "36,000,000 entries"),
    ],
)  # fmt: skip
def test_what_is_too_large_is_refused_before_memory_is_spent(act, phrase):
    tracemalloc.start()
    with pytest.raises(EinNetError, match=phrase):
        act()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 30 * 2**20


def test_half_precision_and_empty_batches_by_fft():
    s = series_of([SHIFT], 2)
    assert s.evaluate(torch.ones(4).half(), torch.ones(s.total).half()) == 1 + 4 + 16
    assert s.evaluate(torch.ones(0, 4), torch.ones(s.total)).shape == (0,)
    equivariant = series_of([SHIFT], 1, [SHIFT])
    assert equivariant.evaluate(np.ones((0, 4)), np.ones(equivariant.total)).shape == (0, 4)


def test_long_tables_and_names_are_cut():
    shift = [*range(1, 200_000), 0]
    assert len(str(series_of([shift], 2))) < 1000
    assert "too many to list" in str(series_of([SHIFT], 12))
    assert str(series("aa -> aa", 1)).endswith("  ... 5 more")  # of 15, as 10 are 78 characters


def test_what_is_kept_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        series_of([SHIFT, MIRROR], 2).sharing(2)[:] = 0
