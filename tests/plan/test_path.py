"""The order of pairwise contractions, and the loops that keep intermediates small."""

import opt_einsum
import pytest

from einnet import EinNetError, Term
from einnet.plan.path import choose_loop, contraction_steps, cost_exponent, find_path, reduce_operands, split_by_cost
from einnet.plan.step import is_connected
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


# --- exponents -------------------------------------------------------------------------------------

EXPONENTS = {
    "->": 0, "a->a": 1, "ab->a": 2, "ab->ac": 2, "abc->c": 3, "ab,ab->ab": 2, "ab,bc->ac": 3, "a,b->ab": 2,
    "ab,bc,cd->ad": 3, "ab,ac,bc->": 3, "ab,ac,bc,bd,cd->ad": 4, "ab,ac,ad,bc,bd,cd->a": 4, "ab,cd->ad": 2,
    "aa->a": 1, "abc,abd,acd->bcd": 4, "ab,ab,ab->": 2, "ab->cde": 3,
}  # fmt: skip


@pytest.mark.parametrize("text", EXPONENTS)
def test_the_exponent_of_a_term_is_the_most_indices_of_a_step(text):
    assert cost_exponent(Term(text)) == EXPONENTS[text]


@pytest.mark.parametrize("exponent", [None, 1, 2, 3, 4])
def test_terms_are_split_by_their_exponent(exponent):
    terms = [Term(t) for t in EXPONENTS]
    cheap, costly = split_by_cost(iter(terms), exponent)
    assert {*cheap} | {*costly} == {*terms} and len(cheap) + len(costly) == len(terms)
    assert [t for t in terms if t in cheap] == [*cheap] and [t for t in terms if t in costly] == [*costly]
    for text, e in EXPONENTS.items():
        assert (Term(text) in cheap) == (exponent is None or e <= exponent or Term(text).order == 1)


def test_an_exponent_is_a_whole_number():
    with pytest.raises(EinNetError, match="max_exponent must be 1 or more, got 0"):
        split_by_cost([], 0)


def test_operands_are_reduced_to_what_others_need():
    operands, output = parse("aab,bcd,->ca")
    assert reduce_operands(operands, output) == [("a", "b"), ("b", "c"), ()]


@pytest.mark.parametrize(
    ("term", "expected"),
    [
        ("ab->ab", True), ("ab,bc->c", True), ("ab,cd->bc", True), ("ab,cd->ac", True), ("ab,cd->a", False),
        ("a->b", False), ("->", False), ("a->", False), ("ab,cd,de->ae", True), ("ab,cd,de->e", False),
        ("ab,ef,cd,bc->de", True), (",a->a", False),
    ],
)  # fmt: skip
def test_common_indices_connect_tuples(term, expected):
    operands, output = parse(term)
    assert is_connected((*operands, output)) is expected


@pytest.mark.parametrize("number", [1, 2, 3, 7, 8, 9, 10, 12])
def test_a_path_contracts_all_operands(number):
    operands = tuple((chr(97 + k), chr(98 + k)) for k in range(number))
    steps = contraction_steps(operands, (operands[0][0], operands[-1][1]))
    assert len(steps) == number - 1
    assert sorted(k for s in steps for k in (s.left, s.right)) == list(range(2 * (number - 1)))
    assert all(len(s.output) == 2 and len(s.indices) == 3 and s.left < s.right for s in steps)
    narrow = find_path(operands, ("a", operands[-1][1]), rank=2)
    assert (narrow is None) == (number > 9)
