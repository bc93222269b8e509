"""Linear maps of rows as one function: equal to the plan of their terms, with first and second derivatives."""

import pytest
import torch
from torch.autograd import gradgradcheck

from einnet.nn import EinLinear
from einnet.nn.sparse import Support, union
from einnet.nn.sparse.matches import Matches, sort_keys
from einnet.nn.sparse.row_sums import RowSums
from networks import randomize

SIGNATURES = ["aH, [aa]H -> H", "[aa]H -> aH", "aH, [aa]H -> [aa]H", "aH, [ab]H, H -> bH", "[ab]H -> aH; a->b"]


def make_samples(signature: str) -> list[tuple]:
    generator, samples = torch.Generator().manual_seed(0), []
    for a, b, density in ((4, 3, 0.7), (1, 2, 1.0), (3, 1, 0.0), (0, 0, 0.0), (2, 4, 0.5)):
        inputs = []
        for t in EinLinear(signature, [1] * (1 + signature.partition("->")[0].count(",")), 1).signature.inputs:
            shape = [{"a": a, "b": b}[c] for c in t.axes]
            values = torch.randn(*shape, 2, generator=generator, dtype=torch.float64)
            if t.is_sparse:
                index = (torch.rand(shape, generator=generator) < density).nonzero().T
                values = Support(index, shape), values[tuple(index)]
            inputs.append(values)
        samples.append(tuple(inputs))
    return samples


def make_module(signature: str, **options) -> EinLinear:
    torch.manual_seed(0)
    width = [2] * (1 + signature.partition("->")[0].count(","))
    return randomize(EinLinear(signature, width, 3, **{"dtype": torch.float64} | options))


def call(module: EinLinear, batch, *values: torch.Tensor) -> torch.Tensor:
    inputs = [(x[0], v) if isinstance(x, tuple) else v for x, v in zip(batch.inputs, values, strict=True)]
    y = module(*inputs, graph=batch)
    return y[1] if isinstance(y, tuple) else y


def values_of(batch) -> list[torch.Tensor]:
    return [(x[1] if isinstance(x, tuple) else x).clone().requires_grad_() for x in batch.inputs]


def make_batch(signature: str):
    types, _, dependencies = signature.partition(";")
    return union(make_samples(signature), types.partition("->")[0] + (";" + dependencies) * bool(dependencies))


@pytest.mark.parametrize("options", [{}, {"counts": True, "maxima": True, "roots": True}, {"bias": False}], ids=str)
@pytest.mark.parametrize("signature", SIGNATURES)
def test_the_function_equals_the_plan(signature, options, monkeypatch):
    module, batch = make_module(signature, **options), make_batch(signature)
    values, results = values_of(batch), []
    for has_rows in (True, False):
        if not has_rows:
            monkeypatch.setattr(EinLinear, "_has_rows", lambda *_: False)
        y = call(module, batch, *values)
        first = torch.autograd.grad(y.sin().sum(), [*values, *module.parameters()], create_graph=True)
        second = torch.autograd.grad(sum(g.square().sum() for g in first), [*values, *module.parameters()])
        results.append([y, *first, *second])
    for one, two in zip(*results, strict=True):
        assert torch.allclose(one, two, atol=1e-10)


def test_its_second_derivative():
    module, batch = make_module("aH, [aa]H -> H", counts=True, maxima=True, roots=True), make_batch("aH, [aa]H -> H")
    assert gradgradcheck(lambda *values: call(module, batch, *values), values_of(batch))


def test_what_is_found_for_a_support_is_kept_with_it():
    module, batch = make_module("[aa]H -> aH"), make_batch("[aa]H -> aH")
    values = values_of(batch)
    y = call(module, batch, *values)
    support = batch.inputs[0][0]
    number = len(support._cache)
    assert torch.equal(call(module, batch, *values), y)
    assert len(support._cache) == number


@pytest.mark.parametrize("stacked", [0, 1])
def test_sums_over_several_links(stacked):
    generator = torch.Generator().manual_seed(1)
    links, blocks = [], []
    for number in (3, 1, 0, 5):
        rows = (4, number) if stacked else (number, 4)
        block = (torch.rand(rows, generator=generator) < 0.5).double()
        links.append(Matches(block.nonzero().T, rows))
        blocks.append(block)
    matrix, sums = torch.cat(blocks, stacked), RowSums(links, stacked)
    for target in (0, 1):
        x = torch.randn(matrix.shape[1 - target], 2, generator=generator, dtype=torch.float64, requires_grad=True)
        expected = (matrix.T if target else matrix) @ x
        assert torch.allclose(sums.run(x, target), expected)
        with torch.no_grad():
            assert torch.allclose(sums.run(x, target), expected)


@pytest.mark.parametrize("number", [300, 2**17])
def test_sorted_keys(number):
    keys = torch.randint(number, (1000,), generator=torch.Generator().manual_seed(0))
    assert torch.equal(sort_keys(keys, number), keys.argsort(stable=True))
    assert sort_keys(keys.sort().values, number) is None
