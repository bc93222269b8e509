"""Modules with sparse types behave as torch's own; wrong inputs are refused in words."""

import copy
import pickle

import pytest
import scipy.sparse
import torch
from torch import Tensor
from torch.func import functional_call

from einnet import EinNet, EinNetError
from einnet.errors import ShapeError
from einnet.nn import EinPool
from einnet.nn.sparse import Support
from networks import randomize
from refusals import assert_refused

INDEX = torch.tensor([[0, 1, 2, 0, 3], [1, 2, 0, 2, 3]])
SUPPORT = Support(INDEX, (5, 5))


def make(output: str = "[aa]H", **options) -> EinNet:
    return randomize(EinNet(f"aH, [aa]H -> {output}", (2, 3), 2, heads=1, hidden=3, depth=1, **options))


def draw(dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    return torch.randn(5, 2, dtype=dtype), torch.randn(5, 3, dtype=dtype)


def test_entries_of_one_feature_count_for_all_heads_and_for_all_batches():
    pool = EinPool(["a0,b0,[a0a1b0]->a1"], ("aH", "bH", "[aab]H"), normalize=None)
    index = torch.stack([*INDEX, torch.tensor([0, 1, 1, 0, 1])])
    nodes, kinds, weights = torch.randn(3, 5, 4), torch.randn(3, 2, 4), torch.randn(5, 1)
    expected = torch.zeros(3, 5, 4).index_add(1, index[1], nodes[:, index[0]] * kinds[:, index[2]] * weights)
    for values in (weights, weights.expand(-1, 4), weights.expand(3, -1, 1)):
        y, *_ = pool(nodes, kinds, (Support(index, (5, 5, 2)), values))
        assert torch.allclose(y, expected, atol=1e-6)


@pytest.mark.slow
def test_derivatives_of_derivatives():
    net, (nodes, edges) = make(dtype=torch.float64), draw(torch.float64)
    keys, parameters = zip(*net.named_parameters(), strict=True)

    def run(nodes, edges, *parameters):
        return functional_call(net, dict(zip(keys, parameters, strict=True)), (nodes, (SUPPORT, edges)))[1]

    leaves = (nodes.requires_grad_(), edges.requires_grad_(), *parameters)
    assert torch.autograd.gradgradcheck(run, leaves, fast_mode=True)


def test_low_precision_and_deterministic_algorithms():
    net, (nodes, edges) = make(order=2), draw()
    expected = net(nodes, (SUPPORT, edges))[1]
    with torch.autocast("cpu", torch.bfloat16):
        results = [net(nodes, (SUPPORT, edges))[1]]
    results += [copy.deepcopy(net).to(d)(nodes.to(d), (SUPPORT, edges.to(d)))[1] for d in (torch.half, torch.bfloat16)]
    assert [y.dtype for y in results] == [torch.bfloat16, torch.half, torch.bfloat16]
    assert all((y.float() - expected).norm() < 0.05 * expected.norm() for y in results)
    torch.use_deterministic_algorithms(True)
    try:
        net(nodes, (SUPPORT, edges))[1].sum().backward()
    finally:
        torch.use_deterministic_algorithms(False)


def test_copies_of_networks_and_supports():
    net, (nodes, edges) = make(), draw()
    expected = net(nodes, (SUPPORT, edges))[1]
    for one in (copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))):
        assert torch.equal(one(net)(nodes, (one(SUPPORT), edges))[1], expected)


def test_transforms_of_functions():
    net, (nodes, edges) = make(order=2), draw()
    batch = torch.stack([nodes, 2 * nodes])
    y = torch.func.vmap(lambda x: net(x, (SUPPORT, edges))[1])(batch)
    assert torch.allclose(y, torch.stack([net(x, (SUPPORT, edges))[1] for x in batch]), atol=1e-5)
    forward, reverse = (f(lambda x: net(x, (SUPPORT, edges))[1])(nodes) for f in (torch.func.jacfwd, torch.func.jacrev))
    assert torch.allclose(forward, reverse, atol=1e-5)


@pytest.mark.parametrize("mode", [torch.inference_mode, torch.no_grad])
def test_supports_from_a_mode_without_gradients_are_used_in_training(mode):
    net, (nodes, edges) = make(order=2), draw()
    with mode():
        support, index = Support(INDEX.clone(), (5, 5)), INDEX.clone()
        net(nodes, (support, edges))
    for key in (support, index):
        net.zero_grad()
        net(nodes, (key, edges))[1].sum().backward()
        assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in net.parameters())


def test_the_meta_device():
    dense = EinNet("aaH", 1, 1, heads=1, hidden=2, depth=1, device="meta")
    assert dense(torch.ones(3, 3, 1, device="meta")).is_meta
    net, (nodes, edges) = make(), draw()
    assert_refused(lambda: net(nodes, (INDEX.to("meta"), edges)), EinNetError, "meta device", "index.cpu()")
    assert_refused(lambda: net(nodes, (INDEX, edges.to("meta"))), ShapeError, "on meta", "on cpu")


@pytest.mark.parametrize("term", ["[bab]->[bab]", "[aab]->[aab]"])
def test_the_diagonal_of_a_sparse_type(term):
    support = Support(torch.ones(2, 2, 2).nonzero().T, (2, 2, 2))
    values = torch.arange(1.0, 9).unsqueeze(-1)
    letters, _, _ = term[1:].partition("]")
    first, second = (k for k, c in enumerate(letters) if letters.count(c) == 2)
    _, y = EinPool([term], term.partition("->")[0] + "H", normalize=None)((support, values))
    assert torch.equal(y[:, 0], values[:, 0] * (support.index[first] == support.index[second]))


def test_terms_of_types_without_a_default_set():
    assert_refused(lambda: EinNet("[aab]H -> H", 1, 1), EinNetError, "depend on the sparse tuple")
    terms = ["a0->a0", "b0->b0", "[a0a1b0]->[a0a1b0]", "[a0a1b0],b0->a0"]
    assert EinNet("[aab]H -> H", 1, 1, depth=1, terms=terms).layers[0].pool.fan_out == (2, 1, 1)


NODES, EDGES = torch.ones(5, 2), torch.ones(5, 3)
WRONG = {
    "no support": ((NODES, EDGES), TypeError, "a dense tensor"),
    "no input": ((NODES, None), TypeError, "NoneType"),
    "a dense tensor": ((NODES, torch.ones(5, 5, 3)), TypeError, "a dense tensor"),
    "a sparse input for a dense type": (((INDEX, NODES), (INDEX, EDGES)), TypeError, "must be a torch tensor, got tuple"),
    "one input": ((NODES,), ShapeError, "2 inputs, got 1"),
    "numbers of an index": ((NODES, (INDEX.float(), EDGES)), TypeError, "index.long()"),
    "a transposed index": ((NODES, (INDEX.T.contiguous(), EDGES)), ShapeError, "pass index.T"),
    "one row": ((NODES, (INDEX[0], EDGES)), ShapeError, "(2, entries)"),
    "a large index": ((NODES, (INDEX + 2, EDGES)), ShapeError, "from 0 to 4, got 5"),
    "repeated entries": ((NODES, (INDEX * 0, EDGES)), ShapeError, "must differ"),
    "other features": ((NODES, (INDEX, EDGES[:, :2])), ShapeError, "input 2 of type '[aa]H'"),
    "other entries": ((NODES, (INDEX, EDGES[:2])), ShapeError, "for 5 entries, got (2, 3)"),
    "no values": ((NODES, (INDEX, None)), TypeError, "torch.ones(entries, 1)"),
    "lists": ((NODES, [EDGES]), ShapeError, "lists of different lengths"),
    "an empty list": ((NODES, []), ShapeError, "lists of different lengths"),
    "another size": ((NODES, (Support(INDEX, (6, 6)), EDGES)), ShapeError, "size 6 on axis 'a'"),
    "sparse dimensions": ((NODES, torch.ones(5, 5, 3).to_sparse()), ShapeError, "got 3 sparse"),
}  # fmt: skip


def test_other_dtypes_are_refused_with_a_cast_that_the_form_has():
    net = EinNet("[ab]H -> H; a->b", 2, 1, heads=1, hidden=2, depth=1)
    ones = torch.ones(2, 2).double()
    assert_refused(lambda: net([ones]), ShapeError, "pass [y.to(torch.float32) for y in x]")
    assert_refused(lambda: net((INDEX[0, :2], ones), sizes={"a": 2}), ShapeError, "(index, values.to(torch.float32))")
    ratings = EinNet("[ab]H -> H", 1, 1, heads=1, hidden=2, depth=1)
    assert_refused(lambda: ratings(scipy.sparse.eye_array(3)), ShapeError, "pass x.astype('float32')")


@pytest.mark.parametrize("name", WRONG)
def test_wrong_inputs(name):
    inputs, error, phrase = WRONG[name]
    assert_refused(lambda: make("H")(*inputs), error, phrase)


def test_wrong_masks_supports_and_sizes():
    net, two = make("H"), EinNet("[aa]H, [aa]H -> H", (3, 3), 1, heads=1, hidden=2, depth=1)
    mask = {"aa": torch.ones(5, 5, dtype=torch.bool)}
    assert_refused(lambda: net(NODES, (INDEX, EDGES), mask=mask), ShapeError, "type 'aa'", "are none")
    elsewhere = Support(INDEX, (5, 5))
    assert_refused(lambda: two((SUPPORT, EDGES), (elsewhere, EDGES)), ShapeError, "another support")
    assert_refused(lambda: two((INDEX, EDGES), (INDEX, EDGES)), ShapeError, "sizes={'a': ...}")


def test_dense_types_take_dense_tensors_only():
    net = EinNet("aaH", 1, 1, heads=1, hidden=2, depth=1)
    assert_refused(lambda: net((INDEX, EDGES)), TypeError, "must be a torch tensor, got tuple")
    assert_refused(lambda: net(torch.eye(5).unsqueeze(-1).to_sparse(2)), TypeError, "must be a dense tensor")
    nested = torch.nested.nested_tensor([EDGES, EDGES[:2]], layout=torch.jagged)
    assert_refused(lambda: EinNet("aH", 3, 1, depth=1)(nested), TypeError, "a nested one")
