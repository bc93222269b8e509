"""Terms of sparse types against dense einsums with the supports as masks: values, gradients, sizes of intermediates."""

import random

import pytest
import torch

from einnet import EinNetError, EinPool
from einnet.errors import ShapeError
from einnet.nn.functional import einsum
from einnet.nn.sparse import Support
from einnet.terms import Term, TypeSet

TYPE_SETS = [
    "[aa]",
    "a, [aa]",
    "a, [aa], aa",
    "[ab]",
    "a, b, [ab]",
    "[ab], [aa]",
    "a, [ab]; a->b",
    "[ab], [abc]; a->b, b->c",
    "a, [aab]",
    "[a], [aa], a",
]


def random_term(types: TypeSet, order: int, rng: random.Random) -> Term:
    """A term with few indices; the number of a dependent index says which parent it has."""

    def draw(symmetry):
        last: dict[str, int] = {}
        tup = []
        for c in symmetry.axes:
            parent = types.parent_of(c)
            last[c] = 2 * last[parent] + rng.randrange(2) if parent else rng.randrange(3)
            tup.append(f"{c}{last[c]}")
        return tup

    chosen = [rng.choice(types.types) for _ in range(order + 1)]
    *operands, output = map(draw, chosen)
    return Term.of(operands, output, [t.is_sparse for t in chosen])


def dense_einsum(term: Term, operands, mask, sizes) -> torch.Tensor:
    """The output with all its cells: (batch..., axes..., features)."""
    letters = {i: chr(ord("a") + k) for k, i in enumerate(term.indices)}
    equation, extra, output = [[letters[i] for i in t] for t in term.operands], [], []
    for i in term.output:
        letter = letters[i]
        if letter in output:
            letter = chr(ord("a") + len(letters) + len(extra))
            extra.append(torch.eye(sizes[i[0]], dtype=torch.float64))
            equation.append([letters[i], letter])
        elif i in term.broadcast_indices:
            extra.append(torch.ones(sizes[i[0]], dtype=torch.float64))
            equation.append([letter])
        output.append(letter)
    parts = [f"...{''.join(t)}" for t in equation]
    parts = [p + "Z" * (k < term.order) for k, p in enumerate(parts)]
    y = torch.einsum(",".join(parts) + f"->...{''.join(output)}Z", *operands, *extra)
    return y if mask is None else y * mask.unsqueeze(-1)


def make_masks(types: TypeSet, sizes, density: float):
    masks = {}
    for t in types.types:
        if t.is_sparse:
            masks[t] = torch.rand([sizes[c] for c in t.axes]) < density
    return masks


def make_operand(symmetry, masks, sizes, batch):
    """A sparse or dense operand, and the dense one with zeros outside the support."""
    x = torch.randn(*batch, *(sizes[c] for c in symmetry.axes), 2, dtype=torch.float64)
    if not symmetry.is_sparse:
        return x.requires_grad_(), x
    index = masks[symmetry].nonzero().T
    values = x[(..., *index, slice(None))].clone().requires_grad_()
    dense = torch.zeros_like(x)
    dense[(..., *index, slice(None))] = values
    return values, dense


@pytest.mark.grid(stratum=lambda text, case: text)
@pytest.mark.parametrize("text", TYPE_SETS)
@pytest.mark.parametrize("case", [(5, 4, 3, 0.4, ()), (3, 5, 2, 0.5, (2,)), (4, 3, 2, 0.0, ()), (0, 0, 0, 0.5, ())])
def test_terms_equal_the_dense_einsum_with_masks(text, case):
    *numbers, density, batch = case
    sizes, types, rng = dict(zip("abc", numbers, strict=True)), TypeSet.of(text), random.Random(str(case) + text)
    torch.manual_seed(0)
    masks = make_masks(types, sizes, density)
    supports = {t: Support(m.nonzero().T, m.shape) for t, m in masks.items()}
    for order in (1, 1, 2, 2, 3, 3, 4):
        term = random_term(types, order, rng)
        *symmetries, output = (*types.types_of(term)[0], types.types_of(term)[1])
        pairs = [make_operand(t, masks, sizes, batch) for t in symmetries]
        inputs = [(supports[t], x) if t.is_sparse else x for t, (x, _) in zip(symmetries, pairs, strict=True)]
        at = {"at": supports[output]} if output.is_sparse and output not in symmetries else {}
        known = {c: sizes[c] for t in (*symmetries, output) for c in t.axes}
        y = einsum(term, *inputs, type=types.types, sizes=known, **at)
        y = y[1] if output.is_sparse else y
        expected = dense_einsum(term, [d for _, d in pairs], masks.get(output), sizes)
        if output.is_sparse:
            expected = expected[(..., *supports[output].index, slice(None))]
        assert torch.allclose(y, expected, rtol=1e-12, atol=1e-12), term
        weights = torch.randn_like(y)
        leaves = [x for x, _ in pairs]
        gradients, dense = (torch.autograd.grad((z * weights).sum(), leaves, allow_unused=True) for z in (y, expected))
        for g, w in zip(gradients, dense, strict=True):
            assert torch.allclose(g, w, rtol=1e-12, atol=1e-12), term


# --- pooling -------------------------------------------------------------------------------------


def graph(n: int, features: int, density: float = 0.4, *batch: int):
    """A relation on a directed support with loops: the mask, the support, dense values, values of the entries."""
    mask = torch.rand(n, n) < density
    mask[n // 2] = mask[:, n // 2] = False  # an isolated node
    index = mask.nonzero().T[:, torch.randperm(int(mask.sum()))]
    x = torch.randn(*batch, n, n, features, dtype=torch.float64)
    return mask, Support(index, (n, n)), x, x[(..., *index, slice(None))]


TERMS = [
    "b,[ba]->a",
    "[ab],[bc]->[ac]",
    "[ab],[bc],[cd]->[ad]",
    "[ab]->[cd]",
    "[ab],[cb]->a",
    "[ab]->[ba]",
    "[ab]->[ac]",
    "[ab]->[aa]",
    "a,b->[ab]",
    "b->a",
    "[aa],b->[ab]",
]
PADDING = torch.tensor([[True] * 5 + [False], [True] * 6])


@pytest.mark.parametrize("mask", [None, PADDING], ids=["full", "padded"])
@pytest.mark.parametrize("normalize", [None, "size"])
def test_pooling_equals_the_masked_dense_one(normalize, mask):
    torch.manual_seed(1)
    sparse, types = EinPool(TERMS, "aH, [aa]H", normalize=normalize), ("aH", "aaH")
    dense = EinPool([str(Term(t).dense) for t in TERMS], types, normalize=normalize)
    nodes = torch.randn(2, 6, 2 * sparse.fan_in[0], dtype=torch.float64)
    present, support, x, values = graph(6, 2 * sparse.fan_in[1], 0.4, 2)
    masks = {"aa": present} | ({} if mask is None else {"a": mask})
    expected = dense(nodes, x, mask=masks)
    for _ in range(2):  # the second time with the counts that the support keeps
        got, (same, edges) = sparse(nodes, (support, values), mask=mask)
        assert same is support and torch.allclose(got, expected[0], rtol=1e-12, atol=1e-12)
        assert torch.allclose(edges, expected[1][(..., *support.index, slice(None))], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("mask", [None, PADDING], ids=["full", "padded"])
def test_largest_values_equal_the_masked_dense_ones(mask):
    torch.manual_seed(1)
    terms = [t for t in TERMS if "," not in t] + ["[ab]->b", "[ab]->"]
    nodes = torch.randn(2, 6, 1, dtype=torch.float64) - 5  # below zero
    present, support, x, values = graph(6, 2, 0.4, 2)
    masks = {"aa": present} | ({} if mask is None else {"a": mask})
    for term in terms:
        arguments = (nodes,) if term[0] != "[" else (x - 5,)
        expected = einsum(Term(term).dense, *arguments, type=("a", "aa", ""), mask=masks, reduction="max")
        arguments = (nodes,) if term[0] != "[" else ((support, values - 5),)
        got = einsum(
            term, *arguments, type=("a", "[aa]", ""), mask=None if mask is None else {"a": mask}, reduction="max"
        )
        got = got[1] if Term(term).brackets[-1] else got
        if Term(term).brackets[-1]:
            expected = expected[(..., *support.index, slice(None))]
        assert torch.equal(got, expected), term


def test_no_tensor_has_a_cell_for_each_pair():
    """Neither the operands nor what is saved for the backward pass have n^2 numbers, nor one for each triangle."""
    torch.manual_seed(0)
    n, edges = 300, 900
    index = torch.stack(
        [torch.arange(n).repeat(3), torch.arange(n).repeat(3) + torch.tensor([1, 2, 3]).repeat_interleave(n)]
    )
    support, sizes = Support(index % n, (n, n)), []
    nodes, values = torch.randn(n, 1, requires_grad=True), torch.randn(edges, 1, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(lambda x: sizes.append(x.numel()) or x, lambda x: x):
        pool = EinPool(TERMS, "aH, [aa]H")
        outputs = pool(nodes.repeat(1, pool.fan_in[0]), (support, values.repeat(1, pool.fan_in[1])))
    assert max(sizes) <= edges * max(pool.fan_in)
    (outputs[0].sum() + outputs[1][1].sum()).backward()
    assert values.grad is not None and nodes.grad is not None


# --- supports ------------------------------------------------------------------------------------


def test_operands_share_a_support_if_it_is_the_same_object():
    _, support, _, values = graph(5, 2)
    copy = Support(support.index, support.sizes)
    assert einsum("[ab],[bc]->[ac]", (support, values), (support, values))[0] is support
    assert einsum("[ab],[ab]->[ab]", (support, values), (support, values))[0] is support
    product = einsum("[ab],[bc]->[ab]", (support, values), (copy, values))  # two supports: each index has its own axis
    expected = einsum("[ab],[bc]->[ab]", (support, values), (support, values))
    assert torch.allclose(product[1], expected[1])
    with pytest.raises(ShapeError, match="another support"):
        einsum("[ab],[ab]->[ab]", (support, values), (copy, values))
    with pytest.raises(ShapeError, match="another support"):
        einsum("[ab],[bc]->[ab]", (support, values), (copy, values), type="[aa]")


def test_an_output_can_be_asked_for_at_another_support():
    mask, support, x, values = graph(5, 2)
    at = Support(torch.tensor([[4, 0, 1], [1, 1, 3]]), (5, 5))
    x = x * mask.unsqueeze(-1)
    got, y = einsum("[ab],[bc]->[ac]", (support, values), (support, values), at=at)
    assert got is at and torch.allclose(y, torch.einsum("abh,bch->ach", x, x)[tuple(at.index)])
    with pytest.raises(ShapeError, match="pass at="):
        einsum("a,b->[ab]", x[0], x[1])


def test_nothing_becomes_dense_without_being_asked_for():
    _, support, x, values = graph(5, 2)
    with pytest.raises(EinNetError, match=r"'\[ac\]'"):
        einsum("[ab],[bc]->ac", (support, values), (support, values))
    y = einsum("[ab],[bc]->ac", (support, values), (support, values), type=("[aa]", "aa"))
    assert y.shape == (5, 5, 2)
    assert einsum("ab,[bc]->ac", x, (support, values)).shape == (5, 5, 2)


def test_outputs_can_be_written_without_a_change_of_the_operand():
    _, support, _, values = graph(5, 2)
    before = values.clone()
    einsum("[ab]->[ab]", (support, values))[1].add_(1)
    assert torch.equal(values, before)
