"""`RecurrentNet`: layers run again and again, states, the further symmetry."""

import pytest
import torch

from einnet import EinLinear, EinNetError
from einnet.errors import ShapeError
from einnet.nn import EinNet, PolynomialNet, RecurrentNet
from einnet.testing import assert_equivariant
from networks import sizes_of
from strategies import TYPES, with_h


def small(signature: str, features: int | tuple = 2, **options) -> RecurrentNet:
    arguments = {"heads": 2, "hidden": 5, "depth": 1, "iterations": 3, **options}
    return RecurrentNet(signature, features, 3, **arguments).double()


@pytest.mark.parametrize("masks", [False, True], ids=["plain", "masked"])
@pytest.mark.parametrize("text", TYPES)
def test_it_is_equivariant(text, masks):
    assert_equivariant(small(with_h(text)), with_h(text), sizes_of(with_h(text)), features=2, masks=masks)


def test_two_inputs_and_another_output():
    net = small("aH, aaH -> H", (2, 1))
    x, r = torch.randn(4, 2).double(), torch.randn(4, 4, 1).double()
    assert net(x, r).shape == (3,)


TRANSPOSED = {"terms": ["ab->cb", "ab->ac", "ac,ab->ab", "cb,ab->ab", "ac,db->ab"], "automorphism": "ba"}


def test_with_an_automorphism_it_commutes_with_transposition_and_without_it_does_not():
    x = torch.randn(2, 4, 6, 2, dtype=torch.float64)
    net = small("abH", **TRANSPOSED)
    assert torch.allclose(net(x.transpose(1, 2)), net(x).transpose(1, 2), atol=1e-12)
    assert_equivariant(net, "abH", {"a": 4, "b": 6}, features=2)
    free = small("abH", terms=TRANSPOSED["terms"])
    assert not torch.allclose(free(x.transpose(1, 2)), free(x).transpose(1, 2), atol=1e-3)
    assert sum(p.numel() for p in net.parameters()) < sum(p.numel() for p in free.parameters())


def test_nested_sums_add_up_to_the_plain_ones():
    # the sum over all is added to that over rows before it is expanded
    terms = ["abc->abd", "abc->aed", "abc->fed", "abc->feg", "abc->aec"]
    net = small("abcH", terms=terms)
    (layer,) = net.layers
    assert layer.pool_proj.maps[0].nested
    x = torch.randn(2, 3, 4, 5, 2, dtype=torch.float64)
    y = net(x)
    layer.pool_proj.maps[0].nested = []
    assert torch.allclose(net(x), y, atol=1e-12)


@pytest.mark.parametrize("text", ["aaH", "abH", "aaaH", "abcH; a->b"])
def test_nested_sums_add_up_to_the_plain_ones_with_diagonals(text):
    net = RecurrentNet(text, 2, 2, heads=2, hidden=4, depth=1, order=1).double()
    linear = EinLinear(text, 2, 3).double()
    x = torch.randn(*[4] * len(net.hidden_type.axes), 2, dtype=torch.float64)
    y, z = net(x), linear(x)
    linear.map_with_bias.nested = net.layers[0].pool_proj.maps[0].nested = []
    assert torch.allclose(net(x), y, atol=1e-12) and torch.allclose(linear(x), z, atol=1e-12)


def test_states_go_on_and_are_decoded_to_outputs():
    net = small("aaH -> aH", depth=2)
    x, mask = torch.randn(5, 6, 6, 2).double(), torch.rand(5, 6) < 0.7
    states = list(net.states(x, mask=mask))
    assert len(states) == 6  # three iterations of two layers
    outputs = net.outputs(x, mask=mask)
    assert all(torch.equal(net.decode(s, x, mask=mask), y) for s, y in zip(states, outputs, strict=True))
    assert torch.equal(outputs[-1], net(x, mask=mask))
    *_, later = net.states(x, start=states[-1], mask=mask, iterations=2)
    assert torch.allclose(net.decode(later, x, mask=mask), net(x, mask=mask, iterations=5), atol=1e-12)
    first, *_ = net.states(x, start=net.init_state(x, mask=mask), mask=mask)
    assert torch.equal(first, states[0])


def test_a_masked_network_is_that_of_the_smaller_input():
    net = small("aaH")
    x = torch.randn(6, 6, 2).double()
    mask = torch.tensor([True] * 4 + [False] * 2)
    assert torch.allclose(net(x, mask=mask)[:4, :4], net(x[:4, :4]), atol=1e-12)


def test_states_of_other_shapes_are_refused():
    net = small("aaH")
    x = torch.randn(4, 4, 2).double()
    for wrong in (torch.zeros(4, 4, 6), torch.zeros(5, 5, 5)):
        with pytest.raises(ShapeError, match="state .* shape"):
            net.decode(wrong, x)
    with pytest.raises(TypeError, match="state"):
        net.decode(None, x)
    with pytest.raises(ShapeError, match=r"got \(4, 4, 6\)"):
        net.states(x, start=torch.zeros(4, 4, 6))


def test_states_stay_bounded_however_long_it_runs():
    net = small("abH")
    for p in net.parameters():
        p.data *= 30
    *_, state = net.states(torch.randn(3, 4, 2).double() * 1e3, iterations=500)
    assert torch.allclose(state.square().mean(-1), torch.ones(3, 4).double(), atol=1e-3)


def test_what_many_cells_add_up_to_stays_below_one():
    net = small("aH", terms=["a->b"], iterations=1)
    (layer,), pooled = net.layers, []
    layer.in_proj.bias.data += 1
    layer.pool_proj.register_forward_pre_hook(lambda _, arguments: pooled.append(arguments[0](slice(None))))
    for n in (1, 100_000):
        net(torch.ones(n, 2).double())
    (few,), (many,) = pooled
    assert few.min() >= 0 and few.max() < many.max() < 1


@pytest.mark.parametrize("network", [EinNet, PolynomialNet])
def test_other_networks_iterate_too(network):
    net = network("aH", 1, 1, heads=2, hidden=4, depth=2, iterations=3)
    x = torch.randn(5, 1)
    assert len(net.outputs(x)) == 6
    once = network("aH", 1, 1, heads=2, hidden=4, depth=2)
    once.load_state_dict(net.state_dict())
    assert torch.equal(once(x), net(x, iterations=1))
    assert not torch.allclose(net(x, iterations=1), net(x))


def test_it_is_saved_and_loaded(tmp_path):
    net = small("abH", **TRANSPOSED, iterations=4)
    net.save(tmp_path / "net.safetensors")
    x = torch.randn(3, 4, 2, dtype=torch.float64)
    loaded = RecurrentNet.load(tmp_path / "net.safetensors")
    assert torch.equal(loaded(x), net(x)) and torch.equal(loaded(x, iterations=7), net(x, iterations=7))
    assert torch.equal(net(x), net(x, iterations=4)) and not torch.equal(net(x), net(x, iterations=3))


def test_it_learns_by_gradients():
    net = small("aaH")
    x = torch.randn(3, 4, 4, 2).double()
    sum(y.square().mean() for y in net.outputs(x)).backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in net.parameters())


@pytest.mark.parametrize("option", ["dropout", "normalize", "activation", "norm", "chunks"])
def test_options_of_other_networks_are_refused(option):
    with pytest.raises(TypeError, match=option):
        small("aH", **{option: 1})
    with pytest.raises(TypeError, match="automorphism"):
        EinNet("abH", 1, 1, automorphism="ba")


def test_an_automorphism_is_of_the_hidden_type():
    with pytest.raises(EinNetError, match="hidden type"):
        small("abH -> aH", automorphism="ba")


def test_wrong_iterations():
    net, x = small("aH"), torch.randn(3, 2).double()
    with pytest.raises(EinNetError, match="iterations"):
        net(x, iterations=0)
    with pytest.raises(TypeError, match="iterations"):
        net.states(x, iterations=1.5)
