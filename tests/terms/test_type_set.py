"""`State`: one type or several, which type each tuple of a term has, and what is refused."""

import pytest

from einnet import EinNetError, Symmetry, Term
from einnet.errors import NotationError
from einnet.terms import State


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
    ("types", "term", "message"),
    [
        (("ab", "aa"), "ab,cb->ac", "'ab' could have the types ab, aa\n  ab,cb->ac\n  ^^\nIn a state of several types"),
        (("a", "aa"), "abc->a", "'abc' has none of the types a, aa\n  abc->a\n  ^^^\n"),
        (("ab", "aa"), "b0a0->a0b0", "'b0a0' has none of the types ab, aa"),
        (("a", "ab; a->b"), "ab,cb->a", "index 'b' of class 'b' occurs with 'a' and with 'c' of class 'a'"),
    ],
)
def test_a_tuple_that_has_no_type_or_several(types, term, message):
    with pytest.raises(NotationError) as error:
        State.of(types).types_of(Term(term))
    assert message in str(error.value)


def test_a_class_has_one_parent_in_all_types():
    with pytest.raises(EinNetError) as error:
        State.of(("ab; a->b", "ab"))
    assert str(error.value) == (
        "in the type 'ab; a->b' the class 'b' depends on 'a', in the type 'ab' it depends on nothing: "
        "in one state a class has one parent"
    )
    with pytest.raises(EinNetError, match="a state needs at least one type"):
        State.of(())
    with pytest.raises(NotationError, match="unknown letter 'B'"):
        State.of("a, aB")
