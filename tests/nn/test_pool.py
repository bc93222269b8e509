"""`EinPool`: order of parts, normalization, shapes, errors."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from einnet import EinNetError, EinPool, Symmetry
from einnet.errors import NotationError, ShapeError
from einnet.operations import pooling_terms
from einnet.terms import TypeSet
from oracles.naive import naive_pool
from refusals import assert_refused
from strategies import SIZES, TYPES, terms_of, with_h


def numbers(*shape: int) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.float64)


def test_each_term_reads_its_parts_in_order_and_writes_its_own():
    x = numbers(2, 4, 4, 5 * 3)
    p = x.split(3, -1)
    y = EinPool(["ab->ba", "ab,bc->ac", "ab,ab->ab"], normalize=None)(x).split(3, -1)
    assert len(y) == 3
    assert torch.equal(y[0], p[0].transpose(1, 2))
    assert torch.allclose(y[1], torch.einsum("zabh,zbch->zach", p[1], p[2]))
    assert torch.allclose(y[2], p[3] * p[4])


def test_fan_in_is_the_number_of_operands_and_fan_out_of_terms():
    pool = EinPool(["ab->ab", "ab,cb->ac", "ab,bc,cd->ad"], "aaH")
    assert (pool.fan_in, pool.fan_out) == (6, 3)
    assert pool(numbers(3, 3, 12)).shape == (3, 3, 6)
    assert list(pool.parameters()) == []


@given(st.data())
def test_sums_and_means_against_the_naive_pooling(data):
    symmetry = Symmetry(data.draw(st.sampled_from(TYPES)))
    terms = data.draw(st.lists(terms_of(symmetry, max_order=3), min_size=1, max_size=3))
    x = np.random.default_rng(0).standard_normal((*(SIZES[c] for c in symmetry.axes), 2 * sum(t.order for t in terms)))
    for normalize in (None, "size"):
        y = EinPool(terms, with_h(str(symmetry)), normalize=normalize)(torch.from_numpy(x))
        assert np.allclose(y.numpy(), naive_pool(terms, x, symmetry, normalize), rtol=1e-10, atol=1e-10)


ROWS, COLUMNS = 3, 7
HAND = {  # term: type, the value normalized by size from the parts
    "ab->ac": ("ab", lambda p: (p[0].sum(1) / COLUMNS)[:, None].expand(ROWS, COLUMNS)),
    "ab->cb": ("ab", lambda p: (p[0].sum(0) / ROWS)[None].expand(ROWS, COLUMNS)),
    "ab->cd": ("ab", lambda p: (p[0].sum() / (ROWS * COLUMNS)).expand(ROWS, COLUMNS)),
    "ab,ab->ab": ("ab", lambda p: p[0] * p[1]),
    "ab,cb,cd->ad": ("ab", lambda p: p[0] @ p[1].T @ p[2] / (ROWS * COLUMNS) ** 0.5),
    "ab,ac->ab": ("ab", lambda p: p[0] * p[1].sum(1, keepdim=True) / COLUMNS**0.5),
    "ab,bc->ac": ("aa", lambda p: p[0] @ p[1] / ROWS**0.5),
    "aa->bb": ("aa", lambda p: torch.eye(ROWS).double() * p[0].diagonal().sum() / ROWS),
    "aa->ab": ("aa", lambda p: p[0].diagonal()[:, None].expand(ROWS, ROWS)),
    "ab,bc,ca->de": ("aa", lambda p: (p[0] @ p[1] @ p[2]).diagonal().sum().expand(ROWS, ROWS) / ROWS**1.5),
}


@pytest.mark.parametrize("term", HAND)
def test_normalization_by_hand(term):
    """One operand: divided by the number N of summed values; a contraction: by the square root of N."""
    symmetry, formula = HAND[term]
    parts = [numbers(ROWS, COLUMNS if symmetry == "ab" else ROWS) for _ in range(term.count(",") + 1)]
    y = EinPool([term], symmetry, normalize="size")(torch.stack(parts, -1))[..., 0]
    assert torch.allclose(y, formula(parts), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("batch", [(), (2,), (2, 3), (0,)], ids=str)
@pytest.mark.parametrize("symmetry", TYPES)
def test_leading_axes_are_batch_axes(symmetry, batch):
    pool = EinPool(pooling_terms(Symmetry(symmetry)), with_h(symmetry))
    axes = [SIZES[c] for c in Symmetry(symmetry).axes]
    x = numbers(*batch, *axes, pool.fan_in)
    y = pool(x)
    assert y.shape == (*batch, *axes, pool.fan_out)
    flat = zip(x.reshape(-1, *x.shape[len(batch) :]), y.reshape(-1, *y.shape[len(batch) :]), strict=True)
    for sample, expected in flat:
        assert torch.allclose(pool(sample), expected, atol=1e-12)


def test_a_sum_over_nothing_is_zero():
    y = EinPool(["abc->adc", "abc->dbc", "abc,abc->adc"], "abcH")(numbers(4, 0, 3, 4))
    assert y.shape == (4, 0, 3, 3)
    lists = EinPool(["ab->ac"], "abH; a->b")
    assert torch.equal(lists(numbers(2, 3, 1), mask={"b": torch.zeros(2, 3, dtype=torch.bool)}), numbers(2, 3, 1) * 0)


@pytest.mark.parametrize(
    ("terms", "symmetry"),
    [
        (["ab->ab"], "abH"),
        (["ab->ba"], "aaH"),
        (["ab->ab", "aa->aa"], "aaH"),
        (["ab,cb,cd->ad"], "abH"),
        (["ab,bc->ac"], "aaH"),
        (["abc->abc", "abc->bac"], "aabH"),
        (["abc->cba"], "abaH"),
        (["a->b"], "aH"),
        (["->"], "H"),
    ],
)
def test_without_a_type_the_coarsest_that_fits_is_taken(terms, symmetry):
    assert EinPool(terms).symmetry.canonical() == Symmetry(symmetry)


@pytest.mark.parametrize(
    ("terms", "types"),
    [
        (["a,ab->b"], ["a", "aa"]),
        (["ab->ab", "a->a"], ["ab", "c"]),
        (["ab,b->ab"], ["ab", "b"]),
        (["ab->a", "ab->b"], ["aa", "a"]),
        (["a0b0,a1b0->a0a1"], ["ab", "aa"]),
    ],
)
def test_tuples_of_different_lengths_have_types_of_their_own(terms, types):
    assert TypeSet.of(EinPool(terms).types) == TypeSet.of(types)


@pytest.mark.parametrize("features", [0, 3])
def test_no_features_give_no_features(features):
    assert EinPool(["ab->ba", "ab,bc->ac"])(numbers(4, 4, features)).shape == (4, 4, 2 * features // 3)


# --- errors --------------------------------------------------------------------------------------


def test_features_must_be_a_multiple_of_fan_in():
    with pytest.raises(ShapeError, match="multiple of 3, got 8"):
        EinPool(["ab->ba", "ab,bc->ac"])(numbers(4, 4, 8))


def test_too_few_axes():
    with pytest.raises(ShapeError, match=r"got \(4, 4\)"):
        EinPool(["ab->ba"])(numbers(4, 4))


def test_joint_axes_of_two_sizes():
    with pytest.raises(ShapeError, match="size 4 and size 5"):
        EinPool(["ab->ba"])(numbers(4, 5, 3))


def test_an_unknown_normalization():
    with pytest.raises(EinNetError, match="'max'"):
        EinPool(["ab->ba"], normalize="max")


def test_no_term():
    with pytest.raises(EinNetError, match="at least one term"):
        EinPool([])


def test_a_term_that_is_not_of_the_type():
    assert_refused(lambda: EinPool(["ab->ab", "ab,bc->ac"], "abH"), NotationError, "index 'b'", caret=(3, 5))


@pytest.mark.parametrize("term", ["a0a1->a0a2", "b0a0->b1a0"])
def test_numbered_indices_need_no_type(term):
    assert EinPool([term])(torch.randn(3, 3, 1)).shape == (3, 3, 1)
