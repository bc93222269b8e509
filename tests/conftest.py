"""Settings of all tests, and what runs by default: a sample of each large grid and no slow test; `--all` runs everything."""

import inspect
import os
from zlib import crc32

import pytest
import torch
from hypothesis import HealthCheck, settings

torch.set_num_threads(1)
if not torch.cuda.is_available():  # before anything imports Triton, which reads it then
    os.environ.setdefault("TRITON_INTERPRET", "1")
COMMON = {
    "deadline": None, "derandomize": "CI" in os.environ, "suppress_health_check": [HealthCheck.too_slow],
}  # fmt: skip
settings.register_profile("sample", max_examples=20, **COMMON)
settings.register_profile("all", max_examples=40, **COMMON)


def pytest_addoption(parser):
    parser.addoption("--all", action="store_true", help="run the whole grids and the slow tests too")


def pytest_configure(config):
    settings.load_profile("all" if config.getoption("--all") else "sample")


def pytest_collection_modifyitems(config, items):
    """Leaves out slow tests and all but a sample of each grid, unless `--all` or a test's name or a mark asks for them."""
    if config.getoption("--all") or config.option.markexpr or any("::" in argument for argument in config.args):
        return
    sample = sample_of(items)
    left_out = [i for i in items if i.get_closest_marker("slow") or (i.get_closest_marker("grid") and i not in sample)]
    items[:] = [i for i in items if i not in set(left_out)]
    config.hook.pytest_deselected(items=left_out)


def sample_of(items) -> set:
    """One case of each stratum of each grid, the same in every process: the one whose name has the smallest checksum."""
    strata = {}
    for item in items:
        if mark := item.get_closest_marker("grid"):
            stratum = mark.kwargs["stratum"]
            values = [item.callspec.params[name] for name in inspect.signature(stratum).parameters]
            strata.setdefault((item.location[0], item.originalname, stratum(*values)), []).append(item)
    return {min(cases, key=lambda item: (crc32(item.nodeid.encode()), item.nodeid)) for cases in strata.values()}


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)
