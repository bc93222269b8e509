"""Whole ARC tasks: attempts at tasks made by known rules, the bench, the commands."""

import json
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from einnet.cli import main
from einnet.errors import CheckpointError
from einnet.tasks.arc import benchmark
from einnet.tasks.arc.benchmark import evaluate_puzzle, is_solved, make_tables, run_puzzles, summarize
from einnet.tasks.arc.grids import Pair, Puzzle
from einnet.tasks.arc.network import Boards, train_and_predict
from einnet.tasks.arc.refinement import Family, refine
from einnet.tasks.arc.solve import Problem, _select, _train, solve_puzzle
from einnet.tasks.arc.views import NUMBERS, select_views
from einnet.tasks.report import print_report


def make_puzzle(name: str, rule: Callable, *inputs: np.ndarray) -> Puzzle:
    """A task whose last input is its test."""
    pairs = [Pair(x.astype(np.int8), np.asarray(rule(x)).astype(np.int8)) for x in inputs]
    return Puzzle(name, tuple(pairs[:-1]), (pairs[-1],))


def make_boards(*shapes: tuple[int, int], colours: int = 4) -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    return [rng.integers(0, colours, s) for s in shapes]


def make_sparse(*shapes: tuple[int, int]) -> list[np.ndarray]:
    """One coloured cell in an empty grid."""
    rng, grids = np.random.default_rng(1), [np.zeros(s, int) for s in shapes]
    for k, x in enumerate(grids):
        x[rng.integers(1, x.shape[0] - 1), rng.integers(1, x.shape[1] - 1)] = k % 3 + 1
    return grids


def fill_rows(x):
    return np.repeat(x.max(1)[:, None], x.shape[1], 1)


def cross(x):
    return np.where(fill_rows(x) > 0, fill_rows(x), fill_rows(x.T).T)


def intersect_panels(x):
    left, right = x[:, :4], x[:, 5:]
    return np.where((left > 0) & (right > 0), 2, 0)


def add_line(*inputs):
    for x in inputs:
        x[:, 4] = 9
    return inputs


RULES = {
    "recolour": (lambda x: np.array([0, 5, 6, 7])[x], make_boards((3, 3), (4, 4), (5, 5)), "any permutation of cells"),
    "mirror": (lambda x: x[:, ::-1], make_boards((5, 4), (4, 7), (6, 6), (5, 6)), "mirror images"),
    "rows": (fill_rows, make_sparse((5, 5), (6, 4), (7, 7), (6, 6)), "keeps rows"),
    "cross": (cross, make_sparse((5, 5), (6, 4), (7, 7), (6, 6)), "of rows, of columns and of colours"),
    "panels": (
        intersect_panels,
        add_line(*make_boards((6, 9), (6, 9), (7, 9), (5, 9), colours=2)),
        "panels between lines",
    ),
    "tile": (lambda x: np.tile(x, (2, 2)), make_boards((2, 2), (3, 2), (3, 3)), "2 by 2 copies"),
    "enlarge": (lambda x: np.kron(x, np.ones((2, 2))), make_boards((2, 2), (3, 2), (3, 3)), "2 by 2 copies"),
    "most": (
        lambda x: [[np.bincount(x[x > 0]).argmax()]],
        [np.array([[1, 1, 2]]), np.array([[3, 0, 3], [2, 2, 2]]), np.array([[4, 4, 4, 2, 2, 0]])],
        "equal rank",
    ),
}


@pytest.mark.parametrize("name", RULES)
def test_tasks_of_known_rules_are_solved_and_their_symmetry_is_named(name):
    rule, inputs, phrase = RULES[name]
    puzzle = make_puzzle(name, rule, *inputs)
    outcome = solve_puzzle(puzzle.hide_answers(), networks=False)
    assert is_solved(puzzle, outcome)
    assert any(phrase in a.describe() for a in outcome.attempts), [a.describe() for a in outcome.attempts]
    assert len(outcome.attempts) <= 2


def test_noise_has_no_symmetry_to_find():
    """The same input with two answers: nothing that is a function fits."""
    x = np.array([[1, 2], [2, 1]], np.int8)
    puzzle = Puzzle("noise", (Pair(x, x), Pair(x, x[::-1])), (Pair(x, None),))
    outcome = solve_puzzle(puzzle, networks=False)
    assert (outcome.attempts, outcome.families) == ((), 0) and outcome.views > 0


def make_crossings():
    """A cell turns red where row and column have a blue one: how many others there are is new in the test."""
    rng = np.random.default_rng(1)
    inputs = [(rng.random(s) < 0.25).astype(int) for s in ((6, 6), (7, 7), (6, 8), (9, 9))]
    return make_puzzle("net", lambda x: np.where(x == 0, 2 * (x.any(1)[:, None] & x.any(0)), x), *inputs)


def test_a_network_answers_where_looking_up_does_not():
    puzzle = make_crossings()
    problem = Problem(puzzle.hide_answers(), select_views(puzzle)[0])
    family = Family(("row", "column", "all"), "", problem.fixed_sets[-1], counted=True)
    rounds = refine(problem.lattice, family, problem.answers, problem.known, 3)
    assert rounds is not None and problem.answer(rounds) is None
    boards = Boards(problem.lattice, problem.fixed_sets[-1], neighbours=False)
    numbers = train_and_predict(
        boards, {k: problem.colour_numbers(k) for k in range(3)}, [3], 0, time.monotonic() + 600
    )
    assert numbers is not None and np.array_equal(problem.decode(numbers[0].ravel(), 3), puzzle.tests[0].output)


@pytest.mark.slow
def test_networks_of_both_seeds_that_agree_are_an_attempt():
    puzzle = make_crossings()
    alone = Problem(puzzle.hide_answers(), select_views(puzzle)[0])
    (attempt, *_) = _train(alone, 0, time.monotonic() + 600)
    assert attempt.by_network and "rows" in attempt.symmetry
    assert np.array_equal(attempt.answers[0], puzzle.tests[0].output)
    assert list(_train(alone, 0, time.monotonic() - 1)) == []


@pytest.mark.slow
def test_the_answers_of_the_tests_change_nothing():
    for name, (rule, inputs, _) in RULES.items():
        puzzle = make_puzzle(name, rule, *inputs)
        changed = replace(puzzle, tests=tuple(Pair(p.input, np.ones((1, 1), np.int8)) for p in puzzle.tests))
        attempts = [
            [(a.symmetry, a.answers[0].tolist()) for a in solve_puzzle(p, networks=False).attempts]
            for p in (puzzle, changed)
        ]
        assert attempts[0] == attempts[1]


def test_answers_of_one_colour_but_of_two_shapes_are_two():
    (attempt, *_) = solve_puzzle(
        make_puzzle("one", *RULES["recolour"][:1], *RULES["recolour"][1]), networks=False
    ).attempts
    flat, tall = (replace(attempt, answers=(np.ones(s, np.int8),)) for s in ((1, 4), (4, 1)))
    assert len(_select([flat, tall, flat])) == 2


def test_the_time_limit_holds():
    started = time.monotonic()
    outcome = solve_puzzle(
        make_puzzle("noise", lambda x: x[::-1] // 2 * 2 + x % 2, *make_boards((20, 20), (20, 21), (22, 20))), 0.2
    )
    assert time.monotonic() - started < 5 and outcome.out_of_time


def test_numbers_of_cells_are_no_colours():
    """Panels with most cells: the numbers next to their colours are never exchanged with colours."""
    x = np.zeros((4, 8), int)
    x[0, 0], x[:3, 4] = 3, 2
    puzzle = make_puzzle("panels", lambda g: g[:1, ::4], x, x)
    view = next(v for v in select_views(puzzle) if v.name.startswith("one cell"))
    problem = Problem(puzzle, view)
    numbers = {c for c in problem.lattice.colours.tolist() if c >= NUMBERS}
    assert numbers and all(numbers <= fixed for fixed in problem.fixed_sets)


def test_the_shape_of_the_answer_comes_from_the_demonstrations():
    puzzle = make_puzzle("half", lambda x: x[: len(x) // 2], *make_boards((4, 3), (6, 3), (6, 4), (8, 5)))
    (attempt, *_) = solve_puzzle(puzzle.hide_answers(), networks=False).attempts
    assert attempt.answers[0].shape == (4, 5)
    assert (
        select_views(make_puzzle("odd", lambda x: x[:1, : len(x) // 2 + 1], *make_boards((5, 5), (6, 6), (7, 7)))) == []
    )


@pytest.fixture
def puzzles():
    good = make_puzzle("good", *[RULES["mirror"][0]], *RULES["mirror"][1])
    wrong = make_puzzle("wrong", *[RULES["mirror"][0]], *RULES["mirror"][1])
    wrong = Puzzle("wrong", wrong.demonstrations, (Pair(wrong.tests[0].input, wrong.tests[0].input),))
    none = make_puzzle("none", lambda x: x[:1, : len(x) // 2 + 1], *make_boards((5, 5), (6, 6), (7, 7)))
    return {p.name: p for p in (good, wrong, none)}


def test_the_bench_counts_and_is_resumed(tmp_path, puzzles):
    results = run_puzzles(puzzles, tmp_path, 20, networks=False, processes=1)
    summary = summarize(results)
    assert (summary["tasks"], summary["solved"], summary["attempted"]) == (3, 1, 2)
    assert {n: r["failure"] for n, r in results.items()} == {
        "good": None, "wrong": "wrong answer", "none": "no view fits",
    }  # fmt: skip
    written = (tmp_path / "tasks" / "good.json").stat().st_mtime_ns
    (tmp_path / "tasks" / "wrong.json").unlink()
    again = run_puzzles(puzzles, tmp_path, 20, networks=False, processes=1)
    assert again["wrong"]["attempts"] == results["wrong"]["attempts"]
    assert (tmp_path / "tasks" / "good.json").stat().st_mtime_ns == written
    renamed = replace(puzzles["none"], name="good")  # another task of that name is not taken for this one
    again = run_puzzles({"good": renamed}, tmp_path, 20, networks=False, processes=1)
    assert again["good"]["failure"] == "no view fits"
    with pytest.raises(CheckpointError, match="another folder"):
        run_puzzles(puzzles, tmp_path, 30, networks=False, processes=1)


def test_an_exception_in_a_task_is_its_result(puzzles, monkeypatch):
    monkeypatch.setattr(benchmark, "solve_puzzle", lambda *_: [][0])
    result = evaluate_puzzle(puzzles["good"], 20, networks=False)
    assert (result["failure"], result["error"]) == ("error", "IndexError: list index out of range")
    assert result["solved"] is False


def write_puzzle(puzzle: Puzzle, folder) -> str:
    def pairs(some):
        return [{"input": p.input.tolist(), "output": p.output.tolist()} for p in some]

    file = folder / f"{puzzle.name}.json"
    file.write_text(json.dumps({"train": pairs(puzzle.demonstrations), "test": pairs(puzzle.tests)}))
    return str(file)


def test_the_commands(tmp_path, puzzles, capsys):
    data = tmp_path / "data"
    data.mkdir()
    files = [write_puzzle(p, data) for p in puzzles.values()]
    assert main(["train", "arc", "--task", files[0], "--out", str(tmp_path / "runs"), "--no-networks", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["solved"] is True and "mirror images" in answer["attempts"][0]["symmetry"]
    (run,) = (tmp_path / "runs" / "arc").iterdir()
    assert {"answers.json", "task.png", "config.json"} <= {f.name for f in run.iterdir()}

    out = tmp_path / "bench"
    command = ["bench", "arc", "--set", "training", "--data", str(data), "--out", str(out), "--no-networks"]
    assert main([*command, "--processes", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["solved"] == 1
    assert json.loads((out / "results.json").read_text())["per_task"]["good"]["solved"] is True
    page = (out / "index.html").read_text()
    assert "good solved" in page and "wrong not solved" in page and "mirror images" in page

    assert main(["train", "arc", "--task", "nowhere", "--data", str(data)]) == 2
    assert "no task 'nowhere'" in capsys.readouterr().err
    assert main(["train", "arc", "--task", "wrong", "--data", str(data), "--no-networks", "--out", str(out)]) == 1
    assert "No attempt is right" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["5$ to 9_$", "[bold]x"])
def test_the_name_of_a_task_is_no_markup(name, tmp_path, puzzles, capsys):
    file = write_puzzle(replace(puzzles["none"], name=name), tmp_path)
    assert main(["train", "arc", "--task", file, "--no-networks", "--out", str(tmp_path / "runs")]) == 1
    printed = capsys.readouterr()
    assert f"{name}: no answer" in printed.out and "task.png, index.html" in printed.err
    summary = {"solved": 0, "tasks": 1, "answers not known": 0, "attempted": 0, "seconds": 1, "failures": {}}
    print_report(make_tables(summary, name))
    assert name in capsys.readouterr().out


@pytest.mark.parametrize("wrong", [["--seconds", "0"], ["--seconds", "nan"], ["--limit", "0"], ["--processes", "-1"]])
def test_numbers_that_make_no_sense_are_refused(wrong, capsys):
    assert main(["bench", "arc", "--set", "training", *wrong]) == 2
    assert "must be" in capsys.readouterr().err
