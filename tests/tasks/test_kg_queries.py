"""A sparse state for knowledge graphs: what is hidden has no effect, and questions are answered alike however queried."""

import json
import re
from dataclasses import replace
from unittest import mock

import numpy as np
import pytest
import torch

import einnet.tasks.kg.facts as facts_module
from einnet.cli import main
from einnet.errors import EinNetError
from einnet.tasks.kg.app import SPARSE_SCHEDULE, KgApp, KgConfig
from einnet.tasks.kg.data import KnowledgeGraph, load
from einnet.tasks.kg.evaluate import compute_metrics
from einnet.tasks.kg.explain import explain_answer
from einnet.tasks.kg.facts import Answers, MessageGraph, add_inverses
from einnet.tasks.kg.predict import Answer, answers, print_answers
from einnet.tasks.kg.query_net import QueryNet
from einnet.tasks.kg.query_task import QueryTask, answer_loss, make_query_net
from einnet.tasks.kg.scorers import SparseScorer
from einnet.train.run import Run
from families import descent, family_graph, write_families

ENTITIES, RELATIONS = 12, 3
SMALL = KgConfig(hidden=8, depth=3)


def random_facts(number: int = 40, entities: int = ENTITIES) -> np.ndarray:
    rng = np.random.default_rng(0)
    facts = rng.integers([entities, RELATIONS, entities], size=(3 * number, 3))
    return np.unique(facts, axis=0)[rng.permutation(len(np.unique(facts, axis=0)))[:number]]


def small_net(**options) -> QueryNet:
    torch.manual_seed(0)
    return QueryNet.of(RELATIONS, **{"hidden": 8, "depth": 3, **options}).double().eval()


def answer(net: QueryNet, graph: MessageGraph, queries: np.ndarray, values: torch.Tensor | None = None) -> torch.Tensor:
    values = torch.ones(len(graph.facts)) if values is None else values
    queried = graph.ask(queries, values.double())
    return queried.to_scores(net(*queried.inputs))


def answer_by_hand(net: QueryNet, facts: np.ndarray, head: int, relation: int) -> torch.Tensor:
    """The same with a loop over the facts."""
    states = (net.relation_embedding.weight + net.query_embedding.weight[relation]).relu()
    marked = torch.zeros(ENTITIES, 8).double()
    marked[head] = net.mark_embedding.weight[1 + relation]
    edges = add_inverses(facts, RELATIONS)
    degrees = torch.bincount(torch.from_numpy(edges[:, 2]), minlength=ENTITIES)[:, None]
    x = marked
    for layer in net.layers:
        weights = layer.relation_proj(states)  # type: ignore[operator]
        total = marked.clone()
        for h, r, t in edges:
            total[t] += x[h] * weights[r]
        mean = total / (1 + degrees)
        plain, scaled = layer.message_proj(mean).chunk(2, -1)  # type: ignore[operator]
        update = layer.norm(layer.state_proj(x) + plain + scaled * degrees.double().log1p())  # type: ignore[operator]
        x = x + update.relu()
    return net.decoder(x)[:, 0]


@pytest.mark.parametrize("entities", [2**14, ENTITIES - 1])
def test_scores_are_those_of_a_loop_over_the_facts(entities):
    """On the whole graph, and in neighbourhoods that happen to have all within reach."""
    net, facts = small_net(), random_facts(14)
    graph = MessageGraph(facts, ENTITIES, RELATIONS, hops=3, bound=entities)
    queries = graph.facts[[0, 5, 20, 20]]
    scores = answer(net, graph, queries)
    for row, (head, relation, _) in zip(scores, queries.tolist(), strict=True):
        assert torch.allclose(row, answer_by_hand(net, facts, head, relation))


@pytest.mark.parametrize("entities", [2**14, ENTITIES - 1])
def test_hidden_facts_have_no_effect(entities):
    """Neither on sums nor on degrees nor on neighbourhoods: other facts instead of them leave all scores as they are."""
    net, facts, hidden = small_net(), random_facts(), 10
    values = torch.ones(len(facts))
    values[:hidden] = 0
    cells = np.stack(np.unravel_index(np.arange(ENTITIES**2 * RELATIONS), (ENTITIES, RELATIONS, ENTITIES)), 1)
    is_free = (cells[:, None] != facts).any(2).all(1)
    changed = np.concatenate([cells[is_free][:hidden], facts[hidden:]])
    graphs = [MessageGraph(f, ENTITIES, RELATIONS, 3, entities) for f in (facts, changed)]
    without = MessageGraph(facts[hidden:], ENTITIES, RELATIONS, 3, entities)
    queries = graphs[0].facts[:hidden]
    first, second = (answer(net, graph, queries, values) for graph in graphs)
    assert torch.equal(first, second)
    assert torch.allclose(first, answer(net, without, queries))
    assert not torch.allclose(first, answer(net, graphs[0], queries))  # shown, they have an effect


def test_a_step_hides_what_it_asks_for_with_its_inverse(monkeypatch):
    monkeypatch.setattr(facts_module, "SMALL", 0)  # the whole graph
    graph = family_graph()
    task = QueryTask(graph, replace(SMALL, mask_high=0), seed=0)
    number, seen = len(graph.train), []
    task.net.register_forward_pre_hook(lambda _, inputs: seen.append(inputs))
    torch.manual_seed(0)
    chosen = torch.randint(2 * number, (task.config.batch,)).numpy()
    torch.manual_seed(0)
    task.loss(0).backward()
    *_, (support, values) = seen[0]
    is_visible = values[:, 0] > 0
    assert torch.equal(is_visible[:number], is_visible[number:])
    assert not is_visible[chosen].any() and is_visible.sum() == 2 * (number - len(np.unique(chosen % number)))
    assert (support.index[:, 0].numpy() == task.message_graph.facts[0, [0, 2, 1]]).all()


def test_the_loss_is_the_mean_cross_entropy_of_hidden_answers_among_what_is_not_right():
    scores = torch.randn(2, 5)
    right = torch.tensor([[1, 0, 1, 1, 0], [0, 1, 0, 0, 0]]) > 0
    hidden = torch.tensor([[1, 0, 1, 0, 0], [0, 1, 0, 0, 0]]) > 0

    def by_hand(row: int, truth: int) -> torch.Tensor:
        candidates = [truth, *(~right[row]).nonzero()[:, 0].tolist()]
        return -scores[row, candidates].log_softmax(0)[0]

    expected = ((by_hand(0, 0) + by_hand(0, 2)) / 2 + by_hand(1, 1)) / 2
    assert answer_loss(scores, right, hidden).item() == pytest.approx(expected.item(), rel=1e-5)


def test_all_hidden_answers_of_a_question_are_learned():
    """The loss of a question of two hidden answers is the mean over these, and a shown one is no target."""
    facts = np.array([[0, 0, 1], [0, 0, 2], [0, 0, 3]])
    answers, is_shown = Answers(facts, 4), np.array([False, True, False])
    assert answers.mask(facts[:1], is_shown).tolist() == [[False, False, True, False]]
    assert answers.mask(facts[:1]).tolist() == [[False, True, True, True]]


def test_a_random_share_of_the_other_facts_is_hidden_too():
    task = QueryTask(family_graph(), KgConfig(hidden=8, depth=3, mask_low=0.4, mask_high=0.6, batch=1), seed=0)
    torch.manual_seed(0)
    shares = [1 - float(task.hide(np.array([0])).mean()) for _ in range(30)]
    assert 0.3 < min(shares) < np.mean(shares) < max(shares) < 0.75


@pytest.mark.parametrize("entities", [2**14, ENTITIES - 1])
def test_new_numbers_of_the_entities_permute_the_scores(entities):
    net, facts = small_net(), random_facts(14)
    permutation = np.random.default_rng(1).permutation(ENTITIES)
    renamed = facts.copy()
    renamed[:, [0, 2]] = permutation[facts[:, [0, 2]]]
    queries = facts[:5]
    moved = queries.copy()
    moved[:, 0] = permutation[queries[:, 0]]
    graphs = [MessageGraph(f, ENTITIES, RELATIONS, 3, entities) for f in (facts, renamed)]
    assert torch.allclose(answer(net, graphs[1], moved)[:, permutation], answer(net, graphs[0], queries))


def test_new_numbers_of_the_relations_permute_the_scores_where_their_features_move_along():
    net, graph = small_net(), MessageGraph(random_facts(), ENTITIES, RELATIONS)
    mark, degrees, names, (support, values) = graph.ask(graph.facts[:4], torch.ones(80).double()).inputs
    permutation = torch.randperm(2 * RELATIONS)
    index = support.index.clone()
    index[2] = permutation[index[2]]
    moved = torch.empty_like(names)
    moved[:, permutation] = names
    y = net(mark, degrees, names, (support, values))
    assert torch.allclose(net(mark, degrees, moved, (type(support)(index, support.sizes), values)), y)


def test_a_question_is_answered_alike_whatever_else_is_asked():
    net, graph = small_net(), MessageGraph(random_facts(), ENTITIES, RELATIONS)
    queries = graph.facts[::7]
    alone = torch.cat([answer(net, graph, queries[k : k + 1]) for k in range(len(queries))])
    assert torch.allclose(answer(net, graph, queries), alone)


def test_a_neighbourhood_has_at_most_so_many_entities_and_the_others_are_equal():
    facts = np.array([[0, 0, k] for k in range(1, 9)] + [[1, 0, 9], [2, 0, 9]])
    graph = MessageGraph(facts, 12, 1, hops=2, bound=10)
    query, entity = graph.ask(np.array([[0, 0], [11, 0]])).rows.numpy()  # type: ignore[union-attr]
    assert entity[query == 0].tolist() == list(range(10)) and entity[query == 1].tolist() == [11]
    cut = MessageGraph(facts, 12, 1, hops=2, bound=3)
    query, entity = cut.ask(np.array([[9, 0]])).rows.numpy()  # type: ignore[union-attr]
    assert entity.tolist() == [1, 2, 9]
    scores = answer(small_net_of_one(), cut, np.array([[9, 0]]))[0]
    outside = [0, *range(3, 9), 10, 11]
    assert (scores[outside] == scores[0]).all() and (scores[[1, 2, 9]] != scores[0]).all()


def small_net_of_one() -> QueryNet:
    torch.manual_seed(0)
    return QueryNet.of(1, hidden=8, depth=2).double().eval()


def test_neighbourhoods_are_taken_where_they_are_small():
    chain = np.array([[k, 0, k + 1] for k in range(30)])
    star = np.array([[0, 0, k] for k in range(1, 31)])
    assert MessageGraph(chain, 31, 1, hops=3).has_neighbourhoods
    assert not MessageGraph(star, 31, 1, hops=3).has_neighbourhoods
    assert MessageGraph(star, 31, 1, hops=3, bound=30).has_neighbourhoods
    net, graph = small_net_of_one(), MessageGraph(chain, 31, 1, hops=2)
    shared = MessageGraph(chain, 31, 1, hops=2)
    shared.has_neighbourhoods = False
    assert torch.allclose(answer(net, graph, graph.facts), answer(net, shared, graph.facts))


def test_right_answers_are_those_of_the_facts():
    facts = np.array([[0, 0, 1], [0, 0, 2], [1, 1, 0]])
    mask = Answers(facts, 3).mask(np.array([[0, 0], [1, 1], [2, 0]]))
    assert mask.tolist() == [[False, True, True], [True, False, False], [False, False, False]]


def test_ranks_of_a_network_that_knows_nothing_are_those_of_all_ties():
    graph = family_graph()
    net = make_query_net(len(graph.relations), SMALL)
    with torch.no_grad():
        for p in net.parameters():
            p.zero_()
    ranks = SparseScorer(net, graph).rank(graph.test, graph.train)
    known = np.concatenate([graph.train, graph.valid, graph.test])
    for rank, (h, r, t) in zip(ranks.pessimistic, graph.test, strict=False):
        filtered = {int(x) for x in known[(known[:, 0] == h) & (known[:, 1] == r), 2]} - {int(t)}
        assert rank == len(graph.entities) - len(filtered)


def test_a_network_is_saved_and_read_again(tmp_path):
    from einnet.nn import Network

    net, graph = small_net().float(), MessageGraph(random_facts(), ENTITIES, RELATIONS)
    net.save(tmp_path / "net.safetensors")
    again = Network.load(tmp_path / "net.safetensors")
    queried = graph.ask(graph.facts[:3])
    assert isinstance(again, QueryNet) and torch.equal(again(*queried.inputs), net(*queried.inputs))


@pytest.mark.parametrize("share", [0, 1])
def test_low_precision_changes_a_loss_by_little(monkeypatch, share):
    monkeypatch.setattr(facts_module, "SMALL", share)  # the whole graph, or neighbourhoods
    task = QueryTask(family_graph(), SMALL, seed=0)
    with torch.autocast("cpu", torch.bfloat16):
        loss = task(0)
    loss.backward()
    assert loss.item() == pytest.approx(task(0).item(), rel=0.02)


@pytest.mark.slow
def test_a_compiled_network_gives_the_same():
    net, graph = small_net().float(), MessageGraph(random_facts(), ENTITIES, RELATIONS)
    queries = graph.ask(graph.facts[:3])
    assert torch.allclose(torch.compile(net)(*queries.inputs), net(*queries.inputs), atol=1e-5)


@pytest.mark.parametrize(
    ("entities", "facts", "state"), [(600, 2000, "sparse"), (600, 60_000, "dense"), (100, 200, "dense")]
)
def test_the_state_that_suits_the_graph_is_chosen(entities, facts, state):
    rng = np.random.default_rng(0)
    rows = np.unique(rng.integers([entities, 2, entities], size=(facts, 3)), axis=0)
    names = [tuple(f"{kind}{k}" for k in range(n)) for kind, n in (("e", entities), ("r", 2))]
    graph = KnowledgeGraph("random", names[0], names[1], rows, rows[:1], rows[:1])
    assert KgApp().complete_config(KgConfig(), graph).state == state
    assert KgApp().complete_config(KgConfig(state="sparse"), graph).state == "sparse"


def train(graph: KnowledgeGraph, steps: int) -> QueryNet:
    torch.manual_seed(0)
    task = QueryTask(graph, KgConfig(hidden=16, depth=3), seed=0)
    optimizer = torch.optim.AdamW(task.net.parameters(), lr=5e-3)
    for step in range(steps):
        optimizer.zero_grad()
        task(step).backward()
        optimizer.step()
    return task.net.eval()


def test_a_rule_that_was_learned_holds_for_other_people():
    """Grandparents follow from parents; trained on 40 people, asked about 90 others."""
    net, (unseen, _) = train(descent(40)[0], 60), descent(90)
    unseen = replace(unseen, entities=tuple(f"new {name}" for name in unseen.entities))
    assert SparseScorer(net, unseen).rank(unseen.test, unseen.train).metrics()["pessimistic"]["mrr"] > 0.8
    head, relation, tail = unseen.test[0]
    new = [a for a in answers(net, unseen, "grandparent", unseen.entities[head], None) if a.known is None]
    known = {int(t) for h, r, t in unseen.test if (h, r) == (head, relation)}
    assert {unseen.entity(a.entity) for a in new[: len(known)]} == known
    why = explain_answer(net, unseen, "grandparent", unseen.entities[head], unseen.entities[tail], top=2)
    assert {d.facts[0][1] for d in why.support} == {"parent"} and why.support[0].change > 0.5


def test_another_state_is_refused():
    with pytest.raises(EinNetError, match="--state"):
        KgConfig(state="wide")


def test_of_very_many_known_answers_some_are_printed(capsys):
    known = [Answer(f"e{k}", None, "train") for k in range(25)]
    print_answers("(a, r, ?)", known, [Answer("new", 0.5, None)])
    text = capsys.readouterr().out
    assert "e19" in text and "e20" not in text and "and 5 more" in text and "new" in text


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a run of two steps with a sparse state, and a graph of other people with the same relations."""
    folder = tmp_path_factory.mktemp("sparse")
    data, unseen = write_families(folder / "data"), write_families(folder / "other", families=6)
    for file in unseen.iterdir():
        file.write_text(re.sub(r"(ann|bob|cat|dan)", r"new \1", file.read_text()))
    with mock.patch.dict(SPARSE_SCHEDULE, {"validate_every": 2}):
        options = ["--steps", "2", "--hidden", "8", "--depth", "2", "--out", str(folder)]
        assert main(["train", "kg", "--data", str(data), "--state", "sparse", *options]) == 0
    return next((folder / "kg").iterdir()), unseen


def test_a_run_says_its_state_and_all_of_its_config(run):
    content = json.loads((run[0] / "config.json").read_text())
    assert content["config"]["state"] == "sparse" and None not in content["config"].values()


def test_a_run_is_measured_on_a_graph_of_other_entities(run, capsys):
    folder, unseen = run
    assert main(["eval", "kg", "--checkpoint", str(folder), "--data", str(unseen), "--json"]) == 0
    metrics = json.loads(capsys.readouterr().out)
    expected = compute_metrics(KgApp().load_net(Run.open(folder, "kg")), load(unseen))
    assert metrics["test"]["train"]["pessimistic"] == expected["test"]["train"]["pessimistic"]


def test_questions_about_other_entities_are_answered_and_explained(run, capsys):
    folder, unseen = run
    question = [
        "--checkpoint",
        str(folder),
        "--data",
        str(unseen),
        "--head",
        "new ann5",
        "--relation",
        "parent",
        "--json",
    ]
    assert main(["predict", "kg", *question]) == 0
    content = json.loads(capsys.readouterr().out)
    assert len(content["answers"]) == 10 and sum(a["probability"] for a in content["answers"]) <= 1
    assert main(["predict", "kg", *question, "--explain"]) == 0
    explained = json.loads(capsys.readouterr().out)
    assert explained["fact"]["tail"] == content["answers"][0]["entity"] and explained["rank"] == 1


def test_a_relation_that_the_network_does_not_know_is_refused(run, capsys):
    folder, unseen = run
    facts = unseen / "train.txt"
    text = facts.read_text()
    facts.write_text(text + "new ann0\taunt\tnew cat1\n")
    assert main(["eval", "kg", "--checkpoint", str(folder), "--data", str(unseen)]) != 0
    assert "aunt" in capsys.readouterr().err
    facts.write_text(text)


def test_an_interrupted_run_is_resumed_with_its_state(run, capsys):
    folder, _ = run
    assert main(["train", "kg", "--resume", str(folder)]) == 0
    assert "sparse state" in capsys.readouterr().err
