"""A run is gone on with when something has changed since: a message that says what, no traceback."""

from pathlib import Path

import pytest
import torch

from einnet.cli import main
from einnet.errors import CheckpointError
from einnet.io.tensors import read_tensors, write_tensors
from einnet.tasks.sudoku.boards import Layout, format_board
from einnet.tasks.sudoku.generate import generate_puzzles
from einnet.train import Options, Run, fit
from families import write_families
from faults.tasks import Mean

KG = ["--hidden", "4", "--heads", "1", "--depth", "1", "--steps", "1", "--precision", "32"]
SUDOKU = ["--puzzles", "12", "--hidden", "4", "--heads", "1", "--batch", "2", "--iterations", "2", "--steps", "1"]


def error_line(arguments: list[str], capsys) -> str:
    """The last line on standard error of a command that is refused."""
    assert main(list(map(str, arguments))) == 2
    return capsys.readouterr().err.splitlines()[-1]


def write_boards(file: Path, side: int, number: int) -> None:
    boards = zip(*generate_puzzles(Layout.of(side), number, seed=0, processes=1), strict=True)
    file.write_text("".join(f"{format_board(p)},{format_board(s)}\n" for p, s in boards))


@pytest.mark.parametrize(("side", "number"), [(6, 12), (4, 5)], ids=["of another size", "fewer"])
def test_a_data_file_with_other_boards(tmp_path, side, number, capsys):
    data, out = tmp_path / "boards.txt", tmp_path / "runs"
    write_boards(data, 4, 12)
    assert main(["train", "sudoku", "--data", str(data), "--out", str(out), *SUDOKU]) == 0
    (folder,) = (out / "sudoku").iterdir()
    write_boards(data, side, number)
    message = error_line(["train", "sudoku", "--resume", folder], capsys)
    expected = "data changed since" if side == 6 else f"{data} has 5 puzzles"
    assert message.startswith("einnet: ") and expected in message


def test_a_knowledge_graph_with_another_relation(tmp_path, capsys):
    data, out = write_families(tmp_path / "data"), tmp_path / "runs"
    assert main(["train", "kg", "--data", str(data), "--out", str(out), *KG]) == 0
    (folder,) = (out / "kg").iterdir()
    with (data / "train.txt").open("a") as f:
        f.write("ann0\tadmires\tbob0\n")
    assert "admires" in error_line(["train", "kg", "--resume", folder], capsys)


@pytest.fixture
def run(tmp_path) -> Run:
    new_run = Run.create(tmp_path, "mean", {})
    assert fit(Mean, new_run, Options(steps=4, precision="32", out=tmp_path), steps=4, validate_every=2)
    return new_run


def go_on(run: Run) -> str:
    with pytest.raises(CheckpointError) as error:
        fit(Mean, run, Options(steps=8, precision="32"), steps=8, validate_every=2, resume=True)
    return str(error.value)


@pytest.mark.parametrize("part", ["net", "log"])
def test_a_state_with_an_empty_part(run, part):
    tensors, tree, _ = read_tensors(run.last, "training state")
    parts = tree["state"]["dict"]
    tree["state"]["dict"] = [[key, {"dict": []} if key == part else value] for key, value in parts]
    write_tensors(run.last, tensors, "training state", tree)
    assert str(run.last) in (message := go_on(run)) and "this run" in message


def test_a_state_of_another_network(run):
    tensors, tree, _ = read_tensors(run.last, "training state")
    write_tensors(
        run.last, {k: torch.cat([x, x]) if x.dim() else x for k, x in tensors.items()}, "training state", tree
    )
    message = go_on(run)
    assert str(run.last) in message and "size mismatch" in message and "\n" not in message


def test_errors_in_training_are_not_taken_for_those(run):
    class Broken(Mean):
        def loss(self, step):
            raise RuntimeError("of the task")

    with pytest.raises(RuntimeError, match="of the task"):
        fit(Broken, run, Options(steps=8, precision="32"), steps=8, validate_every=2, resume=True)


def test_left_over_files_are_removed(run):
    left = run.folder / ".last.safetensors.part-abc.safetensors"
    left.write_bytes(b"half of a fi")
    assert fit(Mean, run, Options(steps=8, precision="32"), steps=8, validate_every=2, resume=True)
    assert not left.exists()
