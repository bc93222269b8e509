"""float16: no sum is infinite before it is divided, in modules made half and under autocast."""

import pytest
import torch
from torch import Tensor

from einnet import EinLayer, EinLinear, EinPool
from einnet.nn import functional
from networks import NETWORKS

LARGE = 70_000  # more ones than float16 can count
HALVES = [torch.float16, torch.bfloat16]


def assert_close(y: Tensor, expected: Tensor, tolerance: float = 0.02) -> None:
    assert (y.double() - expected.double()).norm() <= tolerance * (expected.double().norm() + 0.1)


def run_all(module: torch.nn.Module, *inputs: Tensor, mask: Tensor | None = None) -> list[Tensor]:
    """What the module gives in single precision, under autocast to each half precision, and made half."""
    with torch.no_grad():
        outputs = [module(*inputs, mask=mask)]
        for dtype in HALVES:
            with torch.autocast("cpu", dtype):
                outputs.append(module(*inputs, mask=mask))
        outputs.append(module.half()(*(x.half() for x in inputs), mask=mask))
    assert outputs[-1].dtype == torch.float16
    return outputs


def scale_operands(module: torch.nn.Module) -> torch.nn.Module:
    """With operands of some thousands, so that a sum of 40 of them is larger than the largest number."""
    for name, p in module.named_parameters():
        if name.endswith("in_proj.weight"):
            p.data.mul_(4000)
    return module


@pytest.mark.parametrize("network", NETWORKS)
def test_networks_of_many_cells(network):
    net = network("aaH -> H", 1, 1, heads=1, hidden=2, depth=1)
    expected, *outputs = run_all(net, torch.ones(257, 257, 1))
    for y in outputs:
        assert_close(y, expected)


@pytest.mark.parametrize("mask", [None, torch.arange(40) >= 1], ids=["plain", "masked"])
@pytest.mark.parametrize("network", NETWORKS)
def test_networks_of_large_operands(network, mask):
    net = scale_operands(network("aH, aaH -> aH", (1, 1), 1, heads=2, hidden=4, depth=1, order=1))
    expected, *outputs = run_all(net, torch.ones(40, 1), torch.ones(40, 40, 1), mask=mask)
    for y in outputs:
        assert_close(y, expected)


@pytest.mark.parametrize(
    "options", [{}, {"normalize": None}, {"norm": "layer"}, {"chunks": 2}, {"bias": False}], ids=str
)
@pytest.mark.parametrize("text", ["aH", "abH", "aaH"])
def test_layers(text, options):
    layer = scale_operands(EinLayer(text, 4, 2, **options))
    expected, *outputs = run_all(layer, torch.ones(*[40] * text.index("H"), 4))
    for y in outputs:
        assert_close(y, expected)


def test_plain_sums_whose_image_is_small():
    layer = EinLinear("aH -> H", 1, 1, normalize=None)
    layer.weight.data.fill_(0.1)
    expected, *outputs = run_all(layer, torch.ones(LARGE, 1))
    for y in outputs:
        assert_close(y, expected)


@pytest.mark.parametrize("mask", [None, torch.ones(LARGE, dtype=torch.bool)], ids=["plain", "masked"])
def test_means_and_scaled_products(mask):
    x = torch.ones(LARGE, 3).half()
    y = EinPool(["a->b", "a,a->b"], "aH")(x, mask=mask)
    assert y.dtype == torch.float16
    assert_close(y[0], torch.tensor([1.0, LARGE**0.5]), 1e-3)
    assert_close(functional.einsum("a->", x, normalize="size", mask=mask), torch.ones(3), 1e-3)


def test_gradients():
    layer = scale_operands(EinLayer("aH", 4, 2))
    half = EinLayer("aH", 4, 2)
    half.load_state_dict(layer.state_dict())
    gradients = []
    for module, dtype in ((layer, torch.float32), (half.half(), torch.float16)):
        module(torch.linspace(-1, 1, 160, dtype=dtype).reshape(40, 4)).sum().backward()
        gradients.append(module.pool_proj.weight.grad)
    assert_close(gradients[1], gradients[0])


def test_small_numbers_keep_their_digits():
    """Dividing before adding up would lose them: the smallest normal number is 6e-5."""
    x = (torch.rand(LARGE, 1) / 100).half()
    y = EinPool(["a->b"], "aH")(x)
    assert abs(y[0, 0].item() / x.double().mean().item() - 1) < 2e-3
