"""Tensors that lie otherwise in memory give what contiguous ones give, and no input is written to."""

import pytest
import torch
from torch import Tensor

from einnet import EinLayer, EinLinear, EinPool
from networks import NETWORKS, random_inputs, small
from numerics.operations import CATALOGUE, ids, inputs_of, kind_of_plan, pool_of

SIGNATURES = ["aH", "abH", "aaH -> aH", "abH; a->b", "aH, aaH -> aH", "abcH; a->b, b->c"]


def with_gaps(x: Tensor) -> Tensor:
    """Entries with gaps between them."""
    wide = torch.full([2 * n for n in x.shape], torch.nan, dtype=x.dtype)
    y = wide[tuple(slice(None, None, 2) for _ in x.shape)]
    return y.copy_(x)


def reverse_axes(x: Tensor) -> Tensor:
    """The first axis is the one whose entries are side by side; features are far apart, as in (batch, features, axes)."""
    return x.permute(*reversed(range(x.dim()))).contiguous().permute(*reversed(range(x.dim())))


def features_first(x: Tensor) -> Tensor:
    """Features before the axes, as convolutions have them."""
    return x.movedim(-1, 1).contiguous().movedim(1, -1)


def one_sample(x: Tensor) -> Tensor:
    """The same sample again and again, with stride 0."""
    return x[:1].expand(x.shape)


def constant_features(x: Tensor) -> Tensor:
    return x[..., :1].expand(x.shape)


def constant_axis(x: Tensor) -> Tensor:
    """All rows are one row, with stride 0."""
    return x[:, :1].expand(x.shape) if x.dim() > 2 else x


LAYOUTS = [with_gaps, reverse_axes, features_first, one_sample, constant_features, constant_axis]


def check(module, inputs: list[Tensor], layout) -> None:
    """Outputs and gradients are those for contiguous copies; inputs, and what comes in for the gradient, are as before."""
    strided = [layout(x).requires_grad_() for x in inputs]
    plain = [x.detach().clone(memory_format=torch.contiguous_format).requires_grad_() for x in strided]
    y, expected = module(*strided), module(*plain)
    g = layout(torch.randn(expected.shape, dtype=expected.dtype))
    before = g.clone()
    gradients = torch.autograd.grad(y, strided, g)
    expected_gradients = torch.autograd.grad(expected, plain, g.contiguous())
    assert torch.allclose(y, expected, rtol=1e-10, atol=1e-12)
    assert all(torch.allclose(a, b, rtol=1e-9, atol=1e-11) for a, b in zip(gradients, expected_gradients, strict=True))
    assert all(torch.equal(x, p) and x._version == 0 for x, p in zip(plain, strided, strict=True))
    assert torch.equal(g, before)


@pytest.mark.grid(stratum=kind_of_plan)
@pytest.mark.parametrize(("text", "term"), CATALOGUE, ids=ids(CATALOGUE))
def test_operations(text, term):
    pool = pool_of(text, term)
    for layout in LAYOUTS:
        check(pool, [inputs_of(pool, 2).detach()], layout)


@pytest.mark.grid(stratum=lambda network, layout: (network, layout))
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("signature", SIGNATURES)
def test_networks(signature, network, layout):
    net = small(signature, network)
    check(net, random_inputs(net, (2,)), layout)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("signature", SIGNATURES)
def test_linear_maps(signature, layout):
    layer = EinLinear(signature, (2, 2) if "," in signature.partition(";")[0] else 2, 3).double()
    check(layer, random_inputs(layer, (2,)), layout)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("text", ["aH", "abH", "aaH", "abH; a->b"])
@pytest.mark.parametrize("options", [{}, {"chunks": 2}, {"norm": None}], ids=str)
def test_layers(text, options, layout):
    layer = EinLayer(text, features=3, heads=2, **options).double()
    check(layer, [torch.randn(2, *[3] * len(layer.symmetry.axes), 3, dtype=torch.float64)], layout)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_largest_values(layout):
    pool = EinPool(["ab->ac", "aa->aa", "ab->ba"], "aaH", reduction="max")
    check(pool, [torch.randn(2, 4, 4, 6, dtype=torch.float64)], layout)


@pytest.mark.parametrize("module", [*NETWORKS, EinPool])
def test_inputs_and_masks_are_left_alone(module):
    """Padding that is not a number, where a mask replaces it, included."""
    net = EinPool(["ab->ba", "ab,bc->ac"], "aaH") if module is EinPool else small("aaH", module)
    features = 3 if module is EinPool else 2
    x, mask = torch.randn(2, 4, 4, features, dtype=torch.float64), torch.tensor([[True] * 4, [True, False] * 2])
    x[1, 1] = torch.nan
    copies = x.clone(), mask.clone()
    versions = x._version, mask._version
    y = net(x.requires_grad_(), mask=mask)
    y.sum().backward()
    assert torch.equal(x.nan_to_num(7.0), copies[0].nan_to_num(7.0)) and torch.equal(mask, copies[1])
    assert (x._version, mask._version) == versions


def test_layouts_are_what_they_say():
    x = torch.randn(2, 3, 4, 5)
    for layout in LAYOUTS:
        assert not layout(x).is_contiguous()
    assert [torch.equal(layout(x), x) for layout in LAYOUTS] == [True, True, True, False, False, False]
