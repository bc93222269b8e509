"""Layers of dense types as one function, whose cells are mapped at once or in blocks."""

import copy
import pickle
from functools import partial

import pytest
import torch
from torch.utils.checkpoint import checkpoint

from einnet import EinLayer, EinNet
from einnet.nn import blocks, cells
from einnet.testing import assert_equivariant

SHAPES = {"aaH": (7, 7), "aH": (11,), "abH": (5, 6), "aaaH": (3, 3, 3), "abcH; a->b": (3, 4, 2)}


@pytest.fixture(params=[8, 10**6], ids=["small blocks", "one block"])
def length(request, monkeypatch):
    monkeypatch.setattr(blocks, "SMALLEST_GRID", 0)
    monkeypatch.setattr(blocks, "FEWEST_FEATURES", 0)
    monkeypatch.setitem(blocks.LENGTHS, "cpu", request.param)


def make_layer(symmetry, **options):
    torch.manual_seed(0)
    layer = EinLayer(symmetry, **{"features": 4, "heads": 2, "dtype": torch.float64} | options)
    for p in layer.parameters():
        p.data.add_(torch.randn_like(p), alpha=0.2)
    return layer


def hook(layer):
    """Hooks make the layer call its submodules on all cells at once."""
    calls = []
    for module in layer.modules():
        if isinstance(module, torch.nn.Linear):
            module.register_forward_hook(lambda *_: calls.append(1))
    return layer, calls


def draw(*shapes, dtype=torch.float64):
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(*s, 4, generator=generator, dtype=dtype, requires_grad=True) for s in shapes]


def run(layer, inputs):
    """The outputs, and the gradients of inputs and weights."""
    y = layer(*inputs)
    outputs = y if isinstance(y, tuple) else (y,)
    loss = torch.stack([y.square().sum() + y.sin().sum() for y in outputs]).sum()
    return [*outputs, *torch.autograd.grad(loss, [*inputs, *layer.parameters()])]


@pytest.mark.usefixtures("length")
@pytest.mark.parametrize(
    "options", [{}, {"norm": None, "normalize": None}, {"bias": False, "activation": "silu"}], ids=str
)
@pytest.mark.parametrize("batch", [(), (3,), (2, 3)], ids=str)
@pytest.mark.parametrize("symmetry", [*SHAPES, ("aH", "aaH")], ids=str)
def test_blocks_equal_the_submodules(symmetry, batch, options):
    shapes = [(6,), (6, 6)] if isinstance(symmetry, tuple) else [SHAPES[symmetry]]
    inputs = draw(*((*batch, *s) for s in shapes))
    hooked, calls = hook(make_layer(symmetry, **options))
    expected = run(hooked, inputs)
    assert calls
    for one, two in zip(run(make_layer(symmetry, **options), inputs), expected, strict=True):
        assert torch.allclose(one, two, atol=1e-10)


@pytest.mark.usefixtures("length")
def test_batches_that_differ_are_broadcast():
    nodes, edges = draw((3, 6), (6, 6))
    layer = make_layer(("aH", "aaH"))
    expected = layer(nodes, edges.expand(3, 6, 6, 4))
    assert all(map(torch.allclose, layer(nodes, edges), expected))


@pytest.mark.usefixtures("length")
def test_any_layout_in_memory():
    (x,) = draw((7, 7))
    layer = make_layer("aaH")
    first = x.detach().movedim(-1, 0).contiguous().movedim(0, -1).requires_grad_()
    for one, two in zip(run(layer, [x]), run(layer, [first]), strict=True):
        assert torch.allclose(one, two, atol=1e-12)
    transposed = x.detach().transpose(0, 1)
    assert torch.allclose(layer(transposed), layer(transposed.contiguous()), atol=1e-12)


@pytest.mark.usefixtures("length")
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 0.05)], ids=str)
def test_precisions(dtype, tolerance):
    (x,) = draw((7, 7))
    exact, low = make_layer("aaH"), make_layer("aaH").to(dtype)
    results = run(low, [x.detach().to(dtype).requires_grad_()])
    assert all(y.dtype == dtype for y in results)
    for one, two in zip(results, run(exact, [x]), strict=True):
        assert torch.allclose(one.double(), two, rtol=tolerance, atol=tolerance * two.detach().abs().max().item())


@pytest.mark.usefixtures("length")
def test_first_and_second_derivatives():
    (x,) = draw((2, 3, 3))
    layer = make_layer("aaH", heads=1)
    weights = list(layer.parameters())
    assert torch.autograd.gradcheck(lambda x, *_: layer(x), (x, *weights), fast_mode=True)
    assert torch.autograd.gradgradcheck(lambda x, *_: layer(x), (x, *weights), fast_mode=True)


@pytest.mark.usefixtures("length")
def test_equivariant():
    assert_equivariant(EinNet("aaH -> aH", 2, 3, heads=2, hidden=4, depth=2), "aaH -> aH", {"a": 5, "H": 2})


@pytest.mark.usefixtures("length")
def test_memory_of_blocks_is_used_again():
    """Two passes at once, backward in either order and twice, in inference mode and after it."""
    (x,) = draw((7, 7))
    layer = make_layer("aaH")
    with torch.inference_mode():
        expected = layer(x.detach()).clone()
    first, second = layer(x), layer(2 * x)
    assert torch.equal(first, expected)
    (late,) = torch.autograd.grad(second.sum(), x, retain_graph=True)
    (early,) = torch.autograd.grad(first.sum(), x, retain_graph=True)
    layer(3 * x).sum().backward()
    for y, gradient in ((first, early), (second, late)):
        assert torch.equal(torch.autograd.grad(y.sum(), x)[0], gradient)


def test_memory_of_a_large_relation():
    """What is kept for the backward pass are the operands, their results and the state."""
    x = torch.randn(128, 128, 64, requires_grad=True)
    layer, stored = EinLayer("aaH", 64, 4), {}
    with torch.autograd.graph.saved_tensors_hooks(lambda t: stored.setdefault(t.data_ptr(), t), lambda t: t):
        layer(x)
    operands, results = layer.pool.plan.input_count, len(layer.pool.plan.results)
    assert sum(t.numel() for t in stored.values()) < 128**2 * (64 + 4 * (operands + results) + 2) + 10**5


@pytest.mark.parametrize(("n", "features", "number"), [(8, 64, 1), (128, 16, 1), (128, 64, 8)])
def test_few_cells_and_narrow_ones_are_one_block(n, features, number, monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    grid = blocks.Grid.of(torch.empty(n, n, features), 2)
    assert len(grid.sizes) == number and sum(grid.sizes) == n * n


@pytest.mark.usefixtures("length")
@pytest.mark.parametrize("shape", [(0, 0), (0, 3, 3), (2, 0, 0)], ids=str)
def test_no_cells(shape):
    (x,), layer = draw(shape), make_layer("aaH")
    y, *gradients = run(layer, [x])
    assert y.shape == x.shape and all(g.isfinite().all() for g in gradients)


@pytest.mark.usefixtures("length")
def test_the_state_can_be_written_in_place():
    (x,), layer = draw((4, 4)), make_layer("aaH")
    expected = torch.autograd.grad(layer(x).relu().sum(), x)
    assert torch.equal(torch.autograd.grad(layer(x).relu_().sum(), x)[0], expected[0])


def test_a_first_call_can_be_computed_again_for_the_backward_pass():
    """The checkpoint of the first layer is run again when operations of the second one's are recorded."""
    (x,), layer = draw((4, 4)), make_layer("aaH")
    one, two = (torch.autograd.grad(f(f(x)).sum(), x) for f in (partial(checkpoint, layer, use_reentrant=False), layer))
    assert torch.equal(one[0], two[0])


def test_a_layer_that_was_called_can_be_copied_and_stored():
    (x,), layer = draw((4, 4)), make_layer("aaH")
    expected = layer(x)
    for copied in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert torch.equal(copied(x), expected)


def test_no_more_shapes_are_kept_than_a_bound():
    layer = make_layer("aH")
    for n in range(cells.MOST_LAYERS + 3):
        layer(torch.zeros(n, 4, dtype=torch.float64))
    plan = layer.cell_plan
    assert plan is not None and 0 < len(plan.layers) <= cells.MOST_LAYERS


@pytest.mark.parametrize("activation", ["gelu", "silu", "tanh"])
def test_recorded_operations_give_what_they_gave(activation):
    """The second call, of other values, runs what the first one recorded."""
    layer, (x,) = make_layer("aaH", activation=activation), draw((5, 5))
    hooked, _ = hook(make_layer("aaH", activation=activation))
    run(layer, [x])
    for one, two in zip(run(layer, [x.sin()]), run(hooked, [x.sin()]), strict=True):
        assert torch.allclose(one, two, atol=1e-10)


def test_hooks_of_all_modules_make_the_layer_call_its_submodules(monkeypatch):
    called = []
    layer, x = EinLayer("aaH", 4, 2), torch.randn(3, 3, 4)
    expected = layer(x)
    handle = torch.nn.modules.module.register_module_forward_hook(lambda module, *_: called.append(module))
    try:
        assert torch.allclose(layer(x), expected, atol=1e-6)
    finally:
        handle.remove()
    assert {layer.norm, layer.in_proj, layer.pool_proj, layer.activation, layer.out_proj} <= {*called}


def test_values_of_a_pass_are_stored_as_tensors_so_that_checkpoints_drop_them():
    (x,), layer = draw((5, 5)), make_layer("aaH")
    stored = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: stored.append(t.shape), lambda t: t):
        layer(x)
    inner = layer.out_proj.in_features
    assert stored.count((inner, 25)) == 2  # before and after the activation
