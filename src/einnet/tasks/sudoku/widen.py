"""A wider network that computes what a narrow one does, to learn on from.

Each feature is there several times, and the weights of what reads it are divided by as many; a little noise makes the
copies differ, so that they learn different things. Source: Chen, Goodfellow, Shlens, Net2Net, 2016.
"""

from dataclasses import replace

import torch
from torch import Tensor

from einnet.errors import CheckpointError
from einnet.nn import RecurrentNet

__all__ = ["copy_widened"]

NOISE = 0.02  # as a share of the root mean square of a parameter's entries


@torch.no_grad()
def copy_widened(narrow: RecurrentNet, wide: RecurrentNet, noise: float = NOISE) -> None:
    """Sets the weights of a network from those of one with fewer features.

    Raises `CheckpointError` unless hidden features and heads are the same multiple of the other's, and all else is
    equal. Networks of equal width become equal.

    >>> from einnet.tasks.sudoku.app import SudokuConfig
    >>> from einnet.tasks.sudoku.network import make_net
    >>> narrow, wide = (make_net(SudokuConfig(hidden=2 * n, heads=n)) for n in (4, 12))
    >>> copy_widened(narrow, wide, noise=0)
    >>> x = torch.rand(2, 2, 2, 2, 2, 4, 2)
    >>> torch.allclose(narrow(x), wide(x), atol=1e-5)
    True
    """
    few, many = narrow.config, wide.config
    factor, block = max(1, many.hidden // few.hidden), few.heads
    widened = {"hidden": factor * few.hidden, "heads": factor * few.heads, "iterations": many.iterations}
    if replace(few, **widened) != many or few.hidden % block:
        sizes = [f"--hidden {config.hidden} --heads {config.heads}" for config in (few, many)]
        raise CheckpointError(f"a network of {sizes[0]} can be widened to a multiple of both, not to {sizes[1]}")
    target = wide.state_dict()
    for name, x in narrow.state_dict().items():
        for axis, size in enumerate(target[name].shape):
            if x.shape[axis] != size:
                x = _repeat(x, axis, block, factor)
        if factor > 1:
            x = x + noise * x.square().mean().sqrt() * torch.randn_like(x)
        target[name].copy_(x)


def _repeat(x: Tensor, axis: int, block: int, factor: int) -> Tensor:
    """Each block of features so many times, one after the other; the inputs, which are left over, once."""
    inputs = x.shape[axis] % block
    *blocks, rest = x.split([block] * (x.shape[axis] // block) + [inputs], axis)
    copies = [part / factor if axis else part for part in blocks for _ in range(factor)]  # rows, or what they read
    return torch.cat([*copies, rest], axis)
