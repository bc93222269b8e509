"""What a series takes: mixed frameworks and precisions, numpy's integers, sizes that belong to letters."""

import numpy as np
import pytest
import torch

from einnet import EinNetError, series


def test_whole_numbers_keep_the_fractions_of_the_parameters():
    s = series("a -> a", 1)
    assert s.evaluate(torch.arange(3), [0.5, 0.5, 0.5]).tolist() == [2, 2.5, 3]
    assert s.evaluate(np.arange(3), [0.5, 0.5, 0.5]).tolist() == [2, 2.5, 3]


@pytest.mark.parametrize("basis", ["orbit", "contraction"])
@pytest.mark.parametrize(("text", "shape"), [("aa -> a", (3, 3)), ("aH -> aH", (3, 2))])
def test_tensors_arrays_and_precisions_mix(text, shape, basis):
    s = series(text, 2, {"a": 3, "H": 2} if "H" in text else {"a": 3})
    params, x = np.random.default_rng(0).standard_normal(s.total), np.random.default_rng(1).standard_normal(shape)
    expected = s.evaluate(x, params, basis)
    for v in (x, torch.tensor(x), torch.tensor(x).float()):
        for p in (params, torch.tensor(params), torch.tensor(params).float(), list(params)):
            value = np.asarray(s.evaluate(v, p, basis))
            assert np.allclose(value, expected, rtol=1e-4, atol=1e-4)


def test_complex_parameters_keep_their_imaginary_part():
    value = series("a ->", 1).evaluate(torch.ones(2), [0, 1j])
    assert value == 2j


def test_sizes_may_be_numpy_integers():
    s = series("ab ->", np.int64(2), {"a": np.int64(2**16), "b": np.int64(2**16)})
    assert s.sizes == {"a": 2**16, "b": 2**16}
    with pytest.raises(EinNetError, match=r"about 1.8e\+19 entries"):
        s.sharing(2)


def test_series_are_equal_if_their_letters_and_sizes_are():
    sizes = {"a": 2, "b": 3}
    assert series("ab ->", 1, sizes) == series("ab->", 1, sizes)
    assert hash(series("ab ->", 1, sizes)) == hash(series("ab->", 1, sizes))
    assert series("aaab ->", 1, sizes) != series("bbba ->", 1, sizes)
    assert series("aaab ->", 1, sizes).dof != series("bbba ->", 1, sizes).dof
    assert series("ab ->", 1) != series("ab ->", 2)


def test_more_axes_than_an_array_has_are_refused():
    s = series("a ->", 60, {"a": 1})
    assert s.total == 61
    assert s.evaluate(np.full(1, 2.0), np.ones(61)) == 2**61 - 1
    for ask in (lambda: s.sharing(60), lambda: s.evaluate(np.ones(1), np.ones(61), basis="orbit")):
        with pytest.raises(EinNetError, match="50"):
            ask()


def test_very_many_choices_of_operands_are_refused_at_once():
    with pytest.raises(EinNetError, match="817,190 choices"):
        series("a,b,c,d,e,f,g,h,i,j ->", 14).dof  # noqa: B018


def test_sizes_that_are_no_dict_are_refused():
    with pytest.raises(TypeError, match=r"got \[3\]"):
        series("a ->", 1, [3])


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int32, bool])
def test_small_integers_do_not_overflow(dtype):
    x = np.full((3, 3), 1 if dtype is bool else 100, dtype)
    s = series("aa -> a", 2, {"a": 3})
    expected = s.evaluate(x.astype(float), np.ones(s.total))
    assert (s.evaluate(x, np.ones(s.total)) == expected).all()
    assert (s.evaluate(x, [1] * s.total) == expected).all()
    assert np.allclose(s.evaluate(torch.tensor(x), [1] * s.total), expected)


def test_changes_of_basis_of_small_integers_are_right():
    s = series("a ->", 2)
    for params in (np.array([0, 0, 0, 1], np.uint8), torch.tensor([0, 0, 0, 1], dtype=torch.uint8)):
        assert s.to_contraction(params).tolist() == [0, 0, -1, 1]


def test_single_precision_stays_single():
    s, x = series("a -> a", 2, {"a": 3}), np.ones(3, np.float32)
    params = np.ones(s.total, np.float32)
    for basis in ("orbit", "contraction"):
        assert s.evaluate(x, params, basis).dtype == np.float32
    assert s.to_contraction(params).dtype == np.float32
    assert s.evaluate(torch.tensor(x), params).dtype == torch.float32


def test_arrays_that_torch_cannot_read_directly():
    s, params = series("a -> a", 1), torch.ones(3, dtype=torch.float64)
    for x in (np.arange(3.0)[::-1], np.arange(3.0).astype(">f8"), np.arange(3).astype(np.longdouble)):
        assert s.evaluate(x, params).tolist() == [1 + v + 3 for v in x.tolist()]


@pytest.mark.parametrize("x", [[[1, 2], [3]], ["a", "b"]])
def test_what_is_no_array_of_numbers_is_refused(x):
    with pytest.raises(EinNetError, match="array of numbers"):
        series("a ->", 1).evaluate(x, [1, 1])


def test_sizes_that_contradict_those_of_the_series_are_refused():
    with pytest.raises(EinNetError, match="'a': 3.*'a': 5"):
        series("a ->", 1, {"a": 3}).evaluate(np.ones(3), [1, 1], sizes={"a": 5})


def test_commutative_is_true_or_false():
    with pytest.raises(TypeError, match="commutative"):
        series("a ->", 2, None, "no")


def test_the_table_names_the_inputs_of_each_order():
    names = [line.split("  ")[0] for line in str(series("aH, aaH -> H", 2)).splitlines()[2:]]
    assert names == ["0", "1: a", "1: aa", "2: a, a", "2: a, aa", "2: aa, a", "2: aa, aa"]
