"""First and second derivatives against finite differences, in double precision."""

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck
from torch.func import functional_call

from einnet import EinLayer, EinLinear, EinPool, Signature, Symmetry
from einnet.nn import ReferenceBlock
from einnet.terms import linear_terms
from networks import NETWORKS, random_inputs, small
from numerics.operations import CATALOGUE, TYPES, axes_of, ids, inputs_of, kind_of_plan, pool_of
from strategies import with_h

LINEAR = [
    "aH", "abH", "aaH", "abcH", "aabH", "aaH -> aH", "aH -> aaH", "aaH -> H", "abH -> aH", "abH -> baH", "aabH -> abH",
    "abH; a->b", "abcH -> aH; a->b", "abcH; a->b, b->c", "aH, aaH -> aH", "aH, bH -> abH",
]  # fmt: skip
SIGNATURES = ["aH", "abH", "aaH -> H", "abH; a->b", "aH, aaH -> aH"]


@pytest.mark.grid(stratum=kind_of_plan)
@pytest.mark.parametrize(("text", "term"), CATALOGUE, ids=ids(CATALOGUE))
def test_every_operation_of_the_catalogue(text, term):
    pool = pool_of(text, term)
    x = inputs_of(pool)
    assert gradcheck(pool, x)
    assert gradgradcheck(pool, x, fast_mode=True)


@pytest.mark.parametrize("text", TYPES)
def test_largest_values(text):
    """Entries are far enough apart for finite differences: none is the largest by less than their step."""
    terms = linear_terms(Symmetry(text), Symmetry(text))[:20]
    pool = EinPool(terms, with_h(text), reduction="max")
    shape = [*axes_of(text), pool.fan_in]
    number = torch.Size(shape).numel()
    x = torch.randperm(number).double().reshape(shape).div(number).requires_grad_()
    assert gradcheck(pool, x, fast_mode=number > 200)


def checks(module: torch.nn.Module, inputs: list[torch.Tensor]) -> bool:
    """First and second derivatives with respect to all inputs and all parameters, along random directions."""
    names, parameters = zip(*module.named_parameters(), strict=True)
    k = len(inputs)

    def f(*tensors: torch.Tensor) -> torch.Tensor:
        return functional_call(module, dict(zip(names, tensors[k:], strict=True)), tensors[:k])

    tensors = (*(x.requires_grad_() for x in inputs), *parameters)
    return gradcheck(f, tensors, fast_mode=True) and gradgradcheck(f, tensors, fast_mode=True)


@pytest.mark.parametrize("signature", LINEAR)
def test_linear_maps(signature):
    number = len(Signature(signature).inputs)
    layer = EinLinear(signature, [2] * number, 2).double()
    assert checks(layer, random_inputs(layer, a=3, b=2))


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("signature", SIGNATURES)
def test_networks(signature, network):
    net = small(signature, network, heads=1, hidden=3)
    assert checks(net, random_inputs(net, a=3, b=2))


@pytest.mark.parametrize("norm", ["rms", None])
@pytest.mark.parametrize("text", ["aH", "abH", "aaH", "abH; a->b"])
def test_layers(text, norm):
    layer = EinLayer(text, features=2, heads=1, norm=norm).double()
    assert checks(layer, [torch.randn(*axes_of(text), 2, dtype=torch.float64)])


def test_the_reference_block():
    block = ReferenceBlock("aaH", heads=1, hidden=3, out_features=2).double()
    assert checks(block, [torch.randn(3, 3, block.pool.fan_in, dtype=torch.float64)])
