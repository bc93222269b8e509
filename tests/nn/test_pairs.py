"""Layers of pair states: the published algorithms by an independent transcription, masks, weights of other programs."""

from itertools import product

import pytest
import torch
from torch import Tensor

from einnet import EinNetError
from einnet.errors import ShapeError
from einnet.nn import (
    PairBlock,
    PairTransition,
    TriangleAttention,
    TriangleMultiplication,
    load_published_weights,
)
from einnet.nn.pairs.multiplication import ORIENTATIONS
from einnet.testing import assert_equivariant
from oracles.alphafold import EINSUMS, attend_to_triangles, draw_state, multiply_triangles, transform_pairs

C, HIDDEN, HEADS = 12, 8, 3  # features of the state, of operands, and the number of heads
N = 6


def draw_multiplication(bias: bool = True) -> dict[str, Tensor]:
    """With the names of OpenFold."""
    sizes = {f"linear_{name}_{kind}": (HIDDEN, C) for name, kind in product("ab", "pg")}
    sizes |= {"linear_g": (C, C), "linear_z": (C, HIDDEN)}
    return draw_state(sizes, {"layer_norm_in": C, "layer_norm_out": HIDDEN}, bias)


def draw_attention() -> dict[str, Tensor]:
    sizes = {f"mha.linear_{name}": (HEADS * 4, C) for name in "qkvg"} | {"mha.linear_o": (C, HEADS * 4)}
    state = draw_state(sizes | {"linear": (HEADS, C)}, {"layer_norm": C})
    return {name: x for name, x in state.items() if name[:-5] not in ("linear", *(f"mha.linear_{k}" for k in "qkv")) or name.endswith("weight")}  # fmt: skip


def draw_transition() -> dict[str, Tensor]:
    return draw_state({"linear_1": (2 * C, C), "linear_2": (C, 2 * C)}, {"layer_norm": C})


def draw_pairs(dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(2, N, N, C, dtype=dtype)


def make_masks() -> list[tuple[object, Tensor]]:
    """Masks as the layers take them, and the same for pairs as numbers."""
    present = torch.arange(N) < torch.tensor([[N - 2], [N - 1]])
    pairs = torch.rand(2, N, N) < 0.7
    return [(present, (present[:, :, None] & present[:, None]).float()), ({"aa": pairs}, pairs.float())]


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no bias"])
def test_triangle_multiplication_is_the_published_algorithm(orientation, bias):
    state, z = draw_multiplication(bias), draw_pairs()
    layer = load_published_weights(TriangleMultiplication(orientation, C, HIDDEN, bias=bias), state)
    assert (layer(z) - multiply_triangles(z, state, orientation)).abs().max() < 1e-5
    for mask, pairs in make_masks():
        expected = multiply_triangles(z, state, orientation, pairs) * pairs[..., None]
        assert (layer(z, mask) - expected).abs().max() < 1e-5
    for chunks in (3, HIDDEN):
        chunked = TriangleMultiplication(orientation, C, HIDDEN, bias=bias, chunks=chunks)
        chunked.load_state_dict(layer.state_dict())
        assert torch.allclose(chunked(z), layer(z), atol=1e-5)


def test_all_orientations_in_one_call():
    """One norm and one gate; products of each orientation, each normalized, in one projection."""
    states, z = {name: draw_multiplication() for name in EINSUMS}, draw_pairs()
    shared = {name: x for name, x in states["path"].items() if name[:-7] in ("linear_g", "layer_norm_in") or name[:-5] in ("linear_g", "layer_norm_in")}  # fmt: skip
    layer = TriangleMultiplication(tuple(EINSUMS), C, HIDDEN)
    for state in states.values():
        state.update(shared)
    single = {
        name: load_published_weights(TriangleMultiplication(name, C, HIDDEN), state).state_dict()
        for name, state in states.items()
    }
    joint = {}
    for key, tensor in single["path"].items():
        parts = [single[name][key] for name in EINSUMS]
        joined = key.startswith(("in_proj", "out_proj.norm"))
        joint[key] = torch.cat(parts) if joined else torch.cat(parts, 1) if key == "out_proj.weight" else tensor
    joint["out_proj.bias"] = sum(single[name]["out_proj.bias"] for name in EINSUMS)
    layer.load_state_dict(joint)
    expected = sum(multiply_triangles(z, state, name) for name, state in states.items())
    assert torch.allclose(layer(z), expected, atol=1e-5)


@pytest.mark.parametrize("end", ["starting", "ending"])
def test_triangle_attention_is_the_published_algorithm(end):
    state, z = draw_attention(), draw_pairs()
    layer = load_published_weights(TriangleAttention(end, C, HEADS, 4), state)
    assert (layer(z) - attend_to_triangles(z, state, HEADS, end)).abs().max() < 1e-5
    chunked = load_published_weights(TriangleAttention(end, C, HEADS, 4, chunks=4), state)
    for mask, pairs in make_masks():
        expected = attend_to_triangles(z, state, HEADS, end, pairs) * pairs[..., None]
        assert (layer(z, mask) - expected).abs().max() < 1e-5
        assert (chunked(z, mask) - expected).abs().max() < 1e-5


def test_a_block_is_the_published_order_of_its_parts():
    parts = {"tri_mul_out": draw_multiplication(), "tri_mul_in": draw_multiplication()}
    parts |= {"tri_att_start": draw_attention(), "tri_att_end": draw_attention(), "pair_transition": draw_transition()}
    state = {f"core.{part}.{name}": x for part, own in parts.items() for name, x in own.items()}
    state |= {"core.msa_transition.linear_1.weight": torch.randn(3, 3)}  # of another part of the network
    block = load_published_weights(PairBlock(C, HIDDEN, HEADS, 4, expansion=2), state, "core.").eval()
    z = expected = draw_pairs()
    expected = expected + multiply_triangles(expected, parts["tri_mul_out"], "outgoing")
    expected = expected + multiply_triangles(expected, parts["tri_mul_in"], "incoming")
    expected = expected + attend_to_triangles(expected, parts["tri_att_start"], HEADS, "starting")
    expected = expected + attend_to_triangles(expected, parts["tri_att_end"], HEADS, "ending")
    expected = expected + transform_pairs(expected, parts["pair_transition"])
    assert torch.allclose(block(z), expected, atol=5e-5, rtol=1e-5)


LAYERS = {
    **{f"multiplication {name}": lambda name=name: TriangleMultiplication(name, C, HIDDEN) for name in ORIENTATIONS},
    "multiplication in chunks": lambda: TriangleMultiplication(("incoming", "cycle"), C, HIDDEN, chunks=2),
    "starting": lambda: TriangleAttention("starting", C, HEADS, 4),
    "ending": lambda: TriangleAttention("ending", C, HEADS, 4, chunks=2),
    "transition": lambda: PairTransition(C, 2, activation="swiglu"),
    "block": lambda: PairBlock(C, HIDDEN, HEADS, 4),
}


def make(name: str) -> torch.nn.Module:
    layer = LAYERS[name]().eval()
    for p in layer.parameters():
        p.data.add_(torch.randn_like(p), alpha=0.3)
    return layer


layers = pytest.mark.parametrize("name", LAYERS)


@layers
def test_layers_are_equivariant(name):
    assert_equivariant(make(name).double(), "aaH -> aaH", sizes={"a": N}, features=C, dtype=torch.float64)


@layers
def test_padding_has_no_effect_whatever_it_holds(name):
    layer, z = make(name), draw_pairs()
    padded = torch.nn.functional.pad(z, (0, 0, 0, 2, 0, 2), value=torch.nan).requires_grad_()
    present = torch.arange(N + 2) < N
    y = layer(padded, present)
    assert torch.allclose(y[:, :N, :N], layer(z), atol=1e-5)
    assert not y[:, N:].any() and not y[:, :, N:].any()
    y.square().sum().backward()
    assert padded.grad.isfinite().all() and all(p.grad.isfinite().all() for p in layer.parameters())


@layers
def test_gradients(name):
    layer = make(name).double()
    z = torch.randn(1, 3, 3, C, dtype=torch.float64, requires_grad=True)
    mask = torch.tensor([True, True, False])
    assert torch.autograd.gradcheck(lambda z: layer(z, mask), (z,), fast_mode=True)


@layers
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_low_precision(name, dtype):
    layer, z = make(name), draw_pairs()
    y = layer.to(dtype)(z.to(dtype))
    assert y.dtype == dtype and torch.allclose(y.float(), layer.float()(z), atol=0.15, rtol=0.1)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.allclose(layer(z).float(), layer(z.clone()).float()) and layer(z).isfinite().all()


def test_products_do_not_overflow_in_half_precision():
    layer = TriangleMultiplication("outgoing", 4, 4).half()
    torch.nn.init.constant_(layer.in_proj.weight, 300.0)
    torch.nn.init.normal_(layer.out_proj.weight)
    assert layer(torch.randn(5, 5, 4).half()).isfinite().all()


@pytest.mark.parametrize("name", ["multiplication in chunks", pytest.param("ending", marks=pytest.mark.slow)])
def test_a_layer_compiles_for_all_sizes(name):
    torch.compiler.reset()
    layer = make(name)
    compiled = torch.compile(layer, fullgraph=True, dynamic=True, backend="eager")
    for n in (4, 7):
        z, mask = torch.randn(2, n, n, C), torch.rand(2, n) < 0.8
        assert torch.allclose(compiled(z, mask), layer(z, mask), atol=1e-5)


@pytest.mark.parametrize("n", [0, 1])
@layers
def test_few_elements(name, n):
    layer = make(name)
    z = torch.randn(2, n, n, C, requires_grad=True)
    y = layer(z)
    assert y.shape == z.shape and y.isfinite().all()
    y.sum().backward()


def test_a_new_block_is_the_identity_and_dropout_drops_columns_and_rows():
    z = draw_pairs()
    block = PairBlock(C, HIDDEN, HEADS, 4, dropout=0.5)
    assert torch.equal(block(z), z)
    for p in block.parameters():
        p.data.add_(torch.randn_like(p), alpha=0.3)
    update = torch.ones(1, 5, 5, 3)
    columns, rows = block._drop(update, -3), block._drop(update, -2)
    assert torch.equal(columns, columns[:, :1].expand_as(columns)) and 0 < columns.mean() != 1
    assert torch.equal(rows, rows[:, :, :1].expand_as(rows))
    block.eval()
    assert torch.equal(block(z), block(z))


def rename(state: dict[str, Tensor], names: dict[str, str]) -> dict[str, Tensor]:
    """The tensors by other names; those of several names of one new name side by side."""
    renamed: dict[str, Tensor] = {}
    for name, x in state.items():
        stem, _, kind = name.rpartition(".")
        if (new := names.get(stem)) is not None:
            key = f"{new}.{kind}"
            renamed[key] = torch.cat([renamed[key], x]) if key in renamed else x
    return renamed


BOLTZ = {
    "layer_norm_in": "norm_in", "linear_a_p": "p_in", "linear_b_p": "p_in", "linear_a_g": "g_in", "linear_b_g": "g_in",
    "layer_norm_out": "norm_out", "linear_z": "p_out", "linear_g": "g_out",
}  # fmt: skip
MULTIMER = {name: name for name in BOLTZ} | {f"linear_{x}_{k}": f"linear_ab_{k}" for x, k in product("ab", "pg")}


def reorder(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The operand a before b, projections before gates."""
    return dict(sorted(state.items()))


@pytest.mark.parametrize(("names", "bias"), [(BOLTZ, False), (MULTIMER, True)], ids=["Boltz", "OpenFold, multimer"])
def test_other_names_of_the_same_weights(names, bias):
    state, z = reorder(draw_multiplication(bias)), draw_pairs()
    layer = TriangleMultiplication("incoming", C, HIDDEN, bias=bias)
    load_published_weights(layer, {f"x.{k}": v for k, v in rename(state, names).items()} | {"y.z": z}, "x.")
    assert torch.allclose(layer(z), multiply_triangles(z, state, "incoming"), atol=1e-5)


def test_weights_of_chai():
    """Both orientations in one update: their normalized products are added, then projected and gated."""
    sizes = {"merged_linear_p": (4 * HIDDEN, C), "merged_linear_g": (4 * HIDDEN + C, C), "linear_z_out": (C, HIDDEN)}
    state, z = draw_state(sizes, {"layernorm_z_in": C}, bias=False), draw_pairs()
    layer = load_published_weights(TriangleMultiplication(("outgoing", "incoming"), C, HIDDEN, bias=False), state)
    normed = torch.nn.functional.layer_norm(z, (C,), state["layernorm_z_in.weight"], state["layernorm_z_in.bias"])
    gates = (normed @ state["merged_linear_g.weight"].T).sigmoid()
    a, b, c, d = (normed @ state["merged_linear_p.weight"].T * gates[..., : 4 * HIDDEN]).chunk(4, -1)
    products = torch.einsum("zikd,zjkd->zijd", a, b), torch.einsum("zkid,zkjd->zijd", c, d)
    total = sum(torch.nn.functional.layer_norm(x, (HIDDEN,)) for x in products)
    expected = total @ state["linear_z_out.weight"].T * gates[..., 4 * HIDDEN :]
    assert torch.allclose(layer(z), expected, atol=1e-5)
    with pytest.raises(EinNetError, match="bias=False"):
        load_published_weights(TriangleMultiplication("outgoing", C, HIDDEN), state)


TRANSITIONS = {
    "OpenFold": ("relu", "layer_norm", "linear_1", "", "linear_2"),
    "OpenFold 3": ("swiglu", "layer_norm", "swiglu.linear_a", "swiglu.linear_b", "linear_out"),
    "Boltz": ("swiglu", "norm", "fc1", "fc2", "fc3"),
    "Protenix": ("swiglu", "layernorm1", "linear_no_bias_a", "linear_no_bias_b", "linear_no_bias"),
    "ESMFold": ("relu", "mlp.0", "mlp.1", "", "mlp.3"),
}


@pytest.mark.parametrize("program", TRANSITIONS)
def test_transitions_of_other_programs(program):
    activation, norm, first, second, last = TRANSITIONS[program]
    sizes = {name: (2 * C, C) for name in (first, second) if name} | {last: (C, 2 * C)}
    state, z = draw_state(sizes, {norm: C}, bias=activation == "relu"), draw_pairs()
    layer = PairTransition(C, 2, activation=activation, bias=activation == "relu")
    load_published_weights(layer, state)
    normed = torch.nn.functional.layer_norm(z, (C,), state[f"{norm}.weight"], state[f"{norm}.bias"])
    hidden = torch.nn.functional.linear(normed, state[f"{first}.weight"], state.get(f"{first}.bias"))
    gated = torch.nn.functional.silu(hidden) * (normed @ state[f"{second}.weight"].T) if second else hidden.relu()
    expected = torch.nn.functional.linear(gated, state[f"{last}.weight"], state.get(f"{last}.bias"))
    assert torch.allclose(layer(z), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda s: s.pop("linear_z.weight"), EinNetError, "linear_z.*got .*linear_g"),
        (lambda s: s.pop("linear_z.bias"), EinNetError, "'out_proj.bias': make the module with bias=False"),
        (lambda s: s.pop("linear_a_p.bias"), EinNetError, "expected the names"),
        (lambda s: s.update({"linear_c_p.weight": torch.ones(1)}), EinNetError, "linear_c_p"),
        (lambda s: s.update({"linear_g.weight": torch.ones(3, C)}), ShapeError, r"\(12, 12\), got \(3, 12\)"),
    ],
)
def test_weights_that_do_not_fit_change_nothing(change, error, message):
    state, layer = draw_multiplication(), TriangleMultiplication("outgoing", C, HIDDEN)
    before = {name: x.clone() for name, x in layer.state_dict().items()}
    change(state)
    with pytest.raises(error, match=message):
        load_published_weights(layer, state)
    assert all(torch.equal(x, before[name]) for name, x in layer.state_dict().items())
    with pytest.raises(EinNetError, match="bias=True"):
        load_published_weights(TriangleMultiplication("outgoing", C, HIDDEN, bias=False), draw_multiplication())
    with pytest.raises(TypeError, match="got Linear"):
        load_published_weights(torch.nn.Linear(2, 2), {})
    with pytest.raises(EinNetError, match=r"'tri_mul_out\.', got none"):
        load_published_weights(PairBlock(C), {})


def test_arguments():
    for wrong in ("forward", ("outgoing", "outgoing"), ()):
        with pytest.raises(EinNetError, match="orientation"):
            TriangleMultiplication(wrong)
    with pytest.raises(EinNetError, match="end"):
        TriangleAttention("middle")
    with pytest.raises(ShapeError, match=r"\(batch..., a, a, 128\)"):
        TriangleMultiplication("incoming")(torch.ones(3, 3, 4))
    with pytest.raises(ShapeError, match="both size 3 and size 4"):
        TriangleMultiplication("incoming", 4)(torch.ones(3, 4, 4))
    with pytest.raises(ShapeError, match="float64"):
        PairBlock(C)(draw_pairs(torch.float64))


def test_reprs_and_new_parameters():
    layer = TriangleMultiplication(("outgoing", "path"), 16, 8, bias=False, chunks=2)
    first = repr(layer).splitlines()[1].strip()
    assert first == "('outgoing', 'path'), features=16, hidden=8, bias=False, chunks=2"
    assert PairBlock(hidden=64, dropout=0.0).extra_repr() == "hidden=64, dropout=0.0"
    weight = layer.in_proj.weight.clone()
    torch.nn.init.ones_(layer.out_proj.weight)
    layer.reset_parameters()
    assert not torch.equal(weight, layer.in_proj.weight) and not layer.out_proj.weight.any()
    meta = PairBlock(C, device="meta", dtype=torch.bfloat16)
    assert {(p.device.type, p.dtype) for p in meta.parameters()} == {("meta", torch.bfloat16)}
