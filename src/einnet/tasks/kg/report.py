"""What the kg task prints: its results beside the published ones, and answers to a query."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from einnet.tasks.kg.predict import Answer

__all__ = ["PUBLISHED", "print_answers", "print_results"]

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


def print_results(dataset: str, metrics: dict) -> None:
    """Ours under both message graphs and tie policies, then the published rows and where they come from."""
    published = PUBLISHED.get(dataset, [])
    sources = dict.fromkeys(source for *_, source in published)
    table = Table(
        title=f"{escape(dataset)}: test facts ranked among all entities, known ones filtered", title_justify="left"
    )
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
    Console().print(table)


def print_answers(query: str, known: "Sequence[Answer]", new: "Sequence[Answer]") -> None:
    """The known answers, marked, and the new ones with their probabilities."""
    table = Table(
        title=escape(query), title_justify="left", caption="shown to the network: the facts of train and valid"
    )
    for name in ("rank", "entity", "probability", "known fact"):
        table.add_column(name, justify="right" if name in ("rank", "probability") else "left")
    for answer in known:
        table.add_row("", escape(answer.entity), "", f"yes, in {answer.known}", style="dim")
    table.add_section()
    for k, answer in enumerate(new, start=1):
        table.add_row(str(k), escape(answer.entity), f"{answer.probability:.4f}", "")
    Console().print(table)
