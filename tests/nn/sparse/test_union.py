"""A disjoint union gives what each of its graphs gives alone."""

import pytest
import torch
from torch import Tensor, nn

from einnet import EinLayer, EinNet, EinPool, Signature
from einnet.errors import ShapeError
from einnet.nn import EinLinear, PolynomialNet, RecurrentNet
from einnet.nn.sparse import Support, union
from networks import randomize
from refusals import assert_refused

SIZES = [{"a": 4, "b": 3}, {"a": 1, "b": 2}, {"a": 0, "b": 0}, {"a": 3, "b": 4}, {"a": 2, "b": 0}]
SMALL = {"heads": 2, "hidden": 4, "depth": 2, "dtype": torch.float64}


def make_samples(signature: str, widths, seed: int = 0) -> list[tuple]:
    """Graphs of different sizes; the fourth one has no entries."""
    generator, samples = torch.Generator().manual_seed(seed), []
    for k, sizes in enumerate(SIZES):
        inputs = []
        for t, width in zip(Signature(signature).inputs, widths, strict=True):
            shape = [sizes[c] for c in t.axes]
            if t.is_sparse:
                index = (torch.rand(shape, generator=generator) < 0.6 * (k != 3)).nonzero().T
                support = Support(index, shape)
                inputs.append((support, torch.randn(support.entries, width, generator=generator).double()))
            else:
                inputs.append(torch.randn(*shape, width, generator=generator).double())
        samples.append(tuple(inputs))
    return samples


def values_of(x) -> Tensor:
    return x[1] if isinstance(x, tuple) else x


def join_outputs(outputs, symmetry) -> Tensor:
    """The outputs of graphs alone in the layout of a union."""
    values = [values_of(y) for y in outputs]
    return torch.cat(values) if symmetry.axes else torch.stack(values)


def types_of(signature: str) -> str:
    left, _, dependencies = signature.partition(";")
    return left.partition("->")[0] + (";" + dependencies if dependencies else "")


def assert_same(module: nn.Module, signature: str, widths) -> None:
    """Outputs and gradients."""
    samples = make_samples(signature, widths)
    batch = union(samples, types_of(signature))
    parameters = [*module.parameters()]
    results = []
    for y in (module(batch), join_outputs([module(*s) for s in samples], Signature(signature).output)):
        gradients = torch.autograd.grad(values_of(y).sin().sum(), parameters, allow_unused=True)
        results.append([values_of(y), *(torch.zeros(()) if g is None else g for g in gradients)])
    for one, two in zip(*results, strict=True):
        assert torch.allclose(one, two, rtol=1e-12, atol=1e-12)


SIGNATURES = [
    "aH, [aa]H -> H", "aH, [aa]H -> aH", "[aa]H -> [aa]H", "aH, [aa]H, H -> [aa]H", "aH, bH, [ab]H -> H",
    "aH, [ab]H, H -> bH", "aH, [ab]H -> [ab]H; a->b", "[ab]H -> aH; a->b", "aH -> H", "aH, H -> aH",
]  # fmt: skip


@pytest.mark.parametrize("signature", SIGNATURES)
def test_a_network_gives_what_it_gives_for_each_graph(signature):
    widths = tuple(range(2, 2 + len(Signature(signature).inputs)))
    assert_same(randomize(EinNet(signature, widths, 3, **SMALL)), signature, widths)


OPTIONS = [
    {"order": 2}, {"norm": "layer"}, {"norm": None, "normalize": None},
    {"hidden_type": ("H", "aH", "[aa]H"), "terms": ["a->[ab]", "[ab]->a", "a->", "->a", "[ab]->", "->[ab]", "a,->a", ",[ab],b->[ab]", ",->", "a,b,[cd]->"]},
]  # fmt: skip


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_other_operations_and_options(options):
    signature = "H, aH, [aa]H -> H"
    assert_same(randomize(EinNet(signature, (2, 3, 1), 2, **SMALL | options)), signature, (2, 3, 1))


def test_several_axes_without_a_type_of_both():
    net = EinNet("H, aH, bH -> aH", (1, 2, 3), 2, hidden_type=("aH", "bH"), **SMALL)
    assert_same(randomize(net), "H, aH, bH -> aH", (1, 2, 3))


@pytest.mark.parametrize("network", [PolynomialNet, RecurrentNet])
def test_other_networks(network):
    assert_same(randomize(network("aH, H -> aH", (2, 3), 2, **SMALL)), "aH, H -> aH", (2, 3))


@pytest.mark.parametrize("signature", ["[aa]H -> [aa]H", "[aa]H -> aH", "aH -> H", "[ab]H -> bH"])
def test_linear_maps(signature):
    assert_same(randomize(EinLinear(signature, 2, 3, dtype=torch.float64)), signature, (2,))


def test_a_layer_and_largest_values():
    samples = make_samples("aH, [aa]H -> aH", (8, 8))
    sample = union(samples).sample["a"]
    layer = randomize(EinLayer(("aH", "[aa]H"), 8, 2, dtype=torch.float64))
    pool = EinPool(["a->b", "[ab]->[cd]", "[ab]->c", "a->a"], ("a", "[aa]"), reduction="max")
    for module in (layer, pool):
        inputs = [(x[:, :6], (s, e[:, :6])) if module is pool else (x, (s, e)) for x, (s, e) in samples]
        nodes, edges = module(*union(inputs).inputs, graph=sample)
        expected = [module(*x) for x in inputs]
        assert torch.allclose(nodes, torch.cat([x for x, _ in expected]), atol=1e-12)
        assert torch.allclose(edges[1], torch.cat([e for _, (_, e) in expected]), atol=1e-12)


def test_masks_and_batch_axes():
    signature, generator = "aH, [aa]H -> H", torch.Generator().manual_seed(3)
    net = randomize(EinNet(signature, (2, 3), 3, **SMALL))
    samples = make_samples(signature, (2, 3))
    batch, (nodes, (support, edges)) = union(samples), union(samples).inputs
    mask = torch.rand(2, len(nodes), generator=generator) < 0.7
    y = net(torch.stack([nodes, -nodes]), (support, edges), graph=batch, mask={"a": mask})
    assert y.shape == (2, 5, 3)
    for sign, row, m in zip((1, -1), y, mask, strict=True):
        for k, (x, e) in enumerate(samples):
            part = {"a": m[batch.sample["a"] == k]}
            assert torch.allclose(row[k], net(sign * x, e, mask=part), atol=1e-12)


def test_the_order_of_the_samples_and_how_they_are_passed():
    net = randomize(EinNet("aH, [aa]H -> H", (2, 3), 3, **SMALL))
    batch = union(make_samples("aH, [aa]H -> H", (2, 3)))
    nodes, (support, edges) = batch.inputs
    expected, sample = net(batch), batch.sample["a"]
    for graph in (sample, sample.to(torch.uint16), {"a": sample}, batch):
        assert torch.equal(net(*batch.inputs, graph=graph), expected)
    order = torch.randperm(len(nodes), generator=torch.Generator().manual_seed(0))
    moved = Support(order.argsort()[support.index], support.sizes)
    assert torch.allclose(net(nodes[order], (moved, edges), graph=sample[order]), expected, atol=1e-12)
    last = union([*make_samples("aH, [aa]H -> H", (2, 3)), (nodes[:0], (torch.zeros(2, 0).long(), edges[:0]))])
    assert net(last).shape == (6, 3) and net(*last.inputs, graph=last.sample["a"]).shape == (5, 3)


def test_what_is_refused():
    net = EinNet("aH, [aa]H -> H", (2, 3), 3, hidden=4, heads=2, depth=1)
    x, e = torch.randn(3, 2), (torch.tensor([[0, 1], [1, 2]]), torch.randn(2, 3))

    def refuse(graph, error, *phrases):
        assert_refused(lambda: net(x, e, graph=graph), error, *phrases)

    refuse(torch.tensor([0, 0, 1]), ShapeError, "entry 1 of '[aa]', (1, 2)", "samples 0 and 1")
    refuse(torch.tensor([0, 0]), ShapeError, "axis 'a'", "(3,)")
    refuse(torch.tensor([0.0, 0, 0]), ShapeError, "whole numbers")
    refuse(torch.tensor([-1, 0, 0]), ShapeError, "axis 'a'", "from 0")
    refuse({"b": torch.tensor([0, 0, 0])}, ShapeError, "axis 'a'")
    refuse("a", TypeError, "graph", "str")
    refuse([0, 0, 1], TypeError, "pass torch.tensor(graph)")
    layer = EinLayer(("aH", "[aa]H"), 4, 2)
    assert_refused(lambda: layer(union([(x, e)])), ShapeError, "pass *batch.inputs, graph=batch")
    zeros = torch.zeros(3).long()
    dense = EinNet("aH, aaH -> H", (2, 3), 3, hidden=4, heads=2, depth=1)
    assert_refused(lambda: dense(x, torch.randn(3, 3, 3), graph=zeros), ShapeError, "dense type 'aaH'", "brackets")
    total = EinNet("aH, H -> H", (2, 3), 3, hidden=4, heads=2, depth=1)
    assert_refused(lambda: total(x, torch.randn(2, 3), graph=zeros), ShapeError, "input 2", "1 samples")
