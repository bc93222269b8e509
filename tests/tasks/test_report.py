"""The page of a run: it holds results, pictures and settings, and nothing else is needed to look at it."""

import json
import re

import pytest
from rich.table import Table

from einnet.cli import main
from einnet.tasks.graphs.brec import make_tables as make_graph_tables
from einnet.tasks.kg.evaluate import PUBLISHED, make_results_table
from einnet.tasks.report import Results, Suggestion, finish_run, print_report, write_report_page, write_run_page
from einnet.train.run import Run
from families import write_families


def a_run(tmp_path):
    run = Run.create(
        tmp_path, "kg", {"config": {"depth": 3, "<b>": "<i>"}, "options": {"seed": 7}, "relations": list("abc")}
    )
    (run.folder / "curve.png").write_bytes(b"PNG curve")
    return run


def metrics():
    values = {"mrr": 0.9612, "hits@1": 0.5, "hits@3": 0.75, "hits@10": 1.0}
    return {"dataset": "kinship", "bundled": True, "test": {"train": {"pessimistic": values}}}


def test_a_report_holds_results_published_rows_pictures_and_settings(tmp_path, capsys):
    run = a_run(tmp_path)
    drawn = {"relations.png": ("what is predicted", lambda path: path.write_bytes(b"PNG relations"))}
    finish_run(run, Results(metrics(), [make_results_table(metrics())], drawn))
    html = (run.folder / "index.html").read_text()
    assert "0.9612" in html and all(model in html for model, *_ in PUBLISHED["kinship"])
    assert "Dettmers" in html  # where a published figure comes from
    assert html.count("data:image/png;base64,") == 2 and "what is predicted" in html
    assert "config.depth" in html and "options.seed" in html and "&lt;b&gt;" in html and "<b>" not in html
    assert all(s.startswith("data:") for s in re.findall(r'(?:src|href)="([^"]*)"', html)) and "<script" not in html
    printed = capsys.readouterr()
    assert "0.9612" in printed.out and "index.html" in printed.err


def test_a_report_ends_with_what_was_reached_and_what_next(tmp_path, capsys):
    run = a_run(tmp_path)
    suggestion = Suggestion("einnet predict kg --head 'ann <1>'", "import einnet.tasks.kg\nnet = 1\nprint(net)")
    finish_run(run, Results(metrics(), [make_results_table(metrics()), "It reaches 0.96."]), suggestion=suggestion)
    printed = capsys.readouterr()
    assert printed.out.endswith("It reaches 0.96.\n")
    assert printed.err.endswith(f"Next: {suggestion.command}\nIn Python:\n{suggestion.code}\n")
    html = (run.folder / "index.html").read_text()
    assert html.index("It reaches 0.96.") < html.index("ann &lt;1&gt;") < html.index("import einnet.tasks.kg")


def test_a_run_that_was_ended_early_has_a_report_without_results(tmp_path):
    run = a_run(tmp_path)
    write_run_page(run)
    html = (run.folder / "index.html").read_text()
    assert "ended early" in html and html.count("data:image/png;base64,") == 1


def test_results_are_saved_and_shown_before_pictures_which_may_fail(tmp_path, capsys):
    run = a_run(tmp_path)

    def fails(path):
        assert path == run.folder / "relations.png"
        assert (
            json.loads((run.folder / "metrics.json").read_text()) == metrics() and "0.9612" in capsys.readouterr().out
        )
        raise RuntimeError("no ink")

    finish_run(run, Results(metrics(), [make_results_table(metrics())], {"relations.png": ("predicted", fails)}))
    message = capsys.readouterr().err
    assert "relations.png is not drawn: RuntimeError: no ink" in message
    assert "metrics.json, curve.png, index.html" in message  # of the files that are there
    html = (run.folder / "index.html").read_text()
    assert "0.9612" in html and html.count("data:image/png;base64,") == 1


@pytest.mark.parametrize(
    ("task", "arguments"),
    [
        ("kg", ["--hidden", "8", "--heads", "2", "--depth", "1"]),
        ("pinv", ["--matrices", "8", "--hidden", "8", "--heads", "2", "--depth", "1"]),
        ("poker", ["--deals", "100", "--batch", "8", "--hidden", "8", "--heads", "2", "--depth", "1"]),
        ("sudoku", ["--puzzles", "4", "--batch", "2", "--side", "4", "--hidden", "8", "--heads", "2"]),
    ],
)
def test_a_training_has_its_metrics_where_no_picture_can_be_drawn(task, arguments, tmp_path, capsys, monkeypatch):
    def fails(*_, **__):
        raise ValueError("no ink")

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", fails)
    if task == "kg":
        arguments = [*arguments, "--data", str(write_families(tmp_path / "families"))]
    assert main(["train", task, "--steps", "1", "--out", str(tmp_path / "runs"), *arguments]) == 0
    (folder,) = (tmp_path / "runs" / task).iterdir()
    assert json.loads((folder / "metrics.json").read_text()) and (folder / "index.html").is_file()
    assert not list(folder.glob("*.png"))
    printed = capsys.readouterr()
    assert printed.out and printed.err.count(".png is not drawn: ValueError: no ink") == 2
    assert "best.safetensors, metrics.json, log.csv, index.html" in printed.err


def test_the_report_of_a_benchmark_has_its_tables_and_sentences(tmp_path):
    table = Table("category", "pairs", title="pairs told apart")
    table.add_row("Basic", "60", style="bold")
    write_report_page(tmp_path, "a benchmark", [table, "9 s of one core"])
    html = (tmp_path / "index.html").read_text()
    assert '<tr class="strong"><td>Basic</td><td>60</td></tr>' in html
    assert "pairs told apart" in html and "9 s of one core" in html


def test_names_in_the_table_of_a_benchmark_stand_as_they_are(tmp_path, capsys):
    row = {"pairs": 1, "apart": 1, "false positives": 0}
    how = {"protocol": "trained", "order": 2, "marks": 0, "depth": 6, "seconds": 1, "peak_mib": 1}
    printed = make_graph_tables({**how, "categories": {"[/b]:cat:\\": row}, "total": row}, "[bold]x\\")
    write_report_page(tmp_path, "a benchmark", printed)
    print_report(printed)
    for text in ((tmp_path / "index.html").read_text(), capsys.readouterr().out):
        assert re.search(r"\[/b\]:cat:\\[^\\]", text) and "[bold]x\\: trained" in text
