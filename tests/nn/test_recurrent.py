"""`EinNet(block="recurrent")`: layers run again and again, states, the further symmetry."""

import pytest
import torch

from einnet import EinLinear, EinNet, EinNetError
from einnet.errors import ShapeError
from einnet.testing import assert_equivariant
from strategies import SIZES, TYPES, with_h


def small(signature: str, features: int | tuple = 2, **options) -> EinNet:
    arguments = {"heads": 2, "hidden": 5, "depth": 1, "iterations": 3, "block": "recurrent", **options}
    return EinNet(signature, features, 3, **arguments).double()


@pytest.mark.parametrize("masks", [False, True], ids=["plain", "masked"])
@pytest.mark.parametrize("text", TYPES)
def test_it_is_equivariant(text, masks):
    net = small(with_h(text))
    sizes = {c: SIZES[c] for c in net.signature.classes}
    assert_equivariant(net, with_h(text), sizes, features=2, masks=masks)


def test_other_outputs_and_inputs():
    net = small("aH, aaH -> H", (2, 1))
    x, r = torch.randn(4, 2).double(), torch.randn(4, 4, 1).double()
    assert net(x, r).shape == (3,)


TRANSPOSED = {"terms": ["ab->cb", "ab->ac", "ac,ab->ab", "cb,ab->ab", "ac,db->ab"], "exchange": "ba"}


def test_with_an_exchange_it_commutes_with_transposition_and_without_it_does_not():
    x = torch.randn(2, 4, 6, 2, dtype=torch.float64)
    net = small("abH", **TRANSPOSED)
    assert torch.allclose(net(x.transpose(1, 2)), net(x).transpose(1, 2), atol=1e-12)
    assert_equivariant(net, "abH", {"a": 4, "b": 6}, features=2)
    free = small("abH", terms=TRANSPOSED["terms"])
    assert not torch.allclose(free(x.transpose(1, 2)), free(x).transpose(1, 2), atol=1e-3)
    fewer = sum(p.numel() for p in net.parameters()), sum(p.numel() for p in free.parameters())
    assert fewer[0] < fewer[1]


def test_nested_sums_add_up_to_the_plain_ones():
    # the sum over all is added to that over rows before it is expanded
    terms = ["abc->abd", "abc->aed", "abc->fed", "abc->feg", "abc->aec"]
    net = small("abcH", terms=terms)
    (layer,) = net.body.layers
    assert layer.fan_out.map.nested
    x = torch.randn(2, 3, 4, 5, 2, dtype=torch.float64)
    y = net(x)
    layer.fan_out.map.nested = []
    assert torch.allclose(net(x), y, atol=1e-12)


@pytest.mark.parametrize("text", ["aaH", "abH", "aaaH", "abcH; a->b"])
def test_nested_sums_add_up_to_the_plain_ones_with_diagonals(text):
    net = EinNet(text, 2, 2, heads=2, hidden=4, depth=1, block="recurrent", order=1).double()
    linear = EinLinear(text, 2, 3).double()
    x = torch.randn(*[4] * net.body.rank, 2, dtype=torch.float64)
    y, z = net(x), linear(x)
    linear.nested = net.body.layers[0].fan_out.map.nested = []
    assert torch.allclose(net(x), y, atol=1e-12) and torch.allclose(linear(x), z, atol=1e-12)


def test_states_go_on_and_outputs_are_read_from_them():
    net = small("aaH -> aH", depth=2)
    x, there = torch.randn(5, 6, 6, 2).double(), torch.rand(5, 6) < 0.7
    states = list(net.states(x, mask=there))
    assert len(states) == 6  # three iterations of two layers
    outputs = net.outputs(x, mask=there)
    assert all(torch.equal(net.read(s, x, mask=there), y) for s, y in zip(states, outputs, strict=True))
    assert torch.equal(outputs[-1], net(x, mask=there))
    *_, later = net.states(x, start=states[-1], mask=there, iterations=2)
    assert torch.allclose(net.read(later, x, mask=there), net(x, mask=there, iterations=5), atol=1e-12)
    first, *_ = net.states(x, start=net.start(x, mask=there), mask=there)
    assert torch.equal(first, states[0])


def test_a_masked_network_is_that_of_the_smaller_input():
    net = small("aaH")
    x = torch.randn(6, 6, 2).double()
    there = torch.tensor([True] * 4 + [False] * 2)
    assert torch.allclose(net(x, mask=there)[:4, :4], net(x[:4, :4]), atol=1e-12)


def test_states_of_other_shapes_are_refused():
    net = small("aaH")
    x = torch.randn(4, 4, 2).double()
    for wrong in (torch.zeros(4, 4, 6), torch.zeros(5, 5, 5), None):
        with pytest.raises(ShapeError, match="state .* shape"):
            net.read(wrong, x)
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
    (layer,), pooled = net.body.layers, []
    layer.fan_in.bias.data += 1
    layer.fan_out.register_forward_pre_hook(lambda _, arguments: pooled.append(arguments[0]))
    for n in (1, 100_000):
        net(torch.ones(n, 2).double())
    (few,), (many,) = pooled
    assert few.min() >= 0 and few.max() < many.max() < 1


@pytest.mark.parametrize("block", ["default", "polynomial"])
def test_the_other_blocks_iterate_too(block):
    net = EinNet("aH", 1, 1, heads=2, hidden=4, depth=2, block=block, iterations=3)
    x = torch.randn(5, 1)
    assert len(net.outputs(x)) == 6
    once = EinNet("aH", 1, 1, heads=2, hidden=4, depth=2, block=block)
    once.load_state_dict(net.state_dict())
    assert torch.equal(once(x), net(x, iterations=1))
    assert not torch.allclose(net(x, iterations=1), net(x))


def test_it_is_saved_and_loaded(tmp_path):
    net = small("abH", **TRANSPOSED, iterations=4)
    net.save(tmp_path / "net.safetensors")
    x = torch.randn(3, 4, 2, dtype=torch.float64)
    loaded = EinNet.load(tmp_path / "net.safetensors")
    assert torch.equal(loaded(x), net(x)) and torch.equal(loaded(x, iterations=7), net(x, iterations=7))
    assert torch.equal(net(x), net(x, iterations=4)) and not torch.equal(net(x), net(x, iterations=3))


def test_it_learns_by_gradients():
    net = small("aaH")
    x = torch.randn(3, 4, 4, 2).double()
    sum(y.square().mean() for y in net.outputs(x)).backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in net.parameters())


def test_what_it_does_not_have():
    with pytest.raises(EinNetError, match="no dropout"):
        small("aH", dropout=0.1)
    with pytest.raises(EinNetError, match="plain sums"):
        small("aH", normalize="size")
    with pytest.raises(EinNetError, match="type of the state"):
        small("abH -> aH", exchange="ba")
    with pytest.raises(EinNetError, match="recurrent"):
        EinNet("abH", 1, 1, exchange="ba")
    with pytest.raises(EinNetError, match="iterations"):
        small("aH")(torch.randn(3, 2).double(), iterations=0)
    reference = EinNet("aH", 1, 1, block="reference", depth=1)
    with pytest.raises(EinNetError, match="iterations"):
        EinNet("aH", 1, 1, block="reference", depth=1, iterations=2)
    with pytest.raises(EinNetError, match="once"):
        reference(torch.randn(3, 1), iterations=2)
    with pytest.raises(EinNetError, match="at least one term"):
        small("aH", terms=[])
    for use in (reference.outputs, reference.start, lambda x: reference.read(x, x)):
        with pytest.raises(EinNetError, match="no states"):
            use(torch.randn(3, 1))
    with pytest.raises(EinNetError, match="last layer"):
        reference.outputs(torch.randn(3, 1))
