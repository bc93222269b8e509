"""`reduction=` of layers and networks: each is equivariant, trains, takes masks and supports, and is saved."""

from typing import Any

import pytest
import torch
from torch import Tensor

from einnet import EinLayer, EinNet, EinNetError
from einnet.nn import Support, union
from einnet.nn.networks import Network
from einnet.testing import assert_equivariant
from refusals import assert_refused

MIX = {"sum": 2, "logsumexp": 1, "min": 1, "attention": 2}
REDUCTIONS = ["max", "min", "minmax", "logsumexp", "attention", MIX]


def make(signature: str = "aaH -> aH", reduction=MIX, **options) -> EinNet:
    torch.manual_seed(0)
    net = EinNet(
        signature,
        [2] * (1 + signature.partition("->")[0].count(",")),
        2,
        hidden=6,
        depth=2,
        reduction=reduction,
        **options,
    ).double()
    for p in net.parameters():
        torch.nn.init.normal_(p, std=0.4)
    return net


@pytest.mark.parametrize("reduction", REDUCTIONS, ids=str)
@pytest.mark.parametrize("signature", ["aaH -> aH", "abH -> abH", "abH; a->b"])
def test_networks_are_equivariant(signature, reduction):
    assert_equivariant(make(signature, reduction), signature, sizes={"a": 4, "b": 3}, features=2, masks=True)


@pytest.mark.parametrize("reduction", REDUCTIONS, ids=str)
def test_padding_changes_nothing(reduction):
    net = make("aaH -> aaH", reduction)
    x = torch.randn(4, 4, 2, dtype=torch.float64)
    padded = torch.full((6, 6, 2), torch.nan, dtype=torch.float64)
    padded[:4, :4] = x
    y = net(padded, mask=torch.arange(6) < 4)
    assert torch.allclose(y[:4, :4], net(x)) and not y[4:].any() and not y[:, 4:].any()
    y.sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in net.parameters() if p.grad is not None)


@pytest.mark.parametrize("reduction", REDUCTIONS, ids=str)
def test_a_sparse_network_is_the_dense_one_with_a_mask(reduction):
    net = make("aH, [aa]H -> aH", reduction)
    cells = torch.rand(5, 5) < 0.4
    index = cells.nonzero().T
    nodes, edges = torch.randn(5, 2, dtype=torch.float64), torch.randn(index.shape[1], 2, dtype=torch.float64)
    layer: Any = net.layers[0]
    terms = [str(t.dense) for t in layer.pool.plan.terms]
    dense = EinNet(
        "aH, aaH -> aH", (2, 2), 2, hidden=6, depth=2, reduction=reduction, heads=net.config.heads, terms=terms,
        hidden_type=("aH", "aaH"), counts=True,
    ).double()  # fmt: skip
    dense.load_state_dict(net.state_dict())
    matrix = torch.zeros(5, 5, 2, dtype=torch.float64).index_put(tuple(index), edges)
    assert torch.allclose(net(nodes, (Support(index, (5, 5)), edges)), dense(nodes, matrix, mask={"aa": cells}))


@pytest.mark.parametrize("reduction", REDUCTIONS, ids=str)
def test_a_union_is_its_graphs_one_by_one(reduction):
    net = make("aH, [aa]H -> H", reduction)

    def graph(n: int, edges: list[list[int]]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        index = torch.tensor(edges).T
        return torch.randn(n, 2).double(), (index, torch.randn(index.shape[1], 2).double())

    graphs = [graph(3, [[0, 1], [1, 2], [2, 0]]), graph(2, [[0, 1]]), graph(4, [[0, 3], [3, 1]])]
    assert torch.allclose(net(union(graphs)), torch.stack([net(*g) for g in graphs]))


@pytest.mark.parametrize("reduction", REDUCTIONS, ids=str)
def test_heads_pooled_in_chunks(reduction):
    net = make(reduction=reduction)
    chunked = make(reduction=reduction, chunks=2)
    chunked.load_state_dict(net.state_dict())
    x = torch.randn(3, 5, 5, 2, dtype=torch.float64)
    assert torch.allclose(chunked(x), net(x))
    gradients = [torch.autograd.grad(n(x).sin().sum(), list(n.parameters()), allow_unused=True) for n in (net, chunked)]
    for one, two in zip(*gradients, strict=True):
        assert (one is None) == (two is None) and (one is None or torch.allclose(one, two))


def test_the_temperature_is_learned():
    layer = EinLayer("aaH", 8, reduction={"sum": 2, "logsumexp": 3})
    warmth = layer.log_temperature
    assert layer.heads == 5 and warmth is not None and warmth.shape == (3,)
    (gradient,) = torch.autograd.grad(layer(torch.randn(4, 4, 8)).sum(), warmth)
    assert gradient.abs().min() > 0
    torch.nn.init.ones_(warmth)
    layer.reset_parameters()
    assert not warmth.any()
    assert EinLayer("aaH", 8, 4).log_temperature is None
    assert "log_temperature" not in EinLayer("aaH", 8, 4, reduction="max").state_dict()


@pytest.mark.parametrize("reduction", ["max", MIX], ids=str)
def test_it_is_saved_with_the_network(reduction, tmp_path):
    net = make(reduction=reduction)
    net.save(tmp_path / "net.safetensors")
    again = Network.load(tmp_path / "net.safetensors")
    assert again.config == net.config and "reduction=" in repr(again)
    x = torch.randn(5, 5, 2, dtype=torch.float64)
    assert torch.equal(again(x), net(x))


def test_wrong_mixes_are_refused():
    assert_refused(lambda: EinNet("aH", 1, 1, 8, reduction={"sum": 4, "max": 3}), EinNetError, "heads=8", "4 + 3")
    assert_refused(lambda: EinLayer("aH", 4, 8, reduction={"sum": 4}), EinNetError, "heads=8")
    assert_refused(lambda: EinNet("aH", 1, 1, reduction="median"), EinNetError, "'median'")
    assert EinNet("aH", 1, 1, reduction=(("sum", 4), ("max", 3))).config.heads == 7


def test_a_tuple_of_names_shares_the_heads(tmp_path):
    names = EinLayer("aaH", 4, 5, reduction=("sum", "attention"))
    assert names.reductions == EinLayer("aaH", 4, reduction={"sum": 3, "attention": 2}).reductions
    net = make(reduction=["sum", "max", "logsumexp"])
    net.save(tmp_path / "net.safetensors")
    assert Network.load(tmp_path / "net.safetensors").config == net.config


def test_it_trains():
    """The largest value of a set, which means do not tell."""
    torch.manual_seed(0)
    net = EinNet("aH -> H", 1, 1, hidden=8, depth=1, reduction="max", decoder_hidden=0)
    optimizer = torch.optim.Adam(net.parameters(), 0.02)
    loss = torch.zeros(())
    for _ in range(150):
        x = torch.randn(32, 6, 1)
        loss = (net(x) - x.amax(1)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.05
