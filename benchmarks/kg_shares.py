"""How many facts are needed: kinship with a share of its facts; writes benchmarks/kg_shares.md and a picture.

    OMP_NUM_THREADS=1 .venv/bin/python benchmarks/kg_shares.py         # 25 minutes of one core

EinNet with the defaults of `einnet train kg`, and ComplEx with the loss over all entities, reciprocal relations and the
nuclear 3-norm of Lacroix et al. (2018), both for the same time; of ComplEx the one whose penalty is best on the valid
facts, which are the same for all shares. Runs in --out are not trained again.
"""

import json
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from cyclopts import run
from results_page import EFFICIENCY, FOLDER, bold_best, draw_curves, make_table, write_results
from torch import Tensor, nn

from einnet.tasks.kg.app import KgApp, KgConfig
from einnet.tasks.kg.data import KnowledgeGraph, load
from einnet.tasks.kg.ranking import rank_scores
from einnet.train import Options

DATASET, SHARES = "kinship", (0.02, 0.05, 0.1, 0.25, 0.5, 1.0)
RANK, RATE, BATCH, START = 200, 0.1, 500, 1e-3
STRENGTHS = (0.01, 0.05, 0.2)


def main(*, minutes: float = 2, shares: Sequence[float] = SHARES, out: Path = Path("runs/benchmark/shares"),
         page: Path = EFFICIENCY) -> None:  # fmt: skip
    """Learn from each share of the facts, and write the table and the picture."""
    out.mkdir(parents=True, exist_ok=True)
    graph = load(DATASET)
    results = [measure_once(graph, share, minutes, out) for share in shares]
    names = ("EinNet", "ComplEx-N3")
    rows = []
    for share, result in zip(shares, results, strict=True):
        mrr = bold_best([f"{result[name]:.3f}" for name in names])
        rows.append([f"{share:.0%}", f"{result['facts']:,}", *mrr, f"{result['strength']:g}"])
    table = make_table(["share", "facts", *names, "penalty"], rows)
    curves = {name: ([r["facts"] for r in results], [r[name] for r in results]) for name in names}
    draw_curves(FOLDER / "kg_shares.svg", curves, "linear", xscale="log", xlabel="facts", ylabel="MRR", ylim=(0, 1))
    what = f"`benchmarks/kg_shares.py`: {DATASET}, MRR on the test facts, pessimistic ties, one seed,"
    text = f"{what} {minutes:g} minutes a run on {torch.get_num_threads()} threads; only the share is seen."
    write_results("kg_shares", ["# Share of the facts", "", text, "", *table], table, page)


def measure_once(graph: KnowledgeGraph, share: float, minutes: float, out: Path) -> dict[str, float]:
    """The MRR of both models on the test facts."""
    file = out / f"{share:g}.json"
    if not file.exists():
        facts = np.random.default_rng(0).permutation(graph.train)[: round(share * len(graph.train))]
        folder = write_graph(graph, facts, out / f"{share:g}")
        options = Options(minutes=minutes, patience=0, out=folder)
        if KgApp().train(KgConfig(str(folder)), options) != 0:
            raise SystemExit("interrupted")
        newest = max(folder.glob("kg/*/metrics.json"), key=lambda p: p.stat().st_mtime)
        metrics = json.loads(newest.read_text(encoding="utf-8"))["test"]["train"]["pessimistic"]
        models = [learn_complex(graph, facts, strength, 60 * minutes / len(STRENGTHS)) for strength in STRENGTHS]
        best = max(range(len(STRENGTHS)), key=lambda k: measure(models[k], graph, facts, graph.valid))
        content = {"facts": len(facts), "EinNet": metrics["mrr"], "strength": STRENGTHS[best]}
        content["ComplEx-N3"] = measure(models[best], graph, facts, graph.test)
        file.write_text(json.dumps(content), encoding="utf-8")
    return json.loads(file.read_text(encoding="utf-8"))


def write_graph(graph: KnowledgeGraph, train: np.ndarray, folder: Path) -> Path:
    """A folder with the three splits, as `einnet train kg --data` reads it."""
    folder.mkdir(exist_ok=True)
    for split, facts in (("train", train), ("valid", graph.valid), ("test", graph.test)):
        lines = [f"{graph.entities[h]}\t{graph.relations[r]}\t{graph.entities[t]}\n" for h, r, t in facts]
        (folder / f"{split}.txt").write_text("".join(lines), encoding="utf-8")
    return folder


class ComplEx(nn.Module):
    """Scores of all tails, Re<h, r, conj(t)>, with a relation of its own for each direction."""

    def __init__(self, entities: int, relations: int):
        super().__init__()
        self.entities, self.relations = nn.Embedding(entities, 2 * RANK), nn.Embedding(2 * relations, 2 * RANK)
        for table in (self.entities, self.relations):
            nn.init.normal_(table.weight, std=START)

    def forward(self, head: Tensor, relation: Tensor) -> Tensor:
        (a, b), (c, d) = (x.split(RANK, 1) for x in (self.entities(head), self.relations(relation)))
        return torch.cat([a * c - b * d, a * d + b * c], 1) @ self.entities.weight.T

    def penalty(self, *parts: Tensor) -> Tensor:
        """The cubes of the absolute values, the mean over the facts."""
        return sum(x.unflatten(1, (2, RANK)).square().sum(1).clamp(min=1e-12).pow(1.5).sum() / len(x) for x in parts)


def both_directions(facts: np.ndarray, relations: int) -> Tensor:
    """Questions (head, relation, tail), and with the ends exchanged and a relation of its own."""
    rows = torch.from_numpy(facts)
    return torch.cat([rows, torch.stack([rows[:, 2], rows[:, 1] + relations, rows[:, 0]], 1)])


def learn_complex(graph: KnowledgeGraph, facts: np.ndarray, strength: float, seconds: float) -> ComplEx:
    """Adagrad for so many seconds of processor time; the epoch that is best on the valid facts."""
    torch.manual_seed(0)
    model = ComplEx(len(graph.entities), len(graph.relations))
    questions, optimizer = both_directions(facts, len(graph.relations)), torch.optim.Adagrad(model.parameters(), RATE)
    start, checked, best, weights = time.process_time(), 0.0, -1.0, model.state_dict()
    while (spent := time.process_time() - start) < seconds:
        for batch in questions[torch.randperm(len(questions))].split(BATCH):
            head, relation, tail = batch.T
            loss = nn.functional.cross_entropy(model(head, relation), tail)
            parts = model.entities(head), model.relations(relation), model.entities(tail)
            optimizer.zero_grad()
            (loss + strength * model.penalty(*parts)).backward()
            optimizer.step()
        if spent - checked > seconds / 20:
            checked, mrr = spent, measure(model, graph, facts, graph.valid)
            if mrr > best:
                best, weights = mrr, {k: v.clone() for k, v in model.state_dict().items()}
    model.load_state_dict(weights)
    return model


@torch.no_grad()
def measure(model: ComplEx, graph: KnowledgeGraph, facts: np.ndarray, questions: np.ndarray) -> float:
    """The filtered MRR of questions in both directions; all true facts are left out, as in `einnet eval kg`."""
    known = torch.from_numpy(graph.tensor(graph.train, graph.valid, graph.test)).bool()
    head, relation, tail = both_directions(questions, number := len(graph.relations)).T
    is_forward = relation < number
    right = torch.where(is_forward[:, None], known[head, :, relation % number], known[:, head, relation % number].T)
    return rank_scores(model(head, relation), right, tail).metrics()["pessimistic"]["mrr"]


if __name__ == "__main__":
    run(main)
