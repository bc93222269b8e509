"""Compiled modules of sparse types: one break, where supports are read, and one program for all sizes."""

import pytest
import torch

from einnet import EinLayer
from einnet.nn import EinLinear, EinPool
from einnet.nn.sparse import Support

TYPES = ("aH", "[aa]H")
MODULES = {
    "EinPool": (lambda: EinPool(["b,[ba]->a", "[ab]->a"], TYPES), (1, 2), False),
    "largest": (lambda: EinPool(["[ba]->a", "a->[ab]"], TYPES, reduction="max"), (1, 1), False),
    "EinLinear": (lambda: EinLinear("aH, [aa]H -> aH", (2, 3), 2), (2, 3), False),
    "EinLayer": (lambda: EinLayer(TYPES, (2, 3), 2), (2, 3), True),
}


def draw_graph(n: int, features: tuple[int, int]) -> tuple[torch.Tensor, tuple[Support, torch.Tensor]]:
    support = Support((torch.rand(n, n) < 0.4).nonzero().T, (n, n))
    return torch.randn(n, features[0]), (support, torch.randn(support.entries, features[1]))


@pytest.mark.parametrize("name", [n if n == "largest" else pytest.param(n, marks=pytest.mark.slow) for n in MODULES])
def test_one_program_for_all_sizes(name):
    make, features, is_state = MODULES[name]
    module, graphs = make(), []

    def count_graphs(graph, _inputs):
        graphs.append(graph)
        return graph.forward

    torch.compiler.reset()
    compiled = torch.compile(module, backend=count_graphs)
    for n in (4, 5, 7, 9):
        inputs = draw_graph(n, features)
        inputs = (inputs,) if is_state else inputs
        y, z = module(*inputs), compiled(*inputs)
        assert torch.allclose(*(x[0] if isinstance(x, tuple) else x for x in (y, z)), atol=1e-5)
    assert len(graphs) <= 2  # for the first size, then for all
