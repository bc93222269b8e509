"""Why was this fact predicted? The facts that its score depends on, found by gradient, confirmed by deletion.

The *score* of an answer is the logarithm of its odds against all other candidates. To delete a known fact is to set
its value in the network's input from 1 to 0; what the score loses by that is the fact's *change*. A pass for each fact
would take long, so the facts are cut into a few groups at random, the values of a group go from 0 to 1 together, and a
few derivatives on the way give an *estimate* for all its facts at once: integrated gradients. (The derivative at 1
alone says little: the network normalises its state, so it hardly depends on whether a value is 1 or 0.9.) The facts
with the largest estimates are deleted one at a time, and the network runs again: this gives the changes. Facts that
replace one another have small changes, each alone, and can be missed. (In a sparse state a fact that is the only way to
an entity changes the state there at once when its value leaves 0, which no derivative on the way sees: estimates can
be far off, changes are exact.)

Source of the estimate: Sundararajan et al., Axiomatic Attribution for Deep Networks (2017), section 3.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from textwrap import fill
from typing import Any

import networkx as nx
import numpy as np
import torch
from rich.text import Text
from torch import Tensor

from einnet.errors import EinNetError, to_printable
from einnet.nn import Network
from einnet.nn.mode import evaluation_mode
from einnet.plots.figures import check_picture, pyplot, save_figure
from einnet.tasks.console import make_console
from einnet.tasks.kg.data import KnowledgeGraph
from einnet.tasks.kg.predict import answers, find_answers
from einnet.tasks.kg.scorers import Question, make_scorer
from einnet.tasks.report import make_table

__all__ = ["Deletion", "Explanation", "draw_explanation", "explain_answer", "print_explanation"]

DELETIONS = 60  # facts that are deleted one at a time, at least
GROUPS, VALUES = 8, (0.25, 0.75)  # of the estimate: groups of facts, and their values
LETTERS = 18  # of a line of a name
INK, ANSWER = "#444444", "#c0392b"
LEGEND = (
    "change: what the log odds of the answer lose when the fact is deleted and the network runs again; estimate: "
    "of the change, by gradients, by which the fact was found; rank: that of the answer without the fact"
)
Triple = tuple[str, str, str]
Fact = tuple[int, int, int]  # head, relation, tail


@dataclass(frozen=True)
class Deletion:
    """What the deletion of facts does to an answer.

    `change` is the score with the facts minus the score without them, positive if they support the
    answer; `rank` is that without them; `estimate` is what the change was expected to be, the sum over the facts.
    """

    facts: tuple[Triple, ...]
    estimate: float
    change: float
    rank: int

    def as_json(self) -> dict[str, Any]:
        return vars(self) | {"facts": list(map(_fact_as_json, self.facts))}


def _fact_as_json(fact: Triple) -> dict[str, str]:
    return dict(zip(("head", "relation", "tail"), fact, strict=True))


@dataclass(frozen=True)
class Explanation:
    """A fact, the score and the rank of its `end` that was asked for ("head" or "tail"), and what supports it.

    `known` is the split of the message graph that has the fact, which was hidden from the network then, or None.
    `support` has a deletion for each supporting fact, the most important first; `together` is that of all of them at
    once, None where there are none.
    """

    fact: Triple
    end: str
    known: str | None
    score: float
    rank: int
    candidates: int
    support: tuple[Deletion, ...]
    together: Deletion | None

    @property
    def probability(self) -> float:
        """The share of the answer among all candidates."""
        return float(torch.tensor(self.score, dtype=torch.float64).sigmoid())

    def as_json(self) -> dict[str, Any]:
        support, together = [d.as_json() for d in self.support], self.together and self.together.as_json()
        changed = {"fact": _fact_as_json(self.fact), "support": support, "together": together}
        content = vars(self) | changed | {"probability": self.probability, "asked": self.end}
        del content["end"]
        return content


def explain_answer(
    net: Network, graph: KnowledgeGraph, relation: str, head: str | None, tail: str | None, top: int = 10
) -> Explanation:
    """Explains the first new answer to (head, relation, ?) or to (?, relation, tail); with both names, that tail.

    The network sees the facts of train and valid, without the explained one. The candidates are, as in
    `answers`, all entities but the other known answers. At most `top` supporting facts are given.
    """
    end = "head" if head is None else "tail"
    if head is None or tail is None:
        new = [a.entity for a in answers(net, graph, relation, head, tail) if a.known is None]
        if not new:
            raise EinNetError("every entity is a known answer already: explain one of them with --head and --tail")
        head, tail = head or new[0], tail or new[0]
    question = _Question(net, graph, (graph.entity(head), graph.relation(relation), graph.entity(tail)), end)
    with evaluation_mode(net):
        return question.explanation(top)


class _Question:
    """An answer, the message graph (`facts`), and the candidates that it is ranked against (`rivals`).

    A fact counts by its value, 1; with 0 it is deleted.
    """

    def __init__(self, net: Network, graph: KnowledgeGraph, fact: Fact, end: str):
        self.scorer, self.graph, self.fact, self.end = make_scorer(net, graph), graph, fact, end
        h, r, t = fact
        self.question = Question(r, h, None) if end == "tail" else Question(r, None, t)
        self.answer = t if end == "tail" else h
        splits = ("train", "valid")
        self.known = next((s for s in splits if (getattr(graph, s) == fact).all(1).any()), None)
        facts = np.unique(np.concatenate([graph.train, graph.valid]), axis=0)
        self.facts = facts[(facts != fact).any(1)]
        self.values = torch.ones(len(self.facts)).to(next(net.parameters()))
        self.rivals = torch.ones(len(graph.entities), dtype=torch.bool, device=self.values.device)
        self.rivals[[*find_answers(self.facts, self.question), self.answer]] = False
        if not self.rivals.any():
            raise EinNetError("all entities but this one are known answers: there is none to rank it against")

    def explanation(self, top: int) -> Explanation:
        estimates = self.estimates()
        largest = estimates.abs().topk(min(max(DELETIONS, 4 * top), len(self.facts))).indices.tolist()
        with torch.no_grad():
            score, rank = self.score(self.values)
        deletions = [(k, self.deletion([k], estimates, score)) for k in largest if estimates[k]]
        support = sorted((pair for pair in deletions if pair[1].change > 0), key=lambda pair: -pair[1].change)[:top]
        together = self.deletion([k for k, _ in support], estimates, score) if support else None
        return Explanation(
            self.names_of(self.fact), self.end, self.known, float(score), rank, 1 + int(self.rivals.sum()),
            tuple(d for _, d in support), together,
        )  # fmt: skip

    def estimates(self, groups: int = GROUPS, steps: Sequence[float] = VALUES) -> Tensor:
        """The estimate for each fact: the mean derivative of the score while the values of its group go from 0 to 1."""
        chance = torch.randperm(len(self.facts), generator=torch.Generator().manual_seed(0))
        group, total = 1 + chance.to(self.values.device) % groups, torch.zeros_like(self.values)
        for k, value in product(range(1, min(groups, len(self.facts)) + 1), steps):
            x = torch.where(group == k, value, self.values).requires_grad_()
            with torch.enable_grad():
                (derivative,) = torch.autograd.grad(self.score(x)[0], x)
            total += derivative * (group == k) / len(steps)
        return total

    @torch.no_grad()
    def deletion(self, places: Sequence[int], estimates: Tensor, score: Tensor) -> Deletion:
        """What it does to the answer to delete the facts at these places."""
        x = self.values.clone()
        x[list(places)] = 0
        score_without, rank = self.score(x)
        estimate = sum(float(estimates[k]) for k in places)
        facts = tuple(self.names_of(self.facts[k]) for k in places)
        return Deletion(facts, estimate, float(score - score_without), rank)

    def score(self, values: Tensor) -> tuple[Tensor, int]:
        """The score of the answer and its rank, equals in the order of `answers`, where the facts have these values."""
        scores = self.scorer.score(self.facts, values, self.question)
        is_before = scores >= scores[self.answer]
        is_before[self.answer :] = scores[self.answer :] > scores[self.answer]
        return scores[self.answer] - scores[self.rivals].logsumexp(0), 1 + int((is_before & self.rivals).sum())

    def names_of(self, fact: Sequence[int]) -> Triple:
        h, r, t = fact
        return self.graph.entities[h], self.graph.relations[r], self.graph.entities[t]


def print_explanation(explanation: Explanation) -> None:
    """The fact and its rank, a row for each fact that supports it, and one for all of them."""
    console = make_console()
    if explanation.known is not None:
        console.print(f"The fact is in {explanation.known}. It was hidden from the network.")
    rank = f"rank {explanation.rank} of {explanation.candidates}"
    title = _to_sentence(explanation.fact).append(f": the {explanation.end} has {rank}")
    if not explanation.support:
        console.print(title.append(". No fact that was deleted supports it."))
        return
    console.print(title.append(f", probability {explanation.probability:.4f}"))
    table = make_table("", ["supporting fact"], ["estimate", "change", "rank"])
    for deletion in explanation.support:
        table.add_row(_to_sentence(deletion.facts[0]), *_to_numbers(deletion))
    if explanation.together is not None and len(explanation.support) > 1:
        table.add_section()
        table.add_row("all of these", *_to_numbers(explanation.together))
    console.print(table)
    console.print(LEGEND, style="dim")


def _to_sentence(fact: Triple) -> Text:
    """The fact with the names as they are, no letter of them markup."""
    head, relation, tail = map(to_printable, fact)
    return Text.assemble(head, " ", (relation, "bold"), " ", tail)


def _to_numbers(deletion: Deletion) -> tuple[str, str, str]:
    return f"{deletion.estimate:.3f}", f"{deletion.change:.3f}", str(deletion.rank)


def draw_explanation(explanation: Explanation, picture: Path | str) -> None:
    """Draws the supporting facts as arrows from head to tail, the wider the more the score loses without them.

    The explained fact is a dashed red arrow. Facts about the same two entities share an arrow.
    """
    check_picture(picture)
    arrows: dict[tuple[str, str], list[tuple[str, float]]] = {}
    for deletion in explanation.support:
        head, relation, tail = deletion.facts[0]
        arrows.setdefault((head, tail), []).append((relation, deletion.change))
    at = _positions(explanation, list(arrows))
    figure, panel = pyplot().subplots(figsize=(6.4, 4.8), layout="constrained")
    panel.set(xlim=(-1.35, 1.35), ylim=(-1.2, 1.2))
    panel.set_axis_off()
    head, relation, tail = explanation.fact
    names = {}
    for name, (x, y) in at.items():
        look = {"boxstyle": "round", "facecolor": "white", "edgecolor": ANSWER if name in (head, tail) else INK}
        names[name] = _write(panel, x, y, fill(name, LETTERS), fontsize=9, bbox=look, zorder=1)
    largest = max((change for facts in arrows.values() for _, change in facts), default=1.0)
    for (start, end), facts in arrows.items():
        width = 0.6 + 2.4 * max(change for _, change in facts) / largest
        label = "\n".join(fill(relation, LETTERS) for relation, _ in facts)
        _draw_arrow(panel, names[start], names[end], label, width, INK, bend=0.12)
    bend = -0.3 if (head, tail) in arrows else 0
    _draw_arrow(panel, names[head], names[tail], f"{relation}?", 1.5, ANSWER, bend)
    save_figure(figure, picture)


def _positions(explanation: Explanation, pairs: list[tuple[str, str]]) -> dict[str, np.ndarray]:
    """Where the entities stand, from -1 to 1: the head of the explained fact left of its tail."""
    head, _, tail = explanation.fact
    graph = nx.Graph([*pairs, (head, tail)])
    at = nx.kamada_kawai_layout(graph)
    if head != tail:
        x, y = at[tail] - at[head]
        turn = np.array([[x, y], [-y, x]]) / np.hypot(x, y)
        at = {name: turn @ place for name, place in at.items()}
    places = np.stack(list(at.values()))
    middle, half = (places.max(0) + places.min(0)) / 2, (places.max(0) - places.min(0)) / 2
    return {name: (place - middle) / np.where(half < 1e-6, 1, half) for name, place in at.items()}


def _draw_arrow(panel: Any, start: Any, end: Any, label: str, width: float, colour: str, bend: float) -> None:
    """An arrow between two texts, drawn after them: where their boxes end is known then."""
    look = {"arrowstyle": "-|>", "color": colour, "linewidth": width, "mutation_scale": 14}
    look |= {"linestyle": "dashed" if colour == ANSWER else "solid"}
    (x0, y0), (x1, y1) = start.get_position(), end.get_position()
    if start is end:
        look |= {"connectionstyle": "arc3,rad=-1.5", "mutation_scale": 8}
        panel.annotate("", xy=(x0 + 0.06, y0 + 0.07), xytext=(x0 - 0.06, y0 + 0.07), arrowprops=look, zorder=2)
        x, y = x0, y0 + 0.26
    else:
        look |= {"connectionstyle": f"arc3,rad={bend}", "shrinkA": 1, "shrinkB": 1}
        look |= {"patchA": start.get_bbox_patch(), "patchB": end.get_bbox_patch()}
        panel.annotate("", xy=(x1, y1), xytext=(x0, y0), arrowprops=look, zorder=2)
        x, y = 0.6 * x0 + 0.4 * x1 + 0.48 * bend * (y1 - y0), 0.6 * y0 + 0.4 * y1 - 0.48 * bend * (x1 - x0)
    paper = {"facecolor": "white", "edgecolor": "none", "pad": 0.8}
    _write(panel, x, y, label, fontsize=8, color=colour, bbox=paper, zorder=3)


def _write(panel: Any, x: float, y: float, words: str, **look: Any) -> Any:
    """Words as they are: a $ in a name begins no formula."""
    return panel.text(x, y, words, ha="center", va="center", parse_math=False, **look)
