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
        got, wanted = (torch.autograd.grad((z * weights).sum(), leaves, allow_unused=True) for z in (y, expected))
        for g, w in zip(got, wanted, strict=True):
            assert torch.allclose(g, w, rtol=1e-12, atol=1e-12), term
