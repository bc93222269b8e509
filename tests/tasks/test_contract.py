"""Every task keeps the contract of `einnet.testing.check_task`; a task that breaks it is named."""

import pytest

from einnet.tasks.kg.app import KgApp
from einnet.tasks.pinv.app import PinvApp
from einnet.tasks.poker.app import PokerApp
from einnet.tasks.ratings.app import RatingsApp
from einnet.tasks.sudoku.app import SudokuApp
from einnet.tasks.sudoku.boards import Layout, format_board
from einnet.tasks.sudoku.generate import generate_puzzles
from einnet.testing import check_task
from einnet.train.run import Run
from families import write_families

NET = ["--hidden", "4", "--heads", "2"]


@pytest.fixture
def run_suggestion(capsys):
    """Executes the Python that the run of `check_task` suggests, which has to print something."""

    def run_suggestion(app, folder):
        (complete,) = (folder / "complete" / app.name).iterdir()
        config, options = app.read_config(run := Run(complete))
        suggestion = app.suggest(run, config, app.load_data(config, options.seed, run))
        capsys.readouterr()
        exec(suggestion.code, {})
        assert capsys.readouterr().out.strip()

    return run_suggestion


def test_kg(tmp_path, run_suggestion):
    data = write_families(tmp_path / "families")
    query = ["--relation", "parent", "--head", "ann0"]
    check_task(KgApp(), tmp_path / "runs", ["--data", str(data), "--depth", "1", *NET], predict=query)
    run_suggestion(KgApp(), tmp_path / "runs")


def test_pinv(tmp_path, run_suggestion):
    check_task(PinvApp(), tmp_path, ["--matrices", "8", "--batch", "4", "--depth", "2", *NET])
    run_suggestion(PinvApp(), tmp_path)


def test_poker(tmp_path, monkeypatch, run_suggestion):
    monkeypatch.setattr("einnet.tasks.poker.evaluate.KINDS", [(2, 5), (3, 7)])
    hands = ["AS KS QS JS TS | 2C 2D 2H 3S 3D"]
    check_task(PokerApp(), tmp_path, ["--deals", "60", "--batch", "8", "--depth", "1", *NET], predict=hands)
    run_suggestion(PokerApp(), tmp_path)


def test_ratings(tmp_path, run_suggestion):
    file = tmp_path / "ratings.csv"
    file.write_text("".join(f"u{u},i{i},{(u * i) % 5 + 1}\n" for u in range(12) for i in range(9) if (u + i) % 3))
    check_task(RatingsApp(), tmp_path / "runs", ["--data", str(file), "--depth", "1", *NET], predict=["--user", "u1"])
    run_suggestion(RatingsApp(), tmp_path / "runs")


def test_sudoku(tmp_path, monkeypatch, run_suggestion):
    monkeypatch.setattr("einnet.tasks.sudoku.solve.TEST", 4)
    boards = zip(*generate_puzzles(Layout.of(4), 6, seed=0, processes=1), strict=True)
    file = tmp_path / "boards.txt"
    file.write_text("".join(f"{format_board(p)},{format_board(s)}\n" for p, s in boards))
    tiny = ["--data", str(file), "--puzzles", "6", "--batch", "2", "--side", "4", "--iterations", "2", *NET]
    check_task(SudokuApp(), tmp_path / "runs", tiny, evaluate=["--data", str(file)], predict=[str(file)])
    run_suggestion(SudokuApp(), tmp_path / "runs")


class Forgetful(PinvApp):
    """Draws batches that a resumed run does not draw again."""

    def make_task(self, config, data, seed):
        task = super().make_task(config, data, seed)
        loss, calls = task.loss, []
        task.loss = lambda step: calls.append(step) or loss(step) * len(calls)
        return task


class Silent(PinvApp):
    """Prints other metrics than it saves."""

    def print_results(self, *_):
        print("{}")
        return 0


@pytest.mark.parametrize(
    ("app", "message"), [(Forgetful(), "of the interrupted run, resumed, differs"), (Silent(), "eval --json differs")]
)
def test_a_task_that_breaks_the_contract_is_named(app, message, tmp_path):
    with pytest.raises(AssertionError, match=message):
        check_task(app, tmp_path, ["--matrices", "8", "--batch", "4", "--depth", "1", *NET])
