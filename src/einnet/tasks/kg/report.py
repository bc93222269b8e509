"""What the kg task prints: its results beside the published ones, and answers to a query."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from einnet.tasks.report import titled

if TYPE_CHECKING:
    from einnet.nn import EinNet
    from einnet.tasks.kg.data import KnowledgeGraph
    from einnet.tasks.kg.predict import Answer

__all__ = ["PUBLISHED", "print_answers", "relations_picture", "results"]

RELATIONS, SIDE = 3, 150  # of the picture: how many, and how many entities
NAMES = ("mrr", "hits@1", "hits@3", "hits@10")

_CONVE = "ConvE (Dettmers et al. 2018): results in its repository"
_COMPLEX = "ComplEx-N3 with relation prediction, run on the same split"
_TEXT = "the text that first described these networks"

# dataset: rows of (model, message graph, MRR, Hits@1, Hits@3, Hits@10, source)
PUBLISHED: dict[str, list[tuple]] = {
    "kinship": [
        ("ConvE", "train", 0.83, 0.73, 0.91, 0.98, _CONVE),
        ("ComplEx-N3 + RP", "train", 0.91, 0.86, 0.96, 0.99, _COMPLEX),
        ("ComplEx-N3 + RP", "train+valid", 0.93, 0.89, 0.97, 0.99, _COMPLEX),
        ("EinNet, reference", "train+valid", 0.94, 0.90, 0.99, 1.00, _TEXT),
    ],
    "umls": [("ConvE", "train", 0.94, 0.92, 0.97, 0.99, _CONVE)],
    "nations": [("ConvE", "train", 0.82, 0.72, 0.88, 1.00, _CONVE)],
}


def results(dataset: str, metrics: dict, bundled: bool) -> Table:
    """Ours under both message graphs and tie policies; for a bundled dataset the published rows and their sources."""
    published = PUBLISHED.get(dataset, []) if bundled else []
    sources = dict.fromkeys(source for *_, source in published)
    table = titled(f"{dataset}: test facts ranked among all entities, known ones filtered")
    table.caption = "; ".join(f"[{k}] {source}" for k, source in enumerate(sources, start=1)).replace("[", "\\[")
    for name in ("model", "shown", "ties", "MRR", "Hits@1", "Hits@3", "Hits@10"):
        is_text = name in ("model", "shown", "ties")
        table.add_column(name, justify="left" if is_text else "right", no_wrap=name != "model")
    for graph, by_ties in metrics["test"].items():
        for ties, found in by_ties.items():
            table.add_row("EinNet", graph, ties, *(f"{found[n]:.4f}" for n in NAMES), style="bold")
    for model, graph, *values, source in published:
        number = list(sources).index(source) + 1
        table.add_row(f"{model} \\[{number}]", graph, "?", *(f"{v:.2f}" for v in values))
    return table


def relations_picture(net: "EinNet", graph: "KnowledgeGraph", picture: Path) -> None:
    """Draws the relations with most test facts: what is shown and what is asked above, what is predicted below."""
    import torch

    from einnet.plots.figures import pyplot, save_figure
    from einnet.tasks.kg.evaluate import score_tables

    shown = graph.tensor(graph.train, graph.valid)
    asked = graph.tensor(graph.test)
    chosen = asked.sum((0, 1)).argsort()[::-1][:RELATIONS]
    tails = score_tables(net, shown)[0].exp().masked_fill(torch.as_tensor(shown) > 0, 0).cpu().numpy()
    plt = pyplot()
    figure, panels = plt.subplots(2, len(chosen), figsize=(3 * len(chosen), 6.4), squeeze=False, layout="constrained")
    for (above, below), r in zip(panels.T, chosen, strict=True):
        above.imshow(shown[:SIDE, :SIDE, r] + 2 * asked[:SIDE, :SIDE, r], cmap="Blues", vmax=2, interpolation="nearest")
        below.imshow(tails[:SIDE, :SIDE, r], cmap="Blues", interpolation="nearest")
        above.set_title(graph.relations[r], fontsize=9, parse_math=False)
        for panel in (above, below):
            panel.set(xticks=[], yticks=[])
    panels[0][0].set_ylabel("facts: pale shown, dark asked")
    panels[1][0].set_ylabel("probability of a new tail")
    save_figure(figure, picture)
    plt.close(figure)


def print_answers(query: str, known: "Sequence[Answer]", new: "Sequence[Answer]") -> None:
    """The known answers, marked, and the new ones with their probabilities."""
    table = titled(query)
    table.caption = "shown to the network: the facts of train and valid"
    for name in ("rank", "entity", "probability", "known fact"):
        table.add_column(name, justify="right" if name in ("rank", "probability") else "left")
    for answer in known:
        table.add_row("", Text(answer.entity), "", f"yes, in {answer.known}", style="dim")
    table.add_section()
    for k, answer in enumerate(new, start=1):
        table.add_row(str(k), Text(answer.entity), f"{answer.probability:.4f}", "")
    Console().print(table)
