"""One of four processes that share a relation is killed: the others end in words, and those that resume have the same loss."""

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from families import write_families

EINNET = [sys.executable, "-m", "einnet"]
CONFIG = ["--hidden", "6", "--heads", "2", "--depth", "1", "--dropout", "0", "--precision", "32", "--steps", "75"]
PATIENCE = 300  # for a slow machine
pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")]


def losses(folder: Path) -> list[float]:
    file = folder / "log.csv"
    with file.open(newline="") as f:
        return [float(row["loss"]) for row in csv.DictReader(f)]


@pytest.mark.parametrize(("weights", "mesh"), [([], "1x2"), (["--sharded"], "1x1")], ids=["copied", "cut"])
def test_a_killed_process_ends_the_others_and_another_mesh_resumes(tmp_path, weights, mesh):
    data = write_families(tmp_path / "data")
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [*EINNET, "train", "kg", "--data", data, *CONFIG]
    subprocess.run([*command, "--out", tmp_path / "one"], env=env, check=True, capture_output=True)
    (undisturbed,) = (tmp_path / "one" / "kg").iterdir()

    process = subprocess.Popen(
        [*command, "--out", tmp_path / "four", "--shard", "2x2", *weights], env=env, stderr=subprocess.PIPE, text=True
    )
    end = time.monotonic() + PATIENCE
    while not (states := list((tmp_path / "four").glob("kg/*/last.safetensors"))) and process.poll() is None:
        assert time.monotonic() < end
        time.sleep(0.1)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    assert len(states) == 1 and len(children) == 3
    os.kill(int(children[1]), signal.SIGKILL)
    start = time.monotonic()
    _, message = process.communicate(timeout=PATIENCE)
    assert process.returncode == 2 and time.monotonic() - start < 30 and "Traceback" not in message
    assert "was ended by signal 9 (Killed); the last state to --resume from is in" in message

    folder = states[0].parent
    assert len(losses(folder)) < 3
    assert len(list(folder.glob("shards-*/shard-0000?-*"))) == 4 * len(weights)
    resume = [*EINNET, "train", "kg", "--resume", folder, "--shard", mesh]
    subprocess.run(resume, env=env, check=True, capture_output=True)
    assert losses(folder) == pytest.approx(losses(undisturbed), rel=1e-6)
