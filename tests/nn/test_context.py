"""Masks: a padded batch gives what each sample gives by itself, whatever values the padding has."""

from functools import partial

import pytest
import torch

from einnet import EinLayer, EinLinear, EinPool, Plan, Signature, Symmetry
from einnet.errors import ShapeError
from einnet.nn.context import Context
from einnet.operations import pooling_terms
from networks import NETWORKS, randomize, small
from refusals import assert_refused

SIGNATURES = [
    "aH", "aaH", "abH", "abH; a->b", "aabH", "abcH; a->b, b->c", "aaH -> aH", "aaH -> H", "abH -> aH", "aH -> aaH",
    "abH -> aH; a->b", "aH, aaH -> aH", "aH, abH -> H; a->b",
]  # fmt: skip
SAMPLES = [{"a": 3, "b": 2, "c": 2}, {"a": 5, "b": 3, "c": 1}, {"a": 1, "b": 4, "c": 3}, {"a": 0, "b": 2, "c": 2}]
PADDED = {"a": 6, "b": 4, "c": 3}
F = 2


def random(*shape: int) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.float64)


def make_linear(signature: str, **options) -> EinLinear:
    return randomize(EinLinear(signature, [F] * len(Signature(signature).inputs), 3, **options).double())


MODULES = {
    "linear": make_linear,
    "linear, sums": partial(make_linear, normalize=None),
    "EinNet, sums": partial(small, normalize=None),
    **{network.__name__: partial(small, network=network) for network in NETWORKS},
}


def masks_of(signature: Signature, samples: list[dict[str, int]]) -> dict[str, torch.Tensor]:
    """True where an index is below its size; a mask of a dependent class has an axis for each ancestor."""
    axes = Symmetry.of(signature.classes, signature.dependencies)
    masks = {}
    for c in signature.classes:
        rows = [torch.arange(PADDED[c]) < s[c] for s in samples]
        masks[c] = torch.stack([r.expand(*(PADDED[p] for p in axes.ancestors(c)), -1) for r in rows])
    return masks


def pad(samples: list[torch.Tensor], symmetry: Symmetry, garbage: float) -> torch.Tensor:
    batch = torch.full([len(samples), *(PADDED[c] for c in symmetry.axes), samples[0].shape[-1]], garbage).double()
    for row, x in zip(batch, samples, strict=True):
        row[tuple(slice(n) for n in x.shape[:-1])] = x
    return batch


@torch.no_grad()
def check_padding(function, signature: Signature, features: int, garbage: float) -> None:
    """The function on a padded batch against the function on each sample alone; zeros elsewhere."""
    alone = [[random(*(s[c] for c in t.axes), features) for t in signature.inputs] for s in SAMPLES]
    inputs = [pad([x[k] for x in alone], t, garbage) for k, t in enumerate(signature.inputs)]
    y = function(*inputs, mask=masks_of(signature, SAMPLES))
    expected = pad([function(*x) for x in alone], signature.output, 0.0)
    assert torch.allclose(y, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", MODULES)
@pytest.mark.parametrize("text", SIGNATURES)
def test_padding_changes_nothing(text, name):
    check_padding(MODULES[name](text), Signature(text), F, garbage=1e6)


@pytest.mark.parametrize("garbage", [float("nan"), float("inf")], ids=str)
@pytest.mark.parametrize("name", MODULES)
@pytest.mark.parametrize("text", ["aaH", "aH, aaH -> aH"])
def test_padding_with_nan_or_infinity_changes_nothing(text, name, garbage):
    check_padding(MODULES[name](text), Signature(text), F, garbage)


@pytest.mark.parametrize("garbage", [1e6, float("nan")], ids=str)
@pytest.mark.parametrize("name", MODULES)
def test_what_stands_in_the_padding_does_not_reach_the_gradients(name, garbage):
    module = MODULES[name]("aaH -> H")
    mask = torch.tensor([True, True, False])
    gradients = []
    for fill in (0.0, garbage):
        x = torch.where((mask[:, None] & mask).unsqueeze(-1), torch.ones(3, 3, F).double().cumsum(0), fill)
        module(x, mask=mask).square().sum().backward()
        gradients.append([p.grad.clone() for p in module.parameters()])
        module.zero_grad()
    for clean, padded in zip(*gradients, strict=True):
        assert torch.allclose(clean, padded, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("garbage", [1e6, float("nan")], ids=str)
@pytest.mark.parametrize("normalize", ["size", None])
@pytest.mark.parametrize("text", ["aH", "aaH", "abH", "abcH", "aabH", "abH; a->b", "baH; a->b", "abcH; a->b, b->c"])
def test_padding_changes_nothing_for_pooling(text, normalize, garbage):
    symmetry = Symmetry(text)
    terms = [*pooling_terms(symmetry)]
    if symmetry == Symmetry("aaH"):
        terms += ["ab->cd", "aa->bb", "ab,bc,cd->ad", "ab,ac,bc,bd,cd->ad", "ab,cd->ae", "ab->aa"]
    pool = EinPool(terms, text, normalize=normalize)
    check_padding(pool, Signature(text), 2 * pool.fan_in, garbage)


RAGGED = torch.tensor([[True, False, True, False], [True] * 4, [False] * 4])  # lists of 2, 4, 0 entries


@pytest.mark.parametrize("present", [[True, True, True], [True, True, False], [False, True, True]], ids=str)
def test_ragged_lists_by_hand(present):
    """Each list is averaged over its own entries, all of them together over the entries of the lists that are present."""
    lists = torch.tensor(present)
    x = random(3, 4, 5)
    pool = EinPool(["ab->ab", "ab->ac", "ab->cd", "ab,ac->ab"], "abH; a->b")
    y = pool(x, mask={"a": lists, "b": RAGGED})
    cells = RAGGED & lists[:, None]
    z = torch.where(cells, x[..., 1], 0)
    rows = z.sum(1) / RAGGED.sum(1).clamp(min=1)
    assert torch.equal(y[..., 0], torch.where(cells, x[..., 0], 0))
    assert torch.allclose(y[..., 1], rows[:, None] * cells)
    total = torch.where(cells, x[..., 2], 0).sum() / cells.sum()
    assert torch.allclose(y[..., 2], total * cells)
    products = x[..., 3] * (torch.where(cells, x[..., 4], 0).sum(1) / RAGGED.sum(1).clamp(min=1) ** 0.5)[:, None]
    assert torch.allclose(y[..., 3], products * cells)


@pytest.mark.parametrize("axes", ["a", "b", ""], ids=["parents", "children", "none"])
def test_an_axis_without_a_mask_has_no_padding(axes):
    masks = {"a": torch.tensor([True, False, True]), "b": RAGGED}
    no_padding = {"a": torch.ones(3, dtype=torch.bool), "b": torch.ones(3, 4, dtype=torch.bool)}
    pool = EinPool(["ab->ab", "ab->ac", "ab->cd", "ab,ab->cd"], "abH; a->b")
    x = random(2, 3, 4, 5)
    some = {c: masks[c] for c in axes}
    assert torch.allclose(pool(x, mask=some), pool(x, mask=no_padding | some))


@pytest.mark.parametrize("name", MODULES)
def test_more_padding_around_ragged_lists_changes_nothing(name):
    module = MODULES[name]("abH; a->b")
    x, lists = random(3, 4, F), torch.tensor([True, True, False])
    y = module(x, mask={"a": lists, "b": RAGGED})
    wide, wide_lists, wide_entries = random(5, 7, F), torch.zeros(5).bool(), torch.rand(5, 7) < 0.5
    wide[:3, :4], wide_lists[:3] = x, lists
    wide_entries[:3] = False
    wide_entries[:3, :4] = RAGGED
    wider = module(wide, mask={"a": wide_lists, "b": wide_entries})
    assert torch.allclose(wider[:3, :4], y, rtol=1e-9, atol=1e-9)
    cells = RAGGED & lists[:, None]
    assert (y[~cells] == 0).all()
    assert (y[cells].abs() > 0).all()
    assert (wider[3:] == 0).all()


@pytest.mark.parametrize("name", MODULES)
def test_a_mask_without_batch_holds_for_all_samples(name):
    module = MODULES[name]("aaH")
    x, mask = random(3, 4, 4, F), torch.tensor([True, False, True, True])
    assert torch.allclose(module(x, mask=mask), module(x, mask=mask.expand(3, 4)))
    assert torch.allclose(module(x, mask={"a": mask}), module(x, mask=mask))


def test_a_full_mask_is_no_mask():
    net = small("aaH")
    x = random(2, 4, 4, F)
    assert torch.allclose(net(x, mask=torch.ones(2, 4, dtype=torch.bool)), net(x))


def test_single_precision_stays_single():
    net = small("aaH", dtype=torch.float32)
    assert net(torch.randn(4, 4, F), mask=torch.ones(4, dtype=torch.bool)).dtype == torch.float32


def test_what_a_context_knows_is_computed_once():
    present = torch.tensor([True, True, False])
    context = Context({"a": 3}, (), {"a": present})
    plan, same = Plan.make(["ab->ac"], "aa"), Plan.make(["ba->ac"], "aa")
    for t in (Symmetry("a"), Symmetry("aa")):
        assert context.cells(t) is context.cells(t)
    assert torch.equal(context.cells(Symmetry("aa")), present[:, None] & present)
    assert Context({"a": 3}).cells(Symmetry("aa")) is None
    for dtype in (torch.float32, torch.float64):
        assert context.factors(plan, dtype) is context.factors(plan, dtype)
        assert context.counts_of(plan, dtype) is context.counts_of(plan, dtype)
        assert context.factors(plan, dtype)[0].dtype == dtype
        assert context.factors(same, dtype) is not context.factors(plan, dtype)
        assert context.counts_of(plan, dtype)[0].unique().tolist() == [2]


# --- errors --------------------------------------------------------------------------------------

T = torch.ones


@pytest.mark.parametrize(
    ("text", "mask", "phrases"),
    [
        ("aH", {"b": T(4).bool()}, "mask|'b'"),
        ("aH", {"a": T(4)},
         "mask of 'a'|(batch..., 4)|torch.float32"),
        ("aH", {"a": T(2, 5).bool()},
         "mask of 'a'|(batch..., 4)|(2, 5)"),
        ("abH; a->b", {"b": T(3).bool()},
         "mask of 'b'|(batch..., 4, 3)|(3,)"),
        ("H", T(4).bool(), "no axis to mask"),
        ("abH", T(4).bool(), "'abH'|dict"),
        ("aH", {"a": T(9, 4).bool()}, "batch|(9, 4)"),
        ("aH", {"a": T(4, 4, 4, 4).bool()}, "batch|(4, 4, 4, 4)"),
        ("abH", {"a": T(4, 3).bool()},
         "mask of 'a'|(batch..., 4)|(4, 3)"),
    ],
    ids=["axis", "dtype", "size", "dependent", "no axis", "one for two", "another batch", "too many axes", "cells"],
)  # fmt: skip
@pytest.mark.parametrize("name", ["pool", *MODULES])
def test_masks_that_do_not_fit(text, mask, phrases, name):
    sizes = {"a": 4, "b": 3}
    module = EinPool(pooling_terms(Symmetry(text)), text) if name == "pool" else MODULES[name](text)
    features = module.fan_in if name == "pool" else F
    x = random(2, *(sizes[c] for c in Symmetry(text).axes), features)
    assert_refused(lambda: module(x, mask=mask), ShapeError, *phrases.split("|"))


@pytest.mark.parametrize("mask", [{"a": [True] * 4}, [True] * 4], ids=["list in a dict", "list"])
@pytest.mark.parametrize("name", MODULES)
def test_masks_are_tensors(mask, name):
    module = MODULES[name]("aH")
    assert_refused(lambda: module(random(2, 4, F), mask=mask), TypeError, "mask", "boolean", "list")


def test_masked_means_in_half_precision():
    x = torch.full((300, 300, 1), 0.01, dtype=torch.float16)
    present = {c: torch.ones(300, dtype=torch.bool) for c in "ab"}
    assert EinPool(["ab->cd"], "ab")(x, mask=present)[0, 0, 0].item() == pytest.approx(0.01, rel=1e-2)


def test_a_mask_compiles_with_as_many_samples_as_features():
    layer = EinLayer("aH", 8, 2)
    x, mask = torch.randn(8, 5, 8), torch.rand(8, 5) < 0.7
    compiled = torch.compile(layer, fullgraph=True, dynamic=True, backend="eager")
    assert torch.allclose(compiled(x, mask=mask), layer(x, mask=mask), atol=1e-6)
