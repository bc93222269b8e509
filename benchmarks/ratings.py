"""Trains the ratings task on the u1 split of MovieLens 100K, and asks the same network about Douban and Flixster.

    OMP_NUM_THREADS=1 .venv/bin/python benchmarks/ratings.py --data FOLDER

FOLDER has `NAME_train.tsv.gz` and `NAME_test.tsv.gz` of movielens100k_u1, douban and flixster. A run in --out is not
trained again; after a change of the code, give another --out.
"""

import json
import time
from pathlib import Path
from typing import Any

from cyclopts import run
from results_page import PAGE, bold_best, make_table, write_results

from einnet.tasks.ratings.app import RatingsApp, RatingsConfig
from einnet.tasks.ratings.baselines import BASELINES
from einnet.tasks.ratings.data import load
from einnet.train import Options, Run

LEARNED = "movielens100k_u1"
DATASETS = {LEARNED: "MovieLens 100K, u1", "douban": "Douban", "flixster": "Flixster"}
PUBLISHED = {  # RMSE
    LEARNED: {"IGMC \\[17]": 0.905, "exchangeable matrix network \\[18]": 0.910},
    "douban": {"IGMC, trained on it \\[17]": 0.721},
    "flixster": {"IGMC, trained on it \\[17]": 0.872},
}


def main(
    *, data: Path, steps: int | None = None, minutes: float | None = None, out: Path = Path("runs/benchmark"),
    page: Path = PAGE,
) -> None:  # fmt: skip
    """Train on the first data set, measure on all, and write the tables."""
    trained, duration = train_once(data, steps, minutes, out)
    app, rows, section = RatingsApp(), [], []
    net = app.load_net(trained)
    config, _ = app.read_config(trained)
    for dataset, name in DATASETS.items():
        ratings = load(*find_files(data, dataset))
        metrics = app.measure(net, config, ratings).metrics
        errors = {"**EinNet**" if k == "EinNet" else k: row["rmse"] for k, row in metrics["test"].items()}
        labels = [*errors, *PUBLISHED[dataset]]
        figures = bold_best(
            [f"{x:.4f}" for x in errors.values()] + [f"{x:.3f}" for x in PUBLISHED[dataset].values()], min
        )
        section += zip([name, *[""] * len(labels)], labels, figures, strict=False)
        for k, (label, row) in enumerate(metrics["test"].items()):
            size = f"{metrics['users']:,} x {metrics['items']:,}, {metrics['known']:,} known"
            rows.append([name, size] if k == 0 else ["", ""])
            rows[-1] += [label, f"{row['rmse']:.4f}", f"{row['mae']:.4f}"]
    title = f"seed 0, trained on {DATASETS[LEARNED]} alone, {duration:.0f} seconds with its report"
    lines = [
        "# Ratings",
        "",
        f"`benchmarks/ratings.py`: test ratings, {title}; {', '.join(BASELINES)} from the known ratings of each set.",
        "",
        *make_table(["data", "users x items", "predicted by", "RMSE", "MAE"], rows),
    ]
    write_results("ratings", lines, make_table(["data", "predicted by", "RMSE"], section), page)


def find_files(data: Path, dataset: str) -> tuple[Path, Path]:
    return data / f"{dataset}_train.tsv.gz", data / f"{dataset}_test.tsv.gz"


def train_once(data: Path, steps: int | None, minutes: float | None, out: Path) -> tuple[Run, float]:
    """The run on the first data set, and the seconds that it trained."""
    file = out / "ratings.json"
    if not file.exists():
        start = time.monotonic()
        train, test = map(str, find_files(data, LEARNED))
        options = Options(steps=steps, minutes=minutes, out=out / "ratings")
        if RatingsApp().train(RatingsConfig(train, test), options) != 0:
            raise SystemExit("interrupted")
        newest = max((out / "ratings" / "ratings").glob("*/metrics.json"), key=lambda p: p.stat().st_mtime)
        content = {"folder": str(newest.parent), "seconds": time.monotonic() - start}
        file.write_text(json.dumps(content), encoding="utf-8")
    content: Any = json.loads(file.read_text(encoding="utf-8"))
    return Run.open(Path(content["folder"]), "ratings"), content["seconds"]


if __name__ == "__main__":
    run(main)
