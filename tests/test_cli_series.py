"""`einnet series` and `einnet laurent`: tables, JSON, pictures, and what is wrong with an input."""

import json
from html import escape

import matplotlib.figure
import numpy as np
import pytest

from einnet import laurent, series, series_of
from einnet.cli import main
from einnet.plots.figures import _as_matrix, _draw_panel, draw_sharing


def test_json_has_the_counts_and_the_contractions(capsys):
    assert main(["series", "a -> a", "--order", "1", "--size", "a=3", "--json"]) == 0
    output = json.loads(capsys.readouterr().out)
    assert output == {
        "dof": [1, 2], "total": 3, "commutative": False, "signature": "a -> a", "sizes": {"a": 3}, "features": 1,
        "coefficients": [
            {"operands": [], "free": 1, "contractions": ["->i"]},
            {"operands": ["a"], "free": 2, "contractions": ["i->i", "j->i"]},
        ],
    }  # fmt: skip


def test_json_says_which_operands_and_leaves_out_long_lists(capsys):
    assert main(["series", "a, aa ->", "--order", "1", "--json"]) == 0
    coefficients = json.loads(capsys.readouterr().out)["coefficients"]
    assert [(c["operands"], c["contractions"]) for c in coefficients[1:]] == [
        (["a"], ["i->"]),
        (["aa"], ["ii->", "ij->"]),
    ]
    assert main(["series", "aa -> aa", "--order", "12", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["coefficients"][12]["contractions"] is None


def test_json_of_a_group_has_the_counts(capsys):
    assert main(["series", "--generator", "1 2 3 0", "--generator", "3,2,1,0", "--json", "--commutative"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "dof": [1, 1, 3], "total": 5, "commutative": True,
        "generators": [[1, 2, 3, 0], [3, 2, 1, 0]], "out_generators": None,
    }  # fmt: skip


def test_an_equivariant_group(capsys):
    assert main(["series", "--order", "1", "--generator", "1 2 0", "--out-generator", "1 2 0"]) == 0
    assert "3 outputs, equivariant under (0 1 2) (output (0 1 2)): 4 free parameters" in capsys.readouterr().out


def test_features_have_a_size(capsys):
    assert main(["series", "aH -> H", "--order", "1", "--size", "a=2", "--size", "H=3"]) == 0
    assert "aH -> H with a=2, H=3: 12 free parameters" in capsys.readouterr().out


@pytest.mark.parametrize("suffix", [".svg", ".png", ".pdf"])
def test_a_picture_is_drawn(tmp_path, capsys, suffix):
    picture = tmp_path / f"sharing{suffix}"
    assert main(["series", "ab ->", "--size", "a=2", "--size", "b=2", "--plot", str(picture)]) == 0
    start = {".svg": b"<?xml", ".png": b"\x89PNG", ".pdf": b"%PDF"}[suffix]
    assert picture.read_bytes().startswith(start)
    captured = capsys.readouterr()
    assert captured.err == f"ab -> with a=2, b=2: all orders drawn to {picture}\n"
    assert captured.out == f"{series('ab ->', 2, {'a': 2, 'b': 2})}\n"


def test_the_same_picture_is_the_same_file(tmp_path):
    for name in ("one.svg", "two.svg"):
        assert main(["series", "a -> a", "--plot", str(tmp_path / name)]) == 0
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()


def test_the_legend_names_each_contraction(tmp_path):
    picture = tmp_path / "sharing.svg"
    assert main(["series", "aa -> a", "--order", "1", "--plot", str(picture)]) == 0
    text = picture.read_text()
    for term in series("aa -> a", order=1).contractions(1):
        assert f"<!-- {escape(str(term))} -->" in text


@pytest.mark.parametrize(
    ("arguments", "phrase"),
    [
        (["series"], "--generator"),
        (["series", "ab ->", "--generator", "1 0"], "--generator"),
        (["series", "ab ->", "--size", "a"], "got 'a'"),
        (["series", "ab ->", "--size", "a=2"], "'b'"),
        (["series", "ab ->", "--out-generator", "1 0"], "--out-generator"),
        (["series", "--generator", "1 0", "--size", "a=2"], "--size"),
        (["series", "--generator", "1 x"], "got '1 x'"),
        (["series", "--generator", "1 1"], "generators[0]"),
        (["series", "a ->", "--size", "a=2", "--size", "a=3"], "twice"),
        (["series", "a ->", "--size", "a=2", "--size", "H=3"], "features"),
        (["series", "a->b->c"], "one arrow"),
        (["series", "a ->", "--order", "-1"], "got -1"),
        (["series", "aa -> aa", "--order", "400"], "300"),
        (["laurent", "3", "--powers", "2"], "got '2'"),
        (["laurent", "3", "--powers=2:-2"], "got '2:-2'"),
        (["laurent", "0"], "number of variables"),
    ],
)
def test_wrong_input_gets_a_short_message_and_exit_code_2(capsys, arguments, phrase):
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert phrase in captured.err
    assert captured.err.startswith("einnet: ")
    assert captured.out == ""


@pytest.mark.parametrize("command", [["series", "a ->"], ["explain", "a"]])
def test_a_picture_needs_a_known_suffix(tmp_path, capsys, command):
    assert main([*command, "--plot", str(tmp_path / "x.xyz")]) == 2
    assert "x.xyz" in capsys.readouterr().err


def test_a_picture_without_sizes_says_which_it_has(tmp_path, capsys):
    assert main(["series", "aH -> aH", "--order", "3", "--size", "H=2", "--plot", str(tmp_path / "x.svg")]) == 0
    assert capsys.readouterr().err.startswith("aH -> aH with a=3, H=2: orders 0 to 2 drawn to")


def test_many_parameters_are_numbered_and_long_legends_cut(tmp_path):
    picture = tmp_path / "sharing.svg"
    assert main(["series", "aab -> aab", "--order", "1", "--plot", str(picture)]) == 0
    text = picture.read_text()
    assert f"<!-- {escape('0 iij->iij')} -->" in text
    assert "... 4 more" in text
    assert "<!-- 27 -->" in text


@pytest.mark.parametrize(
    "expansion",
    [series_of([[1, 2, 0]], 2, [[1, 2, 0]]), series("a, aa -> a", 2, {"a": 2}), series("aH -> H", 1, {"a": 2, "H": 2})],
    ids=["group", "several inputs", "features"],
)
def test_pictures_of_all_kinds_of_series(tmp_path, expansion):
    draw_sharing(expansion, str(tmp_path / "x.png"))
    assert (tmp_path / "x.png").stat().st_size > 5000


def test_a_picture_of_something_else_is_refused(tmp_path):
    with pytest.raises(TypeError, match="LaurentSeries"):
        draw_sharing(laurent(2, [0]), tmp_path / "x.png")


def test_colours_follow_the_parameters():
    (panel,) = series("a -> a", 1, {"a": 3}).panels(1)
    figure = matplotlib.figure.Figure()
    axis = figure.add_subplot()
    _draw_panel(axis, panel, _as_matrix(panel), 1)
    (image,) = axis.images
    drawn = image.cmap(image.norm(image.get_array()))
    labels = {p.get_label(): p.get_facecolor() for p in axis.get_legend().get_patches()}
    assert set(labels) == {"i->i", "j->i"}
    for i in range(3):
        for j in range(3):
            assert np.allclose(drawn[i, j], labels["i->i" if i == j else "j->i"])


def test_a_picture_that_is_too_large_is_refused(tmp_path, capsys):
    picture = tmp_path / "large.png"
    assert main(["series", "aa -> aa", "--size", "a=10", "--plot", str(picture)]) == 2
    assert "1,000,000" in capsys.readouterr().err
    assert not picture.exists()


def test_the_matrix_of_a_picture_has_a_block_for_each_output():
    expansion = series("a -> a", order=2, sizes={"a": 3})
    (panel,) = expansion.panels(2)
    matrix = _as_matrix(panel)
    assert matrix.shape == (3, 11)
    blocks = [matrix[:, 4 * i : 4 * i + 3] for i in range(3)]
    assert (np.array(blocks) == expansion.sharing(2)).all()
    assert np.isnan(matrix[:, [3, 7]]).all()
    assert panel.names == ["i,i->i", "i,j->i", "j,i->i", "j,j->i", "j,k->i"]
