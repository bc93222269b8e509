"""Small networks of the type `abc`: rows a, columns b, colours c, trained on a task's demonstrations alone.

Colours that are kept apart have a feature of their own. With neighbours, the axes are related to themselves by
who stands beside whom, types `aa` and `bb`: then rows and columns no longer change places, only the
order of all of them can be turned round.
"""

import time
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from einnet.nn import EinPool
from einnet.tasks.arc.lattice import Lattice

__all__ = ["ArcNet", "Boards", "guesses"]

POOLED = ("abc->abd", "abc->adc", "abc->dbc", "abc->dec", "abc->ade", "abc->dbe", "abc->def")
BESIDE = ("a0b0c0,a0a1->a1b0c0", "a0b0c0,b0b1->a0b1c0")
WIDTH, HEADS, LAYERS = 32, 8, 3  # the depth also bounds the rounds of refinement
LR, CHECK = 5e-3, 20


class Block(nn.Module):
    """Linear, pooling by mean and by maximum, linear; added to the state."""

    def __init__(self, neighbours: bool):
        super().__init__()
        self.norm = nn.RMSNorm(WIDTH)
        self.mean = EinPool(POOLED, "abcH")
        self.max = EinPool(POOLED, "abcH", reduction="max")
        self.beside = EinPool(BESIDE, ("abcH", "aaH", "bbH"), scale="sum") if neighbours else None
        number = 2 * len(POOLED) + (len(BESIDE) if neighbours else 0)
        self.fan_in = nn.Linear(WIDTH, HEADS * number)
        self.fan_out = nn.Sequential(nn.ReLU(), nn.Linear(WIDTH + HEADS * number, WIDTH))

    def forward(self, x: Tensor, mask: dict[str, Tensor], relations: Sequence[Tensor]) -> Tensor:
        z = self.norm(x)
        mean, largest, beside = self.fan_in(z).relu().tensor_split((HEADS * len(POOLED), HEADS * 2 * len(POOLED)), -1)
        pooled = [z, self.mean(mean, mask=mask), self.max(largest, mask=mask)]
        if self.beside is not None:
            pooled.append(self.beside(beside, *(r.expand(*r.shape[:-1], HEADS) for r in relations), mask=mask)[0])
        return x + self.fan_out(torch.cat(pooled, -1))


class ArcNet(nn.Module):
    """Boards (batch, rows, columns, colours, features) to a logit for each cell and colour."""

    def __init__(self, features: int, neighbours: bool):
        super().__init__()
        self.lift = nn.Linear(features, WIDTH)
        self.blocks = nn.ModuleList(Block(neighbours) for _ in range(LAYERS))
        self.head = nn.Sequential(nn.RMSNorm(WIDTH), nn.Linear(WIDTH, 1))

    def forward(self, x: Tensor, mask: dict[str, Tensor], relations: Sequence[Tensor]) -> Tensor:
        state = self.lift(x)
        for block in self.blocks:
            state = block(state, mask, relations)
        return self.head(state).squeeze(-1)


class Boards:
    """The boards of a lattice as one tensor, padded to one size, for networks of a type."""

    def __init__(self, lattice: Lattice, fixed: frozenset[int], neighbours: bool):
        self.shapes, self.neighbours = lattice.shapes, neighbours
        h, w = (max(s[k] for s in lattice.shapes) for k in (0, 1))
        n = len(lattice.colours)
        apart = [c for c in lattice.colours if c in fixed]
        features = lattice.has.shape[1] + len(apart)
        self.x = torch.zeros(len(lattice.shapes), h, w, n, features)
        identity = torch.tensor([[float(c == a) for a in apart] for c in lattice.colours]).reshape(n, len(apart))
        for k, (a, b) in enumerate(lattice.shapes):
            seen = lattice.has[lattice.starts[k] : lattice.starts[k + 1]].astype(np.float32)
            self.x[k, :a, :b, :, : seen.shape[1]] = torch.from_numpy(seen).reshape(a, b, n, -1)
            self.x[k, :a, :b, :, seen.shape[1] :] = identity
        rows, columns = (torch.tensor([s[k] for s in lattice.shapes]) for k in (0, 1))
        self.mask = {"a": torch.arange(h) < rows[:, None], "b": torch.arange(w) < columns[:, None]}
        self.relations = [_beside(size, mask) for size, mask in ((h, self.mask["a"]), (w, self.mask["b"]))]

    def of(self, which: Sequence[int]) -> tuple[Tensor, dict[str, Tensor], list[Tensor]]:
        some = list(which)
        return self.x[some], {c: m[some] for c, m in self.mask.items()}, [r[some] for r in self.relations]


def _beside(size: int, mask: Tensor) -> Tensor:
    """(batch, size, size, 1): 1 where two of the rows, or columns, are neighbours."""
    path = (torch.arange(size)[:, None] - torch.arange(size)).abs() == 1
    return (path & mask[:, None] & mask[:, :, None]).float().unsqueeze(-1)


def guesses(
    boards: Boards, wanted: Mapping[int, np.ndarray], ask: Sequence[int], seed: int, deadline: float
) -> list[np.ndarray] | None:
    """The colours, as numbers, of the boards that are asked for; None if those wanted were not learned in time."""
    torch.manual_seed(seed)
    learn, shapes = list(wanted), boards.shapes
    net = ArcNet(boards.x.shape[-1], boards.neighbours)
    optimizer = torch.optim.AdamW(net.parameters(), LR, weight_decay=1e-2)
    inputs = boards.of(learn)
    target = torch.full(inputs[0].shape[:3], -1)
    for k, one in enumerate(learn):
        target[k, : shapes[one][0], : shapes[one][1]] = torch.from_numpy(wanted[one])
    fitted = 0
    for _ in range(2000):
        if time.monotonic() > deadline:
            return None
        logits = net(*inputs)
        loss = nn.functional.cross_entropy(logits.flatten(0, 2), target.flatten(), ignore_index=-1)
        right = bool(((logits.argmax(-1) == target) | (target < 0)).all())
        fitted = fitted + 1 if right and loss.item() < 0.02 else 0
        if fitted >= CHECK:
            break
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
    else:
        return None
    with torch.no_grad():
        found = net(*boards.of(ask)).argmax(-1)
    return [found[k, : shapes[one][0], : shapes[one][1]].numpy() for k, one in enumerate(ask)]
