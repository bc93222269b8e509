"""The Triton kernels, by Triton's interpreter on a CPU, compared with the plain forms that serve elsewhere."""

import importlib
import os
import subprocess
import sys
from itertools import pairwise

import pytest
import torch
from torch import Tensor

import einnet.nn.kernels
from einnet.nn import EinLayer, Support, TriangleMultiplication
from einnet.nn import gated as gated_module
from einnet.nn.sparse import contract as contract_module
from einnet.nn.sparse.matches import Matches


@pytest.fixture(scope="module")
def kernels():
    """The kernels as the interpreter runs them; conftest.py has turned it on before anything imports Triton."""
    pytest.importorskip("triton", reason="Triton, which interprets the kernels, is not installed")
    if torch.cuda.is_available():
        pytest.skip("the kernels run on the GPU, where benchmarks/gpu checks them")
    return importlib.import_module("einnet.nn.kernels.triton")


@pytest.fixture
def kernel_calls(kernels, monkeypatch):
    """Operations on CPUs use the kernels."""
    called = []

    def load(x: Tensor):
        called.append(x)
        return kernels

    for module in (gated_module, contract_module):
        monkeypatch.setattr(module, "load_kernels", load)
    return called


def test_kernels_are_for_gpus_only():
    assert einnet.nn.kernels.load_kernels(torch.ones(3)) is None
    assert einnet.nn.kernels.load_kernels(torch.ones(3, device="meta")) is None


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("features_first", [True, False], ids=["features first", "features last"])
@pytest.mark.parametrize("groups", [0, 1, 2])
def test_gated_maps(kernels, groups, features_first, dtype):
    x, gate = torch.randn(2, 70, 40).to(dtype), torch.randn(2, 70, 24).to(dtype) if groups else None
    x = x.mT.contiguous().mT if features_first else x
    weight, gate_weight = torch.randn(72, 40).to(dtype) / 6, torch.randn(72, 24 if groups else 40).to(dtype) / 6
    bias, gate_bias = torch.randn(2, 72).to(dtype)
    cells = torch.rand(2, 70) < 0.7
    for mask in (cells, None):
        y = gated_module._make_empty(x, weight, features_first)
        kernels.map_gated(x, weight, bias, gate_weight, gate_bias, gate, mask, groups, y)
        wide = [None if t is None else t.float() for t in (x, weight, bias, gate_weight, gate_bias, gate)]
        expected = gated_module._map_at_once(*wide, mask, groups, features_first)
        assert torch.allclose(y.float(), expected, atol=1e-5 if dtype == torch.float32 else 0.05)


def sum_plainly(operands, weights: Tensor | None, pointers: Tensor) -> Tensor:
    product = torch.ones(())
    for x, index in operands:
        product = product * (x[: pointers[-1]] if index is None else x[index]).double()
    product = product if weights is None else product * weights[:, None]
    return torch.stack([product[i:j].sum(0) for i, j in pairwise(pointers)]).float()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_sums_of_rows(kernels, monkeypatch, dtype):
    monkeypatch.setattr(kernels, "SEGMENT", 16)
    pointers = torch.tensor([0, 0, 5, 7, 150, 160])
    number, longest = 160, 143
    x, y, edges = (torch.randn(n, 70).to(dtype) for n in (30, 50, number))
    first, second, weights = torch.randint(30, (number,)), torch.randint(50, (number,)), torch.randn(number).to(dtype)
    for operands, own in (
        ([(x, first)], None),
        ([(x, first), (y, second)], weights),
        ([(edges, None)], weights),
        ([(x, first), (edges, None)], None),
    ):
        total = kernels.sum_rows(operands, own, pointers, longest, dtype)
        expected = sum_plainly(operands, own, pointers)
        assert total.dtype == dtype
        assert torch.allclose(total.float(), expected, atol=1e-4 if dtype == torch.float32 else 0.3, rtol=0.02)
    assert kernels.sum_rows([(x[:0], first[:0])], None, torch.zeros(4, dtype=torch.int64), 0, dtype).eq(0).all()


def differentiate(module: torch.nn.Module, call, inputs: list[Tensor]) -> list[Tensor]:
    y = call(*inputs)
    generator = torch.Generator().manual_seed(0)
    leaves = [*inputs, *module.parameters()]
    return [y, *torch.autograd.grad(y, leaves, torch.randn(y.shape, generator=generator), allow_unused=True)]


def assert_same(own: list[Tensor], expected: list[Tensor]) -> None:
    for x, y in zip(own, expected, strict=True):
        assert (x is None and y is None) or torch.allclose(x, y, atol=1e-4, rtol=1e-4)


def test_triangle_multiplication_with_the_kernels(kernel_calls, monkeypatch):
    layer = TriangleMultiplication(("outgoing", "incoming"), 12, 8)
    torch.nn.init.normal_(layer.out_proj.weight)
    state, mask = torch.randn(2, 5, 5, 12, requires_grad=True), torch.rand(2, 5) < 0.8
    own = differentiate(layer, lambda z: layer(z, mask), [state])
    assert kernel_calls
    monkeypatch.setattr(gated_module, "load_kernels", lambda x: None)
    assert_same(own, differentiate(layer, lambda z: layer(z, mask), [state]))


def test_a_sparse_layer_with_the_kernels(kernel_calls, monkeypatch):
    edges = torch.randint(9, (2, 40)).unique(dim=1)
    layer = EinLayer(("aH", "[aa]H"), 6, 2)
    inputs = [torch.randn(9, 6, requires_grad=True), torch.randn(edges.shape[1], 6, requires_grad=True)]

    def call(nodes: Tensor, values: Tensor) -> Tensor:
        nodes, (_, values) = layer(nodes, (Support(edges, (9, 9)), values))
        return torch.cat([nodes, values])

    own = differentiate(layer, call, inputs)
    assert kernel_calls
    monkeypatch.setattr(contract_module, "load_kernels", lambda x: None)
    assert_same(own, differentiate(layer, call, inputs))


def test_the_longest_row_of_an_order():
    matches = Matches(torch.tensor([[0, 1, 2, 3], [1, 1, 0, 1]]), [4, 3])
    assert matches.order(1).longest == 3 and matches.order(0).longest == 1


COMPILE = """
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, compile

from einnet.nn.kernels import triton as kernels

pointers = dict.fromkeys("x weight bias gate gate_weight gate_bias out y weights".split(), "*bf16")
pointers |= dict.fromkeys(("x_index", "y_index", "starts", "stops"), "*i32") | {"cells": "*u8"}
gated = {"groups": 2, "has_cells": True, "kind": kernels.tl.bfloat16, "precision": "tf32"}
gated |= {"tile_cells": 64, "tile_features": 64, "step": 32}
summed = dict.fromkeys(("has_second", "has_weights", "has_x_index", "has_y_index"), True)
for function, constants in (
    (kernels._map_gated, gated),
    (kernels._sum_rows, summed | {"step": 16, "tile_features": 64}),
):
    names = function.arg_names
    kinds = {n: "constexpr" if n in constants else pointers.get(n, "i32") for n in names}
    source = ASTSource(function, kinds, {(names.index(n),): v for n, v in constants.items()})
    assert compile(source, target=GPUTarget("cuda", 90, 32)).asm["cubin"]
"""


@pytest.mark.slow
def test_the_kernels_compile_for_a_gpu():
    """To machine code, for which no GPU is needed; in a process of its own, without the interpreter."""
    pytest.importorskip("triton", reason="Triton, which compiles the kernels, is not installed")
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    done = subprocess.run([sys.executable, "-c", COMPILE], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
