"""The disk is full while something is saved: the message names the file, and what was there before survives."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from einnet import EinNet
from einnet.cli import main
from einnet.files import write_whole
from einnet.train import Options, Run, fit
from faults.disks import fill, mount_disk
from faults.tasks import Mean, same_tensors, steps_in_log
from networks import random_inputs, small

SMALL_DISK = "2m"
COMMANDS = {
    "series": ["series", "ab ->", "--size", "a=2", "--size", "b=2", "--plot", "picture.svg"],
    "explain": ["explain", "aH", "--plot", "picture.png"],
    "pool": ["pool", "aaH", "--order", "2", "--draw", "picture.svg"],
    "explore": ["explore", "aH", "--html", "page.html"],
    "predict": ["predict", "sudoku", ".......24...3..1", "--plot", "picture.svg"],
}


def test_a_network(tmp_path):
    with mount_disk(tmp_path / "disk", SMALL_DISK) as disk:
        net, path = small("aH", dtype=torch.float32).eval(), disk / "net.safetensors"
        net.save(path)
        ballast = fill(disk)
        with pytest.raises(OSError, match="No space left on device") as error:
            EinNet("aH", 2, 2).save(path)
        assert str(path) in str(error.value)
        assert error.value.errno == errno.ENOSPC
        assert sorted(disk.iterdir()) == [ballast, path]
        inputs = random_inputs(net, dtype=torch.float32)
        assert torch.equal(EinNet.load(path)(*inputs), net(*inputs))


@pytest.mark.parametrize("command", COMMANDS)
def test_a_picture_or_page(tmp_path, command, capsys):
    *words, name = COMMANDS[command]
    with mount_disk(tmp_path / "disk", SMALL_DISK) as disk:
        (disk / name).write_text("old")
        fill(disk)
        assert main([*words, str(disk / name)]) == 2
        assert (disk / name).read_text() == "old"
        assert sorted(p.name for p in disk.iterdir()) == sorted(["ballast", name])
    message = capsys.readouterr().err.splitlines()[-1]
    assert message.startswith("einnet: ") and str(disk / name) in message and "No space left on device" in message


class Filling(Mean):
    """Between two validations something else takes all the room."""

    def loss(self, step: int) -> torch.Tensor:
        if step == 15:
            fill(self.disk)
        return super().loss(step)


def test_a_run_goes_on_when_there_is_room_again(tmp_path):
    with mount_disk(tmp_path / "disk", SMALL_DISK) as disk:
        Filling.disk = disk
        options = Options(steps=40, precision="32", deterministic=True, out=disk)
        run, complete = Run.create(disk, "mean", {}), Run.create(tmp_path / "elsewhere", "mean", {})
        assert fit(Mean, complete, options, steps=40, validate_every=10)
        with pytest.raises(OSError, match="No space left on device") as error:
            fit(Filling, run, options, steps=40, validate_every=10)
        assert str(run.folder) in str(error.value) and ".part-" not in str(error.value)
        assert steps_in_log(run) == [10]
        EinNet.load(run.best)
        (disk / "ballast").unlink()
        assert fit(Mean, run, options, steps=40, validate_every=10, resume=True)
        assert steps_in_log(run) == [10, 20, 30, 40]
        assert same_tensors(run.best, complete.best)


LIMITED = """
import resource, sys
from pathlib import Path
from einnet import EinNet
path = Path(sys.argv[1])
EinNet("aH", 2, 2, heads=2, hidden=4, depth=1).save(path)
before = path.read_bytes()
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    EinNet("aH", 2, 2).save(path)
except OSError as error:
    print(error)
assert path.read_bytes() == before and list(path.parent.iterdir()) == [path]
"""


def test_a_file_larger_than_the_process_may_write(tmp_path):
    path = tmp_path / "net.safetensors"
    done = subprocess.run([sys.executable, "-c", LIMITED, path], capture_output=True, text=True, check=True)
    assert str(path) in done.stdout and "File too large" in done.stdout


def test_an_error_at_the_last_moment(tmp_path, monkeypatch):
    """Some disks say only when a file is flushed that it did not fit."""
    path = tmp_path / "text"
    path.write_text("old")
    monkeypatch.setattr(os, "fsync", _no_space)
    with pytest.raises(OSError, match="No space left on device"), write_whole(path) as temporary:
        temporary.write_text("new")
    assert [p.name for p in tmp_path.iterdir()] == ["text"] and path.read_text() == "old"


def _no_space(_: int) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_errors_about_other_files_keep_their_names(tmp_path):
    with pytest.raises(FileNotFoundError, match="absent"), write_whole(tmp_path / "text"):
        Path(tmp_path / "absent").read_text()
    assert list(tmp_path.iterdir()) == []
