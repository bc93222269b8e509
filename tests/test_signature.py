"""What follows from a signature: its dense forms, the types of a network's state, types with features."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotations import assert_annotated
from docstrings import assert_examples_hold
from einnet import EinNetError, Signature, Symmetry
from einnet.errors import NotationError, ShapeError
from einnet.signature import (
    as_signature,
    describe_dense_form,
    hidden_type,
    hidden_types,
    parse_types,
    with_features,
)  # fmt: skip
from refusals import assert_refused
from strategies import symmetry_texts


@pytest.mark.parametrize("module", ["einnet.symmetry", "einnet.signature"])
def test_the_examples_of_a_module_hold(module):
    assert_examples_hold(module)


@pytest.mark.parametrize(
    ("text", "classes", "dense", "with_supports"),
    [
        ("bH, aaH -> cH", "bac", "bH, aaH -> cH", "bH, aaH -> cH"),
        ("[ba]H, aH -> [aa]H", "ba", "baH, aH -> aaH", "baH, aH, ba -> aaH"),
        ("[ab]H -> H; a->b", "ab", "abH -> H; a->b", "abH, ab -> H; a->b"),
        ("aH -> [aa]H", "a", "aH -> aaH", "aH -> aaH"),
        ("[aa], [ab] -> a", "ab", "aa, ab -> a", "aa, ab, aa, ab -> a"),
    ],
)
def test_the_dense_forms_of_a_signature(text, classes, dense, with_supports):
    signature = Signature(text)
    assert signature.classes == tuple(classes) and signature.types == (*signature.inputs, signature.output)
    assert signature.is_sparse == ("[" in text)
    assert signature.dense == Signature(dense) and signature.with_supports == Signature(with_supports)
    assert (form := signature.dense).dense is form and not form.is_sparse


def test_the_dependencies_of_other_letters_are_sorted():
    symmetry = Symmetry("abcd; c->d, b->c, a->b")
    assert str(symmetry.canonical()) == "abcd; a->b, b->c, c->d"
    assert str(symmetry.with_letters(dict(zip("abcd", "dcba", strict=True)))) == "dcba; b->a, c->b, d->c"


def test_a_shape_may_be_a_list_and_is_named_as_a_tuple():
    assert Symmetry("abH").sizes_of([2, 3, 4, 5]) == {"a": 3, "b": 4}
    for text, shape in (("abH", [2, 3]), ("aa", [2, 3])):
        assert_refused(lambda: Symmetry(text).sizes_of(shape), ShapeError, "(2, 3)")  # noqa: B023


def test_what_a_series_of_sparse_types_says():
    assert describe_dense_form(Signature("aaH -> aH")) == ""
    one_input, output = (describe_dense_form(Signature(t), "It is of") for t in ("[aa]H -> aH", "aH -> [aa]H"))
    assert one_input.startswith("It is of the dense form 'aaH -> aH', on") and "'aaH, aa -> aH'" in one_input
    assert "read on its support" in output.replace("\n", " ") and "indicator" not in output
    assert "read on its support" not in one_input.replace("\n", " ")
    assert max(map(len, one_input.splitlines())) <= 104


def test_sizes_without_batch_axes():
    signature = Signature("abH, a -> a")
    assert signature.bind([(2, 3, 4), (2,)], has_batch=False) == {"a": 2, "b": 3}
    assert signature.bind([(7, 2, 3, 4), {"a": 2}]) == {"a": 2, "b": 3}
    with pytest.raises(ShapeError, match=r"y of type 'a' has 1 axes, got shape \(5, 2\)"):
        signature.bind([(2, 3, 4), (5, 2)], names=["x", "y"], has_batch=False)


@pytest.mark.parametrize(("text", "name"), [("aaH -> aH", "the input"), ("aaH, aH -> aH", "input 1")])
def test_an_input_is_called_by_its_number_where_there_are_several(text, name):
    shapes = [(2, 3, 4), (2, 4)][: len(Signature(text).inputs)]
    assert_refused(lambda: Signature(text).bind(shapes), ShapeError, f"{name} of type 'aaH' has shape (2, 3, 4)")


def test_a_text_is_parsed_once():
    assert as_signature("aaH -> aH") is as_signature("aaH -> aH") == Signature("aaH -> aH")
    signature = Signature("aH")
    assert as_signature(signature) is signature
    with pytest.raises(TypeError, match="a signature must be a string"):
        as_signature(3)


def test_several_types_share_their_letters():
    assert parse_types("ab, aaH") == [Symmetry("ab"), Symmetry("aaH")]
    assert parse_types(" ab; a->b") == [Symmetry("ab; a->b")]
    assert parse_types("ab, a; a->b") == [Symmetry("ab; a->b"), Symmetry("a")]


# --- the types of a network's state ------------------------------------------------------------------

STATES = {
    "aH -> aH": "aH",
    "aH, aaH -> H": "aaH",
    "aaH, abH -> aH": "aabH",
    "aaH, bH -> abH": "aabH",
    "bH, aaH -> abH": "baaH",
    "aH -> abH": "aH",  # b is on no input
    "aH -> aaH": "aaH",
    "aH -> aabH": "aaH",
    "baH, abH -> aH": "baH",  # a type that is there comes before another order of its axes
    "H -> abH": "H",
    "a -> aa": "aa",  # as it is written
    "aH, abH -> aH; a->b": "abH; a->b",
    "bH, aH -> H": "baH",
    "[aa]H -> aH": "aH | [aa]H",
    "[ab]H, aH -> bH": "aH | bH | [ab]H",
    "aaH, [ab]H -> [ab]H": "aH | bH | aaH | [ab]H",
    "aH -> [aa]H": "aH | [aa]H",
    "[aa]H, [ab]H -> [aa]H": "aH | bH | [aa]H | [ab]H",
    "[abc]H -> H; a->b, b->c": "aH | abH; a->b | [abc]H; a->b, b->c",
    "[a]H -> aH": "[a]H",
    "aH, [bb]H -> bH": "aH | bH | [bb]H",
}


@pytest.mark.parametrize("text", STATES)
def test_the_state_of_a_network_by_default(text):
    state = hidden_types(Signature(text))
    assert " | ".join(map(str, state)) == STATES[text]
    if len(state) == 1:
        assert hidden_type(Signature(text)) == state[0]
    else:
        assert_refused(lambda: hidden_type(Signature(text)), EinNetError, "several types", str(state[0]))


@given(st.lists(symmetry_texts().filter(lambda t: "[" not in t and "->" not in t), min_size=1, max_size=4))
def test_one_dense_state_has_all_axes_of_the_inputs_as_often_as_one_tensor_has_them(texts):
    *inputs, output = map(Symmetry, texts * 2 if len(texts) == 1 else texts)
    (state,) = hidden_types(Signature.of(inputs, output))
    letters = {c for t in inputs for c in t.axes}
    assert Counter(state.axes) == {c: max(t.axes.count(c) for t in (*inputs, output)) for c in letters}


def test_types_of_a_state_that_are_chosen():
    signature = Signature("aH, abH -> aH; a->b")
    nodes, lists = Symmetry("aH"), Symmetry("abH; a->b")
    for choice in ("a, ab; a->b", ("aH", "ab; a->b"), [nodes, lists], (nodes.bare, "ab; a->b", "aH")):
        assert hidden_types(signature, choice) == (nodes, lists)
    assert hidden_types(signature, nodes) == hidden_types(signature, "a") == (nodes,)
    assert hidden_types(Signature("abH -> aH; a->b"), "ab; a->b") == (lists,)
    assert hidden_types(Signature("aH -> [aa]H"), ("a", "[aa]")) == (nodes, Symmetry("[aa]H"))


@pytest.mark.parametrize(
    ("text", "choice", "phrase"),
    [
        ("aH -> aH", (), "at least one type, such as 'aH'"),
        ("aH -> aH", "ab", "the hidden type 'ab' has the axis 'b', no input of 'aH -> aH' has it"),
        ("aH -> abH", "ab", "the axis 'b', no input"),
        ("abH -> H; a->b", "ab; b->a", "other dependencies than the signature 'abH -> H; a->b'"),
        ("aaH -> H", "[aa]", "has brackets, but no input of 'aaH -> H' is of this type"),
        ("[ab]H -> H", "[ba]", "has brackets, but no input"),
    ],
)
def test_types_of_a_state_that_do_not_fit(text, choice, phrase):
    assert_refused(lambda: hidden_types(Signature(text), choice), EinNetError, phrase)


def test_no_single_type_may_fit_all_tensors():
    phrases = (
        "no single type fits all tensors of 'aaH, abH -> aH; a->b'",
        "pass hidden_type=...",
        "'a', which occurs twice",
    )
    assert_refused(lambda: hidden_types(Signature("aaH, abH -> aH; a->b")), EinNetError, *phrases)


# --- features ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "result"),
    [("a -> ab", "aH -> abH"), ("Zab; a->b", "abH -> abH; a->b"), ("[aa], aH ->", "[aa]H, aH -> H")],
)
def test_all_types_get_features(text, result):
    assert with_features(text) == with_features(Signature(text)) == Signature(result)


@pytest.mark.parametrize(
    ("text", "start", "hint"),
    [
        ("aH -> h", 6, "Write 'aH -> H'; for an axis h with features 'aH -> hH'"),
        ("ah, ab -> a; a->b", 1, "Write 'aH, ab -> a; a->b'"),
        ("ah -> a", 1, "for an axis h with features 'ahH -> a'"),
    ],
)
def test_a_small_h_at_the_end_of_a_type_is_asked_about(text, start, hint):
    assert_refused(
        lambda: with_features(text), NotationError, "is H, the feature axis, meant?", hint, caret=(start, start + 1)
    )


# --- annotations -------------------------------------------------------------------------------------

CALLS = {
    "types": lambda: [
        (s.canonical(), s.classes, s.dense, s.bare, s.with_features) for s in map(Symmetry, ("[ab]H", "ba; a->b"))
    ],
    "signatures": lambda: [
        (s.types, s.classes, s.dense, s.with_supports, s.canonical()) for s in map(Signature, STATES)
    ],
    "states": lambda: [hidden_types(as_signature(t)) for t in STATES],
    "sizes": lambda: Signature("aH, [ab]H -> bH").bind([(5, 64), {"a": 5, "b": 7}], {"b": 7}),
    "elements": lambda: [
        (g := Symmetry(t).random_element({"a": 3, "b": 2}, 0)) @ g.inverse() for t in ("ab", "ab; a->b")
    ],
    "parsed": lambda: [
        parse_types("ab, a; a->b"),
        with_features("a -> ab"),
        Symmetry("abc; a->b, b->c").ancestors("c"),
    ],
}


@pytest.mark.parametrize("part", ["einnet.symmetry", "einnet.signature"])
def test_functions_return_what_they_are_annotated_with(part):
    assert_annotated(part, CALLS)
