"""The order of pairwise contractions, and the loops that keep intermediates small."""

import opt_einsum
import pytest

from einnet.plan.path import choose_loop, contraction_steps, find_path
from refusals import assert_limited

TERMS = [
    "ab,bc,cd->ad",
    "ab,ac,bc,bd,cd->ad",
    "ab,ac,bc,bd,be,cd,de->ae",
    "ab,ac,ad,bc,bd,ce,de->ae",
    "abc,bcd,cde->abe",
    "a,b,ab,bc->ac",
]


def parse(term: str) -> tuple[tuple[tuple[str, ...], ...], tuple[str, ...]]:
    left, right = term.split("->")
    return tuple(map(tuple, left.split(","))), tuple(right)


@pytest.mark.parametrize("term", TERMS)
def test_without_a_limit_the_path_costs_what_that_of_opt_einsum_does(term):
    operands, output = parse(term)

    def cost(path) -> float:
        shapes = [(32,) * len(t) for t in operands]
        return float(opt_einsum.contract_path(term, *shapes, shapes=True, optimize=path)[1].opt_cost)

    path = find_path(operands, output, rank=99)
    assert path is not None and cost(path) == pytest.approx(cost(find_path(operands, output)), rel=0.05)


@pytest.mark.parametrize("term", TERMS[1:4])
def test_one_loop_is_enough_for_the_bridge_and_the_wheels(term):
    operands, output = parse(term)
    loop = choose_loop(operands, output, 2)
    assert loop == ("b",)
    assert all(len(step.output) <= 2 for step in contraction_steps(operands, output, loop))


def test_where_no_path_is_narrow():
    operands, output = parse(TERMS[1])
    assert find_path(operands, output, rank=2) is None
    assert choose_loop(operands, output, 3) == ()


def test_a_search_for_a_loop_has_a_limit():
    """Of 5 operands and 4 indices: the path without a loop, and one for each loop over an index."""
    operands, output = parse(TERMS[1])
    assert_limited(lambda: choose_loop(operands, output, 2), "path_steps", 5 + 4 * 5)
