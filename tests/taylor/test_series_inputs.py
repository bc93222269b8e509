"""What a series takes: mixed frameworks and precisions, numpy's integers, sizes that belong to letters."""

import numpy as np
import pytest
import torch

from einnet import EinNetError, series


def test_whole_numbers_keep_the_fractions_of_the_parameters():
    found = series("a -> a", 1)
    assert found.evaluate(torch.arange(3), [0.5, 0.5, 0.5]).tolist() == [2, 2.5, 3]
    assert found.evaluate(np.arange(3), [0.5, 0.5, 0.5]).tolist() == [2, 2.5, 3]


@pytest.mark.parametrize("basis", ["orbit", "contraction"])
@pytest.mark.parametrize(("text", "shape"), [("aa -> a", (3, 3)), ("aH -> aH", (3, 2))])
def test_tensors_arrays_and_precisions_mix(text, shape, basis):
    found = series(text, 2, {"a": 3, "H": 2} if "H" in text else {"a": 3})
    params, x = np.random.default_rng(0).standard_normal(found.total), np.random.default_rng(1).standard_normal(shape)
    expected = found.evaluate(x, params, basis)
    for one in (x, torch.tensor(x), torch.tensor(x).float()):
        for other in (params, torch.tensor(params), torch.tensor(params).float(), list(params)):
            value = np.asarray(found.evaluate(one, other, basis))
            assert np.allclose(value, expected, rtol=1e-4, atol=1e-4)


def test_complex_parameters_keep_their_imaginary_part():
    value = series("a ->", 1).evaluate(torch.ones(2), [0, 1j])
    assert value == 2j


def test_sizes_may_be_numpy_integers():
    found = series("ab ->", np.int64(2), {"a": np.int64(2**16), "b": np.int64(2**16)})
    assert found.sizes == {"a": 2**16, "b": 2**16}
    with pytest.raises(EinNetError, match="18,446,744,073,709,551,616 entries, more than"):
        found.sharing(2)


def test_series_are_equal_if_their_letters_and_sizes_are():
    sizes = {"a": 2, "b": 3}
    assert series("ab ->", 1, sizes) == series("ab->", 1, sizes)
    assert hash(series("ab ->", 1, sizes)) == hash(series("ab->", 1, sizes))
    assert series("aaab ->", 1, sizes) != series("bbba ->", 1, sizes)
    assert series("aaab ->", 1, sizes).dof != series("bbba ->", 1, sizes).dof
    assert series("ab ->", 1) != series("ab ->", 2)


def test_more_axes_than_an_array_has_are_refused():
    found = series("a ->", 60, {"a": 1})
    assert found.total == 61
    assert found.evaluate(np.full(1, 2.0), np.ones(61)) == 2**61 - 1
    for ask in (lambda: found.sharing(60), lambda: found.evaluate(np.ones(1), np.ones(61), basis="orbit")):
        with pytest.raises(EinNetError, match=r"has \d+ axes, more than the 50 that an einsum has letters for"):
            ask()


def test_very_many_choices_of_operands_are_refused_at_once():
    with pytest.raises(EinNetError, match="has more than 10,000 choices of operands"):
        series("a,b,c,d,e,f,g,h,i,j ->", 14).dof  # noqa: B018


def test_sizes_that_are_no_dict_are_refused():
    with pytest.raises(EinNetError, match=r"sizes must be a dict such as \{'a': 3\}, got \[3\]"):
        series("a ->", 1, [3])
