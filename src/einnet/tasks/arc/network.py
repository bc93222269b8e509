"""Small networks of the type `abc`: rows a, columns b, colours c, trained on a task's demonstrations alone.

Fixed colours have a feature of their own. With neighbours, each of the axes of rows and columns has a
relation of type `aa` or `bb` between adjacent elements: then the symmetry is no longer any
permutation of rows and columns, only the reversal of their order.
"""

import time
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from einnet.nn import EinPool
from einnet.tasks.arc.lattice import Lattice

__all__ = ["LAYERS", "ArcNet", "Boards", "train_and_predict"]

POOLING = ("abc->abd", "abc->adc", "abc->dbc", "abc->dec", "abc->ade", "abc->dbe", "abc->def")
NEIGHBOURS = ("a0b0c0,a0a1->a1b0c0", "a0b0c0,b0b1->a0b1c0")
HIDDEN, HEADS, LAYERS = 32, 8, 3  # the depth also bounds the rounds of refinement
LR, STEPS, MAX_LOSS, CHECKS = 5e-3, 2000, 0.02, 20  # trained once so many steps in a row are correct and confident

Inputs = tuple[Tensor, dict[str, Tensor], list[Tensor]]  # features, masks, relations


class Block(nn.Module):
    """Linear, pooling by mean and by maximum, linear; added to the state."""

    def __init__(self, neighbours: bool):
        super().__init__()
        self.norm = nn.RMSNorm(HIDDEN)
        self.mean = EinPool(POOLING, "abcH")
        self.max = EinPool(POOLING, "abcH", reduction="max")
        self.neighbours = EinPool(NEIGHBOURS, ("abcH", "aaH", "bbH"), normalize=None) if neighbours else None
        width = HEADS * (2 * len(POOLING) + neighbours * len(NEIGHBOURS))
        self.fan_in = nn.Linear(HIDDEN, width)
        self.fan_out = nn.Sequential(nn.ReLU(), nn.Linear(HIDDEN + width, HIDDEN))

    def forward(self, x: Tensor, mask: dict[str, Tensor], relations: Sequence[Tensor]) -> Tensor:
        z, width = self.norm(x), HEADS * len(POOLING)
        mean, largest, adjacent = self.fan_in(z).relu().tensor_split((width, 2 * width), -1)
        pooled = [z, self.mean(mean, mask=mask), self.max(largest, mask=mask)]
        if self.neighbours is not None:
            expanded = [r.expand(*r.shape[:-1], HEADS) for r in relations]
            pooled.append(self.neighbours(adjacent, *expanded, mask=mask)[0])
        return x + self.fan_out(torch.cat(pooled, -1))


class ArcNet(nn.Module):
    """Boards (batch, rows, columns, colours, features) to a logit for each cell and colour."""

    def __init__(self, features: int, neighbours: bool):
        super().__init__()
        self.encode = nn.Linear(features, HIDDEN)
        self.blocks = nn.ModuleList(Block(neighbours) for _ in range(LAYERS))
        self.decode = nn.Sequential(nn.RMSNorm(HIDDEN), nn.Linear(HIDDEN, 1))

    def forward(self, x: Tensor, mask: dict[str, Tensor], relations: Sequence[Tensor]) -> Tensor:
        state = self.encode(x)
        for block in self.blocks:
            state = block(state, mask, relations)
        return self.decode(state).squeeze(-1)


class Boards:
    """The boards of a lattice as one tensor, padded to one size, for networks of a type."""

    def __init__(self, lattice: Lattice, fixed: frozenset[int], neighbours: bool):
        self.shapes, self.neighbours = lattice.shapes, neighbours
        rows, columns = torch.tensor(lattice.shapes).T
        h, w = int(rows.max()), int(columns.max())
        identity = lattice.colours[lattice.colour, None] == [c for c in lattice.colours if c in fixed]
        features = torch.from_numpy(np.concatenate([lattice.one_hot, identity], 1)).float()
        self.x = torch.zeros(len(lattice.shapes), h, w, len(lattice.colours), features.shape[1])
        for k, (a, b) in enumerate(lattice.shapes):
            one_board = features[lattice.starts[k] : lattice.starts[k + 1]]
            self.x[k, :a, :b] = one_board.reshape(a, b, *self.x.shape[3:])
        self.mask = {"a": torch.arange(h) < rows[:, None], "b": torch.arange(w) < columns[:, None]}
        self.relations = [_relate_adjacent(self.mask["a"]), _relate_adjacent(self.mask["b"])]

    def select(self, boards: Sequence[int]) -> Inputs:
        """The inputs of a network for some of the boards."""
        some = list(boards)
        return self.x[some], {c: m[some] for c, m in self.mask.items()}, [r[some] for r in self.relations]


def _relate_adjacent(mask: Tensor) -> Tensor:
    """(batch, size, size, 1): 1 for two adjacent rows, or columns."""
    place = torch.arange(mask.shape[1])
    adjacent = (place[:, None] - place).abs() == 1
    return (adjacent & mask[:, None] & mask[:, :, None]).float().unsqueeze(-1)


def train_and_predict(
    boards: Boards, targets: Mapping[int, np.ndarray], query: Sequence[int], seed: int, deadline: float
) -> list[np.ndarray] | None:
    """The numbers of the colours of the boards in `query`; None if the targets were not learned in time."""
    torch.manual_seed(seed)
    net = ArcNet(boards.x.shape[-1], boards.neighbours)
    inputs = boards.select(list(targets))
    target = torch.full(inputs[0].shape[:3], -1)
    for k, numbers in enumerate(targets.values()):
        target[k, : numbers.shape[0], : numbers.shape[1]] = torch.from_numpy(numbers)
    if not _fit(net, inputs, target, deadline):
        return None
    with torch.no_grad():
        colours = net(*boards.select(query)).argmax(-1)
    sizes = (boards.shapes[k] for k in query)
    return [x[:h, :w].numpy() for x, (h, w) in zip(colours, sizes, strict=True)]


def _fit(net: ArcNet, inputs: Inputs, target: Tensor, deadline: float) -> bool:
    """Trains on all boards at each step; whether the targets were learned in time."""
    optimizer = torch.optim.AdamW(net.parameters(), LR, weight_decay=1e-2)
    passed = 0
    for _ in range(STEPS):
        if time.monotonic() > deadline:
            return False
        logits = net(*inputs)
        loss = nn.functional.cross_entropy(logits.flatten(0, 2), target.flatten(), ignore_index=-1)
        is_correct = bool(((logits.argmax(-1) == target) | (target < 0)).all())
        passed = passed + 1 if is_correct and loss.item() < MAX_LOSS else 0
        if passed >= CHECKS:
            return True
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
    return False
