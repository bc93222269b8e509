"""Names of a user's own: folders called as a bundled dataset, and letters that are markup or formulas elsewhere."""

import json
import re
from pathlib import Path

import pytest

from einnet.cli import main
from einnet.tasks.kg.data import BUNDLED, KnowledgeGraph, load
from einnet.tasks.kg.evaluate import make_results_table
from einnet.tasks.kg.explain import Deletion, Explanation, print_explanation
from einnet.tasks.kg.predict import Answer, print_answers
from einnet.tasks.report import print_report, write_report_page
from families import family_splits, write_families

SMALL = ["--steps", "1", "--heads", "2", "--hidden", "8", "--depth", "1"]
ODD = ["back\\", "[bold]x", "[/]", ":cat:"]  # as rich's markup they would be other words, or an error


def metrics(dataset, bundled):
    values = {"mrr": 0.9612, "hits@1": 0.5, "hits@3": 0.75, "hits@10": 1.0}
    return {"dataset": dataset, "bundled": bundled, "test": {"train": {"pessimistic": values}}}


def test_a_relation_that_looks_like_a_formula_is_drawn_as_it_is(tmp_path):
    folder = tmp_path / "prices"
    folder.mkdir()
    for split in ("train", "valid", "test"):
        (folder / f"{split}.txt").write_text(f"a\tfrom $5 to 9_$\t{split}\n")
    assert main(["train", "kg", "--data", str(folder), "--out", str(tmp_path / "runs"), *SMALL]) == 0
    (run,) = (tmp_path / "runs" / "kg").iterdir()
    assert {"metrics.json", "relations.png", "curve.png"} <= {f.name for f in run.iterdir()}


@pytest.mark.parametrize("name", list(BUNDLED))
def test_published_rows_are_shown_beside_the_bundled_dataset_alone(name, capsys):
    print_report([make_results_table(metrics(name, bundled=False))])
    assert "ConvE" not in capsys.readouterr().out
    print_report([make_results_table(metrics(name, bundled=True))])
    assert "ConvE" in capsys.readouterr().out


def test_a_folder_called_as_a_bundled_dataset_is_a_folder(tmp_path, capsys, monkeypatch):
    folder = write_families(tmp_path / "umls")
    monkeypatch.chdir(tmp_path)
    for source in ("./umls", str(folder), Path("umls")):
        graph = load(source)
        assert (graph.name, graph.bundled, len(graph.entities)) == ("umls", False, 16)
    assert main(["train", "kg", "--data", "./umls", *SMALL]) == 0
    assert "umls: test facts" in (printed := capsys.readouterr().out) and "ConvE" not in printed
    assert main(["eval", "kg", "--data", "./umls"]) == 0
    assert "umls: test facts" in (printed := capsys.readouterr().out) and "ConvE" not in printed
    (run,) = Path("runs/kg").iterdir()
    assert json.loads((run / "metrics.json").read_text())["dataset"] == "umls"
    assert "ConvE" not in (run / "index.html").read_text()


def test_a_bundled_dataset_says_that_it_is_one(monkeypatch):
    monkeypatch.setattr("einnet.tasks.kg.data._load_bundled", lambda _: family_splits())
    assert load("umls").bundled and not KnowledgeGraph.of(family_splits(), "umls").bundled


@pytest.mark.parametrize(("source", "inside"), [(".", "families"), ("..", "families/deeper"), ("families/", "")])
def test_a_dataset_has_the_name_of_its_folder(source, inside, tmp_path, monkeypatch):
    write_families(tmp_path / "families")
    (tmp_path / "families" / "deeper").mkdir()
    monkeypatch.chdir(tmp_path / inside)
    assert load(source).name == "families"


@pytest.mark.parametrize("name", ODD)
def test_answers_have_names_as_they_are(name, capsys):
    print_answers(f"({name}, r, ?)", [Answer(name, None, "train")], [Answer(name, 0.5, None)])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].strip() == f"({name}, r, ?)"
    assert sum(bool(re.search(rf" {re.escape(name)} ", line)) for line in lines[1:]) == 2


@pytest.mark.parametrize("name", ODD)
def test_explanations_have_names_as_they_are(name, capsys):
    fact = (name, name, name)
    support = (Deletion((fact,), 1.0, 1.0, 2),)
    for facts in (support, ()):
        print_explanation(
            Explanation(fact, "tail", None, score=0.0, rank=1, candidates=9, support=facts, together=None)
        )
    out = capsys.readouterr().out
    assert out.count(f"{name} {name} {name}: the tail has rank 1") == 2 and f" {name} {name} {name} " in out


@pytest.mark.parametrize("name", ODD)
def test_results_have_names_as_they_are_on_the_screen_and_in_the_page(name, tmp_path, capsys):
    printed = [make_results_table(metrics(name, bundled=False))]
    print_report(printed)
    write_report_page(tmp_path, "a report", printed)
    assert capsys.readouterr().out.splitlines()[0].startswith(f"{name}: test facts")
    assert f">{name}: test facts" in (tmp_path / "index.html").read_text()
