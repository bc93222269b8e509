"""`TaskApp`: the commands `train`, `eval` and `predict` of a task.

A task says what is special to it: its config, its data, its network and loss, its measures and pictures. The rest
is here: runs and how they are resumed, training, the learning curve, files, messages, exit codes. Torch is
imported inside functions, so that the command line answers --help at once.
"""

import json
import shlex
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cyclopts import App, Parameter

from einnet.checks import check_package
from einnet.errors import CheckpointError, EinNetError
from einnet.files import check_writable
from einnet.plots.figures import draw_learning_curve
from einnet.tasks.console import INTERRUPTED, Json, log, run_cli
from einnet.tasks.report import (
    CURVE,
    Results,
    Suggestion,
    draw_picture,
    finish_run,
    print_as,
    print_report,
    write_run_page,
)
from einnet.train.options import Options
from einnet.train.run import Run, compute_fingerprint, is_first_process

if TYPE_CHECKING:
    from einnet.nn import Network
    from einnet.train.task import Task

__all__ = ["Checkpoint", "TaskApp", "load_net", "write_code"]

PROCESSES = ("shard", "sharded", "devices", "nodes")  # options that may change when a run is resumed
NO_CONFIG = ("fingerprint", "options", "task", "versions")  # of a config.json


@Parameter(name="*", group="Network")
@dataclass(frozen=True)
class Checkpoint:
    """Which trained network."""

    checkpoint: Path | None = None
    "Folder of a run; without it, the newest in --out."
    out: Path = Path("runs")
    "Where to look for the newest run."

    def find_run(self, task: str) -> Run:
        return Run.open(self.checkpoint, task) if self.checkpoint else Run.latest(self.out, task)


class TaskApp(ABC):
    """A task's commands. `data` is whatever `load_data` returns; `config` an instance of `config_class`."""

    name: str  # of the task in commands, and of the folder of its runs
    train_help: str  # one sentence
    config_class: type  # a frozen dataclass; all fields have defaults and a string below them as their help
    steps: int  # of training
    validate_every: int  # steps
    warmup: int = 30  # steps in which the learning rate rises
    clip: float = 1.0  # largest norm of the gradient
    patience: int = 0  # validations without improvement after which training ends; 0 for never
    auto_precision: str = "32"  # what --precision auto means; "auto" for bf16 where the hardware has it
    sources: tuple[str, ...] = ()  # fields of the config that say where the data are

    @abstractmethod
    def make_task(self, config: Any, data: Any, seed: int) -> "Task":
        """The network with its loss."""

    @abstractmethod
    def load_net(self, run: Run) -> "Network":
        """The best network of a run; raises `CheckpointError` for a network of another task."""

    @abstractmethod
    def measure(self, net: Any, config: Any, data: Any) -> Results:
        """The metrics of a trained network, with tables and pictures."""

    def suggest(self, run: Run, config: Any, data: Any) -> Suggestion:
        """What a user does next with the network of a run; the lines of Python are those of `write_code`."""
        return Suggestion(
            self.write_command("eval", run), write_code("einnet.nn", "einnet.nn.Network.load", run, "net")
        )

    def write_command(self, verb: str, run: Run, *arguments: str) -> str:
        """A command about the network of a run."""
        return shlex.join(["einnet", verb, self.name, *arguments, "--checkpoint", str(run.folder)])

    def describe(self, config: Any, data: Any) -> str:
        """What is learned from, in a few words."""
        return f"training {self.name}"

    def load_data(self, config: Any, seed: int, run: Run | None = None) -> Any:  # noqa: B027
        """The data to learn from and to measure on; a run that exists already may have it in its folder."""

    def save_data(self, config: Any, data: Any, run: Run) -> None:  # noqa: B027
        """Saves in a new run's folder what `load_data` shall find there."""

    def complete_config(self, config: Any, data: Any) -> Any:
        """The config of a run, in which nothing depends on the data any more."""
        return config

    def make_schedule(self, config: Any) -> dict[str, Any]:
        """How a config is trained: the numbers above, and what --precision auto means."""
        names = ("steps", "validate_every", "warmup", "clip", "patience", "auto_precision")
        return {name: getattr(self, name) for name in names}

    def to_json(self, config: Any, data: Any) -> dict[str, Any]:
        """The "config" of a run, with absolute paths, and what else its config.json says of the data."""
        return {"config": asdict(config)}

    def identify(self, data: Any) -> Any:
        """What the fingerprint of the data is made of: texts, numbers, arrays, and lists of them."""
        return data

    def train(self, config: Any = None, options: Options | None = None, resume: Path | None = None) -> int:
        """Trains in a new run, or continues one, and leaves the files that `einnet.train.run` lists."""
        check_package("lightning", "training")
        try:
            check_package("matplotlib", "a picture")
        except EinNetError as error:
            log(f"The run is without pictures: {error}")
        run, config, options, data = self.open_run(config, options, resume)
        log(f"{self.describe(config, data)}\nrun in {run.folder}")
        try:
            if self.fit(run, config, options, data, resume is not None):
                finish_run(run, self.measure_run(run, config, data), suggestion=self.suggest(run, config, data))
                return 0
        except KeyboardInterrupt:
            pass
        best = f"The best network so far is {run.best}" if run.best.is_file() else "There is no network yet"
        log(f"Interrupted. {best}\nContinue with: einnet train {self.name} --resume {run.folder}")
        return INTERRUPTED

    def evaluate(self, *, network: Checkpoint = Checkpoint(), as_json: Json = False) -> int:
        """Measure a trained network on data that training did not see."""
        run = network.find_run(self.name)
        config, options = self.read_config(run)
        data = self.load_data(config, options.seed, run)
        if "data" in self.find_changes(run, data):
            log(f"{run.folder}: data changed since the run began")
        return self.print_results(run, config, data, as_json)

    def measure_run(self, run: Run, config: Any, data: Any) -> Results:
        import torch

        with torch.no_grad():
            return self.measure(self.load_net(run), config, data)

    def print_results(self, run: Run, config: Any, data: Any, as_json: bool) -> int:
        results = self.measure_run(run, config, data)
        print_as(results.metrics, as_json, partial(print_report, results.report))
        return 0

    def open_run(self, config: Any, options: Options | None, resume: Path | None) -> tuple[Run, Any, Options, Any]:
        """A new run, or the one to continue with its own config and options, and the data."""
        if resume is None:
            config, options = config or self.config_class(), options or Options()
            check_writable(options.out / self.name / "run")
            data = self.load_data(config, options.seed, Run.of_main_process())  # raises before there is a run
            config = self.complete_config(config, data)
            content = {"options": options.as_json(), **self.to_json(config, data)}
            content["fingerprint"] = self.make_fingerprint(content, data)
            run = Run.create(options.out, self.name, content)
            if is_first_process():
                self.save_data(config, data, run)
        elif config is not None or not _is_of_processes(options):
            raise EinNetError(
                "--resume continues with the run's own config and options: leave out the others, but for --shard, "
                "--sharded, --devices and --nodes"
            )
        else:
            run = Run.open(resume, self.name)
            config, saved = self.read_config(run)
            if options is not None:
                saved = replace(saved, **{name: getattr(options, name) for name in PROCESSES})
            options = saved
            data = self.load_data(config, options.seed, run)
            if changes := self.find_changes(run, data):
                problem = f"{run.folder}: {' and '.join(changes)} changed since the run began"
                raise CheckpointError(f"{problem}: restore what config.json has and names, or train a new run")
        if options.precision == "auto":
            options = replace(options, precision=self.make_schedule(config)["auto_precision"])
        return run, config, options, data

    def make_fingerprint(self, content: Mapping[str, Any], data: Any) -> dict[str, str]:
        """Of the data, and of all in the content of a config.json on which the results depend."""
        config = {name: value for name, value in content.get("config", {}).items() if name not in self.sources}
        rest = {name: value for name, value in content.items() if name not in NO_CONFIG}
        text = json.dumps(rest | {"config": config, "seed": content["options"].get("seed")}, sort_keys=True)
        return {"data": compute_fingerprint(self.identify(data)), "config": compute_fingerprint(text)}

    def find_changes(self, run: Run, data: Any) -> list[str]:
        """Which of "data" and "config" are not those that a run began with."""
        content = run.read_config()
        if not isinstance(before := content.get("fingerprint"), dict):
            log(f"Whether the data of {run.folder} have changed is not known: config.json has no fingerprint of them")
            return []
        return [part for part, now in self.make_fingerprint(content, data).items() if before.get(part) != now]

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
        """Trains, draws the learning curve, writes the run's page without results; False if the user ended it."""
        from einnet.train import fit

        make_task = cache(lambda: self.make_task(config, data, options.seed))
        numbers = self.make_schedule(config)
        del numbers["auto_precision"]
        is_finished = fit(make_task, run, options, **numbers, resume=resume)
        metric, rows = (make_task().metric, make_task().higher_is_better), run.folder / "log.csv"
        draw_picture(run.folder / CURVE, lambda picture: draw_learning_curve(rows, picture, *metric))
        write_run_page(run)
        return is_finished

    def commands(self) -> dict[str, Callable[..., int]]:
        """The functions of `einnet train | eval | predict NAME`; their arguments are the options."""

        def train(*, config=None, options: Options | None = None, resume: Path | None = None) -> int:
            return self.train(config, options, resume)

        train.__annotations__["config"] = self.config_class | None
        resume_help = "Folder of a run to continue, with the run's own data, config and options."
        train.__doc__ = f"{self.train_help}\n\nArgs:\n    resume: {resume_help}"
        commands = {"train": train, "eval": self.evaluate}
        return commands | ({"predict": self.predict} if hasattr(self, "predict") else {})  # type: ignore[attr-defined]

    def main(self, arguments: list[str] | None = None) -> int:
        """The command line of this task alone: `train`, `eval`, `predict`; returns the exit code."""
        app = App(name=self.name, help=self.train_help)
        for verb, function in self.commands().items():
            app.command(function, name=verb)
        return run_cli(app, arguments)


def _is_of_processes(options: Options | None) -> bool:
    """Whether options, if there are any, differ from the defaults in which processes train, and only in that."""
    changed = [] if options is None else [f.name for f in fields(options) if getattr(options, f.name) != f.default]
    return options is None or (bool(changed) and set(changed) <= set(PROCESSES))


def write_code(module: str, load: str, run: Run, prediction: str) -> str:
    """Three lines of Python: an import, the network of a run, a prediction."""
    return f"import {module}\nnet = {load}({str(run.best)!r})\nprint({prediction})"


def load_net(path: Path, signature: str, in_features: int | tuple[int, ...], out_features: int, purpose: str) -> Any:
    """The network in a file; raises `CheckpointError` for one of another signature or width."""
    from einnet.nn import Network

    net = Network.load(path)
    widths = in_features if isinstance(in_features, tuple) else (in_features,)
    if (str(net.signature), net.in_features, net.out_features) != (signature, widths, out_features):
        raise CheckpointError(f"{path} is a network {net.signature} of other features, not one for {purpose}")
    return net
