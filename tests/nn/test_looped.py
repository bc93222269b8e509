"""Operations that loop: the same numbers and gradients as the naive einsum, with nothing larger than the operands."""

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from einnet import EinNet, EinPool, Plan, Symmetry, Term, pooling
from einnet.nn import looped
from einnet.testing import assert_equivariant
from oracles.naive import naive_pool
from strategies import SIZES, with_h

BRIDGE = "ab,ac,bc,bd,cd->ad"
LOOPED = [
    (text, str(t))
    for text, order in {"aa": 7, "ab": 7, "abc": 3, "aab": 3, "aaa": 3, "abc; a->b": 5}.items()
    for t in pooling(text, order)
    if any(s.loop for s in Plan.make([t], text).steps)
]


def numbers(*shape: int) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.float64)


def bridge_of(x: torch.Tensor) -> torch.Tensor:
    return torch.einsum("...abh,...ach,...bch,...bdh,...cdh->...adh", *x.chunk(5, -1))


@pytest.fixture(params=[1, 50, 2**20], ids="entries of a chunk: {}".format)
def chunk(request, monkeypatch):
    monkeypatch.setattr(looped, "CHUNK", request.param)


def test_there_are_operations_that_loop():
    assert ("aa", BRIDGE) in LOOPED
    assert len({text for text, _ in LOOPED}) >= 4


@pytest.mark.parametrize(("text", "term"), LOOPED, ids=[f"{t} {x}" for t, x in LOOPED])
def test_values_against_the_naive_einsum(text, term, chunk):
    symmetry = Symmetry(text)
    x = np.random.default_rng(0).standard_normal((*(SIZES[c] for c in symmetry.axes), 2 * Term(term).order))
    for normalize in (None, "size"):
        got = EinPool([term], with_h(text), normalize=normalize)(torch.from_numpy(x)).numpy()
        assert np.allclose(got, naive_pool([Term(term)], x, symmetry, normalize), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("text", "term"), LOOPED[:8], ids=[f"{t} {x}" for t, x in LOOPED[:8]])
def test_gradients(text, term, chunk):
    pool = EinPool([term], with_h(text))
    x = numbers(*(min(SIZES[c], 3) for c in Symmetry(text).axes), pool.fan_in).requires_grad_()
    assert torch.autograd.gradcheck(pool, x)


def test_the_gradients_of_the_bridge_are_those_of_the_naive_einsum(chunk):
    pool = EinPool([BRIDGE], "aaH", normalize=None)
    x = numbers(2, 3, 6, 6, 10).requires_grad_()
    expected = bridge_of(x)
    y = pool(x)
    assert torch.allclose(y, expected, rtol=1e-12, atol=1e-10)
    (got,) = torch.autograd.grad(y.sin().sum(), x)
    (naive,) = torch.autograd.grad(expected.sin().sum(), x)
    assert torch.allclose(got, naive, rtol=1e-10, atol=1e-8)


class Largest(TorchDispatchMode):
    """The most entries of a tensor that an operation makes."""

    entries = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for x in result if isinstance(result, (list, tuple)) else [result]:
            if isinstance(x, torch.Tensor) and x.untyped_storage().nbytes() and not x._is_view():
                self.entries = max(self.entries, x.untyped_storage().nbytes() // x.element_size())
        return result


def entries_seen(n: int) -> int:
    """The largest tensor that the chunks of the bridge make, forward and backward, for two features."""
    step = Plan.make([BRIDGE], "aa").steps[0]
    einsum = looped.LoopedEinsum(step.equation, "".join(step.loop))
    operands = [torch.randn(2, n, n) for _ in range(5)]
    with Largest() as seen:
        for slices in einsum.chunks(operands):
            einsum.result(operands, slices)
            einsum.gradients(torch.ones(2, n, n), operands, slices)
    return seen.entries


@pytest.mark.parametrize("n", [16, 32])
def test_no_tensor_of_three_axes_is_made(n, monkeypatch):
    monkeypatch.setattr(looped, "CHUNK", 1)
    assert entries_seen(n) == 2 * n * n
    monkeypatch.setattr(looped, "CHUNK", 2**40)  # all in one chunk: then there is one, and it is seen
    assert entries_seen(n) >= n**3
    with Largest() as naive:
        bridge_of(torch.randn(n, n, 10))
    assert naive.entries >= n**3


def test_one_pass_goes_through_every_chunk_once(monkeypatch):
    """The operators themselves go by the chunks: as many as the loop's index has values."""
    monkeypatch.setattr(looped, "CHUNK", 1)
    seen = []
    chunks = looped.LoopedEinsum.chunks

    def record_chunks(self, operands):
        for slices in chunks(self, operands):
            seen.append(slices)
            yield slices

    monkeypatch.setattr(looped.LoopedEinsum, "chunks", record_chunks)
    x = torch.randn(6, 6, 10, requires_grad=True)
    y = EinPool([BRIDGE], "aaH")(x)
    assert [s["b"].start for s in seen] == list(range(6))
    y.sum().backward()
    assert [s["b"].start for s in seen] == 2 * list(range(6))
    assert all(s["b"].stop - s["b"].start == 1 for s in seen)


def test_the_plan_shows_the_loop():
    table = str(Plan.make([BRIDGE], "aa"))
    assert f"{BRIDGE} for each b" in table
    assert table.endswith("FLOPs 2a^4 + 3a^3, largest intermediate a^2, per feature")


def test_every_plan_of_the_catalogue_stays_within_the_axes_of_its_type():
    for text, order in {"aa": 8, "ab": 8, "aaa": 3, "abc": 4, "aab": 4}.items():
        for term in pooling(text, order):
            assert Plan.make([term], text).largest.degree <= len(term.output)


# --- precision, masks, compilation --------------------------------------------------------------------


def test_single_and_half_precision():
    pool = EinPool([BRIDGE], "aaH", normalize="size")
    x = numbers(12, 12, 20)
    expected = pool(x)
    assert torch.allclose(pool(x.float()).double(), expected, rtol=1e-4, atol=1e-4)
    assert pool(x.bfloat16()).dtype == torch.bfloat16
    error = (pool(x.bfloat16()).double() - expected).abs().max() / expected.abs().max()
    assert error < 0.02


def test_autocast_gives_what_the_eager_dtype_gives():
    net = EinNet("aaH", 3, 2, heads=2, hidden=8, depth=1, order=5)
    x = torch.randn(2, 6, 6, 3)
    with torch.autocast("cpu", torch.bfloat16):
        y = net(x)
    y.float().sum().backward()
    assert torch.allclose(y.float(), net(x), rtol=0.1, atol=0.1)
    assert all(torch.isfinite(p.grad).all() for p in net.parameters())


@pytest.mark.parametrize("masks", [False, True], ids=["plain", "masked"])
def test_a_network_with_the_bridge_is_equivariant(masks):
    net = EinNet("aaH -> aaH", 3, 2, heads=2, hidden=8, depth=2, order=5).double()
    assert BRIDGE in [str(t) for t in net.layers[0].pool.plan.terms]
    assert_equivariant(net, "aaH -> aaH", {"a": 6}, features=3, masks=masks)


def test_it_compiles_once_for_five_sizes():
    graphs = []

    def count_graphs(graph, _inputs):
        graphs.append(graph)
        return graph.forward

    torch.compiler.reset()
    net = EinNet("aaH -> aaH", 3, 2, heads=2, hidden=8, depth=1, order=5)
    compiled = torch.compile(net, fullgraph=True, dynamic=True, backend=count_graphs)
    for n in (5, 6, 7, 9, 12):
        x = torch.randn(2, n, n, 3)
        assert torch.allclose(compiled(x), net(x), atol=1e-5)
    assert len(graphs) == 1


def test_compiled_gradients():
    torch.compiler.reset()
    pool = EinPool([BRIDGE], "aaH")
    x = torch.randn(5, 5, 10, requires_grad=True)
    (got,) = torch.autograd.grad(torch.compile(pool, fullgraph=True, dynamic=True, backend="aot_eager")(x).sum(), x)
    (expected,) = torch.autograd.grad(pool(x).sum(), x)
    assert torch.allclose(got, expected, atol=1e-4)


def test_it_exports_with_a_free_size():
    net = EinNet("aaH -> aaH", 3, 2, heads=2, hidden=8, depth=1, order=5)
    n = torch.export.Dim("n", min=2)
    program = torch.export.export(net, (torch.randn(6, 6, 3),), dynamic_shapes={"inputs": ({0: n, 1: n},)})
    x = torch.randn(11, 11, 3)
    assert torch.allclose(program.module()(x), net(x), atol=1e-5)


def test_the_custom_operators_pass_torchs_own_checks():
    operands = [numbers(2, 4, 4).requires_grad_() for _ in range(5)]
    torch.library.opcheck(torch.ops.einnet.looped.default, (operands, BRIDGE, "b"))


# --- what torch can do with plain operations, it can do with these ------------------------------------------


def plain(x: torch.Tensor) -> torch.Tensor:
    return torch.einsum("...ab,...ac,...bc,...bd,...cd->...ad", *x.unbind(-1))[..., None]


POOL = EinPool([BRIDGE], "aaH", normalize=None)


def test_derivatives_of_derivatives():
    assert torch.autograd.gradgradcheck(POOL, numbers(3, 3, 5).requires_grad_())
    x = numbers(4, 4, 5).requires_grad_()
    (first,) = torch.autograd.grad(POOL(x).sin().sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(first.square().sum(), x)
    (naive,) = torch.autograd.grad(plain(x).sin().sum(), x, create_graph=True)
    assert torch.allclose(second, torch.autograd.grad(naive.square().sum(), x)[0], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    "transform",
    [
        lambda f, x: torch.func.jvp(f, (x,), (x.cos(),))[1],
        lambda f, x: torch.vmap(f)(x),
        lambda f, x: torch.func.grad(lambda y: f(y).sin().sum())(x),
        lambda f, x: torch.func.hessian(lambda y: f(y).sum())(x[0]),
    ],
    ids=["jvp", "vmap", "grad", "hessian"],
)
def test_function_transforms(transform):
    x = numbers(2, 3, 3, 5)
    assert torch.allclose(transform(POOL, x), transform(plain, x), rtol=1e-10, atol=1e-10)


def test_forward_mode_derivatives():
    from torch.autograd import forward_ad

    x, v = numbers(2, 3, 3, 5)
    with forward_ad.dual_level():
        got = forward_ad.unpack_dual(POOL(forward_ad.make_dual(x, v))).tangent
        expected = forward_ad.unpack_dual(plain(forward_ad.make_dual(x, v))).tangent
    assert torch.allclose(got, expected)


def test_complex_numbers(chunk):
    x = torch.randn(3, 3, 5, dtype=torch.complex128).requires_grad_()
    assert torch.allclose(POOL(x), plain(x))
    assert torch.autograd.gradcheck(POOL, x)
    assert torch.autograd.gradgradcheck(POOL, x)


def test_integers_stay_exact():
    assert POOL(torch.full((3, 3, 5), 200))[0, 0, 0] == 9 * 200**5
