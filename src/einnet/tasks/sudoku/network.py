"""The network for Sudoku, and how it learns.

Rows in a band, columns in a stack and digits may change places, bands and stacks too, and the board
may be transposed: a network of type `ixjycH; i->x, j->y` with the exchange `jyixc`. One layer, whose
operations are the sums over what the rules speak of, is run again and again.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import Buffer
from torch.nn.functional import cross_entropy

from einnet.errors import CheckpointError
from einnet.nn import RecurrentNet
from einnet.tasks.app import load_net
from einnet.tasks.sudoku.boards import Layout
from einnet.tasks.sudoku.widen import copy_widened
from einnet.train.optimizers import MuonAdamW
from einnet.train.task import Task

if TYPE_CHECKING:
    from einnet.tasks.sudoku.app import SudokuConfig

__all__ = ["SIGNATURE", "TERMS", "Solving", "encode_boards", "logits_and_states", "make_net"]

SIGNATURE, AUTOMORPHISM = "ixjycH -> ixjycH; i->x, j->y", "jyixc"
TERMS = (
    "ixjyc->ixkzc",  # over a row
    "ixjyc->kzjyc",  # over a column
    "ixjyc->izjwc",  # over a box
    "ixjyc->ixjzc",  # over the part of a row in a box
    "ixjyc->izjyc",  # over the part of a column in a box
    "ixjyc->ixjyd",  # over the digits of a cell
)

HELD_OUT = 200  # boards at most
VALID_STEPS = 32
AT_ONCE, ROUNDS = 5, 12  # steps that the loss goes back through; how often a board comes back for more of them
SOLVED_LEAVES, LEAVES = 0.5, 0.03  # chance that a solved board, and that any board, leaves the batch before


def make_net(config: "SudokuConfig") -> RecurrentNet:
    net = RecurrentNet(
        SIGNATURE, 2, 1, heads=config.heads, hidden=config.hidden, depth=1,
        terms=TERMS, automorphism=AUTOMORPHISM, iterations=config.iterations,
    )  # fmt: skip
    if config.start is not None:
        copy_widened(load_net(Path(config.start), SIGNATURE, 2, 1, "Sudoku"), net)
    return net


def encode_boards(boards: Tensor) -> Tensor:
    """Boards (batch, n, n) as (batch, i, x, j, y, c, 2): is c the given; is the given another digit."""
    n, layout = boards.shape[-1], Layout.of(boards.shape[-1])
    digits = torch.arange(1, n + 1, device=boards.device)
    is_given = boards.unsqueeze(-1) == digits
    is_excluded = (boards > 0).unsqueeze(-1) & ~is_given
    shape = (len(boards), n // layout.height, layout.height, n // layout.width, layout.width, n, 2)
    return torch.stack([is_given, is_excluded], -1).float().reshape(shape)


def logits_and_states(
    net: RecurrentNet, givens: Tensor, steps: int, start: Tensor | None = None
) -> Iterator[tuple[Tensor, Any]]:
    """After each step the logits of the digits of each cell, (batch, n, n, digits), and the state."""
    n = givens.shape[-2]
    for state in net.states(givens, start=start, iterations=steps):
        yield net.decode(state, givens).reshape(-1, n, n, n), state


class Solving(Task):
    """Learns to solve a fixed set of puzzles step by step; selects by how many unseen ones are solved, and how early.

    A board stays in the batch, with its state, for several rounds of a few steps; it leaves when it is old,
    mostly when it is solved, and now and then by chance: so the network learns from states deep in a run
    at the cost of a shallow one.
    """

    metric = "mean_solved"

    def __init__(self, config: "SudokuConfig", puzzles: np.ndarray, solutions: np.ndarray, seed: int):
        super().__init__(make_net(config), lr=config.lr, average=0.995, seed=seed)
        copies = config.copies
        held_out = copies * max(1, min(HELD_OUT, len(puzzles) // 10) // copies)  # all copies of a puzzle
        boards = (torch.from_numpy(b.copy()).split([len(b) - held_out, held_out]) for b in (puzzles, solutions))
        (self.puzzles, self.held_puzzles), (self.solutions, self.held_solutions) = (map(Buffer, b) for b in boards)
        self.boards = torch.zeros(config.batch, dtype=torch.long)  # numbers of the puzzles in the batch
        self.age = torch.full((config.batch,), ROUNDS)
        self.state: Tensor | None = None

    def loss(self, step: int) -> Tensor:
        """The mean cross-entropy of the digits of all cells after every step."""
        new = self.age >= ROUNDS
        self.boards = torch.where(new, torch.randint(len(self.puzzles), self.boards.shape), self.boards)
        self.age = torch.where(new, 0, self.age)
        boards = self.boards.to(self.puzzles.device)
        givens, target = encode_boards(self.puzzles[boards]), self.solutions[boards]
        state = self.net.init_state(givens)
        if self.state is not None:
            fresh = new.to(state.device).reshape(-1, *[1] * (state.dim() - 1))
            state = torch.where(fresh, state, self.state.to(state.device))
        guesses, states = zip(*logits_and_states(self.net, givens, AT_ONCE, state), strict=True)
        self.state = states[-1].detach()
        solved = (guesses[-1].argmax(-1) + 1 == target).all((1, 2)).cpu()
        chance = torch.rand(len(self.age))
        leaves = (solved & (chance < SOLVED_LEAVES)) | (chance < LEAVES)
        self.age = torch.where(leaves, ROUNDS, self.age + 1)
        losses = [cross_entropy(guess.flatten(0, 2), target.flatten() - 1) for guess in guesses]
        return torch.stack(losses).mean()

    @torch.no_grad()
    def validate(self, net: RecurrentNet) -> dict[str, float]:
        """The share of boards that are solved after 32 steps, and the mean of that share over these steps."""
        steps = logits_and_states(net, encode_boards(self.held_puzzles), VALID_STEPS)
        is_right = ((logits.argmax(-1) + 1 == self.held_solutions).all((1, 2)) for logits, _ in steps)
        shares = [float(right.float().mean()) for right in is_right]
        return {"mean_solved": sum(shares) / len(shares), "solved": shares[-1]}

    def make_optimizer(self) -> torch.optim.Optimizer:
        return MuonAdamW(self.net.parameters(), self.lr, self.weight_decay)

    def extra_state(self) -> dict[str, Tensor]:
        """The boards in the batch, with their states."""
        return {} if self.state is None else {"boards": self.boards, "age": self.age, "state": self.state}

    def load_extra_state(self, state: Mapping[str, Tensor]) -> None:
        if not state:
            return
        number, side = self.puzzles.shape[:2]
        shape = encode_boards(self.puzzles[:1]).shape[1:-1]
        if state["state"].shape[1:-1] != shape or state["boards"].max() >= number:
            problem = f"the run cannot continue with these {number} boards of {side}x{side}: it learned from different"
            raise CheckpointError(f"{problem} ones. Restore the data file that it began with, or train again")
        self.boards, self.age, self.state = state["boards"].cpu(), state["age"].cpu(), state["state"]
