"""The cost of a plan is what the executor does: operations are counted while they run."""

from math import prod

import numpy as np
import opt_einsum
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from annotations import assert_annotated
from einnet import Plan, Symmetry, Term
from einnet.plan import Cost, evaluate_term, run_plan, run_step
from einnet.plan.backends import Backend, backend_of
from einnet.plan.path import split_by_cost
from strategies import SIZES, TYPES, terms_of


class Counting(Backend):
    """numpy, with the number of multiplications and additions."""

    operations = 0

    def sum(self, x, axes):
        self.operations += x.size
        return super().sum(x, axes)

    def multiply(self, x, y):
        z = super().multiply(x, y)
        self.operations += z.size
        return z

    def matmul(self, x, y):
        self.operations += 2 * x.size * y.shape[-1]
        return super().matmul(x, y)

    def einsum(self, equation, x, y):
        left, right = equation.split("->")[0].replace("...", "").split(",")
        sizes = dict(zip(left, x.shape, strict=True)) | dict(zip(right, y.shape, strict=True))
        self.operations += 2 * prod(sizes.values())
        return super().einsum(equation, x, y)


@given(st.data())
def test_costs_are_the_operations_and_numbers_of_each_step(data):
    symmetry = Symmetry(data.draw(st.sampled_from(TYPES)))
    terms = data.draw(st.lists(terms_of(symmetry, max_order=3), min_size=1, max_size=3))
    plan, backend = Plan.make(terms, symmetry), Counting()
    values = [np.ones([SIZES[c] for c in symmetry.axes]) for _ in range(plan.input_count)]
    largest, total = 0, 0
    for step in plan.steps:
        before = backend.operations
        values.append(run_step(step, [values[k] for k in step.sources], backend))
        assert step.size.at(SIZES) == values[-1].size
        largest = max(largest, step.size.degree)
        if step.loop:
            backend.operations = before + step.flops.at(SIZES)
        assert backend.operations - before == step.flops.at(SIZES)
        total += step.flops.at(SIZES)
    assert plan.flops.at(SIZES) == total and plan.largest.degree == largest


@pytest.mark.parametrize(
    ("term", "flops"), [("ab,ac,bc,bd,cd->ad", "2a^4 + 3a^3"), ("ab,ac,bc,bd,be,cd,de->ae", "4a^4 + 4a^3")]
)
def test_the_cost_of_a_loop_is_that_of_its_contractions_for_each_index(term, flops):
    (step,), n = Plan.make([term], "aa").steps, 32
    assert step.equation == term and step.loop == ("b",)
    sliced = term.replace("b", "")
    shapes = [(n,) * len(t) for t in sliced.split("->")[0].split(",")]
    cost = opt_einsum.contract_path(sliced, *shapes, shapes=True, optimize="optimal")[1].opt_cost
    assert step.flops.at({"a": n}) <= n * cost and str(step.flops) == flops


@pytest.mark.parametrize(("left", "right"), [("aab", "ab"), ("", "a")])
def test_a_cost_is_no_cost_of_other_indices(left, right):
    assert Cost.of(left) != Cost.of(right) and Cost.of(left, 2) != Cost.of(left)
    assert Cost.of(left).degree == len(left) and Cost.of(left, 0) == Cost() and Cost().degree == 0


CALLS = {
    "dense": lambda: Plan.make(["ab->ba", "aa->ab", "ab,cb,cd->ad", "ab,ac,bc,bd,cd->ad"], "aa").table(),
    "sources": lambda: Plan.make(["ab->ac", "ab,bc->ac"], "aa", sources=[[0], [0, 1]]).rows(),
    "two types": lambda: (Plan.make(["ab->a"], "ab", "a").flops + Cost.of("b")).at({"a": 2, "b": 3}),
    "sparse": lambda: (
        Plan.make(["[ab],[bc],c->[ac]", "b,[ba]->a", "a->[bb]", "[ab],[bc],[ac],[cd],[ad]->[ad]"], "a, [aa]").largest
    ),
    "dense intermediate": lambda: Plan.make(["[a0a1],[a1a2],[a2a3]->[a0a3]"], "a, [aa], aa").largest.degree,
    "run": lambda: run_plan(Plan.make(["ab->ac", "ab,bc->ac", "ab,ac->", "aa->"], ["aa", ""]), [np.eye(3)] * 6),
    "term": lambda: evaluate_term(Term("ab,b->aac"), [np.eye(3), np.ones(3)], dict.fromkeys("abc", 3)),
    "tensors": lambda: backend_of(torch.ones(1)).sum(torch.ones(2, 3), (-1,)),
    "paths": lambda: split_by_cost([Term("ab,bc,cd,de->ae"), Term("ab,bc->ac"), Term("ab,ac,bc,bd,cd->ad")], 3),
}


def test_functions_return_what_they_are_annotated_with():
    assert_annotated("einnet.plan", CALLS)
