"""`EinLayer`: a residual, equivariant update; default operations; dropout."""

import pytest
import torch
from torch.nn.functional import gelu, linear

from einnet import EinLayer, EinPool, Symmetry
from einnet.errors import EinNetError, NotationError, ShapeError
from einnet.nn.pooled import PooledLinear
from einnet.operations import pooling_terms
from einnet.testing import assert_equivariant
from networks import randomize
from refusals import assert_refused
from strategies import SIZES, TYPES, with_h


@pytest.mark.parametrize("masks", [False, True], ids=["plain", "masked"])
@pytest.mark.parametrize("symmetry", TYPES)
def test_a_layer_is_equivariant(symmetry, masks):
    layer = EinLayer(with_h(symmetry), features=6, heads=2).double()
    sizes = {c: SIZES[c] for c in Symmetry(symmetry).classes}
    assert_equivariant(layer, with_h(symmetry), sizes, features=6, masks=masks)


def test_it_adds_to_its_input():
    layer = EinLayer("aaH", features=6, heads=2)
    for p in layer.out_proj.parameters():
        torch.nn.init.zeros_(p)
    x = torch.randn(2, 4, 4, 6)
    assert torch.equal(layer(x), x)


def test_the_update_does_not_depend_on_the_scale_of_the_input():
    layer = EinLayer("aaH", features=6, heads=2).double()
    x = torch.randn(4, 4, 6, dtype=torch.float64)
    assert torch.allclose(layer(x) - x, layer(1000 * x) - 1000 * x, rtol=1e-3, atol=1e-4)


def test_the_default_operations_without_terms():
    assert EinLayer("aaH", 4).pool.plan.terms == pooling_terms(Symmetry("aa"))
    assert EinLayer("aaH", 4, order=1).pool.plan.terms == pooling_terms(Symmetry("aa"), 1)
    assert [str(t) for t in EinLayer("aaH", 4, terms=["ab,cb->ac"]).pool.plan.terms] == ["ab,cb->ac"]
    assert EinLayer("aa", 4).symmetry == Symmetry("aaH")


def test_dropout_only_while_training():
    layer = EinLayer("aH", features=8, heads=2, dropout=0.5)
    x = torch.randn(5, 8)
    assert not torch.equal(layer(x), layer(x))
    layer.eval()
    assert torch.equal(layer(x), layer(x))


@pytest.mark.parametrize("masked", [False, True], ids=["plain", "masked"])
@pytest.mark.parametrize("norm", ["rms", None])
@pytest.mark.parametrize("order", [2, 5])
def test_chunks_of_heads_give_the_same_outputs_and_gradients(norm, order, masked):
    results = []
    for chunks in (1, 2, 5):  # 5 heads in two parts: 3 and 2
        torch.manual_seed(0)
        layer = EinLayer("aaH", features=6, heads=5, norm=norm, order=order, chunks=chunks).double()
        x = torch.randn(2, 4, 4, 6, dtype=torch.float64, requires_grad=True)
        y = layer(x, mask=torch.tensor([[True] * 4, [True, True, False, True]]) if masked else None)
        results.append([y, *torch.autograd.grad(y.square().sum(), [x, *layer.parameters()])])
    for chunked in results[1:]:
        assert all(torch.allclose(a, b, rtol=1e-10, atol=1e-12) for a, b in zip(results[0], chunked, strict=True))


def test_a_chunk_is_pooled_again_in_the_backward_pass():
    layer, calls = EinLayer("aaH", features=6, heads=4, chunks=2), []
    pool = layer.pool.pool
    layer.pool.pool = lambda inputs, context: (calls.append(inputs[0].shape[-3]), pool(inputs, context))[1]
    y = layer(torch.randn(4, 4, 6)).sum()
    assert calls == [16, 16]  # two of four heads, each for 8 operands
    y.backward()
    assert calls == [16] * 4


def test_chunks_see_the_same_dropout_in_both_passes():
    layer = EinLayer("aaH", features=6, heads=4, chunks=2, dropout=0.5).double()
    x = torch.randn(3, 3, 6, dtype=torch.float64, requires_grad=True)

    def f(x):
        torch.manual_seed(0)
        return layer(x)

    assert torch.autograd.gradcheck(f, x)


def test_more_chunks_than_heads():
    with pytest.raises(EinNetError, match="chunks"):
        EinLayer("aaH", features=6, heads=2, chunks=3)


@pytest.mark.parametrize(
    "name", ["norm.weight", "in_proj.weight", "in_proj.bias", "pool_proj.weight", "pool_proj.gain", "out_proj.bias"]
)
def test_vmap_over_one_parameter(name):
    layer, x = EinLayer("aaH", features=6, heads=2, norm="layer"), torch.randn(4, 4, 6)
    parameter = dict(layer.named_parameters())[name].detach()
    batch = parameter + torch.randn(3, *parameter.shape)
    y = torch.func.vmap(lambda p: torch.func.functional_call(layer, {name: p}, (x,)))(batch)
    expected = [torch.func.functional_call(layer, {name: p}, (x,)) for p in batch]
    assert torch.allclose(y, torch.stack(expected), atol=1e-5)


def test_wrong_features():
    layer = EinLayer("aaH", features=6)
    assert_refused(lambda: layer(torch.randn(4, 4, 5)), ShapeError, "(batch..., a, a, 6)", "(4, 4, 5)")


def test_a_term_of_another_type():
    assert_refused(lambda: EinLayer("abH", features=6, terms=["ab->ba"]), NotationError, "index 'b'", caret=(4, 6))


def rms_normalize(x: torch.Tensor) -> torch.Tensor:
    return x / (x.square().mean(-1, keepdim=True) + 1e-6).sqrt()


@pytest.mark.parametrize("symmetry", TYPES)
def test_the_formula_of_a_layer(symmetry):
    """Norm, projection, pooling, norm, projection with a GELU, projection, residual, with all pooled tensors in memory."""
    layer = randomize(EinLayer(with_h(symmetry), features=6, heads=2).double())
    pool = EinPool(layer.pool.plan.terms, with_h(symmetry))
    x = torch.randn(2, *(SIZES[c] for c in Symmetry(symmetry).axes), 6, dtype=torch.float64)
    pooled = rms_normalize(pool(layer.in_proj(layer.norm.weight * rms_normalize(x)))) * layer.pool_proj.gain
    hidden = gelu(linear(pooled, layer.pool_proj.weight, layer.pool_proj.bias))
    assert torch.allclose(layer(x), x + layer.out_proj(hidden), rtol=1e-10, atol=1e-10)


def test_masked_cells_of_the_output_are_zero():
    layer = EinLayer("aaH", features=6, heads=2)
    mask = torch.tensor([True, True, False])
    cells = mask[:, None] & mask
    y = layer(torch.randn(2, 3, 3, 6), mask=mask)
    assert (y[:, ~cells] == 0).all()
    assert (y[:, cells] != 0).all()


def test_the_repr_names_only_what_differs_from_the_default():
    assert EinLayer("aH", 8).extra_repr() == "'aH', features=8"
    assert EinLayer("aH", 8, heads=2, dropout=0.5).extra_repr() == "'aH', features=8, heads=2, dropout=0.5"
    lines = repr(EinLayer("aH", 8, heads=2)).splitlines()
    assert "  (norm): RMSNorm(8)" in lines
    assert "  (in_proj): HeadLinear(in_features=8, heads=2, operands=4, rank=1, bias=True)" in lines


def test_a_pooled_map_has_a_bias_by_default():
    assert PooledLinear(EinPool(["a->a"]).plan.results, heads=2, out_features=3).bias is not None
