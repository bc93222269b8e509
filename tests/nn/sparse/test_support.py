"""Supports and lookups of their entries."""

import copy

import pytest
import torch

from einnet.errors import ShapeError
from einnet.nn.sparse import Support
from einnet.nn.sparse.support import CACHE_SIZE


def test_shape_type_and_range_are_checked():
    with pytest.raises(TypeError, match=r"torch\.int64"):
        Support(torch.ones(2, 3), (3, 3))
    with pytest.raises(TypeError, match="list"):
        Support([[0], [1]], (3, 3))
    for index in (torch.zeros(3, 2), torch.zeros(2), torch.zeros(1, 2)):
        with pytest.raises(ShapeError, match=r"\(2, entries\)"):
            Support(index.long(), (3, 3))
    with pytest.raises(ShapeError, match=r"axis 1 .* from 0 to 2, got 3 at entry 1"):
        Support(torch.tensor([[0, 1], [1, 3]]), (3, 3))
    with pytest.raises(ShapeError, match="got -1 at entry 0"):
        Support(torch.tensor([[-1, 1], [1, 2]]), (3, 3))


def test_repeated_entries_are_refused_with_their_places():
    with pytest.raises(ShapeError, match=r"\(2, 0\) at entries 1 and 3 .*coalesce"):
        Support(torch.tensor([[0, 2, 1, 2], [1, 0, 2, 0]]), (3, 3))


def test_the_order_of_the_user_is_kept():
    index = torch.tensor([[2, 0, 1], [1, 2, 0]], dtype=torch.int32)
    support = Support(index, (3, 3))
    assert support.index.tolist() == index.tolist() and support.index.dtype == torch.int64
    assert support.entries == 3 and support.device.type == "cpu" and support.to("cpu") is support
    assert copy.deepcopy(support).index.tolist() == index.tolist()


def test_symmetric_supports():
    assert Support(torch.tensor([[0, 1, 2], [1, 0, 2]]), (3, 3)).is_symmetric()
    assert not Support(torch.tensor([[0, 1, 2], [1, 0, 1]]), (3, 3)).is_symmetric()
    assert Support(torch.zeros(2, 0, dtype=torch.long), (0, 0)).is_symmetric()
    with pytest.raises(ShapeError, match="two axes"):
        Support(torch.tensor([[0]]), (3,)).is_symmetric()


@pytest.mark.parametrize("sizes", [(6, 6, 6), (10**6,) * 3, (2**40,) * 3], ids=["pointers", "keys", "ranks"])
def test_lookups(sizes):
    generator = torch.Generator().manual_seed(0)
    cells = (torch.rand(6, 6, 6, generator=generator) < 0.3).nonzero()
    cells = cells[torch.randperm(len(cells), generator=generator)]
    support = Support(cells.T * (sizes[0] // 6), sizes)
    queries = torch.cartesian_prod(*[torch.arange(6) * (sizes[0] // 6)] * 3)
    for axes in [(0,), (2,), (1, 0), (0, 2), (0, 1, 2), (2, 1, 0)]:
        lookup = support.lookup(axes)
        starts, counts = lookup.ranges([queries[:, k] for k in axes])
        assert starts.dtype == counts.dtype == torch.int64
        for query, start, count in zip(queries[::7], starts[::7], counts[::7], strict=True):
            expected = (support.index[list(axes)] == query[list(axes), None]).all(0).nonzero()[:, 0]
            assert lookup.entries(torch.arange(start, start + count)).tolist() == expected.tolist()


def test_diagonals():
    support = Support(torch.tensor([[0, 1, 2, 2], [1, 1, 0, 2]]), (3, 3))
    lookup = support.lookup((0,), (0, 0))
    starts, counts = lookup.ranges([torch.arange(3)])
    assert counts.tolist() == [0, 1, 1]
    assert lookup.entries(starts[1:]).tolist() == [1, 3]


def test_results_are_kept_and_bounded():
    support = Support(torch.tensor([[0]]), (1,))
    results = [support.cache(k, object) for k in range(2 * CACHE_SIZE)]
    assert support.cache(2 * CACHE_SIZE - 1, object) is results[-1]
    assert len(support._cache) <= CACHE_SIZE
