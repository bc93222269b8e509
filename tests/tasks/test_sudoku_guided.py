"""The search that the network guides: complete whatever the network says, with few guesses where it is good."""

import random

import numpy as np
import pytest
import torch

from einnet.tasks.sudoku import guided
from einnet.tasks.sudoku.app import SudokuConfig
from einnet.tasks.sudoku.boards import Layout, follows_rules, read_board
from einnet.tasks.sudoku.generate import count_guesses, generate_puzzles, make_full_grid
from einnet.tasks.sudoku.guided import count_found, solve_puzzles
from einnet.tasks.sudoku.network import make_net
from einnet.tasks.sudoku.search import Search, SearchError, solutions
from einnet.tasks.sudoku.solve import answers, load_solver

HARD = "8..........36......7..9.2...5...7.......457.....1...3...1....68..85...1..9....4.."


@pytest.fixture(scope="module")
def poor_net():
    torch.manual_seed(0)
    return make_net(SudokuConfig(hidden=8, heads=4, iterations=3))


@pytest.fixture(scope="module")
def hard():
    """Some of the hardest of generated puzzles."""
    puzzles, expected = generate_puzzles(Layout.of(9), 40, seed=3, processes=1, variations=10)
    chosen = np.argsort([-count_guesses(puzzle) for puzzle in puzzles])[:6]
    return puzzles[chosen], expected[chosen]


def draw_boards(side: int, number: int) -> np.ndarray:
    """Boards with none, one or several solutions: cells of full grids, some of them with another digit."""
    boards, rng = [], random.Random(side)
    for _ in range(number):
        board = make_full_grid(Layout.of(side), rng).ravel()
        share = rng.uniform(0.3, 0.7)
        board = np.array([digit if rng.random() < share else 0 for digit in board.tolist()])
        if rng.random() < 0.5:
            board[rng.choice(np.flatnonzero(board == 0).tolist())] = rng.randint(1, side)
        boards.append(board.reshape(side, side))
    return np.stack(boards)


@pytest.mark.parametrize(("side", "number"), [(4, 60), (6, 40), (9, 12)])
@pytest.mark.parametrize("trained", [False, True])
def test_the_search_finds_none_one_or_two_solutions_as_an_exact_one_does(side, number, trained, poor_net):
    boards = draw_boards(side, number)
    expected = [len(solutions(board)) for board in boards]
    assert set(expected) == {0, 1, 2}
    outcomes = list(solve_puzzles(load_solver() if trained else poor_net, boards))
    assert [len(outcome.solutions) for outcome in outcomes] == expected
    for board, outcome in zip(boards, outcomes, strict=True):
        assert outcome.is_decided
        assert all(follows_rules(solution[None], board[None]) for solution in outcome.solutions)
        assert len({solution.tobytes() for solution in outcome.solutions}) == len(outcome.solutions)


def test_locked_candidates_are_excluded():
    board = np.zeros((4, 4), int)
    board[0, :2] = 1, 2  # so 3 and 4 are in the upper row of the second box
    candidates = Search(Layout.of(4)).start(board)
    assert candidates is not None and candidates[2:4] == [0b1100] * 2 and candidates[6:8] == [0b0011] * 2


def test_an_untrained_network_only_makes_it_slower(poor_net, hard):
    puzzles, expected = hard
    outcomes = list(solve_puzzles(poor_net, puzzles))
    assert all(np.array_equal(o.solutions, [s]) and o.is_decided for o, s in zip(outcomes, expected, strict=True))
    assert all(outcome.settled is None and outcome.guesses > 0 for outcome in outcomes)


def test_a_plain_search_takes_over_where_guesses_of_the_network_do_not_help(poor_net, monkeypatch, hard):
    monkeypatch.setattr(guided, "PATIENCE", 1)
    for plain in (2, 2000):  # a branch is decided by a plain search, or is too hard for it
        monkeypatch.setattr(guided, "PLAIN", plain)
        outcomes = list(solve_puzzles(poor_net, hard[0][:2]))
        assert all(np.array_equal(o.solutions, [s]) for o, s in zip(outcomes, hard[1][:2], strict=True))


def test_the_network_saves_guesses(hard):
    puzzles, expected = hard
    plain = [count_to_first(puzzle) for puzzle in puzzles]
    outcomes = list(solve_puzzles(load_solver(), puzzles))
    assert all(np.array_equal(o.solutions, [s]) for o, s in zip(outcomes, expected, strict=True))
    assert sum(outcome.guesses for outcome in outcomes) < sum(plain) / 2


def count_to_first(puzzle: np.ndarray) -> int:
    search = Search(Layout.of(len(puzzle)))
    next(search.solve(search.start(puzzle) or []))
    return search.guesses


def test_a_puzzle_solved_in_one_pass_needs_no_guess_and_has_its_steps():
    puzzles, _ = generate_puzzles(Layout.of(4), 8, seed=1, processes=1)
    net = load_solver()
    for puzzle, outcome in zip(puzzles, solve_puzzles(net, puzzles), strict=True):
        assert outcome.guesses == 0 and outcome.settled is not None
        last = int(outcome.settled.max())
        steps = answers(net, puzzle[None], iterations=last)
        assert np.array_equal(steps.settled[0], outcome.settled)
        assert np.array_equal(steps.boards[0], outcome.solutions[0])


def test_limits_of_guesses_and_of_time(poor_net):
    hard = read_board(HARD)[None]
    (outcome,) = solve_puzzles(poor_net, hard, guesses=3)
    assert (outcome.guesses, outcome.solutions, outcome.is_decided) == (3, [], False)
    (outcome,) = solve_puzzles(poor_net, hard, seconds=1e-9)
    assert (outcome.solutions, outcome.is_decided) == ([], False)
    search = Search(Layout.of(9))
    search.deadline = 0
    with pytest.raises(SearchError, match="time"):
        next(search.solve(search.start(hard[0]) or []))


def test_a_solution_that_is_not_known_to_be_the_only_one_is_kept(monkeypatch, poor_net, hard):
    def end(self):
        raise SearchError("no time")

    monkeypatch.setattr(guided._Tree, "_look_for_others", end)
    (outcome,) = solve_puzzles(poor_net, hard[0][:1])
    assert np.array_equal(outcome.solutions, hard[1][:1]) and not outcome.is_decided


def test_outcomes_are_counted(hard):
    counts = count_found(load_solver(), hard[0], None)
    assert counts["solved"] == counts["decided"] == 6 and counts["accuracy"] == 1
    outcomes = list(solve_puzzles(load_solver(), hard[0]))
    assert counts["guesses"] == sum(o.guesses for o in outcomes) / 6
    assert counts["checks"] == sum(o.checks for o in outcomes) / 6
    counts = count_found(load_solver(), hard[0], hard[1] % 9 + 1)  # solutions that are wrong
    assert counts["solved"] == 0


def test_a_full_board_and_an_empty_one(poor_net):
    full = make_full_grid(Layout.of(6), random.Random(0))
    outcomes = list(solve_puzzles(poor_net, np.stack([full, 0 * full])))
    assert [len(o.solutions) for o in outcomes] == [1, 2] and np.array_equal(outcomes[0].solutions[0], full)
