"""A process is killed in the midst of saving, or of training, at any moment: what was saved last is whole."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from einnet import EinNet
from einnet.files import remove_leftovers
from einnet.train import Options, Run, fit
from faults.tasks import Mean, same_tensors, same_weights, steps_in_log

KILLS = 40
STEPS, VALIDATE_EVERY = 120, 2


def kill_after(seconds: float, work: Callable[[], object]) -> bool:
    """Does the work in a process of its own and kills it after a time; whether it was still at work."""
    child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        work()
        os._exit(0)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def save_forever(path: Path, nets: list[EinNet]) -> None:
    while True:
        for net in nets:
            net.save(path)


def kill_while_saving(folder: Path) -> None:
    """After each kill the file is one of the two networks, whole."""
    torch.set_num_threads(1)
    moments, path = random.Random(0), folder / "net.safetensors"
    nets = [EinNet("aH", 2, 2, hidden=128) for _ in range(2)]
    nets[0].save(path)
    seen, left = set(), 0
    for k in range(KILLS):
        before = len(list(folder.iterdir()))
        assert kill_after(moments.uniform(0.001, 0.1), lambda: save_forever(path, nets))
        left += len(list(folder.iterdir())) > before
        weights = EinNet.load(path).state_dict()
        seen.add(next(number for number, net in enumerate(nets) if same_weights(net.state_dict(), weights)))
        if k % 2:  # every other time the next process meets what this one left behind
            remove_leftovers(folder)
            assert list(folder.iterdir()) == [path]
    print(f"{KILLS} kills, {left} with a temporary file left behind")
    assert left and seen == {0, 1}, "no kill came in the midst of saving"


def kill_while_training(folder: Path) -> None:
    """Killed and resumed again and again, a run ends as the one that was left alone."""
    torch.set_num_threads(1)
    moments = random.Random(0)
    options = Options(steps=STEPS, precision="32", deterministic=True, out=folder)
    complete, run = Run.create(folder, "mean", {}), Run.create(folder, "mean", {})

    def train(into: Run) -> None:
        fit(Mean, into, options, steps=STEPS, validate_every=VALIDATE_EVERY, resume=into.last.is_file())

    start = time.monotonic()
    train(complete)
    seconds, kills = time.monotonic() - start, 0
    while kill_after(moments.uniform(0.1, 0.6) * seconds + 0.1 * kills, lambda: train(run)):  # a slow machine ends too
        kills += 1
        if run.best.is_file():
            EinNet.load(run.best)
    print(f"{kills} kills")
    assert kills
    assert steps_in_log(run) == steps_in_log(complete) == list(range(VALIDATE_EVERY, STEPS + 1, VALIDATE_EVERY))
    assert same_tensors(run.last, complete.last) and same_tensors(run.best, complete.best)
    assert not list(run.folder.glob(".*"))


def in_a_process(work: str, folder: Path) -> str:
    """In a fresh interpreter, which has one thread when it forks."""
    code = f"import sys; from pathlib import Path; from faults.test_killed import *; {work}(Path(sys.argv[1]))"
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", code, folder], capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_saving_again_and_again(tmp_path):
    assert in_a_process("kill_while_saving", tmp_path).startswith(f"{KILLS} kills")


@pytest.mark.slow
def test_training_again_and_again(tmp_path):
    assert " kills" in in_a_process("kill_while_training", tmp_path)
