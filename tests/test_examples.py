"""The notebooks run from top to bottom, and a wrong number in one makes it fail."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("marimo", reason="the notebooks need marimo")
pytest.importorskip("matplotlib", reason="the notebooks draw pictures")

SERIES = Path(__file__).parents[1] / "examples" / "series.py"


def run(notebook, folder):
    """The notebook as a script, started in this folder."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(notebook)]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)


def test_the_series_notebook_runs_and_prints_the_numbers(tmp_path):
    done = run(SERIES, tmp_path)
    assert done.returncode == 0, done.stderr
    for line in [
        "a -> with a=3: 4 free parameters",
        "4 variables, invariant under (0 1 2 3): 6 free parameters",
        "3 variables, scale invariant, powers -2, -1, 0, 1, 2: 19 free parameters, 19 of 125 monomials",
        "aH -> with a=2, H=2: 11 free parameters",
        "ab -> with a=2, b=2: 6 free parameters",
        "aa -> with a=2: 11 free parameters",
        "a -> a with a=3: 3 free parameters",
        "1      9        2     i->i  j->i",
        "linear maps of a, aa, aaa to themselves: 2 15 203",
        "LinearMaps(rank 3, 9 to 9 dimensions)",
    ]:
        assert line in done.stdout.splitlines()
    assert not list(tmp_path.iterdir())  # it leaves nothing behind


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("permutation.dof == (1, 1, 2)", "permutation.dof == (1, 1, 3)"),
        ('["ih->h", "ih,il->hl", "ih,jl->hl"]', '["ih->h", "ih,jl->hl", "ih,il->hl"]'),
        ('_five.dof_at({"a": 4})[1] == 51', '_five.dof_at({"a": 4})[1] == 52'),
    ],
    ids=["a count", "an einsum", "a size"],
)
def test_a_wrong_number_makes_the_notebook_fail(tmp_path, right, wrong):
    text = SERIES.read_text()
    assert text.count(right) == 1
    copy = tmp_path / "series.py"
    copy.write_text(text.replace(right, wrong))
    done = run(copy, tmp_path)
    assert done.returncode != 0
    assert "AssertionError" in done.stderr
