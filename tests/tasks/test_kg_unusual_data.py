"""What would spoil a measurement is left out or refused, and said with numbers; what is unusual is said."""

import json

import numpy as np
import pytest
import torch

from einnet.cli import main
from einnet.errors import DataError
from einnet.limits import raise_limits
from einnet.tasks.kg.app import KgConfig
from einnet.tasks.kg.data import BUNDLED, KnowledgeGraph, check_splits, load
from einnet.tasks.kg.evaluate import compute_metrics, make_results_table, rank
from einnet.tasks.kg.network import make_net
from einnet.tasks.report import print_report
from einnet.train.run import compute_fingerprint
from families import family_graph, family_splits, write_families

SMALL = ["--steps", "1", "--heads", "1", "--hidden", "4", "--depth", "1", "--precision", "32"]
FINGERPRINTS = {  # entities, relations and facts as PyKEEN 1.11 has them
    "kinship": "9c2da74b0571837e5e8238f38756ce3dffdab9d3752887a93c17ec155aaa62cb",
    "umls": "30b3267a775273e98c2a49367b9af05e08718ff39201dd2c969426fd13e7134b",
    "nations": "66062749afd7f4395cc2463ad1d2fa7121c5c769fe8e4c11fab6b3f5ff7d5699",
}


def write_splits(folder, splits):
    folder.mkdir(exist_ok=True)
    for split, facts in splits.items():
        (folder / f"{split}.txt").write_text("".join("\t".join(fact) + "\n" for fact in facts))
    return folder


def note_of(graph, *phrases) -> str:
    """The one note that has these phrases."""
    (note,) = [note for note in graph.notes if all(phrase in note for phrase in phrases)]
    return note


def facts_of(graph, split):
    return {(graph.entities[h], graph.relations[r], graph.entities[t]) for h, r, t in getattr(graph, split)}


@pytest.mark.parametrize("name", BUNDLED)
def test_bundled_graphs_have_the_numbers_of_their_names_that_they_always_had(name):
    pytest.importorskip("pykeen")
    graph = load(name)
    content = (graph.entities, graph.relations, graph.train, graph.valid, graph.test)
    assert (compute_fingerprint(content), graph.notes) == (FINGERPRINTS[name], ())


def test_usual_data_have_no_notes(tmp_path):
    assert load(write_families(tmp_path)).notes == ()


# --- facts that stand twice ---------------------------------------------------------------------------------------------


def test_facts_of_two_splits_are_left_to_the_last_one():
    splits = family_splits()
    leaked = {
        "train": [*splits["train"], *splits["valid"], *splits["test"][:2]],
        "valid": splits["valid"],
        "test": splits["test"],
    }
    graph, expected = KnowledgeGraph.of(leaked, "leaked"), KnowledgeGraph.of(splits, "families")
    for split in ("train", "valid", "test"):
        assert np.array_equal(getattr(graph, split), getattr(expected, split))
    assert note_of(graph, "train", "valid").startswith(f"{len(splits['valid'])} of {len(leaked['train'])} facts")
    assert note_of(graph, "train", "in test").startswith(f"2 of {len(leaked['train']) - len(splits['valid'])} facts")


def test_facts_that_are_repeated_count_once():
    splits = family_splits()
    repeated = {split: [*facts, facts[0], facts[1]] for split, facts in splits.items()}
    graph = KnowledgeGraph.of(repeated, "repeated")
    for split, facts in splits.items():
        assert len(getattr(graph, split)) == len(facts)
        assert note_of(graph, f"facts of {split} repeat").startswith(f"2 of {len(facts) + 2} ")


def test_a_split_of_which_nothing_is_left_is_refused(tmp_path, capsys):
    splits = family_splits()
    folder = write_splits(tmp_path / "copied", splits | {"valid": splits["test"]})
    with pytest.raises(DataError, match="no facts in valid .*6 of 6 facts of valid are in test too"):
        check_splits(load(folder))
    assert main(["train", "kg", "--data", str(folder), "--out", str(tmp_path / "runs"), *SMALL]) == 2
    assert "no facts in valid" in capsys.readouterr().err and not (tmp_path / "runs").exists()


def test_a_graph_that_is_too_large_is_refused_before_there_is_a_run(tmp_path, capsys):
    folder = write_families(tmp_path / "data")
    with raise_limits(graph_cells=16 * 16 * 4 - 1):
        assert main(["train", "kg", "--data", str(folder), "--out", str(tmp_path / "runs"), *SMALL]) == 2
    assert "16 entities" in capsys.readouterr().err and not (tmp_path / "runs").exists()


# --- columns, headers, files --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [(1, 0, 2), (1, 2, 0), (0, 2, 1), (2, 0, 1)])
@pytest.mark.parametrize("only", ["all", "test"])
def test_columns_in_another_order_are_refused(tmp_path, order, only):
    splits = {
        split: [tuple(fact[k] for k in order) if only in ("all", split) else fact for fact in facts]
        for split, facts in {**family_splits(40)}.items()
    }
    expected = "train.txt" if only == "all" else "test.txt"
    with pytest.raises(
        DataError, match=rf"{expected}: expected the columns head, relation, tail.*column {order.index(1) + 1}"
    ):
        load(write_splits(tmp_path / "data", splits))


def test_columns_in_another_order_are_refused_where_there_are_more_relations_than_entities(tmp_path):
    facts = [(f"r{k}", "abcd"[k % 4], "bcda"[k % 4]) for k in range(24)]
    with pytest.raises(DataError, match="column 1 seems to be the relation"):
        load(write_splits(tmp_path / "data", {"train": facts[:12], "valid": facts[12:18], "test": facts[18:]}))


def test_heads_and_tails_may_swap_and_a_graph_may_have_more_relations_than_entities(tmp_path):
    turned = {split: [(t, r, h) for h, r, t in facts] for split, facts in family_splits().items()}
    assert load(write_splits(tmp_path / "turned", turned)).relations == family_graph().relations
    facts = [("a", f"r{k}", "b") for k in range(9)]
    load(write_splits(tmp_path / "many", {"train": facts[:3], "valid": facts[3:6], "test": facts[6:]}))
    likes = [(f"user{k}", f"likes{k % 2}", f"film{k % 5}") for k in range(30)]  # no name is head and tail
    load(write_splits(tmp_path / "likes", {"train": likes[:20], "valid": likes[20:25], "test": likes[25:]}))


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2), (1, 2, 0), (0, 2, 1)])
def test_columns_that_share_no_name_are_compared_by_their_numbers(tmp_path, order):
    likes = [tuple((f"user{k}", f"likes{k % 2}", f"film{k % 5}")[c] for c in order) for k in range(30)]
    graph = load(write_splits(tmp_path / "data", {"train": likes[:20], "valid": likes[20:25], "test": likes[25:]}))
    if order[1] == 1:
        assert graph.notes == () or all("that train lacks" in note for note in graph.notes)
    else:
        counts = "{}, {} and {} different names".format(*((30, 2, 5)[c] for c in order))
        assert note_of(graph, counts, f"if column {order.index(1) + 1}")


@pytest.mark.parametrize(
    "header",
    [
        ("head", "relation", "tail"), ("Subject", "Predicate", "Object"), ("h", "r", "t"), ("source", "edge_type", "target"),
        ("entity1", "relation", "entity2"), ("node 1", "label", "node 2"), ("HEAD_ID", "REL", "TAIL_ID"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("splits_with", [("train",), ("train", "valid", "test")])
def test_a_header_is_no_fact(tmp_path, header, splits_with):
    splits = {split: [header] * (split in splits_with) + facts for split, facts in family_splits().items()}
    graph = load(write_splits(tmp_path / "data", splits))
    assert (graph.entities, graph.relations) == (family_graph().entities, family_graph().relations)
    assert all(note_of(graph, f"first line of {split}", "left out", " ".join(header)) for split in splits_with)


def test_a_header_of_other_words_stands_in_each_file_or_is_said(tmp_path):
    header = ("Kopf", "Beziehung", "Ende")
    splits = {split: [header, *facts] for split, facts in family_splits().items()}
    assert load(write_splits(tmp_path / "three", splits)).entities == family_graph().entities
    alone = load(write_splits(tmp_path / "one", {**family_splits(), "train": splits["train"]}))
    assert "Kopf" in alone.entities and note_of(alone, "first line of train", "taken as a fact")


def test_a_fact_with_the_words_of_a_header_is_a_fact(tmp_path):
    facts = [("head", "part", "body"), ("tail", "part", "dog"), ("node", "type", "vertex"), ("edge", "type", "pair")]
    facts = [("source", "type", "target"), *facts]
    graph = load(write_splits(tmp_path / "data", {"train": facts, "valid": facts[1:2], "test": facts[2:3]}))
    assert ("source", "type", "target") in facts_of(graph, "train")


def test_files_that_are_not_read_are_named(tmp_path):
    folder = write_families(tmp_path / "data")
    for name in ("facts.txt", "train.tsv", ".hidden", *(f"z{k}" for k in range(9))):
        (folder / name).write_text("ann0\tspouse\tbob1\n")
    note = note_of(load(folder), "not read")
    assert "facts.txt, train.tsv, z0, z1, z2 and 6 more" in note
    (folder / "WN18").mkdir()
    (folder / "empty").mkdir()
    assert "WN18" not in note_of(load(folder), "not read")
    (folder / "WN18" / "original").mkdir()
    (folder / "WN18" / "original" / "train.txt").touch()
    assert "not read: WN18/, facts.txt, train.tsv, z0, z1 and 7 more" in load(folder).notes
    (folder / "valid.txt").rename(folder / "dev.txt")
    with pytest.raises(DataError, match=r"no valid.txt.*got WN18/, dev.txt, facts.txt"):
        load(folder)


def test_a_folder_called_as_a_bundled_dataset_is_said(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_families(tmp_path / "umls")
    monkeypatch.setattr("einnet.tasks.kg.data._load_bundled", lambda _: family_splits())
    assert "--data ./umls" in note_of(load("umls"), "bundled dataset is used", "not the folder umls")
    assert load("./umls").notes == () and load("kinship").notes == ()


# --- names that train lacks ---------------------------------------------------------------------------------------------


@pytest.fixture
def graph_with_new_names() -> KnowledgeGraph:
    splits = family_splits()
    new = [("eve9", "spouse", "ann0"), ("ann0", "spouse", "eve9"), ("ann1", "admires", "bob1")]
    return KnowledgeGraph.of(splits | {"test": [*splits["test"], *new]}, "more")


def test_facts_with_names_that_train_lacks_are_counted(graph_with_new_names):
    note = note_of(graph_with_new_names, "that train lacks")
    assert note.startswith("3 of 9 facts of test") and "(1 entities, 1 relations)" in note


def test_facts_with_names_that_train_lacks_are_measured_and_both_figures_are_shown(graph_with_new_names, capsys):
    graph = graph_with_new_names
    net = make_net(len(graph.relations), KgConfig(heads=2, hidden=8, depth=1))
    metrics = compute_metrics(net, graph)
    known = metrics["names of train"]
    assert set(known) == {"test"} and (known["test"]["facts"], known["test"]["of"]) == (6, 9)
    for message_graph in ("train", "train+valid"):  # the first six facts, by the same ranks
        assert known["test"][message_graph] != metrics["test"][message_graph]
        assert set(known["test"][message_graph]) == {"pessimistic", "realistic"}
    print_report([make_results_table({"dataset": "more", "bundled": False, **metrics})])
    printed = capsys.readouterr().out
    assert (printed.count("EinNet"), printed.count("EinNet, 6")) == (8, 4)
    assert "those of the 9 whose names train has" in " ".join(printed.split())


def test_the_second_figure_is_that_of_the_facts_whose_names_train_has(graph_with_new_names):

    graph = graph_with_new_names
    tables = tuple(torch.randn(2, len(graph.entities), len(graph.entities), len(graph.relations)))
    known = torch.as_tensor(graph.tensor(graph.train, graph.valid, graph.test)) > 0
    has_names = graph.has_names_of_train(graph.test)
    assert has_names.tolist() == [True] * 6 + [False] * 3
    chosen = rank(tables, graph.test, known).select(torch.from_numpy(has_names).repeat(2))
    expected = rank(tables, graph.test[:6], known)
    assert torch.equal(chosen.pessimistic, expected.pessimistic) and torch.equal(chosen.realistic, expected.realistic)


def test_notes_are_logged_and_kept_with_the_run(tmp_path, capsys):
    splits = family_splits()
    folder = write_splits(tmp_path / "data", splits | {"train": [*splits["train"], *splits["test"][:1]]})
    assert main(["train", "kg", "--data", str(folder), "--out", str(tmp_path / "runs"), *SMALL]) == 0
    assert "data: 1 of 37 facts of train are in test too and left out of train" in capsys.readouterr().err
    (run,) = (tmp_path / "runs" / "kg").iterdir()
    assert "1 of 37 facts" in json.loads((run / "config.json").read_text())["notes"][0]
    assert "1 of 37 facts" in (run / "index.html").read_text()
    assert main(["eval", "kg", "--checkpoint", str(run), "--json"]) == 0
    assert "1 of 37 facts" in capsys.readouterr().err


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-8-sig"])
def test_files_of_other_systems_are_read(tmp_path, encoding):
    expected = load(write_families(tmp_path))
    for file in tmp_path.glob("*.txt"):
        file.write_bytes(file.read_text(encoding="utf-8").replace("\n", "\r\n").encode(encoding))
    assert (load(tmp_path).entities, load(tmp_path).relations) == (expected.entities, expected.relations)


def test_joined_files_have_no_marks_inside(tmp_path):
    expected = load(write_families(tmp_path))
    file = tmp_path / "train.txt"
    file.write_text("\ufeff".join(["", *file.read_text(encoding="utf-8").splitlines(True)]), encoding="utf-8")
    assert load(tmp_path).entities == expected.entities


def test_a_header_of_another_order_is_refused(tmp_path):
    splits = family_splits()
    swapped = {split: [("tail", "relation", "head"), *((t, r, h) for h, r, t in splits[split])] for split in splits}
    with pytest.raises(DataError, match="reorder the columns"):
        load(write_splits(tmp_path, swapped))


def test_a_header_may_have_names_of_entities(tmp_path):
    splits = family_splits()
    name = next(iter(splits["train"]))[0]
    graph = load(write_splits(tmp_path, {s: [(name, "rel", "e2"), *facts] for s, facts in splits.items()}))
    assert "rel" not in graph.relations and "e2" not in graph.entities
