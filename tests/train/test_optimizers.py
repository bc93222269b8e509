"""Muon and AdamW as one optimiser."""

import copy

import pytest
import torch
from torch import nn

from einnet.train.optimizers import MuonAdamW, adamw


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 2))


def train_model(model: nn.Module, optimizer: MuonAdamW, steps: int) -> None:
    x, y = torch.randn(32, 8), torch.randn(32, 2)
    for _ in range(steps):
        optimizer.zero_grad()
        (model(x) - y).square().mean().backward()
        optimizer.step()


def test_matrices_go_to_muon_and_the_rest_to_adamw():
    model = net()
    optimizer = MuonAdamW(model.parameters(), lr=1e-3)
    shapes = [[tuple(p.shape) for p in g["params"]] for g in optimizer.param_groups]
    assert shapes == [[(16, 8)], [(2, 16)], [(16,), (2,)]]
    assert [g["lr"] for g in optimizer.param_groups] == [4e-3, 1e-3, 1e-3]


@pytest.mark.parametrize("make", [lambda p: MuonAdamW(p, 1e-2, 0.1), lambda p: adamw(p, 1e-2, 0.1)])
def test_matrices_decay_and_biases_do_not(make):
    model = net()
    before = copy.deepcopy(model.state_dict())
    optimizer = make(model.parameters())
    for p in model.parameters():
        p.grad = torch.zeros_like(p)
    optimizer.step()
    for name, after in model.state_dict().items():
        same = torch.equal(before[name], after)
        assert same if name.endswith("bias") else after.norm() < before[name].norm()


def test_networks_without_large_matrices_or_without_small_ones():
    for model in (nn.Linear(2, 2), nn.Linear(8, 8, bias=False)):
        optimizer = MuonAdamW(model.parameters(), 1e-2)
        before = model.weight.clone()
        model(torch.randn(4, model.in_features)).square().mean().backward()
        optimizer.step()
        assert not torch.equal(before, model.weight)


def test_a_copy_steps_on_its_own():
    model = net()
    model_2, optimizer_2 = copy.deepcopy((model, MuonAdamW(model.parameters(), 1e-2)))
    train_model(model_2, optimizer_2, 2)
    assert not torch.equal(model[0].weight, model_2[0].weight)


def test_a_schedule_that_sets_the_groups_reaches_both():
    model = net()
    optimizer = MuonAdamW(model.parameters(), lr=1e-3)
    before = copy.deepcopy(model.state_dict())
    for group in optimizer.param_groups:
        group["lr"] = 0.0
    train_model(model, optimizer, 3)
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())


def test_its_state_is_saved_and_loaded_exactly():
    model_1 = net()
    optimizer = MuonAdamW(model_1.parameters(), lr=1e-2)
    torch.manual_seed(1)
    train_model(model_1, optimizer, 3)
    half = copy.deepcopy(model_1)
    again = MuonAdamW(half.parameters(), lr=1e-2)
    again.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for model, its_optimizer in ((model_1, optimizer), (half, again)):
        torch.manual_seed(2)
        train_model(model, its_optimizer, 3)
    assert all(torch.equal(v, half.state_dict()[k]) for k, v in model_1.state_dict().items())


def test_it_trains():
    model, x = net(), torch.randn(64, 8)
    y = x[:, :2] * x[:, 2:4]
    optimizer = MuonAdamW(model.parameters(), lr=5e-3)
    losses = []
    for _ in range(300):
        optimizer.zero_grad()
        loss = (model(x) - y).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 5
    assert optimizer.step(lambda: torch.tensor(3.0)) == pytest.approx(3.0)
