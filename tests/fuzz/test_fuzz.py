"""A few hostile inputs for each target; `python tests/fuzz` takes minutes for each."""

import io
from itertools import count
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from einnet import EinNetError
from fuzz import engine, watch
from fuzz.targets import TARGETS
from fuzz.watch import Target, Watch


@pytest.mark.parametrize("name", TARGETS)
def test_hostile_inputs_are_refused(name):
    target = TARGETS[name]
    target.call(target.valid)  # what is imported late is there

    @settings(max_examples=20)
    @given(target.inputs)
    def holds(value):
        target.check(value)

    holds()


def refuse(value):
    raise EinNetError(f"no {value}")


def fail(value):
    raise KeyError(value)


def hang(value):
    while True:
        pass


@pytest.mark.parametrize(
    ("call", "place"),
    [(refuse, None), (fail, "KeyError"), (hang, "Hang")],
)
def test_what_breaks_the_property_is_found(call, place, monkeypatch):
    monkeypatch.setattr(watch, "PATIENCE", 0.1)
    watching = Watch(Target("any", call, st.integers(), 0), io.StringIO())
    watching(7)
    findings = [(place.split()[0], value) for place, (value, _) in watching.findings.items()]
    assert (watching.executions, findings) == (1, [(place, "7")] if place else [])


def test_a_call_that_takes_much_memory_is_found(monkeypatch):
    monkeypatch.setattr(watch, "SECONDS", 60.0)  # so much memory takes a while to fill
    monkeypatch.setattr(watch, "PATIENCE", 60.0)
    megabytes = watch._megabytes() + watch.MEGABYTES + 100  # more than this process has used before
    watching = Watch(Target("any", lambda value: b"x" * (megabytes << 20), st.integers(), 0), io.StringIO())
    watching(7)
    assert list(watching.findings) == ["LargeError at the end"]


def test_of_the_inputs_that_fail_in_one_place_the_shortest_is_kept():
    watching = Watch(Target("any", fail, st.integers(), 0), io.StringIO())
    for value in (1000, 7, 100):
        watching(value)
    assert [value for value, _ in watching.findings.values()] == ["7"]


def test_a_slow_call_is_found(monkeypatch):
    monkeypatch.setattr(watch, "SECONDS", 0.0)
    watching = Watch(Target("any", lambda value: sum(range(10**6)), st.integers(), 0), io.StringIO())
    watching(7)
    assert list(watching.findings) == ["SlowError at the end"] and watching.slowest > 0


def test_hypothesis_makes_inputs_until_the_time_is_over(monkeypatch):
    seconds, seen = count(), []
    monkeypatch.setattr(engine, "time", SimpleNamespace(monotonic=lambda: next(seconds)))
    watching = Watch(Target("any", seen.append, st.integers(), 0), io.StringIO())
    engine.under_hypothesis(watching, until=500, seed=0)  # longer than a round
    assert 300 < watching.executions == len(seen) < 500 <= next(seconds) and len(set(seen)) > 100
