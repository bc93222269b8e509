"""`check_task`, also available as `einnet.testing.check_task`: the contract of a task's commands."""

import csv
import io
import json
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from html import unescape
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from safetensors.torch import load_file
from torch import Tensor

from einnet.tasks.app import TaskApp
from einnet.train.run import Run

__all__ = ["check_task"]

RUN_FILES = ("best.safetensors", "config.json", "index.html", "last.safetensors", "log.csv", "metrics.json")


def check_task(
    app: TaskApp,
    folder: Path | str,
    tiny: Sequence[str],
    *,
    evaluate: Sequence[str] | None = None,
    predict: Sequence[str] | None = None,
) -> None:
    """Raises `AssertionError` unless a task's commands keep their contract; trains it for four steps, a few times.

    Training leaves its files; an interrupted run and a killed run are resumed with the result of an uninterrupted
    one, bit by bit; `eval --json` prints the metrics; `predict` answers; the page of the run has the suggested command
    and Python, which is not executed; wrong input is exit code 2 and a message.
    docs/how-to/adding-a-task.md has an example.

    Args:
        app: the task.
        folder: where the runs are made.
        tiny: options of `train` that make it quick.
        evaluate: further options of `eval`, for a task that measures data of the user's; its JSON is not compared then.
        predict: arguments of `predict`, for a task that has it.
    """
    options = ["train", *tiny, "--steps", "4", "--precision", "32", "--deterministic", "--out"]
    with mock.patch.object(app, "validate_every", 2):
        reference = _train(app, [*options, str(Path(folder) / "complete")])
        for name, code in (("interrupted", 130), ("killed", None)):
            with _disturb_task(app, 2, is_killed=code is None):
                run = _train(app, [*options, str(Path(folder) / name)], code)
            _run_command(app, ["train", "--resume", str(run)], 0)
            _compare_runs(run, reference, name)
    if missing := [name for name in RUN_FILES if not (reference / name).is_file()]:
        raise AssertionError(f"{reference} has no {', '.join(missing)}")
    checkpoint = ["--checkpoint", str(reference)]
    printed = _run_command(app, ["eval", *checkpoint, *(evaluate or ()), "--json"], 0)
    if evaluate is None and json.loads(printed) != json.loads((reference / "metrics.json").read_text(encoding="utf-8")):
        raise AssertionError(f"eval --json differs from {reference / 'metrics.json'}: {printed[:300]}")
    if predict is not None:
        _run_command(app, ["predict", *predict, *checkpoint], 0, 1)  # 1: without an answer
    _check_suggestion(app, Run(reference))
    _check_wrong_input(app, reference, evaluate or ())


def _check_suggestion(app: TaskApp, run: Run) -> None:
    """The page has the suggested command and Python."""
    config, options = app.read_config(run)
    suggestion = app.suggest(run, config, app.load_data(config, options.seed, run))
    page = unescape((run.folder / "index.html").read_text(encoding="utf-8"))
    if missing := [text for text in (suggestion.command, suggestion.code) if text not in page]:
        raise AssertionError(f"{run.folder / 'index.html'} lacks the suggestion: {missing[0]}")


def _check_wrong_input(app: TaskApp, run: Path, evaluate: Sequence[str]) -> None:
    for arguments, phrase in (
        (["train", "--steps", "0"], "--steps must be"),
        (["train", "--resume", str(run), "--steps", "7"], "--resume"),
        (["train", "--resume", str(run / "nowhere")], "nowhere is not a run's folder"),
        (["eval", "--checkpoint", str(run / "nowhere"), *evaluate], "nowhere is not a run's folder"),
        (["train", "--no-such-option"], "no-such-option"),
    ):
        _expect_message(app, arguments, phrase)
    best = run / "best.safetensors"
    content = best.read_bytes()
    best.write_bytes(content[: len(content) // 2])
    try:
        _expect_message(app, ["eval", "--checkpoint", str(run), *evaluate], best.name)
    finally:
        best.write_bytes(content)


def _expect_message(app: TaskApp, arguments: list[str], phrase: str) -> None:
    if phrase not in (message := _run_command(app, arguments, 2)):
        raise AssertionError(f"{app.name} {' '.join(arguments)}: the message lacks {phrase!r}: {message}")


def _train(app: TaskApp, arguments: list[str], code: int | None = 0) -> Path:
    """The folder of a new run, ended with this exit code; None: by a kill."""
    with suppress(_Killed):
        _run_command(app, arguments, code)
    (folder,) = (Path(arguments[-1]) / app.name).iterdir()
    return folder


def _run_command(app: TaskApp, arguments: list[str], *codes: int | None) -> str:
    """What a command prints: on standard output, or, if its exit code is 2, also on standard error."""
    output, message = io.StringIO(), io.StringIO()
    with redirect_stdout(output), redirect_stderr(message):
        result = app.main(arguments)
    printed = output.getvalue() + message.getvalue()
    if result not in codes:
        expected = " or ".join("a kill" if code is None else str(code) for code in codes)
        raise AssertionError(f"{app.name} {' '.join(arguments)}: exit code {result}, expected {expected}\n{printed}")
    return printed if result == 2 else output.getvalue()


class _Killed(BaseException):
    """Ends a training as a kill does: nothing catches it."""


@contextmanager
def _disturb_task(app: TaskApp, disturbed_step: int, is_killed: bool) -> Iterator[None]:
    """Within the block a new task is killed, or else interrupted, before the loss of a step."""
    make_task = app.make_task

    def make_disturbed_task(*arguments: Any) -> Any:
        task = make_task(*arguments)
        loss = task.loss

        def loss_after_disturbance(step: int) -> Tensor:
            if step == disturbed_step and is_killed:
                raise _Killed
            if step == disturbed_step:
                signal.raise_signal(signal.SIGINT)
            return loss(step)

        task.loss = loss_after_disturbance
        return task

    with mock.patch.object(app, "make_task", make_disturbed_task):
        yield


def _compare_runs(run: Path, reference: Path, name: str) -> None:
    """Weights, training states, logs and metrics are those of the reference, bit by bit."""
    for file, read in (
        ("best.safetensors", _read_tensors),
        ("last.safetensors", _read_tensors),
        ("log.csv", _read_log),
        ("metrics.json", Path.read_text),
    ):
        if read(run / file) != read(reference / file):
            raise AssertionError(f"{file} of the {name} run, resumed, differs from that of {reference}")


def _read_tensors(file: Path) -> dict[str, tuple[torch.dtype, torch.Size, bytes]]:
    tensors = load_file(file)
    return {k: (x.dtype, x.shape, x.reshape(-1).view(torch.uint8).numpy().tobytes()) for k, x in tensors.items()}


def _read_log(file: Path) -> list[dict[str, str]]:
    """The rows, without the time."""
    with file.open(newline="", encoding="utf-8") as f:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(f)]
