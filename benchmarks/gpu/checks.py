"""Whether modules compute on the device what they compute on the CPU in double precision; run by __main__.py."""

import copy
from collections.abc import Callable, Iterator
from functools import partial

import torch
from scale import Scale, make_row
from torch import Tensor, nn

from einnet import EinPool
from einnet.nn import EinLayer, EinNet, GatedLinear, PairBlock, Support, TriangleMultiplication

__all__ = ["make_tables"]

EDGES = torch.randint(60, (2, 500), generator=torch.Generator().manual_seed(0)).unique(dim=1)
Call = Callable[[nn.Module, list[Tensor]], Tensor]


def _call(module: nn.Module, inputs: list[Tensor]) -> Tensor:
    return module(*inputs)


def _call_masked(module: nn.Module, inputs: list[Tensor]) -> Tensor:
    n = inputs[0].shape[-2]
    return module(inputs[0], mask=(torch.arange(n) < n - 2).to(inputs[0].device))


def _call_sparse(module: nn.Module, inputs: list[Tensor]) -> Tensor:
    support = Support(EDGES, (60, 60)).to(inputs[0].device)
    nodes, (_, values) = module(inputs[0], (support, inputs[1]))
    return torch.cat([nodes, values])


CASES: dict[str, tuple[Callable[[], nn.Module], list[tuple[int, ...]], Call]] = {
    "GatedLinear": (lambda: GatedLinear(40, 72, rank=2), [(2, 33, 33, 40)], _call),
    "GatedLinear, norm": (lambda: GatedLinear(40, 72, 2, 24, 2), [(2, 33, 33, 40), (2, 33, 33, 24)], _call),
    "TriangleMultiplication": (
        lambda: TriangleMultiplication(("outgoing", "incoming"), 40, 24),
        [(2, 33, 33, 40)],
        _call_masked,
    ),
    "the same in chunks": (lambda: TriangleMultiplication("outgoing", 40, chunks=3), [(33, 33, 40)], _call_masked),
    "PairBlock": (lambda: PairBlock(32, heads=2, head_features=16).eval(), [(2, 17, 17, 32)], _call_masked),
    "EinLayer aa": (lambda: EinLayer("aaH", 32, 8), [(2, 33, 33, 32)], _call_masked),
    "EinNet": (lambda: EinNet("aaH -> aH", 3, 2, heads=4, hidden=16, depth=2), [(2, 33, 33, 3)], _call_masked),
    "EinLayer, sparse": (lambda: EinLayer(("aH", "[aa]H"), 32), [(60, 32), (EDGES.shape[1], 32)], _call_sparse),
    "the bridge": (lambda: EinPool(["ab,ac,bc,bd,cd->ad"], "aaH"), [(20, 20, 10)], _call),
    "logsumexp": (lambda: EinPool(["ab,bc->ac"], "aaH", reduction="logsumexp"), [(33, 33, 8)], _call),
}
TOLERANCES = {"float32": 1e-3, "bfloat16": 0.25}  # of a network of several layers


def _run(module: nn.Module, call: Call, inputs: list[Tensor]) -> list[Tensor]:
    """The output, and the gradients of the inputs and parameters."""
    inputs = [x.detach().requires_grad_() for x in inputs]
    y = call(module, inputs)
    gradient = torch.randn(y.shape, generator=torch.Generator().manual_seed(1)).to(y.device, y.dtype)
    leaves = [*inputs, *module.parameters()]
    gradients = torch.autograd.grad(y, leaves, gradient, allow_unused=True)
    return [x.detach().double().cpu() for x in (y, *gradients) if x is not None]


def _check(name: str, dtype: str, device: str) -> list[str]:
    (make, shapes, call), kind = CASES[name], getattr(torch, dtype)
    torch.manual_seed(0)
    module, inputs = make(), [torch.randn(shape) for shape in shapes]
    with torch.no_grad():
        for p in module.parameters():
            p.add_(torch.randn_like(p), alpha=0.2)
    expected = _run(copy.deepcopy(module).double(), call, [x.double() for x in inputs])
    own = _run(module.to(device, kind), call, [x.to(device, kind) for x in inputs])
    errors = [float((x - y).norm() / (y.norm() + 1e-9)) for x, y in zip(own, expected, strict=True)]
    first, rest = errors[0], max(errors[1:])
    is_right = max(errors) < TOLERANCES[dtype]
    return [f"{first:.1e}", f"{rest:.1e}", "yes" if is_right else "**NO**"]


def make_tables(scale: Scale) -> Iterator:
    cases = [(name, dtype) for dtype in scale.dtypes for name in CASES]
    yield (
        "Correctness",
        "The distance of outputs, and of the gradients of inputs and weights, from those in double precision on the "
        "CPU, over their norm.",
        ["module", "type", "output", "gradients", "right"],
        (make_row(case, 5, partial(_check, *case, scale.device)) for case in scale.take(cases)),
    )
