"""One target under one engine for so many minutes: `python tests/fuzz/engine.py FIGURES.json ENGINE TARGET MINUTES SEED`.

A process of its own, as atheris does not come back, and as what is found may end the process.
"""

import importlib
import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

import hypothesis
from hypothesis import HealthCheck, Phase, given, settings

GIGABYTES = 8  # of memory that the process may ask for
BUFFER = 4096  # bytes of which hypothesis makes an input
ROUND = 300  # inputs that hypothesis makes from one seed


def under_hypothesis(watch: Any, until: float, seed: int) -> None:
    while time.monotonic() < until:
        test = given(watch.target.inputs)(lambda value: None if time.monotonic() >= until else watch(value))
        hypothesis.seed(seed)(_settings(test))()
        seed += 1


def under_atheris(watch: Any, until: float, seed: int, finish: Any) -> None:
    import atheris

    make = _settings(given(watch.target.inputs)(lambda value: watch(value))).hypothesis.fuzz_one_input

    def one(data: bytes) -> None:
        make(data)
        if time.monotonic() >= until:
            finish()
            os._exit(0)

    limits = [f"-max_len={BUFFER}", f"-rss_limit_mb={GIGABYTES * 1000}", "-timeout=120", "-verbosity=0"]
    atheris.Setup([sys.argv[0], f"-seed={seed + 1}", *limits], one)
    atheris.Fuzz()


def _settings(test: Any) -> Any:
    return settings(
        max_examples=ROUND,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )(test)


def main(figures: str, engine: str, name: str, minutes: str, seed: str) -> None:
    """Writes the figures and what was found, or leaves the input at which the process ended in FIGURES.last."""
    resource.setrlimit(resource.RLIMIT_AS, (GIGABYTES << 30,) * 2)
    if engine == "atheris":
        import atheris

        with atheris.instrument_imports(include=["einnet"], enable_loader_override=False):
            targets = importlib.import_module("fuzz.targets")
    else:
        targets = importlib.import_module("fuzz.targets")
    import torch

    torch.set_num_threads(1)
    target = targets.TARGETS[name]
    target.call(target.valid)
    last = open(f"{figures}.last", "w", buffering=1 << 16, errors="backslashreplace")  # noqa: SIM115
    watch = targets.Watch(target, last)
    started = time.monotonic()

    def finish() -> None:
        Path(figures).write_text(
            json.dumps(
                {
                    "target": name,
                    "engine": engine,
                    "minutes": round((time.monotonic() - started) / 60, 2),
                    "executions": watch.executions,
                    "slowest": round(watch.slowest, 3),
                    "findings": watch.findings,
                }
            )
        )

    until = started + 60 * float(minutes)
    if engine == "atheris":
        under_atheris(watch, until, int(seed), finish)
    under_hypothesis(watch, until, int(seed))
    finish()


if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).parents[1])
    main(*sys.argv[1:])
