"""Old names of arguments: a warning, and what the new names give."""

import pytest
import torch

from einnet import EinLayer, EinLinear, EinNet, EinPool
from einnet.nn import Network, PolynomialNet, RecurrentNet, ReferenceNet

SIZE = {"heads": 2, "hidden": 4, "depth": 1}


def make_net(network: type[Network], **options) -> Network:
    torch.manual_seed(0)
    return network("abH", 2, 3, **SIZE, **options)


def make_net_with_warning(network: type[Network], phrase: str, **options) -> Network:
    with pytest.warns(DeprecationWarning, match=phrase):
        return make_net(network, **options)


def assert_same(net: Network, expected: Network) -> None:
    x = torch.randn(3, 4, 2)
    assert type(net) is type(expected) and net.config == expected.config
    assert torch.equal(net(x), expected(x))


@pytest.mark.parametrize(
    ("block", "network"),
    [("polynomial", PolynomialNet), ("recurrent", RecurrentNet), ("reference", ReferenceNet)],
)
def test_block(block, network):
    assert_same(make_net_with_warning(EinNet, network.__name__, block=block), make_net(network))


def test_the_default_block():
    assert_same(make_net_with_warning(EinNet, "block", block="default"), make_net(EinNet))


def test_the_warning_is_at_the_line_of_the_user():
    """Python shows no others."""
    with pytest.warns(DeprecationWarning, match="block") as of_block:
        EinNet("abH", 2, 3, **SIZE, block="polynomial")
    with pytest.warns(DeprecationWarning, match="scale") as of_scale:
        EinNet("abH", 2, 3, **SIZE, scale="sum")
    assert [w.filename for w in (*of_block, *of_scale)] == [__file__] * 2


def test_block_with_other_old_names():
    net = make_net_with_warning(EinNet, "PolynomialNet", block="polynomial", scale="sum", state="abH")
    assert_same(net, make_net(PolynomialNet, normalize=None))


def test_an_unknown_block():
    with pytest.raises(ValueError, match="refrence"):
        make_net(EinNet, block="refrence")


@pytest.mark.parametrize(
    ("network", "old", "new"),
    [
        (EinNet, {"scale": "sum"}, {"normalize": None}),
        (EinNet, {"scale": "mean"}, {"normalize": "size"}),
        (EinNet, {"state": "abH"}, {"hidden_type": "abH"}),
        (EinNet, {"recompute": True}, {"checkpoint_activations": True}),
        (PolynomialNet, {"scale": "sum"}, {"normalize": None}),
        (PolynomialNet, {"state": "abH"}, {"hidden_type": "abH"}),
        (RecurrentNet, {"state": "abH"}, {"hidden_type": "abH"}),
        (RecurrentNet, {"exchange": "ba"}, {"automorphism": "ba"}),
        (ReferenceNet, {"state": "abH"}, {"hidden_type": "abH"}),
        (ReferenceNet, {"recompute": True}, {"checkpoint_activations": True}),
    ],
    ids=str,
)
def test_arguments_of_networks(network, old, new):
    assert_same(make_net_with_warning(network, *old, **old), make_net(network, **new))


@pytest.mark.parametrize(
    ("make", "old", "new"),
    [
        (lambda **options: EinPool(["ab->ac", "ab,ab->ab"], "abH", **options), {"scale": "sum"}, {"normalize": None}),
        (lambda **options: EinPool(["ab->ac", "ab,ab->ab"], **options), {"symmetry": "abH"}, {"type": "abH"}),
        (lambda **options: EinLinear("abH", 3, 2, **options), {"scale": "sum"}, {"normalize": None}),
        (lambda **options: EinLayer("abH", 3, 2, **options), {"scale": "sum"}, {"normalize": None}),
        (lambda **options: EinLayer("abH", 3, 2, **options), {"norm": "none"}, {"norm": None}),
    ],
    ids=["EinPool scale", "EinPool symmetry", "EinLinear scale", "EinLayer scale", "EinLayer norm"],
)
def test_arguments_of_layers(make, old, new):
    torch.manual_seed(0)
    with pytest.warns(DeprecationWarning, match=next(iter(old))):
        module = make(**old)
    torch.manual_seed(0)
    x = torch.randn(4, 5, 3)
    torch.manual_seed(0)
    assert torch.equal(module(x), make(**new)(x))


def test_new_names_give_no_warning(recwarn):
    for network in (EinNet, PolynomialNet, RecurrentNet, ReferenceNet):
        make_net(network, hidden_type="abH")
    assert not [w for w in recwarn if issubclass(w.category, DeprecationWarning)]


def test_old_arguments_without_effect_are_accepted():
    with pytest.warns(DeprecationWarning, match="RecurrentNet"):
        net = EinNet("abH", 2, 1, 2, 4, 1, block="recurrent", scale="sum", recompute=False, dropout=0.0)
    assert isinstance(net, RecurrentNet)
    with pytest.warns(DeprecationWarning, match="norm=None"):
        assert EinNet("aH", 2, 1, 2, 4, 1, norm="none").config.norm is None
    with pytest.raises(TypeError, match="norm must be"):
        EinNet("aH", 2, 1, 2, 4, 1, norm=["a"])
