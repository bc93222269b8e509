"""`PolynomialNet`: equivariance, f(0) = 0, symmetries of its operations."""

import pytest
import torch

from einnet.nn import EinNet, PolynomialNet
from einnet.testing import assert_equivariant
from networks import sizes_of
from strategies import TYPES, with_h


def small(signature: str, **options) -> PolynomialNet:
    return PolynomialNet(signature, 2, 3, heads=2, hidden=5, depth=2, **options).double()


@pytest.mark.parametrize("masks", [False, True], ids=["plain", "masked"])
@pytest.mark.parametrize("text", TYPES)
def test_it_is_equivariant(text, masks):
    net = small(with_h(text))
    assert_equivariant(net, with_h(text), sizes_of(with_h(text)), features=2, masks=masks)


def test_two_inputs_and_another_output():
    net = PolynomialNet("aH, aaH -> H", (2, 1), 3, heads=2, hidden=4, depth=1).double()
    x, r = torch.randn(4, 2).double(), torch.randn(4, 4, 1).double()
    assert net(x, r).shape == (3,)
    assert torch.equal(net(0 * x, 0 * r), torch.zeros(3).double())


def test_with_one_operation_of_order_3_it_is_odd_and_commutes_with_rotations():
    terms = ["ab,cb,cd->ad"]
    net = PolynomialNet("abH", 1, 1, heads=3, hidden=4, depth=3, terms=terms, normalize=None).double()
    x = torch.randn(4, 6, 1, dtype=torch.float64) / 5
    assert torch.allclose(net(-x), -net(x))
    left, _ = torch.linalg.qr(torch.randn(4, 4, dtype=torch.float64))
    right, _ = torch.linalg.qr(torch.randn(6, 6, dtype=torch.float64))
    turned = left @ x[..., 0] @ right
    assert torch.allclose(net(turned[..., None])[..., 0], left @ net(x)[..., 0] @ right, atol=1e-10)


@pytest.mark.parametrize("network", [EinNet, PolynomialNet])
def test_outputs_after_every_layer_end_with_the_output(network):
    net = network("aaH -> aH", 2, 3, heads=2, hidden=8, depth=4)
    x, mask = torch.randn(5, 6, 6, 2), torch.rand(5, 6) < 0.7
    outputs = net.outputs(x, mask=mask)
    assert len(outputs) == 4 and all(y.shape == (5, 6, 3) for y in outputs)
    assert torch.equal(outputs[-1], net(x, mask=mask))
    assert not torch.allclose(outputs[0], outputs[-1])


def test_it_is_saved_and_loaded(tmp_path):
    net = small("abH")
    net.save(tmp_path / "net.safetensors")
    x = torch.randn(3, 4, 2, dtype=torch.float64)
    assert torch.equal(PolynomialNet.load(tmp_path / "net.safetensors")(x), net(x))


@pytest.mark.parametrize("option", ["dropout", "activation", "norm", "bias", "expansion", "chunks"])
def test_options_of_other_networks_are_refused(option):
    with pytest.raises(TypeError, match=option):
        small("aH", **{option: 1})
