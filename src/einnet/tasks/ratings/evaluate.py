"""How far predictions are from ratings that were not shown, next to baselines; as numbers, a table and a picture."""

from collections.abc import Mapping
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from rich.table import Table
from torch import Tensor

from einnet.nn import EinNet
from einnet.plots.figures import pyplot, save_figure
from einnet.tasks.ratings.baselines import BASELINES, predict_by_baselines
from einnet.tasks.ratings.data import Ratings
from einnet.tasks.ratings.estimates import Known
from einnet.tasks.ratings.network import forecast, to_tensors
from einnet.tasks.report import Results, make_table

__all__ = ["compute_metrics", "measure"]

BINS = (1, 4, 16, 64, 256)  # known ratings of the user, in the picture and the metrics


def measure(net: EinNet, ratings: Ratings) -> Results:
    """The errors on the test ratings, all others being shown."""
    metrics = compute_metrics(net, ratings)
    picture = "root mean square error by how many ratings of the user are known", partial(_draw_errors, metrics)
    return Results(metrics, [_make_table(metrics), _summarize(metrics)], {"errors.png": picture})


@torch.no_grad()
def compute_metrics(net: EinNet, ratings: Ratings) -> dict[str, Any]:
    """RMSE and MAE of the network and of each baseline; the network's mean chance of the true rating."""
    axis = ratings.axis
    train, valid, test = (to_tensors(entries, axis) for entries in (ratings.train, ratings.valid, ratings.test))
    index, values = to_tensors(ratings.evidence, axis)
    levels = torch.from_numpy(axis.levels).float()
    known = Known(index, values, ratings.sizes, pairs=test[0])
    result = forecast(net, known, test[0], known.estimates)
    log_chances = result.log_chances(levels)
    predictions = {"EinNet": result.mean}
    predictions |= predict_by_baselines(train, valid, test[0], ratings.sizes)
    span = axis.high - axis.low
    errors = {name: span * (p - test[1]) for name, p in predictions.items()}
    nearest = (test[1][:, None] - levels).abs().argmin(1)
    number = index[0].bincount(minlength=len(ratings.users))[test[0][0]]
    group = torch.bucketize(number, torch.tensor(BINS), right=True)
    return {
        "users": len(ratings.users),
        "items": len(ratings.items),
        "known": len(index[0]),
        "ratings": len(test[1]),
        "levels": len(axis.levels),
        "parameters": sum(p.numel() for p in net.parameters()),
        "test": {name: _average(error) for name, error in errors.items()},
        "log-likelihood": float(log_chances.gather(1, nearest[:, None]).mean()),
        "by known ratings": {
            name: {"ratings": int((group == k).sum())} | {m: _average(e[group == k])["rmse"] for m, e in errors.items()}
            for k, name in enumerate(_name_bins())
            if (group == k).any()
        },
    }


def _average(error: Tensor) -> dict[str, float]:
    return {"rmse": float(error.square().mean().sqrt()), "mae": float(error.abs().mean())}


def _name_bins() -> list[str]:
    """What a user's number of known ratings is called in tables.

    >>> _name_bins()
    ['0', '1 to 3', '4 to 15', '16 to 63', '64 to 255', '256 or more']
    """
    ranges = [f"{low} to {high - 1}" for low, high in pairwise(BINS)]
    return ["0", *ranges, f"{BINS[-1]} or more"]


def _make_table(metrics: Mapping[str, Any]) -> Table:
    title = f"{metrics['ratings']:,} ratings that were not shown, {metrics['known']:,} shown"
    table = make_table(title, ["predicted by"], ["RMSE", "MAE"])
    best = min(metrics["test"], key=lambda name: metrics["test"][name]["rmse"])
    for name, row in metrics["test"].items():
        table.add_row(name, f"{row['rmse']:.4f}", f"{row['mae']:.4f}", style="bold" if name == best else None)
    return table


def _summarize(metrics: Mapping[str, Any]) -> str:
    """What was reached, compared with the best baseline."""
    errors = {name: row["rmse"] for name, row in metrics["test"].items()}
    best = min(BASELINES, key=errors.__getitem__)
    gain = 1 - errors["EinNet"] / errors[best]
    compared = f"{gain:.1%} lower than" if gain > 0 else f"{-gain:.1%} higher than" if gain < 0 else "equal to"
    return (
        f"EinNet's root mean square error is {errors['EinNet']:.4f}, {compared} that of {best} ({errors[best]:.4f}); "
        f"{metrics['parameters']:,} parameters, none of them of a user or an item."
    )


def _draw_errors(metrics: Mapping[str, Any], picture: Path) -> None:
    """Draws the error by the number of known ratings of the user, a line for each way to predict."""
    groups = metrics["by known ratings"]
    figure, panel = pyplot().subplots(figsize=(5.6, 3.4), layout="constrained")
    for name in metrics["test"]:
        panel.plot(list(groups), [row[name] for row in groups.values()], marker=".", label=name)
    panel.set(xlabel="known ratings of the user", ylabel="root mean square error")
    panel.legend()
    save_figure(figure, picture)
