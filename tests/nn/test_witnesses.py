"""What only the right operation sees, whatever the weights and activations; and attention as a pooling operation."""

import networkx as nx
import numpy as np
import pytest
import torch

from einnet import EinNet, EinPool, Term, pooling
from einnet.testing import assert_equivariant
from oracles.witnesses import invariants, is_strongly_regular, rook, semi_regular_matrices, shrikhande


def output(net: EinNet, matrix: np.ndarray) -> torch.Tensor:
    with torch.no_grad():
        return net(torch.from_numpy(matrix).double().unsqueeze(-1))


def gap(net: EinNet, first: np.ndarray, second: np.ndarray) -> float:
    """How far apart the outputs are, relative to their size."""
    y, z = output(net, first), output(net, second)
    return float((y - z).abs().max() / y.abs().max())


def relabel(matrix: np.ndarray, seed: int, joint: bool) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(matrix))
    return matrix[rows][:, rows if joint else rng.permutation(len(matrix))]


# --- relations: the bridge --------------------------------------------------------------------------


def test_the_two_graphs_have_the_same_parameters_and_differ():
    assert is_strongly_regular(rook(), 16, 6, 2, 2)
    assert is_strongly_regular(shrikhande(), 16, 6, 2, 2)
    graphs = [nx.from_numpy_array(g) for g in (rook(), shrikhande())]
    assert not nx.is_isomorphic(*graphs)
    assert [max(map(len, nx.find_cliques(g))) for g in graphs] == [4, 3]


@pytest.mark.parametrize("seed", range(4))
def test_rook_and_shrikhande_need_the_bridge(seed):
    torch.manual_seed(seed)
    options = {"in_features": 1, "out_features": 4, "heads": 4, "hidden": 16, "depth": 4}
    blind = EinNet("aaH -> H", **options, order=2).double()
    sees = EinNet("aaH -> H", **options, order=5).double()
    assert gap(blind, rook(), shrikhande()) < 1e-12
    assert gap(sees, rook(), relabel(rook(), seed, joint=True)) < 1e-12
    assert gap(sees, rook(), shrikhande()) > 1e-6


# --- matrices: the two operations of order 5 ----------------------------------------------------------


@pytest.fixture(scope="module")
def matrices():
    """One matrix for each pair of invariants."""
    by_invariants = {}
    for matrix in semi_regular_matrices():
        by_invariants.setdefault(invariants(matrix), matrix)
        if len(by_invariants) == 3:
            break
    return by_invariants


def test_the_search_finds_three_matrices(matrices):
    assert set(matrices) == {(944, 896), (896, 944), (896, 896)}
    for m in matrices.values():
        assert np.array_equal(m @ m.T @ m, 4 * m + 6)
        assert set(m.sum(0)) == set(m.sum(1)) == {4}


@pytest.mark.parametrize("seed", range(2))
def test_each_operation_of_order_5_sees_one_side(matrices, seed):
    first, second = pooling("ab", 5).by_order[5]
    lower = list(pooling("ab", 4))
    options = {"in_features": 1, "out_features": 4, "heads": 4, "hidden": 16, "depth": 3}

    def net(*more: Term) -> EinNet:
        torch.manual_seed(seed)
        return EinNet("abH -> H", **options, terms=[str(t) for t in (*lower, *more)]).double()

    rows, columns, neither = (matrices[k] for k in ((944, 896), (896, 944), (896, 896)))
    blind, sees_rows, sees_columns = net(), net(first), net(second)
    assert [gap(blind, m, neither) < 1e-12 for m in (rows, columns)] == [True, True]
    assert [gap(sees_rows, m, neither) > 1e-6 for m in (rows, columns)] == [True, False]
    assert [gap(sees_columns, m, neither) > 1e-6 for m in (rows, columns)] == [False, True]
    assert gap(sees_rows, columns, neither) < 1e-12 and gap(sees_columns, rows, neither) < 1e-12
    assert gap(net(first, second), rows, columns) > 1e-6
    assert gap(sees_rows, rows, relabel(rows, seed, joint=False)) < 1e-12


# --- attention --------------------------------------------------------------------------------------


def attention(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """Linear self-attention without normalisation, (tokens, latent)."""
    return (q @ k.T) @ v


def test_the_order_3_operation_of_matrices_is_linear_attention():
    q, k, v = torch.randn(3, 7, 5, dtype=torch.float64)
    pool = EinPool(["ab,cb,cd->ad"], "abH", normalize=None)
    assert torch.allclose(pool(torch.stack([q, k, v], -1))[..., 0], attention(q, k, v))


def test_attention_is_equivariant_to_permutations_of_tokens_and_to_rotations_of_the_latent_axis():
    pool = EinPool(["ab,cb,cd->ad"], "abH", normalize=None)
    assert_equivariant(pool, "abH -> abH", {"a": 6, "b": 4}, features=3)
    x = torch.randn(6, 4, 3, dtype=torch.float64)
    rotation, _ = torch.linalg.qr(torch.randn(4, 4, dtype=torch.float64))
    turned = torch.einsum("abh,bc->ach", x, rotation)
    assert torch.allclose(pool(turned), torch.einsum("abh,bc->ach", pool(x), rotation))
    product = EinPool(["ab,ab->ab"], "abH", normalize=None)  # another operation of the type does not
    y = product(x[..., :2])
    assert not torch.allclose(product(turned[..., :2]), torch.einsum("abh,bc->ach", y, rotation), atol=1e-3)
