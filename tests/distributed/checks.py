"""Checks that all processes of a mesh make together: what they compute is what one process computes."""

import copy
import random
from collections.abc import Callable
from string import ascii_letters

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh

from einnet import EinLayer, EinLinear, EinNet, EinPool, Symmetry, Term
from einnet.distributed import distribute, shard, take_block
from einnet.nn import PolynomialNet, RecurrentNet
from einnet.signature import with_features

TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}
BRIDGE = "ab,ac,bc,bd,cd->ad"
CHECKS: dict[str, Callable[[DeviceMesh], None]] = {}


def add(name: str, check: Callable[[DeviceMesh], None]) -> None:
    assert name not in CHECKS
    CHECKS[name] = check


def assert_close(x: Tensor, expected: Tensor, scale: Tensor, what: str) -> None:
    """Equal up to the tolerance relative to the largest number of the whole."""
    bound = TOLERANCE[expected.dtype] * max(scale.abs().max().item() if scale.numel() else 0, 1e-3)
    assert x.shape == expected.shape, (what, x.shape, expected.shape)
    error = (x - expected).abs().max().item() if x.numel() else 0.0
    assert error <= bound, f"{what} differs by {error:.2e}, the bound is {bound:.2e}"


def draw_inputs(types, widths, sizes, batch=(), dtype=torch.float64) -> list[Tensor]:
    torch.manual_seed(1)
    return [
        torch.randn(*batch, *(sizes[c] for c in t.axes), w, dtype=dtype) for t, w in zip(types, widths, strict=True)
    ]


def compare(module: nn.Module, signature: str, inputs: list[Tensor], mesh: DeviceMesh, **options) -> None:
    """Output and gradients of the sharded module, from blocks and from DTensors, are those of one process."""
    types = with_features(signature)
    inputs = [x.clone().requires_grad_() for x in inputs]
    masks = options.pop("mask", None)
    y = module(*inputs, mask=masks, **options)
    y = y if isinstance(y, tuple) else (y,)
    outputs = types.inputs if len(y) > 1 else (types.output,)
    seeds = [torch.randn_like(part) for part in y]
    sum((part * w).sum() for part, w in zip(y, seeds, strict=True)).backward()
    sharded = shard(copy.deepcopy(module), mesh)
    for p in sharded.parameters():
        p.grad = None
    blocks = [
        take_block(x.detach(), t, mesh).clone().requires_grad_() for x, t in zip(inputs, types.inputs, strict=True)
    ]
    z = sharded(*blocks, mask=cut_masks(masks, mesh), **options)
    z = z if isinstance(z, tuple) else (z,)
    loss = sum((part * take_block(w, t, mesh)).sum() for part, w, t in zip(z, seeds, outputs, strict=True))
    loss.backward()
    for part, whole, t in zip(z, y, outputs, strict=True):
        assert_close(part, take_block(whole, t, mesh), whole, "the output")
    for x, block, t in zip(inputs, blocks, types.inputs, strict=True):
        assert_close(block.grad, take_block(x.grad, t, mesh), x.grad, f"the gradient of the input '{t}'")
    for (name, p), q in zip(module.named_parameters(), sharded.parameters(), strict=True):
        if p.grad is not None:
            assert_close(q.grad, p.grad, p.grad, f"the gradient of {name}")


def cut_masks(masks, mesh):
    if not isinstance(masks, dict):
        return masks
    return {k: m if len(k) == 1 else take_block(m.unsqueeze(-1), k + "H", mesh).squeeze(-1) for k, m in masks.items()}


def check_network(name: str, make, signature: str, widths, lengths, batch=(), dtype=torch.float64, **options) -> None:
    def check(mesh: DeviceMesh) -> None:
        torch.manual_seed(0)
        net = make().to(dtype)
        inputs = draw_inputs(with_features(signature).inputs, widths, lengths, batch, dtype)
        compare(net, signature, inputs, mesh, **options)

    add(name, check)


def random_term(symmetry: Symmetry, generator: random.Random, order: int) -> str:
    """A valid term of a type with up to three indices of each class."""
    names: dict = {}

    def one_tuple() -> list[str]:
        keys: dict = {}
        for k, letter in enumerate(symmetry.axes):
            parent = symmetry.parent_of(letter)
            above = keys[symmetry.axes.index(parent)] if parent else None
            keys[k] = letter, above, generator.randrange(3)
            names.setdefault(keys[k], ascii_letters[len(names)])
        return [names[keys[k]] for k in range(len(symmetry.axes))]

    return str(Term.of([one_tuple() for _ in range(order)], one_tuple()))


def check_pools(text: str, seed: int, reduction: str, sizes, dtype) -> None:
    def check(mesh: DeviceMesh) -> None:
        generator = random.Random(f"{text} {seed} {reduction}")
        symmetry = Symmetry(text)
        orders = [1, 1, 2, 2, 3, generator.choice([1, 2, 3])]
        terms = list(dict.fromkeys(random_term(symmetry, generator, order) for order in orders))
        if text == "aa" and seed == 0:
            terms.append(BRIDGE)
        pool = EinPool(terms, symmetry, reduction=reduction)
        width = pool.fan_in * (2 if reduction == "attention" else 1) * 2
        inputs = draw_inputs([symmetry.with_features], [width], sizes, (), dtype)
        compare(pool, str(symmetry.with_features), inputs, mesh)

    add(f"pool {text} {reduction} {seed} {str(dtype).removeprefix('torch.')}", check)


SMALL = {"heads": 2, "hidden": 6, "depth": 2}
for text, sizes in {
    "aa": {"a": 7}, "ab": {"a": 5, "b": 6}, "abc": {"a": 3, "b": 5, "c": 2}, "aab": {"a": 5, "b": 2}, "a": {"a": 9},
    "ab; a->b": {"a": 3, "b": 5}, "aaa": {"a": 4},
}.items():  # fmt: skip
    for seed in range(3 if len(set(text)) < 3 else 1):
        check_pools(text, seed, "sum", sizes, torch.float64 if seed % 2 == 0 else torch.float32)
for reduction in ("max", "logsumexp", "attention"):
    check_pools("aa", 0, reduction, {"a": 5}, torch.float64)
    check_pools("ab", 1, reduction, {"a": 4, "b": 3}, torch.float64)

NETWORKS = {
    "aaH -> aaH": {"a": 7}, "aaH -> aH": {"a": 6}, "aaH -> H": {"a": 5}, "abH -> abH": {"a": 5, "b": 9},
    "aH, aaH -> aaH": {"a": 5}, "aH -> aH": {"a": 6}, "abcH -> abH": {"a": 3, "b": 4, "c": 2}, "aH -> H": {"a": 3},
    "H -> aaH": {"a": 5}, "abH; a->b": {"a": 5, "b": 2}, "abH -> aaH": {"a": 4, "b": 2},
}  # fmt: skip
for signature, sizes in NETWORKS.items():
    number = len(with_features(signature).inputs)
    options = {"sizes": sizes} if signature.startswith("H ") else {}
    check_network(
        f"EinNet {signature}",
        lambda s=signature, n=number: EinNet(s, (3,) * n if n > 1 else 3, 2, **SMALL),
        signature, [3] * number, sizes, **options,
    )  # fmt: skip
check_network(
    "EinNet with the bridge",
    lambda: EinNet("aaH", 3, 2, **SMALL, order=5), "aaH", [3], {"a": 5}, batch=(2,), dtype=torch.float32,
)  # fmt: skip
check_network(
    "EinNet of a batch", lambda: EinNet("aaH -> aH", 3, 2, **SMALL, counts=True), "aaH -> aH", [3], {"a": 5}, batch=(3,)
)
check_network(
    "EinNet of several types",
    lambda: EinNet("aH, aaH -> H", (3, 2), 2, **SMALL, hidden_type=("aH", "aaH")),
    "aH, aaH -> H", [3, 2], {"a": 6},
)  # fmt: skip
check_network(
    "EinNet with recomputation",
    lambda: EinNet("aaH", 3, 2, **SMALL, checkpoint_activations=True, chunks=2, iterations=2), "aaH", [3], {"a": 6},
)  # fmt: skip
check_network(
    "EinNet of mixed reductions",
    lambda: EinNet("aaH", 3, 2, **SMALL, reduction=("sum", "logsumexp")), "aaH", [3], {"a": 5},
)  # fmt: skip
check_network(
    "EinNet with a mask of an axis", lambda: EinNet("aaH -> aH", 3, 2, **SMALL), "aaH -> aH", [3], {"a": 6}, batch=(2,),
    mask=torch.tensor([[True] * 4 + [False] * 2, [True] * 5 + [False]]),
)  # fmt: skip
check_network(
    "EinNet with a mask of tuples", lambda: EinNet("aaH", 3, 2, **SMALL), "aaH", [3], {"a": 6},
    mask={"aa": torch.rand(6, 6, generator=torch.Generator().manual_seed(3)) > 0.4, "a": torch.arange(6) < 5},
)  # fmt: skip
for name, signature, options in (
    ("marks", "aaH -> H", {"marks": 1, "mark_chunk": 2}),
    ("marks of a batch", "aaH -> aH", {"marks": 1}),
    ("marks that are read", "aaH -> aaH", {"marks": "read"}),
    ("marks of two axes", "abH -> aH", {"marks": {"a": "read", "b": 1}}),
):
    check_network(
        f"EinNet with {name}", lambda s=signature, o=options: EinNet(s, 3, 2, **SMALL, **o), signature, [3],
        {"a": 5, "b": 3}, batch=(2,) if "batch" in name else (),
        mask=torch.tensor([[True] * 4 + [False], [True] * 5]) if "batch" in name else None,
    )  # fmt: skip
check_network(
    "EinNet with a given mark", lambda: EinNet("aaH -> aH", 3, 2, **SMALL, marks=1), "aaH -> aH", [3], {"a": 6},
    mark=torch.tensor(4),
)  # fmt: skip
check_network("RecurrentNet", lambda: RecurrentNet("abH", 2, 1, **SMALL, iterations=3), "abH", [2], {"a": 5, "b": 4})
check_network("PolynomialNet", lambda: PolynomialNet("aaH", 2, 1, **SMALL), "aaH", [2], {"a": 5})
check_network("EinLayer", lambda: EinLayer("aaH", 6, 2, norm="layer"), "aaH", [6], {"a": 5})
check_network(
    "EinLinear", lambda: EinLinear("aaH -> aabH", 2, 3, counts=True, maxima=True), "aaH -> aabH", [2], {"a": 5},
    sizes={"b": 2},
)  # fmt: skip


def check_dtensors(mesh: DeviceMesh) -> None:
    """A DTensor comes in and a DTensor goes out, through which its own operations differentiate."""
    torch.manual_seed(0)
    net = EinNet("aaH -> aaH", 3, 2, **SMALL).double()
    x, target = torch.randn(7, 7, 3).double(), torch.randn(7, 7, 2).double()
    loss = (net(x) - target).square().sum()
    loss.backward()
    sharded = shard(copy.deepcopy(net), mesh)
    sharded.zero_grad()
    y = sharded(distribute(x, "aaH", mesh))
    assert y.shape == (7, 7, 2)
    part = (y - distribute(target, "aaH", mesh)).square().sum().full_tensor()
    part.backward()
    assert_close(part, loss, loss, "the loss")
    for p, q in zip(net.parameters(), sharded.parameters(), strict=True):
        assert_close(q.grad, p.grad, p.grad, "a gradient")


add("DTensors", check_dtensors)
