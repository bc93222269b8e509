"""Runs that start in the same second have folders of their own."""

import os
import subprocess
import sys
import time
from multiprocessing import get_context
from pathlib import Path

import pytest

from einnet.train import Run

PROCESSES = 4
RUN = ["train", "pinv", "--steps", "1", "--matrices", "4", "--hidden", "2", "--heads", "1", "--depth", "1"]


def create_at(moment: float, out: Path, number: int) -> Path:
    time.sleep(max(0, moment - time.time()))
    return Run.create(out, "pinv", {"number": number}).folder


def test_folders_made_at_one_moment(tmp_path):
    moment = int(time.time()) + 5.1
    with get_context("spawn").Pool(PROCESSES) as pool:
        folders = pool.starmap(create_at, [(moment, tmp_path, k) for k in range(PROCESSES)], chunksize=1)
    assert len(set(folders)) == PROCESSES
    assert len({f.name[:19] for f in folders}) < PROCESSES, "no two were made in the same second"
    assert [Run(f).read_config()["number"] for f in folders] == list(range(PROCESSES))


@pytest.mark.slow
def test_two_commands_started_together(tmp_path):
    command = [sys.executable, "-m", "einnet", *RUN, "--out", str(tmp_path)]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    commands = [subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    for process in commands:
        _, message = process.communicate(timeout=300)
        assert process.returncode == 0, message
    folders = list((tmp_path / "pinv").iterdir())
    assert len(folders) == 2
    assert all((f / "metrics.json").is_file() for f in folders)
