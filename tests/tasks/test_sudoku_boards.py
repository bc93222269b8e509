"""Sudoku boards: reading and rules, exact solutions, puzzles with one solution, plain logic."""

import gzip
import os
import random
import runpy
from itertools import permutations, product
from pathlib import Path

import numpy as np
import pytest

from einnet.errors import DataError
from einnet.tasks.sudoku.boards import Layout, clash, format_board, read_board, read_boards, read_file
from einnet.tasks.sudoku.generate import make_full_grid, make_puzzle
from einnet.tasks.sudoku.search import Search, SearchError, solutions
from oracles.sudoku import sat_solutions
from refusals import assert_refused

DATA = Path(os.environ.get("EINNET_DATA", Path(__file__).parents[3] / "shared" / "data")) / "sudoku"
EASY = "530070000600195000098000060800060003400803001700020006060000280000419005000080079"
SOLVED = "534678912672195348198342567859761423426853791713924856961537284287419635345286179"


def data(name: str) -> Path:
    path = DATA / name
    if not path.is_file():
        pytest.skip(f"no {name}: name the folder that holds sudoku/{name} in EINNET_DATA")
    return path


# --- boards ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n", "height", "width"), [(4, 2, 2), (6, 2, 3), (9, 3, 3), (12, 3, 4), (16, 4, 4), (25, 5, 5)]
)
def test_units_and_peers(n, height, width):
    layout = Layout.of(n)
    assert (layout.height, layout.width, layout.n) == (height, width, n)
    assert layout.units.shape == (3 * n, n)
    for kind in layout.units.reshape(3, n, n):
        assert sorted(kind.ravel().tolist()) == list(range(n * n))
    for cell, (row, column) in zip(range(n * n), product(range(n), repeat=2), strict=True):
        expected = {
            r * n + c for r, c in product(range(n), repeat=2)
            if (r == row or c == column or (r // height, c // width) == (row // height, column // width))
        } - {cell}  # fmt: skip
        assert set(layout.peers[cell]) == expected


def test_a_board_is_read_and_written():
    board = read_board(EASY)
    assert format_board(board) == EASY.replace("0", ".")
    assert np.array_equal(read_board(format_board(board)), board)
    assert np.array_equal(read_board(" ".join(EASY)), board)
    big = "".join("." if k % 3 else "123456789ABCDEFG"[k % 16] for k in range(256))
    assert format_board(read_board(big.lower())) == big


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        (EASY[:-1], "80 cells"),
        ("x" + EASY[1:], "'x' in row 1, column 1"),
        (EASY[:80] + "A", "'A' in row 9, column 9"),
        ("1" * 25, "got 5"),
        ("\u0131" + "." * 323, "in row 1, column 1"),
        ("", "0 cells"),
    ],
)
def test_boards_that_cannot_be_read(text, phrase):
    assert_refused(lambda: read_board(text), DataError, phrase)


def test_what_breaks_the_rules_is_named():
    board = read_board(SOLVED)
    assert clash(board) is None and clash(read_board(EASY)) is None and clash(0 * board) is None
    for (row, column), place in [((0, 1), "row 1"), ((3, 0), "column 1"), ((1, 1), "box 1")]:
        wrong = 0 * board
        wrong[0, 0] = wrong[row, column] = 7
        assert clash(wrong) == f"7 stands twice in {place}"


def test_files_with_and_without_solutions(tmp_path):
    plain, packed = tmp_path / "p.txt", tmp_path / "p.txt.gz"
    plain.write_text(f"# a comment\n{EASY}\n\n{EASY}\n")
    solution, nothing = read_file(plain)
    assert solution.shape == (2, 9, 9) and nothing is None
    with gzip.open(packed, "wt") as f:
        f.write(f"{EASY},{SOLVED}\n")
    solution, solved = read_file(packed)
    assert format_board(solved[0]) == SOLVED


@pytest.mark.parametrize(
    ("content", "phrase"),
    [
        ("", "has no puzzle"),
        ("a title\n", "has no puzzle"),
        (f"\n{EASY[:-1]}\n{EASY}1", "line 2 has 80 cells"),
        (f"{EASY},{SOLVED[1:] + SOLVED[:1]}\n", "line 1"),
    ],
)
def test_files_that_cannot_be_read(tmp_path, content, phrase):
    path = tmp_path / "p.txt"
    path.write_text(content)
    assert_refused(lambda: read_file(path), DataError, phrase, str(path))
    with pytest.raises(DataError, match="nothing.txt"):
        read_file(tmp_path / "nothing.txt")


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (EASY[:-1], "80 cells"),
        ("1" + "." * 15, "side is 4"),
        (f"{'.' * 16},{SOLVED}", "no solution"),
        (EASY, "no solution"),
        (f"{EASY},{SOLVED[1:] + SOLVED[:1]}", "breaks a rule"),
        (f"{EASY},{EASY},{EASY}", "3 boards"),
        (f"%{EASY[1:]},{SOLVED}", "row 1, column 1"),
        (f"{EASY[1:]},{SOLVED}", "80 cells"),
        (f"{EASY},{SOLVED}1", "82 cells"),
    ],
)
def test_one_bad_line_is_left_out_and_said(tmp_path, line, problem, capsys):
    (tmp_path / "p.txt").write_text(f"{EASY},{SOLVED}\n{line}\n{EASY},{SOLVED}\n{EASY},{SOLVED}")
    boards = read_boards(tmp_path / "p.txt")
    assert len(boards.puzzles) == len(boards.solutions) == 3 and len(boards.left_out) == 1
    message = capsys.readouterr().err
    assert "1 of 4" in message and f"{tmp_path / 'p.txt'}, line 2: " in message and problem in message


@pytest.mark.parametrize("damage", ["cut", "flipped", "binary"])
def test_damaged_files(tmp_path, damage):
    packed = bytearray(gzip.compress(f"{EASY},{SOLVED}\n".encode() * 5))
    content = {
        "cut": packed[:40], "flipped": packed[:15] + b"\xff" * 10 + packed[25:],
        "binary": gzip.compress(bytes(range(256))),
    }[damage]  # fmt: skip
    path = tmp_path / "p.txt.gz"
    path.write_bytes(bytes(content))
    with pytest.raises(DataError, match="p.txt.gz"):
        read_file(path)


def test_boxes_are_those_of_the_side():
    with pytest.raises(DataError, match="height=3, width=2"):
        Layout(3, 2)


def test_boxes_of_one_row_are_no_further_rule():
    layout = Layout(1, 5)
    for cell, (row, column) in enumerate(product(range(5), repeat=2)):
        expected = {r * 5 + c for r, c in product(range(5), repeat=2) if r == row or c == column} - {cell}
        assert set(layout.peers[cell]) == expected
    puzzle, solution = make_puzzle(layout, random.Random(0))
    search = Search(layout)
    assert [search.board(c).tolist() for c in search.solve(search.start(puzzle) or [])] == [solution.tolist()]
    assert all(sorted(line) == [1, 2, 3, 4, 5] for line in (*solution.tolist(), *solution.T.tolist()))


# --- solutions --------------------------------------------------------------------------------------


def all_4x4_grids() -> list[np.ndarray]:
    """All full 4x4 boards, by trying every choice of rows."""
    rows = list(permutations(range(1, 5)))
    return [b for chosen in product(rows, repeat=4) if clash(b := np.array(chosen)) is None]


def test_the_solutions_of_a_board_are_all_full_boards_with_its_givens():
    grids = all_4x4_grids()
    assert len(grids) == 288
    rng = np.random.default_rng(0)
    for _ in range(60):
        board = grids[rng.integers(288)] * (rng.random((4, 4)) < rng.uniform(0, 0.7))
        if rng.random() < 0.3:
            board[tuple(rng.integers(0, 4, 2))] = rng.integers(1, 5)
        expected = {format_board(g) for g in grids if ((board == 0) | (board == g)).all()}
        assert {format_board(s) for s in solutions(board, limit=1000)} == expected


def test_a_known_puzzle_has_its_solution():
    (solution,) = solutions(read_board(EASY), limit=5)
    assert format_board(solution) == SOLVED
    assert solutions(read_board("11" + EASY[2:])) == []
    assert solutions(read_board(EASY), limit=0) == []


def test_a_search_that_takes_too_long_is_given_up():
    hard = ".....5.8....6.1.43..........1.5........1.6...3.......553.....61........4........."
    with pytest.raises(SearchError, match="200 guesses"):
        solutions(read_board(hard), guesses=200)


# --- puzzles ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [4, 6, 9])
def test_puzzles_have_one_solution_and_no_given_to_spare(n):
    rng = random.Random(n)
    for _ in range(3):
        dug, solution = make_puzzle(Layout.of(n), rng)
        assert clash(solution) is None and (solution > 0).all()
        assert ((dug == 0) | (dug == solution)).all()
        (only,) = solutions(dug, limit=2)
        assert np.array_equal(only, solution)
        for cell in np.flatnonzero(dug):
            fewer = dug.copy()
            fewer.flat[cell] = 0
            assert len(solutions(fewer, limit=2)) == 2


@pytest.mark.parametrize(("n", "givens", "number"), [(4, 0, 20), (6, 0, 20), (9, 0, 10), (9, 30, 5), (12, 70, 2)])
def test_a_sat_solver_finds_the_same_one_solution(n, givens, number):
    layout, rng = Layout.of(n), random.Random(n + givens)
    for _ in range(number):
        dug, solution = make_puzzle(layout, rng, givens)
        (only,) = sat_solutions(dug, layout.height, layout.width)
        assert np.array_equal(only, solution)
        some = rng.choice(np.flatnonzero(dug).tolist())  # fewer givens: as many solutions by both, up to 50
        dug.flat[some] = 0
        solution = {b.tobytes() for b in solutions(dug, limit=50)}
        expected = {b.tobytes() for b in sat_solutions(dug, layout.height, layout.width, limit=50)}
        assert len(solution) == len(expected) and (len(solution) == 50 or solution == expected)


def test_givens_are_left_and_seeds_repeat():
    one, two = (make_puzzle(Layout.of(9), random.Random(5), givens=40) for _ in range(2))
    assert (one[0] > 0).sum() == 40
    assert np.array_equal(one[0], two[0])
    assert not np.array_equal(one[1], make_puzzle(Layout.of(9), random.Random(6), givens=40)[1])


@pytest.mark.parametrize("n", [12, 16, 20, 25])
def test_full_grids_of_other_sizes(n):
    grid = make_full_grid(Layout.of(n), random.Random(0))
    assert clash(grid) is None and (grid > 0).all()


# --- logic ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def singles():
    return runpy.run_path(str(Path(__file__).parents[2] / "benchmarks" / "singles.py"))


def test_singles_fill_only_what_is_right_and_hidden_ones_more(singles):
    rng = random.Random(0)
    puzzles, solved = map(np.stack, zip(*(make_puzzle(Layout.of(6), rng) for _ in range(20)), strict=True))
    naked, filled = singles["fill_singles"](puzzles, hidden=False), singles["fill_singles"](puzzles)
    for boards in (naked, filled):
        assert ((boards == 0) | (boards == solved)).all()
        assert ((puzzles == 0) | (boards == puzzles)).all()
    assert ((naked == 0) | (filled == naked)).all()
    assert (filled > 0).sum() > (naked > 0).sum()
    assert singles["share_solved_by_singles"](read_board(EASY)[None], read_board(SOLVED)[None], hidden=False) == 1.0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "naked", "filled"),
    [
        ("satnet9x9_10000.txt.gz", 1.0, 1.0), ("rrn_valid_18000.txt.gz", 0.25, 0.884),
        ("hard_magictour_top1465.txt.gz", 0.0, 0.0), ("gen16x16_singles_givens140_1000.txt.gz", 0.89, 1.0),
        ("gen25x25_singles_givens380_150.txt.gz", 0.97, 1.0),
    ],
)  # fmt: skip
def test_the_shares_that_singles_solve_are_those_known_of_the_sets(singles, name, naked, filled):
    puzzles, solved = read_file(data(name))
    step = max(1, len(puzzles) // 2000)
    puzzles, solved = puzzles[::step], solved[::step]
    shares = [singles["share_solved_by_singles"](puzzles, solved, hidden) for hidden in (False, True)]
    assert shares == pytest.approx([naked, filled], abs=0.02 if 0 < naked < 1 else 0.0)


@pytest.mark.slow
def test_puzzles_of_a_file_have_the_solution_it_gives():
    puzzles, solved = read_file(data("rrn_valid_18000.txt.gz"))
    for one, expected in zip(puzzles[::600], solved[::600], strict=True):
        (solution,) = solutions(one, limit=2)
        assert np.array_equal(solution, expected)
