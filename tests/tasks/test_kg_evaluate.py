"""Filtered ranking: by hand, against PyKEEN's evaluator, and what must not leak."""

import numpy as np
import pytest
import torch

from einnet import EinNet
from einnet.errors import EinNetError
from einnet.tasks.kg.app import KgConfig
from einnet.tasks.kg.data import KnowledgeGraph
from einnet.tasks.kg.evaluate import compute_metrics, rank, score_tables
from einnet.tasks.kg.network import make_net
from families import family_graph


def make_known(graph):
    return torch.as_tensor(graph.tensor(graph.train, graph.valid, graph.test)) > 0


def small_net(graph) -> EinNet:
    torch.manual_seed(0)
    return make_net(len(graph.relations), KgConfig(heads=2, hidden=8, depth=1))


def test_ranks_by_hand():
    facts = {"train": [("a", "r", "b")], "valid": [("c", "r", "d")], "test": [("a", "r", "c")]}
    graph = KnowledgeGraph.of(facts, "tiny")
    tails, heads = torch.zeros(2, 4, 4, 1)
    tails[0, :, 0] = torch.tensor([1.0, 9.0, 1.0, 3.0])  # a r ?: b is known and left out, d above, a equals c
    heads[:, 2, 0] = torch.tensor([5.0, 5.0, 5.0, 1.0])  # ? r c: b and c equal a
    result = rank((tails, heads), graph.test, make_known(graph))
    assert result.pessimistic.tolist() == [3, 3]
    assert result.realistic.tolist() == [2.5, 2]
    metrics = result.metrics()
    assert metrics["pessimistic"]["mrr"] == pytest.approx(1 / 3)
    assert metrics["realistic"]["hits@3"] == 1 and metrics["pessimistic"]["hits@1"] == 0


@pytest.mark.parametrize("levels", [3, 10_000], ids=["many ties", "few ties"])
def test_pykeen_agrees_on_the_same_scores(levels):
    pytest.importorskip("pykeen")
    from pykeen.datasets import Nations
    from pykeen.evaluation import RankBasedEvaluator
    from pykeen.models.mocks import FixedModel

    data = Nations()
    shape = (data.num_entities, data.num_entities, data.num_relations)
    generator = torch.Generator().manual_seed(0)
    tails, heads = (torch.randint(levels, shape, generator=generator).float() for _ in range(2))

    class Tables(FixedModel):
        def score_t(self, hr_batch, tails_=None, **_):
            return tails[hr_batch[:, 0], :, hr_batch[:, 1]]

        def score_h(self, rt_batch, heads_=None, **_):
            return heads[:, rt_batch[:, 1], rt_batch[:, 0]].T

    evaluator = RankBasedEvaluator(filtered=True)
    expected = evaluator.evaluate(
        Tables(triples_factory=data.training),
        data.testing.mapped_triples,
        batch_size=64,
        use_tqdm=False,
        additional_filter_triples=[data.training.mapped_triples, data.validation.mapped_triples],
    )
    rows = {split: part.mapped_triples.numpy() for split, part in data.factory_dict.items()}
    splits = (rows["training"], rows["validation"], rows["testing"])
    graph = KnowledgeGraph("nations", tuple(data.entity_to_id), tuple(data.relation_to_id), *splits)
    ranks = rank((tails, heads), graph.test, make_known(graph)).metrics()
    for ties in ("pessimistic", "realistic"):
        mrr = expected.get_metric(f"both.{ties}.inverse_harmonic_mean_rank")
        assert ranks[ties]["mrr"] == pytest.approx(mrr, abs=1e-6)
        for k in (1, 3, 10):
            assert ranks[ties][f"hits@{k}"] == pytest.approx(expected.get_metric(f"both.{ties}.hits_at_{k}"), abs=1e-6)


def test_scores_that_are_not_finite_are_refused():
    graph = family_graph()
    tables = torch.zeros(2, 16, 16, 4)
    tables[0, graph.test[1, 0], 3, graph.test[1, 1]] = float("nan")
    with pytest.raises(EinNetError, match="fact 1 .*finite"):
        rank((tables[0], tables[1]), graph.test, make_known(graph))


def test_metrics_have_every_split_message_graph_and_tie_policy():
    graph = family_graph()
    result = compute_metrics(small_net(graph), graph)
    assert {s: {g: set(m) for g, m in by.items()} for s, by in result.items()} == {
        s: {g: {"pessimistic", "realistic"} for g in ("train", "train+valid")} for s in ("test", "valid")
    }
    assert set(result["test"]["train"]["realistic"]) == {"mrr", "hits@1", "hits@3", "hits@10"}


def test_no_fact_that_is_ranked_is_shown():
    """A network that copies its input ranks a shown fact first; no fact may profit."""
    graph = family_graph()

    class Copies(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.unused = torch.nn.Parameter(torch.zeros(1))

        def forward(self, x):
            return torch.cat([x, x], -1)

    result = compute_metrics(Copies(), graph)  # type: ignore[arg-type]
    for by_graph in result.values():
        for metrics in by_graph.values():
            assert metrics["pessimistic"]["hits@1"] == 0


def test_score_tables_are_log_probabilities_in_evaluation_mode():
    graph = family_graph()
    net = small_net(graph).train()
    tails, heads = score_tables(net, graph.tensor(graph.train))
    assert torch.allclose(tails.exp().sum(1), torch.ones(16, 4), atol=1e-5)
    assert torch.allclose(heads.exp().sum(0), torch.ones(16, 4), atol=1e-5)
    assert net.training  # left as it was, although dropout was off for the scores
    again = score_tables(net, graph.tensor(graph.train))
    assert torch.equal(again[0], tails) and torch.equal(again[1], heads)


def test_a_network_runs_on_graphs_of_other_sizes():
    small, large = family_graph(3), family_graph(12)
    net = small_net(small)
    for graph in (small, large):
        metrics = compute_metrics(net, graph)["test"]["train"]["realistic"]
        assert 0 < metrics["mrr"] <= 1 and np.isfinite(metrics["mrr"])
