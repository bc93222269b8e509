"""Masks of index tuples: what a tensor holds outside the support has no effect."""

from functools import partial
from itertools import product
from math import prod

import pytest
import torch
from torch import Tensor, nn

from einnet import EinLayer, EinLinear, EinNet, EinPool, Signature, Symmetry, Term
from einnet.errors import ShapeError
from einnet.nn import RecurrentNet, ReferenceBlock
from einnet.nn.context import Context
from einnet.nn.functional import einsum
from einnet.testing import assert_equivariant
from networks import NETWORKS, randomize, small
from refusals import assert_refused

F = 2
SIZES = {"a": 3, "b": 2, "c": 2}


def random(*shape: int) -> Tensor:
    return torch.randn(shape, dtype=torch.float64)


def random_mask(*shape: int) -> Tensor:
    return torch.rand(shape) < 0.6


def masks_of(symmetries, letters: str = "", batch=()) -> dict[str, Tensor]:
    """Random masks of all types of more than one axis, and of some axes."""
    masks = {"".join(t.axes): random_mask(*batch, *shape_of(t)) for t in symmetries if len(t.axes) > 1}
    axes = {c: (*t.ancestors(c), c) for t in symmetries for c in t.classes}
    return masks | {c: random_mask(*batch, *(SIZES[d] for d in axes[c])) for c in letters if c in axes}


def shape_of(symmetry: Symmetry) -> list[int]:
    return [SIZES[c] for c in symmetry.axes]


def support_of(symmetry: Symmetry, masks: dict[str, Tensor]) -> Tensor:
    """Where a tensor of the type has values, tuple by tuple."""
    support = torch.zeros(shape_of(symmetry), dtype=torch.bool)
    for place in product(*map(range, shape_of(symmetry))):
        at = dict(zip(symmetry.axes, place, strict=True))
        axes = [((*symmetry.ancestors(c), c), k) for c, k in zip(symmetry.axes, place, strict=True) if c in masks]
        is_present = [masks[names[-1]][(*(at[p] for p in names[:-1]), k)] for names, k in axes]
        name = "".join(symmetry.axes)
        support[place] = all(is_present) and (name not in masks or bool(masks[name][place]))
    return support


def evaluate(
    term: Term, operands: list[Tensor], supports: list[Tensor], reduction: str, normalize: str | None
) -> Tensor:
    """A term by a loop over its indices; `supports` are those of the operands, then of the output."""
    tuples = (*term.operands, term.output)
    sizes = {i: n for t, s in zip(tuples, supports, strict=True) for i, n in zip(t, s.shape, strict=True)}
    values: dict[tuple, list[Tensor]] = {}
    for combination in product(*(range(sizes[i]) for i in term.indices)):
        at = dict(zip(term.indices, combination, strict=True))
        places = [tuple(at[i] for i in t) for t in tuples]
        if all(s[p] for s, p in zip(supports, places, strict=True)):
            values.setdefault(places[-1], []).append(prod(x[p] for x, p in zip(operands, places, strict=False)))
    output = random(*supports[-1].shape, operands[0].shape[-1]) * 0
    for place, parts in values.items():
        power = 0 if normalize is None else 1 if term.order == 1 else 0.5
        total = torch.stack(parts)
        output[place] = total.amax(0) if reduction == "max" else total.sum(0) / len(parts) ** power
    return output


TERMS = {
    "aaH": ["ab->ab", "ab->ba", "ab->ac", "ab->cd", "aa->bb", "ab->aa", "aa->ab", "ab,ab->ab", "ab,bc->ac", "ab,cd->ac",
            "ab,ac,bc,bd,cd->ad", "aa,ab->cb"],
    "abH": ["ab->cb", "ab->cd", "ab,ab->ab", "ab,cb,cd->ad"],
    "abH; a->b": ["ab->ab", "ab->ac", "ab->cd", "ab,ac->ab", "ab,cd->ab"],
    "aabH": ["abc->abd", "abc->bac", "aab->aab", "abc,bdc->adc"],
    "aH, aaH": ["b,ba->a", "ab->a", "a->ab", "a->b", "a,ab,b->a", "a,b->ab", "ab->cd"],
    "aH, abH; a->b": ["ab->a", "a->ab", "a,ab->ab", "ab,ac->a", "a,bc->a"],
}  # fmt: skip


@pytest.mark.parametrize("letters", ["", "ab"], ids=["tuples", "tuples and axes"])
@pytest.mark.parametrize(("reduction", "normalize"), [("sum", "size"), ("sum", None), ("max", None)])
@pytest.mark.parametrize("types", TERMS)
def test_terms_against_a_loop_over_the_indices(types, reduction, normalize, letters):
    terms = [t for t in TERMS[types] if reduction == "sum" or Term(t).order == 1]
    pool = EinPool(terms, types, reduction=reduction, normalize=normalize)
    masks = masks_of(pool.types, letters, batch=(2,))
    fans = [pool.fan_in] if len(pool.types) == 1 else pool.fan_in
    inputs = [random(2, *shape_of(t), F * n) for t, n in zip(pool.types, fans, strict=True)]
    y = pool(*inputs, mask=masks)
    outputs = [y] if isinstance(y, Tensor) else y
    for k in range(2):
        supports = [support_of(t, {c: m[k] for c, m in masks.items()}) for t in pool.types]
        operands = [iter(x[k].split(F, -1)) for x in inputs]
        results = [iter(y[k].split(F, -1)) for y in outputs]
        for term, *numbers in zip(pool.plan.terms, *places_of(pool), strict=True):
            values = [next(operands[n]) for n in numbers[0]]
            expected = evaluate(term, values, [supports[n] for n in (*numbers[0], numbers[1])], reduction, normalize)
            assert torch.allclose(next(results[numbers[1]]), expected, rtol=1e-12, atol=1e-12), term


def places_of(pool: EinPool) -> tuple[list[list[int]], list[int]]:
    """For each term the numbers of the types of its operands, and that of its output."""
    reads = iter(pool.pooling.reads)
    return [[next(reads) for _ in t.operands] for t in pool.plan.terms], pool.pooling.writes


@pytest.mark.parametrize("normalize", ["size", None])
def test_einsum_against_a_loop(normalize):
    x, y, masks = random(3, 3, F), random(3, F), {"aa": random_mask(3, 3)}
    z = einsum("ab,b->a", x, y, mask=masks, normalize=normalize)
    ones = torch.ones(3, dtype=torch.bool)
    expected = evaluate(Term("ab,b->a"), [x, y], [masks["aa"], ones, ones], "sum", normalize)
    assert torch.allclose(z, expected, rtol=1e-12)


@pytest.mark.parametrize("letters", ["", "a"], ids=["tuples", "tuples and axes"])
@pytest.mark.parametrize(
    "text", ["aaH", "aH, aaH -> aH", "aaH -> H", "aH -> aaH", "abH -> aH; a->b", "abH; a->b", "aabH -> aaH"]
)
def test_linear_maps_against_a_loop(text, letters):
    layer = randomize(EinLinear(text, [F] * len(Signature(text).inputs), 3).double())
    masks = masks_of(layer.types, letters)
    inputs = [random(*shape_of(t), F) for t in layer.signature.inputs]
    target = support_of(layer.signature.output, masks)
    results = []
    for x, symmetry, plan in zip(inputs, layer.signature.inputs, layer.plans, strict=True):
        supports = [support_of(symmetry, masks), target]
        results += [evaluate(t, [x], supports, "sum", "size") for t in plan.terms]
    one = torch.ones(1, dtype=torch.float64)
    results += [evaluate(t, [one], [torch.tensor(True), target], "sum", None) for t in layer.constants.terms]
    expected = torch.cat(results, -1) @ torch.cat([layer.weight, layer.bias], 1).T
    assert torch.allclose(layer(*inputs, mask=masks), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("chunks", [1, 2])
@pytest.mark.parametrize("text", ["aaH", "abH; a->b", "abH"])
def test_a_layer_against_a_loop(text, chunks):
    layer = randomize(EinLayer(text, 4, F, chunks=chunks).double())
    masks = masks_of([layer.symmetry])
    support, x = support_of(layer.symmetry, masks), random(*shape_of(layer.symmetry), 4)
    operands, results = iter(layer.in_proj(layer.norm(x)).split(F, -1)), []
    for term in layer.pool.plan.terms:
        values = [next(operands) for _ in term.operands]
        results.append(evaluate(term, values, [support] * (term.order + 1), "sum", "size"))
    pooled, proj = torch.cat(results, -1), layer.pool_proj
    pooled = pooled * torch.rsqrt(pooled.square().mean(-1, keepdim=True) + 1e-6)
    update = nn.functional.linear(pooled, proj.weight * proj.gain, proj.bias)
    expected = (x + layer.out_proj(nn.functional.gelu(update))) * support.unsqueeze(-1)
    assert torch.allclose(layer(x, mask=masks), expected, rtol=1e-10, atol=1e-10)


# --- what all modules have in common -------------------------------------------------------------


MODULES = {
    "EinPool": lambda text: EinPool(["ab->ab", "ab->ac"], text),
    "EinLinear": lambda text: randomize(EinLinear(text, F, F).double()),
    "EinLayer": lambda text: randomize(EinLayer(text, F, 2).double()),
    "EinLayer, chunks": lambda text: randomize(EinLayer(text, F, 2, chunks=2, norm="layer").double()),
    "ReferenceBlock": lambda text: randomize(ReferenceBlock(text, 1, 4, 3, ["ab->ab", "ab->ac"]).double()),
    **{network.__name__: partial(small, network=network) for network in NETWORKS},
}


@pytest.mark.parametrize("name", MODULES)
@pytest.mark.parametrize("garbage", [1e6, float("nan")], ids=str)
def test_what_stands_outside_the_support_reaches_neither_outputs_nor_gradients(name, garbage):
    module = MODULES[name]("aaH")
    mask, runs = random_mask(2, 4, 4), []
    values = random(2, 4, 4, F)
    for fill in (0.0, garbage):
        x = torch.where(mask.unsqueeze(-1), values, fill).requires_grad_()
        y = module(x, mask={"aa": mask})
        assert (y[~mask] == 0).all()
        assert (y[mask] != 0).any()
        y.square().sum().backward()
        assert (x.grad[~mask] == 0).all()
        runs.append([y, x.grad, *(p.grad.clone() for p in module.parameters() if p.grad is not None)])
        module.zero_grad()
    for clean, dirty in zip(*runs, strict=True):
        assert torch.allclose(clean, dirty, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", MODULES)
def test_a_product_of_axis_masks(name):
    rows, columns = random_mask(2, 4), random_mask(2, 3)
    for text, key, axes, x in (
        ("aaH", "aa", {"a": rows}, random(2, 4, 4, F)),
        ("abH", "ab", {"a": rows, "b": columns}, random(2, 4, 3, F)),
        ("abH; a->b", "ab", {"b": random_mask(2, 4, 3)}, random(2, 4, 3, F)),  # is the mask of the tuples itself
    ):
        module = MODULES[name](text)
        mask = (
            axes["b"] if axes.keys() == {"b"} else rows.unsqueeze(-1) & (rows if key == "aa" else columns).unsqueeze(-2)
        )
        expected = module(x, mask=axes)
        assert torch.allclose(module(x, mask={key: mask}), expected, rtol=1e-12, atol=1e-12)
        assert torch.allclose(module(x, mask={key: mask, **axes}), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", MODULES)
def test_each_sample_of_a_batch_has_its_own_support(name):
    module, x, masks = MODULES[name]("aaH"), random(3, 4, 4, F), random_mask(3, 4, 4)
    y = module(x, mask={"aa": masks})
    one_for_all = module(x, mask={"aa": masks[0]})
    for k in range(3):
        assert torch.allclose(y[k], module(x[k], mask={"aa": masks[k]}), rtol=1e-10)
        assert torch.allclose(one_for_all[k], module(x[k], mask={"aa": masks[0]}), rtol=1e-10)


@pytest.mark.parametrize("name", MODULES)
def test_empty_supports_and_sizes(name):
    module = MODULES[name]("aaH")
    assert (module(random(2, 3, 3, F), mask={"aa": torch.zeros(3, 3, dtype=torch.bool)}) == 0).all()
    assert module(random(2, 0, 0, F), mask={"aa": torch.zeros(0, 0, dtype=torch.bool)}).shape[:3] == (2, 0, 0)
    full = module(x := random(3, 3, F), mask={"aa": torch.ones(3, 3, dtype=torch.bool)})
    assert torch.allclose(full, module(x), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ["EinLinear", *(network.__name__ for network in NETWORKS)])
@pytest.mark.parametrize("text", ["aaH", "abH -> aH; a->b"])
def test_equivariance_moves_the_support_too(text, name):
    module, signature = MODULES[name](text), Signature(text)
    (source,) = signature.inputs
    key, support = "".join(source.axes), Symmetry.of(source.axes, source.dependencies, features=False)
    types = Signature.of([source, support], signature.output)
    assert_equivariant(lambda x, m: module(x, mask={key: m > 0}), types, {"a": 4, "b": 3}, features=(F, 1))


def test_nodes_beside_edges():
    """Node features exist without edges; a graph without edges has outputs at its nodes."""
    net = small("aH, aaH -> aH", EinNet)
    nodes, edges, mask = random(4, F), random(4, 4, F), random_mask(4, 4)
    y = net(nodes, edges, mask={"aa": mask})
    assert torch.allclose(y, net(nodes, torch.where(mask.unsqueeze(-1), edges, torch.nan), mask={"aa": mask}))
    assert (y != 0).all()
    assert (net(nodes, edges, mask={"aa": mask & False}) != 0).all()


def test_a_support_of_the_hidden_type_and_of_the_output():
    net = small("aH -> aaH", EinNet, hidden_type="aH")
    mask = random_mask(4, 4)
    y = net(x := random(4, F), mask={"aa": mask})
    assert torch.allclose(y, net(x) * mask.unsqueeze(-1))
    deep = small("aH, bH -> H", EinNet, hidden_type="abH")
    x, z, mask = random(4, F), random(3, F), random_mask(4, 3)
    masked = deep(x, z, mask={"ab": mask})
    assert not torch.allclose(masked, deep(x, z))
    assert torch.allclose(masked, deep(x.flip(0), z, mask={"ab": mask.flip(0)}))


def test_a_state_from_elsewhere_is_cut_to_the_support():
    net = small("aaH", RecurrentNet)
    x, mask = random(4, 4, F), {"aa": random_mask(4, 4)}
    state = net.init_state(x, mask=mask)
    dirty = torch.where(mask["aa"].unsqueeze(-1), state, torch.nan)
    assert torch.allclose(next(net.states(x, start=dirty, mask=mask)), next(net.states(x, start=state, mask=mask)))
    assert torch.allclose(net.decode(dirty, x, mask=mask), net.decode(state, x, mask=mask))


# --- precision and compilers ---------------------------------------------------------------------


def test_counts_are_exact_under_autocast():
    n, pool = 300, EinPool(["ab,bc->ac"], "aaH")
    x, mask = torch.ones(n, n, 2), torch.ones(n, n, dtype=torch.bool)
    mask[0, 1:] = False
    with torch.autocast("cpu", torch.bfloat16):
        y = pool(x, mask={"aa": mask})
    assert y[1, 0].item() == pytest.approx(n**0.5, rel=1e-2)
    (factor,) = pool_factors(pool, mask, torch.float64)
    assert factor[0, 1, 1].item() == (n - 1) ** -0.5


def pool_factors(pool: EinPool, mask: Tensor, dtype: torch.dtype) -> list:
    context = Context({"a": len(mask)}, (), {"aa": mask})
    with torch.autocast("cpu", torch.bfloat16):
        return context.factors(pool.plan, dtype)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_half_precision(dtype):
    pool = EinPool(["ab->cd", "ab->ac", "ab,bc->ac"], "aaH")
    x, mask = torch.rand(300, 300, 4), {"aa": random_mask(300, 300)}
    y = pool(x.to(dtype), mask=mask)
    assert y.dtype == dtype
    assert torch.allclose(y.float(), pool(x, mask=mask), rtol=3e-2, atol=1e-2)


def test_one_compilation_serves_all_sizes():
    graphs = []

    def count_graphs(graph, _inputs):
        graphs.append(graph)
        return graph.forward

    torch.compiler.reset()
    net = small("aaH", EinNet, dtype=torch.float32, depth=1)
    compiled = torch.compile(net, fullgraph=True, dynamic=True, backend=count_graphs)
    for n in (4, 5, 7):
        x, mask = torch.randn(2, n, n, F), {"aa": random_mask(2, n, n)}
        assert torch.allclose(compiled(x, mask=mask), net(x, mask=mask), atol=1e-5)
    assert len(graphs) == 1


# --- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mask", "error", "phrases"),
    [
        ({"ba": torch.ones(3, 4).bool()}, ShapeError, "type 'ba'|ab"),
        ({"aab": torch.ones(4, 4, 3).bool()}, ShapeError, "type 'aab'|ab"),
        ({"ab": torch.ones(4, 3)}, ShapeError, "mask of 'ab'|index tuple|torch.float32"),
        ({"ab": torch.ones(3, 4).bool()}, ShapeError, "(batch..., 4, 3)|(3, 4)"),
        ({"ab": torch.ones(5, 4, 3).bool()}, ShapeError, "batch|(5, 4, 3)"),
        ({"ab": [[True] * 3] * 4}, TypeError, "mask of 'ab'|boolean|list"),
        ({("a", "b"): torch.ones(4, 3).bool()}, ShapeError, "axis"),
    ],
    ids=["order", "no such type", "dtype", "size", "batch", "list", "key"],
)  # fmt: skip
@pytest.mark.parametrize("name", MODULES)
def test_masks_that_do_not_fit(mask, error, phrases, name):
    module = MODULES[name]("abH")
    assert_refused(lambda: module(random(2, 4, 3, F), mask=mask), error, *phrases.split("|"))


def test_the_message_names_the_types_of_a_network():
    net = small("aH, bH -> H", EinNet, hidden_type="abH")
    masks = {"aa": torch.ones(4, 4).bool()}
    assert_refused(lambda: net(random(4, F), random(3, F), mask=masks), ShapeError, "'aa'", "are ab")
    linear = EinLinear("aH -> H", F, F)
    assert_refused(lambda: linear(torch.ones(4, F), mask=masks), ShapeError, "'aa'", "are none")
