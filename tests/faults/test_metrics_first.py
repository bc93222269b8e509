"""What only shows the results must not cost them: a page, a picture, a place where nothing can be written."""

import errno
import json
import os
import sys

import pytest

from einnet.tasks import bench
from einnet.tasks.report import Results, finish_run
from einnet.train import Run

METRICS = {"mrr": 0.5}


def fail(*_, **__):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def make_run(folder) -> Run:
    return Run.create(folder, "kg", {"config": {"data": str(folder)}, "options": {}})


def test_a_page_that_cannot_be_written(tmp_path, monkeypatch, capsys):
    run = make_run(tmp_path)
    monkeypatch.setattr("einnet.pages.write_page", fail)
    finish_run(run, Results(METRICS, ["half of them"]))
    printed = capsys.readouterr()
    assert json.loads((run.folder / "metrics.json").read_text()) == METRICS and "half of them" in printed.out
    assert f"{run.folder / 'index.html'} is not written: OSError" in printed.err
    assert printed.err.splitlines()[-1].endswith(": metrics.json")


def test_metrics_that_cannot_be_saved_are_printed(tmp_path, monkeypatch, capsys):
    run = make_run(tmp_path)
    monkeypatch.setattr("einnet.files.write_whole", fail)
    with pytest.raises(OSError, match="No space left"):
        finish_run(run, Results(METRICS, ["half of them"]))
    assert "half of them" in capsys.readouterr().out


def test_a_benchmark_prints_before_its_page(tmp_path, monkeypatch, capsys):
    def make_sections():
        assert json.loads(capsys.readouterr().out) == METRICS
        assert json.loads((tmp_path / "results.json").read_text()) == METRICS
        raise RuntimeError("no ink")

    bench.report_results(tmp_path, "pairs", "a title", METRICS, ["half of them"], True, make_sections)
    assert "index.html is not written: RuntimeError: no ink" in capsys.readouterr().err
    monkeypatch.setattr("einnet.files.write_whole", fail)
    with pytest.raises(OSError, match="No space left"):
        bench.report_results(tmp_path, "pairs", "a title", METRICS, ["half of them"], True)
    assert json.loads(capsys.readouterr().out) == METRICS


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="its names of files are Unicode")
def test_a_folder_whose_name_is_not_utf8(tmp_path, monkeypatch):
    folder, messages = tmp_path / os.fsdecode(b"caf\xe9"), []
    monkeypatch.setattr("einnet.tasks.report.log", messages.append)
    run = make_run(folder)
    finish_run(run, Results(METRICS, ["half of them"]))
    assert json.loads((run.folder / "metrics.json").read_text()) == METRICS
    assert "caf\\udce9" in (run.folder / "index.html").read_text(encoding="utf-8")
    assert Run.open(run.folder, "kg").read_config()["config"]["data"] == str(folder)
    assert messages == [f"Saved in {run.folder}: metrics.json, index.html"]


def test_results_of_processes_that_were_killed_while_writing_leave_no_file(tmp_path):
    (tmp_path / "pairs").mkdir()
    for name in (".results.json.part-ab.json", "pairs/.1.json.part-ab.json"):
        (tmp_path / name).write_text("half of")
    assert bench.run_items({}, len, str, tmp_path, "pairs", {}) == {}
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["conditions.json", "pairs"]
