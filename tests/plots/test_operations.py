"""Operations drawn as graphs: what is in the picture, at the command line too."""

import re
from html import unescape

import matplotlib
import pytest

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from einnet import EinNetError, Term, pooling
from einnet.cli import main
from einnet.plots.operations import draw_operations, draw_term
from einnet.terms import TypeSet


def draw_panel(term: str, types="aa"):
    """The panel of one operation."""
    figure, panel = plt.subplots()
    draw_term(panel, Term(term), TypeSet.of(types))
    plt.close(figure)
    return panel


def nodes(panel) -> list[str]:
    return sorted(t.get_text() for t in panel.texts if t.get_text() and t.get_text() != panel.get_title())


def count_rings(panel) -> int:
    return sum(line.get_markersize() == 17 for line in panel.lines)


def lines(panel) -> tuple[int, int]:
    """Straight or bent lines: of operands, of the output."""
    arrows = [t for t in panel.texts if getattr(t, "arrow_patch", None) is not None]
    dashed = sum(a.arrow_patch.get_linestyle() != "solid" and a.arrow_patch.get_linestyle() != "-" for a in arrows)
    return len(arrows) - dashed, dashed


@pytest.mark.parametrize(
    ("term", "types", "indices", "rings", "edges"),
    [
        ("ab,bc->ac", "aa", ["a", "b", "c"], 2, (2, 1)),
        ("ab,ac,bc,bd,cd->ad", "aa", ["a", "b", "c", "d"], 2, (5, 1)),
        ("ab,ab->ab", "ab", ["a", "b"], 2, (2, 1)),
        ("ab->aa", "aa", ["a", "b"], 1, (1, 0)),
        ("a0b0,a1b0->a0a1", ("ab", "aa"), ["a0", "a1", "b0"], 2, (2, 1)),
        ("a->b", "a", ["a", "b"], 1, (0, 0)),
    ],
)
def test_nodes_edges_and_rings(term, types, indices, rings, edges):
    panel = draw_panel(term, types)
    assert nodes(panel) == indices
    assert count_rings(panel) == rings
    assert lines(panel) == edges
    assert panel.get_title() == term


def test_relations_have_arrows_and_matrices_lines():
    def styles(panel):
        return {type(t.arrow_patch.get_arrowstyle()).__name__ for t in panel.texts if getattr(t, "arrow_patch", None)}

    assert styles(draw_panel("ab,bc->ac")) == {"CurveFilledB"}
    assert styles(draw_panel("ab,cb,cd->ad", "ab")) == {"Curve"}


def test_an_operand_of_three_indices_is_a_square_with_lines():
    panel = draw_panel("abc,abd->abc", "abc")
    squares = [line for line in panel.lines if line.get_marker() == "s"]
    assert len(squares) == 3  # two operands and the output, apart
    assert len({(round(float(s.get_xdata()[0]), 3), round(float(s.get_ydata()[0]), 3)) for s in squares}) == 3


@pytest.mark.parametrize("suffix", [".svg", ".png"])
def test_the_command_draws_every_operation(tmp_path, capsys, suffix):
    picture = tmp_path / f"ops{suffix}"
    assert main(["pool", "aaH", "--order", "5", "--draw", str(picture)]) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith("aa: 7 operations") and captured.err == f"drawn to {picture}\n"
    if suffix == ".svg":
        comments = [unescape(c) for c in re.findall(r"<!-- (.*?) -->", picture.read_text())]
        assert [c for c in comments if "->" in c] == [str(t) for t in pooling("aa", 5)]
        assert {"order 1", "order 2", "order 5"} <= set(comments)


def test_a_picture_needs_a_known_suffix(tmp_path, capsys):
    with pytest.raises(EinNetError, match="'ops.txt'"):
        draw_operations(pooling("aa", 2), "ops.txt")
    assert main(["pool", "aa", "--draw", str(tmp_path / "ops")]) == 2
    assert ".svg" in capsys.readouterr().err
