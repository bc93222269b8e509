"""`evaluate`: both bases against the coefficients written out by brute force, equivariant, in numpy and torch."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from einnet import EinNetError, Signature, series
from oracles.series import dense, orbits, reorder_operands, shape_of, value, words
from strategies import series_cases

CASES = [
    ("a ->", 3, {"a": 3}), ("a -> a", 3, {"a": 3}), ("ab ->", 2, {"a": 2, "b": 3}), ("aa -> aa", 1, {"a": 4}), ("aa -> aa", 2, {"a": 2}),
    ("aab -> aab", 1, {"a": 3, "b": 2}), ("aab", 1, {"a": 2, "b": 3}), ("aaa -> a", 1, {"a": 3}), ("-> aa", 1, {"a": 3}),
    ("a -> ab", 1, {"a": 3, "b": 2}), ("a -> b", 2, {"a": 3, "b": 2}), ("a -> aaa", 1, {"a": 3}), ("->", 3, {}),
    ("ab; a->b", 2, {"a": 3, "b": 2}), ("abb -> ab; a->b", 1, {"a": 2, "b": 3}), ("ba; a->b", 1, {"a": 2, "b": 2}),
    ("abc; a->b, a->c", 1, {"a": 2, "b": 2, "c": 2}), ("abc -> a; a->b, b->c", 1, {"a": 2, "b": 2, "c": 2}),
    ("a, aa -> a", 2, {"a": 3}), ("a, a -> a", 2, {"a": 3}), ("aH, aa -> H", 2, {"a": 2, "H": 2}), ("a, b -> ab", 2, {"a": 2, "b": 3}),
    ("aH -> aH", 2, {"a": 2, "H": 2}), ("aH -> a", 2, {"a": 3, "H": 2}), ("a -> aH", 1, {"a": 3, "H": 2}), ("H -> H", 3, {"H": 2}),
    ("aaH -> H", 2, {"a": 2, "H": 2}), ("abH -> aH; a->b", 1, {"a": 2, "b": 2, "H": 3}),
]  # fmt: skip


def close(got, expected) -> bool:
    got, expected = np.asarray(got), np.asarray(expected)
    return got.shape == expected.shape and np.allclose(got, expected, rtol=0, atol=1e-12 * (1 + abs(expected).max()))


def draw_inputs(signature: Signature, sizes, rng, batch=()) -> list[np.ndarray]:
    return [rng.standard_normal((*batch, *shape_of(t, sizes))) for t in signature.inputs]


def as_argument(inputs):
    return inputs[0] if len(inputs) == 1 else tuple(inputs)


def brute_force(s, sizes, commutative, rng) -> tuple[list[np.ndarray], list[tuple[tuple, np.ndarray]]]:
    """Random parameters in the orbit basis, and the coefficients that they stand for."""
    params, coefficients = [], []
    for k in range(s.order + 1):
        parts = []
        for word in words(s.signature, k, commutative):
            labels = orbits(s.signature, word, sizes, commutative)
            coefficient = rng.standard_normal(labels.max() + 1)[labels]
            parts.append(np.zeros(labels.max() + 1))
            parts[-1][s.sharing(k, word)] = coefficient
            coefficients.append((word, coefficient))
        params.append(np.concatenate(parts))
    return params, coefficients


def sum_up(coefficients, inputs) -> np.ndarray:
    return sum(value(c, [inputs[i] for i in word]) for word, c in coefficients)


# --- both bases against brute force --------------------------------------------------------------


@pytest.mark.parametrize("commutative", [False, True])
@pytest.mark.parametrize(("text", "order", "sizes"), CASES)
def test_both_bases_have_the_values_of_the_coefficients_written_out(text, order, sizes, commutative):
    rng = np.random.default_rng(0)
    s = series(text, order, sizes, commutative)
    params, coefficients = brute_force(s, sizes, commutative, rng)
    inputs = draw_inputs(s.signature, sizes, rng)
    expected = sum_up(coefficients, inputs)
    assert expected.shape == shape_of(s.signature.output, sizes)
    for form in (params, np.concatenate(params)):
        assert close(s.evaluate(as_argument(inputs), form, basis="orbit"), expected)
        assert close(s.evaluate(as_argument(inputs), s.to_contraction(form)), expected)


@given(series_cases(entries=800), st.integers(0, 2**32 - 1))
def test_random_series_have_the_values_of_their_coefficients(case, seed):
    text, order, sizes, commutative = case
    rng = np.random.default_rng(seed)
    s = series(text, order, sizes, commutative)
    params, coefficients = brute_force(s, sizes, commutative, rng)
    batch = (2, 2) * bool(seed % 2)
    inputs = draw_inputs(s.signature, sizes, rng, batch)
    expected = np.array([sum_up(coefficients, [x[b] for x in inputs]) for b in np.ndindex(batch)])
    expected = expected.reshape((*batch, *expected.shape[1:]))
    assert close(s.evaluate(as_argument(inputs), params, basis="orbit"), expected)
    assert close(s.evaluate(as_argument(inputs), s.to_contraction(params)), expected)


@pytest.mark.parametrize("commutative", [False, True])
@pytest.mark.parametrize(
    ("text", "order"),
    [("a -> a", 2), ("aa -> a", 2), ("ab; a->b", 1), ("a, aa -> a", 1), ("aaa ->", 1), ("ab -> ba", 2)],
)
@pytest.mark.parametrize("n", [1, 2, 3])
def test_a_series_without_sizes_has_the_values_of_its_einsums_at_every_size(text, order, n, commutative):
    s = series(text, order, commutative=commutative)
    rng, sizes = np.random.default_rng(0), dict.fromkeys(s.signature.classes, n)
    inputs = draw_inputs(s.signature, sizes, rng)
    params = rng.standard_normal(s.total)
    coefficients = []
    for k, part in enumerate(s.split(params)):
        left = list(part)
        for word in words(s.signature, k, commutative):
            for term in s.contractions(k, word):
                alike = reorder_operands(term, word) if commutative else [term]
                written_out = sum(dense(t, s.signature, word, sizes) for t in alike)
                coefficients.append((word, left.pop(0) * written_out))
        assert not left
    expected = sum_up(coefficients, inputs)
    assert close(s.evaluate(as_argument(inputs), params), expected)
    assert close(s.evaluate(as_argument(inputs), s.to_orbit(params), basis="orbit"), expected)


@pytest.mark.parametrize("text", ["a -> a", "aa -> a", "ab; a->b", "aH -> aH"])
def test_at_a_large_size_the_series_without_sizes_is_the_one_with(text):
    sizes = dict.fromkeys(Signature(text).classes, 4 if text == "aa -> a" else 3) | {"H": 2}
    free, sized = series(text, 1, {"H": 2}), series(text, 1, sizes)
    rng = np.random.default_rng(0)
    (x,) = draw_inputs(free.signature, sizes, rng)
    params = rng.standard_normal(free.total)
    assert free.dof == sized.dof == free.dof_at(sizes)
    assert free.contractions(1) == sized.contractions(1)
    for basis in ("orbit", "contraction"):
        assert close(free.evaluate(x, params, basis=basis), sized.evaluate(x, params, basis=basis))


def test_integers_stay_integers():
    s = series("aa -> a", 2, {"a": 2})
    x, params = np.arange(4).reshape(2, 2), np.arange(s.total)
    y = s.evaluate(x, params), s.evaluate(x, s.to_orbit(params), basis="orbit")
    assert y[0].dtype == y[1].dtype == int
    assert y[0].tolist() == y[1].tolist()


# --- equivariance --------------------------------------------------------------------------------


@given(series_cases(), st.integers(0, 2**32 - 1))
def test_a_series_is_equivariant_under_random_group_elements(case, seed):
    text, order, sizes, commutative = case
    rng = np.random.default_rng(seed)
    s = series(text, order, {"H": sizes["H"]}, commutative)
    if s.total > 1000:
        s = series(text, order, sizes, commutative)
    signature = s.signature
    inputs = draw_inputs(signature, sizes, rng, (2,))
    g = signature.random_element(sizes, rng)
    params = rng.standard_normal(s.total)
    moved = [g.act(x, t) for x, t in zip(inputs, signature.inputs, strict=True)]
    known = {c: n for c, n in sizes.items() if c != "H"}
    for basis in ("contraction", "orbit"):
        y = s.evaluate(as_argument(inputs), params, basis, sizes=known)
        assert close(s.evaluate(as_argument(moved), params, basis, sizes=known), g.act(y, signature.output))


# --- torch ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("basis", ["contraction", "orbit"])
@pytest.mark.parametrize("commutative", [False, True])
@pytest.mark.parametrize(("text", "order", "sizes"), CASES)
def test_numpy_and_torch_agree(text, order, sizes, commutative, basis):
    rng = np.random.default_rng(0)
    s = series(text, order, sizes, commutative)
    inputs = draw_inputs(s.signature, sizes, rng, (2,))
    params = rng.standard_normal(s.total)
    expected = s.evaluate(as_argument(inputs), params, basis)
    tensors = [torch.from_numpy(x) for x in inputs]
    for form in (torch.from_numpy(params), params, s.split(params), params.tolist()):
        y = s.evaluate(as_argument(tensors), form, basis)
        assert isinstance(y, torch.Tensor) and y.dtype == torch.float64
        assert close(y, expected)


@pytest.mark.parametrize("basis", ["contraction", "orbit"])
@pytest.mark.parametrize(
    ("text", "order", "sizes", "commutative"),
    [
        ("a -> a", 2, {"a": 3}, False), ("aa -> a", 1, {"a": 3}, False), ("aH -> H", 2, {"a": 2, "H": 2}, True),
        ("ab; a->b", 1, {"a": 2, "b": 2}, False), ("a, aa -> a", 2, {"a": 2}, True), ("a -> ab", 1, {"a": 2, "b": 2}, False),
    ],
)  # fmt: skip
def test_gradients_are_those_of_differences(text, order, sizes, commutative, basis):
    s = series(text, order, sizes, commutative)
    inputs = [torch.randn(2, *shape_of(t, sizes), dtype=torch.float64, requires_grad=True) for t in s.signature.inputs]
    params = torch.randn(s.total, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda p, *x: s.evaluate(as_argument(x), p, basis), (params, *inputs))


def test_a_float32_tensor_gives_a_float32_tensor():
    s = series("aa -> a", 2, {"a": 3})
    x, params = torch.randn(3, 3), torch.randn(s.total)
    y = s.evaluate(x, params), s.evaluate(x, s.to_orbit(params), "orbit")
    assert y[0].dtype == y[1].dtype == torch.float32
    torch.testing.assert_close(y[0], y[1], rtol=1e-4, atol=1e-4)


# --- batches, order 0, output classes of their own -----------------------------------------------


@pytest.mark.parametrize("basis", ["contraction", "orbit"])
@pytest.mark.parametrize("batch", [(), (1,), (4,), (2, 3), (0,)])
@pytest.mark.parametrize("text", ["a -> a", "aa -> a", "aH -> H", "a -> ab", "a, aa -> a", "->"])
def test_batch_axes_lead(text, batch, basis):
    sizes = {c: n for c, n in {"a": 3, "b": 2, "H": 2}.items() if c in text}
    s = series(text, 2, sizes)
    rng = np.random.default_rng(0)
    inputs = draw_inputs(s.signature, sizes, rng, batch)
    params = rng.standard_normal(s.total)
    y = s.evaluate(as_argument(inputs), params, basis)
    assert y.shape == (*batch, *shape_of(s.signature.output, sizes))
    for b in np.ndindex(batch):
        assert close(y[b], s.evaluate(as_argument([x[b] for x in inputs]), params, basis))


@pytest.mark.parametrize("basis", ["contraction", "orbit"])
def test_an_input_without_batch_axes_goes_with_every_batch(basis):
    s = series("a, aa -> a", 2, {"a": 3})
    rng = np.random.default_rng(0)
    x, y, params = rng.standard_normal((4, 3)), rng.standard_normal((3, 3)), rng.standard_normal(s.total)
    value = s.evaluate((x, y), params, basis)
    assert close(value, s.evaluate((x, np.stack([y] * 4)), params, basis))


@pytest.mark.parametrize("basis", ["contraction", "orbit"])
def test_order_0_is_a_constant_of_the_output_with_the_batch(basis):
    s = series("a -> aa", 0, {"a": 2})
    diagonal, rest = (5.0, 7.0) if basis == "orbit" else (-2.0, 7.0)
    expected = np.array([[5.0, 7.0], [7.0, 5.0]])
    assert close(s.evaluate(np.ones(2), [diagonal, rest], basis), expected)
    assert close(s.evaluate(np.ones((3, 2)), [diagonal, rest], basis), np.stack([expected] * 3))
    assert close(series("a ->", 0).evaluate(np.ones((3, 2)), [4.0], basis), np.full(3, 4.0))


@pytest.mark.parametrize("basis", ["contraction", "orbit"])
def test_a_class_that_only_the_output_has_takes_its_size_from_the_call(basis):
    s = series("a -> ab", 1)
    x = np.array([1.0, 2.0])
    expected = np.array([10 * v + 100 + 1 * x.sum() for v in x])
    params = [100, 11, 1] if basis == "orbit" else [100, 10, 1]
    for b in (1, 3):
        assert close(s.evaluate(x, params, basis, sizes={"b": b}), np.stack([expected] * b, 1))
        assert close(s.evaluate(x, params, basis, sizes={"a": 2, "b": b}), np.stack([expected] * b, 1))


# --- large ---------------------------------------------------------------------------------------


def test_the_contraction_basis_evaluates_what_the_orbit_basis_cannot_write_out():
    s = series("ab ->", 2, {"a": 256, "b": 256})
    x = np.random.default_rng(0).standard_normal((256, 256))
    params = np.array([3.0, 2.0, 0.5, -0.25, 0.125, 1.0])
    rows, columns = x.sum(1), x.sum(0)
    expected = 3 + 2 * x.sum() + 0.5 * (x * x).sum() - 0.25 * rows @ rows + 0.125 * columns @ columns + x.sum() ** 2
    assert close(s.evaluate(x, params), expected)
    with pytest.raises(EinNetError, match="4,294,967,296"):
        s.evaluate(x, params, basis="orbit")


def test_parameters_are_laid_out_by_order_and_choice_of_operands():
    s = series("a, b ->", 2, {"a": 2, "b": 3})
    x, y = np.array([1.0, 2.0]), np.array([1.0, 10.0, 100.0])
    values = [1, 3, 111, x @ x, 9, 333, 333, y @ y, 111**2]
    y = [float(s.evaluate((x, y), row)) for row in np.eye(s.total)]
    assert y == pytest.approx(values)
    assert [len(p) for p in pairwise([*np.cumsum((0, *s.dof))])] == [2, 2, 2] and s.dof == (1, 2, 6)
