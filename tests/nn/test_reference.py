"""The reference block has the numbers of its formulas, written down a second time in the oracle."""

import pytest
import torch

from einnet import EinNet, EinNetError
from einnet.nn import ReferenceBlock
from oracles.reference import reference

SHAPES = {"a": (6,), "aa": (5, 5), "ab": (4, 6)}
FAN = {"a": (4, 3), "aa": (8, 6), "ab": (8, 5)}


def weights_of(net: EinNet) -> list[torch.Tensor]:
    """Of the perceptrons: the lift's, then each stack's."""
    stacks = [m.mlp for m in net.modules() if isinstance(m, ReferenceBlock)]
    (lift,) = (m for m in net.modules() if isinstance(m, torch.nn.Sequential) and m not in stacks)
    return [p.detach() for part in (lift, *stacks) for p in part.parameters()]


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float64, 1e-12)], ids=["f32", "f64"])
@pytest.mark.parametrize("batch", [(), (3,), (2, 2)], ids=str)
@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize("depth", [1, 3])
def test_the_formulas(kind, batch, dtype, tolerance, depth):
    net = EinNet(f"{kind}H", 3, 2, heads=4, hidden=16, depth=depth, block="reference").to(dtype)
    x = torch.randn(*batch, *SHAPES[kind], 3, dtype=dtype)
    expected = reference(kind, weights_of(net), x, heads=4)
    assert expected.shape == (*batch, *SHAPES[kind], 2)
    assert torch.allclose(net(x), expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("kind", SHAPES)
def test_the_formulas_where_the_signal_is_large(kind):
    """Weights ten times as large: the softmax is far from uniform."""
    net = EinNet(f"{kind}H", 3, 2, heads=4, hidden=16, depth=2, block="reference").double()
    for p in net.parameters():
        p.data.mul_(10)
    x = torch.randn(2, *SHAPES[kind], 3, dtype=torch.float64)
    expected = reference(kind, weights_of(net), x, heads=4)
    assert torch.allclose(net(x), expected, rtol=1e-10, atol=1e-10)
    other = x.clone()
    other[0, 0] += 1
    assert (net(other) - net(x))[0, 1:].abs().max() > 1e-3  # what happens at one place reaches the others


@pytest.mark.parametrize("kind", FAN)
def test_fan_in_and_fan_out(kind):
    block = ReferenceBlock(f"{kind}H", heads=2, hidden=4, out_features=3)
    assert (block.pool.fan_in, block.pool.fan_out) == FAN[kind]
    assert block.pool.scale == "sum"


@pytest.mark.parametrize(
    ("arguments", "count"),
    [
        (("aaH -> aaH", 25, 50, 64, 128, 6), 701_746),
        (("abH -> abH", 1, 1, 32, 128, 6), 322_177),
    ],
)
def test_the_number_of_parameters(arguments, count):
    assert sum(p.numel() for p in EinNet(*arguments, block="reference").parameters()) == count


@pytest.mark.parametrize("arguments", [{"dropout": 0.1}, {"scale": "mean"}], ids=str)
def test_it_has_neither_dropout_nor_means(arguments):
    with pytest.raises(EinNetError, match="dropout"):
        EinNet("aaH", 1, 1, block="reference", **arguments)
