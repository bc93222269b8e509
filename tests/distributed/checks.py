"""Checks that all processes of a mesh make together: what they compute is what one process computes."""

import copy
import random
from collections.abc import Callable
from string import ascii_letters
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh

from einnet import EinLayer, EinLinear, EinNet, EinPool, Symmetry, Term
from einnet.distributed import distribute, estimate, measure_speed, shard, take_block
from einnet.errors import EinNetError, ShapeError
from einnet.nn import PolynomialNet, RecurrentNet, ReferenceNet
from einnet.nn.sharded.grid import Grid
from einnet.signature import with_features
from einnet.tasks.kg.app import KgConfig
from einnet.tasks.kg.network import Completion
from families import family_graph

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
    for part, single, t in zip(z, y, outputs, strict=True):
        assert_close(part, take_block(single, t, mesh), single, "the output")
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
for size in (1, 5):  # some processes have no cell
    check_network(
        f"EinNet of each reduction, {size} elements",
        lambda: EinNet("aaH", 3, 2, heads=4, hidden=6, depth=1, reduction=("sum", "max", "logsumexp", "attention")),
        "aaH", [3], {"a": size},
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


def check_bytes(mesh: DeviceMesh) -> None:
    """The bytes that are sent are those of the cost model, and the memory is a share of that of one process."""
    grid = Grid.of(mesh)
    for signature, options, n in (("aaH -> aaH", {"checkpoint_activations": True}, 37), ("aaH -> H", {"order": 5}, 13)):
        torch.manual_seed(0)
        net = EinNet(signature, 3, 2, heads=4, hidden=8, depth=2, **options)
        sharded, x = shard(copy.deepcopy(net), mesh), torch.randn(n, n, 3)
        block, before = take_block(x, "aaH", mesh).clone(), grid.sent
        sharded(block).square().sum().backward()
        sent = grid.sum(torch.tensor(float(grid.sent - before)), (0, 1)).item() / 4
        cost = estimate(net, {"a": n}, grid.shape)
        assert abs(cost.sent - sent) < 0.02 * sent, (signature, cost.sent, sent)


def count_kept(net: nn.Module, *inputs: Tensor) -> int:
    """Bytes that autograd keeps for the backward pass."""
    storages: dict[int, torch.UntypedStorage] = {}

    def pack(x: Tensor) -> Tensor:
        storages[x.untyped_storage().data_ptr()] = x.untyped_storage()
        return x

    weights = {p.untyped_storage().data_ptr() for p in net.parameters()}
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
        y = net(*inputs)
    assert y.requires_grad
    return sum(s.nbytes() for p, s in storages.items() if p not in weights)


def check_memory(mesh: DeviceMesh) -> None:
    """What is kept for the backward pass is a quarter of what one process keeps."""
    torch.manual_seed(0)
    net, x = EinNet("aaH -> aaH", 3, 2, heads=4, hidden=8, depth=3, order=5), torch.randn(64, 64, 3)
    of_one = count_kept(net, x)
    part = count_kept(shard(copy.deepcopy(net), mesh), take_block(x, "aaH", mesh).clone())
    assert part < 1.15 * of_one / 4, (part, of_one)
    expected = estimate(net, {"a": 64}, Grid.of(mesh).shape).memory  # one process maps cells in blocks, and keeps less
    assert abs(expected - part) < 0.1 * part, (expected, part)


def check_bf16(mesh: DeviceMesh) -> None:
    """In bfloat16 by autocast, up to its precision."""
    torch.manual_seed(0)
    net, x = EinNet("aaH -> aaH", 3, 2, **SMALL), torch.randn(6, 6, 3)
    sharded = shard(copy.deepcopy(net), mesh)
    y = net(x)
    y.square().sum().backward()
    with torch.autocast("cpu", torch.bfloat16):
        z = sharded(take_block(x, "aaH", mesh))
    z.float().square().sum().backward()
    part = take_block(y, "aaH", mesh)
    assert not part.numel() or (z.float() - part).abs().max() < 0.1 * y.abs().max()
    for p, q in zip(net.parameters(), sharded.parameters(), strict=True):
        assert (p.grad - q.grad).abs().max() < 0.2 * p.grad.abs().max() + 1e-2


def check_refusals(mesh: DeviceMesh) -> None:
    """What is not supported is refused by every process, before anything is sent."""
    for make, message in (
        (lambda: EinNet("aaH, [aa]H -> H", (1, 1), 1), "the types .* side by side are not supported yet"),
        (lambda: ReferenceNet("aaH", 1, 1, heads=1, hidden=2, depth=1), "a sharded ReferenceNet is not supported yet"),
        (lambda: nn.Linear(2, 2), "can be sharded, got Linear$"),
        (
            lambda: nn.Sequential(nn.Linear(4, 4), EinLayer("aaH", 4, 2)),
            "can be sharded, got Sequential: shard what it has of these, '1', of type EinLayer",
        ),
    ):
        with pytest.raises(EinNetError, match=message):
            shard(make(), mesh)
    net = shard(EinNet("aaH", 1, 1, **SMALL), mesh)
    grid = Grid.of(mesh)
    if grid.shape != (1, 1):
        with pytest.raises(ShapeError, match="has, of axes of sizes .* the block"):
            net(torch.randn(3 + grid.coordinate[0], 2 + grid.coordinate[1], 1))
        with pytest.raises(ShapeError, match="input 1 of type 'aaH' has other batch axes, features or another dtype"):
            net(take_block(torch.randn(1 + (grid.coordinate == (0, 0)), 7, 7, 1), "aaH", mesh))
    with pytest.raises(ShapeError, match="must be a block"):
        net(torch.randn(3))
    x, nothing = torch.randn(3, 3, 1), cast(Any, None)
    for call in (
        lambda: shard(net, cast(Any, (2, 2))), lambda: take_block(x, "aaH", nothing), lambda: measure_speed(nothing),
        lambda: distribute(x, "aaH", nothing),
    ):  # fmt: skip
        with pytest.raises(TypeError, match="mesh must be a torch.distributed DeviceMesh"):
            call()
    with pytest.raises(TypeError, match="module must be a network, EinLayer, EinLinear or EinPool, got NoneType"):
        shard(nothing, mesh)
    for cut in (take_block, distribute):
        with pytest.raises(TypeError, match="got a DTensor, which is cut already"):
            cut(distribute(x, "aaH", mesh), "aaH", mesh)


def check_second_derivatives(mesh: DeviceMesh) -> None:
    """They are refused, of weights, of inputs and with recomputation, and gradients are those of before."""
    for options in ({}, {"checkpoint_activations": True}):
        net = shard(EinNet("aaH", 1, 1, **SMALL, **options), mesh)
        x = take_block(torch.randn(5, 5, 1), "aaH", mesh).clone().requires_grad_()
        for inputs in (list(net.parameters()), [x]):
            with pytest.raises(EinNetError, match="second derivatives of a sharded network are not supported"):
                torch.autograd.grad(net(x).square().sum(), inputs, create_graph=True)
            assert all(g is not None for g in torch.autograd.grad(net(x).square().sum(), inputs))


def check_completion(mesh: DeviceMesh) -> None:
    """The parts of the loss of a knowledge graph add up to it, gradients too, and the ranks are the same."""
    graph, config = family_graph(3), KgConfig(hidden=6, heads=2, depth=1, dropout=0.0, relation_loss=0.5)
    torch.manual_seed(0)
    task, sharded = (Completion(graph, config, seed=1) for _ in range(2))
    sharded.load_state_dict(task.state_dict())
    ranks = task.validate(task.net)
    loss = task(3)
    loss.backward()
    sharded.shard(mesh)
    part = sharded(3)
    part.backward()
    total = Grid.of(mesh).sum(part.detach(), (0, 1))
    assert_close(total, loss, loss, "the loss")
    for p, q in zip(task.net.parameters(), sharded.net.parameters(), strict=True):
        assert_close(q.grad, p.grad, p.grad, "a gradient")
    with torch.no_grad():
        assert sharded.validate(sharded.net) == pytest.approx(ranks)


def check_speed(mesh: DeviceMesh) -> None:
    """All processes measure the same."""
    speeds = torch.tensor(measure_speed(mesh), dtype=torch.float64)
    assert (speeds > 0).all() and all(torch.equal(x, speeds) for x in Grid.of(mesh).gather(speeds, (0, 1)))


for check in (
    check_speed,
    check_bytes,
    check_memory,
    check_bf16,
    check_refusals,
    check_second_derivatives,
    check_completion,
):
    add(check.__name__, check)
