"""`einnet.fit`: what it takes, what it refuses, and that the network it returns is the one that it reports."""

import itertools
import signal
from copy import deepcopy
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.sparse import coo_array
from torch.utils.data import TensorDataset

import einnet
from einnet import EinNet, EinNetError
from einnet.errors import ShapeError
from einnet.fitting.parts import split
from einnet.fitting.samples import read_samples
from einnet.fitting.targets import read_targets
from einnet.nn import pad, union
from einnet.testing import assert_equivariant

SMALL = {"steps": 4, "hidden": 8, "heads": 2, "depth": 1}
RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 5, 1)).astype("float32")
Y = X.max((1, 2))


def make_graph(n: int):
    index = np.stack(np.nonzero(RNG.random((n, n)) < 0.5))
    return RNG.normal(size=(n, 2)).astype("float32"), (index, RNG.normal(size=(index.shape[1], 1)).astype("float32"))


GRAPHS = [make_graph(3 + k % 4) for k in range(30)]


def predict(net, x=X):
    with torch.no_grad():
        return net(torch.as_tensor(x))


def assert_same(one, two):
    for x, y in zip(one.state_dict().values(), two.state_dict().values(), strict=True):
        assert torch.equal(x, y)


@pytest.mark.parametrize(
    "data",
    [
        (torch.tensor(X), torch.tensor(Y)),
        (list(X), list(Y)),
        (X.tolist(), Y.tolist()),
        (TensorDataset(torch.tensor(X), torch.tensor(Y)),),
        (X, Y[:, None]),
    ],
    ids=["torch", "list", "numbers", "dataset", "column"],
)
def test_the_form_of_the_data_does_not_matter(data):
    assert_same(einnet.fit("aH -> H", *data, **SMALL), einnet.fit("aH -> H", X, Y, **SMALL))


def test_several_inputs_come_as_arrays_or_as_samples():
    pairs = RNG.normal(size=(60, 5, 5, 2)).astype("float32")
    net = einnet.fit("aH, aaH -> H", (X, pairs), Y, **SMALL)
    assert net.in_features == (1, 2)
    assert_same(net, einnet.fit("aH, aaH -> H", list(zip(X, pairs, strict=True)), Y, **SMALL))
    assert_same(net, einnet.fit("aH, aaH -> H", (list(X), list(pairs)), Y, **SMALL))


@pytest.mark.parametrize("output", ["H", "aH"])
def test_the_units_of_the_data_do_not_matter(output):
    targets = Y if output == "H" else X[..., 0] ** 2
    net = einnet.fit(f"aH -> {output}", X, targets, **SMALL)
    rescaled = einnet.fit(f"aH -> {output}", 1000 * X + 7000, 50 * targets - 300, **SMALL)
    assert torch.allclose(predict(rescaled, 1000 * X + 7000), 50 * predict(net) - 300, atol=0.2, rtol=1e-3)
    assert abs(predict(rescaled, 1000 * X + 7000).mean() - (50 * targets - 300).mean()) < 50


@pytest.mark.parametrize("signature", ["aH, aaH -> aH", "aH, aaH -> aaH", "aH, aaH -> H"])
def test_padding_and_the_units_go_together(signature):
    samples = [(X[k, : 2 + k % 3] + 5, RNG.normal(size=(2 + k % 3, 2 + k % 3, 1)) + 3) for k in range(40)]
    shape = {"aH": lambda n: (n,), "aaH": lambda n: (n, n), "H": lambda n: ()}[signature.split("-> ")[1]]
    targets = [RNG.normal(size=shape(2 + k % 3)) + 9 for k in range(40)]
    net = einnet.fit(signature, samples, targets, **SMALL)
    nodes, mask = pad([torch.tensor(x) for x, _ in samples[:3]], "aH")
    pairs, _ = pad([torch.tensor(r, dtype=torch.float32) for _, r in samples[:3]], "aaH")
    with torch.no_grad():
        padded, alone = net(nodes, pairs, mask=mask), net(nodes[0, :2], pairs[0, :2, :2])
    assert torch.allclose(padded[(0, *[slice(2)] * len(shape(2)))], alone, atol=1e-4)
    if shape(2):
        assert (padded[0, 2:] == 0).all()
    assert_equivariant(net, signature, sizes={"a": 4})


def test_flags_strings_and_whole_numbers_are_classes(tmp_path):
    names = np.where(Y > 1, "large", "small")
    net = einnet.fit("aH -> H", X, names, **SMALL | {"steps": 80, "learning_rate": 2e-2})
    assert net.config.classes == ("large", "small")
    net.save(tmp_path / "net.safetensors")
    loaded = EinNet.load(tmp_path / "net.safetensors")
    predicted = np.array(loaded.config.classes)[predict(loaded).argmax(-1)]
    assert (predicted == names).mean() > 0.8
    assert einnet.fit("aH -> H", X, Y > 1, **SMALL).config.classes == (False, True)
    numbers = einnet.fit("aH -> H", X, np.where(Y > 1, -1, 1), **SMALL)  # -1 is a class of a whole sample
    assert numbers.config.classes == (-1, 1)
    assert "predicting the most frequent class" in str(numbers.history)


def test_unknown_targets_are_left_out_and_counted(capsys):
    labels = (X[..., 0] > 0).astype(int)
    labels[:, 0] = -1
    net = einnet.fit("aH -> aH", X, labels, **SMALL)
    assert net.config.classes == (0, 1)
    assert any("60 of 300 targets" in note for note in net.history.notes)
    values = np.where(labels < 0, np.nan, X[..., 0])
    net = einnet.fit("aH -> aH", [*X[:30], *X[30:, :3]], [*values[:30], *values[30:, :3]], **SMALL)
    assert any("60 of 240 targets" in note for note in net.history.notes)
    assert capsys.readouterr().err.count("targets are left out") == 2
    assert all(p.isfinite().all() for p in net.parameters())
    few = einnet.fit("aH -> H", X, np.where(Y > 0, Y, np.nan), **SMALL)
    assert few.history.trained_on + few.history.held_out == (Y > 0).sum()


def test_graphs_become_unions():
    targets = [nodes.mean() for nodes, _ in GRAPHS]
    net = einnet.fit("aH, [aa]H -> H", GRAPHS, targets, **SMALL)
    samples = [(torch.tensor(x), (torch.tensor(i), torch.tensor(v))) for x, (i, v) in GRAPHS[:3]]
    with torch.no_grad():
        assert torch.allclose(net(union(samples))[1], net(*samples[1]), atol=1e-4)
    graphs = [
        SimpleNamespace(x=x, edge_index=e[0], edge_attr=e[1], batch=None, num_nodes=len(x), y=torch.tensor([y]))
        for (x, e), y in zip([(torch.tensor(x), tuple(map(torch.tensor, e))) for x, e in GRAPHS], targets, strict=True)
    ]
    assert_same(net, einnet.fit("aH, [aa]H -> H", graphs, **SMALL))
    for output, make in (("aH", lambda x, e: x[:, 0] > 0), ("[aa]H", lambda x, e: e[1][:, 0] > 0)):
        net = einnet.fit(f"aH, [aa]H -> {output}", GRAPHS, [make(x, e) for x, e in GRAPHS], **SMALL)
        assert net.config.classes == (False, True)


def test_a_single_graph_is_split_by_its_nodes():
    nodes, edges = make_graph(40)
    net = einnet.fit("aH, [aa]H -> aH", (nodes, edges), nodes[:, 0], **SMALL)
    assert (net.history.trained_on, net.history.held_out) == (35, 5)
    assert_same(net, einnet.fit("aH, [aa]H -> aH", [(nodes, edges)], [nodes[:, 0]], **SMALL))
    relations = nodes, edges, (edges[0], -edges[1])  # one index, one support
    assert einnet.fit("aH, [aa]H, [aa]H -> aH", relations, nodes[:, 0], **SMALL).history.held_out == 5


def test_what_is_asked_for_is_hidden_and_what_is_held_out_too():
    index = np.stack(np.nonzero(RNG.random((12, 9)) < 0.5))
    ratings = RNG.normal(size=(index.shape[1], 1)).astype("float32")
    net = einnet.fit("[ab]H -> [ab]H", coo := to_coo(index, ratings), ratings, at=index, **SMALL)
    assert net(coo, at=torch.tensor([[0, 1], [2, 3]])).shape == (2, 1)
    samples, _ = read_samples(net.signature, coo, torch.float32, "cpu")
    targets = read_targets(ratings, samples, net.signature.output, is_single=True, queries=index.shape[1])
    train, held_out = split(samples, targets, torch.tensor(index), 0, False)
    (_, options), target = train.take(train.units[:3])
    hidden = {*map(tuple, options["at"].T.tolist())}
    assert hidden == {*map(tuple, index.T[torch.cat([train.units[:3], held_out.units])])}
    assert target.isnan().sum() == len(held_out.units)
    assert not set(train.units.tolist()) & set(held_out.units.tolist())


@pytest.mark.parametrize("is_directed", [False, True])
def test_in_a_graph_nearly_without_direction_the_reverse_of_what_is_asked_for_is_hidden_too(is_directed):
    links = np.array(sorted({tuple(sorted(p)) for p in RNG.integers(0, 15, (60, 2)) if p[0] != p[1]})).T
    index = np.concatenate([links, links[::-1, : links.shape[1] * 2 // 3] if is_directed else links[::-1, 1:]], 1)
    values = RNG.normal(size=(index.shape[1], 1)).astype("float32")  # the reverse may have another one
    graph = torch.sparse_coo_tensor(torch.tensor(index), torch.tensor(values), (15, 15, 1), check_invariants=True)
    net = einnet.fit("[aa]H -> [aa]H", graph, values[:, 0], at=index, **SMALL)
    assert any(len({*sum(t.operands, ())}) == 3 for t in net.layers[0].pool.plan.terms)  # common neighbours
    samples, _ = read_samples(net.signature, graph, torch.float32, "cpu")
    targets = read_targets(values, samples, net.signature.output, is_single=True, queries=index.shape[1])
    train, held_out = split(samples, targets, torch.tensor(index), 0, False)
    for units in train.units.split(7):
        (_, options), target = train.take(units)
        pairs_of_step = index.T[torch.cat([units, held_out.units])]
        hidden = {*map(tuple, pairs_of_step)} | {tuple(pair[::-1]) for pair in pairs_of_step if not is_directed}
        assert {*map(tuple, options["at"].T.tolist())} == hidden
        assert target.isfinite().all(1).nonzero()[:, 0].tolist() == [*range(len(units))]
    if not is_directed:
        pairs = [{frozenset(pair) for pair in index.T[part.units].tolist()} for part in (train, held_out)]
        assert not pairs[0] & pairs[1]
    assert {*train.units.tolist(), *held_out.units.tolist()} == {*range(index.shape[1])}


def to_coo(index, values):
    return torch.sparse_coo_tensor(torch.tensor(index), torch.tensor(values), (12, 9, 1), check_invariants=True)


def test_the_best_network_is_returned_and_its_error_is_reported():
    valid = X[:20, :3], 2 - Y[:20]  # what is learned is wrong there
    net = einnet.fit("aH -> H", X, Y, valid=valid, **SMALL | {"steps": 20})
    rows = net.history.rows
    best = min(rows, key=lambda row: row["valid loss"])
    assert best is not rows[-1]
    assert net.history.error == best["error"]
    assert (predict(net, valid[0])[:, 0] - torch.tensor(valid[1])).abs().mean().item() == pytest.approx(best["error"])
    expected = np.abs(valid[1] - Y.mean()).mean()
    assert net.history.baseline_error == pytest.approx(expected, rel=1e-3)


def test_the_first_outputs_are_near_the_targets_also_of_large_structures():
    index = np.stack(np.nonzero(RNG.random((60, 50)) < 0.5))
    values = RNG.normal(size=index.shape[1]).astype("float32")
    matrix = coo_array((values, index), shape=(60, 50))
    net = einnet.fit("[ab]H -> [ab]H", matrix, 1000 + values, at=index, **SMALL | {"steps": 1})
    assert net.history.rows[0]["loss"] < 4  # in variances of the targets


def test_a_seed_repeats_a_training_and_leaves_the_generator():
    torch.manual_seed(5)
    state = torch.get_rng_state()
    net = einnet.fit("aH -> H", X, Y, seed=3, **SMALL)
    assert torch.equal(torch.get_rng_state(), state)
    assert_same(net, einnet.fit("aH -> H", X, Y, seed=3, **SMALL))
    reseeded = einnet.fit("aH -> H", X, Y, seed=4, **SMALL)
    assert not torch.equal(predict(net), predict(reseeded))


def test_it_is_saved_copied_and_shown_with_its_units(tmp_path):
    net = einnet.fit("aH -> H", X + 3, Y, **SMALL)
    net.save(tmp_path / "net.safetensors")
    loaded = EinNet.load(tmp_path / "net.safetensors")
    for copy in (loaded, deepcopy(net)):
        assert torch.equal(predict(copy), predict(net))
    assert "standardized=True" in repr(loaded)
    assert loaded.history is None
    with pytest.raises(RuntimeError, match="to_inner_units"):  # no network without units takes its weights
        EinNet("aH -> H", 1, 1, hidden=8, heads=2, depth=1).load_state_dict(net.state_dict())


def test_control_c_ends_the_training_and_keeps_the_network():
    calls = itertools.count()

    def loss(output, target):
        if next(calls) == 3:
            signal.raise_signal(signal.SIGINT)
        return (output - target).abs().mean()

    net = einnet.fit("aH -> H", X, Y, loss=loss, **SMALL | {"steps": 10_000})
    assert net.history.steps == 4
    assert any("interrupted" in note for note in net.history.notes)
    assert predict(net).isfinite().all()


def test_steps_without_a_finite_loss_are_left_out():
    calls = itertools.count()

    def loss(output, target):
        is_broken = output.requires_grad and next(calls) == 1
        return (output - target).abs().mean() * (float("nan") if is_broken else 1)

    net = einnet.fit("aH -> H", X, Y, loss=loss, **SMALL)
    assert any("not finite: 1" in note for note in net.history.notes)
    with pytest.raises(EinNetError, match="nan at step 11"):
        einnet.fit("aH -> H", X, Y, loss=lambda o, t: o.mean() * float("nan"), **SMALL | {"steps": 20})


def test_the_clock_ends_the_training():
    ticks = itertools.count()
    net = einnet.fit("aH -> H", X, Y, 200, clock=lambda: next(ticks), **SMALL | {"steps": None})
    assert 200 <= net.history.seconds < 230
    assert net.history.steps > 5
    with pytest.raises(EinNetError, match="more seconds"):
        einnet.fit("aH -> H", X, Y, 1.5, clock=lambda: next(ticks), **SMALL | {"steps": None})


def test_few_samples_are_all_trained_on_and_that_is_said():
    net = einnet.fit("aH -> H", X[:10], Y[:10], **SMALL)
    assert (net.history.trained_on, net.history.held_out) == (10, 0)
    assert "not known" in str(net.history)
    rare = ["one"] * 58 + ["two", "three"]  # classes with one sample are trained on
    assert einnet.fit("aH -> H", X, rare, **SMALL).config.classes == ("one", "three", "two")


def test_whole_numbers_that_look_like_quantities_are_said(capsys):
    einnet.fit("aH -> H", X, np.arange(60), **SMALL)
    assert "astype(float)" in capsys.readouterr().err


CASES = {
    "no feature axis": ("aH -> H", X[..., 0], Y, ShapeError, r"x\[..., None\]"),
    "no feature axis of a sample": ("aH -> H", list(X[..., 0]), Y, ShapeError, r"x\[..., None\]"),
    "counts": ("aH -> H", X, Y[:5], ShapeError, "60 samples and 5 targets"),
    "empty": ("aH -> H", X[:0], Y[:0], EinNetError, "nothing to learn"),
    "empty list": ("aH -> H", [], [], EinNetError, "no samples"),
    "shape of targets": ("aH -> aH", X, X[:, :3, 0], ShapeError, r"shape \(5,\)"),
    "NaN input": ("aH -> H", np.where(np.arange(60)[:, None, None] == 7, np.nan, X), Y, EinNetError, "sample 7"),
    "infinite target": ("aH -> H", X, Y + np.inf, EinNetError, "finite"),
    "no target": ("aH -> H", X, Y * np.nan, EinNetError, "all 60 targets"),
    "features": ("aH -> H", [np.ones((3, 1 + (k == 9))) for k in range(20)], Y[:20], ShapeError, "sample 9"),
    "sizes": ("aH, aaH -> H", (X, np.ones((60, 4, 4, 1))), Y, ShapeError, "size 4 on axis 'a'"),
    "one class": ("aH -> H", X, Y > -99, EinNetError, "two classes"),
    "inputs": ("aH, aaH -> H", X, Y, TypeError, "2 inputs"),
    "no targets at all": ("aH -> H", X, None, TypeError, "targets are missing"),
    "one sample": ("aH -> H", X[:1], Y[:1], EinNetError, "learns from many"),
    "index": ("[ab]H -> [ab]H", coo_array(np.eye(4)), np.ones(4), ShapeError, "pass index.T", {"at": np.zeros((4, 2))}),
    "no index": ("aH, bH -> [ab]H", (X[0], X[1]), Y, EinNetError, "at="),
    "words": ("aH -> H", ["a cat"] * 60, Y, TypeError, "words"),
    "objects": ("aH -> H", X, [None] * 60, TypeError, "targets must be floats"),
}


@pytest.mark.parametrize("name", CASES)
def test_what_cannot_be_learned_from_is_refused_in_words(name):
    signature, inputs, targets, error, match, *options = CASES[name]
    with pytest.raises(error, match=match):
        einnet.fit(signature, inputs, targets, **SMALL, **dict(*options))


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"seconds": 0}, EinNetError, "seconds must be more than 0"),
        ({"steps": 0}, EinNetError, "steps must be 1 or more"),
        ({"epochs": 3}, TypeError, "epochs"),
        ({"valid": (X[:3], [0, 1, 2])}, EinNetError, "class 2"),
        ({"valid": X}, TypeError, "valid must be a pair"),
        ({"valid": (X[:3].repeat(2, -1), [0, 1, 1])}, EinNetError, r"\(2,\) features"),
        ({"at": np.zeros((2, 3))}, EinNetError, "at="),
    ],
)
def test_options_are_checked(options, error, match):
    with pytest.raises(error, match=match):
        einnet.fit("aH -> H", X, [0, 1] * 30, **SMALL | options)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("aH -> H", np.zeros((9, 3, 1)), np.arange(9.0)), {"lr": 0.1}, "pass learning_rate"),
        (("aH -> H", np.zeros((9, 3, 1)), np.arange(9.0)), {"loss": "mae"}, "loss must be a function"),
        (("aH -> aH", np.zeros((9, 3, 1)), -np.ones((9, 3), int)), {}, "all 27 targets are not known"),
        (("aH -> aH", np.zeros((9, 3, 1)), np.tile([-1, 1, 1], (9, 1))), {}, "-1 is no class here"),
    ],
)
def test_messages_name_the_way_out(arguments, options, message):
    with pytest.raises((TypeError, EinNetError), match=message):
        einnet.fit(*arguments, **SMALL | options)


def test_an_index_of_wanted_pairs_has_whole_numbers_and_targets_are_not_the_inputs():
    index = np.argwhere(RNG.random((8, 6)) < 0.7).T
    table = einnet.nn.Support(torch.tensor(index), (8, 6)), torch.rand(index.shape[1], 1)
    with pytest.raises(TypeError, match="whole numbers, got torch.float64"):
        einnet.fit("[ab]H -> [ab]H", table, table[1], at=index + 0.7, **SMALL)
    with pytest.raises(EinNetError, match="pass at="):
        einnet.fit("[ab]H -> [ab]H", table, table[1], **SMALL)
    with pytest.raises(EinNetError, match="a sparse matrix, or"):
        einnet.fit("[ab]H -> [ab]H", (index, np.ones((index.shape[1], 1))), table[1], at=index, **SMALL)


def test_data_far_from_zero_are_pointed_out(capsys):
    times = 1.7e9 + RNG.uniform(0, 3600, (40, 5, 1))
    einnet.fit("aH -> H", times, times.max((1, 2)) - times.min((1, 2)), **SMALL)
    assert "subtract a constant" in capsys.readouterr().err
    einnet.fit("aH -> H", times - 1.7e9, np.arange(40) % 12, **SMALL)
    error = capsys.readouterr().err
    assert "subtract" not in error
    assert "12 values, taken as classes" in error
