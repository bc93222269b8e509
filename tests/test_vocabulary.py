"""The project's words: functions are verbs, values are named by what they are, sentences are plain English."""

from pathlib import Path

import pytest

from vocabulary.check import ROOT, check_code, check_file, check_page, list_files

FILES = list_files()


def test_there_are_files_to_check():
    assert {ROOT / "README.md", ROOT / "src" / "einnet" / "symmetry.py", Path(__file__)} <= set(FILES)


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(ROOT)))
def test_words(file):
    assert not [str(offence) for offence in check_file(file)]


def test_the_check_reports_bad_names_and_sentences():
    offences = check_code((ROOT / "tests" / "vocabulary" / "bad.txt").read_text(), "bad.py")
    assert sorted((o.line, o.text.partition(":")[0]) for o in offences) == [
        (1, "its"), (4, "fitted()"), (4, "given"), (5, "“Stands in”"), (5, "“in the place of”"),
        (5, "“source text”"), (6, "every"), (6, "found"), (6, "“gone through every”"), (6, "“mended”"), (7, "held"),
        (8, "kept"), (8, "mine"), (12, "theirs"), (15, "summed()"), (16, "“is not there”"), (16, "“ours”"),
        (25, "other"), (28, "_found_box()"),
    ]  # fmt: skip


def test_words_of_the_subject_depend_on_the_folder():
    assert [o.text for o in check_code("core = 1", "src/einnet/nn/pool.py")] != []
    assert check_code("core = 1", "src/einnet/tasks/pool.py") == []


def test_pages_may_compare_in_tables_and_their_examples_are_read():
    assert check_page("| ours | theirs |", "page.md") == []
    assert [o.line for o in check_page("Text.\n\nThis is\nours.\n", "page.md")] == [4]
    assert [(o.line, o.text[:5]) for o in check_page("Text.\n\n>>> kept = 1\n", "page.md")] == [(3, "kept:")]
