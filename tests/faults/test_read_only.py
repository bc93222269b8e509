"""Where nothing can be written: exit code 2 and a message that names what the user asked for, no traceback."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from einnet import EinNet
from einnet.cli import main
from einnet.nn import PolynomialNet
from einnet.train import Run
from faults.disks import mount_disk, read_only

COMMANDS = {
    "train": ["train", "pinv", "--steps", "1", "--out", "runs"],
    "series": ["series", "ab ->", "--size", "a=2", "--size", "b=2", "--plot", "picture.svg"],
    "explain": ["explain", "aH", "--plot", "picture.png"],
    "pool": ["pool", "aaH", "--order", "2", "--draw", "picture.svg"],
    "explore": ["explore", "aH", "--html", "page.html"],
    "predict": ["predict", "sudoku", ".......24...3..1", "--plot", "picture.svg"],
}


@pytest.fixture(params=["below a file", "no permission", "read-only disk"])
def closed_folder(request, tmp_path) -> Iterator[tuple[Path, str]]:
    """A folder in which nothing can be made, and the reason."""
    if request.param == "below a file":
        (tmp_path / "file").write_text("")
        yield tmp_path / "file" / "folder", "not a folder"
    elif request.param == "no permission":
        folder = tmp_path / "closed"
        folder.mkdir(mode=0o500)
        if os.access(folder, os.W_OK):
            pytest.skip("this user (root) may write whatever the permissions are")
        yield folder, "Permission denied"
    else:
        with mount_disk(tmp_path / "disk", "100k") as disk:
            read_only(disk)
            yield disk, "Read-only file system"


@pytest.mark.parametrize("command", COMMANDS)
def test_commands(closed_folder, command, capsys):
    folder, reason = closed_folder
    *words, name = COMMANDS[command]
    assert main([*words, str(folder / name)]) == 2
    message = capsys.readouterr().err.splitlines()[-1]
    assert message.startswith("einnet: ") and str(folder / name) in message and reason in message
    assert ".part-" not in message


def test_saving_a_network(closed_folder):
    folder, reason = closed_folder
    path = folder / "net.safetensors"
    with pytest.raises(OSError, match=f"{path} .*{reason}"):
        EinNet("aH", 1, 1).save(path)


def test_what_is_there_can_still_be_used(tmp_path, capsys):
    with mount_disk(tmp_path / "disk", "2m") as disk:
        run = Run.create(disk, "pinv", {"config": {}, "options": {"out": "runs"}})
        PolynomialNet("abH", 1, 1, heads=2, hidden=3, depth=1).save(run.best)
        read_only(disk)
        assert main(["eval", "pinv", "--checkpoint", str(run.folder), "--json"]) == 0
        assert "sizes" in json.loads(capsys.readouterr().out)
