"""`linear_maps` at the limits of floating point: right, or refused, never silently wrong."""

import numpy as np
import pytest
import scipy

from einnet import EinNetError, linear_maps
from einnet.taylor import Representation, lorentz, rotations

pytestmark = pytest.mark.filterwarnings("ignore:.* counts as a constraint")


def turn(angle: float) -> np.ndarray:
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def boost(rapidity: float) -> np.ndarray:
    return np.array([[np.cosh(rapidity), np.sinh(rapidity)], [np.sinh(rapidity), np.cosh(rapidity)]])


def in_units(matrix: np.ndarray, *units: float) -> np.ndarray:
    return matrix * np.array(units)[:, None] / np.array(units)


def list_ranks(v: Representation, method: str = "auto") -> list[int]:
    """The ranks of V -> 1, V -> V, V^2 -> V, V^2 -> V^2."""
    return [linear_maps(source=v**k, target=v**l, method=method).rank for k, l in POWERS]  # noqa: E741


POWERS = ((1, 0), (1, 1), (2, 1), (2, 2))
AXES = np.linalg.qr(np.random.default_rng(0).standard_normal((3, 3)))[0]
SLANT = np.array([[3, 1, -2], [5, 7, 1], [-1, 4, 0.3]])
IDENTITY, MINUS, TURNS, SHEARS = [2, 4, 8, 16], [0, 4, 0, 16], [0, 2, 0, 6], [1, 2, 3, 6]
TURNS_OF_SPACE, IDENTITY_OF_SPACE = [1, 3, 7, 19], [3, 9, 27, 81]


def turn_space(angle: float) -> np.ndarray:
    return AXES @ scipy.linalg.block_diag(turn(angle), 1) @ AXES.T


ROUNDED = {  # elements that rounding has touched
    "half a turn": (turn(np.pi), MINUS),
    "half a turn, in other units": (in_units(turn(np.pi), 1, 1e12), MINUS),
    "a turn": (turn(2 * np.pi), IDENTITY),
    "a hundred turns": (turn(200 * np.pi), IDENTITY),
    "a seventh of a turn, seven times": (np.linalg.matrix_power(turn(2 * np.pi / 7), 7), IDENTITY),
    "a mirror twice": (np.linalg.matrix_power(turn(0.3) @ np.diag([1, -1]) @ turn(-0.3), 2), IDENTITY),
    "an element times its inverse": (SLANT @ np.linalg.inv(SLANT), IDENTITY_OF_SPACE),
    "triangles": (np.array([[3, 1 / 3], [0, 7]]) @ np.linalg.inv([[3, 1 / 3], [0, 7]]), IDENTITY),
    "a turn of space": (turn_space(2 * np.pi), IDENTITY_OF_SPACE),
    "back and forth": (boost(3) @ boost(-3), IDENTITY),
}
SMALL = {  # small entries that have a meaning
    "a turn by 1e-5": (turn(1e-5), TURNS),
    "a turn by 1e-7": (turn(1e-7), TURNS),
    "a turn by 1e-10": (turn(1e-10), TURNS),
    "a turn of space by 1e-10": (turn_space(1e-10), TURNS_OF_SPACE),
    "a turn in other units": (in_units(turn(1), 3e8, 1), TURNS),
    "a small turn in other units": (in_units(turn(1e-8), 1e-12, 1), TURNS),
    "a boost in metres and seconds": (np.array([[1, -1e-17], [-0.9, 1]]), TURNS),
    "a boost near the speed of light": (in_units(boost(2), 1, 3e8), TURNS),
    "a shear": (np.array([[1, 1.5], [0, 1]]), SHEARS),
    "a small shear": (np.array([[1, 1e-12], [0, 1]]), SHEARS),
    "a large shear": (np.array([[1, 1.5e12], [0, 1]]), SHEARS),
    "triangular": (np.array([[2.5, 1e12], [0, 3]]), TURNS),
    "a defective element": (turn(0.7) @ np.array([[1, 1.5], [0, 1]]) @ turn(-0.7), SHEARS),
    "a projection but for 1e-13": (np.diag([1, 1e-13]), SHEARS),
    "a scaling by 1e-12 that turns": (1e-12 * turn(1), [0, 2, 0, 6]),
}


@pytest.mark.parametrize("name", ROUNDED | SMALL)
@pytest.mark.parametrize("method", ["dense", "iterative"])
def test_rounding_is_no_constraint_and_what_is_small_is_one(name, method):
    generator, ranks = (ROUNDED | SMALL)[name]
    assert list_ranks(Representation([generator]), method) == ranks


@pytest.mark.parametrize("name", SMALL)
def test_the_maps_commute_in_the_units_of_the_caller(name):
    g = SMALL[name][0]
    for w in linear_maps([g]).basis:
        sizes = abs(g) @ abs(w) + abs(w) @ abs(g)
        assert (abs(g @ w - w @ g) <= 1e-6 * sizes).all()


LIE_ALGEBRAS = {
    "a turn, small": ([1e-30 * np.array([[0, -1], [1, 0]])], TURNS),
    "a boost in metres and seconds": ([np.array([[0, 1e-17], [0.9, 0]])], TURNS),
    "SO+(1,2) in metres and seconds": ([in_units(a.toarray(), 1, 3e8, 3e8) for a in lorentz(2).lie_algebra], [0, 1, 1, 3]),
    "SO(3), lengths in picometres": ([in_units(a.toarray(), 1, 1e12, 1) for a in rotations(3).lie_algebra], [0, 1, 1, 3]),
    "SO(3), each element at a scale of its own": (
        [a.toarray() * s for a, s in zip(rotations(3).lie_algebra, (1e-20, 0.3, 1e9), strict=True)], [0, 1, 1, 3],
    ),
    "nothing": ([np.zeros((2, 2))], IDENTITY),
}  # fmt: skip


@pytest.mark.parametrize("name", LIE_ALGEBRAS)
def test_lie_algebras_in_any_units(name):
    lie_algebra, ranks = LIE_ALGEBRAS[name]
    assert list_ranks(Representation(lie_algebra=lie_algebra)) == ranks


DOUBTFUL = {  # that may be rounding, and whether a warning says so
    "cos(1e5 pi)": ({"generators": [turn(1e5 * np.pi)]}, "generators[0] moves maps by 3e-11"),
    "a turn by 1e-10": ({"generators": [turn(1), turn(1e-10)]}, "generators[1]"),
    "a small shear": ({"generators": [SMALL["a small shear"][0]]}, "generators[0]"),
    "zero, rounded": ({"lie_algebra": [np.array([[1e-17, -2e-16], [3e-16, 0]])]}, "lie_algebra[0] moves maps by"),
    "a turn and zero": ({"lie_algebra": [np.array([[0, -1], [1, 0]]), np.full((2, 2), 1e-16)]}, "lie_algebra[1]"),
    "a turn by 1e-7": ({"generators": [turn(1e-7)]}, ""),
    "a turn, rounded": ({"generators": [turn(2 * np.pi)]}, ""),
    "zero": ({"lie_algebra": [np.zeros((2, 2))]}, ""),
    "a boost, metres and seconds": ({"lie_algebra": [np.array([[0, 1e-17], [0.9, 0]])]}, ""),
}  # fmt: skip


@pytest.mark.parametrize("name", DOUBTFUL)
def test_what_may_be_rounding_is_named_in_a_warning(name, recwarn):
    group, phrase = DOUBTFUL[name]
    linear_maps(**group)
    messages = [str(warning.message) for warning in recwarn]
    assert len(messages) == bool(phrase) and all(phrase in message for message in messages)
    assert all(warning.filename == __file__ for warning in recwarn)


def test_rounding_beside_the_entries_of_a_lie_algebra_is_no_constraint():
    a = scipy.linalg.block_diag([[0, -1], [1, 0]], [[1e-16]])
    assert linear_maps([np.eye(3)], [a], target=0).rank == linear_maps(lie_algebra=[a], target=0).rank == 1


def test_duals_in_any_units():
    g = in_units(
        scipy.linalg.expm(sum(0.1 * k * a for k, a in enumerate(lorentz().lie_algebra)).toarray()), 1, 3e8, 1e-12, 1
    )
    v = Representation([g, in_units(np.diag([1.0, 1, -1, -1]), 1, 3e8, 1e-12, 1)])
    assert linear_maps(source=v, target=v.dual).rank == linear_maps(source=v, target=v).rank


def test_a_rounded_element_does_not_hide_the_others():
    assert linear_maps([turn(2 * np.pi), turn(1)]).rank == 2
    assert linear_maps([turn(1e-10), np.diag([1.0, -1])]).rank == 1
    assert linear_maps([turn(np.pi)], [np.array([[0, -0.5], [0.5, 0]])], source=2).rank == 0


@pytest.mark.parametrize(
    ("generator", "ranks"), [([[30.5, 3], [2, 1]], 0), ([[1001.5, 3], [2, 1]], 0), ([[1000.5, 0], [0, 1]], 1)]
)
def test_equations_of_different_size_count_alike(generator, ranks):
    assert linear_maps([np.array(generator)], source=7, target=0).rank == ranks


@pytest.mark.parametrize(
    ("generator", "power"),
    [(np.round(turn(np.pi / 3), 10), 3), (scipy.linalg.block_diag(turn(1), turn(1e-10)), 1)],
    ids=["ten digits", "turns by 1 and 1e-10 in one element"],
)
def test_null_spaces_that_double_precision_cannot_tell_are_refused(generator, power):
    with pytest.raises(EinNetError, match="null space"):
        linear_maps([generator], source=power, target=power)


def test_a_boost_of_rapidity_10_is_right_or_refused():
    for method in ("dense", "iterative"):
        try:
            assert linear_maps([boost(10)], source=2, target=2, method=method).rank == 6
        except EinNetError as error:
            assert "null space" in str(error)  # noqa: PT017


def test_large_whole_numbers_do_not_wrap():
    assert linear_maps([np.diag([2**20 + 1, 2**21 + 1])], source=2, target=1).rank == 0
    v = Representation(lie_algebra=[np.array([[1, 0], [0, 255]], np.uint8)])
    assert v.dual.lie_algebra[0].toarray().tolist() == [[-1, 0], [0, -255]]
    assert linear_maps(source=v, target=v.dual).rank == 0


def test_single_precision_generators_are_refused():
    turn = np.array([[np.cos(1), -np.sin(1)], [np.sin(1), np.cos(1)]])
    assert linear_maps([turn], source=2, target=0).rank == 2
    with pytest.raises(EinNetError, match="float32"):
        linear_maps([turn.astype(np.float32)])


def test_a_representation_keeps_its_own_matrices():
    quarter_turn = scipy.sparse.csr_array(np.array([[0.0, -1], [1, 0]]))
    v = Representation([quarter_turn])
    quarter_turn.data[:] = 5
    assert linear_maps(source=v, target=v).rank == 2
