"""What every command does at run time, by an audit hook: it unpickles and connects to nothing, and writes in its folder."""

import json
import os
import subprocess
import sys
from pathlib import Path

import matplotlib as mpl

from audit import DELIBERATE


def test_no_command_unpickles_connects_or_writes_elsewhere(tmp_path):
    places = {
        "HOME": tmp_path / "home",
        "TMPDIR": tmp_path / "inside" / "temporary",
        "MPLCONFIGDIR": mpl.get_cachedir(),
    }
    for place in places.values():
        os.makedirs(place, exist_ok=True)
    env = {**os.environ, **{name: str(place) for name, place in places.items()}, "OMP_NUM_THREADS": "1"}
    env["PYTHONPATH"] = os.pathsep.join(sys.path)
    script = Path(__file__).with_name("audit.py")
    done = subprocess.run([sys.executable, script, tmp_path / "inside"], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)
    deliberate = results.pop("deliberate")["offences"]
    assert {name: result["messages"] for name, result in results.items() if result["code"]} == {}
    assert {name: result["offences"] for name, result in results.items() if result["offences"]} == {}
    assert list(tmp_path.joinpath("home").rglob("*")) == []
    assert [offence.split()[0] for offence in deliberate] == list(DELIBERATE)  # the hook can see what it is for
