"""`TypeSet`: one type or several, which type each tuple of a term has, and what is refused."""

from collections import Counter
from itertools import permutations

import pytest

from annotations import assert_annotated
from einnet import EinNetError, Symmetry, Term
from einnet.errors import NotationError
from einnet.terms import TypeSet, all_terms, count_terms, linear_terms
from einnet.terms.automorphism import tie_weights
from einnet.terms.term import as_terms
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


SETS = [
    # types, letters, shapes of the largest dense types
    ("ab", "ab", ["ab"]),
    ("ba; a->b", "ab", ["ab"]),  # parents before children
    (("a", "aa"), "a", ["aa"]),
    (("ab", "aa", "bb"), "ab", ["ab", "aa", "bb"]),
    (("ab", "ba", "a"), "ab", ["ab"]),  # of equal shapes one
    (("cba; a->b, b->c", "a"), "abc", ["abc"]),
    (("a", "[aab]", "b"), "ab", ["a", "b"]),
    (("[aa]", "[ab]"), "ab", []),
    (("xab; a->b", "yx"), "xayb", ["xab", "yx"]),
]


@pytest.mark.parametrize(("types", "letters", "largest"), SETS, ids=str)
def test_the_letters_and_the_shapes_of_a_type_set(types, letters, largest):
    type_set = TypeSet.of(types)
    assert type_set.classes == tuple(letters)
    assert type_set.shapes == tuple(Counter(t.axes) for t in type_set.types)
    assert type_set.maximal == tuple(map(Counter, largest))
    assert type_set.has_sparse_types == any(t.is_sparse for t in type_set.types)
    assert type_set.has_several_types == (len(type_set.types) > 1)
    for c in letters:
        parents = {t.parent_of(c) for t in type_set.types if c in t.axes}
        assert type_set.parent_of(c) == parents.pop() and not parents
    for text in ("", "a", "b", "ab", "aab", "bb", "abc", "x"):
        fits = any(all(shape.count(c) >= text.count(c) for c in text) for shape in largest)
        assert type_set.fits(Counter(text)) is fits


@pytest.mark.parametrize("text", ["[aa]", "[aab]", "[aba]", "[ab]; a->b", "[aabb]", "[a]"])
@pytest.mark.parametrize("directed", [False, True])
def test_a_support_has_the_tuples_with_joint_axes_in_all_orders(text, directed):
    (symmetry,) = TypeSet.of(text).types
    tup = range(len(symmetry.axes))
    expected = {o for o in permutations(tup) if all(symmetry.axes[k] == symmetry.axes[m] for k, m in enumerate(o))}
    got = TypeSet.of(text, directed=directed).support_with(symmetry, tup)
    assert len(set(got)) == len(got) and got[0] == tuple(tup)
    assert set(got) == ({tuple(tup)} if directed else expected)


def test_a_set_is_directed_where_a_support_has_joint_axes():
    assert TypeSet.of("[aa]", directed=True) != TypeSet.of("[aa]") == TypeSet.of(TypeSet.of("[aa]"))
    assert (
        TypeSet.of(TypeSet.of("[aa]"), directed=True).directed
        and TypeSet.of("[aa]", directed=True).canonical().directed
    )
    for types in ("aa", "[ab]", ("aa", "[ab]"), "[a]"):
        assert TypeSet.of(types, directed=True) == TypeSet.of(types)
    with pytest.raises(TypeError, match="expected a type such as 'ab', or several, got 3"):
        TypeSet.of(3)


@pytest.mark.parametrize(
    "terms", ["ab->ba", Term("ab->ba"), ["ab->ba"], (Term("ab->ba"),), iter(["ab->ba"])], ids=lambda x: type(x).__name__
)
def test_terms_are_read_from_one_or_several_of_them_or_their_texts(terms):
    assert as_terms(terms) == [Term("ab->ba")]


def test_what_is_no_terms_is_refused():
    with pytest.raises(TypeError, match=r"expected terms such as \['ab,ab->ab', 'ab,bc->ac'\], got 3"):
        as_terms(3)


def test_index_maps_are_equal_by_value():
    one, two = (TypeSet.of("ab; a->b").index_map(Term(t)) for t in ("ij,ik->ij", "ij,ik->ik"))
    assert one == two and hash(one) == hash(two) and len({one, two}) == 1
    assert one != TypeSet.of("ab").index_map(Term("ij,ik->ij"))


CALLS = {
    "terms": lambda: [*all_terms(("a", "ab"), 2), *all_terms("[aa]", 1)],
    "counts": lambda: count_terms(("a", "aa"), 3),
    "linear": lambda: linear_terms("aab", "ab"),
    "classes": lambda: [TypeSet.of("ab; a->b").index_map(Term("ij,ik->ij")), Term("ab,cb->ab").classes(Symmetry("ab"))],
    "canonical": lambda: [Term(t).canonical() for t in ("ab,bc,cd,de,ef,fa->", "a1b0,a0b0->a0", "[ab],[bc]->[ac]")],
    "properties": lambda: [
        (t.order, t.indices, t.summed_indices, t.broadcast_indices, t.dense) for t in as_terms(["ab->bc"])
    ],
    "sets": lambda: [
        (s.shapes, s.maximal, s.classes, s.canonical()) for s in map(TypeSet.of, ("ab, a", "[aab]", "abc; a->b"))
    ],
    "typed": lambda: TypeSet.of("ab, aa").with_typed_indices(Term("a0b0,a1b0->a0a1")),
    "tied": lambda: tie_weights([Term("ab->ac"), Term("ab->cb"), Term("ab->cd")], Symmetry("ab"), "ba"),
    "many": lambda: Term(",".join(f"{a}{b}" for a, b in zip("abcdefgh", "bcdefgha", strict=True)) + "->").canonical(),
}


def test_functions_return_what_they_are_annotated_with():
    assert_annotated("einnet.terms", CALLS)
