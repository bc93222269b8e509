"""`einnet explain`: group, linear maps, pooling operations, plan, cost and parameters, as text."""

import re

import pytest

from einnet import EinNet, EinNetError
from einnet.cli import main
from einnet.errors import NotationError
from einnet.explain import explain_signature, parse_marks

SMALL = {"heads": 2, "hidden": 4, "depth": 1}


def test_the_whole_text():
    net = EinNet("aaH -> aH", 1, 1, **SMALL)
    total, in_layer = (sum(p.numel() for p in m.parameters()) for m in (net, net.layers[0]))
    assert (
        explain_signature("aaH -> aH", **SMALL).rstrip()
        == f"""\
signature  aaH -> aH
state      aaH

group
  S(n_a)

linear equivariant maps aa -> a: 5, a basis of all
  aa->a  diagonal
  aa->b  diagonal, sum over a, broadcast along b
  ab->a  sum of each row
  ab->b  sum of each column
  ab->c  sum of all, broadcast along c

pooling operations of a layer
  ab->ab     as it is
  aa->aa     diagonal
  ab->ba     transpose
  ab->ac     sum of each row, broadcast along c
  ab,ab->ab  pointwise product
  ab,bc->ac  matrix product

plan of ab->ab  aa->aa  ab->ba  ab->ac  ab,ab->ab  ab,bc->ac
 step  contraction  reads  FLOPs  size
    8  aa->a        1          0     a
    9  ab->a        3        a^2     a
   10  ab,ab->ab    4, 5     a^2   a^2
   11  ab,bc->ac    6, 7    2a^3   a^2
FLOPs 2a^3 + 2a^2, largest intermediate a^2, per feature

network with heads=2, hidden=4, depth=1, one feature in and out: {total} parameters, {in_layer} a layer"""
    )


@pytest.mark.parametrize(
    ("signature", "parts"),
    [
        ("abH; a->b", ["signature  abH -> abH; a->b", "  S(n_a)\n  S(n_b), one permutation for each a\n",
                       "linear equivariant maps ab; a->b -> ab; a->b: 3"]),
        ("abc; a->b, b->c", ["  S(n_c), one permutation for each a and b\n"]),
        ("aH, aaH -> H", ["signature  aH, aaH -> H", "state      aaH", "linear equivariant maps a ->",
                          "linear equivariant maps aa ->"]),
        ("aaa", [": 203, a basis of all", "  ... and 183 more\n"]),
        ("H", ["  trivial: no permuted axis\n"]),
    ],
)  # fmt: skip
def test_what_other_signatures_show(signature, parts):
    text = explain_signature(signature, **SMALL)
    for part in parts:
        assert part in text


def test_order_leaves_operations_out():
    assert "ab,bc->ac" in explain_signature("aa", **SMALL)
    assert "ab,bc->ac" not in explain_signature("aa", **SMALL, order=1)


def test_what_a_bound_on_the_cost_leaves_out_is_named():
    text = explain_signature("aa", **SMALL, order=5, max_exponent=3)
    left_out = (
        "left out, as they cost more than n^3\n  ab,ac,bc,bd,cd->ad  contraction of 5 operands over b, c: costs n^4\n"
    )
    assert left_out in text
    assert "\nplan of ab->ab  aa->aa  ab->ba  ab->ac  ab,ab->ab  ab,bc->ac\n" in text
    assert "left out" not in explain_signature("aa", **SMALL, order=5, max_exponent=4)
    assert "ab,ac,bc,bd,cd->ad for each b" in explain_signature("aa", **SMALL, order=5)
    with pytest.raises(EinNetError, match="got 0"):
        explain_signature("aa", **SMALL, max_exponent=0)


@pytest.mark.parametrize(
    ("arguments", "drawn", "left_out"),
    [
        (["aH, bH -> abH"], "ab-&gt;ab", "a-&gt;b"),
        (["aH, aaH -> H"], "ab,bc-&gt;ac", "a-&gt;a"),
        (["aaH", "--max-exponent", "2"], "ab,ab-&gt;ab", "ab,bc-&gt;ac"),
    ],
)
def test_the_picture_has_the_operations_of_the_text(arguments, drawn, left_out, tmp_path):
    assert main(["explain", *arguments, "--plot", str(tmp_path / "ops.svg")]) == 0
    named = set(re.findall("<!-- (.+?) -->", (tmp_path / "ops.svg").read_text()))
    assert drawn in named and left_out not in named


@pytest.mark.parametrize(("signature", "file"), [("aaH", "ops.gif"), ("abcH", "ops.svg")])
def test_a_picture_that_cannot_be_drawn_is_refused_before_the_text(signature, file, tmp_path, capsys):
    assert main(["explain", signature, "--plot", str(tmp_path / file)]) == 2
    assert capsys.readouterr().out == ""


def test_a_text_that_is_refused_leaves_no_picture(tmp_path, capsys):
    assert main(["explain", "aaH", "--heads", "0", "--plot", str(tmp_path / "ops.svg")]) == 2
    assert "heads" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("width", "written"), [(10**13, "10,000,000,000,000"), (10**20, "about 1.0e+20")])
def test_widths_of_which_there_is_no_tensor_are_refused(width, written, capsys):
    assert main(["explain", "aaH", "--hidden", str(width)]) == 2
    assert f"got {written}" in capsys.readouterr().err


def test_parameters_are_counted_without_making_them():
    for depth in (1, 3):
        net = EinNet("aH, aaH -> H", (1, 1), 1, **SMALL | {"depth": depth})
        number = sum(p.numel() for p in net.parameters())
        assert f"{number:,} parameters" in explain_signature("aH, aaH -> H", **SMALL | {"depth": depth})
    assert "depth=1000000000," in explain_signature("aH", heads=10**6, hidden=10**6, depth=10**9)
    with pytest.raises(EinNetError, match="depth"):
        explain_signature("aH", **SMALL | {"depth": 0})


def test_a_wrong_notation_is_marked():
    with pytest.raises(NotationError, match="\n  aXH\n   \\^\n"):
        explain_signature("aXH", **SMALL)


def test_marks():
    text = explain_signature("aaH -> H", **SMALL, order=2, marks=1)
    assert "copies of the state: n_a;" in text and "1 of axis a, pooled" in text
    assert "state of type aaaH" in text and "xab,xbc->xac" in text
    assert "marks" not in explain_signature("aaH -> H", **SMALL)
    lists = explain_signature("abH; a->b", **SMALL, marks={"a": "read", "b": 2})
    assert "n_a^3 n_b^2" in lists and "read at the marked element" in lists


@pytest.mark.parametrize(
    ("texts", "marks"), [(["1"], 1), (["read"], "read"), (["a=1", "b=read"], {"a": 1, "b": "read"}), ([], None)]
)
def test_marks_on_the_command_line(texts, marks):
    assert parse_marks(texts) == marks


@pytest.mark.parametrize("texts", [["a"], ["x="], ["1", "b=1"], ["-1"]])
def test_other_marks_on_the_command_line(texts):
    with pytest.raises(EinNetError, match="--marks"):
        parse_marks(texts)


def test_the_command_explains_marks(capsys):
    assert main(["explain", "aaH", "--marks", "1"]) == 0
    assert "n_a" in capsys.readouterr().out
