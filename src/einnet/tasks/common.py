"""What the commands of every task share: messages, the settings of a run, going on with one."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from einnet.errors import CheckpointError, EinNetError
from einnet.tasks.console import say
from einnet.train.options import Options
from einnet.train.run import Run

if TYPE_CHECKING:
    from einnet.nn import EinNet
    from einnet.train.task import Task

__all__ = [
    "fitted",
    "from_config",
    "interrupted",
    "load_net",
    "prepared",
    "run_to_resume",
    "run_to_use",
]


def prepared(task: str, settings: Any, options: Options, resume: Path | None) -> tuple[Run, Any, Options]:
    """A new run, or the one to go on with and its own settings and options; in single precision unless asked.

    Half precision is coarser than the errors that such tasks are after, and no faster on a CPU.
    """
    if resume is None:
        run = Run.create(options.out, task, {"settings": settings.as_json(), "options": options.as_json()})
    else:
        run = run_to_resume(resume, task, settings, options)
        settings, options = from_config(run, type(settings))
    return run, settings, replace(options, precision="32") if options.precision == "auto" else options


def fitted(
    make_task: "Callable[[], Task]", kind: "type[Task]", run: Run, options: Options, resume: Path | None, **how: Any
) -> bool:
    """Trains, draws the learning curve, begins the report; False if Ctrl-C ended it.

    `kind` is the task's class, which names the metric; `how`: see `einnet.train.fit`.
    """
    from einnet.plots.figures import learning_curve
    from einnet.tasks.report import CURVE, draw, write_report
    from einnet.train.loop import fit

    finished = fit(make_task, run, options, resume=resume is not None, **how)
    log = run.folder / "log.csv"
    draw(run.folder / CURVE, lambda picture: learning_curve(log, picture, kind.metric, kind.higher_is_better))
    write_report(run)  # without results, should there be none
    return finished


def run_to_resume(folder: Path, task: str, settings: Any, options: Options) -> Run:
    """The run to go on with; raises where settings or options other than the defaults are given beside it."""
    if settings != type(settings)() or options != Options():
        raise EinNetError("--resume goes on with the run's own settings and options: leave out the others")
    return Run.open(folder, task)


def from_config(run: Run, kind: type) -> tuple[Any, Options]:
    """The settings, of this kind, and the options of a run."""
    config = run.read_config()
    try:
        return kind(**config["settings"]), Options.from_json(config["options"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CheckpointError(f"{run.folder / 'config.json'} does not fit this version of EinNet: {error}") from None


def run_to_use(checkpoint: Path | None, out: Path, task: str) -> Run:
    """The run that was named, or the newest."""
    return Run.open(checkpoint, task) if checkpoint else Run.latest(out, task)


def load_net(path: Path, signature: str, in_features: int, out_features: int, what: str) -> "EinNet":
    """The network in a file; raises `CheckpointError` for one that is not for `what`."""
    from einnet.nn import EinNet

    net = EinNet.load(path)
    if (str(net.signature), net.in_features, net.out_features) != (signature, (in_features,), out_features):
        raise CheckpointError(f"{path} is a network {net.signature} of other features, not one for {what}")
    return net


def interrupted(run: Run, task: str) -> int:
    """Says how to go on after Ctrl-C; the exit code."""
    say(f"Interrupted. The best network so far is {run.best}\nGo on with: einnet train {task} --resume {run.folder}")
    return 130
