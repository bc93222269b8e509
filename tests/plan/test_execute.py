"""The executor: the same values on every back end, exact for whole numbers."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from einnet import Plan, Symmetry, Term
from einnet.errors import EinNetError, ShapeError
from einnet.nn.backend import TORCH
from einnet.plan import evaluate_term, expand, run_plan
from einnet.plan.backends import NUMPY, TensorBackend, backend_of
from einnet.plan.kernel import Kernel, align
from oracles.naive import naive_term
from strategies import SIZES, TYPES, terms_of

BRIDGE = "ab,ac,bc,bd,cd->ad"


def whole_numbers(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(-9, 10, shape)


@given(st.data())
def test_numpy_and_torch_agree_with_the_naive_sum(data):
    symmetry = Symmetry(data.draw(st.sampled_from(TYPES)))
    term = data.draw(terms_of(symmetry))
    shape = [SIZES[c] for c in symmetry.axes]
    operands = [whole_numbers(*shape, seed=k) for k in range(term.order)]
    by_index = {i: SIZES[c] for i, c in term.classes(symmetry).items()}
    expected = naive_term(term, [x[None] for x in operands], shape)[0]
    assert np.array_equal(evaluate_term(term, operands, by_index), expected)
    tensors = [torch.from_numpy(x) for x in operands]
    assert np.array_equal(evaluate_term(term, tensors, by_index, TensorBackend(torch)).numpy(), expected)


def test_the_operands_may_be_a_list_or_a_tuple_which_stays_as_it_is():
    plan, operands = Plan.make(["ab->ac"], "aa"), [whole_numbers(2, 2)]
    (rows,), (same_rows,) = run_plan(plan, operands), run_plan(plan, tuple(operands))
    assert len(operands) == 1 and np.array_equal(rows, same_rows)


@pytest.mark.parametrize("term", ["ab,bc->ac", "ab,bc->ca", "ab,cb->ac", "ba,bc->ac", "ba,cb->ca"])
def test_products_of_matrices_in_every_orientation(term):
    x, y = whole_numbers(3, 4, 4), whole_numbers(3, 4, 4, seed=1)
    plan = Plan.make([term], "aa")
    assert plan.steps[0].kernel.kind == "matmul"
    expected = np.einsum("Z" + term.replace(",", ",Z").replace("->", "->Z"), x, y)
    for backend, arrays in ((NUMPY, [x, y]), (TORCH, [torch.from_numpy(x), torch.from_numpy(y)])):
        (compact,) = run_plan(plan, arrays, backend)
        assert np.array_equal(np.asarray(expand(compact, plan.results[0].axis_map, (4, 4), backend)), expected)


@pytest.mark.parametrize("term", ["ab,bc->ac", "ab,b->ab", "ab,ab->a", "ab,ac,bc->", BRIDGE])
def test_batch_axes_broadcast_against_each_other(term):
    term = Term(term)
    rng = np.random.default_rng(0)
    batches = [(5, 1), (3,), (), (5, 3), (1, 1)]
    operands = [rng.normal(size=(*b, *[2] * len(t))) for b, t in zip(batches, term.operands, strict=False)]
    equation = ",".join("..." + "".join(t) for t in term.operands) + "->..." + "".join(term.output)
    expected = np.einsum(equation, *operands)
    types = Plan.make([term], ["aa", "a", ""]) if term.order < 5 else Plan.make([term], "aa")
    for backend, arrays in ((NUMPY, operands), (TORCH, [torch.from_numpy(x) for x in operands])):
        (compact,) = run_plan(types, arrays, backend)
        got = expand(compact, types.results[0].axis_map, [2] * len(term.output), backend)
        assert np.allclose(np.asarray(got), expected)


@pytest.mark.parametrize("term", ["ab,bc->ac", "ab,ab->", "aa->aa", "a,b->ab", "->", BRIDGE])
def test_numbers_of_python_stay_exact(term):
    term = Term(term)
    operands = [np.full([2] * len(t), 10**30, object) for t in term.operands]
    got = evaluate_term(term, operands, dict.fromkeys("abcd", 2))
    assert got.dtype == object and got.shape == (2,) * len(term.output)
    count = 2 ** len(term.summed_indices)
    assert got.ravel()[0] == count * 10 ** (30 * term.order)


def test_booleans_are_counted():
    assert evaluate_term(Term("ab->a"), [np.ones((2, 3), bool)], {"a": 2, "b": 3}).tolist() == [3, 3]


def test_three_equal_indices_of_the_output():
    got = evaluate_term(Term("a->aaa"), [np.array([1, 2])], {"a": 2})
    assert np.argwhere(got).tolist() == [[0, 0, 0], [1, 1, 1]]


def test_a_kernel_is_compiled_once_and_holds_no_size():
    kernel = Plan.make(["ab->ac"], "aa").steps[0].kernel
    assert kernel == Kernel.of([("a", "b")], ("a",))
    assert kernel.summed_axes == (-1,)


def test_the_back_end_follows_the_array():
    assert backend_of(np.zeros(1)) is NUMPY
    assert isinstance(backend_of(torch.nn.Parameter(torch.zeros(1))), TensorBackend)


def test_numpy_has_no_sparse_types():
    with pytest.raises(EinNetError, match=r"'\[ab\]->a' is of sparse types, which only tensors of torch"):
        run_plan(Plan.make(["[ab]->a"], "a, [aa]"), [np.ones(3)])
    with pytest.raises(EinNetError, match=r"'\[ab\]->a' is of sparse types: use Plan.make"):
        Plan.without_types([Term("ab->a"), Term("[ab]->a")])


@pytest.mark.parametrize(("names", "target"), [("ab", "ab"), ("ab", "ba"), ("b", "abc"), ("", "a"), ("cab", "abcd")])
@pytest.mark.parametrize("backend", [NUMPY, TORCH])
def test_axes_are_aligned(names, target, backend):
    x = whole_numbers(2, *range(2, 2 + len(names)))
    sizes = dict(zip(names, x.shape[1:], strict=True))
    y = align(x if backend is NUMPY else torch.from_numpy(x), names, target, backend)
    assert tuple(y.shape) == (2, *(sizes.get(c, 1) for c in target))
    assert np.array_equal(
        np.asarray(y), np.einsum(f"Z{names}->Z{''.join(c for c in target if c in names)}", x).reshape(y.shape)
    )
    assert (y is x) == (names == target and backend is NUMPY)


def test_a_plan_needs_all_its_operands():
    with pytest.raises(ShapeError, match="reads 2 arrays, got 1"):
        run_plan(Plan.make(["ab,bc->ac"], "aa"), [np.eye(2)])


@pytest.mark.parametrize("text", ["ab->b", "ab,ab->b", "ab,ac->bc", "ab,ad,bd->b"])
def test_sums_of_many_halves(text):
    """numpy adds up halves in half precision, where 2048 + 1 is 2048."""
    term, n = Term(text), 3000
    sizes = dict.fromkeys(term.indices, 1) | {"a": n}
    y = evaluate_term(term, [np.ones([sizes[i] for i in t], np.float16) for t in term.operands], sizes)
    assert y.dtype == np.float16 and (y == n).all()
