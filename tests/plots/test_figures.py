"""The learning curve marks the best value, whichever way is better."""

from xml.etree import ElementTree

import pytest
from matplotlib.figure import Figure

from einnet import Symmetry
from einnet.plots.figures import draw_learning_curve, draw_pooling, pyplot, save_figure


@pytest.mark.parametrize(("higher_is_better", "best"), [(True, "0.5, step 10"), (False, "0.001, step 20")])
def test_the_best_value_is_the_one_that_is_chosen(tmp_path, monkeypatch, higher_is_better, best):
    titles = []
    saved = Figure.savefig
    monkeypatch.setattr(
        Figure, "savefig", lambda f, *a, **k: (titles.extend(x.get_title() for x in f.axes), saved(f, *a, **k))
    )
    log = tmp_path / "log.csv"
    log.write_text("step,loss,error\n10,3.0,0.5\n20,0.1,0.001\n30,-0.2,0.01\n")
    draw_learning_curve(log, tmp_path / "curve.png", "error", higher_is_better)
    assert f"best valid error: {best}" in titles and (tmp_path / "curve.png").stat().st_size > 1000


def test_the_picture_of_operations_says_in_words_what_they_do(tmp_path):
    draw_pooling(Symmetry("aaH"), tmp_path / "pooling.svg")
    text = (tmp_path / "pooling.svg").read_text()
    words = ("as it is", "diagonal", "transpose", "sum of each row,", "pointwise product", "matrix product")
    assert all(f"<!-- {phrase} -->" in text for phrase in words)


@pytest.mark.parametrize("number", [1, 2, 3, 30])
@pytest.mark.filterwarnings("error")
def test_a_curve_of_few_points_can_be_read(tmp_path, monkeypatch, number):
    figures = []
    monkeypatch.setattr("einnet.plots.figures.save_figure", lambda figure, _: figures.append(figure))
    rows = [f"{10 * k},{3 / k},{0.9 + k / 1000}" for k in range(1, number + 1)]
    (tmp_path / "log.csv").write_text("\n".join(["step,loss,mrr", *rows]))
    draw_learning_curve(tmp_path / "log.csv", tmp_path / "curve.png", "mrr")
    left, right = figures[0].axes
    assert left.get_xlim()[0] == 0 and left.get_xlim()[1] > 10 * number
    assert (left.lines[0].get_marker() == "s") == (number < 10)  # a dashed line of one point is nothing
    assert (right.get_ylim()[0] == 0) == (number < 3) and right.get_ylim()[1] > 0.9 + number / 1000
    pyplot().close(figures[0])


@pytest.mark.parametrize("suffix", ["svg", "png", "pdf"])
@pytest.mark.filterwarnings("error")  # matplotlib warns of letters that the font lacks
def test_control_characters_in_names_are_escaped(tmp_path, suffix):
    name = "zo\u00eb \x1b[2J\x00\x7f\x85\ud800\t\u202e <&-->"
    figure, panel = pyplot().subplots()
    panel.set(title=name, xlabel=name)
    panel.plot([1], [1], label=name)
    panel.legend()
    panel.annotate(name, (0, 0))
    save_figure(figure, tmp_path / f"names.{suffix}")
    if suffix == "svg":
        ElementTree.parse(tmp_path / "names.svg")
        content = (tmp_path / "names.svg").read_text(encoding="utf-8")
        assert "\\x1b[2J\\x00" in content and "zo\u00eb" in content
