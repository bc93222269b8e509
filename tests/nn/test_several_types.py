"""States of several types: `EinLayer` and `EinNet` with a tensor for each type."""

import pytest
import torch
from torch import nn

from einnet import EinLayer, EinNet, EinNetError, EinPool, Signature, Symmetry
from einnet.errors import ShapeError
from einnet.nn import PolynomialNet, RecurrentNet, ReferenceNet
from einnet.testing import assert_equivariant
from refusals import assert_refused

SIZES = {"a": 3, "b": 4}
STATES = [("aH", "aaH"), ("abH", "aaH", "bbH"), ("aH", "bH", "abH"), ("abH; a->b", "aH"), ("H", "aH")]
OPTIONS = {"features": 4, "heads": 2, "dtype": torch.float64}
NODES_AND_EDGES = ("aH", "aaH")


def with_random_weights(module: nn.Module) -> nn.Module:
    for p in module.parameters():
        p.data.add_(torch.randn_like(p), alpha=0.3)
    return module.eval()


def make_layer(types=NODES_AND_EDGES, **options) -> EinLayer:
    torch.manual_seed(0)
    return with_random_weights(EinLayer(types, **OPTIONS | options))


def make_net(signature="aH, aaH -> aH", widths=(2, 3), **options) -> EinNet:
    torch.manual_seed(0)
    options = {"hidden_type": NODES_AND_EDGES, "hidden": (6, 4), "heads": 2, "depth": 2} | options
    return with_random_weights(EinNet(signature, widths, 3, **options, dtype=torch.float64))


def draw(*features: int, n: int = 3, batch: tuple[int, ...] = ()) -> list[torch.Tensor]:
    """Node and edge features."""
    shapes = [(*batch, *[n] * axes, f) for axes, f in enumerate(features, start=1)]
    return [torch.randn(s, dtype=torch.float64) for s in shapes]


# --- the layer ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("masks", [False, True], ids=["plain", "masked"])
@pytest.mark.parametrize("types", STATES, ids=str)
def test_a_layer_is_equivariant(types, masks):
    layer = make_layer(types, features=list(range(3, 3 + len(types))))
    for k, t in enumerate(layer.types):
        signature = Signature.of(layer.types, t)
        assert_equivariant(
            lambda *x, k=k, **options: layer(*x, **options)[k],
            str(signature), {c: SIZES[c] for c in signature.classes}, features=layer.features, masks=masks, trials=2,
        )  # fmt: skip


def test_a_layer_against_its_definition():
    layer = make_layer(features=(5, 4), norm=None, activation="tanh")
    inputs = draw(5, 4, batch=(2,))
    parts = [proj(x) for proj, x in zip(layer.in_proj, inputs, strict=True)]
    pooled = EinPool(layer.pool.plan.terms, NODES_AND_EDGES)(*parts)
    for x, y, pool, out, result in zip(inputs, pooled, layer.pool_proj, layer.out_proj, layer(inputs), strict=True):
        update = nn.functional.linear(torch.tanh(nn.functional.linear(y, pool.weight, pool.bias)), out.weight, out.bias)
        assert torch.allclose(result, x + update)


def test_each_type_sees_the_others():
    layer, (nodes, edges) = make_layer(), draw(4, 4)
    y = layer(nodes, edges)
    assert not any(map(torch.allclose, layer(nodes + 1, edges), y))
    assert not any(map(torch.allclose, layer(nodes, edges + torch.eye(3).unsqueeze(-1)), y))


def test_two_ways_to_call():
    layer, x, mask = make_layer(), draw(4, 4), torch.tensor([True, True, False])
    for options in ({}, {"mask": mask}, {"mask": {"a": mask}}):
        assert all(map(torch.equal, layer(tuple(x), **options), layer(*x, **options)))
    single = make_layer("aaH")
    assert torch.equal(single(x[1], mask), single(x[1], mask=mask))
    with pytest.raises(ShapeError, match="expected one tensor for each of the types aH, aaH, got 3 in a tuple"):
        layer(*x, x[0])
    with pytest.raises(TypeError, match="expected a tensor and a mask, got 3 arguments"):
        single(x[1], mask, mask)


@pytest.mark.parametrize("types", [("aaH",), "aaH"], ids=str)
def test_a_state_of_one_type_is_a_tensor_and_has_the_parameters_of_one(types):
    layer = make_layer(types)
    assert layer(draw(4, 4)[1]).shape == (3, 3, 4) and layer.features == 4
    assert list(layer.state_dict()) == [
        "norm.weight", "in_proj.weight", "in_proj.bias", "pool_proj.weight", "pool_proj.gain", "pool_proj.bias",
        "out_proj.weight", "out_proj.bias",
    ]  # fmt: skip
    assert repr(layer) == repr(make_layer("aaH"))


def test_the_parameters_of_a_type_have_its_number():
    layer = make_layer(features=(8, 2), expansion=3)
    shapes = {key: tuple(p.shape) for key, p in layer.state_dict().items() if key.startswith("out_proj")}
    assert shapes == {
        "out_proj.0.weight": (8, 24), "out_proj.0.bias": (8,), "out_proj.1.weight": (2, 6), "out_proj.1.bias": (2,),
    }  # fmt: skip


def test_default_terms_and_others():
    assert [str(t) for t in EinLayer(NODES_AND_EDGES, 4).pool.plan.terms][-2:] == ["a0a1,a0a1->a0a1", "a0a1,a1a2->a0a2"]
    assert max(t.order for t in EinLayer(NODES_AND_EDGES, 4, order=1).pool.plan.terms) == 1
    layer = make_layer(terms=["a,ab->b", "ab->ba"], features=(4, 2))
    assert [proj.out_features for proj in layer.in_proj] == [2, 4]


@pytest.mark.parametrize("options", [{"chunks": 2}, {"chunks": 3, "dropout": 0.0, "norm": None}], ids=str)
def test_chunks_change_nothing(options):
    options |= {"heads": 3}
    layer, chunked = make_layer(**options | {"chunks": 1}), make_layer(**options)
    x = [t.requires_grad_() for t in draw(4, 4, batch=(2,))]
    results = []
    for module in (layer, chunked):
        y = module(x)
        results.append([*y, *torch.autograd.grad(sum(t.square().sum() for t in y), [*x, *module.parameters()])])
    assert all(map(torch.allclose, *results))


def test_gradients():
    layer, x = make_layer(features=2, heads=1), [t.requires_grad_() for t in draw(2, 2)]
    assert torch.autograd.gradcheck(lambda *x: layer(x), x, fast_mode=True)
    assert torch.autograd.gradgradcheck(lambda *x: layer(x), x, fast_mode=True)
    torch.cat([y.flatten() for y in layer(x)]).sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in layer.parameters())


def test_padding_changes_nothing():
    layer, mask = make_layer(), torch.arange(5) < 3
    x, padded = draw(4, 4), draw(4, 4, n=5)
    padded[0][:3], padded[1][:3, :3] = x
    nodes, edges = layer(padded, mask=mask)
    assert all(map(torch.allclose, (nodes[:3], edges[:3, :3]), layer(x)))
    assert not nodes[3:].any() and not edges[3:].any() and not edges[:, 3:].any()


@pytest.mark.parametrize(
    ("inputs", "error", "phrase"),
    [
        ([(3, 4)], ShapeError, "one tensor for each of the types aH, aaH"),
        ([(3, 4), (3, 3, 4), (3, 3, 4)], ShapeError, "got 3"),
        ([(3, 4), (3, 3, 5)], ShapeError, "input 2 of type 'aaH'"),
        ([(3, 4), (4, 4, 4)], ShapeError, "size 4 on axis 'a'"),
    ],
)
def test_inputs_that_do_not_fit(inputs, error, phrase):
    tensors = [torch.randn(s, dtype=torch.float64) for s in inputs]
    assert_refused(lambda: make_layer()(tensors), error, phrase)


@pytest.mark.parametrize(
    ("arguments", "options", "phrase"),
    [
        ((NODES_AND_EDGES, (4, 4, 4)), {}, "a number or 2 numbers"),
        ((NODES_AND_EDGES, 4), {"terms": ["ab->ba"]}, "operand of type 'aH'"),
        ((NODES_AND_EDGES, 4), {"terms": ["a,ab->b"]}, "output of type 'aaH'"),
    ],
)
def test_arguments_that_do_not_fit(arguments, options, phrase):
    assert_refused(lambda: EinLayer(*arguments, **options), EinNetError, phrase)
    assert_refused(lambda: EinLayer("aaH", (4, 4)), TypeError, "features must be a whole number")


# --- the network ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("masks", [False, True], ids=["plain", "masked"])
@pytest.mark.parametrize("signature", ["aH, aaH -> aH", "aaH -> aaH", "aH, aaH -> H", "aH -> aaH", "abH, aH -> bH"])
def test_a_network_is_equivariant(signature, masks):
    types = ("aH", "abH", "bH") if "b" in signature else NODES_AND_EDGES
    widths = tuple(range(2, 2 + len(Signature(signature).inputs)))
    net = make_net(signature, widths, hidden_type=types, hidden=4, depth=1)
    assert_equivariant(net, signature, {c: SIZES[c] for c in Signature(signature).classes}, masks=masks, trials=2)


def test_states_and_outputs():
    net, x = make_net(iterations=2), draw(2, 3, batch=(2,))
    assert [tuple(t.shape) for t in net.init_state(*x)] == [(2, 3, 6), (2, 3, 3, 4)]
    *_, last = net.states(*x, iterations=1)
    *_, late = net.states(*x, start=last, iterations=1)
    assert torch.allclose(net.decode(late, *x), net(*x)) and torch.allclose(net.outputs(*x)[-1], net(*x))
    assert_refused(lambda: net.decode(late[0], *x), ShapeError, "one tensor for each of the types aH, aaH")
    assert_refused(lambda: net.decode(late[::-1], *x), ShapeError, "a state for these inputs")
    assert net.hidden_type == (Symmetry("aH"), Symmetry("aaH"))


def test_checkpoints_and_chunks_change_nothing():
    x, results = draw(2, 3), []
    for options in ({}, {"checkpoint_activations": True}, {"chunks": 2}):
        net = make_net(**options)
        y = net(*x)
        results.append([y, *torch.autograd.grad(y.square().sum(), list(net.parameters()))])
    for result in results[1:]:
        assert all(map(torch.allclose, results[0], result))


def test_files(tmp_path):
    net, x = make_net(terms=["a,ab->b", "ab,bc->ac", "a->ab"]), draw(2, 3)
    net.save(tmp_path / "net.safetensors")
    loaded = EinNet.load(tmp_path / "net.safetensors")
    assert torch.equal(loaded(*x), net(*x)) and repr(loaded) == repr(net) and loaded.config == net.config


def test_a_layer_compiles_once():
    torch.compiler.reset()
    layer, graphs = make_layer(terms=["a,ab->b", "ab->ba"], norm=None, activation="identity"), []

    def count_graphs(graph, _inputs):
        graphs.append(graph)
        return graph.forward

    compiled = torch.compile(layer, fullgraph=True, dynamic=True, backend=count_graphs)
    for n in (5, 7):
        x = draw(4, 4, n=n)
        assert all(map(torch.allclose, compiled(x), layer(x)))
    assert len(graphs) == 1


@pytest.mark.parametrize("network", [PolynomialNet, RecurrentNet, ReferenceNet])
def test_other_networks_have_a_state_of_one_type(network):
    assert_refused(lambda: network("aH, aaH -> H", (2, 3), 1, hidden_type="aH, aaH"), EinNetError, "one dense type")
    with pytest.raises((EinNetError, TypeError), match="hidden"):
        network("aaH -> H", 2, 1, hidden=(4, 4))
