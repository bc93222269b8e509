"""Why a fact was predicted: the facts of the rule that made it, exact estimates, and what the command says."""

import json
from dataclasses import replace

import pytest
import torch
from torch.nn.utils import clip_grad_norm_

from einnet.cli import main
from einnet.errors import EinNetError
from einnet.tasks.kg.app import KgConfig
from einnet.tasks.kg.data import KnowledgeGraph
from einnet.tasks.kg.explain import _Question, draw_explanation, explain_answer
from einnet.tasks.kg.network import completion_loss, make_net
from einnet.tasks.kg.predict import answers
from einnet.tasks.kg.query_task import make_query_net
from einnet.train.options import Options
from einnet.train.run import Run
from families import descent, family_graph, write_families

GENERATION = KgConfig(
    heads=8, hidden=16, depth=2, dropout=0, label_smoothing=0, mask_low=0.05, mask_high=0.3, relation_loss=0
)


@pytest.fixture(scope="module")
def rule():
    """The graph, its middles, and a network that was trained for two seconds."""
    graph, middle = descent()
    torch.manual_seed(0)
    net, facts, steps = make_net(len(graph.relations), GENERATION), torch.as_tensor(graph.tensor(graph.train)), 200
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-2, weight_decay=0.1, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, steps, pct_start=0.1)
    for _ in range(steps):
        optimizer.zero_grad()
        completion_loss(net, facts, GENERATION).backward()
        clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    return graph, middle, net.eval()


def small_net(graph, dtype=torch.float32):
    torch.manual_seed(0)
    return make_net(len(graph.relations), KgConfig(heads=2, hidden=8, depth=1)).to(dtype).eval()


def small_query_net(graph, dtype=torch.float32):
    torch.manual_seed(0)
    return make_query_net(len(graph.relations), KgConfig(hidden=8, depth=2)).to(dtype).eval()


@pytest.mark.parametrize("end", ["tail", "head"])
def test_a_grandparent_is_predicted_because_of_two_parents(rule, end):
    graph, middle, net = rule
    assert len(graph.test) == 5
    for h, _, t in graph.test:
        a, c = graph.entities[h], graph.entities[t]
        m = middle[a, c]
        explanation = explain_answer(net, graph, "grandparent", a if end == "tail" else None, c, top=2)
        assert explanation.fact == (a, "grandparent", c) and explanation.end == end
        assert {d.facts[0] for d in explanation.support} == {(a, "parent", m), (m, "parent", c)}
        assert all(d.change > 1 and d.estimate > 0 for d in explanation.support)
        assert explanation.together.facts == tuple(d.facts[0] for d in explanation.support)
        assert explanation.together.change > 1
        if end == "head":  # there is one right answer, so that nothing else loses its rank with it
            assert explanation.rank == 1 and explanation.together.rank > 1


@pytest.mark.parametrize("make_net", [small_net, small_query_net])
@pytest.mark.parametrize("end", ["tail", "head"])
def test_the_derivative_is_that_of_finite_differences(end, make_net):
    graph = family_graph()
    question = _Question(make_net(graph, torch.float64), graph, (0, 2, 5), end)
    number = len(question.facts)
    gradient = question.estimates(groups=number, steps=(1.0,))  # one fact at a time, at its own value
    for k in range(0, number, 7):
        scores = []
        for step in (1e-5, -1e-5):
            x = question.values.clone()
            x[k] += step
            scores.append(question.score(x)[0].item())
        assert gradient[k].item() == pytest.approx((scores[0] - scores[1]) / 2e-5, abs=1e-7)
    assert gradient.abs().max() > 0


def test_with_one_fact_in_a_group_the_estimate_is_the_change():
    """The change is the integral of the derivative."""
    graph = family_graph()
    question = _Question(small_net(graph, torch.float64), graph, (0, 2, 5), "tail")
    number = len(question.facts)
    gradient = question.estimates(groups=number, steps=[(k + 0.5) / 16 for k in range(16)])
    score = question.score(question.values)[0].detach()
    explanation = [question.deletion([k], gradient, score) for k in range(number)]
    assert max(abs(d.change) for d in explanation) > 1e-3
    for one in explanation:
        assert one.estimate == pytest.approx(one.change, rel=1e-2, abs=1e-6)


def test_probability_and_rank_are_those_of_predict(rule):
    graph, _, net = rule
    new = [a for a in answers(net, graph, "grandparent", "p0", None) if a.known is None]
    first = explain_answer(net, graph, "grandparent", "p0", None)
    assert first.fact == ("p0", "grandparent", new[0].entity) and first.rank == 1 and first.known is None
    fourth = explain_answer(net, graph, "grandparent", "p0", new[3].entity)
    assert fourth.rank == 4 and fourth.candidates == len(new)
    assert (first.probability, fourth.probability) == pytest.approx((new[0].probability, new[3].probability), rel=1e-4)


@pytest.mark.parametrize("end", ["tail", "head"])
def test_equal_scores_are_ranked_in_the_order_of_the_answers(end):
    graph, _ = descent(8)
    net = small_net(graph)
    with torch.no_grad():
        for p in net.parameters():
            p.zero_()
    query = ("p0", None) if end == "tail" else (None, "p0")
    new = [graph.entity(a.entity) for a in answers(net, graph, "parent", *query) if a.known is None]
    p0, r = graph.entity("p0"), graph.relation("parent")
    questions = [_Question(net, graph, (p0, r, k) if end == "tail" else (k, r, p0), end) for k in new]
    assert [q.score(q.values)[1] for q in questions] == [*range(1, 1 + len(new))]


def test_a_known_fact_is_hidden_before_it_is_explained(rule):
    graph, _, net = rule
    h, r, t = graph.valid[0]
    names = graph.entities[h], graph.relations[r], graph.entities[t]
    explanation = explain_answer(net, graph, names[1], names[0], names[2])
    without = explain_answer(net, replace(graph, valid=graph.valid[:0]), names[1], names[0], names[2])
    assert explanation.known == "valid" and without.known is None
    assert explanation.score == pytest.approx(without.score, abs=1e-5)
    assert names not in {d.facts[0] for d in explanation.support}


def test_the_network_is_left_in_the_mode_that_it_was_in():
    graph = family_graph()
    net = small_net(graph).train()
    explain_answer(net, graph, "spouse", "ann0", None, top=1)
    assert net.training and all(p.grad is None for p in net.parameters())


def test_where_nothing_is_left_to_compare_with_it_says_so():
    facts = {"train": [(x, "r", y) for x in "ab" for y in "ab"], "valid": [], "test": []}
    graph = KnowledgeGraph.of(facts, "full")
    with pytest.raises(EinNetError, match="every entity"):
        explain_answer(small_net(graph), graph, "r", "a", None)
    with pytest.raises(EinNetError, match="known answers"):
        explain_answer(small_net(graph), graph, "r", "a", "b")


def test_the_picture_has_every_name_and_relation(rule, tmp_path):
    graph, _, net = rule
    explanation = explain_answer(net, graph, "grandparent", "p0", None, top=4)
    draw_explanation(explanation, tmp_path / "why.svg")
    drawn = (tmp_path / "why.svg").read_text()
    for fact in (explanation.fact, *(d.facts[0] for d in explanation.support)):
        assert all(f"<!-- {name} -->" in drawn for name in (fact[0], fact[2]))
    assert "<!-- grandparent? -->" in drawn and "<!-- parent -->" in drawn


def test_the_picture_shows_names_as_they_are_and_facts_about_one_entity(rule, tmp_path):
    graph, _, net = rule
    explanation = explain_answer(net, graph, "grandparent", "p0", None, top=1)
    odd = replace(explanation.support[0], facts=(("$x$", "likes", "$x$"),))
    draw_explanation(replace(explanation, support=(odd,)), tmp_path / "why.svg")
    drawn = (tmp_path / "why.svg").read_text()
    assert "<!-- $x$ -->" in drawn and "<!-- likes -->" in drawn


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a run on the families, its weights random."""
    folder = tmp_path_factory.mktemp("explain")
    graph = family_graph()
    config = {"data": str(write_families(folder / "families")), "relations": list(graph.relations)}
    answer = Run.create(folder, "kg", {**config, "settings": {}, "options": Options().as_json()})
    small_net(graph).save(answer.best)
    return answer


def test_the_command_prints_a_table_or_json_and_draws(run, tmp_path, capsys):
    query = ["predict", "kg", "--checkpoint", str(run.folder), "--relation", "parent", "--explain", "--top", "3"]
    assert main([*query, "--head", "ann0", "--json"]) == 0
    explanation = json.loads(capsys.readouterr().out)
    assert set(explanation) == {
        "fact", "asked", "known", "probability", "score", "rank", "candidates", "support", "together"
    }  # fmt: skip
    assert explanation["fact"]["head"] == "ann0" and explanation["asked"] == "tail" and explanation["rank"] == 1
    assert [set(d) for d in explanation["support"]] == [{"facts", "estimate", "change", "rank"}] * 3
    changes = [d["change"] for d in explanation["support"]]
    assert changes == sorted(changes, reverse=True) and changes[-1] > 0
    picture = tmp_path / "why.png"
    assert main([*query, "--head", "ann0", "--tail", explanation["fact"]["tail"], "--plot", str(picture)]) == 0
    printed = capsys.readouterr()
    assert (
        f"ann0 parent {explanation['fact']['tail']}: the tail has rank 1 of {explanation['candidates']}" in printed.out
    )
    for one in explanation["support"]:
        assert " ".join(one["facts"][0].values()) in printed.out and f"{one['change']:.3f}" in printed.out
    assert "all of these" in printed.out and f"drawn to {picture}" in printed.err
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_known_fact_is_said_to_have_been_hidden(run, capsys):
    graph = family_graph()
    h, r, t = graph.train[0]
    query = ["--head", graph.entities[h], "--relation", graph.relations[r], "--tail", graph.entities[t]]
    assert main(["predict", "kg", "--checkpoint", str(run.folder), *query, "--explain"]) == 0
    assert "The fact is in train. It was hidden from the network." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "phrase"),
    [
        (["--head", "ann0", "--tail", "bob0"], "--explain"),
        (["--explain"], "--tail"),
        (["--head", "ann0", "--plot", "why.svg"], "--explain"),
        (["--head", "ann0", "--explain", "--plot", "why.doc"], "why.doc"),
        (["--head", "ann00", "--explain"], "'ann0'"),
        (["--head", "ann0", "--tail", "bob00", "--explain"], "'bob0'"),
    ],
)
def test_wrong_requests_get_a_message(run, capsys, arguments, phrase):
    assert main(["predict", "kg", "--checkpoint", str(run.folder), "--relation", "spouse", *arguments]) == 2
    assert phrase in capsys.readouterr().err
