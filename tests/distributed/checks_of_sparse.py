"""Checks of sparse types, whose entries are cut by rows."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import fully_shard

from distributed.checks import SMALL, assert_close, count_kept, cut_masks
from einnet import EinLayer, EinLinear, EinNet, EinPool
from einnet.distributed import distribute, shard, take_block
from einnet.errors import EinNetError, ShapeError
from einnet.nn import Support
from einnet.nn.sharded.grid import Grid
from einnet.nn.sparse.storage import as_sparse
from einnet.signature import with_features

CHECKS_OF_SPARSE: dict[str, Callable[[DeviceMesh], None]] = {}


def draw_sparse(types, widths, sizes, dtype=torch.float64, share=0.4):
    """Inputs of these types; those of one sparse type have one support."""
    generator = torch.Generator().manual_seed(5)
    supports = {}
    inputs = []
    for t, w in zip(types, widths, strict=True):
        shape = [sizes[c] for c in t.axes]
        if t.is_sparse:
            index = (torch.rand(shape, generator=generator) < share).nonzero().T
            support = supports.setdefault(t.axes, Support(index, shape))
            inputs.append((support, torch.randn(support.entries, w, generator=generator, dtype=dtype)))
        else:
            inputs.append(torch.randn(*shape, w, generator=generator, dtype=dtype))
    return inputs


def values_of(x):
    return x[1] if isinstance(x, tuple) else x


def with_values(x, values):
    return (x[0], values) if isinstance(x, tuple) else values


def compare_sparse(module, signature: str, inputs, mesh: DeviceMesh, **options) -> None:
    types = with_features(signature)
    inputs = [with_values(x, values_of(x).clone().requires_grad_()) for x in inputs]
    y = module(*inputs, **options)
    y = y if isinstance(y, tuple) and not isinstance(y[0], Support) else (y,)
    outputs = types.inputs if len(y) > 1 else (types.output,)
    seeds = [torch.randn_like(values_of(part)) for part in y]
    sum((values_of(part) * w).sum() for part, w in zip(y, seeds, strict=True)).backward()
    sharded = shard(copy.deepcopy(module), mesh)
    sharded.zero_grad()

    def cut(x, t):
        return take_block(with_values(x, values_of(x).detach()), t, mesh)

    blocks = [cut(x, t) for x, t in zip(inputs, types.inputs, strict=True)]
    blocks = [with_values(x, values_of(x).clone().requires_grad_()) for x in blocks]
    options["mask"] = cut_masks(options.pop("mask", None), mesh)
    z = sharded(*blocks, **options)
    z = z if isinstance(z, tuple) and not isinstance(z[0], Support) else (z,)
    of_blocks = [values_of(cut(with_values(part, w), t)) for part, w, t in zip(y, seeds, outputs, strict=True)]
    sum((values_of(part) * w).sum() for part, w in zip(z, of_blocks, strict=True)).backward()
    for part, single, t in zip(z, y, outputs, strict=True):
        assert_close(values_of(part), values_of(cut(single, t)), values_of(single), "the output")
    for x, block, t in zip(inputs, blocks, types.inputs, strict=True):
        gradient = values_of(x).grad
        expected = values_of(take_block(with_values(x, gradient), t, mesh))
        assert_close(values_of(block).grad, expected, gradient, f"the gradient of the input '{t}'")
    for (name, p), q in zip(module.named_parameters(), sharded.named_parameters(), strict=True):
        if p.grad is not None:
            assert_close(q[1].grad, p.grad, p.grad, f"the gradient of {name}")


def add_sparse(name: str, make, signature: str, widths, sizes, dtype=torch.float64, **options) -> None:
    def check(mesh: DeviceMesh) -> None:
        torch.manual_seed(0)
        module = make().to(dtype)
        inputs = draw_sparse(with_features(signature).inputs, widths, sizes, dtype)
        compare_sparse(module, signature, inputs, mesh, **options)

    assert name not in CHECKS_OF_SPARSE
    CHECKS_OF_SPARSE[f"sparse {name}"] = check


for signature, sizes in {
    "aH, [aa]H -> H": {"a": 9}, "aH, [aa]H -> aH": {"a": 7}, "[aa]H -> [aa]H": {"a": 6}, "[ab]H -> [ab]H": {"a": 7, "b": 5},
    "[ab]H -> H": {"a": 3, "b": 6}, "aH, bH, [ab]H -> bH": {"a": 5, "b": 9}, "aH, [aa]H, [aa]H -> [aa]H": {"a": 5},
}.items():  # fmt: skip
    number = len(with_features(signature).inputs)
    add_sparse(
        f"EinNet {signature}",
        lambda s=signature, n=number: EinNet(s, (3,) * n if n > 1 else 3, 2, **SMALL),
        signature, [3] * number, sizes,
    )  # fmt: skip
TERMS = (
    "b,[ba]->a", "[ab]->a", "[ab]->b", "[ab],[bc]->[ac]", "[ab]->[cd]", "a->[ab]", "b->[ab]", "a,b->[ab]", "a,a->a",
    "a->b", "[aa]->a", "[ab],[ac]->a", "[ab],[bc],[cd]->[ad]", "[ab],[ab]->[ab]", "[ab],c->[ab]", "a->[aa]",
)  # fmt: skip
for reduction in ("sum", "max", "logsumexp", "attention"):
    terms = TERMS if reduction == "sum" else TERMS[:9]
    per_head = 2 if reduction == "attention" else 1
    pool = EinPool(terms, ("aH", "[aa]H"), reduction=reduction)
    add_sparse(
        f"EinPool {reduction}", lambda t=terms, r=reduction: EinPool(t, ("aH", "[aa]H"), reduction=r),
        "aH, [aa]H -> H", [n * 2 * per_head for n in pool.fan_in], {"a": 7},
    )  # fmt: skip
add_sparse(
    "EinNet of a batch with a mask", lambda: EinNet("aH, [aa]H -> aH", (3, 2), 2, **SMALL, counts=True), "aH, [aa]H -> aH",
    [3, 2], {"a": 6}, mask={"a": torch.arange(6) < 4},
)  # fmt: skip
add_sparse(
    "EinNet with recomputation", lambda: EinNet("[ab]H -> [ab]H", 3, 2, **SMALL, checkpoint_activations=True, order=3),
    "[ab]H -> [ab]H", [3], {"a": 6, "b": 4}, dtype=torch.float32,
)  # fmt: skip
add_sparse(
    "EinNet of lists", lambda: EinNet("[ab]H -> aH; a->b", 3, 2, **SMALL), "[ab]H -> aH; a->b", [3], {"a": 9, "b": 3}
)
add_sparse(
    "EinNet of mixed reductions", lambda: EinNet("[aa]H -> H", 3, 2, **SMALL, reduction=("sum", "max")), "[aa]H -> H", [3],
    {"a": 6},
)  # fmt: skip
add_sparse("EinLayer", lambda: EinLayer(("aH", "[aa]H"), (6, 6), 2), "aH, [aa]H -> H", [6, 6], {"a": 6})
add_sparse(
    "EinLinear", lambda: EinLinear("[ab]H -> [ab]H", 2, 3, counts=True, maxima=True, roots=True), "[ab]H -> [ab]H", [2],
    {"a": 6, "b": 3},
)  # fmt: skip
for name, signature, options in (
    ("marks", "aH, [aa]H -> H", {"marks": 1}),
    ("marks that are read", "aH, [aa]H -> aH", {"marks": "read"}),
    ("marks that entries read", "aH, [aa]H -> [aa]H", {"marks": "read"}),
):
    add_sparse(
        f"EinNet with {name}", lambda s=signature, o=options: EinNet(s, (3, 3), 2, **SMALL, **o), signature, [3, 3],
        {"a": 5},
    )  # fmt: skip


def check_sparse_forms(mesh: DeviceMesh) -> None:
    """Any form of entries comes back in its form; supports are cut once; other processes' rows are refused by all."""
    torch.manual_seed(0)
    net, grid = EinNet("[ab]H -> [ab]H", 1, 2, **SMALL).double(), Grid.of(mesh)
    x = (torch.rand(7, 4, 1, dtype=torch.float64) * (torch.rand(7, 4, 1) < 0.5)).to_sparse(2)
    y = net(x)
    support, values = take_block(x, "[ab]H", mesh)
    expected = take_block(y, "[ab]H", mesh)
    parts = as_sparse(x, "[ab]H")
    assert take_block(parts, "[ab]H", mesh)[0] is take_block(parts, "[ab]H", mesh)[0]
    sharded, sizes = shard(copy.deepcopy(net), mesh), {"a": 7, "b": 4}
    for block in (
        (support.index, values), (support, values), torch.sparse_coo_tensor(support.index, values, (7, 4, 1)),
    ):  # fmt: skip
        z = sharded(block, sizes=sizes)
        assert type(z) is type(block)
        index, z_values = (z[0], z[1]) if isinstance(z, tuple) else (z.coalesce().indices(), z.coalesce().values())
        assert torch.equal(index.index if isinstance(index, Support) else index, expected[0].index)
        assert_close(z_values, expected[1], y.values(), "the output")
    own = Support(support.index, support.sizes)
    with torch.inference_mode():
        sharded((own, values))
    sharded((own, values))[1].sum().backward()  # with what was found in inference
    sharded((support, values))
    before = grid.sent
    sharded((support, values))
    again = grid.sent
    sharded((support.index, values), sizes=sizes)
    assert again - before < grid.sent - again  # neither the index nor what is asked for is sent again
    wrong = support.index.clone()
    if grid.coordinate == (0, 0):
        wrong[0, 0] = 6
    with pytest.raises(ShapeError, match="has 1 entries at a process that has other rows"):
        sharded((wrong, values), sizes=sizes)
    with pytest.raises(ShapeError, match="sparse inputs have other batch axes, features or dtypes at other processes"):
        sharded((support, values.expand(1 + (grid.coordinate == (0, 0)), *values.shape)))
    with pytest.raises(EinNetError, match="at= and symmetric=True are not supported yet"):
        sharded((support, values), at=support.index[:, :1])
    with pytest.raises(EinNetError, match="cut it by take_block"):
        distribute(values, "[ab]H", mesh)


def check_sparse_with_fsdp(mesh: DeviceMesh) -> None:
    """Weights of a network with sparse types are cut as those of others are."""
    torch.manual_seed(0)
    net = EinNet("aH, [aa]H -> H", (3, 2), 2, **SMALL).double()
    inputs = draw_sparse(net.signature.inputs, (3, 2), {"a": 7})
    net(*inputs).square().sum().backward()
    sharded = shard(copy.deepcopy(net), mesh)
    sharded.zero_grad()
    for part in (*sharded.layers, sharded):
        fully_shard(part, mesh=init_device_mesh("cpu", (4,)))
    y = sharded(*(take_block(x, t, mesh) for x, t in zip(inputs, net.signature.inputs, strict=True)))
    y.square().sum().backward()
    for p, q in zip(net.parameters(), sharded.parameters(), strict=True):
        assert_close(q.grad.full_tensor(), p.grad, p.grad, "a gradient")


def check_sparse_memory(mesh: DeviceMesh) -> None:
    """What is kept for the backward pass is about a quarter of what one process keeps."""
    torch.manual_seed(0)
    net = EinNet("aH, [aa]H -> H", (3, 3), 2, heads=4, hidden=8, depth=3)
    inputs = draw_sparse(net.signature.inputs, (3, 3), {"a": 200}, torch.float32, share=0.05)
    of_one = count_kept(net, *inputs)
    sharded = shard(copy.deepcopy(net), mesh)
    part = count_kept(sharded, *(take_block(x, t, mesh) for x, t in zip(inputs, net.signature.inputs, strict=True)))
    assert part < 0.3 * of_one, (part, of_one)


for check in (check_sparse_forms, check_sparse_with_fsdp, check_sparse_memory):
    CHECKS_OF_SPARSE[check.__name__] = check
