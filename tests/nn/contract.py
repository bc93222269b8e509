"""Small modules of every class of einnet.nn, with inputs, for test_module_contract.py and test_module_tools.py."""

from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor, nn

from einnet.nn import (
    EinLayer,
    EinLinear,
    EinNet,
    EinPool,
    GatedLinear,
    Linear,
    PairBlock,
    PairTransition,
    PolynomialNet,
    RecurrentNet,
    ReferenceBlock,
    ReferenceNet,
    TriangleAttention,
    TriangleMultiplication,
)

__all__ = ["CASES", "FACTORIES", "inputs_of", "make", "owners"]

SMALL = {"heads": 2, "hidden": 4, "depth": 1}
FACTORIES: dict[
    str, tuple[Callable[..., nn.Module], list[tuple[int, ...]]]
] = {  # what makes a module; shapes of inputs
    "Linear": (partial(Linear, 2, 3, rank=2), [(3, 3, 2)]),
    "EinLinear": (partial(EinLinear, "aaH -> aH", 2, 3), [(3, 3, 2)]),
    "EinLinear two inputs": (partial(EinLinear, "aH, aaH -> aH", (2, 1), 3), [(3, 2), (3, 3, 1)]),
    "EinLinear dependent": (partial(EinLinear, "abH; a->b", 2, 3, normalize=None), [(3, 4, 2)]),
    "EinLinear without bias": (partial(EinLinear, "aH", 2, 3, bias=False), [(3, 2)]),
    "EinLayer": (partial(EinLayer, "aaH", 4, 2), [(3, 3, 4)]),
    "EinLayer dependent": (partial(EinLayer, "abH; a->b", 4, 2), [(3, 4, 4)]),
    "EinLayer chunks": (partial(EinLayer, "aaH", 4, 3, chunks=2), [(3, 3, 4)]),
    "EinLayer layer norm": (partial(EinLayer, "abH", 4, 2, norm="layer", activation="silu"), [(3, 4, 4)]),
    "EinLayer without norm": (partial(EinLayer, "aH", 4, 2, norm=None), [(3, 4)]),
    "EinLayer without bias": (partial(EinLayer, "aaH", 4, 2, bias=False, expansion=1), [(3, 3, 4)]),
    "ReferenceBlock": (partial(ReferenceBlock, "aaH", heads=1, hidden=4, out_features=3), [(3, 3, 8)]),
    "EinNet": (partial(EinNet, "aaH -> aH", 2, 3, **SMALL), [(3, 3, 2)]),
    "EinNet two inputs": (partial(EinNet, "aH, aaH -> aaH", (2, 1), 3, **SMALL), [(3, 2), (3, 3, 1)]),
    "EinNet dependent": (partial(EinNet, "abH; a->b", 2, 3, **SMALL, norm="layer"), [(3, 4, 2)]),
    "EinNet checkpoints": (partial(EinNet, "aH", 2, 3, **SMALL, checkpoint_activations=True), [(3, 2)]),
    "EinNet several types": (
        partial(EinNet, "aH, aaH -> aaH", (2, 1), 3, **SMALL, hidden_type=("aH", "aaH")),
        [(3, 2), (3, 3, 1)],
    ),
    "EinNet marks": (partial(EinNet, "aaH -> aH", 2, 3, **SMALL, marks=1, mark_chunk=2), [(3, 3, 2)]),
    "PolynomialNet": (partial(PolynomialNet, "aaH", 2, 3, **SMALL), [(3, 3, 2)]),
    "RecurrentNet": (partial(RecurrentNet, "abH", 2, 3, **SMALL, iterations=2), [(3, 4, 2)]),
    "RecurrentNet two inputs": (partial(RecurrentNet, "aH, aaH -> H", (2, 1), 3, **SMALL), [(3, 2), (3, 3, 1)]),
    "ReferenceNet": (partial(ReferenceNet, "aaH -> aH", 2, 3, **SMALL), [(3, 3, 2)]),
    "GatedLinear": (partial(GatedLinear, 2, 3, rank=2), [(3, 3, 2)]),
    "GatedLinear norm": (partial(GatedLinear, 4, 3, rank=2, gate_features=2, norm_groups=2), [(3, 3, 4), (3, 3, 2)]),
    "TriangleMultiplication": (partial(TriangleMultiplication, "outgoing", 4, 3), [(3, 3, 4)]),
    "TriangleMultiplication chunks": (
        partial(TriangleMultiplication, ("incoming", "path"), 4, 3, chunks=2),
        [(3, 3, 4)],
    ),
    "TriangleAttention": (partial(TriangleAttention, "ending", 4, 2, 3), [(3, 3, 4)]),
    "PairTransition": (partial(PairTransition, 4, 2, activation="swiglu"), [(3, 3, 4)]),
    "PairBlock": (partial(PairBlock, 4, 8, 1, 2, expansion=1), [(3, 3, 4)]),
}
CASES = list(FACTORIES)
POOL = (partial(EinPool, ["ab->ba", "ab,bc->ac"], "aaH"), [(3, 3, 6)])


def make(name: str, **options) -> nn.Module:
    """A module with random parameters, in evaluation mode."""
    torch.manual_seed(0)
    module = (POOL if name == "EinPool" else FACTORIES[name])[0](**options).eval()
    for p in module.parameters():
        p.data.add_(torch.randn_like(p), alpha=0.3)
    return module


def inputs_of(name: str, dtype: torch.dtype = torch.float32) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    shapes = (POOL if name == "EinPool" else FACTORIES[name])[1]
    return [torch.randn(2, *shape, generator=generator).to(dtype) for shape in shapes]


def owners(module: nn.Module, parameter: str = "") -> Iterator[tuple[str, nn.Module]]:
    """The submodules, itself included, with parameters of their own; or with the one of this name."""
    for name, part in module.named_modules():
        parameters = dict(part.named_parameters(recurse=False))
        if parameter in parameters if parameter else parameters:
            yield name, part
