"""Knowledge graphs of some thousand entities, and answers about entities that were never seen; writes grail.md.

    .venv/bin/python benchmarks/grail.py --data FOLDER --minutes 30     # FOLDER has fb237_v1, fb237_v1_ind, ...

The network has a state for each entity (`--state sparse`). It is selected on the valid facts of the first graph, and is
then asked about the second graph, which has the same relations and other entities: its train file is shown, the facts
of its test file are ranked among all its entities, other known facts left out, ties before the true entity.
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from cyclopts import App, Parameter
from results_page import PAGE, bold_best, make_table, write_results
from runs import train_once

from einnet.nn import Network
from einnet.tasks.kg.app import SPARSE_SCHEDULE, KgConfig
from einnet.tasks.kg.data import KnowledgeGraph, load
from einnet.tasks.kg.facts import Answers, MessageGraph, add_inverses
from einnet.tasks.kg.query_net import QueryNet
from einnet.tasks.kg.query_task import QueryTask
from einnet.tasks.kg.scorers import SparseScorer, score_queries
from einnet.train import Run

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
    names: Annotated[tuple[str, ...], Parameter(consume_multiple=True)] = tuple(PUBLISHED),
    minutes: float = 30,
    stored: Path = Path("runs/grail"),
    page: Path = PAGE,
) -> None:
    """Train on each graph unless there is a run, ask about the other entities, and write the tables."""
    notes, rows = [], []
    for name in names:
        graph, unseen, run = train(data, name, minutes, stored)
        metrics = evaluate(Network.load(run.best), unseen)
        run.write_json("metrics.json", metrics)
        notes.append(f"{name}: {len(graph.entities):,} entities, asked about {len(unseen.entities):,} others")
        rows += compare(name, (metrics["mrr"], metrics["hits@10"], metrics["hits@10 of 50"]))
    head = ["graph", "model", "MRR, all entities", "Hits@10, all entities", "Hits@10 of 50 negatives"]
    tables = [[[name, model + SOURCES[model][k], *values] for name, model, *values in rows] for k in (0, 1)]
    lines = [
        "# Entities that were never seen", "",
        f"`benchmarks/grail.py`: {minutes:g} minutes of training on each graph, {torch.get_num_threads()} threads. "
        f"{'; '.join(notes)}.", "",
        *make_table(head, tables[0]),
    ]  # fmt: skip
    write_results("grail", lines, make_table(head, tables[1]), page)


def train(data: Path, name: str, minutes: float, stored: Path) -> tuple[KnowledgeGraph, KnowledgeGraph, Run]:
    """The graph of a name, that of other entities, and the run."""
    graph = load(data / name)
    run = train_once(
        name, "grail", CONFIG, minutes, stored, lambda _: lambda: QueryTask(graph, CONFIG, 0),
        steps=100_000, validate_every=SPARSE_SCHEDULE["validate_every"],
    )  # fmt: skip
    return graph, load(data / f"{name}_ind", graph.relations), run


def compare(name: str, values: tuple[float, ...]) -> list[list[str]]:
    """The rows of a graph: EinNet's figures and the published ones."""
    figures = {"EinNet": values, **{m: (mrr, None, hits) for m, (mrr, hits) in PUBLISHED.get(name, {}).items()}}
    texts = [["" if v is None else f"{v:.3f}" for v in row] for row in figures.values()]
    columns = zip(*(bold_best(column) for column in zip(*texts, strict=True)), strict=True)
    return [[name, model, *row] for model, row in zip(figures, columns, strict=True)]


if __name__ == "__main__":
    app()
