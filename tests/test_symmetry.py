"""Types and signatures: notation, equality, errors with a caret, and the group that they stand for."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from einnet import Signature, Symmetry
from einnet.errors import NotationError, ShapeError
from einnet.signature import with_features
from refusals import assert_refused
from strategies import symmetry_texts, with_h

SIZE = torch.export.Dim("n", min=2)
GROUPS = {
    "a": {"a": 4},
    "aab": {"a": 3, "b": 2},
    "ab; a->b": {"a": 3, "b": 4},
    "ba; a->b": {"a": 3, "b": 4},
    "abc; a->b, a->c": {"a": 3, "b": 2, "c": 4},
    "abc; a->b, b->c": {"a": 3, "b": 2, "c": 3},
    "cba; a->b, b->c": {"a": 3, "b": 2, "c": 3},
    "bcab; a->b": {"a": 3, "b": 4, "c": 2},
    "ixjyc; i->x, j->y": {"i": 2, "x": 3, "j": 3, "y": 2, "c": 2},
}  # fmt: skip


# --- notation ------------------------------------------------------------------------------------


@given(symmetry_texts())
def test_a_type_prints_what_it_was_read_from(text):
    parsed = Symmetry(text)
    assert str(parsed) == text
    assert Symmetry(str(parsed)) == parsed
    assert repr(parsed) == f"Symmetry({text!r})"


@given(symmetry_texts(), st.permutations("abcxyz"))
def test_renamed_letters_give_the_same_canonical_type(text, letters):
    renamed = text.translate(str.maketrans("abcxyz", "".join(letters)))
    for kind in (Symmetry, Signature):
        canonical = kind(text).canonical()
        assert kind(renamed).canonical() == canonical == canonical.canonical()
        assert (kind(renamed) == kind(text)) == (renamed == text)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("ab", "aa"), ("aab", "aba"), ("aab", "abb"), ("a", "ab"), ("a", "aH"), ("ab; a->b", "ab"),
        ("ab; a->b", "ab; b->a"), ("abc; a->b, b->c", "abc; a->b, a->c"), ("abc; a->b", "abc; a->c"), ("", "H"),
        ("aa", "[aa]"), ("[aa]", "[ab]"), ("[ab]; a->b", "[ab]"),
    ],
)  # fmt: skip
def test_different_types_have_different_canonical_types(left, right):
    assert Symmetry(left).canonical() != Symmetry(right).canonical()
    assert Signature(left).canonical() != Signature(right).canonical()


@pytest.mark.parametrize(("left", "right"), [("ab", "ba"), ("ZabH", "abH"), ("xy; x->y", "ab; a->b")])
def test_equality_is_literal_and_canonical_types_tell_what_is_meant(left, right):
    assert Symmetry(left) != Symmetry(right) and Signature(left) != Signature(right)
    assert Symmetry(left).canonical() == Symmetry(right).canonical()
    assert hash(Signature(left).canonical()) == hash(Signature(right).canonical())


def test_blanks_and_the_order_of_dependencies_make_no_difference():
    assert Symmetry("abH ; a -> b") == Symmetry("abH; a->b") != "abH; a->b"
    assert Symmetry("abc; a->b, a->c") == Symmetry("abc; a->c, a->b")
    assert Signature("abc -> ab; a->b, a->c") == Signature("abc -> ab; a->c, a->b")
    assert len({Symmetry("aH"), Symmetry("aH"), Symmetry("bH")}) == 2


def test_features_and_batch_are_read_from_h_and_z():
    results = [(Symmetry(t).features, Symmetry(t).batch, Symmetry(t).axes) for t in ("ZabH", "aH", "Za", "", "ZH")]
    assert results == [
        (True, True, ("a", "b")), (True, False, ("a",)), (False, True, ("a",)), (False, False, ()), (True, True, ()),
    ]  # fmt: skip
    assert str(Symmetry("ZabH; a->b").bare) == "ab; a->b"


def test_a_type_tells_its_classes_and_their_parents():
    sudoku = Symmetry(" ixjycH ;  i->x,j -> y ")
    assert str(sudoku) == "ixjycH; i->x, j->y"
    assert sudoku.classes == tuple("ixjyc")
    assert [sudoku.parent_of(c) for c in sudoku.classes] == [None, "i", None, "j", None]
    assert Symmetry("cba; a->b, b->c").ancestors("c") == ("a", "b")


@pytest.mark.parametrize(
    ("text", "printed", "inputs", "output"),
    [
        ("aH,aaH->aH", "aH, aaH -> aH", ["aH", "aaH"], "aH"),
        ("aaH", "aaH -> aaH", ["aaH"], "aaH"),
        ("ab ->", "ab ->", ["ab"], ""),
        ("aaH -> H", "aaH -> H", ["aaH"], "H"),
        ("H -> aH", "H -> aH", ["H"], "aH"),
        ("abcH -> aH; a->b", "abcH -> aH; a->b", ["abcH; a->b"], "aH"),
        ("aH, acH -> abH; a->b, a->c", "aH, acH -> abH; a->b, a->c", ["aH", "acH; a->c"], "abH; a->b"),
        ("aH, [aa]H -> aH", "aH, [aa]H -> aH", ["aH", "[aa]H"], "aH"),
        ("[ab]H", "[ab]H -> [ab]H", ["[ab]H"], "[ab]H"),
        ("[ab]H; a->b -> aH", "[ab]H -> aH; a->b", ["[ab]H; a->b"], "aH"),  # the output after the dependencies
        ("Z[abc]H ; a->b, b->c->", "Z[abc]H ->; a->b, b->c", ["Z[abc]H; a->b, b->c"], ""),
    ],
)  # fmt: skip
def test_signatures_parse_and_print(text, printed, inputs, output):
    signature = Signature(text)
    assert str(signature) == printed
    assert Signature(str(signature)) == signature
    assert [str(t) for t in signature.inputs] == inputs
    assert str(signature.output) == output
    assert Signature.of(signature.inputs, signature.output) == signature


def test_canonical_signatures_compare_by_which_letters_agree():
    assert Signature("aH -> aH").canonical() == Signature("xH -> xH").canonical() != Signature("aH -> bH").canonical()
    assert Signature("aH, aaH -> aH").canonical() != Signature("aaH, aH -> aH").canonical()
    assert len({Signature("aH"), Signature("bH -> bH"), Signature("aH -> aH")}) == 2


# --- errors --------------------------------------------------------------------------------------

BAD = {  # notation: a key phrase of the message, start and end of the marked part
    "aBH": ("mean 'b'", (1, 2)),
    "a bH": ("' '", (1, 2)),
    "aZH": ("'Z'", (1, 2)),
    "aHb": ("feature", (1, 2)),
    "ab; a->b, b->a": ("cycle", (4, 5)),
    "a; a->a": ("cycle", (3, 4)),
    "abc; a->c, b->c": ("two parents", (11, 15)),
    "ab; x->b": ("'x'", (4, 5)),
    "ab; a->x": ("'x'", (7, 8)),
    "aab; a->b": ("twice", (5, 6)),
    "ab; ab": ("parent->child", (4, 6)),
    "abc; a->b c": ("parent->child", (5, 11)),
    "ab; A->b": ("parent->child", (4, 8)),
    "[abH": ("']' is missing", (2, 3)),
    "ab]H": ("'[' is missing", (0, 1)),
    "a[b]H": ("all axes", (0, 4)),
    "[[ab]]H": ("one '['", (1, 2)),
    "[a][b]H": ("one '['", (3, 4)),
    "[]H": ("without axes", (0, 2)),
    "[abH]": ("after the brackets", (3, 4)),
    "[Zab]H": ("'Z'", (1, 2)),
    "[a b]H": ("' '", (2, 3)),
    "[ab]H; [a]->b": ("parent->child", (7, 13)),
}
BAD_TYPE = BAD | {
    "ab -> a": ("Signature", (0, 7)),
    "a,b": ("Signature", (0, 3)),
    "ab;": ("parent->child", (3, 4)),  # an empty dependency is marked where it is missing
    "ab; a->b,": ("parent->child", (9, 10)),
    "ab; , a->b": ("parent->child", (4, 5)),
}
BAD_SIGNATURE = BAD | {
    "aB -> a": ("'B'", (1, 2)),
    "a, ab -> aHa": ("feature", (10, 11)),
    "a -> b -> c": ("one arrow", (7, 9)),
    "ab -> a, b": ("one output", (7, 8)),
    "a, aa": ("'-> '", (4, 5)),
    "ab -> b; a->b": ("the type 'b'", (9, 10)),
    "ab -> aab; a->b": ("twice", (11, 12)),
    "abH, acdH -> aXH; a->b": ("'X'", (14, 15)),
    "aH -> [aaH": ("']' is missing", (8, 9)),
    "abc; a->b -> c": ("output or a dependent axis", (10, 14)),
    "[ab]H; a->b -> aH, bH": ("one output", (17, 18)),
    "[ab]H; a->b -> [aH": ("']' is missing", (16, 17)),
}


@pytest.mark.parametrize("text", BAD_TYPE)
def test_a_wrong_type_is_marked_with_a_caret(text):
    phrase, caret = BAD_TYPE[text]
    assert_refused(lambda: Symmetry(text), NotationError, phrase, f"  {text}\n", caret=caret)


@pytest.mark.parametrize("text", BAD_SIGNATURE)
def test_a_wrong_signature_is_marked_with_a_caret(text):
    phrase, caret = BAD_SIGNATURE[text]
    assert_refused(lambda: Signature(text), NotationError, phrase, f"  {text}\n", caret=caret)


def test_an_axis_may_be_called_h():
    assert [str(with_features(text)) for text in ("ha -> a", "ab, hgb -> g")] == [
        "haH -> aH", "abH, hgbH -> gH",
    ]  # fmt: skip
    assert str(Signature("ah -> h")) == "ah -> h"  # the theory needs no features


@pytest.mark.parametrize("make", [Symmetry, Signature])
def test_what_is_no_text_is_refused(make):
    with pytest.raises(TypeError, match="must be a string .*got 3"):
        make(3)


def test_sizes_are_read_from_a_shape():
    assert Symmetry("abcH; a->b").sizes_of((7, 8, 2, 3, 4, 5)) == {"a": 2, "b": 3, "c": 4}
    assert Symmetry("aa").sizes_of((3, 3)) == {"a": 3}
    assert Symmetry("H").sizes_of((5,)) == {}


def test_a_shape_that_does_not_fit_says_why():
    two_sizes, phrases = (5, 7, 64), ("input 2", "(5, 7, 64)", "axis 'a'", "size 5 and size 7")
    assert_refused(lambda: Symmetry("aaH").sizes_of(two_sizes, "input 2"), ShapeError, *phrases)
    assert_refused(lambda: Symmetry("abH").sizes_of((5, 7)), ShapeError, "3 axes", "got shape (5, 7)")


# --- sizes of a signature's axes -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shapes", "sizes", "expected"),
    [
        ("aaH -> H", [(5, 5, 8)], None, {"a": 5}),
        ("aH, aaH -> aH", [(7, 5, 8), (5, 5, 2)], {"a": 5}, {"a": 5}),
        ("aH -> abH", [(0, 8)], {"b": np.int64(3)}, {"a": 0, "b": 3}),
        ("abH -> aH; a->b", [(2, 3, 8)], {}, {"a": 2, "b": 3}),
        ("[aa]H -> aH", [(5, 5, 8)], None, {"a": 5}),  # the shape of a sparse tensor of torch
        ("aH, [aa]H -> aH", [(5, 8), {}], None, {"a": 5}),  # an index alone tells no size
        ("[ab]H -> aH; a->b", [{"a": 2, "b": 3}], None, {"a": 2, "b": 3}),
        ("->", [()], None, {}),
    ],
)
def test_sizes_are_bound_from_shapes_and_from_what_the_user_gives(text, shapes, sizes, expected):
    assert Signature(text).bind(shapes, sizes) == expected


@pytest.mark.parametrize(
    ("shapes", "sizes", "phrase"),
    [
        ([(3, 8)], None, "'aH, abH -> acH' has 2 inputs, got 1"),
        ([(3, 8), (3,)], {"c": 1}, "input 2 of type 'abH' needs at least 3 axes"),
        ([(3, 8), {"a": 4, "b": 2}], {"c": 1}, "input 2 of type 'abH' has size 4 on axis 'a', input 1 has size 3"),
        ([(3, 8), (4, 2, 8)], {"c": 1}, "input 2 of type 'abH' has size 4 on axis 'a', input 1 has size 3"),
        ([(3, 8), (3, 2, 8)], {"a": 4, "c": 1}, "input 1 of type 'aH' has size 3 on axis 'a', sizes has size 4"),
        ([(3, 8), (3, 2, 8)], {"d": 4}, "sizes names 'd', the axes of 'aH, abH -> acH' are a, b, c"),
        ([(3, 8), (3, 2, 8)], {"c": -1}, "the size of axis 'c' must be 0 or more, got -1"),
        ([(3, 8), (3, 2, 8)], None, r"no input of 'aH, abH -> acH' has the axis 'c': pass sizes={'c': ...}"),
    ],
)
def test_sizes_that_contradict_a_signature_are_refused(shapes, sizes, phrase):
    with pytest.raises(ShapeError, match=phrase):
        Signature("aH, abH -> acH").bind(shapes, sizes)


@pytest.mark.parametrize("sizes", [{"b": True}, {"b": 1.5}, {"b": "3"}, [("b", 3)]])
def test_a_size_of_another_kind_is_a_type_error(sizes):
    with pytest.raises(TypeError, match="must be a"):
        Signature("aH -> abH").bind([(3, 8)], sizes)


def test_the_axes_that_must_have_a_size_can_be_named():
    assert Signature("aH -> abH").bind([(3, 8)], required=()) == {"a": 3}
    assert Signature("aH -> aH").bind([(3, 8)], {"c": 2}, required="ac") == {"a": 3, "c": 2}


def test_sizes_stay_symbolic_when_a_program_is_traced():
    class Bound(torch.nn.Module):
        def forward(self, x):
            return x.sum() * Signature("aaH -> bH").bind([x.shape], {"b": x.shape[0]})["b"]

    program = torch.export.export(Bound(), (torch.ones(4, 4, 2),), dynamic_shapes=({0: SIZE, 1: SIZE},), strict=False)
    assert program.module()(torch.ones(7, 7, 2)) == 7 * 98


def test_a_group_element_needs_all_sizes():
    with pytest.raises(ShapeError, match="missing for 'b'"):
        Symmetry("ab").random_element({"a": 3})


@pytest.mark.parametrize("size", [3, 5])
def test_a_tensor_of_another_size_is_refused(size):
    element = Symmetry("a").random_element({"a": 4}, 0)
    assert_refused(lambda: element.act(np.arange(size), Symmetry("a")), ShapeError, f"size {size}", "4")


# --- the group -----------------------------------------------------------------------------------


def tensor_of(symmetry: Symmetry, sizes: dict, batch=(2,)) -> np.ndarray:
    shape = [*batch, *(sizes[c] for c in symmetry.axes), *[2] * symmetry.features]
    return np.arange(np.prod(shape)).reshape(shape)


@pytest.mark.parametrize("text", GROUPS)
def test_acting_with_a_product_is_acting_twice_and_the_inverse_undoes(text):
    symmetry, sizes = Symmetry(text), GROUPS[text]
    x = tensor_of(symmetry, sizes)
    for seed in range(5):
        g, h = symmetry.random_element(sizes, seed), symmetry.random_element(sizes, (seed, 1))
        assert (np.asarray((g @ h).act(x, symmetry)) == g.act(h.act(x, symmetry), symmetry)).all()
        assert (g.inverse().act(g.act(x, symmetry), symmetry) == x).all()
        assert (g.act(g.inverse().act(x, symmetry), symmetry) == x).all()
    moved = [symmetry.random_element(sizes, seed).act(x, symmetry) for seed in range(5)]
    assert any((m != x).any() for m in moved)


@pytest.mark.parametrize("text", GROUPS)
def test_torch_and_numpy_are_moved_alike(text):
    symmetry, sizes = Symmetry(with_h(text)), GROUPS[text]
    x = tensor_of(symmetry, sizes)
    g = symmetry.random_element(sizes, 0)
    moved = g.act(torch.from_numpy(x), symmetry)
    assert isinstance(moved, torch.Tensor)
    assert (moved.numpy() == g.act(x, symmetry)).all()
    for one, expected in zip(x, g.act(x, symmetry), strict=True):  # a batch axis is left alone
        assert (g.act(one, symmetry) == expected).all()


def test_an_entry_goes_to_the_image_of_its_index():
    symmetry = Symmetry("aabH")
    g = symmetry.random_element({"a": 4, "b": 3}, 0)
    x = tensor_of(symmetry, {"a": 4, "b": 3}, batch=())
    p, q = g.maps["a"], g.maps["b"]
    moved = g.act(x, symmetry)
    for i, j, k in np.ndindex(4, 4, 3):
        assert (moved[p[i], p[j], q[k]] == x[i, j, k]).all()


@pytest.mark.parametrize("text", ["ab; a->b", "ba; a->b"], ids=["parent first", "child first"])
def test_each_list_moves_with_its_parent_and_is_permuted_on_its_own(text):
    symmetry, sizes = Symmetry(text), {"a": 5, "b": 6}
    g = symmetry.random_element(sizes, 0)
    x = tensor_of(Symmetry("ab"), sizes, batch=())
    moved = g.act(x if text[0] == "a" else x.T, symmetry)
    moved = moved if text[0] == "a" else moved.T
    for a in range(5):  # list a moves to its parent's new place, permuted in its own order
        target = moved[g.maps["a"][a]]
        assert sorted(target) == sorted(x[a])
        assert (target[g.maps["b"][a]] == x[a]).all()
    assert (g.maps["b"] != g.maps["b"][0]).any()  # the lists are permuted differently
    assert (g.maps["a"] != np.arange(5)).any()


def test_two_levels_of_lists_move_with_their_parents():
    symmetry, sizes = Symmetry("abc; a->b, b->c"), {"a": 3, "b": 4, "c": 3}
    g = symmetry.random_element(sizes, 0)
    x = tensor_of(symmetry, sizes, batch=())
    moved = g.act(x, symmetry)
    for a, b, c in np.ndindex(3, 4, 3):
        assert moved[g.maps["a"][a], g.maps["b"][a, b], g.maps["c"][a, b, c]] == x[a, b, c]
    assert len({tuple(m) for m in g.maps["c"].reshape(-1, 3)}) > 1


def test_a_parent_alone_moves_as_in_the_list():
    """The elements of one signature act on all of its types with the same permutations."""
    signature = Signature("aH, abH -> aH; a->b")
    g = signature.random_element({"a": 4, "b": 3}, 0)
    nodes = np.arange(4)
    lists = np.broadcast_to(nodes[:, None], (4, 3))
    moved = g.act(lists, Symmetry("ab; a->b"))
    assert (moved == g.act(nodes, Symmetry("a"))[:, None]).all()


@pytest.mark.parametrize("text", [t for t in GROUPS if t[0] != "c"])
@pytest.mark.parametrize("convert", [np.asarray, torch.from_numpy])
def test_a_support_moves_as_the_dense_tensor_with_its_indicator(text, convert):
    """Values stay at their entries: scattered to their moved places they are the moved dense tensor."""
    head, semicolon, tail = text.partition(";")
    sparse, sizes = Symmetry(f"[{head}]{semicolon}{tail}"), GROUPS[text]
    rng = np.random.default_rng(0)
    dense = rng.integers(1, 9, [sizes[c] for c in sparse.axes]) * (rng.random([sizes[c] for c in sparse.axes]) < 0.4)
    index, g = np.stack(dense.nonzero()), sparse.random_element(sizes, 0)
    moved = g.act_on_index(convert(index), sparse)
    assert type(moved) is type(convert(index)) and moved.dtype == convert(index).dtype
    scattered = np.zeros_like(dense)
    scattered[tuple(np.asarray(moved))] = dense[tuple(index)]
    assert (scattered == g.act(dense, sparse.dense)).all()
    assert (np.asarray(g.inverse().act_on_index(moved, sparse)) == index).all()
    assert g.act_on_index(index[:, :0], sparse).shape == (len(sparse.axes), 0)


def test_a_type_without_axes_is_left_as_it_is():
    x = np.arange(3)
    assert (Symmetry("H").random_element({}).act(x, Symmetry("H")) == x).all()


def test_random_elements_are_uniform():
    counts: dict[tuple, int] = {}
    rng = np.random.default_rng(0)
    for _ in range(1200):
        key = tuple(Symmetry("a").random_element({"a": 3}, rng).maps["a"])
        counts[key] = counts.get(key, 0) + 1
    assert len(counts) == 6
    assert all(140 < n < 260 for n in counts.values())


def test_the_seed_decides_the_element():
    one, two, three = (Symmetry("a").random_element({"a": 20}, seed).maps["a"] for seed in (1, 1, 2))
    assert (one == two).all()
    assert (one != three).any()


def test_sizes_are_a_dict():
    with pytest.raises(TypeError, match="got 5"):
        Symmetry("aH").random_element(5)
