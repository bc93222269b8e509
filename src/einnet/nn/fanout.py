"""The linear map that follows pooling, applied to the cores before they are broadcast.

A sum over an axis has one value for each row; mapping it before it is broadcast to all cells costs
n times less. As the map is linear and a root-mean-square is a sum of squares, both the norm and
the map commute with the expansion of cores (broadcast, permutation, embedding on a diagonal).
"""

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn

from einnet.nn.execute import expand
from einnet.nn.steps import align, on_diagonals
from einnet.plan import Plan

Frame = tuple[int, ...]

__all__ = ["CoreMap", "FanOut", "RMSNorm", "add", "linear", "unit"]


def linear(x: Tensor, weight: Tensor, bias: Tensor | None, rank: int) -> Tensor:
    """`weight @ x + bias` over the features, which stand before `rank` axes."""
    flat = x.flatten(-rank) if rank else x.unsqueeze(-1)
    shape = (*flat.shape[:-2], weight.shape[0], *x.shape[x.dim() - rank :])
    if flat.dim() == 2:
        y = weight @ flat
    else:
        flat = flat.flatten(0, -3)
        y = torch.bmm(weight.expand(flat.shape[0], -1, -1), flat)
    if bias is not None:
        y.add_(bias.unsqueeze(-1))
    return y.reshape(shape)


def wide(x: Tensor) -> Tensor:
    """Sums of squares are taken in single precision or better."""
    return x if x.dtype == torch.float64 else x.float()


class RMSNorm(nn.Module):
    """Divides each cell's features by their root mean square; a learned gain for each feature."""

    def __init__(self, features: int, rank: int):
        super().__init__()
        self.rank = rank
        self.weight = nn.Parameter(torch.ones(features))

    def forward(self, x: Tensor) -> Tensor:
        return unit(x, self.rank) * self.weight.reshape(-1, *[1] * self.rank).to(x.dtype)


def unit(x: Tensor, rank: int) -> Tensor:
    """Each cell's features, which stand before `rank` axes, divided by their root mean square."""
    return x * torch.rsqrt(wide(x).square().mean(-1 - rank, keepdim=True) + 1e-6).to(x.dtype)


class CoreMap:
    """Linear maps of the results of a plan, applied to the cores and added up.

    Cores that fill the output once their axes are permuted are mapped side by side, by one matrix. What is
    smaller is mapped as it is and added to that, in place: along an axis, or on a diagonal.
    """

    def __init__(self, plan: Plan):
        self.rank = len(plan.results[0].output)
        self.frames = [r.frame for r in plan.results]
        self.whole = tuple(range(self.rank))
        self.groups: dict[Frame, list[int]] = {}
        for k, frame in enumerate(self.frames):
            self.groups.setdefault(self.whole if sorted(frame) == list(self.whole) else frame, []).append(k)
        self.nested = _nested(self.groups)

    def joined(self, cores: Sequence[Tensor], axes: Sequence[int]) -> dict[Frame, Tensor]:
        """The cores of each frame side by side."""
        found = {}
        for frame, members in self.groups.items():
            each = [expand(cores[k], self.frames[k], axes) if frame == self.whole else cores[k] for k in members]
            found[frame] = _joined(each, _held(frame))
        return found

    def mapped(self, joined: Mapping[Frame, Tensor], weights: Sequence[Tensor], axes: Sequence[int]) -> Tensor:
        """The sum of all maps, given a matrix for each term; `axes` are the output's sizes."""
        columns = {f: torch.cat([weights[k] for k in members], 1) for f, members in self.groups.items()}
        return self.added({f: linear(x, columns[f], None, _held(f)) for f, x in joined.items()}, axes)

    def squares(self, joined: Mapping[Frame, Tensor], axes: Sequence[int]) -> Tensor:
        """The sum of the squares of all results of a cell."""
        each = {f: wide(x).square().sum(-1 - _held(f), keepdim=True) for f, x in joined.items()}
        return self.added(each, axes)

    def added(self, parts: Mapping[Frame, Tensor], axes: Sequence[int]) -> Tensor:
        """The sum, with all axes of the output; the parts are nobody else's."""
        left = dict(parts)
        for frame, larger in self.nested:
            names = [larger[frame.index(k)] for k in range(1 + max(frame))]
            left[larger] = left[larger] + align(left.pop(frame), names, range(1 + max(larger)))
        shapes = [x.shape[: x.dim() - _held(f)] for f, x in left.items()]
        shape = (*torch.broadcast_shapes(*shapes), *axes)
        total = left.pop(self.whole) if self.whole in left else next(iter(left.values())).new_zeros(shape)
        if total.shape != shape:
            total = total.expand(shape).clone()
        for frame, x in left.items():
            part, names = on_diagonals(total, tuple(map(str, frame)))
            part.add_(align(x, list(map(str, range(_held(frame)))), names))
        return total


class FanOut(nn.Module):
    """A linear map from the results of a plan, `features` for each term, to `out` features.

    With `norm`, each cell's results are first divided by their root mean square over all terms. `shared`
    has a number for each term: terms of one number share their weights.
    """

    def __init__(
        self,
        plan: Plan,
        features: int,
        out: int,
        *,
        bias: bool = True,
        norm: bool = False,
        dropout: float = 0.0,
        shared: Sequence[int] | None = None,
    ):
        super().__init__()
        self.features = features
        self.shared = tuple(range(len(plan.terms))) if shared is None else tuple(shared)
        self.total = features * len(plan.terms)
        self.map = CoreMap(plan)
        columns = features * (1 + max(self.shared))
        bound = columns**-0.5
        self.weight = nn.Parameter(torch.empty(out, columns).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.zeros(out)) if bias else None
        self.gain = nn.Parameter(torch.ones(columns)) if norm else None
        self.dropout = nn.Dropout(dropout)

    def forward(self, cores: Sequence[Tensor], axes: Sequence[int]) -> Tensor:
        """From the cores of all terms to (batch..., out, axes...), `axes` being the output's sizes."""
        return self.finished(*self.summands(cores, axes))

    def summands(self, cores: Sequence[Tensor], axes: Sequence[int], part: slice = slice(None)) -> tuple[Tensor, ...]:
        """What some features of each term, whose cores are given, add to the mapped results, and to the squares."""
        each = (self.weight if self.gain is None else self.weight * self.gain).split(self.features, 1)
        weights = [each[k][:, part] for k in self.shared]
        joined = self.map.joined(cores, axes)
        mapped = self.map.mapped({f: self.dropout(x) for f, x in joined.items()}, weights, axes)
        return (mapped,) if self.gain is None else (mapped, self.map.squares(joined, axes))

    def finished(self, total: Tensor, squares: Tensor | None = None) -> Tensor:
        """The norm and the bias, given the sums over all features."""
        bias = None if self.bias is None else self.bias.reshape(-1, *[1] * self.map.rank).to(total.dtype)
        if squares is None:
            return total if bias is None else total + bias
        scale = torch.rsqrt(squares / self.total + 1e-6).to(total.dtype)
        return total * scale if bias is None else torch.addcmul(bias, total, scale)


def _held(frame: Frame) -> int:
    """How many axes a core of this frame has."""
    return len({f for f in frame if f >= 0})


def add(parts: Sequence[Tensor]) -> Tensor:
    """The sum of one or more tensors."""
    first, *others = parts
    for x in others:
        first = first + x
    return first


def _nested(frames: Iterable[Frame]) -> list[tuple[Frame, Frame]]:
    """Frames with the smallest one that holds all their output axes and is not the whole output; few axes first."""
    plain = sorted((f for f in frames if len(set(f)) == len(f)), key=lambda f: max((-1, *f)))  # no diagonals
    found = []
    for frame in plain:
        larger = [g for g in plain if -1 in g and max(g) > max((-1, *frame)) and _holds(g, frame)]
        if larger:
            found.append((frame, larger[0]))
    return found


def _holds(larger: Frame, frame: Frame) -> bool:
    return all(g >= 0 for g, f in zip(larger, frame, strict=True) if f >= 0)


def _joined(cores: Sequence[Tensor], rank: int) -> Tensor:
    """Cores side by side along the features, their batch axes broadcast against each other."""
    if len(cores) == 1:
        return cores[0]
    batch = torch.broadcast_shapes(*(c.shape[: c.dim() - rank - 1] for c in cores))
    return torch.cat([c.expand(*batch, *c.shape[c.dim() - rank - 1 :]) for c in cores], -1 - rank)
