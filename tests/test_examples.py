"""The notebooks run from top to bottom, and a wrong number in one makes it fail."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("marimo", reason="the notebooks need marimo")
pytest.importorskip("matplotlib", reason="the notebooks draw pictures")

NOTEBOOKS = Path(__file__).parents[1] / "examples"
NOTEBOOK_FILES = sorted(NOTEBOOKS.glob("*.py"))
SLOW = ("graphs", "kg", "matrices", "sets")  # with --all only

PRINTED = {  # some of the lines that each notebook prints
    "series": [
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
    ],
    "sets": ["1      25       2     i->i  j->i", "2  a,a->a"],
    "matrices": ["1      4     ij->ij  ik->ij  kj->ij  kl->ij", "3  ab,cb,cd->ad"],
    "graphs": ["5  ab,ac,bc,bd,cd->ad", "sets of four nodes that are all joined: 8.0 0.0"],
    "sudoku": ["9 2 1 | 4 8 3 | 7 6 5"],
    "kg": ["Ada is a grandparent of Dora, because Ada is a parent of Ben, and Ben of Dora"],
}


def run(notebook, folder):
    """The notebook as a script, started in this folder."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(notebook)]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)


@pytest.mark.parametrize(
    "notebook",
    [pytest.param(f, marks=[pytest.mark.slow] * (f.stem in SLOW)) for f in NOTEBOOK_FILES],
    ids=lambda path: path.stem,
)
def test_a_notebook_runs_and_prints_what_it_says(tmp_path, notebook):
    done = run(notebook, tmp_path)
    assert done.returncode == 0, done.stderr
    assert set(PRINTED[notebook.stem]) <= set(done.stdout.splitlines())
    assert not list(tmp_path.iterdir())  # it leaves nothing behind


@pytest.mark.grid(stratum=lambda: None)
@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("series", "permutation.dof == (1, 1, 2)", "permutation.dof == (1, 1, 3)"),
        ("series", '["ih->h", "ih,il->hl", "ih,jl->hl"]', '["ih->h", "ih,jl->hl", "ih,il->hl"]'),
        ("series", '_five.dof_at({"a": 4})[1] == 51', '_five.dof_at({"a": 4})[1] == 52'),
        ("sets", "_maps.dof[1] == 2", "_maps.dof[1] == 3"),
        ("matrices", "_small.dof[1] == 4", "_small.dof[1] == 5"),
        ("graphs", "_received[4, 0] == 1 + 2", "_received[4, 0] == 1 + 3"),
        ("sudoku", "_maps.dof[1] == 18", "_maps.dof[1] == 19"),
        ("kg", "_follow.sum() == _grandparent.sum()", "_follow.sum() < _grandparent.sum()"),
    ],
)
def test_a_wrong_statement_makes_the_notebook_fail(tmp_path, name, right, wrong):
    text = (NOTEBOOKS / f"{name}.py").read_text()
    assert text.count(right) == 1
    copy = tmp_path / f"{name}.py"
    copy.write_text(text.replace(right, wrong))
    done = run(copy, tmp_path)
    assert done.returncode != 0
    assert "AssertionError" in done.stderr
