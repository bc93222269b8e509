"""Whole ARC tasks: attempts at tasks made by known rules, the bench, the commands."""

import json
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from einnet.cli import main
from einnet.errors import CheckpointError
from einnet.tasks.arc import bench
from einnet.tasks.arc.bench import measured, solved, summary, unanswered
from einnet.tasks.arc.families import Family
from einnet.tasks.arc.grids import Pair, Puzzle
from einnet.tasks.arc.net import Boards, guesses
from einnet.tasks.arc.problem import Problem
from einnet.tasks.arc.refinement import refined
from einnet.tasks.arc.report import print_summary
from einnet.tasks.arc.solve import _best, _trained, attempts
from einnet.tasks.arc.views import NUMBERS, fitting_views


def made(name: str, rule: Callable, *inputs: np.ndarray) -> Puzzle:
    """A task whose last input is its test."""
    pairs = [Pair(x.astype(np.int8), np.asarray(rule(x)).astype(np.int8)) for x in inputs]
    return Puzzle(name, tuple(pairs[:-1]), (pairs[-1],))


def boards(*shapes: tuple[int, int], colours: int = 4) -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    return [rng.integers(0, colours, s) for s in shapes]


def sparse(*shapes: tuple[int, int]) -> list[np.ndarray]:
    """One coloured cell in an empty grid."""
    rng, found = np.random.default_rng(1), [np.zeros(s, int) for s in shapes]
    for k, x in enumerate(found):
        x[rng.integers(1, x.shape[0] - 1), rng.integers(1, x.shape[1] - 1)] = k % 3 + 1
    return found


def filled_row(x):
    return np.repeat(x.max(1)[:, None], x.shape[1], 1)


def cross(x):
    return np.where(filled_row(x) > 0, filled_row(x), filled_row(x.T).T)


def panels_and(x):
    left, right = x[:, :4], x[:, 5:]
    return np.where((left > 0) & (right > 0), 2, 0)


def with_line(*inputs):
    for x in inputs:
        x[:, 4] = 9
    return inputs


RULES = {
    "recolour": (lambda x: np.array([0, 5, 6, 7])[x], boards((3, 3), (4, 4), (5, 5)), "any permutation of cells"),
    "mirror": (lambda x: x[:, ::-1], boards((5, 4), (4, 7), (6, 6), (5, 6)), "mirror images"),
    "rows": (filled_row, sparse((5, 5), (6, 4), (7, 7), (6, 6)), "keeps rows"),
    "cross": (cross, sparse((5, 5), (6, 4), (7, 7), (6, 6)), "of rows, of columns and of colours"),
    "panels": (panels_and, with_line(*boards((6, 9), (6, 9), (7, 9), (5, 9), colours=2)), "panels between lines"),
    "tile": (lambda x: np.tile(x, (2, 2)), boards((2, 2), (3, 2), (3, 3)), "2 by 2 copies"),
    "enlarge": (lambda x: np.kron(x, np.ones((2, 2))), boards((2, 2), (3, 2), (3, 3)), "2 by 2 copies"),
    "most": (
        lambda x: [[np.bincount(x[x > 0]).argmax()]],
        [np.array([[1, 1, 2]]), np.array([[3, 0, 3], [2, 2, 2]]), np.array([[4, 4, 4, 2, 2, 0]])],
        "equal rank",
    ),
}


@pytest.mark.parametrize("name", RULES)
def test_tasks_of_known_rules_are_solved_and_their_symmetry_is_named(name):
    rule, inputs, said = RULES[name]
    puzzle = made(name, rule, *inputs)
    outcome = attempts(unanswered(puzzle), networks=False)
    assert solved(puzzle, outcome)
    assert any(said in a.describe() for a in outcome.attempts), [a.describe() for a in outcome.attempts]
    assert len(outcome.attempts) <= 2


def test_noise_has_no_symmetry_to_find():
    """The same input with two answers: nothing that is a function fits."""
    x = np.array([[1, 2], [2, 1]], np.int8)
    puzzle = Puzzle("noise", (Pair(x, x), Pair(x, x[::-1])), (Pair(x, None),))
    outcome = attempts(puzzle, networks=False)
    assert (outcome.attempts, outcome.consistent) == ((), 0) and outcome.views > 0


def crossings():
    """A cell turns red where row and column have a blue one: how many others there are is new in the test."""
    rng = np.random.default_rng(1)
    inputs = [(rng.random(s) < 0.25).astype(int) for s in ((6, 6), (7, 7), (6, 8), (9, 9))]
    return made("net", lambda x: np.where(x == 0, 2 * (x.any(1)[:, None] & x.any(0)), x), *inputs)


def test_a_network_answers_where_looking_up_does_not():
    puzzle = crossings()
    problem = Problem(unanswered(puzzle), fitting_views(puzzle)[0])
    family = Family(("row", "column", "all"), "", problem.apart[-1], counted=True)
    rounds = refined(problem.lattice, family, problem.answers, problem.known, 3)
    assert rounds is not None and problem.from_labels(rounds)[0] == [None]
    boards_of = Boards(problem.lattice, problem.apart[-1], neighbours=False)
    found = guesses(boards_of, dict(enumerate(problem.numbers(range(3)))), [3], 0, time.monotonic() + 600)
    assert found is not None and np.array_equal(problem.painted(found[0].ravel(), 3), puzzle.tests[0].output)


@pytest.mark.slow
def test_networks_of_both_seeds_that_agree_are_an_attempt():
    puzzle = crossings()
    alone = Problem(unanswered(puzzle), fitting_views(puzzle)[0])
    (found, *_) = _trained(alone, 0, time.monotonic() + 600)
    assert found.network and "rows" in found.symmetry
    assert np.array_equal(found.answers[0], puzzle.tests[0].output)
    assert list(_trained(alone, 0, time.monotonic() - 1)) == []


def test_the_answers_of_the_tests_change_nothing():
    for name, (rule, inputs, _) in RULES.items():
        puzzle = made(name, rule, *inputs)
        other = replace(puzzle, tests=tuple(Pair(p.input, np.ones((1, 1), np.int8)) for p in puzzle.tests))
        found = [
            [(a.symmetry, a.answers[0].tolist()) for a in attempts(p, networks=False).attempts] for p in (puzzle, other)
        ]
        assert found[0] == found[1]


def test_answers_of_one_colour_but_of_two_shapes_are_two():
    (attempt, *_) = attempts(made("one", *RULES["recolour"][:1], *RULES["recolour"][1]), networks=False).attempts
    flat, tall = (replace(attempt, answers=(np.ones(s, np.int8),)) for s in ((1, 4), (4, 1)))
    assert len(_best([flat, tall, flat])) == 2


def test_the_time_is_kept():
    started = time.monotonic()
    outcome = attempts(made("noise", lambda x: x[::-1] // 2 * 2 + x % 2, *boards((20, 20), (20, 21), (22, 20))), 0.2)
    assert time.monotonic() - started < 5 and outcome.out_of_time


def test_numbers_of_cells_are_no_colours():
    """Panels with most cells: the numbers beside their colours never change places with colours."""
    x = np.zeros((4, 8), int)
    x[0, 0], x[:3, 4] = 3, 2
    puzzle = made("panels", lambda g: g[:1, ::4], x, x)
    view = next(v for v in fitting_views(puzzle) if v.name.startswith("one cell"))
    problem = Problem(puzzle, view)
    numbers = {c for c in problem.lattice.colours.tolist() if c >= NUMBERS}
    assert numbers and all(numbers <= apart for apart in problem.apart)


def test_the_shape_of_the_answer_comes_from_the_demonstrations():
    puzzle = made("half", lambda x: x[: len(x) // 2], *boards((4, 3), (6, 3), (6, 4), (8, 5)))
    (attempt, *_) = attempts(unanswered(puzzle), networks=False).attempts
    assert attempt.answers[0].shape == (4, 5)
    assert fitting_views(made("odd", lambda x: x[:1, : len(x) // 2 + 1], *boards((5, 5), (6, 6), (7, 7)))) == []


@pytest.fixture
def puzzles():
    good = made("good", *[RULES["mirror"][0]], *RULES["mirror"][1])
    wrong = made("wrong", *[RULES["mirror"][0]], *RULES["mirror"][1])
    wrong = Puzzle("wrong", wrong.demonstrations, (Pair(wrong.tests[0].input, wrong.tests[0].input),))
    none = made("none", lambda x: x[:1, : len(x) // 2 + 1], *boards((5, 5), (6, 6), (7, 7)))
    return {p.name: p for p in (good, wrong, none)}


def test_the_bench_counts_and_goes_on_where_it_was(tmp_path, puzzles):
    found = measured(puzzles, tmp_path, 20, networks=False, processes=1)
    result = summary(found)
    assert (result["tasks"], result["solved"], result["attempted"]) == (3, 1, 2)
    assert {n: r["failure"] for n, r in found.items()} == {
        "good": None, "wrong": "answered wrongly", "none": "no view fits",
    }  # fmt: skip
    kept = (tmp_path / "tasks" / "good.json").stat().st_mtime_ns
    (tmp_path / "tasks" / "wrong.json").unlink()
    again = measured(puzzles, tmp_path, 20, networks=False, processes=1)
    assert again["wrong"]["attempts"] == found["wrong"]["attempts"]
    assert (tmp_path / "tasks" / "good.json").stat().st_mtime_ns == kept
    renamed = replace(puzzles["none"], name="good")  # another task of that name is not taken for this one
    assert measured({"good": renamed}, tmp_path, 20, networks=False, processes=1)["good"]["failure"] == "no view fits"
    with pytest.raises(CheckpointError, match="another folder"):
        measured(puzzles, tmp_path, 30, networks=False, processes=1)


def test_a_task_that_fails_is_named_and_ends_nothing(tmp_path, puzzles, monkeypatch):
    monkeypatch.setattr(bench, "attempts", lambda *_: [][0])
    (tmp_path / "tasks").mkdir()
    bench._one(puzzles["good"], tmp_path, 20, False)
    found = json.loads((tmp_path / "tasks" / "good.json").read_text())
    assert (found["failure"], found["error"], found["solved"]) == (
        "error",
        "IndexError: list index out of range",
        False,
    )


def written(puzzle: Puzzle, folder) -> str:
    def pairs(some):
        return [{"input": p.input.tolist(), "output": p.output.tolist()} for p in some]

    file = folder / f"{puzzle.name}.json"
    file.write_text(json.dumps({"train": pairs(puzzle.demonstrations), "test": pairs(puzzle.tests)}))
    return str(file)


def test_the_commands(tmp_path, puzzles, capsys):
    data = tmp_path / "data"
    data.mkdir()
    files = [written(p, data) for p in puzzles.values()]
    assert main(["train", "arc", "--task", files[0], "--out", str(tmp_path / "runs"), "--no-networks", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["solved"] is True and "mirror images" in answer["attempts"][0]["symmetry"]
    (run,) = (tmp_path / "runs" / "arc").iterdir()
    assert {"answers.json", "task.png", "config.json"} <= {f.name for f in run.iterdir()}

    out = tmp_path / "bench"
    asked = ["bench", "arc", "--set", "training", "--data", str(data), "--out", str(out), "--no-networks"]
    assert main([*asked, "--processes", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["solved"] == 1
    assert json.loads((out / "results.json").read_text())["per_task"]["good"]["solved"] is True
    page = (out / "index.html").read_text()
    assert "good solved" in page and "wrong not solved" in page and "mirror images" in page

    assert main(["train", "arc", "--task", "nowhere", "--data", str(data)]) == 2
    assert "nowhere.json" in capsys.readouterr().err
    assert main(["train", "arc", "--task", "wrong", "--data", str(data), "--no-networks", "--out", str(out)]) == 1
    assert "No attempt is right" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["5$ to 9_$", "[bold]x"])
def test_the_name_of_a_task_stands_as_it_is(name, tmp_path, puzzles, capsys):
    file = written(replace(puzzles["none"], name=name), tmp_path)
    assert main(["train", "arc", "--task", file, "--no-networks", "--out", str(tmp_path / "runs")]) == 1
    shown = capsys.readouterr()
    assert f"{name}: no answer" in shown.out and "task.png, index.html" in shown.err
    print_summary({"solved": 0, "tasks": 1, "answers not known": 0, "attempted": 0, "seconds": 1, "failures": {}}, name)
    assert f"{name}: 0 of 1 tasks solved" in capsys.readouterr().out


@pytest.mark.parametrize("wrong", [["--seconds", "0"], ["--seconds", "nan"], ["--limit", "0"], ["--processes", "-1"]])
def test_numbers_that_make_no_sense_are_refused(wrong, capsys):
    assert main(["bench", "arc", "--set", "training", *wrong]) == 2
    assert "must be" in capsys.readouterr().err
