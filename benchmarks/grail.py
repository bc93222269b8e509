"""A knowledge graph of 1,594 entities, and answers about entities that were never seen; writes benchmarks/grail.md.

    .venv/bin/python benchmarks/grail.py --data FOLDER --minutes 30     # FOLDER has fb237_v1 and fb237_v1_ind

The network has a state for each entity (`--state sparse`). It is selected on the valid facts of the first graph, and is
then asked about the second graph, which has the same relations and other entities: its train file is shown, the facts
of its test file are ranked among all its entities, other known facts left out, ties before the true entity.
"""

from pathlib import Path

import numpy as np
import torch
from cyclopts import App
from results_page import PAGE, bold_best, make_table, write_results
from runs import train_once

from einnet.nn import Network
from einnet.tasks.kg.app import SPARSE_SCHEDULE, KgConfig
from einnet.tasks.kg.data import KnowledgeGraph, load
from einnet.tasks.kg.facts import Answers, MessageGraph, add_inverses
from einnet.tasks.kg.query_net import QueryNet
from einnet.tasks.kg.query_task import QueryTask
from einnet.tasks.kg.scorers import SparseScorer, score_queries

CONFIG = KgConfig(state="sparse")
SOURCES = {  # in the table, and on the page of results
    "EinNet": ("", ""), "RED-GNN": (" (Zhang and Yao 2022)", " \\[13]"), "NBFNet": (" (Zhu et al. 2021)", " \\[14]"),
}  # fmt: skip
PUBLISHED = {  # name: MRR, Hits@10 of 50 negatives
    "fb237_v1": {"RED-GNN": (0.369, None), "NBFNet": (None, 0.821)},
    "WN18RR_v1": {"RED-GNN": (0.701, None), "NBFNet": (None, 0.954)},
}
NEGATIVES = 50

app = App(help=__doc__)


def evaluate(net: QueryNet, graph: KnowledgeGraph) -> dict[str, float]:
    """MRR and Hits@10 of the test facts among all entities, and Hits@10 among 50 random others."""
    metrics = SparseScorer(net, graph).rank(graph.test, graph.train).metrics()["pessimistic"]
    return {"mrr": metrics["mrr"], "hits@10": metrics["hits@10"], "hits@10 of 50": rank_negatives(net, graph)}


def rank_negatives(net: QueryNet, graph: KnowledgeGraph) -> float:
    """Each test fact among 50 unknown ones with another tail or head; ties count against the model."""
    rng, hits, relations = np.random.default_rng(0), [], len(graph.relations)
    all_facts = add_inverses(np.concatenate([graph.train, graph.valid, graph.test]), relations)
    known = Answers(all_facts, len(graph.entities))
    message_graph = MessageGraph.of(net, graph, graph.train)
    for queries, scores in score_queries(net, message_graph, add_inverses(graph.test, relations)):
        for (_, _, truth), row, right in zip(queries.tolist(), scores, known.mask(queries), strict=True):
            free = np.flatnonzero(~right.numpy())
            negatives = rng.choice(free, NEGATIVES, replace=len(free) < NEGATIVES)
            hits.append(int((row[negatives] >= row[truth]).sum()) < 10)
    return float(np.mean(hits))


@app.default
def main(
    *,
    data: Path,
    name: str = "fb237_v1",
    minutes: float = 30,
    stored: Path = Path("runs/grail"),
    page: Path = PAGE,
) -> None:
    """Train unless there is a run, ask about the other entities, and write the tables."""
    graph = load(data / name)
    run = train_once(
        name, "grail", CONFIG, minutes, stored, lambda _: lambda: QueryTask(graph, CONFIG, 0),
        steps=100_000, validate_every=SPARSE_SCHEDULE["validate_every"],
    )  # fmt: skip
    unseen = load(data / f"{name}_ind", graph.relations)
    metrics = evaluate(Network.load(run.best), unseen)
    run.write_json("metrics.json", metrics)
    rows = {"EinNet": (metrics["mrr"], metrics["hits@10"], metrics["hits@10 of 50"])}
    rows |= {model: (mrr, None, hits) for model, (mrr, hits) in PUBLISHED.get(name, {}).items()}
    texts = [["" if v is None else f"{v:.3f}" for v in row] for row in rows.values()]
    columns = [bold_best(column) for column in zip(*texts, strict=True)]
    head = ["model", "MRR, all entities", "Hits@10, all entities", "Hits@10 of 50 negatives"]
    lines = [
        "# Entities that were never seen", "",
        f"`benchmarks/grail.py --name {name}`: {minutes:g} minutes on {torch.get_num_threads()} threads, trained on "
        f"{len(graph.entities):,} entities, asked about {len(unseen.entities):,} others.", "",
        *make_table(head, list(zip([m + SOURCES[m][0] for m in rows], *columns, strict=True))),
    ]  # fmt: skip
    section = list(zip([m + SOURCES[m][1] for m in rows], *columns, strict=True))
    write_results("grail", lines, make_table(head, section), page)


if __name__ == "__main__":
    app()
