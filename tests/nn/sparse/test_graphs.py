"""Disjoint unions, graphs of PyTorch Geometric and networkx, reverse tuples."""

import networkx as nx
import pytest
import torch

from einnet.errors import ShapeError
from einnet.nn.sparse.graphs import find_missing_reverse, from_networkx, from_pyg, union, with_reverse
from einnet.nn.sparse.support import Support
from refusals import assert_refused

RING, ARROW = torch.tensor([[0, 1, 2], [1, 2, 0]]), torch.tensor([[1], [0]])
NO_EDGES = torch.zeros(2, 0, dtype=torch.long)
SAMPLES = [
    (torch.full((3, 4), 1.0), (RING, torch.ones(3, 2))),
    (torch.full((2, 4), 2.0), (ARROW, torch.full((1, 2), 2.0))),
    (torch.ones(0, 4), (NO_EDGES, torch.ones(0, 2))),
    (torch.full((1, 4), 3.0), (NO_EDGES, torch.ones(0, 2))),
    (torch.ones(0, 4), (NO_EDGES, torch.ones(0, 2))),
]


def test_a_union_has_every_sample():
    batch = union(SAMPLES)
    nodes, (support, values) = batch.inputs
    assert batch.number == 5 and batch.sample["a"].tolist() == [0, 0, 0, 1, 1, 3]
    assert nodes[:, 0].tolist() == [1, 1, 1, 2, 2, 3] and values[:, 0].tolist() == [1, 1, 1, 2]
    assert support.index.tolist() == [[0, 1, 2, 4], [1, 2, 0, 3]] and tuple(support.sizes) == (6, 6)


def test_a_union_leaves_its_samples_alone_and_keeps_gradients():
    x = torch.ones(2, 1, requires_grad=True)
    support = Support(ARROW.clone(), (2, 2))
    batch = union([(x, (support, x[:1]))] * 2)
    batch.inputs[1][1].sum().backward()
    assert x.grad.tolist() == [[2.0], [0.0]] and torch.equal(support.index, ARROW)


def test_a_union_has_features_of_samples_other_axes_and_lists():
    lists = torch.ones(2, 1), torch.ones(3), [torch.ones(2, 1), torch.ones(1, 1)]
    batch = union([lists, (torch.ones(1, 1), torch.zeros(3), [torch.ones(4, 1)])], "aH, H, [ab]H; a->b")
    assert torch.equal(batch.inputs[1], torch.tensor([[1.0] * 3, [0.0] * 3]))
    support, _ = batch.inputs[2]
    assert support.index.tolist() == [[0, 0, 1, 2, 2, 2, 2], [0, 1, 0, 0, 1, 2, 3]] and tuple(support.sizes) == (3, 4)
    ratings = torch.ones(2, 1), torch.ones(3, 1), (torch.tensor([[1], [2]]), torch.ones(1, 1))
    batch = union([ratings, ratings], "aH, bH, [ab]H")
    assert batch.inputs[2][0].index.tolist() == [[1, 3], [2, 5]] and batch.sample["b"].tolist() == [0] * 3 + [1] * 3


def test_relations_that_share_a_support_share_it_in_the_union():
    edges = RING, torch.ones(3, 1)
    one, two = union([(torch.ones(3, 1), edges, edges)] * 2, "aH, [aa]H, [aa]H").inputs[1:]
    assert one[0] is two[0]


@pytest.mark.parametrize(
    ("samples", "types", "phrase"),
    [
        ([], "aH, [aa]H", "one sample"),
        ([SAMPLES[0], SAMPLES[0][:1]], "aH, [aa]H", "sample 1 must be a tuple"),
        ([torch.ones(3, 4)], "aH", "got Tensor: pass (x,)"),
        ([SAMPLES[0], (torch.ones(2, 4), SAMPLES[0][1])], "aH, [aa]H", "sample 1: input 2 of type"),
        ([SAMPLES[0], (torch.ones(3, 4), (RING[:, [0, 0, 1]], torch.ones(3, 2)))], "aH, [aa]H", "sample 1: input 2"),
        ([SAMPLES[0], (torch.ones(3, 5), SAMPLES[0][1])], "aH, [aa]H", "sample 1 has 5 features"),
        ([(torch.ones(2, 3, 4), SAMPLES[0][1])], "aH, [aa]H", "no batch axes"),
        ([(torch.ones(3, 3, 1),)], "aaH", "'aaH'"),
    ],
)
def test_samples_that_do_not_fit_are_refused(samples, types, phrase):
    assert_refused(lambda: union(samples, types), ShapeError, phrase)


def test_pyg_graphs():
    data = pytest.importorskip("torch_geometric.data")
    graphs = [
        data.Data(x=torch.randn(3, 4), edge_index=RING, edge_attr=torch.randn(3)),
        data.Data(x=torch.randn(4, 4), edge_index=ARROW, edge_attr=torch.randn(1)),  # two isolated nodes
    ]
    batch = from_pyg(data.Batch.from_data_list(graphs))
    same = union([(g.x, (g.edge_index, g.edge_attr.unsqueeze(-1))) for g in graphs])
    assert batch.number == 2 and torch.equal(batch.sample["a"], same.sample["a"])
    assert torch.equal(batch.inputs[0], same.inputs[0]) and torch.equal(batch.inputs[1][1], same.inputs[1][1])
    assert torch.equal(batch.inputs[1][0].index, same.inputs[1][0].index)
    alone = from_pyg(graphs[1])
    assert alone.number == 1 and alone.sample["a"].tolist() == [0] * 4 and tuple(alone.inputs[1][0].sizes) == (4, 4)


def test_pyg_graphs_without_features_have_ones():
    data = pytest.importorskip("torch_geometric.data")
    plain = data.Data(edge_index=RING, num_nodes=5)
    for graph, size in ((plain, 5), (data.Batch.from_data_list([plain, plain]), 10)):
        nodes, (support, values) = from_pyg(graph).inputs
        assert torch.equal(nodes, torch.ones(size, 1)) and torch.equal(values, torch.ones(support.index.shape[1], 1))
    assert from_pyg(data.Data(x=torch.ones(3, 2).double(), edge_index=RING)).inputs[1][1].dtype == torch.float64
    assert from_pyg(data.Data(x=torch.ones(3, 2).long(), edge_index=RING)).inputs[1][1].dtype == torch.float32
    assert_refused(lambda: from_pyg(data.Data(edge_index=RING)), ShapeError, "num_nodes")
    assert_refused(lambda: from_pyg(data.HeteroData()), TypeError, "each relation")
    double = data.Data(x=torch.ones(3, 2), edge_index=RING[:, [0, 0]])
    assert_refused(lambda: from_pyg(double), ShapeError, "differ")


def test_networkx_graphs():
    graph = nx.Graph()
    graph.add_node("z", position=(0.0, 1.0), charge=8)
    graph.add_node("a", position=(2.0, 3.0), charge=1)
    graph.add_node("alone", position=(4.0, 5.0), charge=0)
    graph.add_edge("z", "a", length=0.5)
    graph.add_edge("a", "a", length=2.0)
    nodes, (support, values) = from_networkx(graph, ["charge", "position"], "length", dtype=torch.float64)
    assert nodes.tolist() == [[8, 0, 1], [1, 2, 3], [0, 4, 5]] and nodes.dtype == torch.float64
    entries = dict(zip(zip(*support.index.tolist(), strict=True), values[:, 0].tolist(), strict=True))
    assert entries == {(0, 1): 0.5, (1, 0): 0.5, (1, 1): 2.0} and tuple(support.sizes) == (3, 3)
    nodes, (support, values) = from_networkx(nx.DiGraph([("x", "y")]))
    assert support.index.tolist() == [[0], [1]] and torch.equal(nodes, torch.ones(2, 1)) and values.item() == 1
    assert from_networkx(nx.empty_graph(2), edges="length")[1][1].shape == (0, 1)


@pytest.mark.parametrize(
    ("graph", "names", "error", "phrase"),
    [
        (nx.path_graph(2), ("x",), ShapeError, "node 0 has no attribute 'x'"),
        (nx.path_graph(2), ((), "w"), ShapeError, "edge (0, 1) has no attribute 'w'"),
        (nx.MultiGraph([(0, 1), (0, 1)]), (), ShapeError, "parallel"),
        (nx.Graph([(0, 1, {"w": "far"})]), ((), "w"), ShapeError, "numbers"),
        ({0: [1]}, (), TypeError, "dict"),
    ],
)
def test_other_networkx_graphs_are_refused(graph, names, error, phrase):
    assert_refused(lambda: from_networkx(graph, *names), error, phrase)


def test_reverse_tuples_are_added_with_a_feature_of_their_own():
    support = Support(torch.tensor([[0, 1, 1, 2], [1, 0, 2, 2]]), (4, 4))
    values = torch.ones(5, 4, 2, requires_grad=True)
    larger, result = with_reverse(support, values)
    assert find_missing_reverse(support).tolist() == [[2], [1]] and find_missing_reverse(larger).shape == (2, 0)
    assert larger.index.tolist() == [[0, 1, 1, 2, 2], [1, 0, 2, 2, 1]]
    assert result.shape == (5, 5, 3) and result[0].tolist() == [[1, 1, 0]] * 4 + [[0, 0, 1]]
    result.sum().backward()
    assert torch.equal(values.grad, torch.ones(5, 4, 2))
    assert with_reverse(larger, result)[0] is larger
    empty = Support(NO_EDGES, (0, 0))
    assert with_reverse(empty, torch.ones(0, 2))[1].shape == (0, 3)
    assert_refused(lambda: with_reverse(Support(NO_EDGES, (2, 3)), torch.ones(0, 2)), ShapeError, "[aa]")
