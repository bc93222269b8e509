"""`State`: one type or several, which type each tuple of a term has, and what is refused."""

import pytest

from einnet import EinNetError, Symmetry, Term
from einnet.errors import NotationError
from einnet.terms import State
from refusals import assert_refused


def test_a_state_is_read_from_types_and_their_notation():
    assert State.of("aaH") == State.of(Symmetry("aa")) == State.of(["bbH"]).canonical()
    assert State.of("ab, aa") == State.of(("abH", Symmetry("aa"))) == State.of(("xy", "xx")).canonical()
    assert State.of("ab, a; a->b") == State.of(("ab; a->b", "a"))
    assert str(State.of(("abH; a->b", "a"))) == "ab, a; a->b"
    assert State.of(State.of("ab")) == State.of("ab")
    assert State.of(("ab", "ab")) == State.of("ab")
    assert hash(State.of("ab, aa")) == hash(State.of(["ab", "aaH"])) and State.of("ab, aa") != State.of("xy, xx")


@pytest.mark.parametrize(
    ("one", "two"), [(("ab", "aa"), ("ab", "bb")), ("ab", "aa"), ("ab; a->b", "ab"), (("a", "aa"), ("aa", "a"))]
)
def test_states_that_differ(one, two):
    assert State.of(one).canonical() != State.of(two).canonical()


def test_types_of_one_shape_over_different_axes_are_told_apart():
    state = State.of(("ab", "aa", "bb"))
    assert [state.number_of(t) for t in state.types] == [0, 1, 2]
    operands, output = state.types_of(Term("b0b1,a0b1->a0b0"))
    assert list(map(str, operands)) == ["bb", "ab"] and str(output) == "ab"


@pytest.mark.parametrize(
    ("types", "term", "found"),
    [
        (("a", "aa"), "a,ab->b", "a aa a"),
        (("a", "aa"), "a0,a0a1->a1", "a aa a"),
        (("ab", "aa", "bb"), "a0b0,a1b0->a0a1", "ab ab aa"),
        (("ab; a->b", "a"), "ab,a->ab", "ab; a->b a ab; a->b"),
        ("ab", "ab,cb->ab", "ab ab ab"),
        ("ab", "a0b0,a1b0->a0b0", "ab ab ab"),
    ],
)
def test_the_type_of_each_tuple(types, term, found):
    operands, output = State.of(types).types_of(Term(term))
    assert " ".join(map(str, (*operands, output))) == found


@pytest.mark.parametrize(
    ("types", "term", "phrase", "caret"),
    [
        (("ab", "aa"), "ab,cb->ac", "types ab, aa", (0, 2)),
        (("a", "aa"), "abc->a", "types a, aa", (0, 3)),
        (("ab", "aa"), "b0a0->a0b0", "types ab, aa", (0, 4)),
        (("a", "ab; a->b"), "ab,cb->a", "'a' and with 'c'", (3, 5)),
    ],
)
def test_a_tuple_that_has_no_type_or_several(types, term, phrase, caret):
    state = State.of(types)
    assert_refused(lambda: state.types_of(Term(term)), NotationError, phrase, caret=caret)


def test_a_class_has_one_parent_in_all_types():
    assert_refused(lambda: State.of(("ab; a->b", "ab")), EinNetError, "'ab; a->b'", "'ab'", "one parent")
    with pytest.raises(EinNetError, match="at least one type"):
        State.of(())
    with pytest.raises(NotationError, match="'B'"):
        State.of("a, aB")
