"""`pooling`: a set by order, its table, and what it refuses."""

import time
from collections import Counter
from pathlib import Path

import networkx as nx
import pytest

from einnet import EinNetError, Plan, Symmetry, Term, pooling
from einnet.cli import main
from einnet.operations import Closure
from einnet.operations.catalogue import ORDERS, compute_operations
from einnet.operations.recipe import recipe
from einnet.plan.path import cost_exponent
from einnet.terms import TypeSet

NUMBERS = {  # as in docs/pooling.md, from order 2 on
    "a": (1, 0, 0, 0, 0, 0, 0), "ab": (1, 1, 0, 2, 0, 5, 5), "aa": (2, 0, 0, 1, 0, 2, 5), "abc": (1, 7, 20),
    "aab": (2, 5, 20), "aaa": (2, 4, 13), "ab; a->b": (1, 0, 0, 0, 0, 0, 0), "abc; a->b": (1, 2, 0, 6),
    "abc; a->b, b->c": (1, 0, 0, 0, 0, 0, 0), "abc; a->b, a->c": (1, 1, 0, 2), "ixjyc; i->x, j->y": (1, 24),
}  # fmt: skip


@pytest.mark.parametrize("text", NUMBERS)
def test_the_numbers_of_the_documentation(text):
    result = pooling(text, len(NUMBERS[text]) + 1)
    assert tuple(len(result.by_order[k]) for k in range(2, result.order + 1)) == NUMBERS[text]
    assert len(result) == len(result.terms) == len(result.by_order[1]) + sum(NUMBERS[text])


def test_the_documentation_has_the_stages_of_the_recipe():
    page = (Path(__file__).parents[2] / "docs" / "pooling.md").read_text()
    five = {"ab": (943, 943, 146, 146, 22), "aa": (52505, 52505, 9699, 523, 202)}  # aa: tested below
    for text, last in five.items():
        rows = [*(STAGES[text][k] for k in (3, 4)), last]
        totals, _, products, _, broadcasts = (", ".join(map(str, column)) for column in zip(*rows, strict=True))
        line = next(row for row in page.splitlines() if row.startswith(f"| `{text}` | {totals} |"))
        assert f" | {products} | " in line and f" | {broadcasts} | " in line


def test_the_documentation_has_these_numbers():
    page = (Path(__file__).parents[2] / "docs" / "pooling.md").read_text()
    for text, numbers in NUMBERS.items():
        cells = [*map(str, numbers), *["-"] * (7 - len(numbers))]
        assert f"| `{text}` | {' | '.join(cells)} |\n" in page


STAGES = {  # unique terms, with dependencies, no pointwise products, no swaps, no broadcasts
    "ab": {2: (17, 17, 8, 8, 1), 3: (65, 65, 17, 17, 1), 4: (251, 251, 50, 50, 5), 5: (943, 943, 146, 146, 22)},
    "aa": {3: (877, 877, 237, 46, 14), 4: (6719, 6719, 1436, 144, 50)},
    "ab; a->b": {2: (17, 9, 4, 4, 1)},
}


@pytest.mark.parametrize("text", STAGES)
def test_the_recipe_keeps_what_the_source_text_says(text):
    result = pooling(text, max(STAGES[text]), method="recipe")
    for order, stages in STAGES[text].items():
        assert result.stages[order] == stages
        assert len({t.canonical() for t in result.by_order[order]}) == stages[-1]


def test_the_terms_of_the_recipe_can_be_read_twice():
    terms, _ = recipe(Symmetry("ab"), 3)
    assert [str(t) for t in terms] == [str(t) for t in terms] == ["ab,cd,cb->ad"]


@pytest.mark.slow
def test_the_recipe_at_order_5_of_relations():
    terms, stages = recipe(Symmetry("aa"), 5)
    assert stages == (52505, 52505, 9699, 523, 202)
    turned = {Term.of(map(sorted, t.operands), sorted(t.output)).canonical() for t in terms}
    assert any(nx.is_isomorphic(graph_of(t), nx.complete_graph(4)) for t in turned)


def graph_of(term: Term) -> nx.Graph:
    """The operands and the output as edges, a doubled edge as a loop more."""
    edges = [*term.operands, term.output]
    return nx.Graph([*edges, *((a, a) for (a, _), n in Counter(edges).items() if n > 1)])


def test_too_many_terms_for_the_recipe_are_refused():
    with pytest.raises(EinNetError, match="422,824"):
        pooling("aa", 6, method="recipe")
    with pytest.raises(EinNetError, match="method .*'table'"):
        pooling("aa", 2, method="table")


def test_features_and_letters_do_not_matter():
    assert pooling("xyH", 3).terms == pooling(Symmetry("ab"), 3).terms
    assert pooling("xyH", 3).symmetry == Symmetry("xy")
    assert str(pooling("xyH", 3)).startswith("xy: 5 operations")
    assert "kept by the recipe" in str(pooling("xy", 2, "recipe")) and "recipe" not in str(pooling("xy", 2))


@pytest.mark.parametrize(("text", "order", "seconds"), [("ab", 5, 1), ("aa", 4, 1), ("aa", 5, 20), ("ab", 7, 60)])
def test_it_is_quick_without_the_catalogue_too(text, order, seconds):
    start = time.process_time()
    for k in range(1, order + 1):
        compute_operations(TypeSet.of(text), k)
    assert time.process_time() - start < seconds
    start = time.process_time()
    pooling(text, order)
    assert time.process_time() - start < 1


# --- sets of several types -----------------------------------------------------------------------

MATRIX = ("ab", "aa", "bb")  # a matrix with a relation over its rows and one over its columns


def test_the_typed_bridges_of_a_matrix_with_relations():
    result = pooling(MATRIX, order=5)
    assert [len(result.by_order[k]) for k in (2, 3, 4, 5)] == [9, 0, 0, 9]
    assert {graph_of(t).number_of_nodes() for t in result.by_order[5]} == {4}
    assert len({t.canonical() for t in result}) == len(result)


def test_einsums_of_matrices_need_no_bridge_up_to_order_6():
    result = pooling(MATRIX, order=6, targets="ab")
    assert [len(result.by_order[k]) for k in range(2, 7)] == [7, 0, 0, 0, 0]
    goals = [TypeSet.of("ab").with_typed_indices(t) for k in range(2, 7) for t in pooling("ab", 6).by_order[k]]
    assert all(map(Closure(result, MATRIX).__contains__, goals))
    for op in result.by_order[2]:
        rest = Closure([t for t in result if t != op], MATRIX)
        assert not all(map(rest.__contains__, goals)), op


def test_at_order_7_a_bridge_between_the_types_is_needed():
    result = pooling(MATRIX, order=7, targets="ab")
    assert [len(result.by_order[k]) for k in range(2, 8)] == [7, 0, 0, 3, 0, 0]
    two = [t for k in (1, 2) for t in pooling(MATRIX, 5).by_order[k]]
    goals = [TypeSet.of("ab").with_typed_indices(t) for t in pooling("ab", 7).by_order[7]]
    assert [t in Closure(two, MATRIX) for t in goals].count(False) == 3
    assert all(t in Closure(result, MATRIX) for t in goals)


def test_targets_are_types_of_the_type_set():
    assert pooling("ab", 5, targets="ab").by_order == pooling("ab", 5).by_order
    with pytest.raises(EinNetError, match="'bb'"):
        pooling(("ab", "aa"), 3, targets="bb")
    for types, targets in ((("a", "aa"), None), ("aa", "aa")):
        with pytest.raises(EinNetError, match="recipe"):
            pooling(types, 2, method="recipe", targets=targets)
    with pytest.raises(EinNetError, match="types a, aa"):
        pooling(("a", "aa"), 2).symmetry  # noqa: B018


def test_sets_are_values():
    assert {pooling("aa", 3), pooling("aaH", 3)} == {pooling("aa", 3)}
    assert pooling("aa", 3) != pooling("aa", 3, max_exponent=2)


# --- cost ------------------------------------------------------------------------------------------


def test_operations_that_cost_more_are_left_out_and_named():
    result = pooling("aa", 5, max_exponent=3)
    assert [str(t) for t in result.left_out] == ["ab,ac,bc,bd,cd->ad"]
    assert {*result, *result.left_out} == set(pooling("aa", 5))
    assert str(result).splitlines()[-2:] == ["5  none kept", "left out: ab,ac,bc,bd,cd->ad (n^4)"]
    assert pooling("aa", 5, max_exponent=4).left_out == ()
    assert [t.order for t in pooling("aa", 5, max_exponent=2)] == [1, 1, 1, 1, 2]
    assert [t.order for t in pooling("aa", 5, max_exponent=1)] == [1, 1, 1, 1]  # order 1 stays
    for wrong, error in ((2.5, TypeError), (0, EinNetError), (-1, EinNetError), (True, TypeError)):
        with pytest.raises(error, match=f"got {wrong}"):
            pooling("aa", 5, max_exponent=wrong)


@pytest.mark.parametrize("text", ORDERS)
def test_the_exponent_is_that_of_the_plan(text):
    for term in list(pooling(text, min(ORDERS[text], 5)))[:60]:
        if term.order > 1:
            assert cost_exponent(term) == Plan.make([term], text).flops.degree


@pytest.mark.parametrize(("order", "error"), [(0, EinNetError), (-1, EinNetError), (2.5, TypeError), (True, TypeError)])
def test_an_order_that_is_none_is_refused(order, error):
    with pytest.raises(error, match="order .*got"):
        pooling("ab", order)


def test_wrong_input_at_the_command_line(capsys):
    assert main(["pool", "aB"]) == 2
    assert "'B'" in capsys.readouterr().err


def test_derivations_and_type_sets_at_the_command_line(capsys):
    assert main(["pool", "ab", "--order", "3", "--derive", "ab,cb,cd,ed,ef->af"]) == 0
    assert capsys.readouterr().out.splitlines()[1:] == [
        "  y1 = ab,cb,cd->ad  (x1, x2, x3)", "  y2 = ab,cb,cd->ad  (y1, x4, x5)",
    ]  # fmt: skip
    assert main(["pool", "aa", "--order", "4", "--derive", "ab,ac,bc,bd,cd->ad"]) == 0
    assert capsys.readouterr().out.startswith("ab,ac,bc,bd,cd->ad: not composed of these operations\naa: 6 operations")
    bridge = ["pool", "aa", "--order", "5", "--max-exponent", "3", "--derive", "ab,ac,bc,bd,cd->ad"]
    assert main(bridge) == 0
    output = capsys.readouterr().out
    assert "not composed of these operations\naa: 6 operations cost n^3 at most" in output
    assert output.endswith("left out: ab,ac,bc,bd,cd->ad (n^4)\n")
    assert main(["pool", "ab, aa, bb", "--order", "4", "--targets", "ab", "--max-exponent", "3"]) == 0
    assert capsys.readouterr().out.startswith("ab, aa, bb: ")
    assert main(["pool", "ab, aa", "--targets", "bb"]) == 2
    assert "'bb'" in capsys.readouterr().err
