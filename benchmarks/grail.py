"""A knowledge graph of 1,594 entities, and answers about entities that were never seen; writes benchmarks/grail.md.

    .venv/bin/python benchmarks/grail.py --data FOLDER --minutes 25     # FOLDER has fb237_v1 and fb237_v1_ind

The network learns on parts of the first graph (`--part` connected entities, drawn again at each step), is
selected on the valid facts of a fixed part of it, and is then asked about the second graph, which has
the same relations and other entities.
"""

from collections import deque
from pathlib import Path
from typing import Any

import numpy as np
import torch
from cyclopts import App
from results_page import PAGE, bold_best, make_table, write_results
from runs import train_once
from torch import Tensor

from einnet.nn import EinNet
from einnet.tasks.kg.app import KgConfig
from einnet.tasks.kg.data import KnowledgeGraph, load
from einnet.tasks.kg.evaluate import rank, score_tables
from einnet.tasks.kg.network import completion_loss, make_net
from einnet.train.task import Task

CONFIG = KgConfig(heads=16, hidden=32, depth=3, dropout=0.1, lr=5e-3, weight_decay=0.1, mask_low=0.02, mask_high=0.3)
SOURCES = {  # in the table, and on the page of results
    "EinNet": ("", ""), "RED-GNN": (" (Zhang and Yao 2022)", " \\[13]"), "NBFNet": (" (Zhu et al. 2021)", " \\[14]"),
}  # fmt: skip
PUBLISHED = {  # name: MRR, Hits@10 of 50 negatives
    "fb237_v1": {"RED-GNN": (0.369, None), "NBFNet": (None, 0.821)},
    "WN18RR_v1": {"RED-GNN": (0.701, None), "NBFNet": (None, 0.954)},
}
NEGATIVES = 50

app = App(help=__doc__)


class Parts(Task):
    """Learns to complete parts of a graph."""

    metric = "mrr"

    def __init__(self, graph: KnowledgeGraph, part: int, config: KgConfig, seed: int):
        net = make_net(len(graph.relations), config)
        super().__init__(net, lr=config.lr, weight_decay=config.weight_decay, seed=seed)
        self.graph, self.part, self.config = graph, part, config
        self.neighbours: list[list[int]] = [[] for _ in graph.entities]
        for h, _, t in graph.train.tolist():
            self.neighbours[h].append(t)
            self.neighbours[t].append(h)
        self.fixed = self.sample_entities(np.random.default_rng(0), 2 * part)

    def sample_entities(self, rng: np.random.Generator, number: int) -> np.ndarray:
        """Entities that are connected if possible: breadth first from random ones."""
        chosen: dict[int, None] = {}
        starts = deque(rng.permutation(len(self.neighbours)).tolist())
        queue: deque[int] = deque()
        while len(chosen) < min(number, len(self.neighbours)):
            e = queue.popleft() if queue else starts.popleft()
            if e not in chosen:
                chosen[e] = None
                queue.extend(rng.permutation(self.neighbours[e]).tolist())
        return np.array(sorted(chosen))

    def loss(self, step: int) -> Tensor:
        rng = np.random.default_rng(torch.randint(2**31, ()).item())
        return completion_loss(
            self.net, torch.from_numpy(self.make_dense(self.sample_entities(rng, self.part))), self.config
        )

    def make_dense(self, entities: np.ndarray, *splits: str) -> np.ndarray:
        """[head, tail, relation] of the training facts, or those of the splits, among these entities."""
        x = np.zeros((len(entities), len(entities), len(self.graph.relations)), dtype=np.float32)
        for split in splits or ("train",):
            h, r, t = self.select_facts(entities, split).T
            x[h, t, r] = 1
        return x

    def select_facts(self, entities: np.ndarray, split: str) -> np.ndarray:
        """The facts of a split among these entities, by their new numbers."""
        place = np.full(len(self.graph.entities), -1)
        place[entities] = np.arange(len(entities))
        rows = getattr(self.graph, split)
        facts = np.stack([place[rows[:, 0]], rows[:, 1], place[rows[:, 2]]], 1)
        return facts[(facts[:, [0, 2]] >= 0).all(1)]

    def validate(self, net: EinNet) -> dict[str, float]:
        known = torch.from_numpy(self.make_dense(self.fixed, "train", "valid", "test")) > 0
        tables = score_tables(net, self.make_dense(self.fixed))
        return rank(tables, self.select_facts(self.fixed, "valid"), known).metrics()["pessimistic"]


def evaluate(net: EinNet, graph: KnowledgeGraph) -> dict[str, Any]:
    """MRR and Hits@10 of the test facts among all entities, and Hits@10 among 50 random others."""
    known = torch.as_tensor(graph.tensor(graph.train, graph.valid, graph.test)) > 0
    tables = score_tables(net, graph.tensor(graph.train))
    metrics = rank(tables, graph.test, known).metrics()["pessimistic"]
    hits = _rank_negatives(tables, graph, known)
    return {"mrr": metrics["mrr"], "hits@10": metrics["hits@10"], "hits@10 of 50": hits}


def _rank_negatives(tables: tuple[Tensor, Tensor], graph: KnowledgeGraph, known: Tensor) -> float:
    """Each test fact among 50 unknown ones with another tail or head; ties count against the model."""
    rng, hits = np.random.default_rng(0), []
    for h, r, t in graph.test.tolist():
        tails, heads = tables[0][h, :, r], tables[1][:, t, r]
        for scores, facts, truth in ((tails, known[h, :, r], t), (heads, known[:, t, r], h)):
            free = np.flatnonzero(~facts.numpy())
            negatives = rng.choice(free, NEGATIVES, replace=len(free) < NEGATIVES)
            hits.append(int((scores[negatives] >= scores[truth]).sum()) < 10)
    return float(np.mean(hits))


@app.default
def main(
    *,
    data: Path,
    name: str = "fb237_v1",
    part: int = 256,
    minutes: float = 25,
    stored: Path = Path("runs/grail"),
    page: Path = PAGE,
) -> None:
    """Train unless there is a run, ask about the other entities, and write the tables."""
    graph = load(data / name)
    run = train_once(
        f"{name}-{part}", "grail", CONFIG, minutes, stored, lambda _: lambda: Parts(graph, part, CONFIG, 0),
        steps=100_000, validate_every=50,
    )  # fmt: skip
    unseen = load(data / f"{name}_ind", graph.relations)
    metrics = evaluate(EinNet.load(run.best), unseen)
    run.write_json("metrics.json", metrics)
    rows = {"EinNet": (metrics["mrr"], metrics["hits@10"], metrics["hits@10 of 50"])}
    rows |= {model: (mrr, None, hits) for model, (mrr, hits) in PUBLISHED.get(name, {}).items()}
    texts = [["" if v is None else f"{v:.3f}" for v in row] for row in rows.values()]
    columns = [bold_best(column) for column in zip(*texts, strict=True)]
    head = ["model", "MRR, all entities", "Hits@10, all entities", "Hits@10 of 50 negatives"]
    lines = [
        "# Entities that were never seen", "",
        f"`benchmarks/grail.py --name {name}`: {minutes:g} minutes on {torch.get_num_threads()} threads, trained on "
        f"parts of {part} of {len(graph.entities):,} entities, asked about {len(unseen.entities):,} others.", "",
        *make_table(head, list(zip([m + SOURCES[m][0] for m in rows], *columns, strict=True))),
    ]  # fmt: skip
    section = list(zip([m + SOURCES[m][1] for m in rows], *columns, strict=True))
    write_results("grail", lines, make_table(head, section), page)


if __name__ == "__main__":
    app()
