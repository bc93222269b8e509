"""What the commands of every task share: messages, the settings of a run, going on with one."""

from pathlib import Path
from typing import Any

from rich.console import Console

from einnet.errors import CheckpointError, EinNetError
from einnet.train.options import Options
from einnet.train.run import Run

__all__ = ["from_config", "interrupted", "run_to_resume", "say"]


def say(text: str) -> None:
    """A message beside the results, on standard error; paths are not wrapped, so that they can be copied."""
    Console(stderr=True, soft_wrap=True).print(text, highlight=False, markup=False)


def run_to_resume(folder: Path, task: str, settings: Any, options: Options) -> Run:
    """The run to go on with; raises where settings or options other than the defaults are given beside it."""
    if settings != type(settings)() or options != Options():
        raise EinNetError("--resume goes on with the run's own settings and options: leave out the others")
    return Run.open(folder, task)


def from_config(run: Run, kind: type) -> tuple[Any, Options]:
    """The settings, of this kind, and the options of a run."""
    config = run.config()
    try:
        return kind(**config["settings"]), Options.from_json(config["options"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CheckpointError(f"{run.folder / 'config.json'} does not fit this version of EinNet: {error}") from None


def interrupted(run: Run, task: str) -> int:
    """Says how to go on after Ctrl-C; the exit code."""
    say(f"Interrupted. The best network so far is {run.best}\nGo on with: einnet train {task} --resume {run.folder}")
    return 130
