"""The low-rank step: an `EinLayer` whose first two projections are the factors of a series is that series."""

from itertools import product

import pytest
import torch

from einnet import EinLayer, EinNetError, series


def layer_of(expansion, params, heads: int) -> EinLayer:
    """The layer with unit vectors in its first projection: each head multiplies one choice of the operands' features."""
    h = expansion.features
    constant, *orders = expansion.split(expansion.to_contraction(params))
    terms = [t for k in range(1, expansion.order + 1) for t in expansion.contractions(k)]
    in_proj, pool_proj = [], []
    at = 0
    flat = torch.cat(orders)
    for term in terms:
        tensor = flat[at : at + h ** (term.order + 1)].reshape(h, -1)
        at += tensor.numel()
        choices = list(product(range(h), repeat=term.order))
        factors = torch.zeros(term.order, heads, h, dtype=torch.float64)
        for r, choice in enumerate(choices):
            for operand, feature in enumerate(choice):
                factors[operand, r, feature] = 1
        if str(term) in ("i->i", "ij->ij"):
            tensor = tensor - torch.eye(h)
        in_proj.extend(factors)
        pool_proj.append(torch.nn.functional.pad(tensor, (0, heads - len(choices))))
    layer = EinLayer(str(expansion.signature.output), h, heads, terms=terms, normalize=None, norm=None).double()
    with torch.no_grad():
        layer.in_proj.weight.copy_(torch.cat(in_proj))
        layer.in_proj.bias.zero_()
        layer.pool_proj.weight.copy_(torch.cat([torch.cat(pool_proj, 1), -torch.cat(pool_proj, 1)]))
        layer.pool_proj.bias.zero_()
        layer.out_proj.weight.copy_(torch.cat([torch.eye(h), -torch.eye(h)], 1))
        layer.out_proj.bias.copy_(constant)
    return layer


@pytest.mark.parametrize(
    ("signature", "sizes", "shape"),
    [("aH -> aH", {"a": 5, "H": 3}, (5, 3)), ("abH -> abH", {"a": 3, "b": 4, "H": 2}, (3, 4, 2))],
)
def test_a_layer_reproduces_any_series_of_order_2(signature, sizes, shape):
    expansion = series(signature, order=2, sizes=sizes)
    params = torch.randn(expansion.total, dtype=torch.float64)
    layer = layer_of(expansion, params, heads=sizes["H"] ** 2)
    x = torch.randn(4, *shape, dtype=torch.float64)
    expected = expansion.evaluate(x, params, basis="orbit")
    assert torch.allclose(layer(x), expected, rtol=1e-11, atol=1e-11)
    assert not torch.allclose(layer(x), expansion.evaluate(x, params * 1.001, basis="orbit"), rtol=1e-11, atol=1e-11)


def test_an_unknown_norm_is_refused():
    with pytest.raises(EinNetError, match="norm .*'batch'"):
        EinLayer("aH", 4, norm="batch")
