"""The linear map that follows pooling, applied to the cores before they are broadcast.

A sum over an axis has one value for each row; mapping it before it is broadcast to all cells costs
n times less. As the map is linear and a root-mean-square is a sum of squares, both the norm and
the map commute with the expansion of cores (broadcast, permutation, embedding on a diagonal).
"""

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn

from einnet.nn.backend import align, expand
from einnet.plan import Plan

Frame = tuple[int, ...]  # see `Result`
Parts = Mapping[Frame, Tensor]
Nested = Sequence[tuple[Frame, Frame]]

__all__ = ["CoreMap", "FanOut", "Frame", "Parts", "RMSNorm", "add", "added", "linear", "nested", "unit"]


def linear(x: Tensor, weight: Tensor, bias: Tensor | None, rank: int) -> Tensor:
    """`weight @ x + bias` over the features, which stand before `rank` axes."""
    flat = x.flatten(-rank) if rank else x.unsqueeze(-1)
    shape = (*flat.shape[:-2], weight.shape[0], *x.shape[x.dim() - rank :])
    if flat.dim() == 2:
        y = weight @ flat if bias is None else torch.addmm(bias.unsqueeze(-1), weight, flat)
    else:
        flat = flat.flatten(0, -3)
        each = weight.expand(flat.shape[0], -1, -1)
        y = torch.bmm(each, flat) if bias is None else torch.baddbmm(bias.unsqueeze(-1), each, flat)
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
    """Linear maps of the results of a plan, applied to the cores.

    Cores that fill the output once their axes are permuted are mapped side by side, by one matrix; the others
    before they are broadcast, or with `expand_first` after. The second is less to do where what is mapped has
    fewer features than what it is mapped to.
    """

    def __init__(self, plan: Plan, expand_first: bool = False):
        self.rank = len(plan.results[0].output)
        self.frames = [r.axis_map for r in plan.results]
        self.whole = tuple(range(self.rank))
        self.groups: dict[Frame, list[int]] = {}
        for k, frame in enumerate(self.frames):
            fills = expand_first or sorted(frame) == list(self.whole)
            self.groups.setdefault(self.whole if fills else frame, []).append(k)
        self.nested = nested(self.groups)

    def joined(self, cores: Sequence[Tensor], axes: Sequence[int]) -> Parts:
        """The cores of each frame side by side; `axes` are the output's sizes."""
        found = {}
        for frame, members in self.groups.items():
            each = [expand(cores[k], self.frames[k], axes) if frame == self.whole else cores[k] for k in members]
            found[frame] = _joined(each, _held(frame))
        return found

    def mapped(self, joined: Parts, weights: Sequence[Tensor]) -> Parts:
        """Given a matrix for each term."""
        return {f: linear(x, self._columns(f, weights), None, _held(f)) for f, x in joined.items()}

    def mapped_whole(self, x: Tensor, weights: Sequence[Tensor], bias: Tensor | None) -> Tensor:
        """The map of the cores that fill the output, with a bias: all there are with `expand_first`."""
        return linear(x, self._columns(self.whole, weights), bias, self.rank)

    def _columns(self, frame: Frame, weights: Sequence[Tensor]) -> Tensor:
        return torch.cat([weights[k] for k in self.groups[frame]], 1)


def squares(joined: Parts) -> Parts:
    """The sum of a cell's squares, for each frame."""
    return {f: wide(x).square().sum(-1 - _held(f), keepdim=True) for f, x in joined.items()}


def added(parts: Parts, nested: Nested, axes: Sequence[int]) -> Tensor:
    """The sum with all axes of the output; one of few axes goes to one of more axes before that is expanded."""
    left = dict(parts)
    for frame, larger in nested:
        names = [larger[frame.index(k)] for k in range(1 + max((-1, *frame)))]
        left[larger] = left[larger] + align(left.pop(frame), names, range(_held(larger)))
    return add([expand(x, frame, axes) for frame, x in left.items()])


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
        self.map = CoreMap(plan, expand_first=norm and 4 * features <= out)
        columns = features * (1 + max(self.shared))
        bound = columns**-0.5
        self.weight = nn.Parameter(torch.empty(out, columns).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.zeros(out)) if bias else None
        self.gain = nn.Parameter(torch.ones(columns)) if norm else None
        self.dropout = nn.Dropout(dropout)

    def forward(self, cores: Sequence[Tensor], axes: Sequence[int]) -> Tensor:
        """From the cores of all terms to (batch..., out, axes...), `axes` being the output's sizes."""
        joined = self.map.joined(cores, axes)
        if self.gain is None or joined.keys() != {self.map.whole}:
            return self.finished(*self._summands(joined, axes, slice(None)))
        x = self.dropout(unit(joined[self.map.whole], self.map.rank))
        return self.map.mapped_whole(x, self._weights(slice(None)), self.bias)

    def parts(self, cores: Sequence[Tensor], axes: Sequence[int]) -> Parts:
        """The mapped results without norm and bias, not yet added."""
        return self.map.mapped(self.map.joined(cores, axes), self._weights(slice(None)))

    def summands(self, cores: Sequence[Tensor], axes: Sequence[int], part: slice) -> tuple[Tensor, ...]:
        """What some features of each term, whose cores are given, add to the mapped results, and to the squares."""
        return self._summands(self.map.joined(cores, axes), axes, part)

    def _summands(self, joined: Parts, axes: Sequence[int], part: slice) -> tuple[Tensor, ...]:
        sums = [self.map.mapped({f: self.dropout(x) for f, x in joined.items()}, self._weights(part))]
        if self.gain is not None:
            sums.append(squares(joined))
        return tuple(added(x, self.map.nested, axes) for x in sums)

    def _weights(self, part: slice) -> list[Tensor]:
        """A matrix for each term."""
        each = (self.weight if self.gain is None else self.weight * self.gain).split(self.features, 1)
        return [each[k][:, part] for k in self.shared]

    def finished(self, total: Tensor, squared: Tensor | None = None) -> Tensor:
        """The norm and the bias, given the sums over all features."""
        bias = None if self.bias is None else self.bias.reshape(-1, *[1] * self.map.rank).to(total.dtype)
        if squared is None:
            return total if bias is None else total + bias
        scale = torch.rsqrt(squared / self.total + 1e-6).to(total.dtype)
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


def nested(frames: Iterable[Frame]) -> Nested:
    """Frames with a larger one, but not the whole output, that has all their axes, on the same diagonals; few first."""
    every, found = list(frames), []
    for frame in sorted(every, key=_held):
        larger = [g for g in every if len(g) > _held(g) > _held(frame) and _same(g, frame) and _holds(g, frame)]
        if larger:
            found.append((frame, min(larger, key=_held)))
    return found


def _same(one: Frame, other: Frame) -> bool:
    """Whether both have the same output axes on diagonals."""
    return [one.index(f) for f in one] == [other.index(f) for f in other]


def _holds(larger: Frame, frame: Frame) -> bool:
    return all(g >= 0 for g, f in zip(larger, frame, strict=True) if f >= 0)


def _joined(cores: Sequence[Tensor], rank: int) -> Tensor:
    """Cores side by side along the features, their batch axes broadcast against each other."""
    if len(cores) == 1:
        return cores[0]
    batch = torch.broadcast_shapes(*(c.shape[: c.dim() - rank - 1] for c in cores))
    return torch.cat([c.expand(*batch, *c.shape[c.dim() - rank - 1 :]) for c in cores], -1 - rank)
