"""A run is not continued with other data or config than it began with; options that would have no effect are refused."""

import gzip
import json
import re
from contextlib import contextmanager
from unittest import mock

import numpy as np
import pytest
import torch

from einnet.cli import main
from einnet.tasks.app import TaskApp
from einnet.tasks.report import Results
from einnet.tasks.sudoku.boards import Layout, format_board
from einnet.tasks.sudoku.generate import generate_puzzles
from einnet.train.run import compute_fingerprint
from families import write_families

TINY = ["--steps", "1", "--precision", "32", "--hidden", "4", "--heads", "1"]
TASKS = {
    "kg": ["--data", "DATA", "--depth", "1"],
    "sudoku": ["--data", "DATA/boards.txt", "--puzzles", "6", "--batch", "2", "--iterations", "2"],
    "pinv": ["--matrices", "4", "--batch", "2", "--depth", "1"],
    "poker": ["--deals", "20", "--batch", "2", "--depth", "1"],
    "ratings": ["--data", "DATA/ratings.csv", "--depth", "1"],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The data of all tasks, and a run of each."""
    folder = tmp_path_factory.mktemp("runs")
    data = write_families(folder / "data")
    boards = zip(*generate_puzzles(Layout.of(4), 7, seed=0, processes=1), strict=True)
    (data / "boards.txt").write_text("".join(f"{format_board(p)},{format_board(s)}\n" for p, s in boards))
    (data / "ratings.csv").write_text("".join(f"u{k % 7},i{k % 11},{k % 5}\n" for k in range(60)))
    with no_results():
        for task, options in TASKS.items():
            data_options = [option.replace("DATA", str(data)) for option in options]
            assert main(["train", task, *TINY, *data_options, "--out", str(folder)]) == 0
    return folder


@contextmanager
def no_results():
    """Within the block training ends without metrics and pictures, which take most of the time."""
    with (
        mock.patch.object(TaskApp, "measure_run", return_value=Results({}, [])),
        mock.patch("einnet.tasks.app.draw_picture"),
    ):
        yield


def run_of(folder, task):
    (run,) = (folder / task).iterdir()
    return run


def refusal(arguments, capsys) -> str:
    """The last line on standard error of a command that is refused."""
    capsys.readouterr()
    assert main(list(map(str, arguments))) == 2
    return capsys.readouterr().err.splitlines()[-1]


@pytest.fixture
def change(folder):
    """Changes a file by a function of its text, and afterwards back."""
    before = {}

    def change(file, function):
        before.setdefault(file, file.read_text())
        changed = function(before[file])
        assert changed != before[file]
        file.write_text(changed)

    yield change
    for file, text in before.items():
        file.write_text(text)


def first_line_last(text: str) -> str:
    first, rest = text.split("\n", 1)
    return rest + first + "\n"


CHANGES = [
    ("kg", "train.txt", lambda text: text.replace("ann0\tspouse\tbob0", "ann0\tspouse\tbob1")),
    ("kg", "valid.txt", lambda text: re.sub(r"\t(\w+)\n", r"\tann3\n", text, count=1)),
    ("kg", "test.txt", lambda text: text.replace("0\t", "1\t", 1)),
    ("kg", "train.txt", lambda text: text.replace("dan3", "eve3")),  # a name
    ("sudoku", "boards.txt", first_line_last),
    ("ratings", "ratings.csv", lambda text: text.replace("u1,i1,1", "u1,i1,2")),
]


@pytest.mark.parametrize(("task", "name", "function"), CHANGES)
def test_other_data_of_the_same_size_are_refused(folder, task, name, function, change, capsys):
    change(folder / "data" / name, function)
    before = (run_of(folder, task) / "metrics.json").read_text()
    assert ": data changed since" in refusal(["train", task, "--resume", run_of(folder, task)], capsys)
    assert (run_of(folder, task) / "metrics.json").read_text() == before


def test_puzzles_that_a_run_made_itself_are_not_exchanged(tmp_path, capsys):
    options = ["--side", "4", "--puzzles", "4", "--batch", "2", "--iterations", "2"]
    with (
        no_results(),
        mock.patch("einnet.tasks.sudoku.generate.map_in_processes", lambda make, jobs, *_: list(map(make, jobs))),
    ):
        assert main(["train", "sudoku", *TINY, *options, "--out", str(tmp_path)]) == 0
        assert main(["train", "sudoku", "--resume", str(run_of(tmp_path, "sudoku"))]) == 0
    file = run_of(tmp_path, "sudoku") / "puzzles.txt.gz"
    file.write_bytes(gzip.compress(first_line_last(gzip.decompress(file.read_bytes()).decode()).encode()))
    assert ": data changed since" in refusal(["train", "sudoku", "--resume", file.parent], capsys)


CHANGED = [
    ("kg", "lr", 0.1),
    ("sudoku", "more", 3),
    ("pinv", "batch", 3),
    ("poker", "dropout", 0.5),
    ("ratings", "block", 500),
]


@pytest.mark.parametrize(("task", "setting", "value"), CHANGED)
def test_a_changed_config_is_refused(folder, task, setting, value, change, capsys):
    config = run_of(folder, task) / "config.json"
    change(config, lambda text: re.sub(rf'"{setting}": \d[\d.]*', f'"{setting}": {value}', text))
    assert ": config changed since" in refusal(["train", task, "--resume", run_of(folder, task)], capsys)


@pytest.mark.parametrize("task", TASKS)
def test_another_seed_is_refused(folder, task, change, capsys):
    change(run_of(folder, task) / "config.json", lambda text: text.replace('"seed": 0', '"seed": 1'))
    assert ": config changed since" in refusal(["train", task, "--resume", run_of(folder, task)], capsys)


@pytest.mark.parametrize(
    "command", ["train kg --resume", "eval kg --checkpoint", "predict kg --relation child --head ann0 --checkpoint"]
)
def test_relations_in_another_order_are_refused(folder, command, change, capsys):
    def swap(text):
        content = json.loads(text)
        return json.dumps(content | {"relations": content["relations"][::-1]})

    change(run_of(folder, "kg") / "config.json", swap)
    assert "config changed since" in refusal([*command.split(), run_of(folder, "kg")], capsys)


def test_eval_and_predict_say_that_the_data_have_changed(folder, change, capsys):
    checkpoint = ["--checkpoint", str(run_of(folder, "kg"))]
    commands = (
        ["eval", "kg", "--json", *checkpoint],
        ["predict", "kg", "--relation", "child", "--head", "ann0", *checkpoint],
    )
    for is_changed in (False, True):
        if is_changed:
            change(folder / "data" / "test.txt", lambda text: text.replace("0\t", "1\t", 1))
        for command in commands:
            assert main(command) == 0
            assert (": data changed since" in capsys.readouterr().err) == is_changed


def test_what_changes_nothing_is_continued(folder, change, capsys):
    """The data in another place, fewer of the puzzles that are not used, longer training."""
    change(folder / "data" / "boards.txt", lambda text: text.rsplit("\n", 2)[0] + "\n")
    (folder / "data").rename(folder / "moved")
    try:
        for task in ("kg", "sudoku"):
            config = run_of(folder, task) / "config.json"
            change(
                config,
                lambda text: text.replace(str(folder / "data"), str(folder / "moved")).replace(
                    '"steps": 1', '"steps": 2'
                ),
            )
            with no_results():
                assert main(["train", task, "--resume", str(run_of(folder, task))]) == 0
    finally:
        (folder / "moved").rename(folder / "data")
    assert "not known" not in capsys.readouterr().err


def test_a_run_without_fingerprint_is_continued_and_said(folder, change, capsys):
    def remove(text):
        content = json.loads(text)
        del content["fingerprint"]
        return json.dumps(content)

    change(run_of(folder, "pinv") / "config.json", remove)
    with no_results():
        assert main(["train", "pinv", "--resume", str(run_of(folder, "pinv"))]) == 0
    assert "is not known" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--lr 0.004", "--seed 0", "--out runs", "--precision auto", "--heads 8"])
def test_an_option_beside_resume_is_refused_even_if_it_has_its_usual_value(folder, option, capsys):
    arguments = ["train", "pinv", "--resume", run_of(folder, "pinv"), *option.split()]
    assert "--resume" in refusal(arguments, capsys)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (np.zeros((2, 3)), np.zeros((3, 2))), (np.zeros(2), np.zeros(2, np.float32)), ([np.zeros(1)], np.zeros(1)),
        ("a", ["a"]), (["ab", "c"], ["a", "bc"]), ({"a": 1}, {"a": 2}), (1, "1"), (None, ""), ([], [[]]),
        (np.array(["a", None], object), np.array(["b", None], object)),
    ],
)  # fmt: skip
def test_fingerprints_of_different_values_differ(one, two):
    assert compute_fingerprint(one) != compute_fingerprint(two)
    assert compute_fingerprint(one) == compute_fingerprint(one)


def test_fingerprints_of_whole_numbers_do_not_depend_on_their_width():
    assert compute_fingerprint(np.arange(3, dtype=np.int32)) == compute_fingerprint(torch.arange(3))
