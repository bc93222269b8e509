"""Numbers of all kinds that people pass: taken where they are exact, refused in words elsewhere."""

import json
import math
from dataclasses import asdict
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
import torch

from einnet import EinLinear, EinNet, Plan, Signature, Term, laurent, pooling, series, series_of
from einnet.checks import check_count, check_flag, check_real, check_sizes
from einnet.errors import EinNetError
from einnet.explain import explain_signature
from einnet.tasks.kg.app import KgConfig
from einnet.taylor import permutations
from einnet.train import Options

TWOS = [
    2, 2.0, Fraction(2), np.int64(2), np.int8(2), np.float16(2), np.float64(2), np.longdouble(2), np.array(2),
    torch.tensor(2), torch.tensor(2.0),
]  # fmt: skip
NO_COUNTS = [
    True, np.True_, torch.tensor(True), 2.5, np.float32(2.5), Fraction(5, 2), math.nan, math.inf, np.float32("inf"),
    torch.tensor(math.nan), torch.tensor([2]), np.array([2]), "2", None, 2j, [2],
]  # fmt: skip
CALLS = {
    "series": lambda v: series("ab -> a", order=v, sizes={"a": v, "b": v}).dof,
    "sharing": lambda v: series("a -> a", 2, {"a": v}).sharing(v).tolist(),
    "generators": lambda v: series_of([[1, 0]], v).sharing(v).tolist(),
    "dof_at": lambda v: series("aaaa ->", 1).dof_at({"a": v}),
    "laurent": lambda v: laurent(v, [v, -v, 0]).dof,
    "representation": lambda v: (permutations(v) ** v).dimension,
    "pooling": lambda v: str(pooling("aH", v, max_exponent=v)),
    "cost": lambda v: Plan.make([Term("ab,bc->ac")], "aa").flops.at({"a": v}),
    "element": lambda v: Signature("a").random_element({"a": v}, 0).maps["a"].tolist(),
    "explain": lambda v: explain_signature("aH", heads=v, hidden=v, depth=v, order=v),
    "network": lambda v: repr(EinNet("aH", v, v, v, v, v, order=v, dropout=v / 4, expansion=v, chunks=v)),
    "linear": lambda v: EinLinear("a -> ab", v, v)(torch.zeros(3, 2), sizes={"b": v}).shape,
    "options": lambda v: json.dumps(Options(steps=v, seed=v, minutes=v).as_json()),
    "config": lambda v: json.dumps(asdict(KgConfig(heads=v, dropout=v / 4))),
}


@pytest.mark.parametrize("name", CALLS)
def test_every_exact_number_is_taken_as_the_number_of_python(name):
    expected = CALLS[name](2)
    assert [v for v in TWOS if CALLS[name](v) != expected] == []


@pytest.mark.parametrize("value", NO_COUNTS, ids=repr)
def test_what_is_no_whole_number_is_no_count(value):
    with pytest.raises(TypeError, match="heads must be a whole number"):
        check_count(value, "heads")
    with pytest.raises(TypeError, match="the size of axis 'a' must be a whole number"):
        check_sizes({"a": value})


@pytest.mark.parametrize(
    "value", [True, np.True_, torch.tensor(True), torch.tensor([0.5]), "0.5", None, 1j, Decimal(1)]
)
def test_what_is_no_number_is_refused(value):
    with pytest.raises(TypeError, match="dropout must be a number"):
        check_real(value, "dropout")


NOT_FINITE = {"nan": math.nan, "numpy": np.float32("nan"), "torch": torch.tensor(math.inf), "big": 10**400}


@pytest.mark.parametrize("value", NOT_FINITE.values(), ids=NOT_FINITE)
def test_no_number_that_is_not_finite_passes(value):
    with pytest.raises(EinNetError, match="lr must be at least 0"):
        check_real(value, "lr")


@pytest.mark.parametrize("value", [np.int64(10**9), 10**400, 10**5000, -(10**5000)], ids=list("abcd"))
def test_a_number_with_too_many_digits_to_print_is_refused_in_words(value):
    for check in (check_count, check_real):
        with pytest.raises(EinNetError, match="must be .*, got") as caught:
            check(value, "order", **({"maximum": 300} if check is check_count else {"below": 1}))
        assert len(str(caught.value)) < 100


def test_sizes_in_narrow_integers_do_not_overflow():
    plan = Plan.make([Term("ab,bc->ac")], "aa")
    assert plan.flops.at({"a": np.int32(100_000)}) == plan.flops.at({"a": 100_000}) > 2**31


@pytest.mark.parametrize("flag", [True, np.True_, torch.tensor(True)])
def test_flags_of_numpy_and_torch_are_flags(flag):
    assert check_flag(flag, "bias") is True
    assert EinNet("aH", 1, 1, hidden=8, depth=1, bias=flag).config.bias is True
    for no_flag in (1, 1.0, "yes", np.array([True])):
        with pytest.raises(TypeError, match="True or False"):
            check_flag(no_flag, "bias")
