"""What a figure of a series shows: for each coefficient a title, shapes, the parameter at each entry, their names."""

import numpy as np
import pytest

from einnet import series, series_of
from einnet.taylor.expansion import Panel

CASES = [
    series("a -> a", 2, sizes={"a": 3}),
    series("aa ->", 2, sizes={"a": 2}, commutative=True),
    series("aH, ab -> bH", 1, sizes={"a": 2, "b": 3, "H": 2}),
    series("ab -> a; a->b", 1, sizes={"a": 2, "b": 2}),
    series_of([[1, 2, 0]], 2),
    series_of([[1, 0, 2], [0, 2, 1]], 2, commutative=True),
    series_of([[1, 2, 0]], 1, out_generators=[[1, 2, 0]]),
]


@pytest.mark.parametrize("one", CASES, ids=lambda s: s.heading)
def test_panels_have_every_parameter_once_by_name(one):
    for k, free in enumerate(one.dof):
        panels = one.panels(k)
        assert all(isinstance(p, Panel) and p.title.startswith(f"order {k}") for p in panels)
        assert sum(len(p.names) for p in panels) == free
        for p in panels:
            assert p.sharing.shape == tuple(n for shape in p.shapes for n in shape) and len(p.shapes) == k + 1
            assert np.unique(p.sharing).tolist() == list(range(len(p.names)))
            assert len(set(p.names)) == len(p.names)


def test_names_and_titles():
    (one,) = series("a -> a", 1, sizes={"a": 3}).panels(1)
    assert (one.title, one.shapes, one.names) == ("order 1", ((3,), (3,)), ["i->i", "j->i"])
    assert one.sharing.tolist() == [[0, 1, 1], [1, 0, 1], [1, 1, 0]]
    first, second = series("aH, ab -> bH", 1, sizes={"a": 2, "b": 3, "H": 2}).panels(1)
    assert (first.title, first.shapes) == ("order 1: a", ((3, 2), (2, 2))) and second.title == "order 1: ab"
    assert first.names == [f"j->i [{h},{g}]" for h in (0, 1) for g in (0, 1)]
    assert second.names[:2] == ["ji->i [0]", "ji->i [1]"]
    (pairs,) = series_of([[1, 2, 0]], 2).panels(2)
    assert (pairs.title, pairs.shapes, pairs.names) == ("order 2", ((), (3,), (3,)), ["C[0,0]", "C[0,1]", "C[0,2]"])
    (equivariant,) = series_of([[1, 2, 0]], 1, out_generators=[[1, 2, 0]]).panels(1)
    assert equivariant.shapes == ((3,), (3,)) and equivariant.names == ["C[0,0]", "C[0,1]", "C[0,2]"]
    assert series_of([[1, 2, 0]], 2).panels(0)[0].names == ["C"]
