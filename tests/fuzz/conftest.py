"""While other tests run, a call may be slower than `python tests/fuzz` allows."""

import pytest

from fuzz import watch


@pytest.fixture(autouse=True)
def _patience(monkeypatch):
    monkeypatch.setattr(watch, "SECONDS", 3 * watch.SECONDS)
