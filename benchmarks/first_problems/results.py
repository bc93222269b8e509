"""Results as lines of JSON, which a later call adds to, and the tables and pictures made from them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np
from results_page import bold_best, make_table
from samples import Problem

from einnet.plots.figures import pyplot, save_figure

__all__ = ["EINNET", "Job", "Store", "draw_pictures", "make_pages", "summarize"]

EINNET = "EinNet"


@dataclass(frozen=True)
class Job:
    """A model that learns from so many examples (0: all) for so many seconds."""

    problem: str
    model: str
    seed: int
    examples: int
    seconds: float
    rate: float


class Store:
    """Lines of a file, one for each job that was done: the job and its results."""

    def __init__(self, file: Path):
        self.file = file
        lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
        self.rows: dict[Job, dict[str, Any]] = {}
        for row in map(json.loads, lines):
            self.rows[Job(**{name: row.pop(name) for name in Job.__dataclass_fields__})] = row

    def add(self, job: Job, result: Mapping[str, Any]) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with self.file.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(asdict(job) | dict(result)) + "\n")
        self.rows[job] = dict(result)

    def select(self, rates: Mapping[tuple[str, str], float]) -> "Store":
        """The results with the present rates of the peers."""
        store = Store(self.file)
        store.rows = {
            job: row for job, row in self.rows.items() if job.rate == rates.get((job.problem, job.model), job.rate)
        }
        return store

    def collect(self, name: str, model: str, examples: int, seconds: float, error: str = "error") -> list[float]:
        """The errors of all seeds."""
        rows = [row[error] for job, row in self.rows.items() if (job.problem, job.model) == (name, model)
                and (job.examples, job.seconds) == (examples, seconds)]  # fmt: skip
        return [value for value in rows if value is not None]

    def list_values(self, name: str, field: str) -> list[Any]:
        """The different values of a field of a problem's jobs, in order of first occurrence."""
        return list(dict.fromkeys(getattr(job, field) for job in self.rows if job.problem == name))


def make_pages(problems: Mapping[str, Problem], store: Store) -> list[str]:
    """A section with a table for each problem that has results."""
    lines = []
    for name, problem in problems.items():
        if models := store.list_values(name, "model"):
            what = f"{problem.title}; `{problem.signature}`; {problem.error}."
            lines += ["", f"## {name.capitalize()}", "", what, "", *tabulate(name, models, store)]
    return lines


def tabulate(name: str, models: Sequence[str], store: Store) -> list[str]:
    """Errors with all examples after each time, from fewer examples, and at larger sizes; seconds that were used."""
    times, counts = sorted(store.list_values(name, "seconds")), sorted(store.list_values(name, "examples"))
    columns = {f"{seconds:g} s": (0, seconds, "error") for seconds in times}
    columns |= {f"{number:,} examples": (number, times[-1], "error") for number in counts if number}
    columns |= {"larger sizes": (0, times[-1], "larger")}
    rates = {job.model: job.rate for job in store.rows if job.problem == name}
    rows = [[model, f"{rates[model]:g}" if rates[model] else ""] for model in models]
    head = ["", "rate"]
    for title, column in columns.items():
        errors = [store.collect(name, model, *column) for model in models]
        if any(errors):
            head.append(title)
            means = bold_best([describe(e).partition(" ")[0] for e in errors], min)
            for row, mean, e in zip(rows, means, errors, strict=True):
                row.append(" ".join([mean, *describe(e).split()[1:]]))
    for row, model in zip(rows, models, strict=True):
        used = store.collect(name, model, 0, times[-1], "spent")
        row.append(f"{fmean(used):.1f}" if used else "")
    return make_table([*head, "seconds used"], rows)


def describe(errors: Sequence[float]) -> str:
    """The mean of the errors, and their standard deviation if there are several.

    >>> describe([0.25]), describe([0.25, 0.5]), describe([])
    ('0.25', '0.375 ± 0.2', '')
    """
    mean = f"{fmean(errors):.3g}" if errors else ""
    return mean if len(errors) < 2 else f"{mean} ± {stdev(errors):.1g}"


def summarize(problems: Mapping[str, Problem], store: Store) -> list[str]:
    """The table of the page of results: EinNet and the best peer of each problem, with all examples and time."""
    rows = []
    for name, problem in problems.items():
        errors = {}
        for model in store.list_values(name, "model"):
            errors[model] = store.collect(name, model, 0, max(store.list_values(name, "seconds")))
        peers = {model: e for model, e in errors.items() if not model.startswith(EINNET) and e}
        for model in (model for model, e in errors.items() if model.startswith(EINNET) and e and peers):
            best = min(peers, key=lambda peer: fmean(peers[peer]))
            error, error_of_peer = describe(errors[model]), describe(peers[best])
            if fmean(errors[model]) <= fmean(peers[best]):
                error = f"**{error}**"
            else:
                error_of_peer = f"**{error_of_peer}**"
            title = problem.title + model.removeprefix(EINNET)
            rows.append([f"{title}, `{problem.signature}`", problem.error, error, f"{error_of_peer}, {best}"])
    return make_table(["problem", "error", EINNET, "best peer"], rows)


def draw_pictures(problems: Mapping[str, Problem], store: Store, folder: Path) -> None:
    """Error against time, and against the number of examples: a panel for each problem."""
    for field, label, file in (("seconds", "seconds", "time"), ("examples", "examples", "examples")):
        names = [name for name in problems if store.list_values(name, "model")]
        rows = -(-len(names) // 3)
        figure, panels = pyplot().subplots(rows, 3, figsize=(11, 3 * rows), layout="constrained", squeeze=False)
        for panel in panels.flat[len(names) :]:
            panel.set_axis_off()
        for name, panel in zip(names, panels.flat, strict=False):
            for model in store.list_values(name, "model"):
                points = list_points(store, name, model, field)
                style = {"color": "black", "linewidth": 2.5} if model == EINNET else {"linewidth": 1.2}
                panel.plot(*np.array(points).reshape(-1, 2).T, marker="o", markersize=3, label=model, **style)
            panel.set(title=name, xscale="log", yscale="log", xlabel=label)
            panel.legend(fontsize=7)
        save_figure(figure, folder / f"first_problems_{file}.svg")


def list_points(store: Store, name: str, model: str, field: str) -> list[tuple[float, float]]:
    """(seconds, error) from all examples, or (examples, error) after all seconds; all examples by their number."""
    last = max(store.list_values(name, "seconds"))
    number = {job.examples: row["learned_from"] for job, row in store.rows.items() if job.problem == name}
    points = []
    for value in sorted(store.list_values(name, field), key=lambda v: number[v] if field == "examples" else v):
        examples, seconds = (0, value) if field == "seconds" else (value, last)
        if errors := store.collect(name, model, examples, seconds):
            points.append((value if field == "seconds" else number[value], fmean(errors)))
    return points
