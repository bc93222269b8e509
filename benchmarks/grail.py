"""A knowledge graph of 1,594 entities, and answers about entities that were never seen; writes benchmarks/grail.md.

    .venv/bin/python benchmarks/grail.py --data FOLDER --minutes 25     # FOLDER has fb237_v1 and fb237_v1_ind

The network learns on parts of the first graph (`--part` entities that hang together, drawn anew at each step),
is selected on the valid facts of a fixed part of it, and is then asked about the second graph, which has
the same relations and other entities.
"""

from collections import deque
from pathlib import Path
from typing import Any

import numpy as np
import torch
from cyclopts import App
from runs import trained_once
from torch import Tensor

from einnet.files import write_whole
from einnet.nn import EinNet
from einnet.tasks.kg.app import KgConfig
from einnet.tasks.kg.data import KnowledgeGraph, load
from einnet.tasks.kg.evaluate import rank, score_tables
from einnet.tasks.kg.network import completion_loss, make_net
from einnet.train.task import Task

SETTINGS = KgConfig(heads=16, hidden=32, depth=3, dropout=0.1, lr=5e-3, weight_decay=0.1, mask_low=0.02, mask_high=0.3)
PUBLISHED = {  # name: MRR, Hits@10 of 50 negatives
    "fb237_v1": [("RED-GNN (Zhang and Yao 2022)", 0.369, None), ("NBFNet (Zhu et al. 2021)", None, 0.821)],
    "WN18RR_v1": [("RED-GNN (Zhang and Yao 2022)", 0.701, None), ("NBFNet (Zhu et al. 2021)", None, 0.954)],
}
NEGATIVES = 50

app = App(help=__doc__)


class Parts(Task):
    """Learns to complete parts of a graph."""

    metric = "mrr"

    def __init__(self, graph: KnowledgeGraph, part: int, settings: KgConfig, seed: int):
        net = make_net(len(graph.relations), settings)
        super().__init__(net, lr=settings.lr, weight_decay=settings.weight_decay, seed=seed)
        self.graph, self.part, self.settings = graph, part, settings
        self.next_to: list[list[int]] = [[] for _ in graph.entities]
        for h, _, t in graph.train.tolist():
            self.next_to[h].append(t)
            self.next_to[t].append(h)
        self.fixed = self.entities(np.random.default_rng(0), 2 * part)

    def entities(self, rng: np.random.Generator, number: int) -> np.ndarray:
        """So many entities that hang together where they can: breadth first from random ones."""
        chosen: dict[int, None] = {}
        starts = deque(rng.permutation(len(self.next_to)).tolist())
        queue: deque[int] = deque()
        while len(chosen) < min(number, len(self.next_to)):
            e = queue.popleft() if queue else starts.popleft()
            if e not in chosen:
                chosen[e] = None
                queue.extend(rng.permutation(self.next_to[e]).tolist())
        return np.array(sorted(chosen))

    def loss(self, step: int) -> Tensor:
        rng = np.random.default_rng(torch.randint(2**31, ()).item())
        return completion_loss(self.net, torch.from_numpy(self.dense(self.entities(rng, self.part))), self.settings)

    def dense(self, entities: np.ndarray, *splits: str) -> np.ndarray:
        """[head, tail, relation] of the training facts, or those of the splits, among these entities."""
        x = np.zeros((len(entities), len(entities), len(self.graph.relations)), dtype=np.float32)
        for split in splits or ("train",):
            h, r, t = self.among(entities, split).T
            x[h, t, r] = 1
        return x

    def among(self, entities: np.ndarray, split: str) -> np.ndarray:
        """The facts of a split among these entities, by their new numbers."""
        place = np.full(len(self.graph.entities), -1)
        place[entities] = np.arange(len(entities))
        rows = getattr(self.graph, split)
        found = np.stack([place[rows[:, 0]], rows[:, 1], place[rows[:, 2]]], 1)
        return found[(found[:, [0, 2]] >= 0).all(1)]

    def validate(self, net: EinNet) -> dict[str, float]:
        known = torch.from_numpy(self.dense(self.fixed, "train", "valid", "test")) > 0
        tables = score_tables(net, self.dense(self.fixed))
        return rank(tables, self.among(self.fixed, "valid"), known).metrics()["pessimistic"]


def asked(net: EinNet, graph: KnowledgeGraph) -> dict[str, Any]:
    """MRR and Hits@10 of the test facts among all entities, and Hits@10 among 50 random others."""
    known = torch.as_tensor(graph.tensor(graph.train, graph.valid, graph.test)) > 0
    tables = score_tables(net, graph.tensor(graph.train))
    found = rank(tables, graph.test, known).metrics()["pessimistic"]
    return {"mrr": found["mrr"], "hits@10": found["hits@10"], "hits@10 of 50": _among_negatives(tables, graph, known)}


def _among_negatives(tables: tuple[Tensor, Tensor], graph: KnowledgeGraph, known: Tensor) -> float:
    """Each test fact beside 50 that are not known, its tail or its head replaced; ties count against us."""
    rng, hits = np.random.default_rng(0), []
    for h, r, t in graph.test.tolist():
        tails, heads = tables[0][h, :, r], tables[1][:, t, r]
        for scores, others, truth in ((tails, known[h, :, r], t), (heads, known[:, t, r], h)):
            free = np.flatnonzero(~others.numpy())
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
    out: Path = Path("benchmarks/grail.md"),
) -> None:
    """Train, unless that was done, ask about the other entities, and write the table."""
    graph = load(data / name)
    run = trained_once(
        f"{name}-{part}", "grail", SETTINGS, minutes, stored, lambda _: lambda: Parts(graph, part, SETTINGS, 0),
        steps=100_000, validate_every=50,
    )  # fmt: skip
    unseen = load(data / f"{name}_ind", graph.relations)
    found = asked(EinNet.load(run.best), unseen)
    run.write_json("metrics.json", found)
    rows = [("EinNet", found["mrr"], found["hits@10"], found["hits@10 of 50"])]
    rows += [(who, mrr, None, hits) for who, mrr, hits in PUBLISHED.get(name, [])]
    lines = [
        "# Entities that were never seen", "",
        f"`benchmarks/grail.py --name {name}`: {minutes:g} minutes on {torch.get_num_threads()} threads, trained on "
        f"parts of {part} of {len(graph.entities):,} entities, asked about {len(unseen.entities):,} others.", "",
        "| model | MRR, all entities | Hits@10, all entities | Hits@10 of 50 negatives |", "|---|---|---|---|",
    ]  # fmt: skip
    for who, *values in rows:
        lines.append(f"| {who} | {' | '.join('' if v is None else f'{v:.3f}' for v in values)} |")
    with write_whole(out) as temporary:
        temporary.write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    app()
