"""Pooling in other semirings: values and gradients against one tensor of all index tuples, masks, empty sums, limits."""

from typing import Any, cast

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck

from einnet import EinLayer, EinNetError, EinPool, Plan, Symmetry, Term
from einnet.errors import ShapeError
from einnet.nn.backend import TORCH
from einnet.nn.functional import einsum
from einnet.nn.semiring import ALGEBRAS, SemiringBackend, parts, products
from einnet.plan import expand, run_plan
from einnet.plan.semirings import SEMIRINGS, ArraySemiring
from einnet.testing import assert_equivariant
from nn.test_looped import Largest
from oracles.semirings import REDUCTIONS, naive_semiring
from refusals import assert_refused
from strategies import SIZES, TYPES, terms_of, with_h

BRIDGE = "ab,ac,bc,bd,cd->ad"
TERMS = [
    ("aa", "ab,bc->ac"), ("aa", "ab,cb->ca"), ("aa", "ab,ab->ab"), ("aa", "ab->cb"), ("aa", "aa->bc"),
    ("aa", "ab,bc->aa"), ("aa", "ab,bc,ca->bd"), ("aa", BRIDGE), ("ab", "ab,cb,cd->ad"), ("ab; a->b", "ab,ab->ac"),
    ("aaa", "abc,bcd->abd"), ("a", "a,b->a"), ("a", "a,b->b"),
]  # fmt: skip


def random(*shape: int) -> Tensor:
    return torch.randn(shape, dtype=torch.float64)


@pytest.fixture(params=[1, 2**20], ids="in parts of {}".format)
def chunk(request, monkeypatch):
    monkeypatch.setattr(parts, "CHUNK", {"cpu": request.param})
    monkeypatch.setattr("einnet.nn.looped.CHUNK", request.param)
    monkeypatch.setattr(products, "BLOCK", {"cpu": request.param})


def expect(term: Term, symmetry: Symmetry, x: Tensor, reduction: str, masks: dict, temperature: float = 1.0) -> Tensor:
    """From x (axes..., features of all operands)."""
    width = x.shape[-1] // term.order
    operands, values = list(x.split(width, -1)), []
    if reduction == "attention":
        values, operands = [o[..., 1::2] for o in operands], [o[..., ::2] for o in operands]
    cells = torch.ones([SIZES[c] for c in symmetry.axes], dtype=torch.bool)
    for k, letter in enumerate(symmetry.axes):
        if letter in masks:
            shape = [1] * cells.dim()
            mask = masks[letter]
            for j in range(mask.dim()):
                shape[k - j] = mask.shape[-1 - j]
            cells = cells & mask.reshape(shape)
    key = "".join(symmetry.axes)
    cells = cells & masks[key] if len(key) > 1 and key in masks else cells
    return naive_semiring(term, operands, reduction, [cells] * (term.order + 1), values, temperature)


def draw_masks(symmetry: Symmetry, kind: str) -> dict[str, Tensor]:
    masks = {}
    if "axes" in kind:
        for letter in symmetry.classes:
            masks[letter] = torch.rand([SIZES[c] for c in (*symmetry.ancestors(letter), letter)]) < 0.6
    if "tuples" in kind and len(symmetry.axes) > 1:
        masks["".join(symmetry.axes)] = torch.rand([SIZES[c] for c in symmetry.axes]) < 0.6
    return masks


@pytest.mark.parametrize("reduction", REDUCTIONS)
@given(st.data())
def test_any_term_against_all_index_tuples(reduction, data):
    text = data.draw(st.sampled_from(TYPES))
    symmetry, kind = Symmetry(text), data.draw(st.sampled_from(["", "axes", "tuples", "axes and tuples"]))
    term = data.draw(terms_of(symmetry, max_order=3, indices=2))
    torch.manual_seed(data.draw(st.integers(0, 9)))
    masks = draw_masks(symmetry, kind)
    width = ALGEBRAS[reduction].width
    x = random(*(SIZES[c] for c in symmetry.axes), 2 * width * term.order).requires_grad_()
    y = EinPool([term], with_h(text), reduction=reduction)(x, mask=masks or None)
    expected = expect(term, symmetry, x, reduction, masks)
    assert torch.allclose(y, expected, rtol=1e-11, atol=1e-11)
    weights = random(*y.shape)
    got, naive = (torch.autograd.grad((z * weights).sum(), x, allow_unused=True)[0] for z in (y, expected))
    assert torch.isfinite(got).all()
    assert torch.allclose(got, torch.zeros_like(x) if naive is None else naive, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize(("text", "term"), TERMS)
def test_gradients_in_parts(text, term, reduction, chunk):
    pool = EinPool([term], with_h(text), reduction=reduction)
    number = torch.Size([*(min(3, SIZES[c]) for c in Symmetry(text).axes), pool.fan_in * ALGEBRAS[reduction].width])
    x = torch.randperm(number.numel()).double().reshape(number).div(number.numel()).requires_grad_()
    x = (x.detach() + random(*number) / 1e4).requires_grad_()
    assert gradcheck(pool, x, fast_mode=True)
    assert gradgradcheck(pool, x, fast_mode=True)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("text", TYPES[:5])
def test_it_is_equivariant(text, reduction):
    term = {"a": "a,b->a", "ab": "ab,cb,cd->ad", "aa": "ab,bc->ac", "abc": "abc,dbc->dbc", "aab": "abc,bdc->adc"}[text]
    pool = EinPool([term], with_h(text), reduction=reduction).double()
    assert_equivariant(pool, with_h(text), SIZES, features=pool.fan_in * ALGEBRAS[reduction].width)


@pytest.mark.parametrize("reduction", SEMIRINGS)
@given(st.data())
def test_plans_of_numpy_arrays(reduction, data):
    symmetry = Symmetry(data.draw(st.sampled_from(["a", "aa", "ab", "aab"])))
    term = data.draw(terms_of(symmetry, max_order=4, indices=2))
    shape = [SIZES[c] for c in symmetry.axes]
    x = random(*shape, 2 * term.order)
    plan = Plan.make([term], symmetry)
    arrays = [o.movedim(-1, 0).numpy() for o in x.split(2, -1)]
    (compact,) = run_plan(plan, arrays, ArraySemiring(SEMIRINGS[reduction]))
    y = einsum(term, *x.split(2, -1), type=symmetry, reduction=reduction)
    got = expand(torch.from_numpy(compact.copy()), plan.results[0].axis_map, shape, TORCH)
    assert torch.allclose(got.movedim(0, -1), y, rtol=1e-12, atol=1e-12)


def test_whole_numbers_of_numpy_stay_exact():
    x = [[10**30, 5], [7, 10**20]]
    (y,) = run_plan(Plan.make(["ab,bc->ac"], "aa"), [np.array(x, object)] * 2, ArraySemiring(SEMIRINGS["min"]))
    assert y.tolist() == [[12, 10**20 + 5], [7 + 10**20, 12]]


# --- precision -----------------------------------------------------------------------------------


def test_logsumexp_keeps_its_digits_where_the_exponentials_of_a_product_vanish():
    x, y = torch.tensor([[0.0, -100.0]]), torch.tensor([[-100.0], [0.0]])
    z = einsum("ab,bc->ac", x[..., None], y[..., None], reduction="logsumexp")
    assert torch.allclose(z, torch.tensor(-100 + 2**0.5 - 2**0.5 + 0.6931472))


@pytest.mark.parametrize("scale", [50.0, 400.0, 1e4])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_logsumexp_of_numbers_far_apart(scale, dtype):
    x, y = (torch.rand(2, 9, 9, 3, dtype=dtype).mul(2 * scale).sub(scale).requires_grad_() for _ in range(2))
    z = einsum("ab,bc->ac", x, y, reduction="logsumexp")
    wide = [t.detach().double().requires_grad_() for t in (x, y)]
    expected = (wide[0][:, :, :, None] + wide[1][:, None]).logsumexp(2)
    tolerance = 1e-5 if dtype == torch.float32 else 1e-11
    assert torch.allclose(z.double(), expected, rtol=tolerance / 10, atol=tolerance)
    weights = torch.randn(z.shape, dtype=dtype)
    got = torch.autograd.grad((z * weights).sum(), [x, y], create_graph=True)
    naive = torch.autograd.grad((expected * weights).sum(), wide)
    for one, two in zip(got, naive, strict=True):
        assert torch.allclose(one.double(), two, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_attention_of_logits_far_apart(scale):
    x, y, u, v = (random(2, 7, 7, 3) * s for s in (scale, scale, 1, 1))
    z = einsum("ab,bc->ac", x, y, reduction="attention", values=(u, v))
    weights = (x[:, :, :, None] + y[:, None]).softmax(2)
    assert torch.allclose(z, (weights * u[:, :, :, None] * v[:, None]).sum(2), rtol=1e-10, atol=1e-12)
    alone = einsum("ab,bc->ac", x, y, reduction="attention", values=(None, v))
    assert torch.allclose(alone, (weights * v[:, None]).sum(2), rtol=1e-10, atol=1e-12)


def test_infinite_numbers_and_nan_are_those_of_the_naive_computation():
    x, y = random(4, 4, 1), random(4, 4, 1)
    x[0, 0], x[1], x[2, 1], y[2] = -torch.inf, -torch.inf, torch.nan, torch.inf
    total = x[:, :, None] + y[None]
    assert torch.equal(einsum("ab,bc->ac", x, y, reduction="max").isnan(), total.amax(1).isnan())
    y[2] = 3
    z, expected = einsum("ab,bc->ac", x, y, reduction="logsumexp"), (x[:, :, None] + y[None]).logsumexp(1)
    assert torch.allclose(z, expected, rtol=1e-12, equal_nan=True)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision(reduction, dtype):
    pool = EinPool(["ab,bc->ac", "ab->a"], ("aaH", "aH"), reduction=reduction, normalize=None)
    inputs = [torch.randn(*([5] * k), n * ALGEBRAS[reduction].width) for k, n in ((2, 3), (1, 0))]
    halves = [x.to(dtype) for x in inputs]
    for got, expected in zip(pool(*halves), pool(*(x.float() for x in halves)), strict=True):
        assert got.dtype == dtype and torch.allclose(got.float(), expected, rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("reduction", ["max", "min", "minmax"])
def test_whole_numbers(reduction):
    x, y = torch.randint(-9, 9, (2, 4, 4, 1))
    z = einsum("ab,bc->ac", x, y, reduction=reduction, mask=torch.tensor([True, True, True, False]))
    expected = einsum("ab,bc->ac", x.double(), y.double(), reduction=reduction, mask=torch.tensor([True] * 3 + [False]))
    assert z.dtype == x.dtype and torch.equal(z.double(), expected)


# --- temperature, mixes, errors ------------------------------------------------------------------


def test_a_temperature_for_each_head():
    x = random(5, 5, 3 * 2).requires_grad_()
    warmth = torch.tensor([0.5, 3.0], dtype=torch.float64, requires_grad=True)
    y = EinPool(["ab,bc->ac", "ab->a"], ("aaH", "aH"), reduction="logsumexp")(x, random(5, 0), temperature=warmth)[0]
    for k, t in enumerate((0.5, 3.0)):
        expected = t * ((x[:, :, None, k] + x[None, :, :, 2 + k]) / t).logsumexp(1)
        assert torch.allclose(y[..., k], expected)
    assert torch.autograd.grad(y.sum(), warmth)[0].abs().min() > 0
    cold = einsum("ab->a", x, reduction="logsumexp", temperature=1e-9)
    assert torch.allclose(cold, einsum("ab->a", x, reduction="max"))
    assert_refused(lambda: einsum("ab->a", x, reduction="max", temperature=2), EinNetError, "logsumexp")
    assert_refused(lambda: einsum("ab->a", x, reduction="logsumexp", temperature=-2), EinNetError, "temperature")


def test_a_mix_is_its_parts_side_by_side():
    mix = {"sum": 2, "max": 1, "attention": 1}
    terms = ["ab,bc->ac", "ab->ba"]
    x = random(5, 5, 3 * 5)
    y = EinPool(terms, "aaH", reduction=mix)(x).unflatten(-1, (2, 4))
    operands = x.unflatten(-1, (3, 5))
    for name, features, heads in (
        ("sum", slice(0, 2), slice(0, 2)),
        ("max", slice(2, 3), slice(2, 3)),
        ("attention", slice(3, 5), slice(3, 4)),
    ):
        z = EinPool(terms, "aaH", reduction=name)(operands[..., features].flatten(-2))
        assert torch.equal(y[..., heads], z.unflatten(-1, (2, -1)))


def test_a_tuple_of_names_has_equally_many_heads_of_each():
    x = random(5, 5, 2 * 6)
    y = EinPool(["ab,bc->ac"], "aaH", reduction=("sum", "attention"))(x)
    assert torch.equal(y, EinPool(["ab,bc->ac"], "aaH", reduction={"sum": 2, "attention": 2})(x))
    assert_refused(lambda: EinPool(["ab,bc->ac"], "aaH", reduction=("sum", "max"))(x[..., :10]), ShapeError, "5")


def test_wrong_calls_are_refused():
    x, number = random(4, 4, 3), cast(Any, 3)
    assert_refused(lambda: EinPool(["ab->ab"], "abH", reduction="mean"), EinNetError, "'mean'", "'logsumexp'")
    assert_refused(lambda: EinPool(["ab->ab"], "abH", reduction=number), TypeError, "reduction", "3")
    assert_refused(lambda: EinPool(["ab->ab"], "abH", reduction={"sum": 0}), EinNetError, "'sum'", "0")
    assert_refused(lambda: EinPool(["ab->ab"], "abH", reduction="attention")(x), ShapeError, "logit", "3")
    assert_refused(lambda: EinPool(["ab->ab"], "abH", reduction={"sum": 2, "max": 2})(x), ShapeError, "4", "3")
    assert_refused(lambda: einsum("ab->a", x.long(), reduction="logsumexp"), EinNetError, "int64")
    assert_refused(lambda: einsum("ab->a", x.to(torch.complex64), reduction="max"), EinNetError, "complex64")
    assert_refused(lambda: einsum("ab->a", x, reduction="attention"), EinNetError, "values")
    assert_refused(lambda: einsum("ab->a", x, values=[x]), EinNetError, "attention")


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("term", ["ab,bc->ac", "ab,ab->a", BRIDGE, "ab->a", "ab,bc->"])
def test_sums_over_nothing_are_zero(term, reduction):
    width = ALGEBRAS[reduction].width
    pool = EinPool([term], reduction=reduction) if term.endswith(("c", "d")) else None
    if pool is not None:
        assert pool(torch.zeros(0, 0, pool.fan_in * width)).shape == (0, 0, 1)
        x = torch.ones(3, 3, pool.fan_in * width, requires_grad=True)
        y = pool(x, mask={"aa": torch.zeros(3, 3, dtype=torch.bool)})
    else:
        x = torch.ones(0, 0, width, requires_grad=True)
        y = einsum(
            term,
            *[torch.ones(0, 0, 1)] * Term(term).order,
            reduction=reduction,
            values=[None] * Term(term).order if width > 1 else None,
        )
    assert not y.any()


@pytest.mark.parametrize("reduction", sorted(ALGEBRAS))
@pytest.mark.parametrize(
    ("rows", "middle", "columns", "batch"), [(0, 3, 4, 2), (2, 3, 0, 2), (2, 0, 4, 2), (2, 3, 4, 0)]
)
def test_products_of_empty_matrices_have_gradients(reduction, rows, middle, columns, batch):
    stacked = (2,) * ALGEBRAS[reduction].stacked_axes
    x, y = random(*stacked, batch, rows, middle), random(*stacked, batch, middle, columns)
    backend = SemiringBackend(reduction)
    product = backend.matmul(x.requires_grad_(), y.requires_grad_())
    assert product.shape == (*stacked, batch, rows, columns)
    product.masked_fill(product.isinf(), 0).sum().backward()
    assert not x.grad.any() and not y.grad.any()
    three = backend.contract_in_loop([x, y, y], [("a", "b"), ("b", "c"), ("b", "c")], ("a", "c"), ("b",))
    assert three.shape == product.shape


def test_chunks_of_a_mix_without_temperatures():
    torch.manual_seed(0)
    options = {"heads": 4, "reduction": ("sum", "max", "logsumexp", "attention")}
    one, four = EinLayer("aaH", 6, **options), EinLayer("aaH", 6, **options, chunks=4)
    four.load_state_dict(one.state_dict())
    x = torch.randn(5, 5, 6)
    assert torch.allclose(one(x), four(x), atol=1e-6)


@pytest.mark.parametrize("reduction", ["max", "attention"])
def test_they_compile_once_for_all_sizes(reduction):
    torch.compiler.reset()
    graphs = []

    def count_graphs(graph, _inputs):
        graphs.append(graph)
        return graph.forward

    pool = EinPool(["ab,bc->ac", "ab->ac"], "aaH", reduction=reduction)
    compiled = torch.compile(pool, fullgraph=True, dynamic=True, backend=count_graphs)
    for n in (5, 6, 9):
        x = torch.randn(2, n, n, pool.fan_in * ALGEBRAS[reduction].width, requires_grad=True)
        y = compiled(x)
        assert torch.allclose(y, pool(x), atol=1e-5)
        y.sum().backward()
    assert len(graphs) == 1


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_transformations_of_functions(reduction):
    pool = EinPool(["ab,bc->ac", BRIDGE], "aaH", reduction=reduction)
    x = random(3, 4, 4, pool.fan_in * ALGEBRAS[reduction].width)
    assert torch.allclose(torch.func.vmap(pool)(x), pool(x))


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_no_tensor_of_three_axes_is_made(reduction, monkeypatch):
    n = 48
    monkeypatch.setattr(parts, "CHUNK", {"cpu": 1})
    monkeypatch.setattr(products, "BLOCK", {"cpu": 1})
    algebra = ALGEBRAS[reduction]
    work = parts.MatrixProduct(algebra)
    operands = [torch.randn(*[2] * algebra.stacked_axes, 2, n, n) for _ in range(2)]
    with Largest() as seen:
        total = parts.run_in_parts(work, operands)
        parts.differentiate(work, torch.ones_like(total), operands)
    assert seen.entries <= 4 * n * n + 2 * products.GROUP * n
    with Largest() as seen:
        work.run_at_once(operands)
    assert seen.entries >= n**3
