"""The page of results: a section for each benchmark, which its command rewrites."""

import runpy
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BENCHMARKS = ("kg", "sudoku", "poker", "arc", "pinv", "series", "brec", "bridge", "grail", "speed")


@pytest.fixture(scope="module")
def results_page():
    return runpy.run_path(str(ROOT / "benchmarks" / "results_page.py"))


@pytest.mark.parametrize("name", BENCHMARKS)
def test_the_page_has_a_section_for_each_benchmark_and_only_this_is_replaced(results_page, tmp_path, name):
    text, copy = (ROOT / "docs" / "results.md").read_text(), tmp_path / "results.md"
    copy.write_text(text)
    results_page["replace_section"](copy, name, "| new |")
    before, _, after = text.partition(f"<!-- {name} -->\n")
    after = after.partition(f"<!-- /{name} -->")[2]
    assert copy.read_text() == f"{before}<!-- {name} -->\n| new |\n<!-- /{name} -->{after}"


@pytest.mark.parametrize("text", ["", "<!-- kg -->\n", "<!-- kg -->\n<!-- /kg -->\n<!-- kg -->\n<!-- /kg -->\n"])
def test_a_page_without_one_section_is_left_alone(results_page, tmp_path, text):
    page = tmp_path / "results.md"
    page.write_text(text)
    with pytest.raises(SystemExit, match="kg"):
        results_page["replace_section"](page, "kg", "| new |")
    assert page.read_text() == text


def test_each_benchmark_has_a_script_that_names_its_section():
    for name in BENCHMARKS:
        script = ROOT / "benchmarks" / (f"{name}/__main__.py" if name == "speed" else f"{name}.py")
        assert f'write_results("{name}", ' in script.read_text()


def test_times_in_turns_and_memory(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(ROOT / "benchmarks"), *sys.path])
    measure, torch = runpy.run_path(str(ROOT / "benchmarks" / "measure.py")), pytest.importorskip("torch")
    calls = []
    times = measure["time_in_turns"]([lambda: calls.append(1), lambda: calls.append(2)], min_rounds=4)
    assert calls == [1, 2] * 5 and [len(t) for t in times] == [4, 4]
    assert measure["measure_allocated_mib"](lambda: torch.ones(2**18) + 1) == pytest.approx(2, abs=0.1)
