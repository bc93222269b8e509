"""What is read runs no code (at run time: test_audit.py), and the licences of dependencies are known."""

import ast
import json
import pickle
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import advisories
import licences
import pytest
import torch

from einnet import EinNet
from einnet.train import Options, Run, fit
from faults.tasks import Mean
from networks import random_inputs

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "src").rglob("*.py"))

# --- no code in files ------------------------------------------------------------------------------------

MODULES = {"pickle", "_pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "subprocess", "runpy"}
NAMES = {"eval", "exec", "compile", "__import__", "execfile"}
CALLS = {"torch.load", "torch.jit.load", "torch.export.load", "torch.hub.load", "np.load", "numpy.load", "os.system",
         "os.popen", "yaml.load", "yaml.unsafe_load", "yaml.full_load", "pd.read_pickle", "pandas.read_pickle"}  # fmt: skip


def findings(source: str) -> list[str]:
    """The calls and imports in source code that could run code from a file."""
    names = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names if alias.name.partition(".")[0] in MODULES]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module] if node.module.partition(".")[0] in MODULES else []
            names += [name for a in node.names if (name := f"{node.module}.{a.name}") in CALLS]
        elif isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            options = {k.arg: ast.unparse(k.value) for k in node.keywords}
            reads_arrays_only = name in {"np.load", "numpy.load"} and options.get("allow_pickle") == "False"
            is_call = name in NAMES | CALLS or name.startswith("builtins.")
            names += [name] if is_call and not reads_arrays_only else []
            names += ["allow_pickle"] if not is_call and options.get("allow_pickle", "False") != "False" else []
    return names


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_source_file_can_run_what_a_file_brings(path):
    assert findings(path.read_text()) == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle", "from pickle import loads", "import joblib as j", "import cloudpickle.cloudpickle",
        "import torch\nx = torch.load('x', weights_only=True)", "from torch import load", "np.load(f)", "np.load(f, allow_pickle=x)[0]",
        "import numpy\nnumpy.lib.format.read_array(f, allow_pickle=True)", "def f(x):\n    return eval(x)",
        "exec(text)", "yaml.load(f, Loader=yaml.Loader)", "from yaml import unsafe_load", "__import__(name)",
        "import subprocess", "os.system(x)", "builtins.eval(x)",
    ],
)  # fmt: skip
def test_the_search_finds_what_it_is_for(source):
    assert len(findings(source)) == 1


def test_the_search_finds_nothing_else():
    assert (
        findings(
            "net.eval()\nre.compile(x)\njson.load(f)\nyaml.safe_load(f)\nEinNet.load(p)\nnp.load(f, allow_pickle=False)"
        )
        == []
    )


class UnpicklingError(AssertionError):
    """Something was unpickled."""


@pytest.fixture
def no_pickle(monkeypatch):
    """From now on everything that unpickles raises."""

    def refuse(*_, **__):
        raise UnpicklingError

    for name in ("load", "loads", "Unpickler", "_Unpickler"):
        monkeypatch.setattr(pickle, name, refuse)
    for module, name in ((torch, "load"), (torch.serialization, "load"), (torch.jit, "load")):
        monkeypatch.setattr(module, name, refuse)
    yield
    with pytest.raises(UnpicklingError):
        pickle.loads(b"")


def test_networks_and_training_states_are_read_without_pickle(tmp_path, no_pickle):
    run, options = Run.create(tmp_path, "mean", {}), Options(steps=8, precision="32", out=tmp_path)
    assert fit(Mean, run, options, steps=4, validate_every=2)
    assert fit(Mean, run, options, steps=8, validate_every=2, resume=True)
    net = EinNet.load(run.best)
    assert torch.isfinite(net(*random_inputs(net, dtype=torch.float32))).all()
    assert Run.latest(tmp_path, "mean").read_config()["task"] == "mean"
    for file in run.folder.iterdir():
        assert file.suffix in (".json", ".csv", ".safetensors")


# --- advisories and licences --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("ranges", "code"), [(["<0.1", ">=1.0,<1.0.1"], 0), (["<0.1", "<1000"], 1)])
def test_a_pinned_version_that_is_affected_is_named(ranges, code, tmp_path, capsys):
    database = {"$meta": {"timestamp": 1_700_000_000}, "Torch": ranges, "unheard-of": ["<2"]}
    (tmp_path / "insecure.json").write_text(json.dumps(database))
    assert advisories.main(str(tmp_path / "insecure.json")) == code
    output = capsys.readouterr().out
    assert "Safety DB of 14 November 2023: 3 advisories for 2 packages" in output
    assert "pinned packages, 1 of them occur there" in output
    assert (f"torch {licences.read_pins()['torch']} is affected: <1000\n" in output) == bool(code)


def is_installed(name: str) -> bool:
    try:
        return bool(distribution(name))
    except PackageNotFoundError:
        return False


def test_every_installed_pin_has_its_line_in_the_page():
    lines = (ROOT / "docs" / "licences.md").read_text().splitlines()
    rows = {tuple(cell.strip() for cell in line.split(" | "))[:3] for line in lines if line.startswith("| ")}
    expected = {
        (f"| {n}", v, licences.read_licence(distribution(n)))
        for n, v in licences.read_pins().items()
        if is_installed(n)
    }
    assert len(expected) > 100
    assert expected - rows == set()


def test_nothing_at_run_time_has_a_strong_copyleft():
    uses = licences.find_extras()
    at_run_time = [name for name in uses if set(uses[name]) & set(licences.RUN_TIME) and is_installed(name)]
    assert {"torch", "lightning", "pykeen", "matplotlib"} <= set(at_run_time)
    strong = {
        n for n in at_run_time if licences.classify_copyleft(licences.read_licence(distribution(n))) in ("GPL", "AGPL")
    }
    assert strong == set()


def test_every_extra_is_for_run_time_or_for_development():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {*licences.RUN_TIME, *licences.DEVELOPMENT} == {"einnet", *project["optional-dependencies"]}
