"""Types in brackets: their states and dense forms; what takes dense tensors says what holds for these, or refuses."""

import json

import numpy as np
import pytest
import torch

from einnet import EinNet, EinNetError, Signature, Symmetry, Term, pooling, series
from einnet.cli import main
from einnet.errors import ShapeError
from einnet.explain import explain_signature
from einnet.explore import Question
from einnet.explore.sections import make_section
from einnet.nn import PolynomialNet, RecurrentNet, ReferenceNet, pad
from einnet.plots.figures import draw_pooling
from einnet.signature import describe_dense_form, hidden_types, with_features
from refusals import assert_refused

DENSE_ONLY = {
    **{c.__name__: lambda c=c: c("[aa]H -> aH", 2, 3) for c in (RecurrentNet, PolynomialNet, ReferenceNet)},
    "pad": lambda: pad([torch.ones(2, 2, 1)], "[aa]H"),
    "draw_pooling": lambda: draw_pooling(Symmetry("[aa]H"), "operations.svg", [Term("[ab]->[ab]")]),
}


@pytest.mark.parametrize("name", DENSE_ONLY)
def test_what_takes_dense_tensors_refuses_a_sparse_type(name):
    assert_refused(DENSE_ONLY[name], EinNetError, "dense type", "got", "[aa]H")


# --- series ----------------------------------------------------------------------------------------


def test_a_series_is_that_of_the_dense_form_and_says_so():
    sparse, dense = (series(text, 2) for text in ("[aa]H -> aH", "aaH -> aH"))
    assert sparse.dof == dense.dof and sparse.contractions(1) == dense.contractions(1)
    heading, *table = str(sparse).splitlines()
    assert heading == "aaH -> aH (the dense form of [aa]H -> aH): 58 free parameters"
    assert table[: len(str(dense).splitlines()) - 1] == str(dense).splitlines()[1:]
    assert describe_dense_form(sparse.signature) in str(sparse)
    assert describe_dense_form(dense.signature) == ""


@pytest.mark.parametrize(
    ("text", "phrases"),
    [
        ("[aa]H -> aH", ["'aaH -> aH'", "'aaH, aa -> aH'"]),
        ("aH, [ab]H -> [ab]H; a->b", ["'aH, abH -> abH; a->b'", "'aH, abH, ab -> abH; a->b'", "read on its support"]),
    ],
)
def test_the_note_names_the_dense_form_and_the_form_with_indicators(text, phrases):
    note = " ".join(describe_dense_form(Signature(text)).split())
    assert all(phrase in note for phrase in phrases)


def test_an_output_alone_on_a_support_brings_no_indicator():
    assert "indicator" not in describe_dense_form(Signature("aH -> [aa]H"))


def test_a_function_of_a_support_is_a_series_in_values_and_indicator():
    """The sum of the values next to an entry times their number: of order 2, one factor being the indicator."""
    rng = np.random.default_rng(0)
    support = rng.random((5, 5)) < 0.5
    x = rng.standard_normal((5, 5)) * support
    exact = series(Signature("[aa] -> a").with_supports, 2)
    params = [np.zeros(n) for n in exact.dof]
    before = len(exact.contractions(2, (0, 0)))  # of two values; then of a value and the indicator
    params[2][before + exact.contractions(2, (0, 1)).index(Term("ij,ik->i"))] = 1
    assert np.allclose(exact.evaluate((x, support.astype(float)), params), x.sum(1) * support.sum(1))


def test_a_sparse_tensor_is_not_made_dense_silently():
    x = torch.eye(3).to_sparse()
    assert_refused(lambda: series("[aa] -> a", 1).evaluate(x, [0] * 6), EinNetError, "torch.sparse_coo", "to_dense()")


# --- command line and explorer ----------------------------------------------------------------------


def test_the_command_line_says_what_differs(capsys):
    assert main(["series", "[aa]H -> aH", "--order", "1"]) == 0
    assert "(the dense form of [aa]H -> aH)" in capsys.readouterr().out
    assert main(["series", "[aa]H -> aH", "--order", "1", "--json"]) == 0
    assert "'aaH, aa -> aH'" in json.loads(capsys.readouterr().out)["note"]
    assert main(["series", "[aaH"]) == 2
    assert "']' is missing" in capsys.readouterr().err


def test_an_explanation_is_of_the_network():
    small = {"heads": 2, "hidden": 4, "depth": 1}
    text, net = (
        explain_signature("aH, [aa]H -> aH", **small, order=2),
        EinNet("aH, [aa]H -> aH", (1, 1), 1, **small, order=2),
    )
    assert text.startswith("signature  aH, [aa]H -> aH\nstate      aH, [aa]H\n")
    assert "maps [aa] -> a: 5, a basis of all that depend on the values alone" in text
    assert describe_dense_form(net.signature) in text
    assert f"{net.layers[0].pool.plan}\n|[ab]| is the number of entries" in text and "2|[ab][ac][bc]|" in text
    assert f"{sum(p.numel() for p in net.parameters()):,} parameters" in text


def test_the_picture_of_operations_of_sparse_types_is_elsewhere(tmp_path, capsys):
    assert main(["explain", "aH, [aa]H -> H", "--plot", str(tmp_path / "x.svg")]) == 2
    assert 'einnet pool "a, [aa]" --draw' in capsys.readouterr().err
    assert main(["pool", "a, [aa]", "--order", "2", "--draw", str(tmp_path / "x.svg")]) == 0


def test_the_explorer_shows_the_series_of_the_dense_form_with_a_note():
    sparse, dense = Question("[aa]H -> aH", 2), Question("aaH -> aH", 2)
    assert make_section(sparse, "counts") == make_section(dense, "counts")
    *_, note = make_section(sparse, "symmetry").blocks
    assert note.text == describe_dense_form(sparse.signature)


def test_directed_supports_on_the_command_line(capsys):
    assert main(["pool", "[aa]", "--order", "2", "--directed"]) == 0
    assert capsys.readouterr().out.strip() == str(pooling("[aa]", 2, directed=True))


@pytest.mark.parametrize(
    ("index", "phrase"),
    [
        ([0, 1], "(axes, entries), got shape (2,)"), ([[0, 1]], "got shape (1, 2)"), ([[0], [4]], "from 4 to 4"),
        ([[-1], [0]], "from -1 to -1, the element moves 4"),
    ],
)  # fmt: skip
def test_an_index_that_does_not_fit_is_refused(index, phrase):
    g = Symmetry("[aa]").random_element({"a": 4}, 0)
    assert_refused(lambda: g.act_on_index(np.array(index), Symmetry("[aa]")), ShapeError, phrase)
    assert_refused(lambda: g.act(np.zeros((4, 4)), Symmetry("[aa]")), EinNetError, "'[aa]'", "act_on_index")


@pytest.mark.parametrize(
    ("signature", "expected"),
    [
        ("aH, [aa]H -> aH", ["aH", "[aa]H"]), ("[ab]H; a->b -> aH", ["aH", "[ab]H; a->b"]),
        ("aaH, [aa]H -> H", ["aH", "aaH", "[aa]H"]), ("aH -> [aa]H", ["aH", "[aa]H"]), ("aaH -> H", ["aaH"]),
    ],
)  # fmt: skip
def test_the_types_of_a_state_with_supports(signature, expected):
    assert [str(t) for t in hidden_types(Signature(signature))] == expected
    assert with_features(signature.replace("H", "")) == Signature(signature)


def test_a_state_on_a_support_that_no_tensor_has_is_refused():
    assert_refused(lambda: hidden_types(Signature("aH -> aH"), "[aa]"), EinNetError, "'[aa]'", "no input")
    assert [str(t) for t in hidden_types(Signature("[aa]H -> aH"), "aa")] == ["aaH"]  # dense on request


def test_the_dense_form_and_the_form_with_indicators():
    signature = Signature("aH, [ab]H -> [ab]H; a->b")
    assert str(signature.dense) == "aH, abH -> abH; a->b" and signature.is_sparse
    assert str(signature.with_supports) == "aH, abH, ab -> abH; a->b"
    assert str(Symmetry("Z[ab]H; a->b").dense) == "abH; a->b"
    assert Signature("abH").dense == Signature("abH") and not Signature("abH").is_sparse
