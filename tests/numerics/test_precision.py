"""Single and half precision stay within stated tolerances of double precision. All sizes: table.py."""

import pytest
import torch

from einnet import EinLayer, EinLinear, Plan
from networks import NETWORKS
from numerics.operations import CATALOGUE, ids, kind_of_plan, pool_of
from numerics.precision import (
    DTYPES,
    gradient_tolerance,
    network_case,
    network_errors,
    network_tolerance,
    pool_errors,
    pool_tolerance,
)

POOLS = [(text, term) for text, term in CATALOGUE if text in ("a", "ab", "aa", "ab; a->b")]
CHEAP = [(text, term) for text, term in POOLS if Plan.make([term], text).flops.degree <= 2]
PRECISIONS = pytest.mark.parametrize("dtype", DTYPES, ids=str)


@pytest.mark.grid(stratum=lambda text, term, n, dtype: (kind_of_plan(text, term), n, dtype))
@PRECISIONS
@pytest.mark.parametrize("positive", [False, True], ids=["normal entries", "positive entries"])
@pytest.mark.parametrize(
    ("text", "term", "n"),
    [(*case, n) for case in POOLS for n in (8, 64)] + [(*case, 512) for case in CHEAP],
    ids=[f"{name} {n}" for name in ids(POOLS) for n in (8, 64)] + [f"{name} 512" for name in ids(CHEAP)],
)
def test_operations(text, term, n, positive, dtype):
    errors = pool_errors(pool_of(text, term), n, dtype, positive=positive)
    assert max(errors) <= pool_tolerance(dtype, term.count(",") + 1, n)


@PRECISIONS
@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("signature", ["aH", "abH", "aaH", "abH; a->b", "aaH -> aH", "aH, aaH -> aH"])
def test_networks(signature, network, dtype):
    n = 24
    make, shapes = network_case(signature, n, network)
    output, gradient = network_errors(make, shapes, dtype)
    cells = max(torch.Size(s[:-1]).numel() for s in shapes)
    assert output <= network_tolerance(dtype, 2, cells)
    assert gradient <= gradient_tolerance(make(), dtype, 2, cells)


@PRECISIONS
@pytest.mark.parametrize("text", ["aH", "abH", "aaH", "abH; a->b"])
@pytest.mark.parametrize("kind", [EinLayer, EinLinear])
def test_layers(kind, text, dtype):
    n = 24
    shape = (2, *[n] * (len(text.partition("H")[0])), 8)
    errors = network_errors(lambda: kind(text, 8, 8), [shape], dtype)
    assert max(errors) <= network_tolerance(dtype, 1, torch.Size(shape[:-1]).numel())


def test_the_measure_sees_an_error():
    """Arithmetic in bfloat16 is outside of the tolerance for single precision."""
    error, _ = pool_errors(pool_of("aa", "ab,bc->ac"), 8, torch.bfloat16)
    assert error > 10 * pool_tolerance(torch.float32, 2, 8)
