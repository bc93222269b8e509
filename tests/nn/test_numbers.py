"""What networks print, what they compute with given weights and how their weights begin, as stored in numbers.json.

A saved network must give the same results in later versions. `python tests/nn/test_numbers.py` writes the file again:
do so only after a change that is meant to change results, and read the difference.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from annotations import assert_annotated
from einnet import EinLayer, EinLinear, EinPool, Signature
from einnet.nn import EinNet, PolynomialNet, RecurrentNet, ReferenceNet, Support
from einnet.nn.functional import einsum
from einnet.nn.sparse import union

FILE = Path(__file__).with_name("numbers.json")
SIZES = {"a": 4, "b": 3, "c": 2}
INDEX = torch.tensor([[0, 1, 1, 2, 3, 3, 0], [1, 0, 2, 1, 0, 3, 3]])  # 0-1-2, 3->0->3, a loop, 2->1
LISTS = torch.tensor([[0, 0, 1, 3, 3, 3], [0, 2, 1, 0, 1, 2]])
SMALL = {"heads": 2, "hidden": 6, "depth": 2}


def wave(*shape: int, phase: float = 0.0) -> Tensor:
    count = torch.tensor(shape).prod() if shape else torch.tensor(1)
    return torch.sin(1.7 * torch.arange(int(count), dtype=torch.float64) + phase).reshape(shape)


def fill(module: nn.Module) -> nn.Module:
    """Weights that are the same on every computer, of the size that they have at first."""
    module.double().eval()
    for k, p in enumerate(module.parameters()):
        p.data = wave(*p.shape, phase=k) * (0.1 + max(p[0].numel(), 1) ** -0.5)
    return module


def inputs_of(signature: str, widths: tuple[int, ...], batch: tuple[int, ...] = ()) -> list[Any]:
    inputs: list[Any] = []
    for k, (t, f) in enumerate(zip(Signature(signature).inputs, widths, strict=True)):
        if t.is_sparse:
            index = INDEX if t.axes == ("a", "a") else LISTS
            inputs.append((Support(index, [SIZES[c] for c in t.axes]), wave(*batch, index.shape[1], f, phase=k)))
        else:
            inputs.append(wave(*batch, *(SIZES[c] for c in t.axes), f, phase=k))
    return inputs


def case(make: Callable, signature: str, batch=(), call: dict | None = None, **options: Any) -> Callable[[], tuple]:
    widths = tuple(range(2, 2 + len(Signature(signature).inputs)))

    def run() -> tuple[nn.Module, Any]:
        module = fill(make(signature, widths, 3, **({} if make is EinLinear else SMALL), **options))
        return module, module(*inputs_of(signature, widths, batch), **(call or {}))

    return run


def pool(terms: list[str], types: Any, *inputs: Any, call: dict | None = None, **options: Any) -> Callable[[], tuple]:
    def run() -> tuple[nn.Module, Any]:
        module = EinPool(terms, types, **options)
        return module, module(*inputs, **(call or {}))

    return run


def layer(types: Any, features: Any, *inputs: Any, **options: Any) -> Callable[[], tuple]:
    def run() -> tuple[nn.Module, Any]:
        module = fill(EinLayer(types, features, 2, **options))
        return module, module(*inputs)

    return run


def run_queries() -> tuple:
    net = fill(EinNet("[ab]H -> [ab]H", 2, 1, **SMALL))
    return net, net((LISTS, wave(6, 2)), sizes={"a": 4, "b": 3}, at=torch.tensor([[0, 1, 3, 3], [0, 1, 2, 2]]))


def run_graphs() -> tuple:
    net = fill(EinNet("aH, [aa]H -> H", (2, 3), 2, **SMALL))
    small = wave(2, 2), (torch.tensor([[0], [1]]), wave(1, 3))
    return net, net(union([(wave(4, 2), (INDEX, wave(7, 3))), small]))


MASK_A, MASK_B = torch.tensor([True, False, True, True]), torch.tensor([True, True, False])
EDGES = Support(INDEX, (4, 4))
SQUARE = wave(4, 4, 6)
BRIDGE = "ab,ac,bc,bd,cd->ad"
CASES: dict[str, Callable[[], tuple]] = {
    "dense": case(EinNet, "aaH -> aaH"),
    "batch, several inputs": case(EinNet, "aH, abH -> abH", (2,)),
    "fewer axes": case(EinNet, "aaH, aH -> aH"),
    "lists": case(EinNet, "abH -> aH; a->b", (2,)),
    "new axis": case(EinNet, "aH -> abH", call={"sizes": {"b": 3}}),
    "masks": case(EinNet, "abH -> aH", call={"mask": {"a": MASK_A, "b": MASK_B}}),
    "options": case(
        EinNet, "aaH -> aH", norm="layer", activation="silu", expansion=1, bias=False, normalize=None, chunks=2
    ),
    "no norm, counts": case(EinNet, "aaH -> H", norm=None, counts=True, dropout=0.5, classes=("x", "y", "z")),
    "one linear map": case(EinNet, "aaH -> H", decoder_hidden=0, iterations=3),
    "order, units": case(EinNet, "abH -> H", order=1, standardized=True, decoder_hidden=5),
    "terms": case(EinNet, "aaH -> aaH", terms=("ab->ba", "ab,bc->ac", BRIDGE), checkpoint_activations=True),
    "two states": case(EinNet, "aH, aaH -> H", hidden_type=("aH", "aaH")),
    "sparse": case(EinNet, "aH, [aa]H -> [aa]H", (2,)),
    "symmetric": case(EinNet, "aH, [aa]H -> aH", symmetric=True),
    "sparse lists": case(EinNet, "[ab]H -> aH; a->b"),
    "sparse pairs": case(EinNet, "[ab]H, aH -> bH"),
    "queries": run_queries,
    "graphs": run_graphs,
    "polynomial": case(PolynomialNet, "aaH -> aH", (2,)),
    "polynomial, sums": case(PolynomialNet, "abH -> abH", normalize=None, iterations=2, terms=("ab,cb,cd->ad",)),
    "recurrent": case(RecurrentNet, "abH -> abH", automorphism="ba", iterations=3),
    "recurrent, masks": case(RecurrentNet, "aaH -> aH", call={"mask": MASK_A}),
    "reference": case(ReferenceNet, "aaH -> aaH", (2,)),
    "reference, masks": case(ReferenceNet, "abH -> aH", call={"mask": {"b": MASK_B}}, checkpoint_activations=True),
    "linear": case(EinLinear, "aaH, aH -> aaH", (2,)),
    "linear, sums": case(EinLinear, "abH -> bH", normalize=None, bias=False),
    "linear, counts": case(EinLinear, "abH -> aH", counts=True, maxima=True, call={"mask": {"b": MASK_B}}),
    "linear, sparse": case(EinLinear, "aH, [aa]H -> aH", counts=True, maxima=True),
    "layer": layer("abH", 5, wave(2, 4, 3, 5), dropout=0.3),
    "layers of two types": layer(("aH", "[aa]H"), (5, 3), wave(4, 5), (EDGES, wave(7, 3)), chunks=2),
    "pool": pool(["ab->ac", "ab,bc->ac"], "aaH", SQUARE),
    "pool, loop": pool([BRIDGE, "ab->ba"], "aaH", SQUARE, call={"mask": MASK_A}, normalize=None),
    "pool, max": pool(["ab->ac", "aa->aa"], "aaH", SQUARE, reduction="max", call={"mask": MASK_A}),
    "pool, sparse": pool(["b,[ba]->a", "[ab],[bc]->[ac]", "a->[ab]"], ("aH", "[aa]H"), wave(4, 4), (EDGES, wave(7, 6))),
    "einsum": lambda: (nn.Identity(), einsum("ab,cb->ac", wave(4, 3, 2), wave(2, 3, 2))),
    "einsum, mean": lambda: (nn.Identity(), einsum("ab->a", wave(4, 3, 2), normalize="size", mask={"b": MASK_B})),
}  # fmt: skip

INITIAL: dict[str, Callable[[], nn.Module]] = {
    "EinNet": lambda: EinNet("aH, aaH -> aH", (32, 16), 48, heads=16, hidden=48, depth=1, counts=True),
    "EinNet, sparse": lambda: EinNet("aH, [aa]H -> H", (32, 16), 48, hidden=(48, 32), depth=1, activation="relu"),
    "PolynomialNet": lambda: PolynomialNet("abH -> aH", 32, 48, heads=16, hidden=48, depth=1),
    "RecurrentNet": lambda: RecurrentNet("abH -> aH", 32, 48, heads=16, hidden=48, depth=1),
    "ReferenceNet": lambda: ReferenceNet("abH -> aH", 32, 48, heads=16, hidden=48, depth=2),
}


def tensors_in(y: Any) -> list[Tensor]:
    return (
        [y] if isinstance(y, Tensor) else [x for part in y if not isinstance(part, Support) for x in tensors_in(part)]
    )


def measure(run: Callable[[], tuple]) -> dict[str, Any]:
    """What a module prints, and for each output its shape, three of its numbers, their sum and that of their squares."""
    module, y = run()
    outputs = [x for x in tensors_in(y) if x.is_floating_point()]
    numbers = [
        [*x.flatten()[[0, x.numel() // 2, -1]].tolist(), x.sum().item(), x.square().sum().item()] for x in outputs
    ]
    weights = [p for p in module.parameters() if p.requires_grad]
    gradients = torch.autograd.grad(sum(x.square().sum() for x in outputs), weights) if weights else []
    return {
        "repr": repr(module).splitlines(),
        "shapes": str([tuple(x.shape) for x in outputs]),
        "numbers": write([n for row in numbers for n in row]),
        "gradients": write([g.abs().sum().item() for g in gradients]),
    }


def write(numbers: list[float]) -> str:
    return " ".join(f"{n:.9g}" for n in numbers)


def read(text: str) -> Tensor:
    return torch.tensor([float(n) for n in text.split()], dtype=torch.float64)


def measure_initial(module: nn.Module) -> dict[str, float]:
    """The mean size of the numbers of each parameter."""
    return {name: round(p.abs().mean().item(), 5) for name, p in module.named_parameters()}


def read_file() -> dict[str, Any]:
    return json.loads(FILE.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", CASES)
def test_what_a_module_prints_and_computes(name):
    expected, got = read_file()["computed"][name], measure(CASES[name])
    assert got["repr"] == expected["repr"] and got["shapes"] == expected["shapes"]
    for key in ("numbers", "gradients"):
        torch.testing.assert_close(read(got[key]), read(expected[key]), rtol=1e-6, atol=1e-9)


def test_functions_return_what_they_are_annotated_with():
    assert_annotated("einnet.nn", CASES)


@pytest.mark.parametrize("name", INITIAL)
def test_how_large_weights_are_at_first(name):
    expected, module = read_file()["initial"][name], INITIAL[name]()
    for _ in range(2):
        means = measure_initial(module)
        assert means.keys() == expected.keys()
        for key, p in module.named_parameters():
            assert means[key] == pytest.approx(expected[key], rel=4 * p.numel() ** -0.5), key
        module.reset_parameters()


if __name__ == "__main__":
    torch.manual_seed(0)
    content = {
        "computed": {name: measure(run) for name, run in CASES.items()},
        "initial": {name: measure_initial(make()) for name, make in INITIAL.items()},
    }
    FILE.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
