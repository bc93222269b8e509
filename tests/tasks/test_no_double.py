"""Training needs no double precision on the device: Apple's GPUs have none. Emulated: tensors on the host are marked."""

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from einnet.tasks.kg.app import KgApp, KgConfig
from einnet.tasks.pinv.app import PinvApp, PinvConfig
from einnet.tasks.poker.app import PokerApp, PokerConfig
from einnet.tasks.ratings.app import RatingsApp, RatingsConfig
from einnet.tasks.ratings.data import Entries, Ratings
from einnet.tasks.sudoku.app import SudokuApp, SudokuConfig
from einnet.tasks.sudoku.boards import Layout
from einnet.tasks.sudoku.generate import generate_puzzles
from families import family_graph

NET = {"hidden": 4, "heads": 2}


def make_ratings() -> Ratings:
    """Of ten users for eight items."""
    users, items = np.indices((10, 8)).reshape(2, -1)
    table = Entries(np.stack([users, items]), 1.0 + (users * items) % 5)
    parts = (table.take(np.arange(k, 80, 3)) for k in range(3))
    return Ratings("small", tuple(map(str, range(10))), tuple(map(str, range(8))), *parts)


TASKS = {
    "kg": (KgApp(), KgConfig(**NET, depth=1), family_graph),
    "pinv": (PinvApp(), PinvConfig(**NET, depth=1, matrices=4, batch=2), lambda: None),
    "poker": (PokerApp(), PokerConfig(**NET, depth=1, deals=20, batch=2), lambda: None),
    "ratings": (RatingsApp(), RatingsConfig(**NET, depth=1), make_ratings),
    "sudoku": (
        SudokuApp(), SudokuConfig(**NET, puzzles=4, batch=2, iterations=2),
        lambda: generate_puzzles(Layout.of(4), 4, seed=0, processes=1),
    ),
}  # fmt: skip


class OnHost(torch.Tensor):
    """A tensor that was moved to the host."""


class DeviceWithoutDouble(TorchDispatchMode):
    """Every tensor is on the device, unless it comes from `cpu()`; none there may have double precision."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        inputs = tree_leaves((args, kwargs))
        is_on_host = any(isinstance(x, OnHost) or _is_double(x) for x in inputs)  # what is double, became so there
        if not is_on_host and any(map(_is_double, tree_leaves(result))):
            raise RuntimeError(f"cannot convert a tensor on the device to float64: {func}")
        return result


def _is_double(x: object) -> bool:
    return getattr(x, "dtype", None) == torch.float64


@pytest.fixture
def device(monkeypatch):
    monkeypatch.setattr(torch.Tensor, "cpu", lambda x, **_: x.as_subclass(OnHost))
    return DeviceWithoutDouble()


@pytest.mark.parametrize("name", TASKS)
def test_a_task_trains_without_double_precision(name, device):
    app, config, load = TASKS[name]
    task = app.make_task(config, load(), 0)
    optimizer = task.make_optimizer()
    with device:
        for step in range(2):
            optimizer.zero_grad()
            task(step).backward()
            optimizer.step()
        with torch.no_grad():
            assert set(task.validate(task.net)) >= {task.metric}


def test_the_emulation_refuses_double_precision_on_the_device_alone(device):
    with device:
        assert torch.ones(2).cpu().double().sum() == 2
        with pytest.raises(RuntimeError, match="float64"):
            torch.ones(2).double()
        with pytest.raises(RuntimeError, match="float64"):
            torch.ones(2, dtype=torch.float64)
