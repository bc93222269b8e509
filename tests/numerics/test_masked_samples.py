"""A batch with an empty sample: it gives zeros, and the rest of the batch what it gives alone."""

from functools import partial

import pytest
import torch

from einnet import EinLayer, EinLinear, EinPool, Signature, Symmetry
from einnet.terms import linear_terms
from networks import NETWORKS, randomize, small
from numerics.operations import CATALOGUE, ids, kind_of_plan, pool_of

F = 2
SIZES = {"a": 4, "b": 3, "c": 2}
SIGNATURES = ["aH", "aaH", "abH", "aaH -> H", "abH -> aH", "abH; a->b", "abcH -> aH; a->b", "aH, aaH -> aH"]


def features(signature: str) -> list[int]:
    return [F] * len(Signature(signature).inputs)


def make_linear(signature: str, **options) -> EinLinear:
    return randomize(EinLinear(signature, features(signature), 3, **options).double())


MODULES = {
    **{network.__name__: partial(small, network=network) for network in NETWORKS},
    "EinNet, sums": partial(small, normalize=None),
    "EinNet, chunks": partial(small, chunks=2),
    "EinNet, checkpoints": partial(small, checkpoint_activations=True),
    "linear": make_linear,
    "linear, sums": partial(make_linear, normalize=None),
}


def mask_of(letter: str, signature: Signature, batch: int, empty: int) -> torch.Tensor:
    """Random, with nothing in one sample and at least one index in each of the others."""
    axes = Symmetry.of(signature.classes, signature.dependencies)
    mask = torch.rand(batch, *(SIZES[c] for c in (*axes.ancestors(letter), letter))) < 0.7
    mask[..., 0] = True
    mask[empty] = False
    return mask


def check(module, signature: Signature, widths: list[int], fill: float) -> None:
    """For each axis in turn: it is empty in one sample."""
    for letter in signature.classes:
        masks = {letter: mask_of(letter, signature, batch=3, empty=1)}
        inputs, cells = [], []
        for t, width in zip(signature.inputs, widths, strict=True):
            present = _cells(t, masks, batch=3)
            x = torch.randn(3, *(SIZES[c] for c in t.axes), width, dtype=torch.float64)
            inputs.append(x.masked_fill(~present.unsqueeze(-1), fill).requires_grad_())
            cells.append(present)
        y = module(*inputs, mask=masks)
        assert torch.isfinite(y).all()
        if letter in signature.output.classes:
            assert not y[1].any()
        gradients = torch.autograd.grad(y.square().sum(), [*inputs, *module.parameters()], allow_unused=True)
        assert all(torch.isfinite(g).all() for g in gradients if g is not None)
        for g, present in zip(gradients, cells, strict=False):
            assert not g[~present].any() and g[present].any()
        for k in (0, 2):
            alone = module(*(x[k] for x in inputs), mask={letter: masks[letter][k]})
            assert torch.allclose(y[k], alone, rtol=1e-10, atol=1e-12)


def _cells(symmetry: Symmetry, masks: dict[str, torch.Tensor], batch: int) -> torch.Tensor:
    """The cells of the type without padding, by a loop over its axes."""
    cells = torch.ones(batch, *(SIZES[c] for c in symmetry.axes), dtype=torch.bool)
    for k, letter in enumerate(symmetry.axes):
        if letter in masks:
            places = [symmetry.axes.index(p) for p in symmetry.ancestors(letter)] + [k]
            shape = [SIZES[c] if j in places else 1 for j, c in enumerate(symmetry.axes)]
            order = sorted(range(len(places)), key=places.__getitem__)
            cells = cells & masks[letter].permute(0, *(1 + j for j in order)).reshape(batch, *shape)
    return cells


@pytest.mark.grid(stratum=lambda signature, name: (signature, name))
@pytest.mark.parametrize("fill", [1e6, float("nan")], ids=["numbers", "nan"])
@pytest.mark.parametrize("name", MODULES)
@pytest.mark.parametrize("signature", SIGNATURES)
def test_modules(signature, name, fill):
    check(MODULES[name](signature), Signature(signature), features(signature), fill)


POOLS = [(text, term) for text, term in CATALOGUE if text and set(text) <= set("abc;, ->")]


@pytest.mark.grid(stratum=kind_of_plan)
@pytest.mark.parametrize(("text", "term"), POOLS, ids=ids(POOLS))
def test_operations(text, term):
    for normalize in ("size", None):
        pool = pool_of(text, term, normalize)
        check(pool, Signature(text), [pool.fan_in], float("nan"))


@pytest.mark.parametrize("text", ["aH", "aaH", "abH", "abH; a->b", "abcH; a->b"])
def test_largest_values(text):
    pool = EinPool(linear_terms(Symmetry(text), Symmetry(text)), text, reduction="max")
    check(pool, Signature(text), [pool.fan_in], float("nan"))


@pytest.mark.parametrize("text", ["aH", "aaH", "abH", "abH; a->b", "abcH; a->b"])
def test_layers(text):
    check(randomize(EinLayer(text, features=F, heads=2).double()), Signature(text), [F], 1e6)


@pytest.mark.parametrize("name", MODULES)
def test_nothing_but_empty_samples(name):
    module = MODULES[name]("abH; a->b")
    x = torch.randn(2, 4, 3, F, dtype=torch.float64, requires_grad=True)
    y = module(x, mask={"a": torch.zeros(2, 4).bool()})
    assert not y.any()
    gradients = torch.autograd.grad(y.square().sum(), [x, *module.parameters()], allow_unused=True)
    assert all(not g.any() for g in gradients if g is not None)
