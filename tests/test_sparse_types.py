"""Bracketed types in what speaks of dense tensors: it says what holds for the dense form, or refuses."""

import json

import numpy as np
import pytest
import torch
from torch import nn

from einnet import EinLayer, EinNet, EinNetError, EinPool, Signature, Symmetry, Term, series
from einnet.cli import main
from einnet.explain import explain_signature
from einnet.explore import Question
from einnet.explore.program import write_program
from einnet.explore.sections import make_section
from einnet.nn import EinLinear, PolynomialNet, RecurrentNet, ReferenceNet, pad
from einnet.nn.functional import einsum
from einnet.plots.figures import draw_pooling
from einnet.signature import describe_dense_form
from einnet.testing import assert_equivariant
from refusals import assert_refused

DENSE_ONLY = {
    **{c.__name__: lambda c=c: c("[aa]H -> aH", 2, 3) for c in (EinNet, RecurrentNet, PolynomialNet, ReferenceNet)},
    "a sparse output": lambda: EinNet("aH -> [aa]H", 2, 3),
    "EinLinear": lambda: EinLinear("[aa]H -> aH", 2, 3),
    "EinLayer": lambda: EinLayer("[aa]H", 8, terms=["[ab]->[ab]"]),
    "EinPool": lambda: EinPool(["b,[ba]->a"], ("aH", "[aa]H")),
    "einsum": lambda: einsum("[ab]->[ab]", torch.ones(2, 2, 1), type="[aa]"),
    "pad": lambda: pad([torch.ones(2, 2, 1)], "[aa]H"),
    "assert_equivariant": lambda: assert_equivariant(nn.Identity(), "[aa]H", {"a": 3}),
    "draw_pooling": lambda: draw_pooling(Symmetry("[aa]H"), "operations.svg", [Term("[ab]->[ab]")]),
}


@pytest.mark.parametrize("name", DENSE_ONLY)
def test_what_takes_dense_tensors_refuses_a_sparse_type(name):
    assert_refused(DENSE_ONLY[name], EinNetError, "dense types only, got the sparse type '[aa]")


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


def test_an_explanation_is_of_the_dense_form():
    small = {"heads": 2, "hidden": 4, "depth": 1}
    text, dense = (explain_signature(s, **small) for s in ("aH, [aa]H -> aH", "aH, aaH -> aH"))
    note, rest = text.split("\n\n", 1)
    assert rest == dense and note.startswith("What follows holds for the dense form 'aH, aaH -> aH'")
    assert note.endswith('einnet pool "a, [aa]"')


def test_the_explorer_shows_the_dense_form_with_a_note():
    sparse, dense = Question("[aa]H -> aH", 2), Question("aaH -> aH", 2)
    assert sparse.signature == dense.signature and sparse.note and not dense.note
    *blocks, note = make_section(sparse, "symmetry").blocks
    assert blocks == make_section(dense, "symmetry").blocks and note.text == sparse.note
    assert write_program(sparse) == write_program(dense)
