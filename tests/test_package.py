"""What is published: the sdist and the wheel hold what they need, and the wheel works where nothing else of the project is."""

import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from importlib.util import find_spec
from pathlib import Path

import licences
import pytest
import torch

import einnet

ROOT = Path(__file__).parents[1]
DATA = {"py.typed", "operations/catalogue.json", "tasks/sudoku/solver.safetensors", "pages/page.css"}
PUZZLE = "53..7....6..195....98....6.8...6...34..8.3..17...2...6.6....28....419..5....8..79"
PROGRAM = """
import einnet, torch
print(einnet.__file__)
net = einnet.EinNet("aaH -> aH", 3, 2, heads=2, hidden=8, depth=1)
print(tuple(net(torch.randn(5, 5, 3)).shape))
"""


def run(*command: str, folder: Path) -> str:
    """The output of a command in a folder outside the checkout."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def check_installed(python: Path, folder: Path) -> None:
    """Raises if the package of an environment is not the wheel, or does not work."""
    path, shape = run(str(python), "-c", PROGRAM, folder=folder).splitlines()
    assert Path(path).is_relative_to(python.parents[1])
    assert shape == "(5, 2)"
    command = python.with_name("einnet")
    assert "aa: 6 operations" in run(str(command), "pool", "aa", "--order", "2", folder=folder)
    assert "5 3 4 | 6 7 8 | 9 1 2" in run(str(command), "predict", "sudoku", PUZZLE, folder=folder)


def make_environment(folder: Path) -> Path:
    run(sys.executable, "-m", "venv", str(folder / "env"), folder=folder)
    return folder / "env" / "bin" / "python"


@pytest.fixture(scope="module")
def dist(tmp_path_factory):
    if not (find_spec("build") and find_spec("hatchling")):
        pytest.skip("building needs the packages build and hatchling: make installs them")
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT), folder=folder)
    return folder


@pytest.fixture(scope="module")
def wheel(dist):
    return next(dist.glob("*.whl"))


def test_versions_agree():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    cited = re.search(r"^version: (.*)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)
    assert cited and project["version"] == einnet.__version__ == cited[1]


def test_the_build_back_end_is_pinned_as_everything_else():
    (back_end,) = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    assert back_end.startswith("hatchling==") and back_end in (ROOT / "constraints.txt").read_text().split()


def test_the_lock_file_has_hashes_of_what_make_installs_at_the_pinned_versions():
    blocks = re.split(r"\n(?=\S)", (ROOT / "requirements.lock").read_text())
    locked = {m[1]: m[2] for m in (re.match(r"([a-z0-9-]+)==(\S+) ", block) for block in blocks) if m}
    assert len(locked) == sum(bool(re.search(r" --hash=sha256:[0-9a-f]{64}\b", block)) for block in blocks)
    pins, used = licences.read_pins(), licences.find_extras()
    assert {name: pins[name] for name in locked.keys() & pins} == {name: locked[name] for name in locked.keys() & pins}
    match = re.search(r"^EXTRAS := (\S+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert match
    extras = {"einnet", *match[1].split(",")}
    installed = {name for name in pins if extras.intersection(used.get(name, ()))}
    assert len(installed) > 100 and installed - locked.keys() == set()
    of_other_systems = ("nvidia-", "cuda-", "triton", "colorama", "cffi", "pycparser", "setuptools", "httpx2-jsfetch")
    assert [name for name in locked if name not in pins and not name.startswith(of_other_systems)] == []


@pytest.mark.slow
def test_the_sdist_has_sources_tests_and_docs(dist):
    with tarfile.open(next(dist.glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {
        "README.md",
        "LICENSE",
        "CITATION.cff",
        "constraints.txt",
        "requirements.lock",
        "tests/test_package.py",
        "docs/index.md",
    } <= names
    assert {f"src/einnet/{name}" for name in DATA} <= names
    assert not [name for name in names if "__pycache__" in name or name.startswith((".ci", ".venv", "runs/", "site/"))]


@pytest.mark.slow
def test_the_wheel_has_the_package_alone(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert {f"einnet/{name}" for name in DATA} <= names
    assert {name.partition("/")[0] for name in names} == {"einnet", f"einnet-{einnet.__version__}.dist-info"}


@pytest.mark.slow
def test_the_wheel_works_without_the_checkout(wheel, tmp_path):
    """With the dependencies of this environment, so that nothing is downloaded."""
    python = make_environment(tmp_path)
    run(str(python), "-m", "pip", "install", "--no-index", "--no-deps", str(wheel), folder=tmp_path)
    site = next((tmp_path / "env").glob("lib/python*/site-packages"))
    dependencies = Path(torch.__file__).parents[1]
    (site / "dependencies.pth").write_text(f"{dependencies}\n")  # after the wheel in sys.path
    check_installed(python, tmp_path)


@pytest.mark.slow
@pytest.mark.skipif(
    "EINNET_TEST_INSTALL" not in os.environ, reason="downloads all dependencies: set EINNET_TEST_INSTALL=1"
)
def test_the_wheel_installs_with_its_dependencies(wheel, tmp_path):
    """With torch alone pinned, at the version of constraints.txt; tasks need the extra `train`."""
    python = make_environment(tmp_path)
    version = re.search(r"^torch==(.*)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    assert version
    (tmp_path / "constraints.txt").write_text(version[0] + "\n")
    run(str(python), "-m", "pip", "install", "-q", "-c", "constraints.txt", f"{wheel}[train]", folder=tmp_path)
    check_installed(python, tmp_path)
