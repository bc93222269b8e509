"""`EinLinear`: the sum over all linear terms, the equivariant bias, several inputs, sizes."""

import math

import numpy as np
import pytest
import torch

from einnet import EinLinear, EinNetError, Signature, linear_terms
from einnet.errors import ShapeError
from einnet.testing import assert_equivariant
from networks import random_inputs, randomize
from oracles.naive import count_summed_values, naive_term
from refusals import assert_refused
from strategies import SIZES

SIGNATURES = [
    "aH", "abH", "aaH", "aaH -> aH", "aH -> aaH", "aaH -> H", "H -> aaH", "aabH -> abH", "abH -> baH", "aH -> abH",
    "abH; a->b", "abcH -> aH; a->b", "aH -> abH; a->b", "abcH; a->b, b->c", "aH, aaH -> aH", "aH, bH -> abH",
    "abH, baH -> abH", "aH, abH -> abH; a->b", "aaH -> aaaH",
]  # fmt: skip
TYPE_SIZES = {c: n + 1 for c, n in SIZES.items()}


def layer_and_inputs(signature: str, normalize: str | None = "size"):
    layer = EinLinear(signature, [2] * len(Signature(signature).inputs), 3, normalize=normalize).double()
    return randomize(layer), random_inputs(layer, **TYPE_SIZES)


@pytest.mark.parametrize("normalize", ["size", None])
@pytest.mark.parametrize("signature", SIGNATURES)
def test_the_map_is_the_sum_over_its_terms(signature, normalize):
    """One weight matrix for each term, applied to the term evaluated by itself, and the equivariant constants."""
    layer, inputs = layer_and_inputs(signature, normalize)
    output = layer.signature.output
    axes = [TYPE_SIZES[c] for c in output.axes]
    expected = np.zeros([3, *axes])
    weights = iter(layer.weight.detach().split(2, 1))
    for x, source in zip(inputs, layer.signature.inputs, strict=True):
        for term in linear_terms(source, output):
            w, y = next(weights), naive_term(term, [x.movedim(-1, 0).numpy()], axes)
            count = count_summed_values(term, source, TYPE_SIZES) if normalize == "size" else 1
            expected += np.einsum("of,f...->o...", w.numpy(), y / count)
    constants = linear_terms(type(output)(""), output)
    for term, w in zip(constants, layer.bias.detach().split(1, 1), strict=True):
        expected += np.einsum("of,f...->o...", w.numpy(), naive_term(term, [np.ones(1)], axes))
    y = layer(*inputs, sizes={c: TYPE_SIZES[c] for c in output.classes})
    assert np.allclose(y.detach().movedim(-1, 0).numpy(), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("signature", SIGNATURES)
def test_it_is_equivariant(signature):
    layer, _ = layer_and_inputs(signature)
    sizes = {c: TYPE_SIZES[c] for c in layer.signature.classes}
    assert_equivariant(lambda *x: layer(*x, sizes=sizes), signature, sizes, features=2)


def test_counts_maxima_and_sums_over_roots_stand_beside_the_means():
    layer = EinLinear("aH -> H", 2, 3, counts=True, maxima=True, roots=True).double()
    x, present = torch.randn(2, 5, 2).double(), torch.arange(5) < torch.tensor([[5], [3]])
    layer.weight.data.normal_()
    mean, count, largest, root = layer.weight.split([2, 1, 2, 2], 1)
    for y, sample, n in zip(layer(x, mask=present), x, (5, 3), strict=True):
        values = sample[:n].mean(0) @ mean.T + math.log(1 + n) * count[:, 0] + sample[:n].amax(0) @ largest.T
        assert torch.allclose(y, values + sample[:n].sum(0) / math.sqrt(n) @ root.T)


def test_a_sum_of_nothing_over_a_root_is_zero():
    layer = EinLinear("aH -> H", 2, 3, bias=False, roots=True)
    assert not layer(torch.randn(4, 2), mask=torch.zeros(4, dtype=torch.bool)).any()


@pytest.mark.parametrize("signature", SIGNATURES)
def test_it_is_equivariant_with_all_that_stands_beside_the_means(signature):
    inputs = len(Signature(signature).inputs)
    layer = EinLinear(signature, [2] * inputs, 3, counts=True, maxima=True, roots=True).double()
    sizes = {c: TYPE_SIZES[c] for c in layer.signature.classes}
    assert_equivariant(lambda *x: layer(*x, sizes=sizes), signature, sizes, features=2)


def test_it_is_linear_without_bias_and_affine_with():
    layer = EinLinear("aaH -> aH", 2, 3, bias=False)
    x, y = torch.randn(2, 4, 4, 2)
    assert layer.bias is None
    assert torch.allclose(layer(2 * x - y), 2 * layer(x) - layer(y), atol=1e-5)
    biased = randomize(EinLinear("aaH", 2, 1).double())
    constant = biased(torch.zeros(4, 4, 2, dtype=torch.float64))[..., 0]
    assert constant.unique().numel() == 2  # everywhere, and on the diagonal
    assert constant.diagonal().unique().numel() == 1


@pytest.mark.parametrize(("signature", "count"), [("aH", 2), ("aaH", 15), ("aaH -> H", 2), ("abH; a->b", 3)])
def test_the_number_of_weights(signature, count):
    assert sum(p.numel() for p in EinLinear(signature, 5, 7, bias=False).parameters()) == 5 * 7 * count


def test_a_new_axis_takes_its_size_from_sizes():
    layer = EinLinear("aH -> abH", 2, 3)
    assert layer(torch.randn(5, 4, 2), sizes={"b": 6}).shape == (5, 4, 6, 3)
    assert EinLinear("H -> aaH", 2, 3)(torch.randn(2), sizes={"a": 4}).shape == (4, 4, 3)


@pytest.mark.parametrize(
    ("signature", "shapes", "sizes", "phrase"),
    [
        ("aH -> abH", [(4, 2)], None, "sizes={'b': ...}"),
        ("aH -> abcH", [(4, 2)], {"a": 4}, "sizes={'b': ..., 'c': ...}"),
        ("aH -> aH", [(4, 2)], {"a": 5}, "sizes has size 5"),
        ("aH -> aH", [(4, 2)], {"x": 5}, "'x'"),
        ("aH, aaH -> aH", [(4, 2), (5, 5, 2)], None, "input 2 of type 'aaH' has size 5"),
        ("aH, aaH -> aH", [(4, 2)], None, "2 inputs"),
        ("aH -> aH", [(4, 3)], None, "got (4, 3)"),
        ("aH, aaH -> aH", [(4, 2), (4, 2)], None, "input 2"),
    ],
)
def test_inputs_that_do_not_fit(signature, shapes, sizes, phrase):
    layer = EinLinear(signature, [2] * len(Signature(signature).inputs), 3)
    tensors = [torch.randn(s) for s in shapes]
    assert_refused(lambda: layer(*tensors, sizes=sizes), ShapeError, phrase)


@pytest.mark.parametrize("features", [3, (3,), (3, 0), (1, 2, 3)], ids=str)
def test_in_features_is_one_number_for_each_input(features):
    assert_refused(lambda: EinLinear("aH, aaH -> aH", features, 1), EinNetError, "in_features")


@pytest.mark.parametrize("features", [(3, 1.5), (3, "2"), 3.5, None], ids=str)
def test_in_features_are_integers(features):
    assert_refused(
        lambda: EinLinear("aH, aaH -> aH" if isinstance(features, tuple) else "aH", features, 1),
        TypeError,
        "in_features",
    )


@pytest.mark.parametrize("sizes", [{"b": None}, {"b": 2.5}, {"b": True}, [3]], ids=str)
def test_sizes_are_integers_by_axis(sizes):
    layer = EinLinear("aH -> abH", 2, 3)
    assert_refused(lambda: layer(torch.randn(4, 2), sizes=sizes), TypeError, "size")


def test_an_output_that_is_broadcast_can_be_written_in_place():
    y = EinLinear("aH -> abH", 2, 3)(torch.randn(4, 2), sizes={"b": 5})
    assert torch.nn.functional.relu_(y).min() >= 0


def test_an_input_of_another_dtype_is_refused():
    with pytest.raises(ShapeError, match="float64"):
        EinLinear("aH", 2, 3)(torch.randn(4, 2).double())
