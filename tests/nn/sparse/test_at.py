"""Asked index tuples: they receive in all layers and contribute nothing; reverse tuples."""

import pytest
import torch
from torch import Tensor

from einnet import EinNet, EinNetError, Signature, pooling
from einnet.errors import ShapeError
from einnet.nn.sparse import Support, union
from einnet.operations import pooling_terms
from networks import randomize
from refusals import assert_refused

SMALL = {"heads": 2, "hidden": 4, "depth": 2, "dtype": torch.float64}
EDGES = torch.tensor([[0, 1, 2, 3, 1], [1, 2, 0, 3, 4]])
QUERIES = torch.tensor([[0, 0, 2, 4], [3, 1, 0, 4]])  # two of them are edges
CASES = ["aH, [aa]H -> [aa]H", "[aa]H -> [aa]H", "aH, [ab]H, H -> [ab]H", "aH, [ab]H -> [ab]H; a->b", "aH, bH -> [ab]H"]


def make_net(signature: str, **options) -> EinNet:
    types = Signature(signature).inputs
    return randomize(EinNet(signature, [2] * len(types), 3, **SMALL | options))


def make_inputs(signature: str, index: Tensor = EDGES, batch=(), scale: float = 1) -> list:
    """Inputs whose edges have values that depend on their index only."""
    inputs = []
    for k, t in enumerate(Signature(signature).inputs):
        values = torch.randn(*batch, *[5] * len(t.axes), 2, generator=torch.Generator().manual_seed(k)).double()
        inputs.append((index, scale * values[(..., *index, slice(None))]) if t.is_sparse else values)
    return inputs


@pytest.mark.parametrize("signature", CASES)
def test_asked_tuples_are_hidden_and_answered_one_by_one(signature):
    net, sizes = make_net(signature), dict.fromkeys(Signature(signature).classes, 5)
    y = net(*make_inputs(signature), at=QUERIES, sizes=sizes)
    assert y.shape == (4, 3) and y.std(0).min() > 0
    without = EDGES[:, [k for k in range(5) if k not in (0, 2)]]
    assert torch.allclose(net(*make_inputs(signature, without), at=QUERIES, sizes=sizes), y, atol=1e-12)
    twice = torch.cat([QUERIES, QUERIES.flip(1)], 1)
    assert torch.allclose(net(*make_inputs(signature), at=twice, sizes=sizes), torch.cat([y, y.flip(0)]), atol=1e-12)
    for k in range(4):
        alone = net(*make_inputs(signature, without), at=QUERIES[:, [k]], sizes=sizes)
        assert torch.allclose(alone[0], y[k], atol=1e-12)


def test_nothing_else_sees_them():
    signature, queries = CASES[0], torch.tensor([[0, 4], [3, 4]])  # none is an edge
    net, inputs = make_net(signature, order=2), make_inputs(signature)
    *_, (nodes, edges) = net.states(*inputs)
    *_, (nodes_too, more) = net.states(*inputs, at=queries)
    assert torch.allclose(nodes, nodes_too, atol=1e-12) and torch.allclose(edges, more[:5], atol=1e-12)
    assert torch.allclose(net.outputs(*inputs, at=queries)[-1], net(*inputs, at=Support(queries, (5, 5))))


def test_the_two_ends_of_an_asked_tuple_interact():
    net, x = make_net("aH, bH -> [ab]H"), make_inputs("aH, bH -> [ab]H")
    y = net(*x, at=torch.cartesian_prod(torch.arange(5), torch.arange(5)).T).view(5, 5, 3)
    rest = y - y.mean(0) - y.mean(1, keepdim=True) + y.mean((0, 1))
    assert rest.abs().max() > 1e-3  # no sum of a function of each end


@pytest.mark.parametrize("queries", [torch.zeros(2, 0, dtype=torch.long), EDGES], ids=["nothing", "all"])
def test_nothing_and_everything_is_asked(queries):
    net = make_net(CASES[0])
    y = net(*make_inputs(CASES[0], batch=(2,)), at=queries)
    assert y.shape == (2, queries.shape[1], 3) and y.isfinite().all()


def test_gradients_masks_and_equivariance():
    signature = CASES[0]
    net, (nodes, (_, values)) = make_net(signature), make_inputs(signature)
    values = values.requires_grad_()
    y = net(nodes, (EDGES, values), at=QUERIES)
    (gradient,) = torch.autograd.grad(y.sin().sum(), values)
    assert (gradient == 0).all(1).tolist() == [True, False, True, False, False]
    order = torch.tensor([3, 0, 4, 2, 1])  # node k becomes order[k]
    moved = net(nodes[order.argsort()], (order[EDGES], values), at=order[QUERIES])
    assert torch.allclose(moved, y, atol=1e-12)
    present = {"a": torch.arange(5) < 4}
    assert (net(nodes, (EDGES, values), at=QUERIES, mask=present)[3] == 0).all()


def test_asked_tuples_of_a_union():
    signature = CASES[0]
    net, samples = make_net(signature), [make_inputs(signature), make_inputs(signature, EDGES[:, :2], scale=2)]
    alone = [net(*x, at=QUERIES) for x in samples]
    together = net(union(samples), at=torch.cat([QUERIES, QUERIES + 5], 1))
    assert torch.allclose(together, torch.cat(alone), atol=1e-12)
    crossing = torch.tensor([[0], [7]])
    assert_refused(lambda: net(union(samples), at=crossing), ShapeError, "(0, 7)", "samples 0 and 1")


def test_what_at_refuses():
    net, inputs = make_net(CASES[0]), make_inputs(CASES[0])
    assert_refused(lambda: net(*inputs, at=QUERIES + 1), ShapeError, "'at'", "from 0 to 4")
    assert_refused(lambda: net(*inputs, at=QUERIES.T), ShapeError, "'at'", "index.T")
    assert_refused(lambda: net(*inputs, at=[[0], [1]]), TypeError, "'at'", "list")
    nodes = make_net("aH, [aa]H -> aH")
    assert_refused(lambda: nodes(*inputs, at=QUERIES), ShapeError, "at=index", "output in brackets")


def test_a_directed_graph_works_and_its_direction_counts():
    net = make_net("aH, [aa]H -> aH", depth=1, terms=None)
    nodes, (index, values) = make_inputs("aH, [aa]H -> aH")
    assert not torch.allclose(net(nodes, (index, values)), net(nodes, (index.flip(0), values)))
    assert not net.needs_reverse


def test_operations_for_symmetric_supports_refuse_others(tmp_path):
    signature = "aH, [aa]H -> [aa]H"
    inputs = make_inputs(signature)
    net = make_net(signature, terms=pooling(("a", "[aa]"), 2).terms)
    assert_refused(lambda: net(*inputs), EinNetError, "'[aa]H' lacks 4", "(1, 0)", "symmetric=True")
    pairs = torch.cat([EDGES, EDGES[:, [0, 1, 2, 4]].flip(0)], 1)
    assert net(*make_inputs(signature, pairs))[1].shape == (9, 3)
    assert make_net(signature, terms=pooling(("a", "[aa]"), 2, directed=True).terms)(*inputs)[1].shape == (5, 3)
    assert_refused(lambda: EinNet("aH", 1, 1, symmetric=True), EinNetError, "symmetric=True", "'[aa]H'")


def test_symmetric_adds_reverse_tuples_with_features_of_their_own(tmp_path):
    signature = "aH, [aa]H -> [aa]H"
    net, inputs = make_net(signature, symmetric=True), make_inputs(signature)
    index, y = net(*inputs)
    assert torch.equal(index, EDGES) and y.shape == (5, 3)
    assert net.layers[0].pool.plan.terms == pooling_terms(("a", "[aa]"), symmetric=True)
    net.save(tmp_path / "net")
    loaded = EinNet.load(tmp_path / "net")
    assert loaded.config.symmetric and torch.equal(loaded(*inputs)[1], y)
    queries = torch.tensor([[1, 0, 0], [0, 1, 2]])  # a reverse tuple, an edge, the reverse of an edge that is kept
    answers = net(*inputs, at=queries)
    assert torch.allclose(net(*make_inputs(signature, EDGES[:, 1:]), at=queries), answers, atol=1e-12)
