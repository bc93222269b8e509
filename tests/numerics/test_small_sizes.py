"""Axes of size 0 and 1, and batches without samples: right shapes, finite values and gradients."""

from itertools import product

import numpy as np
import pytest
import torch

from einnet import EinLayer, EinLinear, EinPool, Signature, Symmetry, Term
from einnet.terms import linear_terms
from networks import NETWORKS, random_inputs, sizes_of, small
from numerics.operations import CATALOGUE, TYPES, ids, inputs_of, kind_of_plan, pool_of
from oracles.naive import naive_pool
from strategies import SIZES, with_h

SIGNATURES = [
    "aH", "abH", "aaH", "aabH", "abH; a->b", "abcH; a->b, b->c", "aaH -> aH", "aaH -> H", "abH -> aH", "aH -> aaH",
    "abcH -> aH; a->b", "aH, aaH -> aH", "aH, bH -> abH", "aH -> abH",
]  # fmt: skip


def small_sizes(letters: str) -> list[dict[str, int]]:
    """One axis with size 0 and 1, the rest unchanged; then all with size 0 and 1."""
    single = [{c: n} for n in (0, 1) for c in letters]
    return single + [dict.fromkeys(letters, n) for n in (0, 1)] * (len(letters) > 1)


@pytest.mark.grid(stratum=kind_of_plan)
@pytest.mark.parametrize(("text", "term"), CATALOGUE, ids=ids(CATALOGUE))
def test_operations(text, term):
    bare = Symmetry(text)
    for sizes, normalize in product(small_sizes("".join(bare.classes)), ("size", None)):
        pool = pool_of(text, term, normalize)
        x = inputs_of(pool, **sizes)
        y = pool(x)
        (gradient,) = torch.autograd.grad(y.sum(), x)
        assert np.allclose(y.detach().numpy(), naive_pool([Term(term)], x.detach().numpy(), bare, normalize))
        assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("text", TYPES)
def test_largest_values(text):
    bare = Symmetry(text)
    pool = EinPool(linear_terms(bare, bare), with_h(text), reduction="max")
    for sizes in small_sizes("".join(bare.classes)):
        x = inputs_of(pool, **sizes)
        y = pool(x)
        assert y.shape == (*x.shape[:-1], pool.fan_out)
        (gradient,) = torch.autograd.grad(y.sum(), x)
        assert torch.isfinite(y).all() and torch.isfinite(gradient).all()


def check(module, inputs, sizes: dict[str, int], batch: tuple[int, ...]) -> None:
    """Shape of the output; a finite output, and finite gradients of all inputs and parameters."""
    signature = module.signature
    for x in inputs:
        x.requires_grad_()
    y = module(*inputs, sizes={c: sizes[c] for c in signature.classes})
    assert y.shape == (*batch, *(sizes[c] for c in signature.output.axes), 3)
    assert torch.isfinite(y).all()
    y.square().sum().backward()
    leaves = [*inputs, *module.parameters()]
    assert all(torch.isfinite(p.grad).all() for p in leaves if p.grad is not None)
    assert all(x.grad is not None for x in inputs)


@pytest.mark.grid(stratum=lambda signature, network: (signature, network))
@pytest.mark.parametrize("batch", [(), (2,), (0,), (2, 0)], ids=str)
@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("signature", SIGNATURES)
def test_networks(signature, network, batch):
    net = small(signature, network)
    for sizes in [{}, *small_sizes("".join(sizes_of(signature)))]:
        check(net, random_inputs(net, batch, **sizes), SIZES | sizes, batch)


@pytest.mark.grid(stratum=lambda signature, normalize: (signature, normalize))
@pytest.mark.parametrize("normalize", ["size", None])
@pytest.mark.parametrize("batch", [(), (2,), (0,)], ids=str)
@pytest.mark.parametrize("signature", SIGNATURES)
def test_linear_maps(signature, batch, normalize):
    number = len(Signature(signature).inputs)
    layer = EinLinear(signature, [2] * number, 3, normalize=normalize).double()
    for sizes in [{}, *small_sizes("".join(sizes_of(signature)))]:
        check(layer, random_inputs(layer, batch, **sizes), SIZES | sizes, batch)


@pytest.mark.parametrize("chunks", [1, 2])
@pytest.mark.parametrize("batch", [(), (0,)], ids=str)
@pytest.mark.parametrize("text", ["aH", "abH", "aaH", "abH; a->b", "abcH; a->b, b->c"])
def test_layers(text, batch, chunks):
    layer = EinLayer(text, features=3, heads=2, chunks=chunks).double()
    bare = layer.symmetry
    for sizes in [{}, *small_sizes("".join(bare.classes))]:
        x = torch.randn(*batch, *((SIZES | sizes)[c] for c in bare.axes), 3, dtype=torch.float64, requires_grad=True)
        y = layer(x)
        assert y.shape == x.shape and torch.isfinite(y).all()
        (gradient,) = torch.autograd.grad(y.square().sum(), x)
        assert torch.isfinite(gradient).all()
