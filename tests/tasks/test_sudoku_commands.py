"""`einnet train | eval | predict sudoku`: what they print, what they refuse, exit codes."""

import gzip
import io
import json
import sys

import numpy as np
import pytest

from einnet.cli import main
from einnet.tasks.sudoku.boards import Layout, follows_rules, format_board, read_board
from einnet.tasks.sudoku.generate import generate_puzzles

EASY = "53..7....6..195....98....6.8...6...34..8.3..17...2...6.6....28....419..5....8..79"
HARD = "8..........36......7..9.2...5...7.......457.....1...3...1....68..85...1..9....4.."
SOLVED = "534678912672195348198342567859761423426853791713924856961537284287419635345286179"
SMALL = ["--puzzles", "12", "--batch", "4", "--side", "4", "--hidden", "8", "--heads", "4", "--iterations", "4"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs")
    assert main(["train", "sudoku", "--steps", "200", "--out", str(out), *SMALL]) == 0
    return next((out / "sudoku").iterdir())


def test_a_run_has_its_puzzles_weights_measures_and_pictures(run):
    assert sorted(p.name for p in run.iterdir()) == [
        "best.safetensors", "config.json", "curve.png", "index.html", "last.safetensors", "log.csv",
        "metrics.json", "puzzles.txt.gz", "steps.png",
    ]  # fmt: skip
    metrics = json.loads((run / "metrics.json").read_text())
    assert list(metrics["accuracy"]) == ["1", "2", "4", "8", "16"]
    assert all(0 <= a <= 1 for a in metrics["accuracy"].values())


def test_a_run_goes_on(run, capsys):
    before = (run / "best.safetensors").read_bytes(), (run / "log.csv").read_text()
    assert main(["train", "sudoku", "--resume", str(run)]) == 0
    assert before == ((run / "best.safetensors").read_bytes(), (run / "log.csv").read_text())  # it was at its end
    assert main(["train", "sudoku", "--resume", str(run), "--hidden", "9"]) == 2
    assert "leave out" in capsys.readouterr().err


def test_eval_counts_whole_boards_of_any_size(tmp_path, capsys):
    for side in (4, 6):
        puzzles, solutions = generate_puzzles(Layout.of(side), 12, seed=5, processes=1)
        file = tmp_path / f"{side}.txt"
        file.write_text(
            "\n".join(f"{format_board(p)},{format_board(s)}" for p, s in zip(puzzles, solutions, strict=True))
        )
        assert main(["eval", "sudoku", "--data", str(file), "--json"]) == 0
        result = json.loads(capsys.readouterr().out)
        assert result["boards"] == 12 and result["accuracy"] == result["solved"] / 12 >= 0.9
        file.write_text("\n".join(map(format_board, puzzles)))  # without solutions: by the rules
        assert main(["eval", "sudoku", "--data", str(file), "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["solved"] == result["solved"]
        assert main(["eval", "sudoku", "--data", str(file), "--json", "--limit", "7"]) == 0
        assert json.loads(capsys.readouterr().out)["boards"] == 7


def test_eval_counts_wrong_boards_as_wrong(tmp_path, capsys):
    puzzles, _ = generate_puzzles(Layout.of(9), 4, seed=5, processes=1)
    (tmp_path / "p.txt").write_text("\n".join(map(format_board, puzzles)))
    assert main(["eval", "sudoku", "--data", str(tmp_path / "p.txt"), "--iterations", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) | {"seconds": 0} == {
        "boards": 4, "solved": 0, "accuracy": 0.0, "iterations": 1, "seconds": 0, "left_out": 0,
    }  # fmt: skip


def test_eval_searches_only_where_asked(tmp_path, capsys):
    (tmp_path / "p.txt").write_text(f"{HARD}\n{EASY}\n")
    command = ["eval", "sudoku", "--data", str(tmp_path / "p.txt"), "--iterations", "1"]
    assert main([*command, "--search", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    search = result["search"]
    assert result["solved"] == 0 and search["solved"] == search["decided"] == 2 and search["accuracy"] == 1
    assert search["in one pass"] == 0 and search["guesses"] > 0 and search["seconds"] > 0
    assert main([*command, "--json"]) == 0
    assert "search" not in json.loads(capsys.readouterr().out)
    assert main([*command, "--search"]) == 0
    assert "2 (100.00%) with search" in capsys.readouterr().out


def test_the_former_name_of_iterations_works_and_says_the_new_one(tmp_path, capsys):
    (tmp_path / "p.txt").write_text(EASY)
    assert main(["eval", "sudoku", "--data", str(tmp_path / "p.txt"), "--depth", "3", "--json"]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["iterations"] == 3 and "--iterations" in printed.err


def test_predict_prints_the_board_and_its_steps(tmp_path, capsys):
    picture = tmp_path / "steps.png"
    assert main(["predict", "sudoku", EASY, "--show-steps", "--plot", str(picture)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "5 3 4 | 6 7 8 | 9 1 2" and lines[3] == "------+-------+------" and len(lines) == 25
    assert lines[-1] == "solved in one pass of the network, 0 guesses"
    assert picture.stat().st_size > 3000


def test_predict_as_json(capsys):
    assert main(["predict", "sudoku", EASY, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["solution"] == SOLVED and result["solved"] and result["reason"] is None and not result["search"]
    assert result["guesses"] == 0 and result["solutions"] == [SOLVED]
    assert np.array(result["steps"]).shape == (9, 9)


def test_predict_reads_files_and_standard_input(tmp_path, capsys, monkeypatch):
    file = tmp_path / "two.txt"
    file.write_text(f"# two\n{SOLVED}\n{EASY}\n")
    assert main(["predict", "sudoku", str(file)]) == 0
    assert capsys.readouterr().out.split() == [SOLVED, SOLVED]
    for text in (EASY, "\n".join(EASY[k : k + 9] for k in range(0, 81, 9))):
        monkeypatch.setattr(sys, "stdin", io.StringIO(text))
        assert main(["predict", "sudoku"]) == 0
        assert capsys.readouterr().out.startswith("5 3 4 | 6 7 8")


def test_a_file_with_as_many_puzzles_as_a_row_is_long_is_a_file_of_puzzles(tmp_path, capsys):
    puzzles, solutions = generate_puzzles(Layout.of(4), 16, seed=5, processes=1)
    (tmp_path / "p.txt").write_text("\n".join(map(format_board, puzzles)))
    code = main(["predict", "sudoku", str(tmp_path / "p.txt"), "--tries", "0"])
    lines = capsys.readouterr().out.splitlines()
    right = [line == format_board(s) for line, s in zip(lines, solutions, strict=True)]
    assert code == (0 if all(right) else 1) and sum(right) >= 14
    assert all(
        r or line.startswith(f"# {format_board(p)} not") for r, line, p in zip(right, lines, puzzles, strict=True)
    )
    (tmp_path / "p.txt").write_text("\n".join([EASY] * 81))
    assert main(["predict", "sudoku", str(tmp_path / "p.txt"), "--iterations", "16"]) in (0, 1)
    assert len(capsys.readouterr().out.splitlines()) == 81


def test_one_board_may_have_a_row_on_each_line_of_a_gz_file(tmp_path, capsys):
    with gzip.open(tmp_path / "p.txt.gz", "wt") as f:
        f.write("\n".join(EASY[k : k + 9] for k in range(0, 81, 9)))
    assert main(["predict", "sudoku", str(tmp_path / "p.txt.gz")]) == 0
    assert capsys.readouterr().out.startswith("5 3 4 | 6 7 8")


def test_a_full_board_that_breaks_the_rules_is_no_crash(tmp_path, capsys):
    wrong = SOLVED[:-1] + "8"
    assert main(["predict", "sudoku", wrong, "--tries", "2"]) == 1
    assert "the givens clash" in capsys.readouterr().out
    (tmp_path / "p.txt").write_text(wrong)
    assert main(["eval", "sudoku", "--data", str(tmp_path / "p.txt"), "--search", "--json"]) == 2
    assert "no blanks" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("puzzle", "reason"),
    [
        ("55" + "." * 79, "twice in row 1"),
        ("12345678." + "........9" + "." * 63, "the puzzle has no solution"),
        ("." * 81, "the puzzle has more than one solution"),
    ],
)
def test_puzzles_that_are_none_are_said_to_be_so(puzzle, reason, capsys):
    assert main(["predict", "sudoku", puzzle]) == 1
    assert reason in capsys.readouterr().out


def test_an_answer_that_breaks_a_rule_is_never_shown_as_a_solution(run, capsys):
    assert main(["predict", "sudoku", EASY, "--checkpoint", str(run), "--tries", "0"]) == 1
    out = capsys.readouterr().out
    assert "not solved: in the network's answer" in " ".join(out.split())
    board = "".join(c for line in out.splitlines()[:11] for c in line if c in "123456789.")
    assert board == EASY  # the puzzle, not an answer
    assert main(["predict", "sudoku", EASY, "--checkpoint", str(run), "--tries", "0", "--json"]) == 1
    result = json.loads(capsys.readouterr().out)
    assert result["solution"] is None and result["guesses"] is None


def test_a_poor_network_solves_by_search(run, capsys):
    assert main(["predict", "sudoku", EASY, "--checkpoint", str(run), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["solution"] == SOLVED and result["search"] and result["steps"] is None


def test_a_solution_found_by_search_follows_the_rules_and_is_said_to_be_found_so(capsys):
    puzzles, _ = generate_puzzles(Layout.of(4), 5, seed=7, processes=1)
    for puzzle in puzzles:
        assert main(["predict", "sudoku", format_board(puzzle), "--iterations", "1"]) == 0
        out = capsys.readouterr().out
        assert "guess" in out
        board = read_board("".join(c for line in out.splitlines()[:5] for c in line if c in "1234"))
        assert follows_rules(board[None], puzzle[None]).all()


def test_two_of_several_solutions_are_shown(tmp_path, capsys):
    puzzle = "12..34.." + "." * 8
    assert main(["predict", "sudoku", puzzle]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert "the puzzle has more than one solution" in lines
    boards = [read_board("".join(c for line in lines[k : k + 5] for c in line if c in "1234")) for k in (7, 13)]
    assert follows_rules(np.stack(boards), np.stack([read_board(puzzle)] * 2)).all()
    (tmp_path / "p.txt").write_text(f"{puzzle}\n{puzzle}\n")
    assert main(["predict", "sudoku", str(tmp_path / "p.txt")]) == 1
    line = f"# {puzzle} the puzzle has more than one solution: {format_board(boards[0])}, {format_board(boards[1])}"
    assert capsys.readouterr().out.splitlines() == [line, line]


def test_a_limit_that_is_reached_is_said(capsys):
    assert main(["predict", "sudoku", HARD, "--iterations", "1", "--tries", "1"]) == 1
    assert "not solved with 1 guess (--tries)" in capsys.readouterr().out
    assert main(["predict", "sudoku", "." * 256, "--iterations", "1", "--seconds", "0.001"]) == 1
    assert "not solved within 0.001 s (--seconds)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "phrase"),
    [
        (["predict", "sudoku", EASY[:-1]], "80 cells"),
        (["predict", "sudoku", EASY[:-1] + "x"], "'x' in row 9, column 9"),
        (["predict", "sudoku", "nowhere/puzzles.txt"], "nowhere/puzzles.txt"),
        (["predict", "sudoku", EASY, "--iterations", "0"], "--iterations"),
        (["predict", "sudoku", EASY, "--tries", "-1"], "--tries"),
        (["predict", "sudoku", EASY, "--seconds", "0"], "--seconds"),
        (["predict", "sudoku", "."], "cannot be read"),
        (["predict", "sudoku", ""], "empty"),
        (["predict", "sudoku", " "], "empty"),
        (["predict", "sudoku", EASY, "--plot", "steps.doc"], "steps.doc"),
        (["eval", "sudoku", "--data", "nowhere.txt"], "nowhere.txt"),
        (["eval", "sudoku", "--data", "nowhere.txt", "--tries", "3"], "add --search"),
        (["eval", "sudoku", "--data", "nowhere.txt", "--limit", "-3"], "--limit"),
        (["train", "sudoku", "--puzzles", "1"], "--puzzles"),
        (["train", "sudoku", "--side", "7"], "4, 6, 8, 9"),
        (["train", "sudoku", "--more", "-1"], "--more"),
        (["train", "sudoku", "--data", "nowhere.txt"], "nowhere.txt"),
    ],
)
def test_wrong_input_is_said_plainly(arguments, phrase, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert phrase in " ".join(error.split()) and "Traceback" not in error
