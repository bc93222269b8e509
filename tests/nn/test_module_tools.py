"""torch's tools for modules work on those of einnet.nn: pruning, parametrizations, quantization, sharding, averages."""

import warnings

import pytest
import torch
from torch import distributed, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.nn.utils import parametrizations, parametrize, prune
from torch.optim.swa_utils import AveragedModel

from einnet import EinLayer
from nn.contract import CASES, inputs_of, make, owners

modules = pytest.mark.parametrize("name", CASES)


def assert_close(y: torch.Tensor, expected: torch.Tensor) -> None:
    assert torch.allclose(y, expected, rtol=1e-5, atol=1e-5)


def matrices_of(name: str) -> list[str]:
    return [path for path, part in owners(make(name), "weight") if part.weight.dim() == 2]


@modules
def test_pruning(name):
    inputs = inputs_of(name)
    for path in matrices_of(name):
        module, masked = make(name), make(name)
        part = module.get_submodule(path)
        prune.l1_unstructured(part, "weight", amount=0.5)
        masked.get_submodule(path).weight.data.mul_(part.weight_mask)
        y = module(*inputs)
        assert_close(y, masked(*inputs))
        y.square().sum().backward()
        assert part.weight_orig.grad.any()


class Double(nn.Module):
    def forward(self, x):
        return 2 * x


@modules
def test_a_parametrization_of_each_weight(name):
    inputs = inputs_of(name)
    for path, _ in owners(make(name), "weight"):
        module, doubled = make(name), make(name)
        parametrize.register_parametrization(module.get_submodule(path), "weight", Double())
        doubled.get_submodule(path).weight.data.mul_(2)
        y = module(*inputs)
        assert_close(y, doubled(*inputs))
        y.square().sum().backward()
        assert module.get_submodule(path).parametrizations.weight.original.grad.any()


@modules
def test_weight_norm(name):
    module, inputs = make(name), inputs_of(name)
    expected = module(*inputs)
    for path in matrices_of(name):
        parametrizations.weight_norm(module.get_submodule(path))
        assert_close(module(*inputs), expected)


@modules
@pytest.mark.parametrize(
    "tool", [parametrizations.spectral_norm, parametrizations.orthogonal], ids=["spectral", "orthogonal"]
)
def test_spectral_norm_and_orthogonal_weights(name, tool):
    inputs = inputs_of(name)
    for path in matrices_of(name):
        module, replaced = make(name), make(name)
        part = tool(module.get_submodule(path))
        weight = part.weight.detach().clone()
        replaced.get_submodule(path).weight.data.copy_(weight)
        values = torch.linalg.svdvals(weight)
        assert (
            values.max() < 1.5
            if tool is parametrizations.spectral_norm
            else torch.allclose(values, values * 0 + 1, atol=1e-4)
        )
        assert_close(module(*inputs), replaced(*inputs))


@modules
def test_dynamic_quantization(name):
    module, inputs = make(name), inputs_of(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        quantized = torch.ao.quantization.quantize_dynamic(module, {nn.Linear}, dtype=torch.qint8)
    expected = module(*inputs)
    assert (quantized(*inputs) - expected).norm() < 0.05 * expected.norm()


@modules
def test_averaged_weights(name):
    module, inputs = make(name), inputs_of(name)
    average = AveragedModel(module)
    average.update_parameters(module)
    with torch.no_grad():
        for p in module.parameters():
            p.mul_(3)
    average.update_parameters(module)
    weights = {key: 2 * p for key, p in make(name).named_parameters()}
    assert_close(average(*inputs), torch.func.functional_call(module, weights, tuple(inputs)))


def replicate(module: nn.Module) -> nn.Module:
    """What `nn.DataParallel` makes for each device: modules whose weights are attributes, not parameters."""
    replicas = {part: part._replicate_for_data_parallel() for part in module.modules()}
    for part, replica in replicas.items():
        for name, child in part.named_children():
            setattr(replica, name, replicas[child])
        for name, p in part._parameters.items():
            if p is None:
                replica._parameters[name] = None
            else:
                setattr(replica, name, p * 1)
    return replicas[module]


@modules
def test_replicas_of_data_parallel(name):
    module, inputs = make(name), inputs_of(name)
    replica = replicate(module)
    assert not list(replica.parameters())
    assert_close(replica(*inputs), module(*inputs))


@modules
def test_another_default_device(name):
    """Nothing is made on the default device, where the weights are not."""
    module, inputs = make(name), inputs_of(name)
    expected = module(*inputs)
    torch.set_default_device("meta")
    try:
        for p in make(name, device="cpu").parameters():
            assert p.device.type == "cpu"
        assert torch.equal(module(*inputs), expected)
    finally:
        torch.set_default_device(None)


@pytest.mark.parametrize("text", ["aH", "aaH", "abH; a->b"])
def test_masks_with_another_default_device(text):
    layer = EinLayer(text, 3, 2)
    x = torch.randn(2, *[4] * (text.index("H")), 3)
    mask = {"a": torch.arange(4).repeat(2, 1) < 3}
    expected = layer(x, mask=mask)
    torch.set_default_device("meta")
    try:
        assert torch.equal(layer(x, mask=mask), expected)
    finally:
        torch.set_default_device(None)


@pytest.fixture(scope="module")
def mesh():
    distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)
    yield init_device_mesh("cpu", (1,))
    distributed.destroy_process_group()


@modules
def test_fully_sharded_modules(name, mesh):
    module, sharded, inputs = make(name), make(name), inputs_of(name)
    for layer in getattr(sharded, "layers", []):
        fully_shard(layer, mesh=mesh)
    fully_shard(sharded, mesh=mesh)
    y, expected = sharded(*inputs), module(*inputs)
    assert_close(y, expected)
    y.square().sum().backward()
    expected.square().sum().backward()
    for p, q in zip(sharded.parameters(), module.parameters(), strict=True):
        assert_close(p.grad.full_tensor(), q.grad)
