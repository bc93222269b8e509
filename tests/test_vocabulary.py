"""The project's words: functions are verbs, values are named by what they are, sentences are plain English."""

from pathlib import Path

import pytest

from vocabulary.check import ROOT, check_code, check_file, check_page, list_files

FILES = list_files()
BAD = Path(__file__).parent / "vocabulary"


def test_there_are_files_to_check():
    assert {ROOT / "README.md", ROOT / "src" / "einnet" / "symmetry.py", Path(__file__)} <= set(FILES)


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(ROOT)))
def test_words(file):
    assert not [str(offence) for offence in check_file(file)]


def test_the_check_reports_bad_names_and_sentences():
    """In files that the check does not read, as they break the rules."""
    offences = check_code((BAD / "bad.txt").read_text(), "bad.py")
    expected = (BAD / "bad_offences.txt").read_text().splitlines()
    assert sorted((o.line, o.text.partition(":")[0]) for o in offences) == [
        (int(number), text) for number, _, text in (line.partition(" ") for line in expected)
    ]


def test_words_of_the_subject_depend_on_the_folder():
    assert [o.text for o in check_code("core = 1", "src/einnet/nn/pool.py")] != []
    assert check_code("core = 1", "src/einnet/tasks/pool.py") == []


def test_pages_may_compare_in_tables_and_their_examples_are_read():
    offences = check_page((BAD / "bad_page.txt").read_text(), "page.md")
    assert sorted((o.line, o.text[:1]) for o in offences) == [(5, "“"), (7, "k")]
