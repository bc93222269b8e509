"""Answers to (head, relation, ?) and (?, relation, tail)."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from einnet.nn import EinNet
from einnet.tasks.console import make_console
from einnet.tasks.kg.data import KnowledgeGraph
from einnet.tasks.kg.evaluate import score_tables
from einnet.tasks.report import make_table

__all__ = ["Answer", "answers", "print_answers"]


@dataclass(frozen=True)
class Answer:
    """An entity; its probability among the new answers, or the split in which the fact is known."""

    entity: str
    probability: float | None
    known: str | None


def answers(net: EinNet, graph: KnowledgeGraph, relation: str, head: str | None, tail: str | None) -> list[Answer]:
    """The known answers, then the new ones, the most probable first, equals in the order of the graph's entities.

    The message graph has the facts of train and valid. The network learned to predict facts outside it,
    so its facts get no probability: the new answers share it.
    """
    r = graph.relation(relation)
    h = graph.entity(head) if head is not None else slice(None)
    t = graph.entity(tail) if tail is not None else slice(None)
    tails, heads = score_tables(net, graph.tensor(graph.train, graph.valid))
    scores = tails[h, :, r] if head is not None else heads[:, t, r]
    known = {}
    for split in ("valid", "train"):
        known |= dict.fromkeys(graph.tensor(getattr(graph, split))[h, t, r].nonzero()[0].tolist(), split)
    seen = torch.tensor([k in known for k in range(len(graph.entities))])
    probability = scores.cpu().masked_fill(seen, -torch.inf).softmax(0).tolist()
    ranked = scores.cpu().argsort(descending=True, stable=True).tolist()
    known_answers = [Answer(graph.entities[k], None, known[k]) for k in sorted(known)]
    return known_answers + [Answer(graph.entities[k], probability[k], None) for k in ranked if k not in known]


def print_answers(query: str, known: Sequence[Answer], new: Sequence[Answer]) -> None:
    """The known answers, marked, and the new ones with their probabilities."""
    table = make_table(query)
    table.caption = "shown to the network: the facts of train and valid"
    for name in ("rank", "entity", "probability", "known fact"):
        table.add_column(name, justify="right" if name in ("rank", "probability") else "left", overflow="fold")
    for answer in known:
        table.add_row("", answer.entity, "", f"yes, in {answer.known}", style="dim")
    table.add_section()
    for k, answer in enumerate(new, start=1):
        table.add_row(str(k), answer.entity, f"{answer.probability:.4f}", "")
    make_console().print(table)
