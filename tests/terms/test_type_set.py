"""`TypeSet`: one type or several, which type each tuple of a term has, and what is refused."""

import pytest

from einnet import EinNetError, Symmetry, Term
from einnet.errors import NotationError
from einnet.terms import TypeSet
from refusals import assert_refused


def test_a_type_set_is_read_from_types_and_their_notation():
    assert TypeSet.of("aaH") == TypeSet.of(Symmetry("aa")) == TypeSet.of(["bbH"]).canonical()
    assert TypeSet.of("ab, aa") == TypeSet.of(("abH", Symmetry("aa"))) == TypeSet.of(("xy", "xx")).canonical()
    assert TypeSet.of("ab, a; a->b") == TypeSet.of(("ab; a->b", "a"))
    assert str(TypeSet.of(("abH; a->b", "a"))) == "ab, a; a->b"
    assert str(TypeSet.of(("a", "[aa]H", "aa"))) == str(TypeSet.of("a, [aa], aa")) == "a, [aa], aa"
    assert len(TypeSet.of(("aa", "[aa]", "[aa]H")).types) == 2
    assert TypeSet.of(TypeSet.of("ab")) == TypeSet.of("ab")
    assert TypeSet.of(("ab", "ab")) == TypeSet.of("ab")
    assert hash(TypeSet.of("ab, aa")) == hash(TypeSet.of(["ab", "aaH"])) and TypeSet.of("ab, aa") != TypeSet.of(
        "xy, xx"
    )


@pytest.mark.parametrize(
    ("one", "two"),
    [(("ab", "aa"), ("ab", "bb")), ("ab", "aa"), ("ab; a->b", "ab"), (("a", "aa"), ("aa", "a")), ("aa", "[aa]")],
)
def test_type_sets_that_differ(one, two):
    assert TypeSet.of(one).canonical() != TypeSet.of(two).canonical()


def test_types_of_one_shape_over_different_axes_are_told_apart():
    type_set = TypeSet.of(("ab", "aa", "bb"))
    operands, output = type_set.types_of(Term("b0b1,a0b1->a0b0"))
    assert list(map(str, operands)) == ["bb", "ab"] and str(output) == "ab"


@pytest.mark.parametrize(
    ("types", "term", "results"),
    [
        (("a", "aa"), "a,ab->b", "a aa a"),
        (("a", "aa"), "a0,a0a1->a1", "a aa a"),
        (("ab", "aa", "bb"), "a0b0,a1b0->a0a1", "ab ab aa"),
        (("ab; a->b", "a"), "ab,a->ab", "ab; a->b a ab; a->b"),
        (("a", "[aa]"), "b,[ba]->a", "a [aa] a"),
        (("aa", "[aa]"), "[ab],bc->[ac]", "[aa] aa [aa]"),
        (("a", "[ab]"), "[a0b0],a1->[a0b0]", "[ab] a [ab]"),
        (("ab", "[ab]", "[aa]"), "[a0b0],[a1b0]->[a0a1]", "[ab] [ab] [aa]"),
        ("[aa]", "[ab],[bc]->[ac]", "[aa] [aa] [aa]"),
        ("ab", "ab,cb->ab", "ab ab ab"),
        ("ab", "a0b0,a1b0->a0b0", "ab ab ab"),
    ],
)
def test_the_type_of_each_tuple(types, term, results):
    operands, output = TypeSet.of(types).types_of(Term(term))
    assert " ".join(map(str, (*operands, output))) == results


@pytest.mark.parametrize(
    ("types", "term", "phrase", "caret"),
    [
        (("ab", "aa"), "ab,cb->ac", "types ab, aa", (0, 2)),
        (("a", "aa"), "abc->a", "types a, aa", (0, 3)),
        (("ab", "aa"), "b0a0->a0b0", "types ab, aa", (0, 4)),
        (("a", "ab; a->b"), "ab,cb->a", "'a' and with 'c'", (3, 5)),
        (("a", "[aa]"), "b,ba->a", "'ba' has none of the types a, [aa]", (2, 4)),
        (("aa", "[aa]"), "ab->[a]", "'[a]' has none of the types", (4, 7)),
        ("[aa]", "[ab],ba->[ab]", "'ba' has no brackets", (5, 7)),
    ],
)
def test_a_tuple_that_has_no_type_or_several(types, term, phrase, caret):
    state = TypeSet.of(types)
    assert_refused(lambda: state.types_of(Term(term)), NotationError, phrase, caret=caret)


def test_a_class_has_one_parent_in_all_types():
    assert_refused(lambda: TypeSet.of(("ab; a->b", "ab")), EinNetError, "'ab; a->b'", "'ab'", "same parent")
    with pytest.raises(EinNetError, match="at least one type"):
        TypeSet.of(())
    with pytest.raises(NotationError, match="'B'"):
        TypeSet.of("a, aB")


def test_the_class_of_each_index():
    types = TypeSet.of(("ab", "a"))
    assert types.classes_of(Term("ij,kj->i")) == {"i": "a", "j": "b", "k": "a"}
    assert types.with_typed_indices(Term("ij,kj->i")) == Term("a0b0,a1b0->a0")
