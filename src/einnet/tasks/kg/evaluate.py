"""Filtered ranking: where does the true entity stand among all that could fill the gap?

For a fact (h, r, t) the tails are ranked for (h, r, ?) and the heads for (?, r, t); other entities
that are known to be right, in any split, are left out. Ties count in two ways: *pessimistic*, all
equals count before the true entity, and *realistic*, half of them do.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from rich.table import Table
from torch import Tensor

from einnet.errors import EinNetError
from einnet.nn import EinNet
from einnet.nn.mode import evaluation_mode
from einnet.plots.figures import pyplot, save_figure
from einnet.tasks.kg.data import KnowledgeGraph
from einnet.tasks.report import Results, make_table

__all__ = ["PUBLISHED", "Ranks", "compute_metrics", "make_results_table", "measure", "rank", "score_tables"]

FOLDS = 10
HITS = (1, 3, 10)
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


def measure(net: EinNet, graph: KnowledgeGraph) -> Results:
    """The metrics with a table, and the scores of some relations as a picture."""
    metrics = {"dataset": graph.name, "bundled": graph.bundled, **compute_metrics(net, graph)}
    caption = "relations with most test facts, heads as rows and tails as columns"
    pictures = {"relations.png": (caption, lambda picture: _draw_relations(net, graph, picture))}
    return Results(metrics, [make_results_table(metrics), _summarize(metrics, graph)], pictures)


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


class Ranks(NamedTuple):
    """Ranks of the true entities, one for each tail query and then one for each head query."""

    pessimistic: Tensor
    realistic: Tensor

    def select(self, is_selected: Tensor) -> "Ranks":
        return Ranks(self.pessimistic[is_selected], self.realistic[is_selected])

    def metrics(self) -> dict[str, dict[str, float]]:
        """MRR and Hits@k, heads and tails averaged, by tie policy."""
        return {
            ties: {"mrr": float((1 / x).mean()), **{f"hits@{k}": float((x <= k).double().mean()) for k in HITS}}
            for ties, x in self._asdict().items()
        }


def score_tables(net: EinNet, message_graph: np.ndarray | Tensor) -> tuple[Tensor, Tensor]:
    """Log-probabilities [head, tail, relation] of tails, and those of heads.

    The network gives each cell (h, t) and relation r two logits: the softmax of one over tails
    answers (h, r, ?), that of the other over heads (?, r, t).
    """
    x = torch.as_tensor(message_graph).to(next(net.parameters()))
    with evaluation_mode(net), torch.no_grad():
        tails, heads = net(x).float().chunk(2, dim=-1)
    return tails.log_softmax(1), heads.log_softmax(0)


def rank(tables: tuple[Tensor, Tensor], facts: np.ndarray, known: Tensor) -> Ranks:
    """Filtered ranks of facts; `known` is true at [head, tail, relation] of every known fact."""
    h, r, t = torch.as_tensor(facts, device=known.device).T
    tails, heads = tables
    pessimistic, realistic = [], []
    for scores, right, truth in ((tails[h, :, r], known[h, :, r], t), (heads[:, t, r].T, known[:, t, r].T, h)):
        if (bad := ~scores.isfinite()).any():
            row = int(bad.any(1).nonzero()[0])
            raise EinNetError(
                f"the scores for fact {row} (head {h[row]}, relation {r[row]}, tail {t[row]}) are not finite: the "
                "network has diverged; train it again with a lower learning rate or --precision 32"
            )
        score = scores.gather(1, truth[:, None])
        is_candidate = ~right.scatter(1, truth[:, None], True)  # the true entity itself is counted below
        above = ((scores > score) & is_candidate).sum(1)
        equal = ((scores == score) & is_candidate).sum(1)
        pessimistic.append(1 + above + equal)
        realistic.append(1 + above + equal / 2)
    return Ranks(*(torch.cat(x).cpu().double() for x in (pessimistic, realistic)))  # no double on Apple's GPUs


def compute_metrics(net: EinNet, graph: KnowledgeGraph) -> dict[str, dict]:
    """Metrics: split, then message graph, then tie policy, then name.

    The message graph is what the network sees: the training facts, or those and the valid facts.
    For the valid split the second is taken in ten folds, each ranked with the remaining ones in
    the message graph, so that no fact is shown to itself. If some facts of a split have an entity or a
    relation that train lacks, `names of train` has the metrics of the others.
    """
    facts_of_all_splits = graph.tensor(graph.train, graph.valid, graph.test)
    known = torch.as_tensor(facts_of_all_splits, device=next(net.parameters()).device) > 0

    def rank_with(facts: np.ndarray, *message_facts: np.ndarray) -> tuple[Ranks, Tensor]:
        """Ranks, and for each of them whether train has the names of its fact."""
        has_names = torch.from_numpy(graph.has_names_of_train(facts)).repeat(2)
        return rank(score_tables(net, graph.tensor(*message_facts)), facts, known), has_names

    fold = np.random.default_rng(0).permutation(len(graph.valid)) % FOLDS
    folds = [rank_with(graph.valid[fold == k], graph.train, graph.valid[fold != k]) for k in np.unique(fold)]
    ranks, has_names = zip(*folds, strict=True)
    results = {
        "test": {
            "train": rank_with(graph.test, graph.train),
            "train+valid": rank_with(graph.test, graph.train, graph.valid),
        },
        "valid": {
            "train": rank_with(graph.valid, graph.train),
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
    return metrics


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
    table.caption = "; ".join(captions)
    for model, by_message in models.items():
        for message, by_ties in by_message.items():
            for ties, values in by_ties.items():
                table.add_row(model, message, ties, *(f"{v:.4f}" for v in values.values()), style="bold")
    for model, graph, *values, source in published:
        number = list(sources).index(source) + 1
        table.add_row(f"{model} [{number}]", graph, "?", *(f"{v:.2f}" for v in values))
    return table


def _draw_relations(net: EinNet, graph: KnowledgeGraph, picture: Path) -> None:
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
