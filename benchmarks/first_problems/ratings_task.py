"""EinNet as `einnet train ratings` has it: a network on top of a closed form, with its defaults."""

import tempfile
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

import torch
from samples import Pairs, Predict, Problem
from torch import Tensor

from einnet.tasks.ratings.app import RatingsApp, RatingsConfig
from einnet.tasks.ratings.data import Ratings, load
from einnet.tasks.ratings.estimates import Known
from einnet.tasks.ratings.network import forecast, to_tensors
from einnet.train import Options, Run

__all__ = ["learn"]

REPORT = 8  # seconds that reading, writing and the report need
HIDDEN = 20  # a few ratings for the report, which needs some to measure on


def learn(problem: Problem, pairs: Pairs, seconds: float, rate: float, seed: int) -> Predict:
    """Writes a file, trains on it for about so many seconds, and predicts with the ratings of the file shown."""
    with tempfile.TemporaryDirectory() as folder:
        data, test = Path(folder, "ratings.tsv"), Path(folder, "test.tsv")
        rows = [f"{i}\t{j}\t{v:g}\n" for i, j, v in zip(*pairs.index.tolist(), pairs.values.tolist(), strict=True)]
        data.write_text("".join(rows), encoding="utf-8")
        test.write_text("".join(rows[:HIDDEN]), encoding="utf-8")
        app, options = RatingsApp(), Options(minutes=max(seconds - REPORT, 0.1) / 60, seed=seed, out=Path(folder))
        with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            app.train(RatingsConfig(str(data), str(test)), options)
            run = Run.open(next(Path(folder).glob("ratings/*/config.json")).parent, "ratings")
            net, ratings = app.load_net(run), load(data)
    return lambda some: predict(net, ratings, some)


@torch.no_grad()
def predict(net: torch.nn.Module, ratings: Ratings, pairs: Pairs) -> Tensor:
    """The means of the distributions, in the units of the ratings."""
    numbers = [{name: k for k, name in enumerate(names)} for names in (ratings.users, ratings.items)]
    rows = zip(numbers, pairs.index.tolist(), strict=True)
    index = torch.tensor([[of.get(str(k), -1) for k in row] for of, row in rows])
    is_known, index = (index >= 0).all(0), index.clamp(min=0)
    entries = ratings.train + ratings.valid + ratings.test
    known = Known(*to_tensors(entries, ratings.axis), ratings.sizes, pairs=index)
    means = forecast(net, known, index, known.estimates).mean
    low, high = ratings.axis.low, ratings.axis.high
    average = float(known.values.mean())
    return (low + (high - low) * torch.where(is_known, means, average))[:, None]
