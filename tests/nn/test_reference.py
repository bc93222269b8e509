"""`ReferenceNet` gives the numbers of its formulas, which the oracle writes down a second time."""

import pytest
import torch

from einnet.nn import ReferenceBlock, ReferenceNet
from oracles.reference import reference

SHAPES = {"a": (6,), "aa": (5, 5), "ab": (4, 6)}
FAN = {"a": (4, 3), "aa": (8, 6), "ab": (8, 5)}


def weights_of(net: ReferenceNet) -> list[torch.Tensor]:
    """Of the perceptrons: the encoder's, then each block's."""
    perceptrons = [*net.encoder.maps, *(block.mlp for block in net.layers)]
    return [p.detach() for perceptron in perceptrons for p in perceptron.parameters()]


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float64, 1e-12)], ids=["f32", "f64"])
@pytest.mark.parametrize("batch", [(), (3,), (2, 2)], ids=str)
@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize("depth", [1, 3])
def test_the_formulas(kind, batch, dtype, tolerance, depth):
    net = ReferenceNet(f"{kind}H", 3, 2, heads=4, hidden=16, depth=depth).to(dtype)
    x = torch.randn(*batch, *SHAPES[kind], 3, dtype=dtype)
    expected = reference(kind, weights_of(net), x, heads=4)
    assert expected.shape == (*batch, *SHAPES[kind], 2)
    assert torch.allclose(net(x), expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("kind", SHAPES)
def test_the_formulas_where_the_signal_is_large(kind):
    """Weights ten times as large: the softmax is far from uniform."""
    net = ReferenceNet(f"{kind}H", 3, 2, heads=4, hidden=16, depth=2).double()
    for p in net.parameters():
        p.data.mul_(10)
    x = torch.randn(2, *SHAPES[kind], 3, dtype=torch.float64)
    expected = reference(kind, weights_of(net), x, heads=4)
    assert torch.allclose(net(x), expected, rtol=1e-10, atol=1e-10)
    changed = x.clone()
    changed[0, 0] += 1
    assert (net(changed) - net(x))[0, 1:].abs().max() > 1e-3  # a change at one place reaches all places


@pytest.mark.parametrize("kind", FAN)
def test_fan_in_and_fan_out(kind):
    block = ReferenceBlock(f"{kind}H", heads=2, hidden=4, out_features=3)
    assert (block.pool.fan_in, block.pool.fan_out) == FAN[kind]
    assert block.pool.pooling.normalize is None


@pytest.mark.parametrize(
    ("arguments", "count"),
    [
        (("aaH -> aaH", 25, 50, 64, 128, 6), 701_746),
        (("abH -> abH", 1, 1, 32, 128, 6), 322_177),
    ],
)
def test_the_number_of_parameters(arguments, count):
    assert sum(p.numel() for p in ReferenceNet(*arguments).parameters()) == count


@pytest.mark.parametrize("option", ["dropout", "normalize", "iterations", "automorphism", "activation", "norm"])
def test_options_of_other_networks_are_refused(option):
    with pytest.raises(TypeError, match=option):
        ReferenceNet("aaH", 1, 1, **{option: 1})


def test_it_has_no_states():
    net = ReferenceNet("aH", 1, 1, heads=2, hidden=4, depth=1)
    assert not any(hasattr(net, name) for name in ("states", "outputs", "init_state", "decode"))
    with pytest.raises(TypeError, match="iterations"):
        net(torch.randn(3, 1), iterations=2)
