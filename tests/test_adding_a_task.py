"""docs/how-to/adding-a-task.md, followed to the letter: its files are a package, which keeps the contract of a task."""

import json
import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs/how-to/adding-a-task.md"
FILE = re.compile(r"```python\n# (clouds/\w+\.py)\n(.*?)```", re.DOTALL)
COMMAND = re.compile(r"^\$ python (.*)$", re.MULTILINE)


def test_the_page_is_a_task(tmp_path, monkeypatch):
    files = FILE.findall(PAGE.read_text())
    assert [name for name, _ in files] == ["clouds/network.py", "clouds/app.py", "clouds/test_clouds.py"]
    (tmp_path / "clouds").mkdir()
    for name, content in files:
        (tmp_path / name).write_text(content)
    monkeypatch.syspath_prepend(tmp_path)
    import_module("clouds.test_clouds").test_the_task_keeps_its_contract(tmp_path / "check")
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path]), "OMP_NUM_THREADS": "1"}
    for arguments in COMMAND.findall(PAGE.read_text()):
        done = subprocess.run(
            [sys.executable, *arguments.split()], cwd=tmp_path, env=env, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["error"] < 0.3
