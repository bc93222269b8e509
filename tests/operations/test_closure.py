"""`generates`: against compositions made from below, and derivations that compute what they say."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from einnet import Symmetry, Term, generates, pooling
from einnet.errors import NotationError, ShapeError
from einnet.operations import Closure, Derivation
from einnet.terms import TypeSet, all_terms
from oracles.composition import canonical, compositions, row_of
from oracles.naive import naive_term, with_letters
from refusals import assert_limited, assert_refused

SIZES = {"a": 3, "b": 2, "c": 2, "i": 2, "x": 2, "j": 2, "y": 2}
CASES = {
    t: (k, {n: list(all_terms(t, n)) for n in range(1, k + 1)}) for t, k in {"ab": 5, "aa": 4, "ab; a->b": 4}.items()
}


def codes_of(terms: list[Term]) -> np.ndarray:
    return canonical(np.stack([row_of(t) for t in terms]), len(terms[0].output))


CODES = {t: {n: codes_of(terms) for n, terms in known.items()} for t, (_, known) in CASES.items()}


def check_derivation(program: Derivation, ops: list[Term], types, seed: int = 0) -> None:
    """Every step is of order 1 or one of the operations, and the result is the term times the factor, exactly."""
    type_set = TypeSet.of(types)
    rng = np.random.default_rng(seed)
    operands, output = type_set.types_of(program.term)
    arrays = [rng.integers(-3, 4, [SIZES[c] for c in t.axes]) for t in operands]
    sizes = {c: SIZES[c] for c in type_set.classes}
    for step in program.steps:
        type_set.types_of(step.term)
        assert step.term.order == 1 or step.term in ops
        assert len(step.sources) == step.term.order
    got = program.run(*arrays, sizes=sizes)
    naive = naive_term(with_letters(program.term), [x[None] for x in arrays], [SIZES[c] for c in output.axes])[0]
    factor = np.prod([SIZES[c] for c in program.factor], dtype=int)
    assert got.dtype == np.int64
    assert np.array_equal(got, naive * factor)
    assert np.array_equal(program.reference(*arrays, sizes=sizes), got)  # what a user compares with
    assert sorted(s for step in program.steps for s in step.sources if s[0] == "x") == sorted(
        f"x{k}" for k in range(1, program.term.order + 1) if program.steps
    )


@pytest.mark.slow
@settings(max_examples=25)
@given(st.data())
def test_it_agrees_with_compositions_from_below(data):
    text = data.draw(st.sampled_from(list(CASES)))
    highest, known = CASES[text]
    ops = data.draw(
        st.lists(
            st.integers(2, highest).flatmap(lambda n: st.sampled_from(known[n])), min_size=1, max_size=3, unique=True
        )
    )
    reached = compositions(ops, Symmetry(text), highest)
    closure = Closure(ops, text)
    for order, terms in known.items():
        inside = np.isin(CODES[text][order], reached[order])
        chosen = range(len(terms)) if len(terms) < 1000 else data.draw(st.permutations(range(0, len(terms), 23)))
        for k in chosen:
            assert (terms[k] in closure) == inside[k], (ops, terms[k])
    for _ in range(3):
        order = data.draw(st.integers(1, highest))
        term = data.draw(st.sampled_from(known[order]))
        program = closure.derivation(term)
        assert (program is not None) == (term in closure)
        if program is not None:
            check_derivation(program, ops, text, data.draw(st.integers(0, 9)))


@pytest.mark.parametrize("text", ["ab", "aa", "ab; a->b"])
def test_the_minimal_set_derives_every_term(text):
    highest, known = CASES[text]
    derived = pooling(text, highest)
    closure = Closure(derived, text)
    for terms in known.values():
        for term in terms[:: 1 + len(terms) // 300]:
            program = closure.derivation(term)
            assert program is not None
            check_derivation(program, list(derived), text)


@pytest.mark.parametrize(
    ("types", "order"),
    [("ab", 7), ("aa", 7), ("abc", 3), ("aab", 3), ("aaa", 3), ("abc; a->b", 5), (("ab", "aa", "bb"), 5)],
)
def test_each_operation_of_a_minimal_set_is_needed(types, order):
    derived = pooling(types, order)
    for op in derived:
        rest = [t for t in derived if t != op]
        assert op in Closure(derived, types)
        assert (op in Closure(rest, types)) == (op.order == 1)


# --- literally, from below ---------------------------------------------------------------------------


def test_the_minimal_set_of_matrices_literally_reaches_all_943_terms_of_order_5():
    derived = pooling("ab", 5)
    reached = compositions(list(derived), Symmetry("ab"), 5)
    assert [len(reached[k]) for k in (1, 2, 3, 4, 5)] == [4, 17, 65, 251, 943]
    assert set(reached[5]) == set(CODES["ab"][5])
    for op in derived:
        if op.order > 1:
            less = compositions([t for t in derived if t != op], Symmetry("ab"), 5)
            assert len(less[op.order]) < len(reached[op.order]), op


@pytest.mark.slow
def test_the_minimal_set_of_relations_literally_reaches_all_52505_terms_of_order_5():
    """The set of order 2 makes 52,489; the 16 that it lacks are the orientations of the bridge."""
    ops = pooling("aa", 5).by_order
    reached = compositions(list(ops[2]), Symmetry("aa"), 5)
    assert [len(reached[k]) for k in (1, 2, 3, 4, 5)] == [15, 117, 877, 6719, 52489]
    bridge = compositions(list(ops[5]), Symmetry("aa"), 5)[5]  # of the bridge and order-1 operations
    assert len(np.union1d(reached[5], bridge)) == 52505
    missing = np.setdiff1d(bridge, reached[5])
    assert len(missing) == 16
    closure = Closure(ops[2], "aa")
    turned = [t for t in all_terms("aa", 5) if len(t.indices) == 4 and not any(len(set(e)) < 2 for e in t.operands)]
    lacking = [t for t in turned if t not in closure]
    assert set(codes_of(lacking)) == set(missing)
    for op in ops[2]:
        less = compositions([t for t in ops[2] if t != op], Symmetry("aa"), 2)
        assert len(less[2]) < 117


# --- sets of several types -------------------------------------------------------------------------


@pytest.mark.parametrize("types", [("ab", "aa", "bb"), ("a", "aa"), ("a", "ab", "b"), ("ab; a->b", "a")], ids=str)
def test_terms_of_a_type_set_are_derived_through_its_other_types(types):
    derived = pooling(types, 3)
    closure = Closure(derived, types)
    terms = list(all_terms(types, 3))
    for term in terms[:: 1 + len(terms) // 150]:
        program = closure.derivation(term)
        assert program is not None
        check_derivation(program, list(derived), types)


def test_message_passing_is_a_matrix_product():
    program = generates(["a0a1,a1a2->a0a2"], "a,ab->b", ("a", "aa"))
    check_derivation(program, [Term("a0a1,a1a2->a0a2")], ("a", "aa"))
    assert generates(["a,a->a"], "a,ab->b", ("a", "aa")) is None


# --- what it prints, what it refuses -----------------------------------------------------------------


def test_a_program_is_printed_with_its_factor():
    program = generates(["a0b0,a0b0->a0b0"], "a0,a0->a0", ("a", "ab"))
    check_derivation(program, [Term("a0b0,a0b0->a0b0")], ("a", "ab"))
    assert program.factor == ("b",)
    lines = str(program).splitlines()
    assert lines[0] == "a0,a0->a0"
    assert lines[1:3] == ["  y1 = a0->a0b0         (x1)", "  y2 = a0->a0b0         (x2)"]
    assert lines[-1] == "  y4 is the term times n_b"
    assert str(generates([], "ab->ab", "ab")) == "ab->ab\n  x1"


@pytest.mark.parametrize(
    ("ops", "term", "steps"),
    [
        (["ab,bc->ac"], "ab,ca->cb", ["ab,bc->ac"]),
        (["ab,bc->ac"], "ab,cb->ad", ["ab->ba", "ab,bc->ac", "ab->ac"]),
        (["ab,bc->ac", "ab,ab->ab"], "ab,bc,ac->ac", ["ab,bc->ac", "ab,ab->ab"]),
        (["ab,ab->ab"], "ab,cd->ef", ["ab->cd", "ab,ab->ab", "ab->cd"]),
    ],
)
def test_programs_are_short_and_without_needless_factors(ops, term, steps):
    program = generates(ops, term, "aa")
    assert [str(s.term) for s in program.steps] == steps
    assert program.factor == ()


def test_both_parts_of_a_split_must_be_composed():
    assert generates(["ab,ab->ab"], "ab,bc,bc->ac", "aa") is None  # the product is, what reads it is not
    assert generates(["ab,ab->ab", "ab,bc->ac"], "ab,bc,bc->ac", "aa") is not None


def test_an_order_1_term_is_its_own_program():
    program = generates([], "ab->cc", "aa")
    assert [(str(s.term), s.sources) for s in program.steps] == [("ab->cc", ("x1",))]
    check_derivation(program, [], "aa")


def test_large_numbers_stay_exact():
    program = generates(["ab,ab->ab"], "ab,ab->ab", "ab")
    big = np.array([[2**30, 3**19]])
    assert program.run(big, big).tolist() == [[2**60, 3**38]]


@pytest.mark.parametrize(
    ("ops", "term", "types", "phrase", "caret"),
    [
        (["ab,bc->ac"], "ab,ab->ab", "ab", "index 'b'", (3, 5)),
        (["ab,ab->ab"], "ab,bc->ac", "ab", "index 'b'", (3, 5)),
        (["ab,ab->ab"], "abc->abc", "ab", "3 indices", (0, 3)),
        (["ab,ab->ab"], "ab,ab->ab", ("ab", "aa"), "types ab, aa", (0, 2)),
    ],
)
def test_terms_that_are_not_of_the_type_set(ops, term, types, phrase, caret):
    assert_refused(lambda: generates(ops, term, types), NotationError, phrase, caret=caret)


def test_one_operation_alone_and_what_is_none():
    assert str(generates("ab,bc->ac", Term("ab,bc->ac"), "aa")) == str(generates(["ab,bc->ac"], "ab,bc->ac", "aa"))
    for ops, term, phrase in ((5, "ab->ab", "terms .*got 5"), ([5], "ab->ab", "got 5"), ([], None, "got None")):
        with pytest.raises(TypeError, match=phrase):
            generates(ops, term, "aa")
    with pytest.raises(TypeError, match="got 5"):
        generates([], "ab->ab", 5)


def test_scalars_and_truth_values():
    assert generates([",->"], ",->", "").run(3, 2) == 6
    assert generates(["a0,a0->a0"], "a0,->", ("a", "")).run([1, 2], 3) == 9
    program = generates(["ab,bc->ac"], "ab,bc->ac", "aa")
    assert program.run(np.ones((2, 2), bool), np.ones((2, 2), bool)).tolist() == [[2, 2], [2, 2]]


def test_symmetric_terms_are_no_harder():
    term = ",".join(f"{a}{b},{a}{b}" for a, b in ("ab", "cd", "ef", "gh", "ij")) + "->kl"
    program = generates(["ab,ab->ab"], term, "aa")
    assert sum(s.term.order for s in program.steps if s.term.order > 1) == 2 * 9
    star = ",".join(f"a{b},a{b}" for b in "bcdefghi") + "->ab"
    assert star in Closure(["ab,ab->ab"], "aa")


def test_arrays_that_do_not_fit():
    program = generates(["ab,ab->ab"], "ab,ab->ab", "ab")
    x = np.ones((2, 3), int)
    with pytest.raises(ShapeError, match="'ab, ab -> ab' has 2 inputs, got 1"):
        program.run(x)
    with pytest.raises(ShapeError, match="x2 of type 'ab' has size 4 on axis 'b', x1 has size 3"):
        program.run(x, np.ones((2, 4), int))
    with pytest.raises(ShapeError, match=r"x1 of type 'ab' needs at least 2 axes .*, got shape \(2,\)"):
        program.run(np.ones(2), x)
    embed = generates([], "a0->a0b0", ("a", "ab"))
    with pytest.raises(ShapeError, match="has the axis 'b': pass sizes={'b': ...}"):
        embed.run(np.ones(3))
    assert embed.run(np.ones(3), sizes={"b": 2}).shape == (3, 2)
    with pytest.raises(ShapeError, match="the size of axis 'b' must be 0 or more, got -1"):
        embed.run(np.ones(3), sizes={"b": -1})
    with pytest.raises(ShapeError, match="sizes names 'z'"):
        embed.run(np.ones(3), sizes={"b": 2, "z": 2})
    for wrong in (True, "x", 1.5):
        with pytest.raises(TypeError, match="the size of axis 'b' must be a whole number"):
            embed.run(np.ones(3), sizes={"b": wrong})
    for wrong in (5, [("b", 2)]):
        with pytest.raises(TypeError, match="sizes must be a dict from axes to numbers"):
            embed.run(np.ones(3), sizes=wrong)


@pytest.mark.parametrize(("limit", "number"), [("derived_operands", 3), ("diagonals", 5)])  # abc, aac, abb, aba, aaa
def test_a_limit_is_the_largest_number_that_is_accepted(limit, number):
    assert_limited(lambda: generates(["ab,bc->ac"], "ab,bc,cd->ad", "aa"), limit, number)
