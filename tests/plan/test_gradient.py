"""Backwards through plans: on torch as autograd, on numpy as torch."""

import numpy as np
import pytest
import torch

from einnet import Plan
from einnet.nn.backend import TORCH
from einnet.plan.backends import NUMPY
from einnet.plan.execute import run_steps
from einnet.plan.gradient import differentiate_plan

TERMS = {
    "aa": ["ab->ab", "aa->aa", "ab->ba", "ab->ac", "ab->cd", "ab,ab->ab", "ab,cb->ac", "ab,bc,ca->aa", "aa,ab->bb"],
    "ab; a->b": ["ab->cd", "ab->ac", "ab,ab->ab"],
    "a": ["a->b", "a,a->a", "a,b->a", "a,a,a->b"],
    "aaa": ["abc,adc->abd", "aab->aab", "abc->cba", "abb,bcd->acd"],
}
BRIDGE = "ab,ac,bc,bd,cd->ad"


@pytest.mark.parametrize("backend", [TORCH, NUMPY], ids=["torch", "numpy"])
@pytest.mark.parametrize(("symmetry", "terms"), [*TERMS.items(), ("aa", [BRIDGE])], ids=str)
def test_gradients_equal_those_of_autograd(symmetry, terms, backend):
    plan = Plan.make(terms, symmetry)
    generator = torch.Generator().manual_seed(0)
    shape = [3, *[4 if symmetry == "aa" else 3] * len(symmetry.partition(";")[0])]
    operands = [
        torch.randn(shape, generator=generator, dtype=torch.float64, requires_grad=True)
        for _ in range(plan.input_count)
    ]
    values = run_steps(plan, operands, TORCH)
    results = [values[r.value] for r in plan.results]
    gradients = [torch.randn(y.shape, generator=generator, dtype=torch.float64) for y in results]
    expected = torch.autograd.grad(results, operands, gradients)
    arrays = [x.detach() if backend is TORCH else x.detach().numpy() for x in (*values, *gradients)]
    derived = differentiate_plan(plan, arrays[len(values) :], arrays[: len(values)], backend)
    for one, two in zip(derived, expected, strict=True):
        assert np.allclose(np.asarray(one), two.numpy(), atol=1e-10)
