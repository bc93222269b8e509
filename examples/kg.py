"""A small family: a network finds who is whose grandparent, and says which facts led it there."""

import marimo

__generated_with = "0.25.0"
app = marimo.App(width="medium", app_title="A knowledge graph, explained")

with app.setup:
    import tempfile
    from pathlib import Path

    import marimo as mo
    import numpy as np
    import torch
    from torch.nn.utils import clip_grad_norm_

    import einnet
    from einnet.tasks.kg import (
        KgConfig,
        KnowledgeGraph,
        answers,
        completion_loss,
        compute_metrics,
        draw_explanation,
        explain_answer,
        make_net,
        print_explanation,
        score_tables,
    )


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    # A knowledge graph, explained

    A knowledge graph is a list of facts, *(head, relation, tail)*: (Ada, parent, Ben). Facts are missing, and we want
    to find them. You will see

    - which symmetry such data has, and which network follows from it;
    - how the network learns a rule, *a parent of a parent is a grandparent*, from examples alone;
    - how to ask **why** it predicts a fact, and how to check the answer.

    ## The family

    Twenty-nine people descend from Ada. We make all *parent* facts, and the *grandparent* facts that follow from them.
    """)


@app.cell
def _():
    people = ["Ada", "Ben", "Cleo", "Dora", "Emil", "Fay", "Gus", "Hana", "Ida", "Jon", "Kim", "Leo", "Mia", "Ned"]
    people += ["Olga", "Paul", "Quin", "Rosa", "Sam", "Tia", "Uwe", "Vera", "Will", "Xena", "Yuri", "Zoe"]
    people += ["Arlo", "Bea", "Carl", "Dina"]
    _rng = np.random.default_rng(2)
    parent = {
        people[k]: people[_rng.integers(max(0, (k - 1) // 3), max(1, (k + 1) // 2))] for k in range(1, len(people))
    }
    between = {(parent[b], c): b for c, b in parent.items() if b in parent}  # grandparent, grandchild: who is between
    assert between["Ada", "Emil"] == parent["Emil"] and parent[parent["Emil"]] == "Ada"
    print(f"{len(people)} people, {len(parent)} parent facts, {len(between)} grandparent facts")
    return between, parent


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    Some *grandparent* facts are hidden from the network for good: all that go through certain people. So it cannot find
    them from those of brothers and sisters. It has to use the parents.
    """)


@app.cell
def _(between, parent):
    _through = sorted(set(between.values()))
    _hidden = _through[::4]
    known = [(a, "grandparent", c) for (a, c), b in between.items() if b not in _hidden]
    missing = [(a, "grandparent", c) for (a, c), b in between.items() if b in _hidden]
    facts = {"train": [(b, "parent", c) for c, b in parent.items()] + known[1:], "valid": known[:1], "test": missing}
    family = KnowledgeGraph.of(facts, "family")
    assert len(missing) >= 5 and not set(missing) & set(known)
    print(f"{len(known)} grandparent facts known, {len(missing)} missing, which go through {', '.join(_hidden)}")
    return facts, family, missing


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## Its symmetry

    As a tensor, the graph is $x_{htr} = 1$ where $(h, r, t)$ is a known fact, else 0. People have no order: if we list
    them in another one, rows and columns change places *together*. Relations are different things, they are features.
    So the type is `aaH`. For this type `einnet` chooses two operations besides sums: the product of two entries, and

    $$y_{ac} = \sum_b u_{ab}\, v_{bc}.$$

    The second is made for our rule: if $u$ and $v$ are *parent*, then $y$ is *grandparent*.
    """)


@app.cell
def _(family):
    print(einnet.pooling("aaH", order=2))
    _x = family.tensor(family.train, family.valid)  # head, tail, relation
    _parent, _grandparent = (_x[..., family.relation(name)] for name in ("parent", "grandparent"))
    _follow = np.einsum("ab,bc->ac", _parent, _parent)
    assert (_follow >= _grandparent).all()  # every known grandparent is a parent of a parent
    assert _follow.sum() == _grandparent.sum() + len(family.test)  # the others are the missing facts


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## Learning

    The network is not told the rule. At each step some of the known facts are hidden, and it has to find them from the
    others: who is the tail of (Ada, grandparent, ?), who is the head of (?, grandparent, Emil)? Seconds are enough.
    """)


@app.function
def train(graph):
    """A network that has learned to complete the graph, from its training facts."""
    small = {"heads": 8, "hidden": 16, "depth": 2, "dropout": 0, "label_smoothing": 0}
    config = KgConfig(**small, mask_low=0.05, mask_high=0.3, relation_loss=0)
    torch.manual_seed(0)
    net, facts = make_net(len(graph.relations), config), torch.as_tensor(graph.tensor(graph.train))
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-2, weight_decay=0.1, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, total_steps=200, pct_start=0.1)
    for _ in range(200):
        optimizer.zero_grad()
        completion_loss(net, facts, config).backward()
        clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    return net.eval()


@app.cell
def _(family):
    net = train(family)
    _metrics = compute_metrics(net, family)["test"]["train+valid"]["pessimistic"]
    assert _metrics["mrr"] > 0.9  # nearly every missing fact is first among all candidates
    print(f"missing facts: mean reciprocal rank {_metrics['mrr']:.2f}")
    return (net,)


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## A prediction

    We take a missing fact and ask for its head: who is the grandparent? `answers` is what `einnet predict kg` shows.
    """)


@app.cell
def _(between, family, missing, net):
    elder, relation, child = missing[0]
    middle = between[elder, child]
    first, second, *_ = answers(net, family, relation, None, child)
    assert first.entity == elder and first.probability > 2 * second.probability
    for _one in (first, second):
        print(f"({_one.entity}, {relation}, {child}): {_one.probability:.3f}")
    return child, elder, middle, relation


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## Why?

    The score of an answer is the logarithm of its odds against all other candidates. A known fact is a 1 in the
    network's input. To delete it is to write a 0 there and to run the network again: what the score loses is the fact's
    *change*. That is a pass for each fact. For a large graph it would be too many, so the derivative of the score with
    respect to the cells says first which facts are worth a try. `explain` does both;
    `einnet predict kg --explain` prints the same table.
    """)


@app.function
def picture(explanation):
    """The supporting facts as arrows, to be shown in the notebook."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "why.png"
        draw_explanation(explanation, path)
        return mo.image(path.read_bytes(), alt="the supporting facts", style={"max-width": "560px"})


@app.cell
def _(child, elder, family, middle, net, relation):
    why = explain_answer(net, family, relation, None, child, top=4)
    print_explanation(why)
    assert why.fact == (elder, relation, child) and why.rank == 1
    assert {d.facts[0] for d in why.support[:2]} == {(elder, "parent", middle), (middle, "parent", child)}
    assert why.support[1].change > 2 * why.support[2].change
    picture(why)
    return (why,)


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    The two facts of the rule are first, and the others hardly matter. The network was never shown the rule.

    ## Do not believe it: try it

    We delete facts by hand and ask again. `score_tables` has the logarithms of the probabilities of tails, and of
    heads. Without the two parents the grandparent is not found any more; without the two other facts it is.
    """)


@app.function
def log_odds_and_rank(net, graph, fact, deleted):
    """Of the head of a fact among all people, when some facts are deleted."""
    x = graph.tensor(graph.train, graph.valid)
    for h, r, t in deleted:
        assert x[graph.entity(h), graph.entity(t), graph.relation(r)] == 1
        x[graph.entity(h), graph.entity(t), graph.relation(r)] = 0
    head, relation, tail = fact
    scores = score_tables(net, x)[1][:, graph.entity(tail), graph.relation(relation)]
    is_head = torch.arange(len(scores)) == graph.entity(head)
    odds = scores[is_head] - scores[~is_head].logsumexp(0)
    return float(odds), 1 + int((scores > scores[is_head]).sum())


@app.cell
def _(family, net, why):
    _parents, _rest = ([d.facts[0] for d in part] for part in (why.support[:2], why.support[2:]))
    for _deleted in ([], _rest, _parents):
        _odds, _rank = log_odds_and_rank(net, family, why.fact, _deleted)
        assert (_rank == 1) == (_deleted != _parents)
        print(f"log odds {_odds:6.2f}, rank {_rank}, without", *(" ".join(f) for f in _deleted), sep="  ")


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    It is so for all missing facts.
    """)


@app.cell
def _(between, family, missing, net):
    for _a, _relation, _c in missing:
        _b = between[_a, _c]
        _why = explain_answer(net, family, _relation, _a, _c, top=2)
        assert {d.facts[0] for d in _why.support} == {(_a, "parent", _b), (_b, "parent", _c)}
        print(f"{_a} is a grandparent of {_c}, because {_a} is a parent of {_b}, and {_b} of {_c}")


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## What a single deletion does not see

    Now we say everything twice: for each *parent* fact there is a *child* fact the other way round. A network that is
    trained on this graph has two ways to know that Ada is a parent of Ben. If one of the two facts is deleted, the
    other one replaces it, and the answer hardly changes. If both are deleted, it is lost. So no single fact is
    necessary here, and a list of single deletions would mislead. An explanation has to consider such substitutes.
    """)


@app.cell
def _(elder, facts, middle, parent, why):
    _twice = {**facts, "train": facts["train"] + [(c, "child", b) for c, b in parent.items()]}
    _graph = KnowledgeGraph.of(_twice, "said twice")
    _net = train(_graph)
    _ways = (elder, "parent", middle), (middle, "child", elder)
    _all = log_odds_and_rank(_net, _graph, why.fact, [])[0]
    _alone = [_all - log_odds_and_rank(_net, _graph, why.fact, [w])[0] for w in _ways]
    _less, _rank = log_odds_and_rank(_net, _graph, why.fact, _ways)
    assert _all - _less > 2 * max(_alone) and _rank > 1
    print(f"change without one of the two: {_alone[0]:.2f}, {_alone[1]:.2f}; without both: {_all - _less:.2f}")


if __name__ == "__main__":
    app.run()
