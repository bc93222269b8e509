"""`GatedLinear`: the usual operations one after the other, derivatives, masks, precision, compiled programs."""

import pytest
import torch
from torch import nn
from torch.func import functional_call, jvp, vmap
from torch.nn.functional import layer_norm, linear

from einnet import EinNetError
from einnet.errors import ShapeError
from einnet.nn import GatedLinear
from einnet.nn import gated as implementation

CASES = {
    "one input": {},
    "features last": {"rank": None},
    "gate of another input": {"gate_features": 5},
    "norm": {"gate_features": 5, "norm_groups": 1},
    "norm of groups": {"gate_features": 5, "norm_groups": 3, "rank": None},
    "no bias": {"gate_features": 5, "norm_groups": 2, "bias": False},
    "blocks": {"blocks": 2},
}
cases = pytest.mark.parametrize("name", CASES)


def make(name: str, **options) -> GatedLinear:
    torch.manual_seed(0)
    layer = GatedLinear(6, 4, **({"rank": 2} | CASES[name] | options))
    for p in layer.parameters():
        p.data.add_(torch.randn_like(p), alpha=0.3)
    return layer


def inputs_of(layer: GatedLinear, dtype: torch.dtype = torch.float32) -> list:
    generator = torch.Generator().manual_seed(1)
    x, z = (torch.randn(2, 3, 4, n, generator=generator).to(dtype) for n in (6, 5))
    return [x, z if layer.gate_features else None, torch.rand(3, 4, generator=generator) < 0.7]


def compute(layer: GatedLinear, x: torch.Tensor, z: torch.Tensor | None, cells: torch.Tensor) -> torch.Tensor:
    """One operation after the other."""
    gate = linear(x if z is None else z, layer.gate_weight, layer.gate_bias).sigmoid()
    if layer.norm_groups:
        parts = x.unflatten(-1, (layer.norm_groups, -1))
        x = layer_norm(parts, parts.shape[-1:]).flatten(-2) * layer.norm_weight + layer.norm_bias
    return linear(x, layer.weight, layer.bias) * gate * cells[..., None]


@cases
@pytest.mark.parametrize("chunk", [1, 20, 2**17])
def test_it_is_the_usual_operations_at_any_size_of_the_parts(name, chunk, monkeypatch):
    monkeypatch.setattr(implementation, "CHUNK", {"cpu": chunk})
    layer = make(name)
    inputs = inputs_of(layer)
    expected = compute(layer, *inputs)
    y = layer(*inputs)
    assert torch.allclose(y, expected, atol=1e-6)
    assert y.movedim(-1, 1).is_contiguous() == (layer.rank == 2) and y.is_contiguous() == (layer.rank is None)
    gradient = torch.randn_like(y)
    leaves = [x.requires_grad_() for x in inputs[:2] if x is not None] + list(layer.parameters())
    for own, plain in zip(
        torch.autograd.grad(layer(*inputs), leaves, gradient),
        torch.autograd.grad(compute(layer, *inputs), leaves, gradient),
        strict=True,
    ):
        assert torch.allclose(own, plain, atol=1e-5)


@cases
def test_derivatives(name):
    layer = make(name).double()
    *tensors, cells = inputs_of(layer, torch.float64)
    leaves = tuple(x.requires_grad_() for x in tensors if x is not None)
    names, parameters = zip(*layer.named_parameters(), strict=True)

    def run(*tensors):
        own = dict(zip(names, tensors[len(leaves) :], strict=True))
        x, z = (*tensors[: len(leaves)], None)[:2]
        return functional_call(layer, own, (x, z, cells))

    assert torch.autograd.gradcheck(run, (*leaves, *parameters), fast_mode=True)
    assert torch.autograd.gradgradcheck(run, (*leaves, *parameters), fast_mode=True)
    tangents = tuple(map(torch.randn_like, leaves))
    x, z = (*leaves, None)[:2]
    forward = jvp(lambda *own: layer(*(*own, None)[:2], cells), leaves, tangents)[1]
    backward = torch.autograd.functional.jvp(lambda *own: layer(*(*own, None)[:2], cells), leaves, tangents)[1]
    assert torch.allclose(forward, backward)
    assert torch.allclose(vmap(lambda own: layer(own, z, cells))(x[None]), layer(x, z, cells)[None])


@cases
def test_the_operator_keeps_the_rules_of_torch(name):
    layer = make(name)
    x, z, cells = inputs_of(layer)
    flat = [t if t is None else t.flatten(1, 2).requires_grad_() for t in (x, z)]
    bias = layer.weight.new_zeros(4)
    maps = layer.weight, layer.bias if layer.bias is not None else bias, layer.gate_weight, bias
    arguments = (flat[0], *maps, flat[1], cells.expand(2, 3, 4).flatten(1), layer.norm_groups, True)
    torch.library.opcheck(torch.ops.einnet.gated_linear, arguments)


def test_a_part_of_the_blocks():
    layer = make("blocks")
    x, _, cells = inputs_of(layer)
    y = layer(x, None, cells).unflatten(-1, (2, 2))
    assert torch.allclose(layer(x, None, cells, slice(1, 2)), y[..., 1:].flatten(-2))


@cases
def test_precision(name):
    layer = make(name)
    inputs = inputs_of(layer)
    expected = compute(layer, *inputs)
    for dtype in (torch.bfloat16, torch.float16):
        x, z, cells = (t if t is None or t.dtype == torch.bool else t.to(dtype) for t in inputs)
        y = layer.to(dtype)(x, z, cells)
        assert y.dtype == dtype and torch.allclose(y.float(), expected, atol=0.1)
        if layer.norm_groups:  # x may be larger than numbers of half precision
            assert layer(inputs[0] * 1e6, z, cells).isfinite().all()
    layer.float()
    with torch.autocast("cpu", torch.bfloat16):
        y = layer(*inputs)
    assert y.dtype == torch.bfloat16 and torch.allclose(y.float(), expected, atol=0.1)


def test_export_and_compile():
    layer = make("norm")
    x, z, cells = inputs_of(layer)
    program = torch.export.export(layer, (x, z, cells))
    assert "einnet" not in str(program.graph)  # plain operations
    assert torch.allclose(program.module()(x, z, cells), layer(x, z, cells), atol=1e-6)
    torch.compiler.reset()
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    compiled(x, z, cells).sum().backward()
    own = [p.grad.clone() for p in layer.parameters()]
    layer.zero_grad()
    layer(x, z, cells).sum().backward()
    assert all(torch.allclose(g, p.grad, atol=1e-5) for g, p in zip(own, layer.parameters(), strict=True))


def test_what_does_not_fit():
    with pytest.raises(EinNetError, match="norm_groups=4"):
        GatedLinear(6, 4, None, 5, 4)
    with pytest.raises(EinNetError, match="needs gate_features"):
        GatedLinear(6, 4, None, norm_groups=2)
    with pytest.raises(EinNetError, match="blocks=3"):
        GatedLinear(6, 4, None, blocks=3)
    with pytest.raises(ShapeError, match="no second input"):
        GatedLinear(6, 4, None)(torch.ones(2, 6), torch.ones(2, 5))
    with pytest.raises(ShapeError, match="an input of the gate"):
        GatedLinear(6, 4, None, 5)(torch.ones(2, 6))


def test_gates_begin_open():
    layer = GatedLinear(3, 2, None)
    nn.init.ones_(layer.weight)
    x = torch.ones(1, 3)
    assert torch.allclose(layer(x), 3 * torch.ones(1, 2) * torch.ones(()).sigmoid())
