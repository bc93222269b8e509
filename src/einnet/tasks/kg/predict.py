"""Answers to (head, relation, ?) and (?, relation, tail)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from einnet.nn import Network
from einnet.nn.mode import evaluation_mode
from einnet.tasks.console import make_console
from einnet.tasks.kg.data import KnowledgeGraph
from einnet.tasks.kg.scorers import Question, make_scorer
from einnet.tasks.report import make_table

__all__ = ["Answer", "answers", "find_answers", "print_answers"]

PRINTED = 20  # known answers, at most


@dataclass(frozen=True)
class Answer:
    """An entity; its probability among the new answers, or the split in which the fact is known."""

    entity: str
    probability: float | None
    known: str | None


def answers(net: Network, graph: KnowledgeGraph, relation: str, head: str | None, tail: str | None) -> list[Answer]:
    """The known answers, then the new ones, the most probable first, equals in the order of the graph's entities.

    The message graph has the facts of train and valid. The network learned to predict facts outside it,
    so its facts get no probability: the new answers share it.
    """
    question = Question(
        graph.relation(relation),
        None if head is None else graph.entity(head),
        None if tail is None else graph.entity(tail),
    )
    with evaluation_mode(net), torch.no_grad():
        facts = np.concatenate([graph.train, graph.valid])
        scores = make_scorer(net, graph).score(facts, torch.ones(len(facts)), question).float()
    known = {}
    for split in ("valid", "train"):
        known |= dict.fromkeys(find_answers(getattr(graph, split), question), split)
    seen = torch.tensor([k in known for k in range(len(graph.entities))])
    probability = scores.cpu().masked_fill(seen, -torch.inf).softmax(0).tolist()
    ranked = scores.cpu().argsort(descending=True, stable=True).tolist()
    known_answers = [Answer(graph.entities[k], None, known[k]) for k in sorted(known)]
    return known_answers + [Answer(graph.entities[k], probability[k], None) for k in ranked if k not in known]


def find_answers(facts: np.ndarray, question: Question) -> list[int]:
    """The entities that answer a question in these facts, in their order."""
    r, head, tail = question
    source, end = (0, 2) if head is not None else (2, 0)
    is_answer = (facts[:, 1] == r) & (facts[:, source] == (head if head is not None else tail))
    return np.unique(facts[is_answer, end]).tolist()


def print_answers(query: str, known: Sequence[Answer], new: Sequence[Answer]) -> None:
    """The known answers, marked, and the new ones with their probabilities."""
    table = make_table(query)
    table.caption = "shown to the network: the facts of train and valid"
    for name in ("rank", "entity", "probability", "known fact"):
        table.add_column(name, justify="right" if name in ("rank", "probability") else "left", overflow="fold")
    for answer in known[:PRINTED]:
        table.add_row("", answer.entity, "", f"yes, in {answer.known}", style="dim")
    if (more := len(known) - PRINTED) > 0:
        table.add_row("", f"and {more:,} more, see --json", "", "", style="dim")
    table.add_section()
    for k, answer in enumerate(new, start=1):
        table.add_row(str(k), answer.entity, f"{answer.probability:.4f}", "")
    make_console().print(table)
