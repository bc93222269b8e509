"""A state that four processes share is computed as by one: outputs, gradients of inputs and of weights."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch.distributed as dist

pytestmark = pytest.mark.skipif(
    sys.platform == "win32" or not dist.is_available() or not dist.is_gloo_available(), reason="needs gloo and fork"
)
HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def results(tmp_path_factory) -> list[dict[str, str]]:
    """What each process says of each check."""
    folder = tmp_path_factory.mktemp("processes")
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, str(HERE / "processes.py"), str(folder)], env=env, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(4)]


def test_every_check_holds_at_every_process(results):
    wrong = {f"{name}, process {rank}": text for rank, r in enumerate(results) for name, text in r.items() if text}
    assert not wrong, "\n\n".join(f"{name}:\n{text}" for name, text in wrong.items())
    assert len({tuple(r) for r in results}) == 1 and len(results[0]) > 100
