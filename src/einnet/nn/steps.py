"""The steps of a plan in torch: axes are named, batch axes stand in front of them."""

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["align", "contract", "largest", "reduce"]

Tuple = tuple[str, ...]


def reduce(x: Tensor, tup: Tuple, output: Tuple) -> Tensor:
    """Diagonals of repeated indices, sums over those that the output lacks."""
    x, names = _on_diagonals(x, tup)
    if gone := [k - len(names) for k, n in enumerate(names) if n not in output]:
        x = x.sum(gone)
    return align(x, [n for n in names if n in output], output)


def largest(x: Tensor, tup: Tuple, output: Tuple) -> Tensor:
    """As `reduce`, the largest value in place of the sum; zero where there is none."""
    x, names = _on_diagonals(x, tup)
    if gone := [k - len(names) for k, n in enumerate(names) if n not in output]:
        x = x.sum(gone) if any(x.shape[k] == 0 for k in gone) else x.amax(gone)
    return align(x, [n for n in names if n in output], output)


def _on_diagonals(x: Tensor, tup: Tuple) -> tuple[Tensor, list[str]]:
    """Each index once."""
    names = list(tup)
    for name in dict.fromkeys(tup):
        while names.count(name) > 1:
            first = names.index(name)
            second = names.index(name, first + 1)
            x = x.diagonal(dim1=first - len(names), dim2=second - len(names))
            names = [n for k, n in enumerate(names) if k not in (first, second)] + [name]
    return x, names


def contract(pair: Sequence[Tensor], operands: Sequence[Tuple], output: Tuple) -> Tensor:
    if set(output) == {i for t in operands for i in t}:
        left, right = (align(x, t, output) for x, t in zip(pair, operands, strict=True))
        return left * right
    left, right = ("".join(t) for t in operands)
    return torch.einsum(f"...{left},...{right}->...{''.join(output)}", *pair)


def align(x: Tensor, names: Sequence[str | int], target: Sequence[str | int]) -> Tensor:
    """The last axes of `x`, called `names`, in the order of `target`; an axis of size 1 where absent."""
    if tuple(names) == tuple(target):
        return x
    batch = x.dim() - len(names)
    order = [batch + names.index(n) for n in target if n in names]
    x = x.permute([*range(batch), *order])
    for k, name in enumerate(target):
        if name not in names:
            x = x.unsqueeze(batch + k)
    return x
