"""Checks of weights that are cut too: by fully_shard, over the processes of the state or others, and in files."""

import copy
import io
import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from tempfile import mkdtemp
from unittest.mock import patch

import pytest
import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import Replicate, Shard, distribute_tensor
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel

from distributed.checks import SMALL, TOLERANCE, assert_close
from einnet import EinNet
from einnet.distributed import distribute, shard, take_block
from einnet.errors import CheckpointError, EinNetError
from einnet.nn.sharded.grid import Grid
from einnet.train.shards import read_shards, remove_shards, write_shards

N, STEPS = 5, 2


def train(net, x: Tensor, target: Tensor, add_up: Callable[[Tensor], Tensor]) -> list[Tensor]:
    """The losses of some steps."""
    optimizer, losses = torch.optim.AdamW(net.parameters(), 1e-2), []
    for _ in range(STEPS):
        loss = (net(x) - target).square().sum() / len(x)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(add_up(loss.detach()))
    return losses


def cut_weights(net: EinNet, mesh: DeviceMesh) -> None:
    for part in (*net.layers, net):
        fully_shard(part, mesh=mesh)


def check_training(net: EinNet, sharded: EinNet, mesh: DeviceMesh, samples: slice = slice(None)) -> None:
    """The losses and weights of processes that have blocks of some samples are those of one that has all."""
    x, target = torch.randn(2, N, N, 3), torch.randn(2, N, N, 2)
    x, target = x.to(dtype := next(net.parameters()).dtype), target.to(dtype)
    blocks = [take_block(part[samples], "aaH", mesh) for part in (x, target)]

    def add_up(loss: Tensor) -> Tensor:
        dist.all_reduce(total := loss.clone())
        return total * mesh.size() / dist.get_world_size()

    losses = train(sharded, *blocks, add_up)
    for loss, expected in zip(losses, train(net, x, target, lambda loss: loss), strict=True):
        assert abs(loss / expected - 1) < TOLERANCE[dtype] / 10
    for p, q in zip(net.parameters(), sharded.parameters(), strict=True):
        assert q.to_local().numel() < q.numel() or q.shape[0] == 1
        if dtype == torch.float64:
            assert_close(q.full_tensor(), p, p, "a weight")


def check_fsdp(mesh: DeviceMesh) -> None:
    """Weights are cut over the processes that have the state, as one row of processes."""
    row = init_device_mesh("cpu", (4,))
    torch.manual_seed(0)
    net = EinNet("aaH -> aaH", 3, 2, **SMALL, checkpoint_activations=True)
    sharded = shard(copy.deepcopy(net), mesh)
    cut_weights(sharded, row)
    check_training(net, sharded, mesh)
    net.double()
    sharded = copy.deepcopy(net)
    cut_weights(sharded, row)  # first
    check_training(net, shard(sharded, mesh), mesh)


def check_fsdp_of_samples(mesh: DeviceMesh) -> None:
    """Two samples, each on two processes; weights are cut over the samples, or over the rows and copied."""
    grid = init_device_mesh("cpu", (2, 2), mesh_dim_names=("samples", "rows"))
    sample = grid.get_local_rank("samples")
    for weights in (grid["samples"], grid):
        torch.manual_seed(0)
        net = EinNet("aaH -> aaH", 3, 2, **SMALL).double()
        sharded = shard(copy.deepcopy(net), grid["rows"])
        cut_weights(sharded, weights)
        check_training(net, sharded, grid["rows"], slice(sample, sample + 1))


def check_ddp_of_samples(mesh: DeviceMesh) -> None:
    """The same where each process has all weights, whose gradients DDP averages over the samples."""
    grid = init_device_mesh("cpu", (2, 2), mesh_dim_names=("samples", "rows"))
    torch.manual_seed(0)
    net, x = EinNet("aaH", 3, 2, **SMALL).double(), torch.randn(2, N, N, 3).double()
    sharded = shard(copy.deepcopy(net), grid["rows"])
    model = DistributedDataParallel(sharded, process_group=grid["samples"].get_group())
    (net(x).square().sum() / 2).backward()
    model(take_block(x[grid.get_local_rank("samples")], "aaH", grid["rows"])).square().sum().backward()
    for p, q in zip(net.parameters(), sharded.parameters(), strict=True):
        assert_close(q.grad, p.grad, p.grad, "a gradient")


def check_other_dtensors(mesh: DeviceMesh) -> None:
    """Weights that something else cuts are refused."""
    net = EinNet("aaH", 3, 2, **SMALL)
    linear = next(part for part in net.decoder.modules() if isinstance(part, torch.nn.Linear))
    row = init_device_mesh("cpu", (4,))
    linear.weight = torch.nn.Parameter(distribute_tensor(linear.weight.detach(), row, [Shard(0)]))
    with pytest.raises(EinNetError, match="weight of a sharded Linear is a DTensor"):
        shard(net, mesh)(take_block(torch.randn(N, N, 3), "aaH", mesh))


def check_gradients_are_summed_once(mesh: DeviceMesh) -> None:
    """However often a network is sharded, and whether or not a weight was frozen then."""
    net, x = EinNet("aaH", 3, 2, **SMALL).double(), torch.randn(N, N, 3).double()
    shard(net, mesh)
    single = EinNet("aaH", 3, 2, **SMALL).double()
    single.load_state_dict(net.state_dict())
    single(x).square().sum().backward()
    shard(net.requires_grad_(False), mesh)
    net.requires_grad_(True)
    net(take_block(x, "aaH", mesh)).square().sum().backward()
    for p, q in zip(single.parameters(), net.parameters(), strict=True):
        assert_close(q.grad, p.grad, p.grad, "a gradient")


def check_copies(mesh: DeviceMesh) -> None:
    """A copy of a sharded network is one too, with weights of its own; so are averages of weights."""
    torch.manual_seed(0)
    net, x = EinNet("aaH", 3, 2, **SMALL).double(), torch.randn(N, N, 3).double()
    y = net(x)
    y.square().sum().backward()
    sharded = shard(copy.deepcopy(net), mesh)
    block, expected = take_block(x, "aaH", mesh), take_block(y, "aaH", mesh)
    for network in (sharded, copy.deepcopy(sharded), copy.deepcopy(copy.deepcopy(sharded)), sharded):
        network.zero_grad()
        z = network(block)
        z.square().sum().backward()
        assert_close(z, expected, y, "the output of a copy")
        for p, q in zip(net.parameters(), network.parameters(), strict=True):
            assert_close(q.grad, p.grad, p.grad, "a gradient of a copy")
    average = AveragedModel(sharded)
    average.update_parameters(sharded)
    assert_close(average(block), expected, y, "the output of an average")


def check_files_of_dtensors(mesh: DeviceMesh) -> None:
    """Those of a mesh that has sharded something are written and read by torch, and can be passed on."""
    torch.manual_seed(0)
    net, file = shard(EinNet("aaH", 1, 1, **SMALL), mesh), io.BytesIO()
    x = distribute(torch.randn(N, N, 1), "aaH", mesh)
    torch.save({"y": net(x).detach()}, file)
    file.seek(0)
    y = torch.load(file, weights_only=True)["y"]
    assert torch.equal(y.to_local(), net(x).to_local())
    assert y.device_mesh == mesh and isinstance(Grid.of(y.device_mesh), Grid)


def check_shards(mesh: DeviceMesh) -> None:
    """Any tensors come back from the files of all processes, and no pickle is read; a part that is gone is missed."""
    row = init_device_mesh("cpu", (4,))
    torch.manual_seed(0)
    tensors = {
        "a": torch.randn(7, 3), "b": torch.randn(2).double(), "empty": torch.zeros(0, 2), "c": torch.arange(6) > 2,
        "copies": torch.randn(5, 2).bfloat16(),
    }  # fmt: skip
    cut = {name: distribute_tensor(x, row, [Shard(0)]) for name, x in tensors.items()}
    cut["copies"] = distribute_tensor(tensors["copies"], mesh, [Replicate(), Shard(0)])
    shapes = {name: list(x.shape) for name, x in tensors.items()}
    folders = [mkdtemp()]
    dist.broadcast_object_list(folders)
    parent = Path(folders[0])
    name = write_shards(parent if dist.get_rank() == 0 else Path("nowhere"), cut)
    with patch.object(pickle, "load", side_effect=AssertionError), patch.object(pickle, "loads") as loads:
        read = read_shards(parent / name, shapes)
    assert not loads.called and all(torch.equal(read[k], x) and read[k].dtype == x.dtype for k, x in tensors.items())
    dist.barrier()
    if dist.get_rank() == 0:
        files = sorted((parent / name).iterdir())
        second = files[1].read_bytes()
        assert len(files) == 4 and sum(f.stat().st_size for f in files) < 4 * 1000
        place_at_start(files[1])
        with pytest.raises(CheckpointError, match=r"of a, a tensor of shape \(7, 3\), .* has 15 numbers only"):
            read_shards(parent / name, shapes)
        shutil.copy(files[0], more := files[0].with_name(files[0].name.replace("-00001-", "-00009-")))
        files[1].write_bytes(second)
        with pytest.raises(CheckpointError, match="of a, .* has some numbers more than once"):
            read_shards(parent / name, shapes)
        more.unlink()
        files[1].unlink()
        with pytest.raises(CheckpointError, match=r"of a, a tensor of shape \(7, 3\), .* has 15 numbers only"):
            read_shards(parent / name, shapes)
        files[0].write_bytes(files[0].read_bytes()[:-1])
        with pytest.raises(CheckpointError, match=f"the shards in .*{name} cannot be read"):
            read_shards(parent / name, shapes)
        (parent / "shards-old").mkdir()
        remove_shards(parent, but=name)
        assert [f.name for f in parent.iterdir()] == [name]
    dist.barrier()
    (parent / "file").touch()
    with pytest.raises(OSError, match="cannot be written by process 0"):
        write_shards(parent / "file", cut)
    dist.barrier()
    shutil.rmtree(parent, ignore_errors=True)


def place_at_start(file: Path) -> None:
    """Has a file say that its parts are the first ones."""
    content = file.read_bytes()
    header, rest = json.loads(content[8 : 8 + (size := int.from_bytes(content[:8], "little"))]), content[8 + size :]
    parts = json.loads(header["__metadata__"]["DCP_SHARDING_INFO"])
    for part in parts.values():
        part["saved_offsets"] = [0] * len(part["saved_offsets"])
    header["__metadata__"]["DCP_SHARDING_INFO"] = json.dumps(parts)
    written = json.dumps(header).encode()
    file.write_bytes(len(written).to_bytes(8, "little") + written + rest)


CHECKS = (
    check_fsdp, check_fsdp_of_samples, check_ddp_of_samples, check_other_dtensors, check_gradients_are_summed_once,
    check_copies, check_files_of_dtensors, check_shards,
)  # fmt: skip
CHECKS_OF_WEIGHTS = {check.__name__: check for check in CHECKS}  # on a mesh of 2 x 2
