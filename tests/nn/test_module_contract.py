"""What torch's own layers do, the modules of einnet.nn do too: hooks, replaced parts, reset, repr, arguments."""

import copy
import pickle
import re
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn
from torch.func import functional_call
from torch.utils.flop_counter import FlopCounterMode

from einnet import EinNetError
from einnet.nn import (
    EinLayer,
    EinLinear,
    EinNet,
    EinPool,
    GatedLinear,
    Linear,
    PairBlock,
    PairTransition,
    PolynomialNet,
    RecurrentNet,
    ReferenceBlock,
    ReferenceNet,
    TriangleAttention,
    TriangleMultiplication,
)
from nn.contract import CASES, FACTORIES, inputs_of, make, owners

modules = pytest.mark.parametrize("name", CASES)
modules_and_pools = pytest.mark.parametrize("name", [*CASES, "EinPool"])


def assert_close(y: torch.Tensor, expected: torch.Tensor) -> None:
    assert torch.allclose(y, expected, rtol=1e-5, atol=1e-5)


# --- what is called and counted -------------------------------------------------------------------


@modules
def test_hooks_of_all_parts_with_parameters_fire_and_count_every_parameter_once(name):
    module, called = make(name), {}
    parts = dict(owners(module))
    for path, part in parts.items():
        part.register_forward_hook(lambda part, _, y, path=path: called.update({path: part}))
    module(*inputs_of(name))
    assert called.keys() == parts.keys()
    count = sum(p.numel() for part in called.values() for p in part.parameters(recurse=False))
    assert count == sum(p.numel() for p in module.parameters())


@modules
def test_the_state_dict_has_each_parameter_once_and_nothing_else(name):
    module = make(name)
    state = module.state_dict()
    assert state.keys() == dict(module.named_parameters(remove_duplicate=False)).keys()
    assert len({x.data_ptr() for x in state.values()}) == len(state)


@modules
def test_the_flop_counter_sees_every_matrix(name):
    module = make(name)
    with FlopCounterMode(display=False) as counter:
        module(*inputs_of(name))
    assert counter.get_total_flops() > 0
    counts = counter.get_flop_counts()
    root = type(module).__name__
    for path, part in owners(module, "weight"):
        if part.weight.dim() == 2:
            assert sum(counts[f"{root}.{path}" if path else root].values()) > 0, path


# --- parts in place of others -----------------------------------------------------------------------


class LoRA(nn.Module):
    def __init__(self, base: nn.Linear):
        super().__init__()
        self.base = base
        self.a = nn.Linear(base.in_features, 2, bias=False)
        self.b = nn.Linear(2, base.out_features, bias=False)
        nn.init.zeros_(self.b.weight)

    def forward(self, x):
        return self.base(x) + self.b(self.a(x))


@modules
def test_a_linear_part_can_be_wrapped(name):
    inputs = inputs_of(name)
    linears = [path for path, part in make(name).named_modules() if isinstance(part, nn.Linear) and path]
    for path in linears:
        module = make(name)
        expected = module(*inputs)
        wrapper = LoRA(module.get_submodule(path))
        module.set_submodule(path, wrapper)
        assert_close(module(*inputs), expected)
        nn.init.normal_(wrapper.b.weight)
        y = module(*inputs)
        assert not torch.allclose(y, expected, atol=1e-4)
        y.square().sum().backward()
        assert wrapper.a.weight.grad.any() and wrapper.b.weight.grad.any()


@pytest.mark.parametrize("name", [n for n in CASES if n.startswith(("EinLayer", "EinNet"))])
def test_a_norm_in_place_of_another_takes_effect(name):
    inputs = inputs_of(name)
    for path in [p for p, _ in make(name).named_modules() if re.fullmatch(r"(.*\.)?norm(\.\d)?", p)]:
        if isinstance(make(name).get_submodule(path), nn.ModuleList):
            continue
        outputs = []
        for norm in (nn.LayerNorm(4), nn.Identity(), nn.Softmax(-1)):
            module = make(name)
            module.set_submodule(path, norm)
            outputs.append(module(*inputs))
        layer, identity, softmax = outputs
        assert not torch.allclose(layer, identity, atol=1e-4) and not torch.allclose(softmax, identity, atol=1e-4)


@modules
def test_no_bias_is_a_bias_of_zero(name):
    inputs = inputs_of(name)
    module, zero = make(name), make(name)
    for path, part in list(owners(module, "bias")):
        part.bias = None
        zero.get_submodule(path).bias.data.zero_()
        assert_close(module(*inputs), zero(*inputs))


# --- copies, other weights, other precision ---------------------------------------------------------


@modules_and_pools
def test_copies_give_the_same_output(name):
    module, inputs = make(name), inputs_of(name)
    y = module(*inputs)
    for twin in (copy.deepcopy(module), pickle.loads(pickle.dumps(module)), module.share_memory()):
        assert torch.equal(twin(*inputs), y)


@modules
def test_a_call_with_other_weights(name):
    module, inputs = make(name), inputs_of(name)
    weights = {key: torch.randn_like(p) / 3 for key, p in module.named_parameters()}
    y = functional_call(module, weights, tuple(inputs))
    assert not torch.allclose(y, module(*inputs), atol=1e-4)
    module.load_state_dict(weights)
    assert_close(y, module(*inputs))


@modules
def test_vmap_over_each_parameter(name):
    module, inputs = make(name), tuple(inputs_of(name))
    for key, p in module.named_parameters():
        batch = torch.stack([p.detach(), p.detach() + 0.1])
        y = torch.func.vmap(lambda p, key=key: functional_call(module, {key: p}, inputs))(batch)
        assert_close(y, torch.stack([functional_call(module, {key: p}, inputs) for p in batch]))


@modules
def test_device_and_dtype_reach_every_parameter(name):
    assert {p.device.type for p in FACTORIES[name][0](device="meta").parameters()} == {"meta"}
    assert {p.dtype for p in FACTORIES[name][0](dtype=torch.float64).parameters()} == {torch.float64}


@modules_and_pools
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-4), (torch.bfloat16, 0.1)], ids=str)
def test_another_precision(name, dtype, tolerance):
    expected = make(name)(*inputs_of(name)).double()
    y = make(name).to(dtype)(*inputs_of(name, dtype))
    assert y.dtype == dtype
    assert (y.double() - expected).norm() < tolerance * expected.norm()


@modules
def test_reset_gives_the_weights_of_a_new_module(name):
    module = make(name)
    torch.manual_seed(5)
    new = FACTORIES[name][0]().state_dict()
    torch.manual_seed(5)
    module.reset_parameters()
    assert all(torch.equal(x, new[key]) for key, x in module.state_dict().items())


@modules_and_pools
def test_derivatives_of_derivatives(name):
    module = make(name).double()
    inputs = [x[0].requires_grad_() for x in inputs_of(name, torch.float64)]
    keys, parameters = zip(*module.named_parameters(), strict=True) if name != "EinPool" else ((), ())
    k = len(inputs)

    def f(*tensors):
        return functional_call(module, dict(zip(keys, tensors[k:], strict=True)), tensors[:k])

    assert torch.autograd.gradgradcheck(f, (*inputs, *parameters), fast_mode=True)


@pytest.mark.parametrize(
    "name", ["EinPool", "Linear", "EinLinear two inputs", "EinLayer dependent", "EinLayer chunks", "ReferenceBlock"]
)
def test_modules_compile(name):
    torch.compiler.reset()
    module, inputs = make(name), inputs_of(name)
    compiled = torch.compile(module, fullgraph=True, dynamic=True, backend="eager")
    assert_close(compiled(*inputs), module(*inputs))
    larger = [torch.cat([x, x]) for x in inputs]
    assert_close(compiled(*larger), module(*larger))


# --- descriptions and arguments ---------------------------------------------------------------------

CLASSES = [
    EinLayer, EinLinear, EinNet, EinPool, GatedLinear, Linear, PairBlock, PairTransition, PolynomialNet, RecurrentNet,
    ReferenceBlock, ReferenceNet, TriangleAttention, TriangleMultiplication,
]  # fmt: skip
NAMES = {c.__name__: c for c in CLASSES}
WITH_OPTIONS = [
    EinLayer("abH; a->b", 4, 2, terms=["ab->ab", "ab,ab->ac"], dropout=0.5, activation="relu", normalize=None),
    EinNet("aH, aaH -> H", (2, 1), 3, hidden_type="aH, aaH", hidden=(8, 4), terms=["a,ab->b", "ab->ab"]),
    EinLayer(("abH; a->b", "aH"), (4, 2), 2, chunks=2, norm=None),
    EinNet("aH", 2, 3, order=1, hidden_type="aaH", expansion=1.5, iterations=3),
    ReferenceBlock("abH", 2, 4, 3, terms=["ab->ab", "ab,ab->ac"]),
    ReferenceNet("abH", 2, 3, terms=["ab->ab"], checkpoint_activations=True),
    RecurrentNet("abH", 2, 3, terms=["ab->cb", "ab->ac"], automorphism="ba"),
    PolynomialNet("abH", 2, 3, heads=1, normalize=None),
    EinPool(["a,ab->b"], ("aH", "aaH"), normalize=None),
    EinPool(["ab->ac"], "abH; a->b", reduction="max"),
    EinLayer("aaH", 4, reduction={"sum": 2, "logsumexp": 1, "attention": 3}),
    EinNet("aH", 2, 3, reduction={"min": 2, "minmax": 1}),
]


@pytest.mark.parametrize("module", [*map(make, [*CASES, "EinPool"]), *WITH_OPTIONS], ids=lambda m: type(m).__name__)
def test_a_module_is_rebuilt_from_its_description(module):
    name = type(module).__name__
    rebuilt = eval(f"{name}({module.extra_repr()})", dict(NAMES))
    if not list(module.children()):
        assert eval(repr(module), dict(NAMES)).extra_repr() == module.extra_repr()
    assert rebuilt.extra_repr() == module.extra_repr()
    assert {k: p.shape for k, p in rebuilt.named_parameters()} == {k: p.shape for k, p in module.named_parameters()}


@pytest.mark.parametrize("network", [EinLayer, EinNet])
def test_activation_norm_expansion_and_bias(network):
    arguments = ("aaH", 6, 2) if network is EinLayer else ("aaH", 2, 3, 2, 6, 1)

    def layer_of(**options) -> EinLayer:
        module = network(*arguments, **options)
        return module if network is EinLayer else module.layers[0]

    assert isinstance(layer_of().activation, nn.GELU) and isinstance(layer_of(activation="tanh").activation, nn.Tanh)
    assert isinstance(layer_of(norm="layer").norm, nn.LayerNorm) and isinstance(layer_of(norm=None).norm, nn.Identity)
    assert not layer_of(norm=None).pool_proj.norm
    assert layer_of().pool_proj.weight.shape[0] == 12 and layer_of(expansion=0.5).pool_proj.weight.shape[0] == 3
    assert [key for key, _ in layer_of(bias=False).named_parameters() if "bias" in key] == []
    assert len([key for key, _ in layer_of().named_parameters() if "bias" in key]) == 3


def test_a_layer_takes_functions_for_activation_and_norm():
    layer = EinLayer("aH", 4, 2, activation=torch.sin, norm=partial(nn.LayerNorm, eps=0.1))
    assert layer.activation is torch.sin and layer.norm.eps == 0.1
    assert layer(torch.randn(3, 4)).shape == (3, 4)


COUNTS = [
    (EinLinear, {"signature": "aH", "in_features": 2, "out_features": 3}, ("in_features", "out_features")),
    (EinLayer, {"symmetry": "aH", "features": 4, "heads": 2, "chunks": 1}, ("features", "heads", "chunks")),
    (EinLayer, {"symmetry": "aH", "features": 4, "order": 1}, ("order",)),
    (ReferenceBlock, {"symmetry": "aH", "heads": 2, "hidden": 4, "out_features": 3}, ("heads", "hidden", "out_features")),
    *(
        (network, {"signature": "aH", "in_features": 2, "out_features": 3, "heads": 2, "hidden": 4, "depth": 1, "order": 1},
         ("in_features", "out_features", "heads", "hidden", "depth", "order"))
        for network in (EinNet, PolynomialNet, RecurrentNet, ReferenceNet)
    ),
    *((network, {"signature": "aH", "in_features": 2, "out_features": 3, "depth": 1}, ("iterations",))
      for network in (EinNet, PolynomialNet, RecurrentNet)),
    (EinNet, {"signature": "aH", "in_features": 2, "out_features": 3, "depth": 1}, ("chunks",)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("cls", "arguments", "count"), [(cls, arguments, count) for cls, arguments, counts in COUNTS for count in counts]
)
def test_counts_are_integers_of_at_least_one(cls, arguments, count):
    module = cls(**arguments | {count: np.int64(1)})
    assert type(getattr(module, count, getattr(getattr(module, "config", None), count, 1))) in (int, tuple)
    for wrong in (True, 1.5, "3", [1.5]):
        with pytest.raises(TypeError, match=count):
            cls(**arguments | {count: wrong})
    for wrong in (0, -1):
        with pytest.raises(EinNetError, match=count):
            cls(**arguments | {count: wrong})
