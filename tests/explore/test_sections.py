"""What the explorer says: counts against brute force, programs that run, pages that need nothing else."""

import re
import time

import pytest

from einnet import Symmetry, pooling, series
from einnet.cli import main
from einnet.explore import Question, render_report
from einnet.explore.program import write_program
from einnet.explore.sections import SECTIONS, list_sections, make_section
from einnet.pages import Picture, Section, Table, Text, render_page, render_section, write_page

TYPES = ["aH", "abH", "aaH", "abcH -> aH; a->b", "aH, aaH -> H", "aH -> abH", "ab, bb -> a", "H", "aa ->"]
SPARSE = ["aH, [aa]H -> H", "[ab]H", "[ab]H; a->b -> aH", "aH, [aa]H, [aa]H -> aH", "[abc] -> a"]


def table(text: str, name: str, order: int = 2) -> Table:
    (block,) = (b for b in make_section(Question(text, order), name).blocks if isinstance(b, Table))
    return block


def value_of(formula: str, n: int) -> int:
    """A formula such as 1 + 7[n ≥ 2] at a size."""
    total = 0
    for part in formula.split(" + "):
        times, bound = re.fullmatch(r"([\d,]*)(?:\[n ≥ (\d+)\])?", part).groups()
        total += int(times.replace(",", "") or 1) * (bound is None or n >= int(bound))
    return total


@pytest.mark.parametrize("text", TYPES + SPARSE)
def test_the_program_of_ten_lines_runs(text):
    program = write_program(Question(text, 2))
    assert len(program.splitlines()) <= 11
    exec(program, {})


@pytest.mark.parametrize("text", ["aH", "aaH", "abH -> aH", "ab; a->b", "aH, aaH -> H"])
def test_the_formula_in_n_counts_the_orbits_at_each_size(text):
    rows = table(text, "counts").rows
    question = Question(text, 2)
    for n in range(1, 5):
        sizes = dict.fromkeys(question.signature.classes, n)
        assert tuple(value_of(formula, n) for _, _, formula, _ in rows) == series(text, 2, sizes).dof
    assert [free for _, free, _, _ in rows] == [f"{k:,}" for k in series(text, 2).dof]


def test_the_operations_and_their_cost_are_listed():
    rows = table("aaH", "minimal", order=5).rows
    assert [r[1] for r in rows] == [str(t) for t in pooling("aa", 5)]
    assert rows[-1] == (5, "ab,ac,bc,bd,cd->ad", "contraction of 5 operands over b, c", "n^4")


def test_with_sparse_types_a_cost_is_a_number_of_entries_and_matches():
    question = Question("aH, [aa]H -> H", 2)
    rows = table(question.text, "minimal").rows
    assert rows[-1] == (2, "[a0a1],[a1a2]->[a0a2]", "contraction of 2 operands over a1", "2|[ab][ac][bc]|")
    assert ("41", "[ab],[bc]->[ac]", "11, 12", "2|[ab][ac][bc]|", "|[ab]|")[1:] in [
        r[1:] for r in table(question.text, "plan").rows
    ]
    for name in ("minimal", "plan"):
        assert "number of entries" in make_section(question, name).blocks[-1].text
    assert "recipe" not in list_sections(question)


def test_a_type_with_many_operations_is_answered_at_once():
    question, start = Question("aab", 5), time.process_time()
    _, picture, rows = make_section(question, "minimal").blocks
    assert time.process_time() - start < 5  # 1.7 on the machine of docs/reliability.md
    assert isinstance(rows, Table) and len(rows.rows) == len(question.operations) > 200
    assert isinstance(picture, Picture) and "the first 12 of each order" in picture.caption


def test_the_recipe_stands_beside_with_its_counts():
    assert [tuple(r) for r in table("aaH", "recipe", order=3).rows][2] == (3, "877", "877", "237", "46", "14")


def test_a_term_is_derived_or_said_to_be_none():
    blocks = make_section(Question("aa", 2, "ab,bc,cd->ad"), "term").blocks
    assert "y2 = ab,bc->ac  (y1, x3)" in blocks[-1].text
    (bridge,) = make_section(Question("aa", 4, "ab,ac,bc,bd,cd->ad"), "term").blocks
    assert bridge.kind == "paragraph" and "not a composition" in bridge.text
    (wrong,) = make_section(Question("aa", 2, "ab,bc->a"), "term").blocks
    assert wrong.kind == "error"


def test_without_a_term_there_is_no_section_for_it():
    assert "term" not in list_sections(Question("aa", 2)) and "term" in list_sections(Question("aa", 2, "ab->ba"))


def test_what_is_too_much_is_said_in_its_section():
    (wrong,) = make_section(Question("aaaa", 4), "recipe").blocks
    assert wrong.kind == "error" and "terms of order 4" in wrong.text


def test_text_from_outside_is_no_markup():
    assert "<script" not in render_section(
        Section("<script>", [Text("<script>"), Text("<script>", "error"), Table("x", [["<script>"]])])
    )


def test_control_characters_become_visible(tmp_path):
    name = "zo\u00eb \x1b[2J\x00\x08\r\x7f\x9b31m\ud800\tb\nc"
    blocks = [Text(name), Text(name, "error"), Table([name], [[name, 3]]), Picture("data:,", name)]
    write_page(tmp_path / "page.html", render_page(name, [Section(name, blocks)]))
    html = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert html.count("\\x1b[2J\\x00\\x08\\r\\x7f\\x9b31m\\ud800\\tb\nc") == 9
    assert {c for c in html if not c.isprintable()} == {"\n"}


def test_the_report_holds_all_that_it_shows(tmp_path, capsys):
    page = tmp_path / "report.html"
    assert main(["explore", "aaH", "--order", "2", "--term", "ab,bc,cd->ad", "--html", str(page)]) == 0
    html = page.read_text()
    sources = re.findall(r'(?:src|href)="([^"]*)"', html)
    assert len(sources) == 3 and all(s.startswith("data:") for s in sources)
    assert "<script" not in html and "ab,bc-&gt;ac" in html and "2a^3" in html
    assert str(page) in capsys.readouterr().err


def test_the_report_and_the_page_have_the_same_sections():
    question = Question("aH", 2, "a,a->a")
    html = render_report(question, recipe=True)
    assert all(
        render_section(make_section(question, name)) in html for name in list_sections(question) if name != "sharing"
    )


def test_the_recipe_is_made_on_request_only(tmp_path, capsys):
    title, page = SECTIONS["recipe"].title, tmp_path / "report.html"
    for options, is_there in ([], False), (["--recipe"], True):
        assert main(["explore", "aH", "--order", "2", "--html", str(page), *options]) == 0
        assert (title in page.read_text()) == is_there


@pytest.mark.parametrize("text", ["abcH; a->b", "aaaH", "aH, aaH -> aH"])
def test_a_new_type_takes_less_than_two_seconds(text):
    question, started = Question(text, 3), time.process_time()
    for name in list_sections(question):
        assert SECTIONS[name].is_on_request or not make_section(question, name).is_error
    assert time.process_time() - started < 2


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
    question = Question("ixjycH; i->x, j->y", 2)
    assert "torch.randn(8, 2, 3, 4, 5, 6, 3)" in write_program(question)
    (text,) = make_section(Question("aaaaaaaa ->", 3), "sharing").blocks[:1]
    assert isinstance(text, Text)


def test_the_program_of_a_type_of_eight_axes_fits_in_memory():
    program = write_program(Question("abcdefghH", 1))
    assert "torch.randn(8, 2, 3, 2, 3, 2, 3, 2, 3, 3)" in program
    exec(program, {})


def test_the_order_is_written_where_it_matters_with_its_cost():
    assert "order=" not in write_program(Question("aaH", 2))
    assert "order=5)  # with operations that take n^4" in write_program(Question("aaH", 5))


def test_an_order_below_the_usual_one_is_written_where_the_usual_one_is_too_much():
    program = write_program(Question("abcdefghijklmnopqrstuvwxyzH", 1))
    assert 'EinNet("abcdefghijklmnopqrstuvwxyzH -> ' in program and "order=1" in program


def test_a_formula_that_nobody_could_read_is_not_written_out():
    assert [row[2] for row in table("a" * 40 + "H", "counts", 3).rows][1:] == ["too long to write out"] * 3
    assert table("abcdefghH", "counts", 9).rows[9][2].endswith("[n ≥ 10]")  # 80 positions, of each class 10


@pytest.mark.parametrize("text", ["abcdefghH", "ab, bb -> a", "abbH; a->b", "aa ->", "a, ab, b -> ab"])
def test_a_formula_ends_where_the_positions_of_one_class_can_all_be_different(text):
    rows = table(text, "counts", 3).rows
    question = Question(text, 3)
    for n in (5, 12, 40):
        counted = series(text, 3, dict.fromkeys(question.signature.classes, n)).dof
        assert tuple(value_of(formula, n) for _, _, formula, _ in rows) == counted


def test_the_question_has_the_hidden_type():
    assert Question("aH, aaH -> H").hidden_types == (Symmetry("aaH"),)
    assert Question("aH, [aa]H -> H").hidden_types == (Symmetry("aH"), Symmetry("[aa]H"))
