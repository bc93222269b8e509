"""Training states and runs are whole files, without pickle, and say what is wrong with them."""

import pickle

import pytest
import torch

from einnet.errors import CheckpointError
from einnet.io.tensors import write_tensors
from einnet.train import Options, Run
from einnet.train.state import read_state, write_state


def make_state() -> dict:
    return {
        "step": 7,
        "none": None,
        "state": {0: {"exp_avg": torch.randn(3, 2), "step": torch.tensor(4.0)}, "name": "x"},
        "betas": (0.9, 0.999),
        "rows": [{"mrr": 0.5}, {}],
    }


def test_a_training_state_comes_back_as_it_was(tmp_path):
    state = make_state()
    state |= {"net": {}, "average": {}, "optimizer": {}, "log": {}, "task": {}, "elapsed": 0.5}
    write_state(tmp_path / "last.safetensors", state)
    read = read_state(tmp_path / "last.safetensors")
    assert torch.equal(read["state"][0]["exp_avg"], state["state"][0]["exp_avg"])
    assert read["state"][0]["step"] == 4 and read["state"]["name"] == "x"
    assert {k: read[k] for k in ("step", "none", "betas", "rows")} == {
        k: state[k] for k in ("step", "none", "betas", "rows")
    }


def test_a_state_that_would_need_pickle_is_refused_by_name(tmp_path):
    with pytest.raises(CheckpointError, match=r"state\.hook"):
        write_state(tmp_path / "last.safetensors", {"hook": object()})
    assert list(tmp_path.iterdir()) == []  # nothing half-written


@pytest.mark.parametrize("damage", ["truncated", "pickle", "empty"])
def test_a_damaged_state_is_named(tmp_path, damage):
    path = tmp_path / "last.safetensors"
    write_state(path, make_state())
    content = {"truncated": path.read_bytes()[:-10], "pickle": pickle.dumps({"a": 1}), "empty": b""}[damage]
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"last\.safetensors"):
        read_state(path)


def test_a_state_of_other_content_is_named(tmp_path):
    path = tmp_path / "last.safetensors"
    write_state(path, {"step": 1})
    with pytest.raises(CheckpointError, match="average, elapsed, log"):
        read_state(path)
    write_tensors(path, {}, "training state", {"format": 3, "state": {"dict": [["a", {"tensor": "gone"}]]}})
    with pytest.raises(CheckpointError, match=r"last.safetensors.*KeyError"):
        read_state(path)


def test_a_state_of_an_earlier_format_is_named(tmp_path):
    path = tmp_path / "last.safetensors"
    write_tensors(path, {}, "training state", {"dict": [["epoch", 1]]})
    with pytest.raises(CheckpointError, match="another version of EinNet"):
        read_state(path)


def test_runs_started_in_one_second_get_different_folders(tmp_path):
    runs = [Run.create(tmp_path, "kg", {"seed": k}) for k in range(5)]
    assert len({r.folder for r in runs}) == 5
    assert [r.read_config()["seed"] for r in runs] == list(range(5))


def test_opening_what_is_not_a_run_of_the_task(tmp_path):
    with pytest.raises(CheckpointError, match="config.json"):
        Run.open(tmp_path, "kg")
    run = Run.create(tmp_path, "pinv", {})
    with pytest.raises(CheckpointError, match="'pinv', expected 'kg'"):
        Run.open(run.folder, "kg")
    (run.folder / "config.json").write_text("{")
    with pytest.raises(CheckpointError, match="JSON"):
        Run.open(run.folder, "pinv")


def test_the_latest_run_is_the_one_trained_last(tmp_path):
    with pytest.raises(CheckpointError, match="einnet train kg"):
        Run.latest(tmp_path, "kg")
    first, second = (Run.create(tmp_path, "kg", {}) for _ in range(2))
    second.best.write_bytes(b"x")
    assert Run.latest(tmp_path, "kg").folder == second.folder
    assert first.folder != second.folder


def test_options_are_checked_and_survive_json(tmp_path):
    options = Options(minutes=2, seed=3, out=tmp_path)
    assert Options.from_json(options.as_json()) == options
    with pytest.raises(ValueError, match="--minutes"):
        Options(minutes=-1)
    with pytest.raises(ValueError, match="--precision .*'16'"):
        Options(precision="16")
