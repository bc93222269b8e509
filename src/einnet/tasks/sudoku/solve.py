"""Puzzles to answers, by the network alone."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import repeat
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from rich.console import Console
from rich.progress import track

from einnet.nn import RecurrentNet
from einnet.tasks.app import load_net
from einnet.tasks.report import Results, make_table
from einnet.tasks.sudoku.boards import Layout, follows_rules
from einnet.tasks.sudoku.drawing import draw_steps
from einnet.tasks.sudoku.generate import MAX_DUG_SIDE, generate_puzzles
from einnet.tasks.sudoku.network import SIGNATURE, encode_boards, logits_and_states

__all__ = [
    "SHIPPED", "Answers", "accuracy_by_iterations", "answers", "count_solved", "format_counts", "load_solver",
    "measure", "to_batches", "track_batches",
]  # fmt: skip

SHIPPED = Path(__file__).with_name("solver.safetensors")
TEST, TEST_SEED = 100, 2**31  # fresh puzzles; seeds of runs are smaller
CELLS = 64 * 9**3  # cells times digits in a batch: as many as fit the caches


class Answers(NamedTuple):
    """What the network answers to puzzles: nothing here has been checked against the rules."""

    boards: np.ndarray  # (number, n, n)
    settled: np.ndarray  # (number, n, n): the step at which a cell last changed, 0 where none did
    probabilities: np.ndarray  # (number, n, n, digits), in the end
    states: np.ndarray  # (number, ...), of the network in the end

    @classmethod
    def concat(cls, parts: Iterable["Answers"]) -> "Answers":
        """The answers to several batches."""
        return cls(*map(np.concatenate, zip(*parts, strict=True)))

    def select(self, rows: Sequence[int] | np.ndarray) -> "Answers":
        """Those of some rows, by their numbers or by a mask."""
        return Answers(*(x[rows] for x in self))


def load_solver(path: Path = SHIPPED) -> RecurrentNet:
    """The network in a file, by default the one that comes with EinNet; raises `CheckpointError` for no solver."""
    return load_net(path, SIGNATURE, 2, 1, "Sudoku").float()


@torch.no_grad()
def answers(
    net: RecurrentNet, puzzles: np.ndarray, iterations: int | None = None, start: Answers | None = None
) -> Answers:
    """One pass of the network over each puzzle (number, n, n); from the states of earlier answers, if any."""
    givens, logits, state = encode_boards(torch.from_numpy(puzzles)), torch.zeros(0), torch.zeros(0)
    board = torch.from_numpy(puzzles if start is None else start.boards)
    settled = torch.zeros_like(board)
    first = None if start is None else torch.from_numpy(start.states)
    steps = logits_and_states(net, givens, iterations or net.config.iterations, first)
    for step, (logits, state) in enumerate(steps, start=1):  # noqa: B007
        before, board = board, logits.argmax(-1) + 1
        settled = torch.where(before == board, settled, step)
    return Answers(board.numpy(), settled.numpy(), logits.softmax(-1).numpy(), state.numpy())


@torch.no_grad()
def accuracy_by_iterations(
    net: RecurrentNet, puzzles: np.ndarray, solutions: np.ndarray, iterations: Sequence[int]
) -> dict[int, float]:
    """The share of whole boards that are right after so many steps of one run."""
    right = dict.fromkeys(iterations, 0)
    for batch, target in zip(to_batches(puzzles), to_batches(solutions), strict=True):
        steps = logits_and_states(net, encode_boards(torch.from_numpy(batch)), max(iterations))
        for step, (logits, _) in enumerate(steps, start=1):
            if step in right:
                right[step] += int((logits.argmax(-1).numpy() + 1 == target).all((1, 2)).sum())
    return {number: count / len(puzzles) for number, count in right.items()}


def to_batches(puzzles: np.ndarray) -> Iterator[np.ndarray]:
    """The puzzles in batches of a size that is quick."""
    size = max(1, CELLS // puzzles.shape[1] ** 3)
    for start in range(0, len(puzzles), size):
        yield puzzles[start : start + size]


def count_solved(
    net: RecurrentNet, puzzles: np.ndarray, solutions: np.ndarray | None, iterations: int | None
) -> dict[str, Any]:
    """How many boards one pass of the network solves."""
    started, solved = time.perf_counter(), 0
    targets = repeat(None) if solutions is None else to_batches(solutions)
    for batch, target in zip(track_batches(puzzles), targets, strict=False):
        boards = answers(net, batch, iterations).boards
        right = follows_rules(boards, batch) if target is None else (boards == target).all((1, 2))
        solved += int(right.sum())
    result = {"boards": len(puzzles), "solved": solved, "accuracy": solved / len(puzzles)}
    return result | {"iterations": iterations or net.config.iterations, "seconds": time.perf_counter() - started}


def track_batches(puzzles: np.ndarray) -> Iterator[np.ndarray]:
    """The puzzles in batches, with a progress bar."""
    yield from track(list(to_batches(puzzles)), "solving", console=Console(stderr=True), transient=True)


def format_counts(result: Mapping[str, Any]) -> str:
    """What `count_solved` returns, and `count_found` as its `search`, as sentences."""
    lines = [
        f"{result['solved']:,} of {result['boards']:,} boards solved whole ({result['accuracy']:.2%}) in one pass of "
        f"{result['iterations']} steps, {result['seconds']:.1f} s"
    ]
    if search := result.get("search"):
        lines.append(
            f"{search['solved']:,} ({search['accuracy']:.2%}) with search, {search['guesses']:.2f} guesses a board, "
            f"{search['seconds']:.1f} s"
        )
    return "\n".join(lines)


def measure(net: RecurrentNet, side: int) -> Results:
    """The share of fresh puzzles that are solved, for several numbers of iterations; the steps of one as a picture."""
    number = TEST if side <= MAX_DUG_SIDE else TEST // 10
    puzzles, solutions = generate_puzzles(Layout.of(side), number, TEST_SEED)
    iterations = sorted({max(1, net.config.iterations * k // 4) for k in (1, 2, 4, 8, 16)})
    accuracy = accuracy_by_iterations(net, puzzles, solutions, iterations)
    title = f"{number} fresh {side}x{side} puzzles; {sum(p.numel() for p in net.parameters()):,} parameters"
    table = make_table(title, numbers=["steps", "whole boards right"])
    for steps, share in accuracy.items():
        table.add_row(str(steps), f"{share:.1%}")

    def draw(picture: Path) -> None:
        answer = answers(net, puzzles[:1])
        draw_steps(answer.boards[0], answer.settled[0], puzzles[0], picture)

    pictures = {"steps.png": ("a fresh puzzle: when each cell got its digit", draw)}
    own, longest = net.config.iterations, iterations[-1]
    reached = f"EinNet solves {accuracy[own]:.0%} of {number} fresh puzzles whole in its own {own} steps"
    summary = f"{reached}, {accuracy[longest]:.0%} in {longest}; a search that knows the rules solves all."
    return Results({"title": title, "accuracy": accuracy}, [table, summary], pictures)
