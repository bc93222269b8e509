"""The graphs task: files, networks with random weights, exact arithmetic, BREC's protocol, the command."""

import gzip
import io
import json
import sys
from collections import Counter
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
import torch
from scipy.stats import ttest_1samp

from einnet.cli import main
from einnet.errors import CheckpointError, DataError, EinNetError
from einnet.nn import EinNet
from einnet.operations import pooling_terms
from einnet.plan import Plan, run_plan
from einnet.tasks.graphs.brec import PUBLISHED, BrecConfig, make_tables, run_pairs, summarize
from einnet.tasks.graphs.exact import compare_exactly
from einnet.tasks.graphs.modular import MODULAR, PRIME, ModularNet
from einnet.tasks.graphs.pairs import BREC, MAX_NODES, GraphPair, permute_nodes, read_family, read_pairs
from einnet.tasks.graphs.protocols import (
    THRESHOLD,
    calibrate,
    compare_random_nets,
    compare_trained_net,
    compute_hotelling,
)
from einnet.tasks.report import print_report
from einnet.terms import TypeSet

ROOK = nx.line_graph(nx.complete_bipartite_graph(4, 4))
STEPS = [(0, 1), (1, 0), (1, 1)]
SHRIKHANDE = nx.Graph([((a, b), ((a + x) % 4, (b + y) % 4)) for a in range(4) for b in range(4) for x, y in STEPS])


def make_pair(first: nx.Graph, second: nx.Graph) -> GraphPair:
    return GraphPair(0, "made", *(nx.to_numpy_array(g) for g in (first, second)))


RINGS = make_pair(nx.cycle_graph(6), nx.disjoint_union(nx.cycle_graph(3), nx.cycle_graph(3)))  # the 1-WL test sees none
REGULAR = make_pair(ROOK, SHRIKHANDE)  # strongly regular with the same numbers: the 3-WL test sees none


@pytest.mark.parametrize(("graphs", "order", "apart"), [(RINGS, 2, True), (REGULAR, 2, False), (REGULAR, 5, True)])
def test_what_operations_tell_apart(graphs, order, apart):
    of_pair, of_copies = compare_random_nets(graphs, order, depth=6, seeds=1)
    assert of_pair.is_apart == apart and not of_copies.is_apart
    net = ModularNet(order)
    copy = permute_nodes(graphs.first, np.random.default_rng(1))
    assert compare_exactly(net, graphs.first, graphs.second, marks=0).is_apart == apart
    assert not compare_exactly(net, graphs.first, copy, marks=0).is_apart


@pytest.mark.parametrize("marks", [0, 1, 2])
def test_exact_colors_are_those_of_the_weisfeiler_leman_test(marks):
    """Against 2-FWL written out: with each layer a colour becomes the pair of it and a multiset of pairs of colours."""
    rng = np.random.default_rng(0)
    graph = (rng.random((7, 7)) < 0.4).astype(float)
    graph = np.maximum(graph, graph.T) * (1 - np.eye(7))
    nodes = tuple(range(marks))
    colors = {(i, j): (graph[i, j], i == j, *[(i == u, j == u) for u in nodes]) for i in range(7) for j in range(7)}
    number = 0
    while number != len(set(colors.values())):
        number = len(set(colors.values()))
        rows = {(i, j): tuple(sorted((colors[i, k], colors[k, j]) for k in range(7))) for i, j in colors}
        names = {c: k for k, c in enumerate(sorted({(colors[c], rows[c]) for c in colors}))}
        colors = {c: names[colors[c], rows[c]] for c in colors}
    coloring = ModularNet(2).color(graph, nodes)
    assert coloring.final and coloring.number == number
    assert len(set(zip(coloring.colors.ravel().tolist(), (colors[c] for c in sorted(colors)), strict=True))) == number


def test_a_mark_tells_apart_what_two_dimensional_colors_cannot():
    net, copy = ModularNet(2), permute_nodes(REGULAR.first, np.random.default_rng(1))
    difference = compare_exactly(net, REGULAR.first, REGULAR.second, marks=1)
    assert difference.is_apart and difference.marks == 1 and [len(u) for (u, *_) in difference.nodes] == [1, 1]
    assert not compare_exactly(net, REGULAR.first, copy, marks=2, max_kinds=4).is_apart
    of_pair, of_copies = compare_random_nets(REGULAR, 2, depth=6, seeds=1, nodes=difference.nodes)
    assert of_pair.is_apart and not of_copies.is_apart


def test_multisets_of_copies_are_compared_with_their_multiplicity():
    """Two kinds of copies, two of one and one of the other, or the reverse: each copy has an equal one."""
    star, path = nx.star_graph(3), nx.path_graph(4)
    first, second = (
        nx.to_numpy_array(nx.disjoint_union_all(graphs)) for graphs in ([star, star, path], [star, path, path])
    )
    assert compare_exactly(ModularNet(1, depth=0), first, second, marks=1).is_apart


@pytest.mark.parametrize("order", [2, 5, 7])
def test_exact_arithmetic_is_that_of_whole_numbers(order):
    plan = Plan.make(pooling_terms(TypeSet.of("aa").types[0], order), TypeSet.of("aa"))
    slots = np.random.default_rng(0).integers(PRIME - 9, PRIME, (plan.input_count, 3, 3))
    results = run_plan(plan, [torch.from_numpy(x[None].astype(np.float64)) for x in slots], MODULAR)
    for compact, term, result, places in zip(results, plan.terms, plan.results, plan.sources, strict=True):
        equation = ",".join(map("".join, term.operands)) + "->" + "".join(result_names(term, result))
        exact = np.einsum(equation, *(slots[k].astype(object) for k in places), optimize=False)
        assert np.array_equal(compact[0].numpy(), (exact % PRIME).astype(np.float64)), term


def result_names(term, result) -> list[str]:
    """The term's letters for the axes of its compact result."""
    return [term.output[result.output.index(i)] for i in result.compact]


def test_the_largest_sums_are_exact():
    plan = Plan.make(["ab,bc->ac"], TypeSet.of("aa"))
    x = torch.full((1, MAX_NODES, MAX_NODES), PRIME - 1.0).double()
    (result,) = run_plan(plan, [x, x], MODULAR)
    assert (result == MAX_NODES * (PRIME - 1) ** 2 % PRIME).all()


def test_a_graph_too_large_for_exact_sums():
    with pytest.raises(EinNetError, match="got 513"):
        ModularNet(2, depth=1).color(np.zeros((MAX_NODES + 1, MAX_NODES + 1)))


def test_calibrated_maps_have_mean_zero_and_the_deviation():
    net = EinNet("aaH -> H", 1, 2, heads=4, hidden=8, depth=2, order=2).double().eval()
    x = torch.from_numpy(REGULAR.first)[None, ..., None]
    calibrate(net, x)
    outputs = []
    net.layers[0].in_proj.register_forward_hook(lambda module, inputs, y: outputs.append(y.flatten(0, -2)))
    net(x)
    assert outputs[0].mean(0).abs().max() < 1e-9
    assert torch.allclose(outputs[0].std(0, correction=0), torch.ones(outputs[0].shape[1]).double())


def test_hotelling_of_one_column_is_the_square_of_student_t():
    values = np.random.default_rng(0).normal(0.3, 1, 32)
    statistic = compute_hotelling(torch.from_numpy(values)[:, None])
    assert statistic == pytest.approx(ttest_1samp(values, 0).statistic ** 2, abs=2e-3)
    assert compute_hotelling(torch.full((32, 16), 1e-3).double()) == pytest.approx(
        32 * 16 * 1e-6 / 1e-7
    )  # the guard alone
    assert pytest.approx(72.34, abs=0.01) == THRESHOLD


@pytest.mark.parametrize(("graphs", "marks", "apart"), [(RINGS, 0, True), (REGULAR, 0, False), (RINGS, 1, True)])
def test_the_trained_protocol(graphs, marks, apart):
    comparison = compare_trained_net(graphs, order=2, depth=3, marks=marks)
    assert comparison.is_apart == apart and comparison.of_copies < THRESHOLD


def test_published_totals():
    assert {name: sum(row.values()) for name, row in PUBLISHED.items()} == {
        "3-WL test": 270, "PPGN": 233, "KP-GNN": 275, "I2-GNN": 281,
    }  # fmt: skip


@pytest.mark.parametrize("protocol", ["untrained", "trained"])
def test_the_report(protocol, capsys):
    row = {"pairs": 60, "apart": 59, "false positives": 0} | ({"exact": 60} if protocol == "untrained" else {})
    summary = {
        "protocol": protocol, "order": 5, "depth": 8, "marks": 0, "seconds": 9.0, "peak_mib": 100,
        "categories": {c: row | {"pairs": n} for c, n in BREC.items()}, "total": row,
        "smallest ratio of a pair told apart": 200.0, "largest ratio of a pair not told apart": None,
        "largest ratio of relabelled copies": 2.0,
    }  # fmt: skip
    print_report(make_tables(summary, "pairs"))
    output = capsys.readouterr().out
    assert "PPGN" in output and "177" in output  # of the three regular categories
    print_report(make_tables(summary | {"categories": {"Basic": row}}, "pairs"))
    assert "PPGN" not in capsys.readouterr().out


def graph6(graph: nx.Graph) -> str:
    return nx.to_graph6_bytes(graph, header=False).decode().strip()


@pytest.fixture
def file(tmp_path):
    content = [
        {"category": "Basic", "g": graph6(nx.cycle_graph(6)), "h": graph6(nx.path_graph(6))},
        {"category": "Regular", "g": graph6(ROOK), "h": graph6(nx.convert_node_labels_to_integers(SHRIKHANDE))},
    ]
    path = tmp_path / "pairs.json"
    path.write_text(json.dumps(content))
    return path


def test_files(file, tmp_path):
    assert [(p.number, p.category, len(p.first)) for p in read_pairs(file)] == [(0, "Basic", 6), (1, "Regular", 16)]
    family = tmp_path / "three.g6"
    family.write_text("\n".join(graph6(g) for g in (nx.path_graph(4), nx.cycle_graph(4), nx.star_graph(3))))
    assert [(p.number, p.category) for p in read_pairs(family)] == [(0, "three"), (1, "three"), (2, "three")]


def digraph6(matrix: np.ndarray) -> str:
    bits = np.pad(matrix.astype(int).ravel(), (0, -matrix.size % 6)).reshape(-1, 6)
    return "&" + chr(63 + len(matrix)) + "".join(chr(63 + int("".join(map(str, six)), 2)) for six in bits)


def test_a_family_may_be_in_any_format_of_nauty(tmp_path, monkeypatch):
    cycle, path, directed = nx.cycle_graph(28), nx.path_graph(28), nx.to_numpy_array(nx.gn_graph(28, seed=0))
    sparse = nx.to_sparse6_bytes(path).decode()  # with a header
    text = f"{graph6(cycle)}\n{sparse}{digraph6(directed)}\r\n>>sparse6<<\n{graph6(path)}"
    assert text[0] == "["  # as JSON begins
    expected = [*map(nx.to_numpy_array, (cycle, path)), directed, nx.to_numpy_array(path)]
    for name, content in (("a.g6", text.encode()), ("b.txt", gzip.compress(text.encode("utf-16")))):
        (tmp_path / name).write_bytes(content)
        assert all(map(np.array_equal, read_family(tmp_path / name), expected))
        assert len(read_pairs(tmp_path / name)) == 6
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    assert [p.category for p in read_pairs(Path("-"))] == 6 * ["standard-input"]


def test_arrays_of_brec(tmp_path):
    first, second = (graph6(g) for g in (nx.cycle_graph(6), nx.path_graph(6)))
    for array in (
        np.array([first, second] * 2),
        np.array([[first, second]] * 2),
        np.array([first.encode(), second] * 2),
    ):
        np.save(tmp_path / "cfi.npy", array)
        pairs = read_pairs(tmp_path / "cfi.npy")
        assert [(p.number, p.category, p.first.sum(), p.second.sum()) for p in pairs] == [
            (k, "cfi", 12, 10) for k in (0, 1)
        ]
    blocks = [first, second, *62 * ["?"]] * 400 + 64 * 400 * ["?"]  # 32 copies of each pair, and the control
    np.save(tmp_path / "brec_v3.npy", np.array(blocks, dtype="S"))
    assert Counter(p.category for p in read_pairs(tmp_path / "brec_v3.npy")) == BREC


@pytest.mark.parametrize(
    ("array", "phrase"),
    [
        (np.array([b"Bw", None, b"Bw"], dtype=object), "pickled.*astype"),
        (np.zeros((2, 2)), "float64 of shape"),
        (np.array(["Bw"] * 3), "shape \\(3,\\)"),
        (np.array([["Bw"] * 3] * 2), "shape \\(2, 3\\)"),
        (np.array(["Bw", "B"]), "pair 0, h"),
        (np.array(["Bw"] * 20_002), "10,001 pairs"),
    ],
)
def test_other_arrays_are_refused(tmp_path, array, phrase):
    np.save(tmp_path / "a.npy", array, allow_pickle=True)
    with pytest.raises(EinNetError, match=phrase):
        read_pairs(tmp_path / "a.npy")
    content = (tmp_path / "a.npy").read_bytes()
    (tmp_path / "a.npy").write_bytes(content[:100])
    with pytest.raises(DataError):
        read_pairs(tmp_path / "a.npy")


@pytest.mark.parametrize(
    ("name", "text", "phrase"),
    [
        ("a.s6", ":~~@?????\n:A_", "graph 1.*nodes, expected 1 to 1,000"),
        ("a.d6", "&B?\n&B??", "graph 1.*digraph6"),
        ("a.g6", "Bw\n;Bw", "graph 2"),
        ("a.s6", ":A_\n:A!", "graph 2.*sparse6"),
        ("a.json", "{", "JSON"),
        ("a.json", "[]", "list"),
        ("a.json", '[{"category": "x", "g": "Bw"}]', "pair 0"),
        ("a.json", '[{"category": "x", "g": "Bw", "h": "é"}]', "pair 0, h: 'é'"),
        ("a.json", '[{"category": "x", "g": "Bw", "h": "C~"}]', "3 and 4 nodes"),
        ("a.json", '[{"category": "x", "g": "?", "h": "?"}]', "pair 0, g"),
        ("a.g6", "Bw", "1 graphs"),
        ("a.g6", "Bw\nB", "graph 2: 'B'"),
        ("a.g6", "Bw\nC~", "3 to 4 nodes"),
        ("a.g6", "\n".join(["Bw"] * 200), "10,000 pairs"),
    ],
)
def test_other_files_are_refused(tmp_path, name, text, phrase):
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=phrase):
        read_pairs(tmp_path / name)


def test_the_bench_is_resumed(file, tmp_path, capsys):
    out = tmp_path / "out"
    arguments = ["bench", "brec", "--data", str(file), "--order", "2", "--depth", "6", "--seeds", "1"]
    assert main([*arguments, "--category", "Basic", "--out", str(out), "--processes", "1", "--json"]) == 0
    first = json.loads(capsys.readouterr().out)
    assert first["categories"] == {"Basic": {"pairs": 1, "apart": 1, "exact": 1, "false positives": 0}}
    written = (out / "pairs" / "0000.json").stat().st_mtime_ns
    config = BrecConfig("untrained", 2, 6, 1)
    second = summarize(run_pairs(read_pairs(file), config, out, processes=1), config)
    assert (out / "pairs" / "0000.json").stat().st_mtime_ns == written
    assert second["total"] == {"pairs": 2, "apart": 1, "exact": 1, "false positives": 0}
    with pytest.raises(CheckpointError, match="order 2, .*order 5"):
        run_pairs(read_pairs(file), BrecConfig("untrained", 5, 6, 1), out, processes=1)
    marked = ["--marks", "1", "--exact", "--out", str(tmp_path / "marked"), "--processes", "1", "--json"]
    assert main(["bench", "brec", "--data", str(file), "--order", "2", *marked]) == 0
    exact = json.loads(capsys.readouterr().out)
    assert exact["total"] == {"pairs": 2, "exact": 2, "false positives": 0} and exact["marks"] == 1
    assert main([*arguments, "--category", "Basik", "--out", str(out)]) == 2
    assert "Basic" in capsys.readouterr().err
