"""Trains the kg task with several seeds on each dataset and writes the means to benchmarks/kg.md.

    .venv/bin/python benchmarks/kg.py                              # kinship, umls, nations; seeds 0, 1, 2
    .venv/bin/python benchmarks/kg.py --datasets kinship --seeds 5

Runs in --out are not trained again, so an interrupted benchmark is resumed, and their rows stay in the
table; after a change of the code, give another --out.
"""

import json
import time
from pathlib import Path
from statistics import mean

from cyclopts import run
from results_page import PAGE, bold_best, make_table, write_results

from einnet.tasks.kg.app import KgApp, KgConfig
from einnet.train import Options

DATASETS = ("kinship", "umls", "nations")
NAMES = ("mrr", "hits@1", "hits@3", "hits@10")
GRAPHS = ("train", "train+valid")  # the facts that the network sees at test time

# Other than the defaults; chosen on the validation facts.
CONFIGS = {
    "umls": KgConfig("umls", lr=8e-3),
    "nations": KgConfig("nations", hidden=128, depth=2, dropout=0.5, lr=1e-3, mask_low=0.1, relation_loss=0.2),
}
STEPS = {"umls": 400, "nations": 300}

CONVE, COMPLEX, BLOG_POST = "ConvE \\[1]", "ComplEx-N3 with relation prediction \\[2]", "EinNet of the blog post \\[3]"
PUBLISHED = {
    ("kinship", "train"): {COMPLEX: (0.91, 0.86, 0.96, 0.99), CONVE: (0.83, 0.73, 0.91, 0.98)},
    ("kinship", "train+valid"): {BLOG_POST: (0.94, 0.90, 0.99, 1.00), COMPLEX: (0.93, 0.89, 0.97, 0.99)},
    ("umls", "train"): {CONVE: (0.94, 0.92, 0.97, 0.99)},
    ("nations", "train"): {CONVE: (0.82, 0.72, 0.88, 1.00)},
}


def main(
    *,
    datasets: tuple[str, ...] = DATASETS,
    seeds: int = 3,
    minutes: float = 5,
    out: Path = Path("runs/benchmark"),
    page: Path = PAGE,
) -> None:
    """Train with seeds 0, 1, ... on each dataset, at most `minutes` each, and write the tables."""
    rows, section = [], []
    for dataset in DATASETS:
        if dataset not in datasets and not all((out / f"{dataset}-{seed}.json").exists() for seed in range(seeds)):
            continue
        results = [train_once(dataset, seed, minutes, out) for seed in range(seeds)]
        for graph in GRAPHS:
            tests = [r["test"][graph]["pessimistic"] for r in results]
            means = [mean(t[name] for t in tests) for name in NAMES]
            mrr, *hits = (f"{m:.4f}" for m in means)
            mrr += f" ({min(t['mrr'] for t in tests):.4f} to {max(t['mrr'] for t in tests):.4f})"
            valid = mean(r["valid"][graph]["pessimistic"]["mrr"] for r in results)
            rows.append([dataset, graph, mrr, *hits, f"{valid:.4f}", f"{mean(r['minutes'] for r in results):.1f}"])
            if (dataset, graph) in PUBLISHED:
                section += compare(dataset if graph == GRAPHS[0] else "", graph, means, PUBLISHED[dataset, graph])
    head = ["dataset", "message graph", "MRR", "Hits@1", "Hits@3", "Hits@10"]
    lines = [
        "# Knowledge graph completion",
        "",
        f"`benchmarks/kg.py`: test facts, pessimistic ties, mean of seeds 0 to {seeds - 1} (smallest to largest MRR).",
        "",
        *make_table([*head, "valid MRR", "minutes a seed"], rows),
    ]
    write_results("kg", lines, make_table([*head[:2], "model", *head[2:]], section), page)


def compare(dataset: str, graph: str, means: list[float], peers: dict[str, tuple[float, ...]]) -> list[tuple[str, ...]]:
    """The rows of one dataset and message graph; published figures have two digits."""
    columns = [
        bold_best([f"{value:.3f}", *(f"{p:.2f}" for p in of_peers)])
        for value, *of_peers in zip(means, *peers.values(), strict=True)
    ]
    names = [dataset, *[""] * len(peers)]
    return list(zip(names, [graph] * len(names), ["**EinNet**", *peers], *columns, strict=True))


def train_once(dataset: str, seed: int, minutes: float, out: Path) -> dict:
    """The metrics of one run and the minutes that it took, evaluation included."""
    file = out / f"{dataset}-{seed}.json"
    if not file.exists():
        start = time.monotonic()
        folder = out / f"{dataset}-{seed}"
        options = Options(seed=seed, minutes=minutes, steps=STEPS.get(dataset), patience=0, out=folder)
        if KgApp().train(CONFIGS.get(dataset, KgConfig(dataset)), options) != 0:
            raise SystemExit("interrupted")
        newest = max(folder.glob("kg/*/metrics.json"), key=lambda p: p.stat().st_mtime)
        metrics = json.loads(newest.read_text(encoding="utf-8")) | {"minutes": (time.monotonic() - start) / 60}
        file.write_text(json.dumps(metrics), encoding="utf-8")
    return json.loads(file.read_text(encoding="utf-8"))


if __name__ == "__main__":
    run(main)
