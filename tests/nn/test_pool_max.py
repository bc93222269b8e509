"""`EinPool(reduction="max")`: values against a loop over all cells, masks, empty axes, gradients, equivariance, errors."""

from itertools import product

import numpy as np
import pytest
import torch

from einnet import EinNetError, EinPool, Symmetry
from einnet.terms import Term, linear_terms
from einnet.testing import assert_equivariant
from refusals import assert_refused
from strategies import SIZES, TYPES, with_h

CATALOGUE = [(t, str(term)) for t in TYPES for term in linear_terms(Symmetry(t), Symmetry(t))]


def largest_by_hand(term: Term, x: np.ndarray) -> np.ndarray:
    """(axes...) to (axes...), one assignment of the indices after the other; zero where none sets a cell."""
    (operand,), output = term.operands, term.output
    indices = list(dict.fromkeys((*operand, *output)))
    sizes_of = {i: n for tup in (operand, output) for i, n in zip(tup, x.shape, strict=True)}
    y = np.full(x.shape, -np.inf)
    for values in product(*(range(sizes_of[i]) for i in indices)):
        at = dict(zip(indices, values, strict=True))
        cell = tuple(at[i] for i in output)
        y[cell] = max(y[cell], x[tuple(at[i] for i in operand)])
    return np.where(y == -np.inf, 0, y)


@pytest.mark.parametrize(("symmetry", "term"), CATALOGUE, ids=[f"{t} {term}" for t, term in CATALOGUE])
def test_the_largest_values_against_a_loop(symmetry, term):
    x = np.random.default_rng(0).standard_normal([SIZES[c] for c in Symmetry(symmetry).axes]) - 3
    y = EinPool([term], with_h(symmetry), reduction="max")(torch.from_numpy(x)[..., None])[..., 0]
    assert np.array_equal(y.numpy(), largest_by_hand(Term(term), x))


@pytest.mark.parametrize("symmetry", TYPES)
def test_it_is_equivariant(symmetry):
    terms = linear_terms(Symmetry(symmetry), Symmetry(symmetry))
    pool = EinPool(terms, with_h(symmetry), reduction="max").double()
    assert_equivariant(pool, with_h(symmetry), SIZES, features=pool.fan_in)


def test_masked_cells_are_never_the_largest():
    pool = EinPool(["ab->ac", "ab->cb", "ab->cd"], "abH", reduction="max")
    x = torch.randn(4, 6, 3) - 5
    padded = torch.full((7, 9, 3), torch.nan)
    padded[:4, :6] = x
    mask = {"a": torch.arange(7) < 4, "b": torch.arange(9) < 6}
    y = pool(padded, mask=mask)
    assert torch.equal(y[:4, :6], pool(x))
    assert not y[4:].any() and not y[:, 6:].any()
    assert not pool(padded, mask=mask | {"b": torch.zeros(9, dtype=torch.bool)}).any()


def test_the_largest_of_nothing_is_zero():
    assert not EinPool(["abc->adc"], "abcH", reduction="max")(torch.randn(2, 0, 3, 1)).any()
    assert EinPool(["ab->cb"], "abH", reduction="max")(torch.ones(0, 3, 1)).shape == (0, 3, 1)


def test_the_gradient_goes_to_the_largest():
    x = torch.tensor([[1.0, 5.0, 2.0]], requires_grad=True)
    EinPool(["ab->ac"], "abH", reduction="max")(x[..., None])[0, 0].backward()
    assert x.grad is not None and x.grad.tolist() == [[0.0, 1.0, 0.0]]


def test_unknown_reductions_are_refused():
    assert_refused(lambda: EinPool(["ab->ab"], "abH", reduction="mean"), EinNetError, "'mean'")
    assert "reduction='max'" in repr(EinPool(["ab->ab"], "abH", reduction="max"))


INTEGERS = [torch.int64, torch.int8, torch.uint8, torch.bool]


@pytest.mark.parametrize("dtype", INTEGERS, ids=str)
@pytest.mark.parametrize("term", ["ab->ac", "ab->cd", "ab->ab"])
def test_integers_with_a_mask(dtype, term):
    x = torch.tensor([[0, -7, 90], [0, 0, 90], [90, 90, 90]])
    x = (x if dtype.is_signed else x.clamp(min=0)).to(dtype)
    y = EinPool([term], "abH", reduction="max")(x[..., None], mask={"a": torch.arange(3) < 2, "b": torch.arange(3) < 2})
    small = EinPool([term], "abH", reduction="max")(x[:2, :2, None])
    assert y.dtype == dtype and torch.equal(y[:2, :2], small)
    assert not y[2:].any() and not y[:, 2:].any()


@pytest.mark.parametrize("dtype", [*INTEGERS, torch.float32], ids=str)
def test_the_largest_of_nothing_keeps_its_dtype(dtype):
    pool = EinPool(["ab->ac"], "abH", reduction="max")
    for columns in (0, 2):
        y = pool(torch.ones(2, columns, 1).to(dtype), mask={"b": torch.zeros(columns, dtype=torch.bool)})
        assert y.dtype == dtype and not y.any()


@pytest.mark.parametrize("lowest", [-torch.inf, torch.iinfo(torch.int64).min])
def test_a_value_that_is_the_lowest_number_stays(lowest):
    x = torch.tensor([[lowest, lowest], [lowest, 1]])
    y = EinPool(["ab->ac"], "abH", reduction="max")(x[..., None], mask={"b": torch.tensor([True, False])})[..., 0]
    assert torch.equal(y[:, 0], x[:, 0])


def test_the_mean_of_integers_with_a_mask_is_no_integer():
    x = torch.tensor([[1, 4, 9], [2, 2, 9]])
    y = EinPool(["ab->ac"], "abH")(x[..., None], mask={"b": torch.arange(3) < 2})[..., 0]
    assert y[:, 0].tolist() == [2.5, 2.0]
