"""How fast the processes of a mesh send and compute."""

import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.distributed.device_mesh import DeviceMesh

from einnet.nn.sharded.grid import Grid

__all__ = ["measure_speed"]

NUMBERS = 2**22  # that are sent at once
SIDE = 1024  # of the matrices that are multiplied
ROUNDS = 5


def measure_speed(mesh: DeviceMesh) -> tuple[float, float]:
    """The bytes that a process of a mesh sends in a second, and the operations that it computes, for `estimate`.

    All processes call it. The bandwidth is that of sums over all processes in single precision, infinite for one
    process; the rate that of a product of matrices. Both are those of the slowest process.
    """
    grid, device = Grid.of(mesh), mesh.device_type
    message, matrix = torch.ones(NUMBERS, device=device), torch.ones(SIDE, SIDE, device=device)
    before = grid.sent
    seconds = _measure_seconds(lambda: grid.sum(message, (0, 1)))
    sent = (grid.sent - before) / (ROUNDS + 1)
    times = torch.tensor([seconds, _measure_seconds(lambda: matrix @ matrix)], device=device)
    slowest = torch.stack(grid.gather(times, (0, 1))).amax(0).tolist()
    return sent / slowest[0] if sent else float("inf"), 2 * SIDE**3 / slowest[1]


def _measure_seconds(call: Callable[[], Tensor]) -> float:
    """The mean time of a call, after one to warm up."""
    result = call()
    result.sum().item()  # waits for the device
    start = time.perf_counter()
    for _ in range(ROUNDS):
        result = call()
    result.sum().item()
    return (time.perf_counter() - start) / ROUNDS
