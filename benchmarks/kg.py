"""Trains the kg task with several seeds on each dataset and writes the means to benchmarks/kg.md.

    .venv/bin/python benchmarks/kg.py                              # kinship, umls, nations; seeds 0, 1, 2
    .venv/bin/python benchmarks/kg.py --datasets kinship --seeds 5

Runs that are there already (in --out) are not trained again, so an interrupted benchmark goes on, and
their rows stay in the table; after a change of the code, give another --out.
"""

import json
import time
from pathlib import Path
from statistics import mean

from cyclopts import run

from einnet.tasks.kg.app import KgApp, KgConfig
from einnet.train import Options

DATASETS = ("kinship", "umls", "nations")
NAMES = ("mrr", "hits@1", "hits@3", "hits@10")

# Where the defaults do not fit; chosen on the validation facts.
CONFIGS = {
    "umls": KgConfig("umls", lr=8e-3),
    "nations": KgConfig("nations", hidden=128, depth=2, dropout=0.5, lr=1e-3, mask_low=0.1, relation_loss=0.2),
}
STEPS = {"umls": 400, "nations": 300}


def main(
    *,
    datasets: tuple[str, ...] = DATASETS,
    seeds: int = 3,
    minutes: float = 5,
    out: Path = Path("runs/benchmark"),
) -> None:
    """Train with seeds 0, 1, ... on each dataset, at most `minutes` each, and write the table."""
    lines = [
        "# Knowledge graph completion",
        "",
        f"`benchmarks/kg.py`: test facts, pessimistic ties, mean of seeds 0 to {seeds - 1} (smallest to largest MRR).",
        "",
        "| dataset | shown at test | MRR | Hits@1 | Hits@3 | Hits@10 | valid MRR | minutes a seed |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for dataset in DATASETS:
        known = [(out / f"{dataset}-{seed}.json").exists() for seed in range(seeds)]
        if dataset not in datasets and not all(known):
            continue
        results = [measured(dataset, seed, minutes, out) for seed in range(seeds)]
        for shown in ("train", "train+valid"):
            rows = [r["test"][shown]["pessimistic"] for r in results]
            means = [f"{mean(row[name] for row in rows):.4f}" for name in NAMES]
            spread = f"{means[0]} ({min(r['mrr'] for r in rows):.4f} to {max(r['mrr'] for r in rows):.4f})"
            valid = mean(r["valid"][shown]["pessimistic"]["mrr"] for r in results)
            took = mean(r["minutes"] for r in results)
            cells = [dataset, shown, spread, *means[1:], f"{valid:.4f}", f"{took:.1f}"]
            lines.append("| " + " | ".join(cells) + " |")
    text = "\n".join(lines) + "\n"
    (Path(__file__).parent / "kg.md").write_text(text)
    print(text)


def measured(dataset: str, seed: int, minutes: float, out: Path) -> dict:
    """The metrics of one run and the minutes that it took, evaluation included."""
    done = out / f"{dataset}-{seed}.json"
    if not done.exists():
        started = time.monotonic()
        folder = out / f"{dataset}-{seed}"
        options = Options(seed=seed, minutes=minutes, steps=STEPS.get(dataset), out=folder)
        if KgApp().train(CONFIGS.get(dataset, KgConfig(dataset)), options) != 0:
            raise SystemExit("interrupted")
        took = (time.monotonic() - started) / 60
        newest = max(folder.glob("kg/*/metrics.json"), key=lambda p: p.stat().st_mtime)
        done.write_text(json.dumps(json.loads(newest.read_text()) | {"minutes": took}))
    return json.loads(done.read_text())


if __name__ == "__main__":
    run(main)
