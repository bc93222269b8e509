"""`linear_maps` at the limits of floating point: right, or refused, never silently wrong."""

import numpy as np
import pytest
import scipy

from einnet import EinNetError, linear_maps
from einnet.taylor import Representation


@pytest.mark.parametrize(
    "generators",
    [[np.array([[30.5, 3], [2, 1]])], [np.array([[1001.5, 3], [2, 1]])], [np.diag([1000.5, 1])]],
)
def test_null_spaces_that_double_precision_cannot_tell_are_refused(generators):
    with pytest.raises(EinNetError, match="null space"):
        linear_maps(generators, source=7, target=0)


def test_a_boost_of_rapidity_10_is_right_or_refused():
    boost = np.array([[np.cosh(10), np.sinh(10)], [np.sinh(10), np.cosh(10)]])
    for method in ("dense", "iterative"):
        try:
            assert linear_maps([boost], source=2, target=2, method=method).rank == 6
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
