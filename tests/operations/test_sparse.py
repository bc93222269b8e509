"""Pooling operations of sparse types: the sets, their minimality, and derivations on irregular supports."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from einnet import EinNetError, Symmetry, Term, generates, pooling
from einnet.errors import ShapeError
from einnet.operations import Closure, pooling_terms
from einnet.operations.generators import generators
from einnet.terms import TypeSet, all_terms
from oracles.composition import canonical, compositions, row_of
from oracles.sparse import (
    count_rooted_graphs,
    count_rooted_orientations,
    is_composed,
    order_1_matrices,
    random_supports,
)

DIRECTED = TypeSet.of("[aa]", directed=True)
TYPES = [
    TypeSet.of(t) for t in ("[aa]", "[ab]", "[ab]; a->b", ("a", "[aa]"), ("a", "b", "[ab]"), ("a", "[ab]; a->b"))
]  # fmt: skip
TYPES += [DIRECTED, TypeSet.of(("a", "[aa]"), directed=True)]
NUMBERS = {  # of operations of order 2 and more, as in docs/pooling.md; their products first
    "[aa]": (2, 1, 1, 3, 7, 21), "[ab]": (1, 1, 0, 3, 0, 12), "[ab]; a->b": (1, 0, 0, 0, 0, 0),
    "a, [aa]": (3, 1, 1, 3, 7, 21), "a, b, [ab]": (3, 1, 0, 3, 0, 12), "a, [ab]; a->b": (2, 0, 0, 0, 0, 0),
}  # fmt: skip


def name(type_set: TypeSet) -> str:
    return f"{type_set}{', directed' * type_set.directed}"


# --- the sets ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", NUMBERS)
def test_the_numbers_of_the_documentation(text):
    highest = 6 if text == "[aa]" else 5
    result = pooling(text, highest)
    assert tuple(len(result.by_order[k]) for k in range(2, highest + 1)) == NUMBERS[text][: highest - 1]
    assert len({t.canonical() for t in result}) == len(result)
    for term in result:
        result.type_set.types_of(term)


@pytest.mark.parametrize(
    "order", [2, 3, 4, 5, pytest.param(6, marks=pytest.mark.slow), pytest.param(7, marks=pytest.mark.slow)]
)
def test_beyond_products_the_operations_are_graphs_without_separating_cliques(order):
    for text, is_bipartite in (("[aa]", False), ("[ab]", True)):
        terms = [t for t in pooling(text, order).by_order[order] if len(set(t.operands)) > 1]
        assert len(terms) == count_rooted_graphs(order + 1, is_bipartite)


def test_directed_operations_are_the_orientations():
    result = pooling("[aa]", 5, directed=True)
    assert [len(result.by_order[k]) for k in range(1, 6)] == [8, 1 + 4, 2**3, 2**4, 2**5 + 40 + 2**4]
    assert [count_rooted_orientations(k + 1) for k in (2, 3, 4, 5)] == [4, 8, 16, 88]
    assert {str(t.dense) for t in result.by_order[2]} == {
        "ab,ab->ab", "ab,ac->bc", "ab,bc->ac", "ab,bc->ca", "ac,bc->ab"
    }  # fmt: skip
    assert str(result).startswith("[aa], directed: 125 operations")
    assert pooling("aa", 3, directed=True) == pooling("aa", 3)  # without brackets there is no support
    assert pooling("[ab]", 3, directed=True) == pooling("[ab]", 3)


def test_the_operations_of_two_types_are_those_of_the_sparse_one_and_a_product():
    assert [str(t) for t in pooling(("a", "[aa]"), 3)] == [
        "a0->a0", "a0->a1", "[a0a1]->[a0a1]", "[a0a1]->[a1a0]", "[a0a0]->[a0a0]", "a0->[a0a1]", "[a0a1]->a0",
        "a0,a0->a0", "[a0a1],[a0a1]->[a0a1]", "[a0a1],[a1a2]->[a0a2]", "[a0a1],[a1a2],[a2a3]->[a0a3]",
    ]  # fmt: skip


def test_a_dense_type_of_the_same_axes_leaves_its_operations():
    dense, mixed = pooling("aa", 5), pooling(("aa", "[aa]"), 5)
    for k in (2, 3, 4, 5):
        assert len(mixed.by_order[k]) == len(dense.by_order[k])
        assert not any(b for t in mixed.by_order[k] for b in t.brackets)


def test_three_axes():
    assert len(pooling("[abc]", 2).by_order[2]) == 4
    nested = pooling(("[ab]; a->b", "[abc]; a->b, b->c"), 4)
    assert [len(nested.by_order[k]) for k in (2, 3, 4)] == [2, 0, 0]
    for types in ("[aab]", ("[ab]", "[ba]"), ("[ab]", "[abc]")):
        with pytest.raises(EinNetError, match=r"operations of the type set \[.* depend on the sparse tuple"):
            pooling(types, 2)


@pytest.mark.parametrize("types", TYPES, ids=name)
def test_the_default_set_is_order_1_and_products(types):
    terms = pooling_terms(types, symmetric=True)
    assert [t for t in terms if t.order == 1] == list(generators(types))
    assert all(t.order == 2 and t.operands == (t.output, t.output) for t in terms if t.order > 1)


def test_the_recipe_and_wrong_arguments():
    with pytest.raises(EinNetError, match="without brackets"):
        pooling("[aa]", 2, method="recipe")
    with pytest.raises(TypeError, match="directed must be True or False"):
        pooling("[aa]", 2, directed="yes")


def test_the_documentation_has_these_numbers():
    page = (Path(__file__).parents[2] / "docs" / "pooling.md").read_text()
    for text, numbers in NUMBERS.items():
        row = [len(generators(TypeSet.of(text))), *numbers]
        assert f"| `{text}` | {' | '.join(map(str, row))} |\n" in page
    for text in ("[aa]", "a, [aa]"):
        row = [len(pooling(text, 2, directed=True).by_order[k]) for k in (1, 2)]
        assert f"| `{text}`, directed | {row[0]} | {row[1]} | 8 | 16 | 88 | 540 | 3392 |\n" in page


# --- order 1 -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("types", TYPES, ids=name)
def test_products_of_the_generators_are_all_terms_of_order_1_and_each_is_needed(types):
    """Literally: as matrices on an irregular support, without factors."""
    sizes = {c: 7 - k for k, c in enumerate(types.classes)}
    terms = order_1_matrices(types, sizes, random_supports(types, sizes, np.random.default_rng(4)))
    by_matrix = {(s, t, m.tobytes()): term for term, (s, t, m) in terms.items()}
    assert len(by_matrix) == len(terms)

    gens = generators(types)
    products = {}
    for inner, (source, middle, m) in terms.items():
        for outer, (s, target, g) in ((t, terms[t]) for t in gens):
            products[inner, outer] = by_matrix.get((source, target, (g @ m).tobytes())) if s == middle else None

    def reach(gens):
        queue = list(gens)
        for inner in queue:  # which grows
            queue += {products[inner, outer] for outer in gens} - {None, *queue}
        return set(queue)

    assert reach(gens) == set(terms)
    for term in gens:
        if term.operands[0] != term.output or len(set(term.output)) < len(term.output):
            assert term not in reach([t for t in gens if t != term])


# --- minimality and sufficiency, literally -------------------------------------------------------------


@pytest.mark.parametrize("types", TYPES, ids=name)
def test_each_operation_is_needed_up_to_order_3(types):
    check_each_is_needed(types, 3)


@pytest.mark.slow
@pytest.mark.parametrize("types", TYPES, ids=name)
def test_each_operation_is_needed_up_to_order_5(types):
    check_each_is_needed(types, 5)


def check_each_is_needed(types: TypeSet, order: int) -> None:
    """No program of the rest, and of any operations of order 1, computes it; the set has a program for each."""
    ops = [t for t in pooling(types, order) if t.order > 1]
    for op in ops[:: 1 + len(ops) // 20]:
        rest = [t for t in ops if t != op]
        assert is_composed(ops, op, types)
        assert not is_composed(rest, op, types)
        assert op not in Closure(rest, types)


def orders_of(types: TypeSet) -> list:
    return types.support_with(types.types[0], (0, 1))


@pytest.mark.parametrize(("text", "highest", "number"), [("[aa]", 3, 877), ("[ab]", 4, 251)])
def test_the_set_literally_reaches_all_terms(text, highest, number):
    check_all_are_reached(TypeSet.of(text), highest, number)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("types", "highest", "number"), [("[aa]", 5, 52505), ("[ab]", 5, 943), (DIRECTED, 4, 6719)], ids=str
)
def test_the_set_literally_reaches_all_terms_of_higher_orders(types, highest, number):
    check_all_are_reached(TypeSet.of(types), highest, number)


def check_all_are_reached(types: TypeSet, highest: int, number: int) -> None:
    """From below: terms substituted into operations, where each result is stored at a tuple of the composed term."""
    ops = [t for t in pooling(types, highest) if t.order > 1]
    reached = compositions(ops, types.types[0], highest, orders_of(types))
    codes = canonical(np.stack([row_of(t) for t in all_terms(types, highest)]), 2)
    assert len(reached[highest]) == number
    assert set(reached[highest]) == set(codes)


@pytest.mark.parametrize("types", TYPES, ids=name)
def test_programs_of_the_set_compute_all_terms_of_order_2(types):
    ops = pooling(types, 2)
    terms = list(all_terms(types, 2))
    assert all(is_composed(list(ops), t, types) for t in terms[:: 1 + len(terms) // 20])


# --- closures and derivations ----------------------------------------------------------------------------


@pytest.mark.grid(stratum=lambda types: types.has_several_types)
@pytest.mark.parametrize("types", TYPES, ids=name)
@settings(max_examples=5)
@given(st.data())
def test_the_closure_of_any_operations_is_what_programs_compute(types, data):
    known = [t for k in (2, 3) for t in pooling(types, 3).by_order[k]] + list(all_terms(types, 2))
    ops = data.draw(st.lists(st.sampled_from(known), min_size=1, max_size=3, unique=True))
    closure = Closure(ops, types)
    order = data.draw(st.sampled_from([2, 3]))
    terms = list(all_terms(types, order))
    for term in data.draw(st.lists(st.sampled_from(terms), min_size=5, max_size=5)):
        assert (term in closure) == is_composed(ops, term, types), (ops, term)


def check_derivation(program, types: TypeSet, rng) -> None:
    """Every step is a term of the types, there is no factor, and the result is the term on an irregular support."""
    sizes = {c: 5 - k for k, c in enumerate(types.classes)}
    supports = random_supports(types, sizes, rng)
    operands, _ = types.types_of(program.term)
    arrays = [rng.integers(-3, 4, [sizes[c] for c in t.axes]) for t in operands]
    assert program.factor == ()
    for step in program.steps:
        types.types_of(step.term)
    results = program.run(*arrays, sizes=sizes, supports=supports)
    assert results.dtype == np.int64
    assert np.array_equal(results, evaluate_on_support(program.term, arrays, types, sizes, supports))


def evaluate_on_support(term: Term, arrays, types: TypeSet, sizes, supports) -> np.ndarray:
    """The definition: one einsum of masked arrays, masked."""
    operands, output = types.types_of(term)
    letters = {i: chr(97 + k) for k, i in enumerate(term.indices)}
    tuples = ["".join(letters[i] for i in t) for t in term.operands]
    inputs = [np.where(supports.get(s, True), x, 0) for s, x in zip(operands, arrays, strict=True)]
    for k, (i, c) in enumerate(zip(term.output, output.axes, strict=True)):
        tuples.append(letters[i] + chr(65 + k))
        inputs.append(np.eye(sizes[c], dtype=np.int64))
    result = np.einsum(",".join(tuples) + "->" + "".join(chr(65 + k) for k in range(len(term.output))), *inputs)
    return np.where(supports.get(output, True), result, 0)


@pytest.mark.grid(stratum=lambda types, order: (types, 1) if order < 3 else order)
@pytest.mark.parametrize("types", TYPES, ids=name)
@pytest.mark.parametrize("order", [1, 2, 3])
def test_every_term_is_derived_and_right_on_irregular_supports(types, order):
    closure, rng = Closure(pooling(types, order), types), np.random.default_rng(order)
    terms = list(all_terms(types, order))
    for term in terms[:: 1 + len(terms) // 25]:
        check_derivation(closure.derivation(term), types, rng)


@pytest.mark.slow
@pytest.mark.parametrize("types", TYPES, ids=name)
def test_every_term_of_order_4_is_derived(types):
    closure, rng = Closure(pooling(types, 4), types), np.random.default_rng(0)
    terms = list(all_terms(types, 4))
    for term in terms[:: 1 + len(terms) // 300]:
        check_derivation(closure.derivation(term), types, rng)


def test_empty_and_complete_supports():
    program = generates(pooling("[aa]", 3), "[ab],[bc],[cb]->[ad]", "[aa]")
    arrays = [np.arange(9).reshape(3, 3)] * 3
    for mask in (np.zeros((3, 3), bool), np.ones((3, 3), bool), np.eye(3, dtype=bool)):
        supports = {Symmetry("[aa]"): mask}
        expected = evaluate_on_support(program.term, arrays, program.type_set, {"a": 3}, supports)
        assert np.array_equal(program.run(*arrays, supports=supports), expected)
        assert np.array_equal(program.reference(*arrays, supports=supports), expected)


def test_dense_operations_are_no_substitute():
    """Cycles are compositions of matrix products only where every pair of nodes has a value."""
    dense = generates(["ab,bc->ac"], "ab,bc,cd->ad", "aa")
    assert [str(s.term) for s in dense.steps] == ["ab,bc->ac"] * 2
    assert generates(["[ab],[bc]->[ac]"], "[ab],[bc],[cd]->[ad]", "[aa]") is None
    path = generates(["[ab],[ab]->[ab]"], "[ab],[bc],[cd]->a", ("a", "[aa]"))  # nothing has to close
    assert path is not None and path.factor == ()


def test_a_directed_support_has_no_reverse():
    ops = pooling("[aa]", 2).terms
    cycle = "[ab],[bc]->[ca]"
    assert generates(ops, cycle, "[aa]") is not None
    assert generates(ops, cycle, "[aa]", directed=True) is None
    mask, x = np.triu(np.ones((3, 3), bool)), np.ones((3, 3), int)
    with pytest.raises(EinNetError, match="support of '.aa.' is not symmetric"):
        generates(ops, cycle, "[aa]").run(x, x, supports={"[aa]": mask})
    program = generates([cycle], cycle, "[aa]", directed=True)
    assert program.run(x, x, supports={"[aa]": mask}).tolist() == np.eye(3).tolist()


def test_supports_that_do_not_fit():
    program = generates([], "a->[ab]", ("a", "[ab]"))
    assert program.run([1, 2], supports={"[ab]": np.eye(2, 3, dtype=bool)}).tolist() == [[1, 0, 0], [0, 2, 0]]
    with pytest.raises(EinNetError, match=r"'\[ab\]' needs a support: pass supports={'\[ab\]': \.\.\.}"):
        program.run([1, 2], sizes={"b": 3})
    with pytest.raises(ShapeError, match="the support of '.ab.'.* has size 3 on axis 'a', x1 has size 2"):
        program.run([1, 2], supports={"[ab]": np.ones((3, 3))})


@pytest.mark.parametrize("types", ["[aa]", ("a", "[aa]"), ("a", "b", "[ab]"), ("a", "b", "[ab]", "[bb]")], ids=str)
def test_the_default_set_is_for_any_support(types):
    type_set = TypeSet.of(types)

    def name_all(terms):
        typed = (type_set.with_typed_indices(t) if type_set.has_several_types else t for t in terms if t.order == 1)
        return {t.canonical() for t in typed}

    assert name_all(pooling_terms(types)) == name_all(pooling(types, 1, directed=True))
