"""Plans: the same numbers as one naive einsum, in pairwise steps, shared where terms share."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from einnet import EinNetError, EinPool, Plan, Symmetry, Term, linear_terms
from einnet.nn.backend import TORCH, run_plan
from einnet.plan import Cost, expand
from einnet.plan.plan import Result
from oracles.naive import naive_pool, naive_term
from strategies import SIZES, TYPES, terms_of

TYPE = st.sampled_from(TYPES).map(Symmetry)


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


@given(st.data())
def test_a_plan_computes_its_terms(data):
    symmetry = data.draw(TYPE)
    terms = data.draw(st.lists(terms_of(symmetry), min_size=1, max_size=3))
    x = numbers(*(SIZES[c] for c in symmetry.axes), sum(t.order for t in terms))
    pool = EinPool(terms, Symmetry.of(symmetry.axes, symmetry.dependencies), normalize=None)
    expected = naive_pool(terms, x, symmetry)
    assert np.allclose(pool(torch.from_numpy(x)).numpy(), expected, rtol=1e-10, atol=1e-10)
    for step in pool.plan.steps:
        assert len(step.operands) <= 2 or step.loop
        assert len(set(step.output)) == len(step.output)
    assert pool.plan.largest.degree <= len(symmetry.axes)


@given(st.data())
def test_terms_that_read_the_same_inputs_compute_the_same(data):
    """Shared steps must not confuse values: operands are drawn from two tensors."""
    symmetry = Symmetry(data.draw(st.sampled_from(["aa", "ab", "aab"])))
    terms = data.draw(st.lists(terms_of(symmetry, indices=2), min_size=1, max_size=6))
    sources = [[data.draw(st.integers(0, 1)) for _ in t.operands] for t in terms]
    shape = [SIZES[c] for c in symmetry.axes]
    slots = [numbers(1, *shape, seed=k) for k in (0, 1)]
    plan = Plan.make(terms, symmetry, sources=sources)
    compacts = run_plan(plan, [torch.from_numpy(x) for x in slots[: plan.input_count]])
    for term, source, compact, result in zip(terms, sources, compacts, plan.results, strict=True):
        got = expand(compact, result.axis_map, shape, TORCH).numpy()
        expected = naive_term(term, [slots[k] for k in source], shape)
        assert np.allclose(got, expected, rtol=1e-10, atol=1e-10)


@given(st.data())
def test_a_plan_between_two_types_computes_its_terms(data):
    source, target = (Symmetry(data.draw(st.sampled_from(["", "a", "aa", "ab", "aab"]))) for _ in range(2))
    terms = linear_terms(source, target)
    x = numbers(2, *(SIZES[c] for c in source.axes))
    shape = [SIZES[c] for c in target.axes]
    plan = Plan.make(terms, source, target, sources=[(0,)] * len(terms))
    for term, compact, result in zip(terms, run_plan(plan, [torch.from_numpy(x)]), plan.results, strict=True):
        assert np.allclose(
            expand(compact, result.axis_map, shape, TORCH).numpy(), naive_term(term, [x], shape), atol=1e-10
        )


def test_the_numbers_do_not_depend_on_the_sizes_that_the_path_was_found_for():
    plan = Plan.make(["ab,cb,cd->ad"], Symmetry("ab"))
    for a, b in [(1, 9), (9, 1), (40, 2), (0, 3)]:
        slots = [numbers(1, a, b, seed=k) for k in range(3)]
        (compact,) = run_plan(plan, [torch.from_numpy(x) for x in slots])
        got = expand(compact, plan.results[0].axis_map, [a, b], TORCH).numpy()
        assert np.allclose(got, naive_term(plan.terms[0], slots, [a, b]))


# --- structure -----------------------------------------------------------------------------------


def test_the_bridge_of_two_squares_never_has_more_than_two_indices():
    plan = Plan.make(["ab,dc,ae,ac,db->de"], Symmetry("aa"))
    assert max(len(s.output) for s in plan.steps) == 2
    assert plan.largest.degree == 2
    assert plan.flops.degree == 3


def test_shared_intermediates_are_computed_once():
    """Of the 15 maps of a relation from one tensor: rows, columns, diagonal, trace, total."""
    terms = linear_terms(Symmetry("aa"), Symmetry("aa"))
    plan = Plan.make(terms, Symmetry("aa"), sources=[(0,)] * 15)
    assert sorted(s.equation for s in plan.steps) == ["aa->", "aa->a", "ab->", "ab->a", "ab->b"]
    assert (
        len(Plan.make(terms, Symmetry("aa")).steps) == 15 - 2
    )  # from 15 tensors; the identity and the transpose need none


def test_a_contraction_that_two_terms_have_is_done_once_whatever_its_operands_order():
    plan = Plan.make(["ab,bc->ac", "bc,ab->ac"], Symmetry("aa"), sources=[(0, 1), (1, 0)])
    assert len(plan.steps) == 1
    assert len(Plan.make(["ab,bc->ac", "ab,bc->ac"], Symmetry("aa"), sources=[(0, 1), (1, 0)]).steps) == 2


def test_views_and_permutations_need_no_step():
    assert Plan.make(["ab->ab", "ab->ba"], Symmetry("aa")).steps == ()
    assert str(Plan.make(["ab->ab"], Symmetry("aa")).flops) == "0"
    assert str(Plan.make(["ab->ab"], Symmetry("aa")).largest) == "0"


def test_the_table():
    plan = Plan.make(["aa->aa", "ab->ac", "ab,bc->ac"], Symmetry("aaH"))
    assert (
        repr(plan)
        == plan.table()
        == (
            "plan of aa->aa  ab->ac  ab,bc->ac\n"
            " step  contraction  reads  FLOPs  size\n"
            "    4  aa->a        0          0     a\n"
            "    5  ab->a        1        a^2     a\n"
            "    6  ab,bc->ac    2, 3    2a^3   a^2\n"
            "FLOPs 2a^3 + a^2, largest intermediate a^2, per feature"
        )
    )


def test_the_cost_is_in_the_letters_of_the_type():
    plan = Plan.make(["ab,cb,cd->ad"], Symmetry("xy"))
    assert str(plan.flops) == "4x^2 y" or str(plan.flops) == "4x y^2"
    assert plan.flops.at({"x": 2, "y": 3}) in (48, 72)


def test_an_axis_map_says_which_axis_of_the_compact_result_stands_where():
    assert Result(0, ("a", "b"), ("b", "a")).axis_map == (1, 0)
    assert Result(0, (), ("a", "b", "a")).axis_map == (-1, -2, -1)
    assert Result(0, ("b",), ("b", "b", "c")).axis_map == (0, 0, -1)


@pytest.mark.parametrize("sources", [[(0,)], [(0, 1), (0,)], []], ids=["too short", "too many", "none"])
def test_sources_must_fit_the_operands(sources):
    with pytest.raises(EinNetError, match="sources"):
        Plan.make(["ab,bc->ac"], Symmetry("aa"), sources=sources)


def test_plans_compare_by_value():
    assert Plan.make(["a->ab"], "aH", "abH") == Plan.make([Term("a->ab")], Symmetry("a"), Symmetry("ab"))
    assert Plan.make(["ab->ba"], Symmetry("aa")) == Plan.make([Term("ab->ba")], Symmetry("aa"))
    assert Plan.make(["ab->ba"], Symmetry("aa")) != Plan.make(["ab->ab"], Symmetry("aa"))


# --- sparse types --------------------------------------------------------------------------------


def equations(*terms: str, types="a, [aa]", **options) -> list[str]:
    return [s.equation for s in Plan.make(terms, types, **options).steps]


def test_a_term_of_sparse_types_costs_what_its_pieces_cost():
    """A sum to the nodes, products on the edges, and a join for each cycle."""
    assert equations("[ab]->a", "[ab]->[cd]", "[ab]->[ba]") == ["[ab]->a", "[ab]->", "[ab]->[ba]"]
    assert equations("[ab],[bc],[cd],[de]->a")[1:] == ["[ab],b->a"] * 3
    assert equations("a,[ab],b->[ab]") == ["a,[ab]->[ab]", "a,[ba]->[ba]"]
    assert equations("[ab],[bc],[cd]->[ad]") == ["[ab],[bc],[cd]->[ad]"]
    assert len(equations("[ab],[bc],[ac],[cd],[ad]->[ad]")) == 4  # two triangles side by side, two products
    plan = Plan.make(["[ab],[bc],[ac],[cd],[ad]->[ad]"], "a, [aa]")
    assert "|[ab][ac][bc]|" in str(plan.flops) and "d" not in str(plan.flops)


def test_two_terms_share_the_sum_of_an_operand():
    assert equations("[ab],a->a", "[ab],b->b", sources=[(0, 1), (0, 2)])[:1] == ["[ab]->a"]
    assert equations("[ab]->a", "[ac],a->[ad]", sources=[(0,), (0, 1)]) == ["[ab]->a", "a,a->a"]


def test_the_compact_result_of_a_sparse_output():
    plan = Plan.make(["[ab]->[ac]", "a->[bb]", "a->[ba]", "[ab]->[aa]", "a,b->[ab]"], "a, [aa]")
    assert [(r.compact, r.axis_map, r.is_sparse) for r in plan.results] == [
        (("a",), (0, -1), False),
        ((), (-1, -1), False),
        (("a",), (-1, 0), False),
        (("a",), (0, 0), False),
        (("a", "b"), (0, 1), True),
    ]


def test_a_dense_type_lets_an_intermediate_be_dense():
    term = "[a0a1],[a1a2],[a2a3]->[a0a3]"
    assert equations(term, types="a, [aa], aa") == ["[ab],[bc]->ac", "[ab],ca->[cb]"]
    assert equations("a0a1,a1a2->[a0a2]", types="[aa], aa") == ["ab,bc->ac", "ab->[ab]"]


def test_costs_count_entries_and_matches():
    plan = Plan.make(["[ab],[bc]->[ac]"], "[aa]")
    assert str(plan.flops) == "2|[ab][ac][bc]|" and str(plan.largest) == "|[ab]|"
    assert plan.flops.at({"|[ab][ac][bc]|": 10}) == 20
    assert str(Plan.make(["[ab]->a", "[ab],[ab]->[ab]"], "a, [aa]").largest) == "|[ab]|"  # edges, not nodes
    assert str(Plan.make(["[a0b0],[b0c0]->[a0c0]"], "[ab], [bc], [ac]").flops) == "2|[a0b0][a0c0][b0c0]|"


def test_long_terms_of_sparse_types_have_plans():
    chain = ",".join(f"[a{k}a{k + 1}]" for k in range(60))
    assert len(Plan.make([chain + "->a0"], "a, [aa]").steps) == 60


# --- cost ----------------------------------------------------------------------------------------


def test_costs_add_and_print_as_polynomials():
    cost = Cost.of("bab", 2) + Cost.of("ab") + Cost.of("ba", 3) + Cost.of("", 7) + Cost.of("abb")
    assert str(cost) == "3a b^2 + 4a b + 7"
    assert cost.degree == 3
    assert cost.at({"a": 2, "b": 10}) == 600 + 80 + 7
    assert str(Cost()) == "0"
    assert str(Cost.of("a", 0)) == "0"
    assert str(Cost.of("")) == "1"


@given(st.lists(st.tuples(st.text("ab", max_size=3), st.integers(0, 5)), max_size=6))
def test_a_sum_of_costs_has_the_sum_of_their_values(parts):
    sizes = {"a": 3, "b": 5}
    costs = [Cost.of(m, c) for m, c in parts]
    total = sum(costs, Cost())
    assert total.at(sizes) == sum(c.at(sizes) for c in costs)
    assert total == sum(reversed(costs), Cost())
    assert Cost.of("ab") != Cost.of("aab")
