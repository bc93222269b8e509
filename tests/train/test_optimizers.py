"""Muon and AdamW as one optimiser."""

import copy

import pytest
import torch
from torch import nn

from einnet.train.optimizers import MuonAdamW


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 2))


def trained(model: nn.Module, optimizer: MuonAdamW, steps: int) -> None:
    x, y = torch.randn(32, 8), torch.randn(32, 2)
    for _ in range(steps):
        optimizer.zero_grad()
        (model(x) - y).square().mean().backward()
        optimizer.step()


def test_matrices_go_to_muon_and_the_rest_to_adamw():
    model = net()
    optimizer = MuonAdamW(model.parameters(), lr=1e-3)
    shapes = [[tuple(p.shape) for p in g["params"]] for g in optimizer.param_groups]
    assert shapes == [[(16, 8)], [(16,), (2, 16), (2,)]]
    assert [g["lr"] for g in optimizer.param_groups] == [4e-3, 1e-3]


def test_a_schedule_that_sets_the_groups_reaches_both():
    model = net()
    optimizer = MuonAdamW(model.parameters(), lr=1e-3)
    before = copy.deepcopy(model.state_dict())
    for group in optimizer.param_groups:
        group["lr"] = 0.0
    trained(model, optimizer, 3)
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())


def test_its_state_is_saved_and_loaded_exactly():
    whole = net()
    optimizer = MuonAdamW(whole.parameters(), lr=1e-2)
    torch.manual_seed(1)
    trained(whole, optimizer, 3)
    half = copy.deepcopy(whole)
    again = MuonAdamW(half.parameters(), lr=1e-2)
    again.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for model, its in ((whole, optimizer), (half, again)):
        torch.manual_seed(2)
        trained(model, its, 3)
    assert all(torch.equal(v, half.state_dict()[k]) for k, v in whole.state_dict().items())


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
