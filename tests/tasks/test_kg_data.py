"""Triples: reading, naming, and errors that name the line."""

import numpy as np
import pytest

from einnet.errors import DataError
from einnet.tasks.kg.data import KnowledgeGraph, load, read_triples
from families import family_graph, family_splits, write_families


def test_a_folder_and_the_same_triples_in_memory_agree(tmp_path):
    graph, from_files = family_graph(), load(write_families(tmp_path / "families"))
    assert (from_files.name, from_files.entities, from_files.relations) == (graph.name, graph.entities, graph.relations)
    assert np.array_equal(from_files.train, graph.train) and np.array_equal(from_files.test, graph.test)


def test_the_tensor_has_a_one_for_each_fact():
    graph = family_graph()
    x = graph.tensor(graph.train, graph.valid)
    assert x.sum() == len(graph.train) + len(graph.valid)
    for h, r, t in graph.valid:
        assert x[h, t, r] == 1


@pytest.mark.parametrize("ending", [".tsv", ""])
def test_files_may_be_called_tsv_or_have_no_ending(tmp_path, ending):
    folder = write_families(tmp_path)
    for path in folder.glob("*.txt"):
        path.rename(path.with_suffix(ending))
    assert len(load(folder).train) == len(family_splits()["train"])


@pytest.mark.parametrize(("line", "columns"), [("a\tb", 2), ("a\tb\tc\td", 4), ("a b c", 1), ("a\t\tc", 3)])
def test_a_wrong_column_count_names_file_and_line(tmp_path, line, columns):
    path = tmp_path / "train.txt"
    path.write_text(f"x\tr\ty\n\n{line}\n")
    with pytest.raises(DataError, match=f"train.txt, line 3.*got {columns}"):
        read_triples(path)


def test_other_broken_files_are_named(tmp_path):
    (tmp_path / "train.txt").write_text("\n")
    with pytest.raises(DataError, match="no triples"):
        read_triples(tmp_path / "train.txt")
    (tmp_path / "train.txt").write_bytes(b"\xe9\tknows\tb")
    with pytest.raises(DataError, match="UTF-8"):
        read_triples(tmp_path / "train.txt")
    with pytest.raises(DataError, match="'nowhere'.*kinship, umls, nations"):
        load("nowhere")
    folder = write_families(tmp_path / "f")
    (folder / "valid.txt").unlink()
    with pytest.raises(DataError, match="valid.txt"):
        load(folder)


def test_an_unknown_name_gets_suggestions():
    graph = family_graph()
    with pytest.raises(DataError, match="entity 'anm0'.*'ann0'"):
        graph.entity("anm0")
    with pytest.raises(DataError, match="relation 'parents'.*'parent'"):
        graph.relation("parents")
    with pytest.raises(DataError, match="'zzz'.*16, .*ann0, ann1, ann2"):
        graph.entity("zzz")


def test_a_relation_that_the_network_does_not_know_is_refused():
    with pytest.raises(DataError, match="'child'"):
        KnowledgeGraph.of(family_splits(), "families", relations=["parent", "sibling", "spouse"])


@pytest.mark.parametrize(
    ("name", "entities", "relations", "facts"),
    [
        ("kinship", 104, 25, (8544, 1068, 1074)),
        ("umls", 135, 46, (5216, 652, 661)),
        ("nations", 14, 55, (1592, 199, 201)),
    ],
)
def test_bundled_datasets_have_the_usual_splits(name, entities, relations, facts):
    pytest.importorskip("pykeen")
    graph = load(name)
    assert (len(graph.entities), len(graph.relations)) == (entities, relations)
    assert (len(graph.train), len(graph.valid), len(graph.test)) == facts


def test_a_byte_order_mark_is_no_part_of_a_name_and_odd_separators_are(tmp_path):
    path = tmp_path / "train.txt"
    path.write_bytes("\ufeffp0\tr\tp\u20281\r\np0\tr\tp2\r\n".encode())
    assert read_triples(path) == [("p0", "r", "p\u20281"), ("p0", "r", "p2")]
