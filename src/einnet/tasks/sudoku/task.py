"""The network for Sudoku, and how it learns.

Rows in a band, columns in a stack and digits may change places, bands and stacks too, and the board
may be transposed: a network of type `ixjycH; i->x, j->y` with the exchange `jyixc`. One layer, whose
operations are the sums over what the rules speak of, is run again and again.
"""

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from einnet.errors import CheckpointError
from einnet.nn import EinNet
from einnet.tasks.sudoku.boards import Layout
from einnet.tasks.sudoku.settings import Settings
from einnet.train.optimizers import MuonAdamW
from einnet.train.task import Task

__all__ = ["SIGNATURE", "Solving", "encoded", "logits_and_states", "make_net"]

SIGNATURE, EXCHANGE = "ixjycH -> ixjycH; i->x, j->y", "jyixc"
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


def make_net(s: Settings) -> EinNet:
    return EinNet(
        SIGNATURE, 2, 1, heads=s.heads, hidden=s.hidden, depth=1, block="recurrent",
        terms=TERMS, exchange=EXCHANGE, iterations=s.iterations,
    )  # fmt: skip


def encoded(boards: Tensor) -> Tensor:
    """Boards (batch, n, n) as (batch, i, x, j, y, c, 2): is c the given; is another one."""
    n, layout = boards.shape[-1], Layout.of(boards.shape[-1])
    digits = torch.arange(1, n + 1, device=boards.device)
    this = boards.unsqueeze(-1) == digits
    other = (boards > 0).unsqueeze(-1) & ~this
    shape = (len(boards), n // layout.height, layout.height, n // layout.width, layout.width, n, 2)
    return torch.stack([this, other], -1).float().reshape(shape)


def logits_and_states(
    net: EinNet, givens: Tensor, steps: int, start: Tensor | None = None
) -> Iterator[tuple[Tensor, Tensor]]:
    """After each step the logits of the digits of each cell, (batch, n, n, digits), and the state."""
    n = givens.shape[-2]
    for state in net.states(givens, start=start, iterations=steps):
        yield net.read(state, givens).reshape(-1, n, n, n), state


class Solving(Task):
    """Learns to solve a fixed set of puzzles step by step; selects by how many others are solved, and how early.

    A board stays in the batch, with its state, for several rounds of a few steps; it leaves when it is old,
    mostly when it is solved, and now and then by chance: so the network learns from states deep in a run
    at the cost of a shallow one.
    """

    metric = "mean_solved"

    def __init__(self, settings: Settings, puzzles: np.ndarray, solutions: np.ndarray, seed: int):
        super().__init__(make_net(settings), lr=settings.lr, weight_decay=0.0, average=0.995, seed=seed)
        held = settings.copies * max(1, min(HELD_OUT, len(puzzles) // 10) // settings.copies)  # all copies of a puzzle
        for name, boards in (("puzzles", puzzles), ("solutions", solutions)):
            self.register_buffer(name, torch.from_numpy(boards[:-held].copy()), persistent=False)
            self.register_buffer(f"held_{name}", torch.from_numpy(boards[-held:].copy()), persistent=False)
        self.boards = torch.zeros(settings.batch, dtype=torch.long)  # numbers of the puzzles in the batch
        self.age = torch.full((settings.batch,), ROUNDS)
        self.state: Tensor | None = None

    def loss(self, step: int) -> Tensor:
        """The mean cross-entropy of the digits of all cells after every step."""
        puzzles: Tensor = self.puzzles  # type: ignore[assignment]
        solutions: Tensor = self.solutions  # type: ignore[assignment]
        new = self.age >= ROUNDS
        self.boards = torch.where(new, torch.randint(len(puzzles), self.boards.shape), self.boards)
        self.age = torch.where(new, 0, self.age)
        boards = self.boards.to(puzzles.device)
        givens, wanted = encoded(puzzles[boards]), solutions[boards]
        state = self.net.start(givens)
        if self.state is not None:
            fresh = new.to(state.device).reshape(-1, *[1] * (state.dim() - 1))
            state = torch.where(fresh, state, self.state.to(state.device))
        guesses, states = zip(*logits_and_states(self.net, givens, AT_ONCE, state), strict=True)
        self.state = states[-1].detach()
        solved = (guesses[-1].argmax(-1) + 1 == wanted).all((1, 2)).cpu()
        chance = torch.rand(len(self.age))
        leaves = (solved & (chance < SOLVED_LEAVES)) | (chance < LEAVES)
        self.age = torch.where(leaves, ROUNDS, self.age + 1)
        every = [cross_entropy(guess.flatten(0, 2), wanted.flatten() - 1) for guess in guesses]
        return torch.stack(every).mean()

    @torch.no_grad()
    def validate(self, net: EinNet) -> dict[str, float]:
        """The share of boards that are solved after 32 steps, and the mean of that share over these steps."""
        held: Tensor = self.held_puzzles  # type: ignore[assignment]
        wanted: Tensor = self.held_solutions  # type: ignore[assignment]
        found = logits_and_states(net, encoded(held), VALID_STEPS)
        shares = [float((logits.argmax(-1) + 1 == wanted).all((1, 2)).float().mean()) for logits, _ in found]
        return {"mean_solved": sum(shares) / len(shares), "solved": shares[-1]}

    def make_optimizer(self) -> torch.optim.Optimizer:
        return MuonAdamW(self.net.parameters(), self.lr, self.weight_decay)

    def extra_state(self) -> dict[str, Tensor]:
        """The boards in the batch, with their states."""
        if self.state is None:
            return {}
        return {"boards": self.boards, "age": self.age, "state": self.state}

    def load_extra_state(self, state: Mapping[str, Tensor]) -> None:
        if not state:
            return
        puzzles: Tensor = self.puzzles  # type: ignore[assignment]
        if state["state"].shape[1:-1] != encoded(puzzles[:1]).shape[1:-1] or state["boards"].max() >= len(puzzles):
            side = puzzles.shape[-1]
            raise CheckpointError(
                f"the run cannot go on with these {len(puzzles)} boards of {side}x{side}: it learned from others. "
                "Put the data file back that it began with, or train anew"
            )
        self.boards, self.age, self.state = state["boards"].cpu(), state["age"].cpu(), state["state"]
