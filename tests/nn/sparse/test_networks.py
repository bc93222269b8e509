"""Layers and networks of sparse types equal the dense ones with the support as mask; values, gradients, groups."""

import pytest
import torch
from torch import Tensor

from einnet import EinLayer, EinNet, EinNetError, Signature, Symmetry
from einnet.errors import ShapeError
from einnet.nn import EinLinear, RecurrentNet
from einnet.nn.sparse import Support
from networks import randomize
from nn.sparse.twins import SIZES, SMALL, Case, assert_same
from refusals import assert_refused

SIGNATURES = [
    "aH, [aa]H -> H", "aH, [aa]H -> aH", "[aa]H -> [aa]H", "aH, bH, [ab]H -> [ab]H", "[ab]H -> bH", "[ab]H -> aH; a->b",
    "aH, [ab]H -> [ab]H; a->b", "H, [aa]H -> [aa]H", "[abc]H -> aH", "aH, [ab]H, [bb]H -> [bb]H", "abH, [aa]H -> [aa]H",
]  # fmt: skip


@pytest.mark.parametrize("signature", SIGNATURES)
def test_a_network_equals_its_dense_twin(signature):
    assert_same(Case(signature))


@pytest.mark.parametrize("density", [0, 0.1, 1], ids=["empty", "isolated", "full"])
@pytest.mark.parametrize("signature", SIGNATURES[:4])
def test_supports_without_entries_and_with_all(signature, density):
    assert_same(Case(signature, density=density))


@pytest.mark.parametrize("options", [{"order": 2}, {"chunks": 2}, {"norm": None, "normalize": None}, {"bias": False}, {"checkpoint_activations": True}], ids=str)  # fmt: skip
def test_other_operations_and_options(options):
    assert_same(Case("aH, [aa]H -> [aa]H", batch=(2,), depth=2, **options))


def test_batches_masks_of_axes_and_size_zero():
    case = Case("aH, [aa]H -> aH", batch=(2, 3))
    assert_same(case)
    assert_same(case, mask={"a": torch.rand(2, 3, 5) < 0.6})
    assert_same(Case("aH, [ab]H -> aH", sizes=SIZES | {"b": 0}))


def test_a_layer_equals_its_dense_twin():
    case = Case("aH, [aa]H -> aH")
    nodes, edges = with_features(case, 4)
    layer = randomize(EinLayer(("aH", "[aa]H"), 4, 2, dtype=torch.float64))
    twin = EinLayer(("aH", "aaH"), 4, 2, terms=[str(t.dense) for t in layer.pool.plan.terms], dtype=torch.float64)
    twin.load_state_dict(layer.state_dict())
    (t,) = case.supports
    y, (support, z) = layer((nodes, (case.supports[t], edges)))
    expected_nodes, expected_edges = twin(nodes, case.to_dense(t, edges), mask=case.masks)
    assert support is case.supports[t] and z.is_contiguous()
    assert torch.allclose(y, expected_nodes, atol=1e-12)
    assert torch.allclose(z, expected_edges[(*support.index, slice(None))], atol=1e-12)


def with_features(case: Case, features: int) -> list[Tensor]:
    return [torch.randn(*x.shape[:-1], features, dtype=torch.float64) for x in case.values]


@pytest.mark.parametrize("signature", ["aH, [aa]H -> [aa]H", "aH, [aa]H -> aH", "aH, [aa]H -> H"])
def test_equivariance_with_the_support(signature):
    case = Case(signature)
    (t,) = case.supports
    support, (nodes, edges) = case.supports[t], case.values
    g = Signature(signature).random_element(case.sizes, 3)
    image, order = torch.from_numpy(g.maps["a"]), torch.randperm(support.entries)
    moved = Support(image[support.index][:, order], support.sizes)
    y, z = case.net(nodes, (support, edges)), case.net(g.act(nodes, Symmetry("aH")), (moved, edges[order]))
    if isinstance(y, tuple):
        assert torch.allclose(z[1], y[1][order])
    else:
        assert torch.allclose(z, g.act(y, case.net.signature.output))


def test_the_output_has_the_form_of_the_input():
    net = EinNet("aH, [aa]H -> [aa]H", (2, 3), 4, **SMALL)
    index, nodes, values = torch.tensor([[0, 2, 1], [1, 0, 1]]), torch.randn(3, 2).double(), torch.randn(3, 3).double()
    coo = torch.sparse_coo_tensor(index, values, (3, 3, 3), check_invariants=True).coalesce()
    y, (same, z) = net(nodes, coo), net(nodes, (index, values))
    assert y.layout == torch.sparse_coo and y.shape == (3, 3, 4) and torch.equal(same, index)
    assert torch.allclose(y.to_dense()[(*index, slice(None))], z)
    *_, (same, out) = net.outputs(nodes, (index, values))
    assert torch.equal(same, index) and torch.allclose(out, z)


def test_states_of_sparse_types():
    case = Case("aH, [aa]H -> aH")
    inputs = (case.values[0], (*case.supports.values(), case.values[1]))
    assert [x.shape[-2] for x in case.net.init_state(*inputs)] == [5, len(case.values[1])]
    *_, state = case.net.states(*inputs)
    assert torch.allclose(case.net.decode(state, *inputs), case.net(*inputs))


def test_a_linear_map_of_sparse_types():
    linear = randomize(EinLinear("[aa]H -> [aa]H", 2, 3, dtype=torch.float64))
    twin = EinLinear("aaH -> aaH", 2, 3, dtype=torch.float64)
    twin.load_state_dict(linear.state_dict())
    case = Case("[aa]H -> [aa]H")
    assert linear.weight.shape == (3, 30)
    assert torch.allclose(case.run(linear, case.values), case.run_dense(twin, case.values), atol=1e-12)


@pytest.mark.parametrize("signature", ["[ab]H, [ac]H -> aH", "[aa]H, bH, cH -> aH"])
def test_counts_are_kept_by_the_names_of_axes(signature):
    """The same supports and sizes in the same order, of other letters."""
    swapped = signature.translate(str.maketrans("bc", "cb"))
    indices = [torch.tensor([[0, 0, 1], [0, 1, 2]]), torch.tensor([[0, 2], [2, 1]])]
    shared = [Support(index, (3, 3)) for index in indices]

    def run(text: str, supports: list[Support]) -> Tensor:
        torch.manual_seed(0)
        net = randomize(EinLinear(text, [1] * (text.count(",") + 1), 1, counts=True, dtype=torch.float64))
        own, sizes = iter(supports), iter((4, 5))
        pairs = [(next(own), None) if t.is_sparse else (None, next(sizes)) for t in net.signature.inputs]
        ones = [torch.ones(n if s is None else s.entries, 1, dtype=torch.float64) for s, n in pairs]
        return net(*((s, x) if s is not None else x for (s, _), x in zip(pairs, ones, strict=True)))

    run(signature, shared)
    assert torch.equal(run(swapped, shared), run(swapped, [Support(index, (3, 3)) for index in indices]))


def test_complex_numbers():
    case = Case("aH, [aa]H -> aH")
    case.values = [x + 1j * x.cos() for x in case.values]
    widths, dtype = case.net.in_features, torch.complex128
    linear, twin = (EinLinear(text, widths, 3, dtype=dtype) for text in ("aH, [aa]H -> aH", "aH, aaH -> aH"))
    twin.load_state_dict(linear.state_dict())
    results = []
    for run, module in ((case.run, linear), (case.run_dense, twin)):
        leaves = [x.clone().requires_grad_() for x in case.values]
        y = run(module, leaves)
        results.append([y, *torch.autograd.grad(y.abs().sum(), leaves)])
    assert all(torch.allclose(one, two, rtol=1e-10, atol=1e-10) for one, two in zip(*results, strict=True))


def test_files_and_descriptions(tmp_path):
    net = Case("aH, [aa]H -> aH").net
    net.save(tmp_path / "net.safetensors")
    loaded = EinNet.load(tmp_path / "net.safetensors")
    assert repr(loaded) == repr(net) and loaded.hidden_type == (Symmetry("aH"), Symmetry("[aa]H"))
    layer = EinLayer("[aa]H", 4, 2)
    assert eval(repr(layer).splitlines()[0] + layer.extra_repr() + ")").extra_repr() == layer.extra_repr()


def test_what_is_refused():
    links = EinNet("aH -> [aa]H", 1, 1, depth=1)
    assert_refused(lambda: links(torch.ones(2, 1)), EinNetError, "no input of 'aH -> [aa]H' has this type", "at=")
    assert_refused(lambda: EinLinear("aH -> [aa]H", 1, 1)(torch.ones(2, 1)), EinNetError, "has this type")
    assert_refused(lambda: EinNet("aH", 1, 1, hidden_type="[aa]H"), EinNetError, "no input")
    assert_refused(lambda: RecurrentNet("[aa]H -> H", 1, 1), EinNetError, "one dense type")
    net = EinNet("aH, [aa]H -> H", (1, 1), 1, hidden=4, depth=1)
    index = torch.tensor([[0], [4]])
    assert_refused(lambda: net(torch.randn(3, 1), (index, torch.randn(1, 1))), ShapeError, "input 2 of type '[aa]H'")
    assert_refused(lambda: net(torch.randn(3, 1), torch.randn(3, 3, 1)), TypeError, "input 2 of type '[aa]H'")
    assert_refused(lambda: net.export("net.pt2", torch.randn(2, 3, 1)), EinNetError, "sparse")


def test_a_network_tells_how_many_values_a_mean_has():
    """Equal features everywhere: only counts differ."""
    net = randomize(EinNet("aH, [aa]H -> H", (1, 1), 1, hidden=4, heads=2, depth=1, dtype=torch.float64))
    path = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
    ring = torch.tensor([[0, 1, 1, 2, 2, 0], [1, 0, 2, 1, 0, 2]])
    ones = [torch.ones(n, 1, dtype=torch.float64) for n in (3, 4, 6)]
    outputs = [net(ones[0], (path, ones[1])), net(ones[0], (ring, ones[2]))]
    assert not torch.allclose(*outputs, atol=1e-3)
