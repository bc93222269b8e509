"""Checks for users' own work: the equivariance of a function, the contract of a task."""

import csv
import inspect
import io
import json
import math
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from safetensors.torch import load_file
from torch import Tensor

from einnet.errors import EinNetError
from einnet.nn.mode import evaluation_mode
from einnet.signature import Signature, as_signature
from einnet.symmetry import Symmetry

__all__ = ["assert_equivariant", "check_task", "equivariance_error"]

TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-4, torch.bfloat16: 0.1, torch.float16: 0.05}


def equivariance_error(
    function: Callable[..., Tensor],
    signature: Signature | str,
    sizes: Mapping[str, int],
    *,
    features: int | Sequence[int] | None = None,
    batch: Sequence[int] = (2,),
    trials: int = 3,
    seed: int = 0,
    masks: bool = False,
    dtype: torch.dtype | None = None,
) -> float:
    """The largest difference between f(g x) and g f(x), relative to the largest value of f(x).

    >>> equivariance_error(lambda x: x.cumsum(-2), "aH", {"a": 5}, features=1) > 0.1
    True
    >>> equivariance_error(lambda x: x - x.mean(-2, keepdim=True), "aH", {"a": 5}, features=1) < 1e-6
    True

    Args:
        function: takes one tensor for each input; with `masks=True` also `mask=`, a dict by class. A
            module is checked in evaluation mode. What takes `sizes=` gets those of the output's axes that no input
            has.
        signature: the symmetry to check.
        sizes: the size of each class.
        features: of each input; without it, the function's `in_features`, else 3.
        batch: leading batch axes of the inputs.
        trials: how many random inputs and group elements.
        seed: of the random inputs and group elements.
        masks: whether to pass random masks, permuted with the inputs.
        dtype: of the inputs; without it, that of the function's parameters, else float64.
    """
    signature = as_signature(signature)
    widths = _features(function, signature, features)
    dtype = dtype or _dtype(function)
    if dtype not in TOLERANCE:
        raise EinNetError(f"equivariance is measured in {', '.join(map(str, TOLERANCE))}; got {dtype}")
    module = function if isinstance(function, torch.nn.Module) else torch.nn.Module()
    with evaluation_mode(module):  # with dropout no function is equivariant
        return _worst_difference(function, signature, sizes, widths, batch, trials, seed, masks, dtype)


def _worst_difference(function, signature, sizes, widths, batch, trials, seed, masks, dtype) -> float:
    generator = torch.Generator().manual_seed(seed)
    worst = 0.0
    for trial in range(trials):
        g = signature.random_element(sizes, (seed, trial))
        inputs = [
            torch.randn([*batch, *(sizes[c] for c in t.axes), *[w] * t.features], generator=generator, dtype=dtype)
            for t, w in zip(signature.inputs, widths, strict=True)
        ]
        moved = [g.act(x, t) for x, t in zip(inputs, signature.inputs, strict=True)]
        extra: dict[str, Any] = _free_sizes(function, signature, sizes)
        moved_extra = dict(extra)
        if masks:
            extra["mask"] = _random_masks(signature, sizes, batch, generator)
            moved_extra["mask"] = {c: g.act(m, _type_of_class(signature, c)) for c, m in extra["mask"].items()}
        with torch.no_grad():
            output, moved_output = function(*inputs, **extra), function(*moved, **moved_extra)
        if not isinstance(output, Tensor) or not isinstance(moved_output, Tensor):
            raise EinNetError(f"the function must return one tensor, got {type(output).__name__}")
        expected = g.act(output, signature.output)
        if moved_output.shape != expected.shape:
            raise EinNetError(
                f"the function returned shape {tuple(moved_output.shape)} and {tuple(expected.shape)} for inputs "
                "that differ by a permutation only"
            )
        scale = max(expected.abs().max().item(), 1e-30) if expected.numel() else 1.0
        difference = (moved_output - expected).abs().max().item() if expected.numel() else 0.0
        error = difference / scale
        if not math.isfinite(error):
            return float("nan")
        worst = max(worst, error)
    return worst


def assert_equivariant(
    function: Callable[..., Tensor],
    signature: Signature | str,
    sizes: Mapping[str, int],
    *,
    tolerance: float | None = None,
    **options: Any,
) -> None:
    """Raises `AssertionError` unless the function commutes with random group elements.

    >>> assert_equivariant(lambda x: x + x.mT, "aa", {"a": 5})
    >>> assert_equivariant(lambda x: x + x.mT, "aa -> aa", {"a": 5}, batch=())
    >>> assert_equivariant(lambda x: x @ x, "ab", {"a": 5, "b": 5})
    Traceback (most recent call last):
    AssertionError: not equivariant to 'ab -> ab': f(g x) differs from g f(x) by 1.4 of the largest
    value, more than 1e-10

    `options` are those of `equivariance_error`; the default tolerance is 1e-10 in float64, 1e-4 in
    float32.
    """
    dtype = options.get("dtype") or _dtype(function)
    error = equivariance_error(function, signature, sizes, **options)
    limit = TOLERANCE[dtype] if tolerance is None else tolerance
    if not error <= limit:
        parsed = as_signature(signature)
        raise AssertionError(
            f"not equivariant to '{parsed}': f(g x) differs from g f(x) by {error:.2g} of the "
            f"largest value, more than {limit:g}"
        )


def _features(function: Any, signature: Signature, features: int | Sequence[int] | None) -> list[int]:
    known: Any = getattr(function, "in_features", 3) if features is None else features
    widths = [known] * len(signature.inputs) if isinstance(known, int) else list(known)
    if len(widths) != len(signature.inputs):
        raise EinNetError(
            f"'{signature}' has {len(signature.inputs)} inputs, got features for {len(widths)}: {known!r}"
        )
    return widths


def _dtype(function: Any) -> torch.dtype:
    parameters = function.parameters() if isinstance(function, torch.nn.Module) else iter(())
    first = next(parameters, None)
    return torch.float64 if first is None else first.dtype


def _type_of_class(signature: Signature, letter: str) -> Symmetry:
    axes = Symmetry.of(signature.classes, signature.dependencies, features=False)
    return Symmetry.of((*axes.ancestors(letter), letter), axes.dependencies, features=False)


def _free_sizes(function: Callable[..., Tensor], signature: Signature, sizes: Mapping[str, int]) -> dict[str, Any]:
    """`sizes=` for a function that takes it, if the output has axes that no input has."""
    bound = {c for t in signature.inputs for c in t.axes}
    free = {c: sizes[c] for c in signature.output.classes if c not in bound}
    return {"sizes": free} if free and _takes_sizes(function) else {}


def _takes_sizes(function: Any) -> bool:
    called = getattr(function, "_orig_mod", function)  # what torch.compile wraps
    try:
        parameters = inspect.signature(called.forward if isinstance(called, torch.nn.Module) else called).parameters
    except (TypeError, ValueError):  # built in
        return False
    return "sizes" in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())


def _random_masks(signature, sizes, batch, generator) -> dict[str, Tensor]:
    masks = {}
    for letter in signature.classes:
        shape = [*batch, *(sizes[c] for c in _type_of_class(signature, letter).axes)]
        masks[letter] = torch.rand(shape, generator=generator) < 0.7
    return masks


RUN_FILES = ("best.safetensors", "config.json", "index.html", "last.safetensors", "log.csv", "metrics.json")


def check_task(
    app: Any,
    folder: Path | str,
    tiny: Sequence[str],
    *,
    evaluate: Sequence[str] | None = None,
    predict: Sequence[str] | None = None,
) -> None:
    """Raises `AssertionError` unless a task's commands keep their contract; trains it for four steps, a few times.

    Training leaves its files; an interrupted run and a killed run are resumed with the result of an uninterrupted
    one, bit by bit; `eval --json` prints the metrics; `predict` answers; wrong input is exit code 2 and a message.
    docs/how-to/adding-a-task.md has an example.

    Args:
        app: an `einnet.tasks.app.TaskApp`.
        folder: where the runs are made.
        tiny: options of `train` that make it quick.
        evaluate: further options of `eval`, for a task that measures data of the user's; its JSON is not compared then.
        predict: arguments of `predict`, for a task that has it.
    """
    folder = Path(folder)
    options = ["train", *tiny, "--steps", "4", "--precision", "32", "--deterministic", "--out"]
    with mock.patch.object(app, "validate_every", 2):
        reference = _train(app, [*options, str(folder / "whole")], 0)
        metrics = (reference / "metrics.json").read_text()
        for name, disturb, code in (("interrupted", _interrupt, 130), ("killed", _kill, None)):
            with _disturb_task(app, 2, disturb):
                run = _train(app, [*options, str(folder / name)], code)
            _expect(app, ["train", "--resume", str(run)], 0)
            _compare_runs(run, reference, name)
            if (run / "metrics.json").read_text() != metrics:
                raise AssertionError(f"metrics.json of the {name} run, resumed, differs from that of {reference}")
    if missing := [name for name in RUN_FILES if not (reference / name).is_file()]:
        raise AssertionError(f"{reference} has no {', '.join(missing)}")
    checkpoint = ["--checkpoint", str(reference)]
    printed, _ = _expect(app, ["eval", *checkpoint, *(evaluate or ()), "--json"], 0)
    if evaluate is None and json.loads(printed) != json.loads(metrics):
        raise AssertionError(f"eval --json differs from {reference / 'metrics.json'}: {printed[:300]}")
    if predict is not None:
        _expect(app, ["predict", *predict, *checkpoint], (0, 1))  # 1: without an answer
    _check_wrong_input(app, reference, evaluate or ())


def _check_wrong_input(app: Any, run: Path, evaluate: Sequence[str]) -> None:
    for arguments, phrase in (
        (["train", "--steps", "0"], "--steps must be"),
        (["train", "--resume", str(run), "--steps", "7"], "--resume"),
        (["train", "--resume", str(run / "nowhere")], "nowhere is not a run's folder"),
        (["eval", "--checkpoint", str(run / "nowhere"), *evaluate], "nowhere is not a run's folder"),
        (["train", "--no-such-option"], "no-such-option"),
    ):
        output, message = _expect(app, arguments, 2)
        if phrase not in output + message:
            raise AssertionError(f"{app.name} {' '.join(arguments)}: the message lacks {phrase!r}: {message}")
    best = run / "best.safetensors"
    content = best.read_bytes()
    best.write_bytes(content[: len(content) // 2])
    try:
        _, message = _expect(app, ["eval", "--checkpoint", str(run), *evaluate], 2)
    finally:
        best.write_bytes(content)
    if best.name not in message:
        raise AssertionError(f"a damaged {best.name} is not named: {message}")


def _train(app: Any, arguments: list[str], code: int | None) -> Path:
    """The folder of a new run, ended with this exit code; None: by a kill."""
    if code is None:
        try:
            _expect(app, arguments, 0)
        except _Killed:
            pass
        else:
            raise AssertionError(f"{app.name} {' '.join(arguments)} outlived its kill")
    else:
        _expect(app, arguments, code)
    (folder,) = (Path(arguments[-1]) / app.name).iterdir()
    return folder


def _expect(app: Any, arguments: list[str], code: int | tuple[int, ...]) -> tuple[str, str]:
    """What a command prints on standard output and on standard error; its exit code must be as expected."""
    output, message = io.StringIO(), io.StringIO()
    with redirect_stdout(output), redirect_stderr(message):
        result = app.main(arguments)
    if result not in (code if isinstance(code, tuple) else (code,)):
        raise AssertionError(
            f"{app.name} {' '.join(arguments)}: exit code {result}, expected {code}\n{output.getvalue()}"
            f"{message.getvalue()}"
        )
    return output.getvalue(), message.getvalue()


class _Killed(BaseException):
    """Ends a training as a kill does: nothing catches it."""


def _interrupt() -> None:
    signal.raise_signal(signal.SIGINT)


def _kill() -> None:
    raise _Killed


@contextmanager
def _disturb_task(app: Any, step: int, disturb: Callable[[], None]) -> Iterator[None]:
    """Within the block the loss of a step of a new task is preceded by a disturbance."""
    make_task = app.make_task

    def make_disturbed_task(*arguments: Any) -> Any:
        task = make_task(*arguments)
        loss = task.loss

        def loss_after_disturbance(k: int) -> Tensor:
            if k == step:
                disturb()
            return loss(k)

        task.loss = loss_after_disturbance
        return task

    with mock.patch.object(app, "make_task", make_disturbed_task):
        yield


def _compare_runs(run: Path, reference: Path, name: str) -> None:
    """Weights, training states and logs are those of the reference, bit by bit."""
    for file in ("best.safetensors", "last.safetensors"):
        one, two = load_file(run / file), load_file(reference / file)
        if one.keys() != two.keys() or not all(torch.equal(one[k], two[k]) for k in one):
            raise AssertionError(f"{file} of the {name} run, resumed, differs from that of {reference}")
    logs = []
    for folder in (run, reference):
        with (folder / "log.csv").open(newline="") as f:
            logs.append([{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(f)])
    if logs[0] != logs[1]:
        raise AssertionError(f"log.csv of the {name} run, resumed, differs from that of {reference}: {logs}")
