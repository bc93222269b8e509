"""The same seed gives the same bits: weights, outputs, gradients and training runs, in any process."""

import hashlib
import os
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file

from einnet import EinNet, Signature
from einnet.nn import Network
from einnet.tasks.pinv.app import PinvConfig
from einnet.tasks.pinv.network import Inverse
from einnet.train import Options, Run, fit
from networks import NETWORKS, random_inputs

SIGNATURES = ["aH", "abH", "aaH -> aH", "aaH -> H", "abcH; a->b, b->c", "aH, aaH -> aH"]


def digest(signature: str, network: type[Network]) -> str:
    """Of the weights, an output and all gradients of a network made from a seed."""
    torch.manual_seed(7)
    options = {"order": 5} if signature.startswith("aaH") and network is EinNet else {}
    net = network(signature, (2,) * len(Signature(signature).inputs), 3, 2, 6, 2, **options)
    y = net(*random_inputs(net, (3,), dtype=torch.float32))
    y.square().sum().backward()
    tensors = [*net.state_dict().values(), y.detach(), *(p.grad for p in net.parameters() if p.grad is not None)]
    total = hashlib.sha256()
    for x in tensors:
        total.update(x.contiguous().numpy().tobytes())
    return total.hexdigest()


def digests() -> str:
    return "\n".join(f"{s} {net.__name__} {digest(s, net)}" for s in SIGNATURES for net in NETWORKS)


@pytest.mark.slow
def test_networks_are_the_same_in_every_process():
    """Also with another order of Python's sets."""
    code = "import torch; torch.set_num_threads(1); from numerics.test_determinism import digests; print(digests())"
    outputs = []
    for seed in ("1", "2"):
        env = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
        outputs.append(done.stdout.strip())
    assert len(outputs[0].split("\n")) == len(SIGNATURES) * len(NETWORKS) and outputs[0] == outputs[1]


def test_another_seed_gives_other_weights():
    nets = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        nets.append(EinNet("aH", 2, 2, 2, 6, 1))
    assert not torch.equal(nets[0].layers[0].in_proj.weight, nets[1].layers[0].in_proj.weight)


@pytest.mark.parametrize("deterministic", [False, True])
def test_two_runs_of_a_task_end_with_the_same_bits(tmp_path, deterministic):
    settings = PinvConfig(matrices=20, rows=3, columns=4, heads=2, hidden=3, depth=2, batch=8)
    weights = []
    for _ in range(2):
        run = Run.create(tmp_path, "pinv", {})
        options = Options(steps=20, seed=5, precision="32", deterministic=deterministic, out=tmp_path)
        assert fit(lambda: Inverse(settings, 5), run, options, steps=20, validate_every=10)
        torch.rand(7)  # what happens between runs is of no matter
        weights.append([load_file(path) for path in (run.best, run.last)])
    for first, second in zip(*weights, strict=True):
        assert first.keys() == second.keys()
        assert all(torch.equal(first[k], second[k]) for k in first)
