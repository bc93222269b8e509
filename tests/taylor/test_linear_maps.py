"""`linear_maps`: ranks against closed forms and characters, the maps against random group elements."""

import time
import tracemalloc
from math import comb

import numpy as np
import pytest
import scipy
import torch
from hypothesis import given
from hypothesis import strategies as st

from einnet import EinNetError, linear_maps, series
from einnet.errors import ShapeError
from einnet.taylor import Representation, lorentz, orthogonal, permutations, rotations
from oracles.groups import kronecker, matrix_elements
from refusals import assert_refused

RIORDAN = [1, 0, 1, 1, 3, 6, 15, 36, 91]  # invariants of SO(3) in the tensor powers of the vectors

CLOSED_FORMS = {
    "SO(2)": (rotations(2), 4, lambda m: 0 if m % 2 else comb(m, m // 2)),
    "SO(3)": (rotations(3), 4, lambda m: RIORDAN[m]),
    "O(1)": (orthogonal(1), 4, lambda m: 1 - m % 2),
    "O(2)": (orthogonal(2), 4, lambda m: 0 if m % 2 else max(comb(m, m // 2) // 2, 1)),
    "O(3)": (orthogonal(3), 4, lambda m: 0 if m % 2 else RIORDAN[m]),
    "SO+(1,3)": (lorentz(), 3, lambda m: 0 if m % 2 else (comb(m, m // 2) // (m // 2 + 1)) ** 2),
    "SO+(1,1)": (lorentz(1), 4, lambda m: 0 if m % 2 else comb(m, m // 2)),
}


def element(v: Representation, rng: np.random.Generator) -> np.ndarray:
    """A random product of generators and of exponentials from the Lie algebra."""
    factors = [g.toarray() for g in v.generators for _ in range(rng.integers(3))]
    if v.lie_algebra:
        for _ in range(2):
            weights = rng.normal(0, 0.7, len(v.lie_algebra))
            factors.append(scipy.linalg.expm(sum(w * a.toarray() for w, a in zip(weights, v.lie_algebra, strict=True))))
    rng.shuffle(factors)
    return np.linalg.multi_dot([np.eye(v.dimension), np.eye(v.dimension), *factors])


def assert_basis(maps, v: Representation, k: int, l: int) -> None:  # noqa: E741
    """Every map commutes with random elements, and none is a combination of the others."""
    basis = maps.basis
    assert basis.shape == (maps.rank, v.dimension**l, v.dimension**k)
    if not maps.rank:
        return
    assert np.linalg.matrix_rank(basis.reshape(maps.rank, -1)) == maps.rank
    rng = np.random.default_rng(k * 5 + l)
    for _ in range(3):
        g = element(v, rng)
        after, before = kronecker(g, l) @ basis, basis @ kronecker(g, k)
        assert np.abs(after - before).max() <= 1e-9 * np.abs(after).max()


@pytest.mark.parametrize("name", CLOSED_FORMS)
def test_ranks_between_tensor_powers_and_the_maps_themselves(name):
    v, highest_power, invariants = CLOSED_FORMS[name]
    for k in range(highest_power + 1):
        for l in range(highest_power + 1):  # noqa: E741
            maps = linear_maps(source=v**k, target=v**l)
            assert maps.rank == invariants(k + l), (k, l)
            assert_basis(maps, v, k, l)


@pytest.mark.parametrize("rank", [0, 2, 3])
def test_lorentz_tensors_of_rank_4(rank):
    v, _, invariants = CLOSED_FORMS["SO+(1,3)"]
    assert linear_maps(source=v**4, target=v**rank).rank == invariants(4 + rank)


@pytest.mark.parametrize(
    ("ask", "phrase"),
    [
        (lambda: linear_maps([list(range(300))]), "90000 x 300 x 300"),
        (lambda: linear_maps([np.eye(300), np.diag([2.0] * 300)], method="dense"), "8,100,000,000 entries"),
        (lambda: linear_maps(source=lorentz() ** 4, target=lorentz() ** 4, method="dense"), "method='iterative'"),
        (lambda: linear_maps(lie_algebra=rotations(3).lie_algebra, source=16, target=0), "1 x 43046721"),
        (lambda: rotations(3) ** 20, "3,486,784,401"),
        (lambda: permutations(10**8), "got 100"),
        (lambda: rotations(500), "got 500"),
        (lambda: rotations(3) * 2, r"v \*\* 2"),
        (lambda: linear_maps(rotations(3), rotations(3)), "source= and target="),
    ],
)
def test_what_is_too_large_is_refused_before_time_and_memory_are_spent(ask, phrase):
    tracemalloc.start()
    start = time.process_time()
    try:
        with pytest.raises(EinNetError, match=phrase):
            ask()
        assert time.process_time() - start < 2
        assert tracemalloc.get_traced_memory()[1] < 100e6
    finally:
        tracemalloc.stop()


def test_powers_of_the_groups_own_space_are_given_as_numbers():
    lie_algebra = [a.toarray() for a in rotations(3).lie_algebra]
    mirror = np.diag([-1, 1, 1])
    assert linear_maps([mirror], lie_algebra, 2, 2).rank == 3
    assert linear_maps(lie_algebra=lie_algebra, source=2).basis.shape == (1, 3, 9)
    assert linear_maps([mirror], lie_algebra, source=2).rank == 0
    assert linear_maps(lie_algebra=lie_algebra, source=3, target=0).rank == 1
    cross = linear_maps(lie_algebra=lie_algebra, source=2).basis[0].reshape(3, 3, 3)
    x, y = np.random.default_rng(0).standard_normal((2, 3))
    assert np.abs(np.cross(np.einsum("kij,i,j->k", cross, x, y), np.cross(x, y))).max() < 1e-12


@pytest.mark.parametrize("method", ["exact", "dense", "iterative"])
def test_the_dimension_may_be_any(method):
    """Vectors in d dimensions: T2 -> T2 has the trace, the transpose, the identity, and in 4 the epsilon."""
    for d, rank in ((2, 6), (3, 3), (4, 4)):
        assert linear_maps(source=rotations(d) ** 2, target=rotations(d) ** 2, method=method).rank == rank


QUATERNIONS = [
    [[0, -1, 0, 0], [1, 0, 0, 0], [0, 0, 0, -1], [0, 0, 1, 0]],
    [[0, 0, -1, 0], [0, 0, 0, 1], [1, 0, 0, 0], [0, -1, 0, 0]],
]
SHEAR, QUARTER = [[1, 1], [0, 1]], [[0, -1], [1, 0]]
METHODS = {
    "SO(3)": (rotations(3), 2, 2), "O(3)": (orthogonal(3), 2, 2), "Lorentz": (lorentz(), 2, 2),
    "no maps": (orthogonal(3), 2, 1), "all maps": (Representation([np.eye(3)]), 1, 2), "S(4)": (permutations(4), 2, 1),
    "quaternions": (Representation(QUATERNIONS), 1, 1), "shear": (Representation([SHEAR]), 1, 2),
    "SL(2, Z)": (Representation([SHEAR, QUARTER]), 2, 2), "Heisenberg": (Representation([[[1, 1, 0], [0, 1, 1], [0, 0, 1]]]), 1, 2),
    "points in space": (permutations(3) @ rotations(3), 1, 1),
}  # fmt: skip


@pytest.mark.parametrize("name", METHODS)
def test_all_methods_find_the_same_maps(name):
    v, k, l = METHODS[name]  # noqa: E741
    by_method = {m: linear_maps(source=v**k, target=v**l, method=m) for m in ("auto", "exact", "dense", "iterative")}
    rank = by_method["exact"].rank
    for maps in by_method.values():
        assert maps.rank == rank
        assert_basis(maps, v, k, l)
    if not rank:
        return
    stacked = np.concatenate([m.basis.reshape(rank, -1) for m in by_method.values()])
    assert np.linalg.matrix_rank(stacked, tol=1e-7) == rank
    for method in ("dense", "iterative"):
        rows = by_method[method].basis.reshape(rank, -1)
        assert np.allclose(rows @ rows.T, np.eye(rank), rtol=0, atol=1e-9)  # orthonormal
    units = {tuple(column) for column in by_method["exact"].basis.reshape(rank, -1).T.tolist()}
    assert units >= {tuple(row) for row in np.eye(rank).tolist()}  # reduced: each has an entry to itself


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_permutations_by_orbits_have_the_ranks_of_the_series(n):
    shift, swap = [*range(1, n), 0], [*range(n)[:2][::-1], *range(2, n)]
    for k, l in ((0, 0), (1, 1), (2, 0), (2, 1), (1, 2), (2, 2), (3, 1)):  # noqa: E741
        maps = linear_maps([shift, swap], source=k, target=l)
        assert maps.rank == series(f"{'a' * k} -> {'a' * l}", 1, sizes={"a": n} if k + l else None).dof[1]
        assert set(np.unique(maps.basis)) <= {0, 1}
        assert (maps.basis.sum(0) == 1).all()  # each entry in one orbit
        assert_basis(maps, permutations(n), k, l)


def test_permutations_given_as_matrices_are_recognised():
    swap = scipy.sparse.coo_array(np.eye(3)[[1, 0, 2]])
    for given_as in ([1, 0, 2], np.eye(3)[[1, 0, 2]], swap, swap.tocsc(), swap.toarray().astype(int).tolist()):
        basis = linear_maps([given_as], source=1).basis
        assert basis.shape == (5, 3, 3) and set(np.unique(basis)) == {0, 1}
    assert linear_maps(source=permutations(3), target=permutations(3) * permutations(3).dual).rank == 5


def test_points_in_space():
    """S(4) x SO(3): the partitions of the points' indices times the invariants of the vectors."""
    points = permutations(4) @ rotations(3)
    assert (points.dimension, len(points.generators), len(points.lie_algebra)) == (12, 2, 3)
    for k, l, rank in ((1, 1, 2 * 1), (2, 1, 5 * 1), (2, 2, 15 * 3)):  # noqa: E741
        maps = linear_maps(source=points**k, target=points**l)
        assert maps.rank == rank
        assert_basis(maps, points, k, l)


def test_a_product_of_groups_multiplies_the_ranks():
    v, w = orthogonal(2), Representation([[2, 0, 1], [1, 0, 2]])
    for k, l in ((1, 1), (2, 0), (2, 2), (1, 0)):  # noqa: E741
        one, two = (linear_maps(source=u**k, target=u**l).rank for u in (v, w))
        assert linear_maps(source=(v @ w) ** k, target=(v @ w) ** l).rank == one * two


def test_direct_sums_add_the_ranks():
    v = rotations(3)
    parts = {"1": v**0, "V": v, "VV": v**2}
    rank = {(s, t): linear_maps(source=parts[s], target=parts[t]).rank for s in parts for t in parts}
    for s in parts:
        for t in parts:
            for u in parts:
                assert linear_maps(source=parts[s] + parts[t], target=parts[u]).rank == rank[s, u] + rank[t, u]
                assert linear_maps(source=parts[u], target=parts[s] + parts[t]).rank == rank[u, s] + rank[u, t]
    basis_of_sum = linear_maps(source=v + v, target=v).basis
    for row in basis_of_sum:
        assert np.allclose(row, np.kron(row[:, [0, 3]][0], np.eye(3)))


def test_the_dual_of_lorentz_vectors_is_reached_by_the_metric():
    v = lorentz()
    maps = linear_maps(source=v, target=v.dual)
    assert maps.rank == 1
    assert np.allclose(maps.basis[0] / maps.basis[0, 0, 0], np.diag([1, -1, -1, -1]))
    assert linear_maps(source=v.dual, target=v).rank == linear_maps(source=v.dual, target=v.dual).rank == 1


DUALS = {  # V -> V, V -> V*, V* -> V
    "GL(2)": (Representation(lie_algebra=[np.eye(4)[k].reshape(2, 2) for k in range(4)]), 1, 0, 0),
    "scaling": (Representation([[[2]]]), 1, 0, 0),
    "SL(2, Z)": (Representation([SHEAR, QUARTER]), 1, 1, 1),
    "upper triangles": (Representation(lie_algebra=[np.eye(4)[k].reshape(2, 2) for k in (0, 1, 3)]), 1, 0, 0),
    "shear": (Representation([SHEAR]), 2, 2, 2),
    "shear, by its Lie algebra": (Representation(lie_algebra=[[[0, 1], [0, 0]]]), 2, 2, 2),
    "Lorentz": (lorentz(), 1, 1, 1),
    "O(3)": (orthogonal(3), 1, 1, 1),
}


@pytest.mark.parametrize("name", DUALS)
def test_duals(name):
    """Maps V -> W are the invariants of W and the dual of V."""
    v, *ranks = DUALS[name]
    for (source, target), rank in zip(((v, v), (v, v.dual), (v.dual, v)), ranks, strict=True):
        assert linear_maps(source=source, target=target).rank == rank
        assert linear_maps(source=v**0, target=target * source.dual).rank == rank
    rng = np.random.default_rng(0)
    if v.lie_algebra and not v.generators:
        a = sum(rng.normal() * m.toarray() for m in v.lie_algebra)
        b = sum(
            w * m.toarray() for w, m in zip(np.random.default_rng(0).normal(size=9), v.dual.lie_algebra, strict=False)
        )
        assert np.allclose(scipy.linalg.expm(b), np.linalg.inv(scipy.linalg.expm(a)).T)
    for g, h in zip(v.generators, v.dual.generators, strict=True):
        assert np.allclose(h.toarray().T @ g.toarray(), np.eye(v.dimension))


def dihedral(n: int) -> list[np.ndarray]:
    c, s = np.cos(2 * np.pi / n), np.sin(2 * np.pi / n)
    return [np.array([[c, -s], [s, c]]), np.diag([1.0, -1.0])]


FINITE = {
    "quaternions": (QUATERNIONS, 8),
    "cube rotations": ([[[0, -1, 0], [1, 0, 0], [0, 0, 1]], [[0, 0, 1], [1, 0, 0], [0, 1, 0]]], 24),
    "order 3, by whole numbers": ([[[0, -1], [1, -1]]], 3),
    "order 6, by whole numbers": ([[[0, -1], [1, 1]]], 6),
    **{f"dihedral {n}": (dihedral(n), 2 * n) for n in (3, 4, 5, 7)},
    "fifth turn": (dihedral(5)[:1], 5),
}


@pytest.mark.parametrize("name", FINITE)
def test_finite_groups_have_the_mean_of_the_characters(name):
    generators, size = FINITE[name]
    group = matrix_elements([np.array(g, float) for g in generators])
    assert len(group) == size
    characters, inverse = (np.array([np.trace(m) for m in ms]) for ms in (group, map(np.linalg.inv, group)))
    for k, l in ((0, 1), (0, 2), (1, 1), (2, 1), (1, 2), (2, 2)):  # noqa: E741
        maps = linear_maps(generators, source=k, target=l)
        assert maps.rank == round((characters**l * inverse**k).mean(), 6)
        assert_basis(maps, Representation(generators), k, l)


@st.composite
def draw_signed_permutations(draw):
    """Signed permutation matrices, seen from a basis of whole numbers that is not orthogonal."""
    d = draw(st.integers(1, 3))
    change = np.eye(d) + np.triu(
        np.array(draw(st.lists(st.integers(-1, 1), min_size=d * d, max_size=d * d))).reshape(d, d), 1
    )
    back = np.linalg.inv(change)
    generators = []
    for _ in range(draw(st.integers(1, 2))):
        signs = draw(st.lists(st.sampled_from([-1, 1]), min_size=d, max_size=d))
        generators.append(np.round(change @ np.diag(signs) @ np.eye(d)[draw(st.permutations(range(d)))] @ back))
    return generators


@given(draw_signed_permutations(), st.sampled_from(["auto", "dense", "iterative"]))
def test_random_finite_groups_have_the_mean_of_the_characters(generators, method):
    group = matrix_elements(generators)
    v = Representation(generators)
    characters, inverse = (np.array([np.trace(m) for m in ms]) for ms in (group, map(np.linalg.inv, group)))
    assert linear_maps(source=v, target=v**2, method=method).rank == round((characters**2 * inverse).mean(), 6)
    assert linear_maps(source=v, target=v.dual, method=method).rank == round((inverse**2).mean(), 6)
    assert linear_maps(source=v + v**0, target=v, method=method).rank == round(((inverse + 1) * characters).mean(), 6)


def test_values():
    maps = linear_maps(source=rotations(3) ** 2, target=rotations(3) ** 2)
    rng = np.random.default_rng(0)
    x, params = rng.standard_normal((2, 5, 9)), rng.standard_normal(3)
    expected = x @ sum(p * w for p, w in zip(params, maps.basis, strict=True)).T
    assert np.allclose(maps.evaluate(x, params), expected)
    assert np.allclose(maps.evaluate(x[0, 0], params.tolist()), expected[0, 0])
    assert maps.evaluate(x[:, :0], params).shape == (2, 0, 9)
    tx, tp = (torch.tensor(v, requires_grad=True) for v in (x, params))
    assert np.allclose(maps.evaluate(tx, tp).detach().numpy(), expected)
    assert torch.autograd.gradcheck(maps.evaluate, (tx[0], tp))
    assert maps.evaluate(tx.float(), tp.float()).dtype == torch.float32
    assert repr(maps) == "LinearMaps(rank 3, 9 to 9 dimensions)"
    nothing = linear_maps(source=orthogonal(3) ** 2, target=orthogonal(3))
    assert nothing.rank == 0 and nothing.evaluate(np.ones((2, 9)), np.ones(0)).tolist() == [[0] * 3] * 2


V = rotations(3)
WRONG = {
    "not square": (lambda: linear_maps([[[1, 0, 0], [0, 1, 0]]]), "generators[0]", "(2, 3)"),
    "not square, sparse": (lambda: linear_maps(lie_algebra=[scipy.sparse.eye_array(2, 3)]), "lie_algebra[0]", "square"),
    "no entries": (lambda: linear_maps([np.zeros((0, 0))]), "generators[0]", "matrix of numbers"),
    "letters": (lambda: linear_maps([[["a"]]]), "generators[0]", "matrix of numbers"),
    "no matrices": (lambda: linear_maps(), "Lie algebra"),
    "empty lists": (lambda: Representation([], []), "lie_algebra="),
    "complex": (lambda: linear_maps([[[1j, 0], [0, 1]]]), "generators[0]", "real"),
    "infinite": (lambda: linear_maps(lie_algebra=[[[np.inf]]]), "lie_algebra[0]", "finite"),
    "not a number": (lambda: linear_maps([[[np.nan]]]), "finite"),
    "singular": (lambda: linear_maps([np.eye(2), np.ones((2, 2))]), "generators[1]", "singular"),
    "no permutation": (lambda: linear_maps([[1, 1, 0]]), "generators[0]", "[1, 1, 0]"),
    "a permutation in the Lie algebra": (lambda: linear_maps(lie_algebra=[[1, 0]]), "lie_algebra[0]", "(2,)"),
    "one matrix": (lambda: linear_maps(np.eye(3)), "generators", "got one"),
    "not a list": (lambda: linear_maps("abc"), "generators", "str"),
    "different spaces": (lambda: linear_maps([[1, 0], np.eye(3)]), "same space", "[2, 3]"),
    "different groups": (lambda: linear_maps(source=V, target=orthogonal(3)), "one group"),
    "a sum of different groups": (lambda: V + orthogonal(3), "0 and 1 generators", "v @ w"),
    "a product of different groups": (lambda: V * permutations(3), "0 and 2 generators"),
    "a representation and a number": (lambda: linear_maps(source=V, target=1), "tensor powers"),
    "a number and a representation": (lambda: linear_maps([[1, 0]], source=1, target=V), "two representations"),
    "generators twice": (lambda: linear_maps([[1, 0]], source=V, target=V), "generators"),
    "method": (lambda: linear_maps([[1, 0]], method="fast"), "method", "'fast'"),
    "exact fractions": (lambda: linear_maps([np.diag([0.5, 1])], method="exact"), "method='exact'", "whole numbers"),
    "negative power": (lambda: linear_maps([[1, 0]], source=-1), "tensor power", "got -1"),
    "power": (lambda: V**0.5, "tensor power", "got 0.5"),
    "too large": (lambda: linear_maps(source=V**7, target=V**7), "2187 x 2187 = 4,782,969"),
    "rotations of a line": (lambda: rotations(1), "dimension", "got 1"),
    "no space": (lambda: lorentz(0), "from 1 to 50", "got 0"),
    "no points": (lambda: permutations(2.5), "whole number", "got 2.5"),
    "x": (lambda: linear_maps([[1, 0]]).evaluate(np.ones(3), [1, 1]), "(batch..., 2)", "(3,)"),
    "params": (lambda: linear_maps([[1, 0]]).evaluate(np.ones(2), [1]), "2 parameters", "(1,)"),
}  # fmt: skip
OF_SHAPE = (
    "not square", "not square, sparse", "no entries", "letters", "a permutation in the Lie algebra", "different spaces",
    "x", "params",
)  # fmt: skip
CLASSES = dict.fromkeys(OF_SHAPE, ShapeError) | dict.fromkeys(["power", "no points"], TypeError)


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_argument_is_refused(name):
    call, *phrases = WRONG[name]
    assert_refused(call, CLASSES.get(name, EinNetError), *phrases)


def test_a_lie_algebra_may_be_given_at_any_scale():
    assert linear_maps(lie_algebra=[1e-6 * np.array(QUARTER)]).rank == 2


def test_rotations_seen_from_a_slanted_basis():
    """SO(3) conjugated with [[1, 3, 0], [0, 1, -4], [0, 0, 1]]."""
    slant = np.array([[1, 3, 0], [0, 1, -4], [0, 0, 1]])
    back = np.round(np.linalg.inv(slant)).astype(int)
    lie_algebra = [slant @ a.toarray() @ back for a in V.lie_algebra]
    for method in ("exact", "dense", "iterative"):
        assert linear_maps(lie_algebra=lie_algebra, source=2, target=2, method=method).rank == 3


def test_six_elements_seen_from_a_slanted_basis():
    """A cyclic group of order 6, in whole numbers, with -1 in it; what 'iterative' cannot tell from zero, it says."""
    g = np.array([[2, -5, 12], [-2, 4, -13], [-1, 2, -6]])
    assert (np.linalg.matrix_power(g, 3) == -np.eye(3)).all()
    assert linear_maps([g], target=2, method="exact").rank == 0
    assert linear_maps([g], target=2, method="dense").rank == 0
    with pytest.raises(EinNetError, match="null space"):
        linear_maps([g], target=2, method="iterative")


def test_large_generators_are_not_made_dense(monkeypatch):
    """An n^3 decomposition of every product would make large permutation groups unusable."""
    seen = []
    slogdet = np.linalg.slogdet
    monkeypatch.setattr(np.linalg, "slogdet", lambda m: seen.append(len(m)) or slogdet(m))
    assert (permutations(5) ** 4).dimension == 625
    assert max(seen) <= 500
