"""Marks: copies of the inputs with marked elements, pooled or read; one mark is a part of the type with one more axis."""

import networkx as nx
import pytest
import torch

from einnet import EinNet, EinNetError, Signature, Term
from einnet.errors import ShapeError
from einnet.nn import EinLinear, Network, RecurrentNet
from einnet.nn.sparse import union
from einnet.testing import assert_equivariant
from networks import NETWORKS, STATEFUL, random_inputs, small

MARKED = [
    ("aaH -> H", 1), ("aaH -> aaH", 1), ("aaH -> aaH", "read"), ("aH -> H", 2), ("abH -> aH", {"a": 1, "b": 1}),
    ("abH -> abH", {"a": "read", "b": 1}), ("abH -> abH; a->b", {"b": 1}), ("abH -> abH; a->b", {"b": "read"}),
    ("aH, aaH -> aH", 1), ("aH -> aaH", "read"), ("aH, bH -> H", {"b": 1}), ("aH -> abH", {"a": 1}),
]  # fmt: skip
SPARSE = [
    ("aH, [aa]H -> H", 1), ("[ab]H -> [ab]H", {"a": 1}), ("[ab]H -> [ab]H", {"a": "read"}),
    ("[ab]H; a->b -> aH", {"b": 1}), ("[ab]H; a->b -> [ab]H", {"b": "read"}),
]  # fmt: skip
SIZES = {"a": 4, "b": 3}


def sizes_of(signature: str) -> dict[str, int]:
    return {c: SIZES[c] for c in Signature(signature).classes}


def free_sizes(signature: str) -> dict[str, int]:
    known = {c for t in Signature(signature).inputs for c in t.axes}
    return {c: n for c, n in sizes_of(signature).items() if c not in known}


# --- equivariance, and what the copies are ---------------------------------------------------------


@pytest.mark.parametrize("masks", [False, True], ids=["plain", "masked"])
@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize(("signature", "marks"), MARKED)
def test_a_network_with_marks_is_equivariant(signature, marks, network, masks):
    assert_equivariant(small(signature, network, marks=marks), signature, sizes_of(signature), masks=masks)


@pytest.mark.parametrize(("signature", "marks"), SPARSE)
def test_a_network_of_sparse_types_with_marks_is_equivariant(signature, marks):
    assert_equivariant(small(signature, marks=marks), signature, SIZES)


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("signature", ["aaH -> H", "aH, aaH -> aH"])
def test_the_output_is_the_mean_over_all_marks(signature, network):
    net = small(signature, network, marks=2)
    inputs = random_inputs(net, (3,))
    tuples = torch.cartesian_prod(torch.arange(4), torch.arange(4))
    expected = torch.stack([net(*inputs, mark=t.expand(3, 2)) for t in tuples]).mean(0)
    assert torch.allclose(net(*inputs), expected, atol=1e-12)


def test_without_normalization_it_is_the_sum():
    net = small("aaH -> H", marks=1, normalize=None)
    (x,) = random_inputs(net)
    assert torch.allclose(net(x), torch.stack([net(x, mark=k) for k in range(4)]).sum(0), rtol=1e-10)


@pytest.mark.parametrize("network", NETWORKS)
def test_what_is_read_is_the_row_of_the_copy_with_this_mark(network):
    net = small("aaH -> aaH", network, marks="read")
    (x,) = random_inputs(net, (2,))
    expected = torch.stack([net(x, mark=k)[:, k] for k in range(4)], 1)
    assert torch.allclose(net(x), expected, atol=1e-12)


def test_a_mark_of_a_list_is_an_element_of_one_parent():
    net = small("abH -> abH; a->b", marks={"b": "read"})
    (x,) = random_inputs(net, a=3, b=2)
    expected = torch.zeros(3, 2, 3).double()
    for i in range(3):
        for j in range(2):
            mask = torch.zeros(3, 2, dtype=torch.bool)
            mask[i, j] = True
            expected[i, j] = net(x, mark=mask)[i, j]
    assert torch.allclose(net(x), expected, atol=1e-12)


def test_given_marks_are_numbers_or_masks():
    net = small("abH -> abH", marks={"a": 2, "b": 1})
    (x,) = random_inputs(net, (2,), a=4, b=3)
    numbers = {"a": torch.tensor([[0, 1], [3, 3]]), "b": torch.tensor([2, 0])}
    masks = {"a": torch.zeros(2, 4, 2, dtype=torch.bool), "b": torch.zeros(2, 3, dtype=torch.bool)}
    masks["a"][0, 0, 0] = masks["a"][0, 1, 1] = masks["a"][1, 3, :] = masks["b"][0, 2] = masks["b"][1, 0] = True
    assert torch.equal(net(x, mark=numbers), net(x, mark=masks))
    assert not torch.allclose(net(x, mark=numbers)[0], net(x, mark={**numbers, "b": 1})[0])


def test_one_mark_is_the_type_with_one_more_axis_whose_operations_leave_this_axis_alone():
    """The network on `aaaH` with each term under one more index, and the same weights."""
    torch.manual_seed(0)
    net = small("aaH -> H", marks=1, order=5, decoder_hidden=0)
    terms = [str(t) for t in net.layers[0].pool.plan.terms]
    below = ["->".join(",".join("x" + t for t in side.split(",")) for side in t.split("->")) for t in terms]
    cells, of_mark = net.encoder.maps
    explicit = EinNet(
        "aaaH -> H", 2 + len(of_mark.plans[0].terms) + 1, 3, heads=2, hidden=6, depth=2, terms=below, decoder_hidden=0
    ).double()
    explicit.layers.load_state_dict(net.layers.state_dict())
    explicit.norm.load_state_dict(net.norm.state_dict())
    with torch.no_grad():
        weight = torch.cat([cells.weight, of_mark.weight, of_mark.bias[:, :1]], 1)
        explicit.encoder.maps[0].weight.copy_(weight)
        explicit.encoder.maps[0].bias.copy_(cells.bias + of_mark.bias[:, 1])
        (pool,), (larger,) = net.decoder.maps, explicit.decoder.maps
        larger.weight.zero_()
        larger.bias.copy_(pool.bias)
        for k, t in enumerate(pool.plans[0].terms):
            lifted = Term("x" + str(t)).canonical()
            place = [u.canonical() for u in larger.plans[0].terms].index(lifted)
            larger.weight[:, 6 * place : 6 * place + 6] = pool.weight[:, 6 * k : 6 * k + 6]
        x = torch.randn(5, 5, 2).double()
        as_features = EinLinear("aH -> aaH", 1, len(of_mark.plans[0].terms), bias=False).double()
        as_features.weight.copy_(torch.eye(len(of_mark.plans[0].terms)))
        marks = as_features(torch.eye(5).double()[..., None])
        z = torch.cat([x.expand(5, 5, 5, 2), marks, torch.eye(5).double().expand(5, 5, 5)[..., None]], -1)
        assert torch.allclose(net(x), explicit(z), atol=1e-10)


# --- masks, different sizes ------------------------------------------------------------------------


@pytest.mark.parametrize(("signature", "marks"), [("aaH -> H", 1), ("aaH -> H", 2), ("aaH -> aaH", "read")])
@pytest.mark.parametrize("chunk", [None, 2])
def test_graphs_of_different_sizes_in_one_batch(signature, marks, chunk):
    net = small(signature, marks=marks, mark_chunk=chunk)
    mask = torch.arange(5) < torch.tensor([[3], [5], [0]])
    x = torch.randn(3, 5, 5, 2).double()
    y = net(x, mask=mask)
    for k, n in enumerate([3, 5]):
        alone = net(x[k, :n, :n])
        assert torch.allclose(y[k][(slice(n),) * (alone.dim() - 1)], alone, atol=1e-12)
    assert not y[2].any() and torch.isfinite(y).all()


def test_lists_of_different_sizes_in_one_batch():
    net = small("abH -> H; a->b", marks={"b": 1})
    mask = {"a": torch.tensor([True, True, False]), "b": torch.tensor([[1, 1, 1, 0], [1, 0, 0, 0], [0] * 4]).bool()}
    (x,) = random_inputs(net, a=3, b=4)
    marks = torch.eye(12).reshape(12, 3, 4).bool()[[0, 1, 2, 4]]
    expected = torch.stack([net(x, mask=mask, mark=m) for m in marks]).mean(0)
    assert torch.allclose(net(x, mask=mask), expected, atol=1e-12)


@pytest.mark.parametrize(("output", "marks"), [("H", 1), ("H", 2), ("aH", "read"), ("[aa]H", 1)])
def test_a_disjoint_union_marks_an_element_of_each_sample(output, marks):
    net = small(f"aH, [aa]H -> {output}", marks=marks)
    samples = []
    for n in (3, 5, 4):
        index = (torch.rand(n, n) < 0.5).nonzero().T
        samples.append((torch.randn(n, 2).double(), (index, torch.randn(index.shape[1], 2).double())))
    y, alone = net(union(samples)), [net(*s) for s in samples]
    if output == "[aa]H":
        y, alone = y[1], [v for _, v in alone]
    expected = torch.stack(alone) if output == "H" else torch.cat(alone)
    assert torch.allclose(y, expected, atol=1e-10)


def test_an_empty_axis():
    assert not small("aaH -> H", marks=1)(torch.zeros(0, 0, 2).double()).any()


def test_asked_entries_are_not_marked():
    net = small("[ab]H; a->b -> [ab]H", marks={"b": 1})
    known = torch.tensor([[0, 0, 1], [0, 1, 0]]), torch.randn(3, 2).double()
    one = net(known, sizes={"a": 2, "b": 3}, at=torch.tensor([[1], [2]]))
    two = net(known, sizes={"a": 2, "b": 3}, at=torch.tensor([[1, 0], [2, 2]]))
    assert torch.allclose(one[0], two[0], atol=1e-12)


# --- parts, gradients, memory ------------------------------------------------------------------------


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize(("signature", "marks"), [("aaH -> aH", 1), ("abH -> abH", {"a": "read", "b": 1})])
def test_some_copies_at_a_time_give_the_same_outputs_and_gradients(signature, marks, network):
    results = []
    for chunk in (None, 1, 3):
        torch.manual_seed(0)
        net = small(signature, network, marks=marks, mark_chunk=chunk)
        torch.manual_seed(1)
        (x,) = random_inputs(net, (2,))
        y = net(x)
        y.square().sum().backward()
        results.append([y.detach(), *(p.grad for p in net.parameters())])
    for result in results[1:]:
        assert all(torch.allclose(a, b, rtol=1e-9, atol=1e-10) for a, b in zip(result, results[0], strict=True))


def test_in_training_the_states_of_some_copies_only_are_kept():
    stored = []
    for chunk in (None, 1):
        net, total = small("aaH -> H", marks=1, mark_chunk=chunk), 0
        (x,) = random_inputs(net, a=12)

        def count(t):
            nonlocal total
            total += t.numel()
            return t

        with torch.autograd.graph.saved_tensors_hooks(count, lambda t: t):
            net(x)
        stored.append(total)
    assert stored[1] < stored[0] / 20


@pytest.mark.parametrize("network", STATEFUL)
@pytest.mark.parametrize("marks", [1, "read"])
def test_states_have_the_copies_as_first_axis(network, marks):
    net = small("aaH -> aH", network, marks=marks)
    (x,) = random_inputs(net, (2,))
    *_, state = net.states(x)
    assert state.shape[:2] == (4, 2)
    for y in (net.outputs(x)[-1], net.decode(state, x)):
        assert torch.allclose(y, net(x), atol=1e-12)
    *_, state = net.states(x, mark=1)
    assert torch.allclose(net.decode(state, x, mark=1), net(x, mark=1), atol=1e-12)


def test_marked_copies_in_half_precision_do_not_overflow():
    net = small("aH -> H", dtype=torch.float16, marks=1)
    assert torch.isfinite(net(torch.full((2_000, 2), 50.0, dtype=torch.float16))).all()


# --- files, programs -----------------------------------------------------------------------------------


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("marks", [1, {"a": 2}, "read"])
def test_a_file_keeps_the_marks(network, marks, tmp_path):
    net = small("aaH -> aH", network, marks=marks, mark_chunk=3).eval()
    net.save(tmp_path / "net.safetensors")
    loaded = Network.load(tmp_path / "net.safetensors")
    (x,) = random_inputs(net)
    assert loaded.config == net.config and torch.equal(loaded(x), net(x))
    assert f"marks={marks!r}, mark_chunk=3" in repr(net) and "marks" not in repr(small("aaH", network))


@pytest.mark.parametrize("chunk", [None, 2])
def test_a_compiled_network_gives_the_same(chunk):
    net = small("aaH -> aaH", marks="read", mark_chunk=chunk, depth=1)
    torch._dynamo.reset()
    compiled = torch.compile(net, fullgraph=True, dynamic=True, backend="eager")
    for n in (5, 6):
        x = torch.randn(n, n, 2).double()
        assert torch.allclose(compiled(x), net(x), atol=1e-12)


def test_an_exported_network_takes_all_sizes(tmp_path):
    net = small("aaH -> aH", dtype=torch.float32, marks=1, mark_chunk=2, depth=1).eval()
    net.export(tmp_path / "net.pt2", torch.randn(4, 6, 6, 2))
    program, x = torch.export.load(tmp_path / "net.pt2").module(), torch.randn(3, 9, 9, 2)
    assert torch.allclose(program(x), net(x), atol=1e-5)


def test_several_marks_on_one_axis_are_not_exported(tmp_path):
    net = small("aaH -> H", dtype=torch.float32, marks=2)
    with pytest.raises(EinNetError, match="several marks on the axis 'a' cannot be exported"):
        net.export(tmp_path / "net.pt2", torch.randn(4, 6, 6, 2))


# --- power ---------------------------------------------------------------------------------------------


def test_one_mark_tells_apart_what_matrix_products_cannot():
    rook = nx.line_graph(nx.complete_bipartite_graph(4, 4))
    steps = [(0, 1), (1, 0), (1, 1)]
    shrikhande = nx.Graph([((a, b), ((a + x) % 4, (b + y) % 4)) for a in range(4) for b in range(4) for x, y in steps])
    first, second = (torch.from_numpy(nx.to_numpy_array(g))[..., None] for g in (rook, shrikhande))
    for marks, is_apart in ((None, False), (1, True)):
        torch.manual_seed(0)
        net = EinNet("aaH -> H", 1, 8, heads=4, hidden=16, depth=4, order=2, marks=marks).double()
        assert ((net(first) - net(second)).abs().max() > 1e-6) == is_apart


# --- errors ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("signature", "marks", "message"),
    [
        ("abH", 1, "2 axes: pass marks={'a': 1, 'b': 1}, got 1"),
        ("aH", {"b": 1}, "no input of 'aH -> aH' has 'b'"),
        ("aH -> abH", {"b": 1}, "no input of 'aH -> abH' has 'b'"),
        ("aH", 0, "the number of marks of axis 'a' must be 1 or more"),
        ("aH", "all", "a number or 'read', got 'all'"),
        ("aaH -> H", "read", "the output of 'aaH -> H' lacks the axis"),
    ],
)
def test_marks_that_do_not_fit(signature, marks, message):
    with pytest.raises(EinNetError, match=message.replace("[", r"\[")):
        small(signature, marks=marks)


def test_a_chunk_is_a_number():
    with pytest.raises(EinNetError, match="mark_chunk must be 1 or more"):
        small("aH", marks=1, mark_chunk=0)


@pytest.mark.parametrize(
    ("mark", "error", "message"),
    [
        (4, ShapeError, "the elements 0 to 3, a mark was given at"),
        (torch.ones(3, dtype=torch.bool), ShapeError, r"must have shape \(batch..., 4\)"),
        (torch.ones(4), TypeError, "whole numbers of elements, or a boolean mask"),
        ({"b": 1}, ShapeError, "marks are of the axes a, got those of b"),
    ],
)
def test_given_marks_that_do_not_fit(mark, error, message):
    net = small("aaH -> H", marks=1)
    with pytest.raises(error, match=message):
        net(*random_inputs(net), mark=mark)


def test_a_mark_for_a_network_without_marks():
    net = small("aaH -> H")
    with pytest.raises(EinNetError, match="make it with marks=1"):
        net(*random_inputs(net), mark=1)


def test_marks_and_an_automorphism_that_does_not_move_them():
    with pytest.raises(EinNetError, match="an automorphism needs inputs"):
        small("abH", RecurrentNet, automorphism="ba", marks={"a": 1})
