"""`EinPool` in a state of several types: operands and outputs of different shapes."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from einnet import EinNetError, EinPool, Signature, Symmetry, Term
from einnet.errors import ShapeError
from einnet.nn.pool import infer_types
from einnet.operations import pooling
from einnet.terms import TypeSet, all_terms
from einnet.testing import assert_equivariant
from oracles.naive import naive_term, with_letters
from refusals import assert_refused

SIZES = {"a": 3, "b": 4}
STATES = [("a", "aa"), ("ab", "aa", "bb"), ("a", "ab", "b"), ("ab; a->b", "a")]
KNOWN = {types: [t for k in (1, 2) for t in all_terms(types, k)] for types in STATES}


def numbers(*shape: int) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.float64)


@given(st.data())
def test_values_against_the_naive_einsum(data):
    types = data.draw(st.sampled_from(STATES))
    state = TypeSet.of(types)
    terms = data.draw(st.lists(st.sampled_from(KNOWN[types]), min_size=1, max_size=4))
    pool = EinPool(terms, types, normalize=None)
    heads = 2
    inputs = [numbers(*(SIZES[c] for c in t.axes), heads * n) for t, n in zip(state.types, pool.fan_in, strict=True)]
    outputs = [list(y.split(heads, -1)) for y in pool(*inputs)]
    parts = [list(x.split(heads, -1)) if x.shape[-1] else [] for x in inputs]
    for term in terms:
        operands, output = state.types_of(term)
        arrays = [np.moveaxis(parts[state.types.index(t)].pop(0).numpy(), -1, 0) for t in operands]
        expected = naive_term(with_letters(term), arrays, [SIZES[c] for c in output.axes])
        y = outputs[state.types.index(output)].pop(0).numpy()
        assert np.allclose(np.moveaxis(y, -1, 0), expected, rtol=1e-10, atol=1e-10), term


def test_messages_along_the_edges_of_a_graph():
    pool = EinPool(["a,ab->b", "a,a->a"], ("aH", "aaH"), normalize=None)
    assert (pool.fan_in, pool.fan_out) == ((3, 1), (2, 0))
    nodes, edges = numbers(5, 3), numbers(5, 5, 1)
    y, nothing = pool(nodes, edges)
    assert torch.allclose(y[:, 0], edges[..., 0].T @ nodes[:, 0])
    assert torch.allclose(y[:, 1], nodes[:, 1] * nodes[:, 2])
    assert nothing.shape == (5, 5, 0)


def test_numbered_terms_name_their_types():
    pool = EinPool(["a0b0,a1b0->a0a1", "a0a1,a1b0->a0b0"])
    assert list(map(str, pool.types)) == ["abH", "aaH"]
    x, r = numbers(3, 4, 3), numbers(3, 3, 1)
    y, gram = EinPool(["a0b0,a1b0->a0a1", "a0a1,a1b0->a0b0"], normalize=None)(x, r)
    assert torch.allclose(gram[..., 0], x[..., 0] @ x[..., 1].T)
    assert torch.allclose(y[..., 0], r[..., 0] @ x[..., 2])


@pytest.mark.parametrize("masks", [False, True], ids=["plain", "masked"])
@pytest.mark.parametrize("types", STATES, ids=str)
def test_the_minimal_set_of_a_state_is_equivariant(types, masks):
    state = TypeSet.of(types)
    pool = EinPool(list(pooling(types, 2)), types)
    signature = Signature.of(list(pool.types), pool.types[0])
    for k in range(len(state.types)):
        if pool.fan_out[k] == 0:
            continue
        target = Signature.of(signature.inputs, pool.types[k])
        assert_equivariant(
            lambda *x, k=k, **options: pool(*x, **options)[k],
            str(target), {c: SIZES[c] for c in target.classes}, features=tuple(pool.fan_in), masks=masks,
        )  # fmt: skip


def test_batch_axes_broadcast_and_gradients():
    pool = EinPool(["a,ab->b"], ("aH", "aaH"))
    nodes, edges = numbers(2, 1, 3, 2).requires_grad_(), numbers(5, 3, 3, 2).requires_grad_()
    y, nothing = pool(nodes, edges)
    assert y.shape == (2, 5, 3, 2) and nothing.shape == (2, 5, 3, 3, 0)
    assert torch.autograd.gradcheck(lambda n, e: pool(n, e)[0], (nodes, edges))


def test_a_masked_node_sends_and_receives_nothing():
    pool = EinPool(["a,ab->b"], ("aH", "aaH"), normalize=None)
    nodes, edges, mask = numbers(4, 1), numbers(4, 4, 1), torch.tensor([True, True, False, True])
    y, _ = pool(nodes, edges, mask=mask)
    assert torch.allclose(y[mask], pool(nodes[mask], edges[mask][:, mask])[0])
    assert y[2] == 0


@pytest.mark.parametrize(
    ("inputs", "phrase"),
    [
        ([(4, 1)], "got 1"),
        ([(4, 1), (5, 5, 1)], "input 2 of type 'aaH' has size 5"),
        ([(4, 1), (4, 4, 2)], "got 1 and 2"),
        ([(4, 1), (4, 1)], "got (4, 1)"),
    ],
)
def test_inputs_that_do_not_fit(inputs, phrase):
    pool = EinPool(["a,ab->b"], ("aH", "aaH"))
    assert_refused(lambda: pool(*(numbers(*s) for s in inputs)), ShapeError, phrase)
    with pytest.raises(EinNetError, match="types aH, aaH"):
        pool.symmetry  # noqa: B018
    with pytest.raises(ShapeError, match="multiple of 2, got 3"):
        EinPool(["a,a->a", "ab->ab"], ("aH", "aaH"))(numbers(4, 3), numbers(4, 4, 1))


def test_inputs_of_two_dtypes():
    with pytest.raises(ShapeError, match="torch.float32, torch.float64"):
        EinPool(["a,ab->b"], ("aH", "aaH"))(numbers(3, 1), numbers(3, 3, 1).float())


def test_types_are_inferred():
    assert list(map(str, EinPool([Term("a,ab->b")]).types)) == ["aH", "aaH"]


def test_numbered_indices_name_their_types():
    assert infer_types([Term("a0b0,a1b0->a0a1"), Term("a0a1->a0")]) == [Symmetry("ab"), Symmetry("aa"), Symmetry("a")]
