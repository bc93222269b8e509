"""`TaskApp`: the commands `train`, `eval` and `predict` of a task.

A task says what is special to it: its config, its data, its network and loss, its measures and pictures. The rest
is here: runs and how they are resumed, training, the learning curve, files, messages, exit codes. Torch is
imported inside functions, so that the command line answers --help at once.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cyclopts import App

from einnet.errors import CheckpointError, EinNetError
from einnet.tasks.console import Json, log, run_cli
from einnet.tasks.report import CURVE, Picture, Report, draw_picture, finish_run, print_report, write_run_page
from einnet.train.options import Options
from einnet.train.run import Run

if TYPE_CHECKING:
    from einnet.nn import EinNet
    from einnet.train.task import Task

__all__ = ["TaskApp", "find_run", "load_net"]

RESUME_HELP = """

Parameters
----------
resume
    Folder of a run to continue, with the run's own data, config and options.
"""


class TaskApp(ABC):
    """A task's commands. `data` is whatever `load_data` returns; `config` an instance of `config_class`."""

    name: str  # of the task in commands, and of the folder of its runs
    train_help: str  # one sentence
    config_class: type  # a frozen dataclass; all fields have defaults and a string below them as their help
    steps: int  # of training
    validate_every: int  # steps
    warmup: int = 30  # steps in which the learning rate rises
    clip: float = 1.0  # largest norm of the gradient
    auto_precision: str = "32"  # what --precision auto means; "auto" for bf16 where the hardware has it

    @abstractmethod
    def make_task(self, config: Any, data: Any, seed: int) -> "Task":
        """The network with its loss."""

    @abstractmethod
    def load_net(self, run: Run) -> "EinNet":
        """The best network of a run; raises `CheckpointError` for a network of another task."""

    @abstractmethod
    def measure(self, net: "EinNet", config: Any, data: Any) -> dict[str, Any]:
        """The metrics of a trained network, as JSON has them."""

    @abstractmethod
    def make_report(self, metrics: Mapping[str, Any]) -> Report:
        """Tables and sentences that show the metrics."""

    def make_pictures(self, net: "EinNet", config: Any, data: Any, metrics: Mapping[str, Any]) -> dict[str, Picture]:
        """Pictures of a trained network by file name."""
        return {}

    def describe(self, config: Any, data: Any) -> str:
        """What is learned from, in a few words."""
        return f"training {self.name}"

    def load_data(self, config: Any, seed: int, run: Run | None = None) -> Any:
        """The data to learn from and to measure on; a run that exists already may have it in its folder."""
        return None

    def save_data(self, config: Any, data: Any, run: Run) -> None:
        """Saves in a new run's folder what `load_data` shall find there."""
        return

    def config_to_json(self, config: Any) -> dict[str, Any]:
        """The config as it is saved: paths are absolute."""
        return asdict(config)

    def data_to_json(self, data: Any) -> dict[str, Any]:
        """What the run's config.json says of the data besides the config."""
        return {}

    def train(self, config: Any, options: Options, resume: Path | None = None) -> int:
        """Trains in a new run, or continues one, and leaves the files that `einnet.train.run` lists."""
        run, config, options, data = self.open_run(config, options, resume)
        log(f"{self.describe(config, data)}\nrun in {run.folder}")
        if not self.fit(run, config, options, data, resume is not None):
            log(f"Interrupted. The best network so far is {run.best}")
            log(f"Continue with: einnet train {self.name} --resume {run.folder}")
            return 130
        net = self.load_net(run)
        metrics = self.measure(net, config, data)
        finish_run(run, metrics, self.make_report(metrics), self.make_pictures(net, config, data, metrics))
        return 0

    def evaluate(self, *, checkpoint: Path | None = None, as_json: Json = False, out: Path = Path("runs")) -> int:
        """Measure a trained network on data that training did not see.

        Parameters
        ----------
        checkpoint
            Folder of a run; without it, the newest in --out.
        as_json
            Print one JSON object and nothing else.
        out
            Where to look for the newest run.
        """
        run = find_run(checkpoint, out, self.name)
        config, options = self.read_config(run)
        data = self.load_data(config, options.seed, run)
        return self.print_metrics(self.measure(self.load_net(run), config, data), as_json)

    def print_metrics(self, metrics: dict[str, Any], as_json: bool) -> int:
        if as_json:
            print(json.dumps(metrics))
        else:
            print_report(self.make_report(metrics))
        return 0

    def open_run(self, config: Any, options: Options, resume: Path | None) -> tuple[Run, Any, Options, Any]:
        """A new run, or the one to continue with its own config and options, and the data."""
        if resume is None:
            data = self.load_data(config, options.seed, Run.of_main_process())  # raises before there is a run
            saved = {"config": self.config_to_json(config), "options": options.as_json(), **self.data_to_json(data)}
            run = Run.create(options.out, self.name, saved)
            self.save_data(config, data, run)
        elif config != self.config_class() or options != Options():
            raise EinNetError("--resume continues with the run's own config and options: leave out the others")
        else:
            run = Run.open(resume, self.name)
            config, options = self.read_config(run)
            data = self.load_data(config, options.seed, run)
        if options.precision == "auto":
            options = replace(options, precision=self.auto_precision)
        return run, config, options, data

    def read_config(self, run: Run) -> tuple[Any, Options]:
        """The config and the options of a run."""
        saved = run.read_config()
        try:
            if "settings" in saved:  # runs of version 0.1
                source = {"dataset": saved["data"]} if "data" in saved else {}
                saved["config"] = {**source, **saved["settings"]}
            return self.config_class(**saved["config"]), Options.from_json(saved["options"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            path = run.folder / "config.json"
            raise CheckpointError(f"{path} does not fit this version of EinNet: {error}") from None

    def fit(self, run: Run, config: Any, options: Options, data: Any, resume: bool) -> bool:
        """Trains, draws the learning curve, begins the run's page; False if the user ended it."""
        from einnet.plots.figures import learning_curve
        from einnet.train.loop import fit

        tasks: list[Task] = []

        def make_task() -> "Task":
            tasks.append(self.make_task(config, data, options.seed))
            return tasks[0]

        lengths = {"steps": self.steps, "every": self.validate_every, "warmup": self.warmup}
        is_finished = fit(make_task, run, options, **lengths, clip=self.clip, resume=resume)
        metric, higher_is_better = tasks[0].metric, tasks[0].higher_is_better
        rows = run.folder / "log.csv"
        draw_picture(run.folder / CURVE, lambda picture: learning_curve(rows, picture, metric, higher_is_better))
        write_run_page(run)
        return is_finished

    def commands(self) -> dict[str, Callable[..., int]]:
        """The functions of `einnet train | eval | predict NAME`; their arguments are the options."""
        default = self.config_class()

        def train(*, config=default, options: Options = Options(), resume: Path | None = None) -> int:  # noqa: B008
            return self.train(config, options, resume)

        train.__annotations__["config"] = self.config_class
        train.__doc__ = self.train_help + RESUME_HELP
        predict = getattr(self, "predict", None)
        return {"train": train, "eval": self.evaluate, **({"predict": predict} if predict else {})}

    def main(self, arguments: list[str] | None = None) -> int:
        """The command line of this task alone: `train`, `eval`, `predict`; returns the exit code."""
        app = App(name=self.name, help=self.train_help)
        for verb, function in self.commands().items():
            app.command(function, name=verb)
        return run_cli(app, arguments)


def find_run(checkpoint: Path | None, out: Path, task: str) -> Run:
    """The run that is named, or the newest."""
    return Run.open(checkpoint, task) if checkpoint else Run.latest(out, task)


def load_net(path: Path, signature: str, in_features: int, out_features: int, purpose: str) -> "EinNet":
    """The network in a file; raises `CheckpointError` for one of another signature or width."""
    from einnet.nn import EinNet

    net = EinNet.load(path)
    if (str(net.signature), net.in_features, net.out_features) != (signature, (in_features,), out_features):
        raise CheckpointError(f"{path} is a network {net.signature} of other features, not one for {purpose}")
    return net
