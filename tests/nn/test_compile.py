"""Networks compile once for all sizes, without graph breaks, and export with a free size."""

import pytest
import torch

from einnet import EinNet
from einnet.nn import Network
from networks import NETWORKS

SIZES = (5, 6, 7, 9, 12)


def make_net(network: type[Network] = EinNet, **options) -> Network:
    return network("aaH -> aaH", 3, 2, heads=2, hidden=8, depth=2, **options)


@pytest.mark.grid(stratum=lambda network, masked: network)
@pytest.mark.parametrize("masked", [False, True], ids=["plain", "masked"])
@pytest.mark.parametrize("network", NETWORKS)
def test_one_compilation_serves_five_sizes(network, masked):
    graphs = []

    def count_graphs(graph, _inputs):
        graphs.append(graph)
        return graph.forward

    torch.compiler.reset()
    net = make_net(network)
    compiled = torch.compile(net, fullgraph=True, dynamic=True, backend=count_graphs)
    for n in SIZES:
        x = torch.randn(2, n, n, 3)
        options = {"mask": torch.rand(2, n) < 0.7} if masked else {}
        assert torch.allclose(compiled(x, **options), net(x, **options), atol=1e-5)
    assert len(graphs) == 1


def test_networks_with_checkpointed_activations_compile_too():
    torch.compiler.reset()
    net = make_net(checkpoint_activations=True)
    x = torch.randn(2, 5, 5, 3)
    assert torch.allclose(torch.compile(net, fullgraph=True, dynamic=True, backend="eager")(x), net(x), atol=1e-5)


@pytest.mark.parametrize("network", NETWORKS)
def test_an_exported_network_runs_at_another_size(network, tmp_path):
    net = make_net(network)
    n = torch.export.Dim("n", min=2)
    program = torch.export.export(net, (torch.randn(6, 6, 3),), dynamic_shapes={"inputs": ({0: n, 1: n},)})
    x = torch.randn(11, 11, 3)
    assert torch.allclose(program.module()(x), net(x), atol=1e-5)
    torch.export.save(program, tmp_path / "net.pt2")
    assert torch.allclose(torch.export.load(tmp_path / "net.pt2").module()(x), net(x), atol=1e-5)


def test_chunks_with_dropout_compile_too():
    torch.compiler.reset()
    net = EinNet("aH", 3, 2, heads=2, hidden=4, depth=1, chunks=2, dropout=0.5)
    compiled = torch.compile(net, fullgraph=True, dynamic=True, backend="eager")
    for n in SIZES[:2]:
        assert compiled(torch.randn(2, n, 3)).shape == (2, n, 2)
    x = torch.randn(2, 5, 3)
    assert torch.allclose(compiled.eval()(x), net.eval()(x), atol=1e-5)
