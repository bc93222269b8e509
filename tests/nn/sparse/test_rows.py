"""Layers of sparse types, whose rows are mapped in parts, or all at once where they are few."""

import pytest
import torch
from torch.func import functional_call

from einnet import EinLayer
from einnet.nn.sparse import Support, rows

TYPES = ("aH", "[aa]H")


@pytest.fixture(params=[2, 100])
def small_parts(monkeypatch, request):
    """Six parts of the entries; all in one function."""
    monkeypatch.setitem(rows.LENGTH, "cpu", request.param)


def make_layer(**options):
    torch.manual_seed(0)
    layer = EinLayer(TYPES, **{"features": 3, "heads": 2, "dtype": torch.float64} | options)
    for p in layer.parameters():
        p.data.add_(torch.randn_like(p), alpha=0.2)
    return layer


def draw(nodes=6, edges=11, dtype=torch.float64, width=3):
    generator = torch.Generator().manual_seed(0)
    flat = torch.randperm(nodes * nodes, generator=generator)[:edges]
    support = Support(torch.stack([flat // nodes, flat % nodes]), (nodes, nodes))
    x, y = (torch.randn(n, width, generator=generator, dtype=dtype, requires_grad=True) for n in (nodes, edges))
    return support, x, y


def run(layer, support, x, y):
    nodes, (_, edges) = layer(x, (support, y))
    return nodes, edges


def hook(layer):
    """Hooks make the layer call its submodules on all rows at once."""
    for module in (*layer.norm, *layer.in_proj):
        module.register_forward_hook(lambda *_: None)
    return layer


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize(
    "options", [{}, {"norm": None}, {"bias": False}, {"activation": "relu"}, {"order": 1}], ids=str
)
def test_parts_equal_the_submodules(options):
    support, x, y = draw()
    layers = make_layer(**options), hook(make_layer(**options))
    gradients = []
    for layer in layers:
        nodes, edges = run(layer, support, x, y)
        loss = nodes.square().sum() + edges.sin().sum()
        gradients.append([nodes, edges, *torch.autograd.grad(loss, [x, y, *layer.parameters()])])
    for one, two in zip(*gradients, strict=True):
        assert torch.allclose(one, two, atol=1e-10)


@pytest.mark.usefixtures("small_parts")
def test_dropout_only_while_training():
    inputs = draw()
    layer, plain = make_layer(dropout=0.5), make_layer()
    once, again = run(layer, *inputs), run(layer, *inputs)
    assert not any(torch.equal(x, y) for x, y in zip(once, again, strict=True))
    assert all(torch.equal(x, y) for x, y in zip(run(layer.eval(), *inputs), run(plain, *inputs), strict=True))


@pytest.mark.parametrize("name", ["norm", "in_proj", "pool_proj", "out_proj"])
def test_a_submodule_may_be_replaced(name):
    """As adapters and quantization do, here by one that returns twice what the former did."""

    class Twice(torch.nn.Module):
        def __init__(self, inner):
            super().__init__()
            self.inner = inner

        def forward(self, *arguments, **options):
            return 2 * self.inner(*arguments, **options)

    inputs, layer = draw(), make_layer()
    hooked, modules = make_layer(), getattr(layer, name)
    getattr(hooked, name)[1].register_forward_hook(lambda *call: 2 * call[-1])
    modules[1] = Twice(modules[1])
    assert not torch.equal(run(layer, *inputs)[1], run(make_layer(), *inputs)[1])
    assert torch.equal(run(layer, *inputs)[1], run(hooked, *inputs)[1])


def test_first_and_second_derivatives():
    support, x, y = draw()
    layer = make_layer(heads=1, order=1)
    function = lambda x, y: run(layer, support, x, y)  # noqa: E731
    assert torch.autograd.gradcheck(function, (x, y), fast_mode=True)
    assert torch.autograd.gradgradcheck(function, (x, y), fast_mode=True)


@pytest.mark.usefixtures("small_parts")
def test_weights_of_a_functional_call():
    support, x, y = draw()
    layer = make_layer()
    weights = {name: (2 * p.detach()).requires_grad_() for name, p in layer.named_parameters()}
    loss = functional_call(layer, weights, (x, (support, y)))[0].sum()
    scaled = make_layer()
    for p in scaled.parameters():
        p.data.mul_(2)
    expected = torch.autograd.grad(scaled(x, (support, y))[0].sum(), list(scaled.parameters()), materialize_grads=True)
    gradients = torch.autograd.grad(loss, list(weights.values()), materialize_grads=True)
    assert all(map(torch.allclose, gradients, expected))


def test_batches_and_autocast():
    support, x, y = draw(dtype=torch.float32)
    layer = make_layer(dtype=torch.float32)
    nodes, edges = run(layer, support, x, y)
    batch = run(layer, support, torch.stack([x, -x]), torch.stack([y, y + 1]))
    assert torch.allclose(batch[0][0], nodes, atol=1e-5) and torch.allclose(batch[1][0], edges, atol=1e-5)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        low = run(layer, support, x, y)
    assert torch.allclose(low[0].float(), nodes, atol=0.2)


def test_what_is_kept_for_the_backward_pass(monkeypatch):
    monkeypatch.setitem(rows.LENGTH, "cpu", 64)
    support, x, y = draw(100, 1000, torch.float32, width=16)
    layer = make_layer(features=16, heads=2, order=1, dtype=torch.float32)
    stored = {}
    with torch.autograd.graph.saved_tensors_hooks(lambda t: stored.setdefault(t.data_ptr(), t), lambda t: t):
        run(layer, support, x, y)
    assert sum(t.numel() for t in stored.values()) < 1000 * (16 + 3 * 2) + 100 * 40 + 8000
