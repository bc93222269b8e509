"""Filtered ranking: where does the true entity stand among all that could fill the gap?

For a fact (h, r, t) the tails are ranked for (h, r, ?) and the heads for (?, r, t); other entities
that are known to be right, in any split, are left out. Ties count in two ways: *pessimistic*, all
equals count before the true entity, and *realistic*, half of them do.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.table import Table
from torch import Tensor

from einnet.nn import Network
from einnet.plots.figures import pyplot, save_figure
from einnet.tasks.kg.data import KnowledgeGraph
from einnet.tasks.kg.ranking import Ranks
from einnet.tasks.kg.scorers import DenseScorer, make_scorer, rank, score_tables
from einnet.tasks.report import Results, make_table

__all__ = ["PUBLISHED", "compute_metrics", "make_results_table", "measure", "rank", "score_tables"]

FOLDS = 10
RELATIONS, SIDE = 3, 150  # of the picture: how many, and how many entities

_CONVE = "ConvE (Dettmers et al. 2018): results in its repository"
_COMPLEX = "ComplEx-N3 with relation prediction, run on the same split"
_BLOG = 'the blog post "Permutation Symmetric Neural Nets from the Ground Up"'

# dataset: rows of (model, message graph, MRR, Hits@1, Hits@3, Hits@10, source)
PUBLISHED: dict[str, list[tuple]] = {
    "kinship": [
        ("ConvE", "train", 0.83, 0.73, 0.91, 0.98, _CONVE),
        ("ComplEx-N3 + RP", "train", 0.91, 0.86, 0.96, 0.99, _COMPLEX),
        ("ComplEx-N3 + RP", "train+valid", 0.93, 0.89, 0.97, 0.99, _COMPLEX),
        ("EinNet, reference", "train+valid", 0.94, 0.90, 0.99, 1.00, _BLOG),
    ],
    "umls": [("ConvE", "train", 0.94, 0.92, 0.97, 0.99, _CONVE)],
    "nations": [("ConvE", "train", 0.82, 0.72, 0.88, 1.00, _CONVE)],
}


def measure(net: Network, graph: KnowledgeGraph) -> Results:
    """The metrics with a table, and the scores of some relations as a picture."""
    metrics = {"dataset": graph.name, "bundled": graph.bundled, **compute_metrics(net, graph)}
    caption = "relations with most test facts, heads as rows and tails as columns"
    pictures = {"relations.png": (caption, lambda picture: _draw_relations(net, graph, picture))}
    has_tables = isinstance(make_scorer(net, graph), DenseScorer)
    return Results(metrics, [make_results_table(metrics), _summarize(metrics, graph)], pictures if has_tables else {})


def _summarize(metrics: Mapping[str, Any], graph: KnowledgeGraph) -> str:
    """What was reached, compared with the best published row of the same message graph, or else with guessing."""
    values = metrics["test"]["train"]["pessimistic"]
    rows = [row for row in PUBLISHED.get(metrics["dataset"], []) if row[1] == "train"] if metrics["bundled"] else []
    if rows:
        model, _, mrr, *_ = max(rows, key=lambda row: row[2])
        peer = f"{model} {mrr:.2f} (published)"
    else:
        peer = f"guessing about {(1 / np.arange(1, len(graph.entities) + 1)).mean():.2f}"
    first = f"the true entity is first for {values['hits@1']:.0%} of the questions"
    return f"EinNet reaches MRR {values['mrr']:.3f} on the test facts of {metrics['dataset']}, {peer}; {first}."


def compute_metrics(net: Network, graph: KnowledgeGraph) -> dict[str, dict]:
    """Metrics: split, then message graph, then tie policy, then name.

    The message graph is what the network sees: the training facts, or those and the valid facts.
    For the valid split the second is taken in ten folds, each ranked with the remaining ones in
    the message graph, so that no fact is shown to itself. If some facts of a split have an entity or a
    relation that train lacks, `names of train` has the metrics of the others. Of a split with very many facts some are
    drawn for a network with a sparse state; then `drawn` says how many.
    """
    scorer = make_scorer(net, graph)
    drawn = {split: _draw(len(getattr(graph, split)), scorer.largest.get(split)) for split in ("test", "valid")}
    test, valid = graph.test[drawn["test"]], graph.valid[drawn["valid"]]

    def rank_with(facts: np.ndarray, *message_facts: np.ndarray) -> tuple[Ranks, Tensor]:
        """Ranks, and for each of them whether train has the names of its fact."""
        has_names = torch.from_numpy(graph.has_names_of_train(facts)).repeat(2)
        return scorer.rank(facts, *message_facts), has_names

    fold = np.random.default_rng(0).permutation(len(valid)) % FOLDS
    rests = {k: np.delete(graph.valid, drawn["valid"][fold == k], axis=0) for k in np.unique(fold)}
    folds = [rank_with(valid[fold == k], graph.train, rest) for k, rest in rests.items()]
    ranks, has_names = zip(*folds, strict=True)
    results = {
        "test": {
            "train": rank_with(test, graph.train),
            "train+valid": rank_with(test, graph.train, graph.valid),
        },
        "valid": {
            "train": rank_with(valid, graph.train),
            "train+valid": (Ranks(*map(torch.cat, zip(*ranks, strict=True))), torch.cat(has_names)),
        },
    }
    metrics: dict[str, dict] = {
        split: {message: ranks.metrics() for message, (ranks, _) in by_message.items()}
        for split, by_message in results.items()
    }
    for split, by_message in results.items():
        has_names = by_message["train"][1]
        if has_names.any() and not has_names.all():
            selected = {message: ranks.select(mask).metrics() for message, (ranks, mask) in by_message.items()}
            counts = {"facts": int(has_names.sum()) // 2, "of": len(has_names) // 2}
            metrics.setdefault("names of train", {})[split] = counts | selected
        if len(drawn[split]) < len(getattr(graph, split)):
            counts = {"facts": len(drawn[split]), "of": len(getattr(graph, split))}
            metrics.setdefault("drawn", {})[split] = counts
    return metrics


def _draw(number: int, largest: int | None) -> np.ndarray:
    """The numbers of the facts that are ranked: all, or so many, the same at each call."""
    if largest is None or number <= largest:
        return np.arange(number)
    return np.sort(np.random.default_rng(0).choice(number, largest, replace=False))


def make_results_table(metrics: Mapping[str, Any]) -> Table:
    """The metrics under both message graphs and tie policies; for a bundled dataset the published rows with sources."""
    published = PUBLISHED.get(metrics["dataset"], []) if metrics["bundled"] else []
    sources = dict.fromkeys(source for *_, source in published)
    title = f"{metrics['dataset']}: test facts ranked among all entities, known ones filtered"
    table = make_table(title, ["model", "message graph", "ties"], ["MRR", "Hits@1", "Hits@3", "Hits@10"])
    captions = [f"[{k}] {source}" for k, source in enumerate(sources, start=1)]
    models = {"EinNet": metrics["test"]}
    if known := metrics.get("names of train", {}).get("test"):
        models[f"EinNet, {known['facts']:,} facts"] = {message: known[message] for message in metrics["test"]}
        captions.append(f"{known['facts']:,} facts: those of the {known['of']:,} whose names train has")
    if drawn := metrics.get("drawn", {}).get("test"):
        captions.append(f"{drawn['facts']:,} of the {drawn['of']:,} test facts, drawn at random")
    table.caption = "; ".join(captions)
    for model, by_message in models.items():
        for message, by_ties in by_message.items():
            for ties, values in by_ties.items():
                table.add_row(model, message, ties, *(f"{v:.4f}" for v in values.values()), style="bold")
    for model, graph, *values, source in published:
        number = list(sources).index(source) + 1
        table.add_row(f"{model} [{number}]", graph, "?", *(f"{v:.2f}" for v in values))
    return table


def _draw_relations(net: Network, graph: KnowledgeGraph, picture: Path) -> None:
    """Draws the relations with most test facts: what is shown and what is asked above, what is predicted below."""
    message_graph = graph.tensor(graph.train, graph.valid)
    questions = graph.tensor(graph.test)
    chosen = questions.sum((0, 1)).argsort()[::-1][:RELATIONS]
    tails = score_tables(net, message_graph)[0].exp().masked_fill(torch.as_tensor(message_graph) > 0, 0).cpu().numpy()
    figure, panels = pyplot().subplots(
        2, len(chosen), figsize=(3 * len(chosen), 6.4), squeeze=False, layout="constrained"
    )
    for (above, below), r in zip(panels.T, chosen, strict=True):
        facts = (message_graph + 2 * questions)[:SIDE, :SIDE, r]
        above.imshow(facts, cmap="Blues", vmax=2, interpolation="nearest")
        below.imshow(tails[:SIDE, :SIDE, r], cmap="Blues", interpolation="nearest")
        above.set_title(graph.relations[r], fontsize=9, parse_math=False)
        for panel in (above, below):
            panel.set(xticks=[], yticks=[])
    panels[0][0].set_ylabel("facts: pale shown, dark asked")
    panels[1][0].set_ylabel("probability of a new tail")
    save_figure(figure, picture)
