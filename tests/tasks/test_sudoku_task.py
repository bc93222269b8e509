"""The network for Sudoku: its symmetries, what it learns from, answers."""

import random
from dataclasses import replace

import numpy as np
import pytest
import torch

from einnet.errors import CheckpointError, DataError
from einnet.nn import EinNet
from einnet.tasks.sudoku.app import SudokuApp, SudokuConfig
from einnet.tasks.sudoku.boards import Layout, follows_rules, format_board
from einnet.tasks.sudoku.generate import add_givens, count_guesses, generate_puzzles, make_puzzle
from einnet.tasks.sudoku.network import ROUNDS, SIGNATURE, Solving, encode_boards, make_net
from einnet.tasks.sudoku.search import Search
from einnet.tasks.sudoku.solve import SHIPPED, Answers, accuracy_by_iterations, answers, load_solver, to_batches
from einnet.testing import assert_equivariant

SMALL = SudokuConfig(puzzles=20, batch=6, hidden=8, heads=4, iterations=6, side=4)


@pytest.fixture(scope="module")
def puzzles():
    return generate_puzzles(Layout.of(9), 6, seed=1, processes=1)


def test_the_givens_as_a_tensor():
    board = np.zeros((6, 6), int)
    board[3, 4] = 5  # band 1, row 1 of it; stack 1, column 1 of it
    x = encode_boards(torch.from_numpy(board)[None])
    assert x.shape == (1, 3, 2, 2, 3, 6, 2)
    assert x.sum() == 6 and x[0, 1, 1, 1, 1, 4].tolist() == [1, 0]
    assert x[0, 1, 1, 1, 1, :, 1].tolist() == [1, 1, 1, 1, 0, 1]


@pytest.mark.parametrize("sizes", [{"i": 3, "x": 3, "j": 3, "y": 3, "c": 9}, {"i": 3, "x": 2, "j": 2, "y": 3, "c": 6}])
def test_the_network_has_every_symmetry_of_the_board(sizes):
    net = make_net(SMALL).double()
    assert_equivariant(net, SIGNATURE, sizes, features=2)
    x = torch.randn(2, *sizes.values(), 2, dtype=torch.float64)
    transposed = (0, 3, 4, 1, 2, 5, 6)
    assert torch.allclose(net(x.permute(transposed)), net(x).permute(transposed), atol=1e-12)


def test_further_givens_are_from_the_solution_and_always_the_same(puzzles):
    boards, solutions = puzzles
    more = add_givens(boards, solutions, 9, seed=3)
    assert np.array_equal(more, add_givens(boards, solutions, 9, seed=3))
    added = (more > 0).sum((1, 2)) - (boards > 0).sum((1, 2))
    assert added.min() >= 0 and added.max() <= 9 and len(set(added.tolist())) > 1
    assert ((more == 0) | (more == solutions)).all()
    assert np.array_equal(add_givens(boards, solutions, 0, seed=3), boards)


def test_generated_puzzles_do_not_depend_on_the_number_of_processes(puzzles):
    again = generate_puzzles(Layout.of(9), 6, seed=1, processes=2)
    assert all(np.array_equal(a, b) for a, b in zip(puzzles, again, strict=True))
    assert not np.array_equal(generate_puzzles(Layout.of(9), 1, seed=2, processes=1)[0][0], puzzles[0][0])


def test_variations_have_one_solution_in_common_and_become_harder():
    boards, solutions = generate_puzzles(Layout.of(9), 24, seed=2, processes=1, variations=12)
    for first in (0, 12):
        assert (solutions[first : first + 12] == solutions[first]).all()
    assert not np.array_equal(solutions[0], solutions[12])
    for board, solution in zip(boards, solutions, strict=True):
        search = Search(Layout.of(9))
        assert [search.board(c).tolist() for c in search.solve(search.start(board))] == [solution.tolist()]
    grades = np.array(list(map(count_guesses, boards))).reshape(2, 12)
    assert (grades.max(1) > grades[:, 0]).all()
    assert np.array_equal(generate_puzzles(Layout.of(9), 2, seed=2, processes=1, variations=12)[0], boards[:2])


def test_what_is_learned_from(tmp_path, puzzles):
    lines = [f"{format_board(p)},{format_board(s)}" for p, s in zip(*puzzles, strict=True)]
    source = tmp_path / "some.txt"
    source.write_text("\n".join(lines))
    app, copied = SudokuApp(), SudokuConfig(data=str(source), puzzles=4, more=9, copies=5)
    data = app.load_data(copied, 0)
    assert np.array_equal(data[0], puzzles[0][:4]) and np.array_equal(data[1], puzzles[1][:4])
    task = app.make_task(copied, data, seed=0)
    solutions = np.concatenate([task.solutions, task.held_solutions])
    assert np.array_equal(solutions, np.repeat(puzzles[1][:4], 5, 0))
    assert len({format_board(p) for p in task.puzzles[:5].numpy()}) > 1
    assert np.array_equal(task.held_solutions.numpy(), solutions[15:])  # all copies of the last puzzle
    with pytest.raises(DataError, match="--puzzles 7"):
        app.load_data(SudokuConfig(data=str(source), puzzles=7), 0)
    source.write_text("\n".join(line.partition(",")[0] for line in lines))
    with pytest.raises(DataError, match="solutions"):
        app.load_data(SudokuConfig(data=str(source), puzzles=4), 0)


def test_boards_stay_in_the_batch_with_their_state_until_solved_or_old():
    task = Solving(SMALL, *generate_puzzles(Layout.of(4), 20, seed=0, processes=1), seed=0)
    ages, boards = [], []
    for step in range(30):
        torch.manual_seed(step)
        task.loss(step).backward()
        ages.append(task.age.clone())
        boards.append(task.boards.clone())
    for k in range(29):
        stays = ages[k] < ROUNDS
        assert torch.equal(boards[k + 1][stays], boards[k][stays])
    assert max(int(a.max()) for a in ages) <= ROUNDS and any((a > 3).any() for a in ages)
    assert task.state is not None and task.state.shape == (6, 2, 2, 2, 2, 4, 8) and not task.state.requires_grad
    while (task.age < ROUNDS).all():
        task.loss(30)
    # the loss continues from the stored states of the boards that stay, and starts again for the rest
    stays = task.age < ROUNDS
    assert stays.any() and task.state is not None
    expected = task.state.clone()
    seen = []
    task.net.states = lambda *a, start, **k: seen.append(start) or EinNet.states(task.net, *a, start=start, **k)
    task.loss(30)
    del task.net.states
    assert torch.equal(seen[0][stays], expected[stays])
    new = ~stays
    assert new.any()
    assert torch.equal(seen[0][new], task.net.init_state(encode_boards(task.puzzles[task.boards]))[new])
    saved = task.extra_state()
    copy = Solving(SMALL, *generate_puzzles(Layout.of(4), 20, seed=0, processes=1), seed=0)
    copy.load_state_dict(task.state_dict())
    copy.load_extra_state(saved)
    torch.manual_seed(5)
    expected = task.loss(30)
    torch.manual_seed(5)
    assert torch.equal(copy.loss(30), expected)


def test_solved_boards_leave_the_batch_early():
    shares, solver = {}, load_solver().config
    for learned in (True, False):
        start = str(SHIPPED) if learned else None
        config = SudokuConfig(batch=40, side=4, hidden=solver.hidden, heads=solver.heads, start=start)
        task = Solving(config, *generate_puzzles(Layout.of(4), 20, seed=0, processes=1), seed=0)
        torch.manual_seed(0)
        leaving = []
        for step in range(8):
            task.loss(step)
            leaving.append(float((task.age == ROUNDS).float().mean()))
        shares[learned] = sum(leaving) / len(leaving)
    assert 0.3 < shares[True] < 0.7 and shares[False] < 0.15


@pytest.mark.parametrize("factor", [1, 3])
def test_learning_goes_on_from_a_network_that_may_be_narrower(tmp_path, factor):
    first = make_net(SMALL)
    first.save(tmp_path / "first.safetensors")
    sizes = {"hidden": factor * SMALL.hidden, "heads": factor * SMALL.heads, "iterations": 9}
    net = make_net(replace(SMALL, **sizes, start=str(tmp_path / "first.safetensors")))
    x = encode_boards(torch.from_numpy(generate_puzzles(Layout.of(4), 3, seed=0, processes=1)[0]))
    assert net.config.hidden == factor * SMALL.hidden and net.config.iterations == 9
    expected, answer = first(x, iterations=4), net(x, iterations=4)
    assert torch.equal(answer, expected) == (factor == 1)
    assert (answer - expected).std() < 0.3 * expected.std()
    answer.square().mean().backward()
    rows = net.layers[0].in_proj.weight.grad[-SMALL.heads * factor :].unflatten(0, (factor, -1))
    assert factor == 1 or not torch.allclose(rows[0], rows[1], rtol=1e-3)  # copies learn different things


def test_a_network_that_cannot_be_widened_so_is_refused(tmp_path):
    make_net(SMALL).save(tmp_path / "first.safetensors")
    config = replace(SMALL, start=str(tmp_path / "first.safetensors"))
    for sizes in ({"hidden": 16}, {"hidden": 12, "heads": 6}, {"hidden": 4, "heads": 2}):
        with pytest.raises(CheckpointError, match="--hidden 8 --heads 4 can be widened"):
            make_net(replace(config, **sizes))
    with pytest.raises(DataError, match=r"--start nowhere\.safetensors"):
        replace(SMALL, start="nowhere.safetensors")


def test_held_out_boards_are_not_learned_from():
    boards, solutions = generate_puzzles(Layout.of(4), 20, seed=0, processes=1)
    task = Solving(SMALL, boards, solutions, seed=0)
    assert np.array_equal(task.puzzles.numpy(), boards[:18]) and np.array_equal(task.held_puzzles.numpy(), boards[18:])


def test_the_solver_that_comes_with_the_package_solves_fresh_puzzles(puzzles):
    net = load_solver()
    assert sum(p.numel() for p in net.parameters()) < 20_000
    answer = answers(net, puzzles[0])
    assert (answer.boards == puzzles[1]).all((1, 2)).mean() > 0.8
    assert follows_rules(answer.boards, puzzles[0]).mean() > 0.8
    assert answer.probabilities.shape == (6, 9, 9, 9) and np.allclose(answer.probabilities.sum(-1), 1, atol=1e-5)
    late = answers(net, puzzles[0], iterations=int(answer.settled.max()))
    assert np.array_equal(late.boards, answer.boards)  # after the last change nothing changes
    assert answer.settled.max() > 1
    for k in range(int(answer.settled.max())):  # a cell has its digit from the step said, and not before
        early = answers(net, puzzles[0], iterations=k + 1).boards
        assert (early == answer.boards)[answer.settled <= k + 1].all()
        assert (early != answer.boards)[answer.settled == k + 2].all()


def test_the_accuracy_by_iterations_is_that_of_single_passes(puzzles):
    net = load_solver()
    answer = accuracy_by_iterations(net, *puzzles, iterations=[4, 16, 40])
    assert list(answer) == [4, 16, 40]
    assert all(a == (answers(net, puzzles[0], d).boards == puzzles[1]).all((1, 2)).mean() for d, a in answer.items())


@pytest.mark.parametrize(
    ("side", "givens", "number"),
    [(4, 0, 50), (6, 0, 10), *(pytest.param(*c, marks=pytest.mark.slow) for c in ((16, 140, 3), (25, 380, 1)))],
)
def test_the_solver_learned_from_9x9_boards_solves_other_sizes(side, givens, number):
    boards = [make_puzzle(Layout.of(side), random.Random(k), givens) for k in range(number)]
    boards, solutions = map(np.stack, zip(*boards, strict=True))
    assert (answers(load_solver(), boards, iterations=64).boards == solutions).all((1, 2)).mean() >= 0.98


def test_relabelled_and_turned_boards_are_solved_alike(puzzles):
    net, rng = load_solver(), np.random.default_rng(0)
    digits = np.concatenate([[0], rng.permutation(9) + 1])
    for board in puzzles[0][:2]:
        answer = answers(net, board[None], iterations=20).boards[0]
        assert np.array_equal(answers(net, digits[board][None], iterations=20).boards[0], digits[answer])
        assert np.array_equal(answers(net, board.T[None].copy(), iterations=20).boards[0], answer.T)


def test_later_answers_go_on_from_the_states_of_earlier_ones(puzzles):
    net, boards = load_solver(), puzzles[0][:3]
    early = answers(net, boards, iterations=3)
    late = answers(net, boards[1:], iterations=4, start=early.select([1, 2]))
    at_once = answers(net, boards, iterations=7)
    assert np.array_equal(late.boards, at_once.boards[1:])
    assert np.allclose(late.states, at_once.states[1:], atol=1e-4)
    rejoined = Answers.concat([at_once.select([0]), at_once.select(np.array([False, True, True]))])
    assert all(np.array_equal(a, b) for a, b in zip(rejoined, at_once, strict=True))


def test_batches_hold_every_puzzle_once():
    boards = np.arange(200)[:, None, None] + np.zeros((1, 16, 16), int)
    parts = list(to_batches(boards))
    assert np.array_equal(np.concatenate(parts), boards) and len(parts) > 5


def test_another_network_is_no_solver(tmp_path):
    EinNet("abH", 2, 1, depth=1, hidden=4, heads=2).save(tmp_path / "net.safetensors")
    with pytest.raises(CheckpointError, match="Sudoku"):
        load_solver(tmp_path / "net.safetensors")
