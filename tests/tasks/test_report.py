"""The page of a run: it holds results, pictures and settings, and nothing else is needed to look at it."""

import re

from rich.table import Table

from einnet.tasks.kg.report import PUBLISHED, results
from einnet.tasks.report import concluded, report_of, write_report
from einnet.train.run import Run


def a_run(tmp_path):
    run = Run.create(
        tmp_path, "kg", {"settings": {"depth": 3, "<b>": "<i>"}, "options": {"seed": 7}, "relations": list("abc")}
    )
    for name in ("curve.png", "relations.png"):
        (run.folder / name).write_bytes(b"PNG " + name.encode())
    return run


def metrics():
    found = {"mrr": 0.9612, "hits@1": 0.5, "hits@3": 0.75, "hits@10": 1.0}
    return {"test": {"train": {"pessimistic": found}}}


def test_a_report_holds_results_published_rows_pictures_and_settings(tmp_path, capsys):
    run = a_run(tmp_path)
    concluded(run, metrics(), [results("kinship", metrics())], {"relations.png": "what is predicted"})
    html = (run.folder / "index.html").read_text()
    assert "0.9612" in html and all(model in html for model, *_ in PUBLISHED["kinship"])
    assert "Dettmers" in html  # where a published figure comes from
    assert html.count("data:image/png;base64,") == 2 and "what is predicted" in html
    assert "settings.depth" in html and "options.seed" in html and "&lt;b&gt;" in html and "<b>" not in html
    assert all(s.startswith("data:") for s in re.findall(r'(?:src|href)="([^"]*)"', html)) and "<script" not in html
    shown = capsys.readouterr()
    assert "0.9612" in shown.out and "index.html" in shown.err


def test_a_run_that_was_ended_early_has_a_report_without_results(tmp_path):
    run = a_run(tmp_path)
    write_report(run)
    html = (run.folder / "index.html").read_text()
    assert "ended early" in html and html.count("data:image/png;base64,") == 1


def test_the_report_of_a_benchmark_has_its_tables_and_sentences(tmp_path):
    table = Table("category", "pairs", title="pairs told apart")
    table.add_row("Basic", "60", style="bold")
    report_of(tmp_path, "a benchmark", [table, "9 s of one core"])
    html = (tmp_path / "index.html").read_text()
    assert '<tr class="strong"><td>Basic</td><td>60</td></tr>' in html
    assert "pairs told apart" in html and "9 s of one core" in html
