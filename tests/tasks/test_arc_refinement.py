"""Colour refinement and the networks of a type: neither tells apart what the other does not."""

import numpy as np
import pytest
import torch

from einnet.tasks.arc.lattice import Lattice
from einnet.tasks.arc.network import LAYERS, ArcNet, Boards
from einnet.tasks.arc.refinement import Family, init_labels, list_families, look_up, refine, update_labels

BOARD = np.random.default_rng(0).integers(0, 3, (1, 5, 6))
COLOURS = [0, 1, 2]
GRID = Family(("row", "column", "all"), counted=True)


def label(lattice: Lattice, family: Family, rounds: int) -> np.ndarray:
    result = init_labels(lattice, family)
    for _ in range(rounds):
        result = update_labels(lattice, family, result)
    return result


def permute(board: np.ndarray, rows, columns, colours) -> np.ndarray:
    return np.asarray(colours)[board][:, rows][:, :, columns]


@pytest.mark.parametrize("counted", [True, False])
def test_labels_move_with_rows_columns_and_colours(counted):
    """Both boards in one lattice: the labels of the second are those of the first, moved."""
    rng = np.random.default_rng(1)
    rows, columns, colours = rng.permutation(5), rng.permutation(6), rng.permutation(3)
    lattice = Lattice([BOARD, permute(BOARD, rows, columns, colours)], COLOURS)
    result = label(lattice, Family(("row", "column", "all"), counted=counted), 3).reshape(2, 5, 6, 3)
    assert len(np.unique(result)) > 10
    assert np.array_equal(result[1][:, :, colours], result[0][rows][:, columns])


def test_colours_that_are_kept_apart_do_not_change_places():
    swapped = permute(BOARD, range(5), range(6), [1, 0, 2])
    lattice = Lattice([BOARD, swapped], COLOURS)
    free = label(lattice, GRID, 2).reshape(2, 5, 6, 3)
    apart = label(lattice, Family(GRID.relations, "", frozenset({0}), counted=True), 2).reshape(2, 5, 6, 3)
    assert np.array_equal(free[1][:, :, [1, 0, 2]], free[0])
    assert not set(apart[0].flat) & set(apart[1].flat)


def test_a_set_tells_less_than_a_multiset():
    lattice = Lattice([np.array([[[1, 0, 0]]]), np.array([[[1, 1, 0]]])], [0, 1])
    whether = label(lattice, Family(("row",)), 1).reshape(2, 3, 2)
    often = label(lattice, Family(("row",), counted=True), 1).reshape(2, 3, 2)
    assert whether[0, 0, 1] == whether[1, 0, 1]
    assert often[0, 0, 1] != often[1, 0, 1]


@pytest.mark.parametrize("neighbours", [False, True])
def test_a_network_gives_equal_outputs_where_refinement_gives_equal_labels(neighbours):
    """And different ones elsewhere, as its weights are random."""
    board = np.array([[[1, 0, 0, 0, 1], [0, 2, 2, 2, 0], [1, 0, 0, 0, 1]]])
    lattice = Lattice([board], COLOURS)
    relations = (*GRID.relations, *["four"] * neighbours)
    expected = label(lattice, Family(relations, counted=True), LAYERS)
    torch.manual_seed(0)
    boards = Boards(lattice, frozenset(), neighbours)
    with torch.no_grad():
        outputs = ArcNet(boards.x.shape[-1], neighbours)(*boards.select([0])).flatten().numpy()
    for value in np.unique(expected):
        assert np.ptp(outputs[expected == value]) < 1e-4
    assert len(np.unique(expected)) < len(expected)
    assert len(np.unique(outputs.round(4))) == len(np.unique(expected))


def test_the_network_is_equivariant_and_padding_changes_nothing():
    rng = np.random.default_rng(1)
    rows, columns, colours = rng.permutation(5), rng.permutation(6), rng.permutation(3)
    large = rng.integers(0, 3, (1, 8, 9))
    lattice = Lattice([BOARD, permute(BOARD, rows, columns, colours), large], COLOURS)
    torch.manual_seed(0)
    boards = Boards(lattice, frozenset(), neighbours=False)
    net = ArcNet(boards.x.shape[-1], neighbours=False)
    alone = Boards(Lattice([BOARD], COLOURS), frozenset(), neighbours=False)
    with torch.no_grad():
        first, second, _ = net(*boards.select([0, 1, 2]))[:, :5, :6]
        assert torch.allclose(second[:, :, colours], first[rows][:, columns], atol=1e-4)
        assert torch.allclose(net(*alone.select([0]))[0], first, atol=1e-4)


def test_neighbours_are_told_from_others_only_with_their_relation():
    boards = Lattice([np.array([[[1, 0, 0, 0]]]), np.array([[[0, 1, 0, 0]]])], [0, 1])
    without = label(boards, GRID, 3).reshape(2, -1)
    assert np.array_equal(np.sort(without[0]), np.sort(without[1]))
    with_neighbours = label(boards, Family(("four",), counted=True), 2).reshape(2, -1)
    assert not np.array_equal(np.sort(with_neighbours[0]), np.sort(with_neighbours[1]))


def test_refinement_stops_when_answers_are_told_apart_and_says_when_they_never_are():
    lattice = Lattice([np.array([[[1, 0, 0], [0, 0, 0]]])], [0, 1])
    row_of_one = np.array([[1, 1, 1], [0, 0, 0]])
    answers = (row_of_one[..., None] == [0, 1]).ravel()
    known = np.ones(len(answers), bool)
    rounds = refine(lattice, Family(("row",), counted=True), answers, known, max_rounds=4)
    assert rounds is not None and len(rounds) == 2
    assert refine(lattice, Family(("column",)), answers, known, max_rounds=4) is None
    assert refine(lattice, Family(("row",), counted=True), answers, known, max_rounds=0) is None
    assert (
        refine(lattice, Family(("row",)), answers, known, max_rounds=4) is None
    )  # each row has and lacks both colours


def test_entries_get_the_answer_of_the_first_round_in_which_all_agree():
    coarse, fine = np.array([0, 0, 0, 1, 1, 2]), np.array([0, 1, 1, 2, 3, 4])
    answers = np.array([True, False, False, True, False, False])
    learn = np.array([True, True, False, True, False, False])
    assert look_up((coarse, fine), answers, learn).tolist() == [1, 0, 0, 1, 1, -1]


def test_blocks_are_of_each_board_s_own_size():
    boards = [np.zeros((1, 4, 4), int), np.zeros((1, 6, 6), int)]
    lattice = Lattice(boards, [0], [(2, 2), (3, 3)])
    for relation, number in (("block", (4, 4)), ("place", (4, 9))):
        groups = lattice.groups(relation)
        assert tuple(len(np.unique(g)) for g in (groups[:16], groups[16:])) == number
        assert len(np.unique(lattice.marks(relation))) == max(number)


def colours_are_alike(family: Family) -> bool:
    """Black is not like the others where it is the background of things, or an object of no rank."""
    return not {"thing", "rank", "twin"} & {*family.relations, *family.marks.split()}


@pytest.mark.parametrize("family", [f for f, _ in list_families([frozenset()], True) if colours_are_alike(f)], ids=str)
def test_no_family_tells_apart_what_its_own_symmetry_exchanges(family):
    """A board and itself with other colours: the labels are the same."""
    board = np.random.default_rng(3).integers(0, 3, (1, 4, 4))
    lattice = Lattice([board, np.array([2, 0, 1])[board] + 3], [*range(6)], [(2, 2)] * 2)
    first, second = label(lattice, family, 2).reshape(2, -1)
    assert np.array_equal(np.sort(first), np.sort(second))
