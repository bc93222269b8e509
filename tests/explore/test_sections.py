"""What the explorer says: counts against brute force, programs that run, pages that need nothing else."""

import re

import pytest

from einnet import Symmetry, pooling, series
from einnet.cli import main
from einnet.explore import Question, report
from einnet.explore.code import ten_lines
from einnet.explore.sections import answered, asked_for
from einnet.pages import Section, Table, Text, Wrong, fragment

TYPES = ["aH", "abH", "aaH", "abcH -> aH; a->b", "aH, aaH -> H", "aH -> abH", "ab, bb -> a", "H", "aa ->"]


def table(text: str, name: str, order: int = 2) -> Table:
    (found,) = (b for b in answered(Question(text, order), name).blocks if isinstance(b, Table))
    return found


def value_of(formula: str, n: int) -> int:
    """A formula such as 1 + 7[n ≥ 2] at a size."""
    total = 0
    for part in formula.split(" + "):
        times, bound = re.fullmatch(r"([\d,]*)(?:\[n ≥ (\d+)\])?", part).groups()
        total += int(times.replace(",", "") or 1) * (bound is None or n >= int(bound))
    return total


@pytest.mark.parametrize("text", TYPES)
def test_the_program_of_ten_lines_runs(text):
    program = ten_lines(Question(text, 2))
    assert len(program.splitlines()) <= 11
    exec(program, {})


@pytest.mark.parametrize("text", ["aH", "aaH", "abH -> aH", "ab; a->b", "aH, aaH -> H"])
def test_the_formula_in_n_counts_the_orbits_at_each_size(text):
    rows = table(text, "counts").rows
    asked = Question(text, 2)
    for n in range(1, 5):
        sizes = dict.fromkeys(asked.signature.classes, n)
        assert tuple(value_of(formula, n) for _, _, formula, _ in rows) == series(text, 2, sizes).dof
    assert [free for _, free, _, _ in rows] == [f"{k:,}" for k in series(text, 2).dof]


def test_the_operations_and_their_cost_are_listed():
    rows = table("aaH", "minimal", order=5).rows
    assert [r[1] for r in rows] == [str(t) for t in pooling("aa", 5)]
    assert rows[-1] == (5, "ab,ac,bc,bd,cd->ad", "contraction of 5 operands over b, c", "n^4")


def test_the_recipe_stands_beside_with_its_counts():
    assert [tuple(r) for r in table("aaH", "recipe", order=3).rows][2] == (3, "877", "877", "237", "46", "14")


def test_a_term_is_derived_or_said_to_be_none():
    found = answered(Question("aa", 2, "ab,bc,cd->ad"), "term").blocks
    assert "y2 = ab,bc->ac  (y1, x3)" in found[-1].text
    (bridge,) = answered(Question("aa", 4, "ab,ac,bc,bd,cd->ad"), "term").blocks
    assert isinstance(bridge, Text) and "is not composed" in bridge.text
    (wrong,) = answered(Question("aa", 2, "ab,bc->a"), "term").blocks
    assert isinstance(wrong, Wrong)


def test_without_a_term_there_is_no_section_for_it():
    assert "term" not in asked_for(Question("aa", 2)) and "term" in asked_for(Question("aa", 2, "ab->ba"))


def test_what_is_too_much_is_said_in_its_section():
    (wrong,) = answered(Question("aaaa", 4), "recipe").blocks
    assert isinstance(wrong, Wrong) and "terms of order 4" in wrong.text


def test_text_from_outside_is_no_markup():
    assert "<script" not in fragment(
        Section("<script>", [Text("<script>"), Wrong("<script>"), Table("x", [["<script>"]])])
    )


def test_the_report_holds_all_that_it_shows(tmp_path, capsys):
    page = tmp_path / "report.html"
    assert main(["explore", "aaH", "--order", "2", "--term", "ab,bc,cd->ad", "--html", str(page)]) == 0
    html = page.read_text()
    sources = re.findall(r'(?:src|href)="([^"]*)"', html)
    assert len(sources) >= 4 and all(s.startswith("data:") for s in sources)
    assert "<script" not in html and "ab,bc-&gt;ac" in html and "2a^3" in html
    assert str(page) in capsys.readouterr().err


def test_the_report_and_the_page_have_the_same_sections():
    asked = Question("aH", 2, "a,a->a")
    html = report(asked)
    assert all(fragment(answered(asked, name)) in html for name in asked_for(asked) if name != "sharing")


def test_a_wrong_type_is_refused_with_its_caret(capsys):
    assert main(["explore", "aab; b->"]) == 2
    assert "  aab; b->\n       ^^^" in capsys.readouterr().err


@pytest.mark.parametrize("order", [0, 10])
def test_a_wrong_order_is_refused(order, capsys):
    assert main(["explore", "aa", "--order", str(order)]) == 2
    assert "from 1 to 9" in capsys.readouterr().err


def test_a_page_is_saved_under_the_name_of_one(capsys):
    assert main(["explore", "aH", "--order", "2", "--html", "report.txt"]) == 2
    assert ".html" in capsys.readouterr().err


def test_a_type_of_many_axes_has_a_small_example_and_a_picture_of_what_can_be_seen():
    asked = Question("ixjycH; i->x, j->y", 2)
    assert "torch.randn(8, 2, 3, 4, 5, 6, 3)" in ten_lines(asked)
    (text,) = answered(Question("aaaaaaaa ->", 3), "sharing").blocks[:1]
    assert isinstance(text, Text)


def test_the_program_of_a_type_of_eight_axes_fits_in_memory():
    program = ten_lines(Question("abcdefghH", 1))
    assert "torch.randn(8, 2, 3, 2, 3, 2, 3, 2, 3, 3)" in program
    exec(program, {})


def test_the_order_is_written_where_it_matters_with_its_cost():
    assert "order=" not in ten_lines(Question("aaH", 2))
    assert "order=5)  # with operations that take n^4" in ten_lines(Question("aaH", 5))


def test_an_order_below_the_usual_one_is_written_where_the_usual_one_is_too_much():
    program = ten_lines(Question("abcdefghijklmnopqrstuvwxyzH", 1))
    assert 'EinNet("abcdefghijklmnopqrstuvwxyzH -> ' in program and "order=1" in program


def test_a_formula_that_nobody_could_read_is_not_written_out():
    assert [row[2] for row in table("a" * 40 + "H", "counts", 3).rows][1:] == ["too long to write out"] * 3
    assert table("abcdefghH", "counts", 9).rows[9][2].endswith("[n ≥ 10]")  # 80 positions, of each class 10


@pytest.mark.parametrize("text", ["abcdefghH", "ab, bb -> a", "abbH; a->b", "aa ->", "a, ab, b -> ab"])
def test_a_formula_ends_where_the_positions_of_one_class_can_all_be_different(text):
    rows = table(text, "counts", 3).rows
    asked = Question(text, 3)
    for n in (5, 12, 40):
        counted = series(text, 3, dict.fromkeys(asked.signature.classes, n)).dof
        assert tuple(value_of(formula, n) for _, _, formula, _ in rows) == counted


def test_the_question_knows_the_state():
    assert Question("aH, aaH -> H").state == Symmetry("aaH")
