"""`EinNet(block="polynomial")` and outputs after every layer."""

import pytest
import torch

from einnet import EinNet, EinNetError
from einnet.testing import assert_equivariant
from strategies import SIZES, TYPES, with_h


def small(signature: str, **options) -> EinNet:
    return EinNet(signature, 2, 3, heads=2, hidden=5, depth=2, block="polynomial", **options).double()


@pytest.mark.parametrize("masks", [False, True], ids=["plain", "masked"])
@pytest.mark.parametrize("text", TYPES)
def test_it_is_equivariant(text, masks):
    net = small(with_h(text))
    sizes = {c: SIZES[c] for c in net.signature.classes}
    assert_equivariant(net, with_h(text), sizes, features=2, masks=masks)


def test_other_outputs_and_inputs():
    net = EinNet("aH, aaH -> H", (2, 1), 3, heads=2, hidden=4, depth=1, block="polynomial").double()
    x, r = torch.randn(4, 2).double(), torch.randn(4, 4, 1).double()
    assert net(x, r).shape == (3,)
    assert torch.equal(net(0 * x, 0 * r), torch.zeros(3).double())


def test_with_one_operation_of_order_3_it_is_odd_and_commutes_with_rotations():
    net = EinNet(
        "abH", 1, 1, heads=3, hidden=4, depth=3, terms=["ab,cb,cd->ad"], block="polynomial", normalize=None
    ).double()
    x = torch.randn(4, 6, 1, dtype=torch.float64) / 5
    assert torch.allclose(net(-x), -net(x))
    left, _ = torch.linalg.qr(torch.randn(4, 4, dtype=torch.float64))
    right, _ = torch.linalg.qr(torch.randn(6, 6, dtype=torch.float64))
    turned = left @ x[..., 0] @ right
    assert torch.allclose(net(turned[..., None])[..., 0], left @ net(x)[..., 0] @ right, atol=1e-10)


@pytest.mark.parametrize("block", ["default", "polynomial"])
def test_outputs_after_every_layer_end_with_the_output(block):
    net = EinNet("aaH -> aH", 2, 3, heads=2, hidden=8, depth=4, block=block)
    x, there = torch.randn(5, 6, 6, 2), torch.rand(5, 6) < 0.7
    outputs = net.outputs(x, mask=there)
    assert len(outputs) == 4 and all(y.shape == (5, 6, 3) for y in outputs)
    assert torch.equal(outputs[-1], net(x, mask=there))
    assert not torch.allclose(outputs[0], outputs[-1])


def test_it_is_saved_and_loaded(tmp_path):
    net = small("abH")
    net.save(tmp_path / "net.safetensors")
    x = torch.randn(3, 4, 2, dtype=torch.float64)
    assert torch.equal(EinNet.load(tmp_path / "net.safetensors")(x), net(x))


def test_what_it_does_not_have():
    with pytest.raises(EinNetError, match="dropout"):
        small("aH", dropout=0.1)
    with pytest.raises(EinNetError, match="last layer"):
        EinNet("aH", 1, 1, heads=2, hidden=4, depth=2, block="reference").outputs(torch.randn(3, 1))
