"""Puzzles to answers: by the network alone, and with restarts that check the answer against the rules."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
    "measure", "search_with_restarts", "to_batches",
]  # fmt: skip

SHIPPED = Path(__file__).with_name("solver.safetensors")
TEST, TEST_SEED = 100, 2**31  # fresh puzzles; seeds of runs are smaller
CELLS = 64 * 9**3  # cells times digits in a batch: as many as fit the caches


class Answers(NamedTuple):
    """What the network answers to puzzles: nothing here has been checked against the rules."""

    boards: np.ndarray  # (number, n, n)
    settled: np.ndarray  # (number, n, n): the step at which a cell last changed, 0 where none did
    probabilities: np.ndarray  # (number, n, n, digits), in the end

    @classmethod
    def concat(cls, parts: Iterable["Answers"]) -> "Answers":
        """The answers to several batches."""
        return cls(*map(np.concatenate, zip(*parts, strict=True)))


def load_solver(path: Path = SHIPPED) -> RecurrentNet:
    """The network in a file, by default the one that comes with EinNet; raises `CheckpointError` for no solver."""
    return load_net(path, SIGNATURE, 2, 1, "Sudoku").float()


@torch.no_grad()
def answers(net: RecurrentNet, puzzles: np.ndarray, iterations: int | None = None) -> Answers:
    """One pass of the network over each puzzle (number, n, n)."""
    board = torch.from_numpy(puzzles)
    settled, logits = torch.zeros_like(board), torch.zeros(0)
    steps = logits_and_states(net, encode_boards(board), iterations or net.config.iterations)
    for step, (logits, _) in enumerate(steps, start=1):
        before, board = board, logits.argmax(-1) + 1
        settled = torch.where(before == board, settled, step)
    return Answers(board.numpy(), settled.numpy(), logits.softmax(-1).numpy())


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


def search_with_restarts(
    net: RecurrentNet, puzzles: np.ndarray, first: Answers, tries: int, iterations: int | None = None
) -> Iterator[np.ndarray]:
    """Boards after each of some tries from the first answers: a search, guided by the network.

    At each try some blank cells of each board that breaks the rules get a digit, drawn from the
    network's distribution, mostly cells of which it is not sure, and the network runs again. An
    answer is taken if it follows the rules and has the givens.
    """
    rng = np.random.default_rng(0)
    boards = first.boards.copy()
    for attempt in range(tries):
        todo = np.flatnonzero(~follows_rules(boards, puzzles) & (puzzles == 0).any((1, 2)))
        if len(todo):
            guessed = _add_guesses(puzzles[todo], first.probabilities[todo], 1 + attempt % 4, rng)
            new = Answers.concat(answers(net, batch, iterations) for batch in to_batches(guessed)).boards
            right = follows_rules(new, puzzles[todo])
            boards[todo[right]] = new[right]
        yield boards.copy()


def _add_guesses(puzzles: np.ndarray, probabilities: np.ndarray, number: int, rng: np.random.Generator) -> np.ndarray:
    """The puzzles with that many blank cells filled by chance."""
    n = puzzles.shape[1]
    guessed = puzzles.reshape(len(puzzles), -1).copy()
    flat = probabilities.reshape(len(puzzles), -1, n).astype(np.float64)
    doubt = np.where(guessed == 0, 1 - flat.max(-1) + 1e-6, 0)
    for k in range(len(guessed)):
        cells = rng.choice(n * n, min(number, int((guessed[k] == 0).sum())), replace=False, p=doubt[k] / doubt[k].sum())
        for cell in cells:
            guessed[k, cell] = 1 + rng.choice(n, p=flat[k, cell] / flat[k, cell].sum())
    return guessed.reshape(puzzles.shape)


def count_solved(
    net: RecurrentNet, puzzles: np.ndarray, solutions: np.ndarray | None, iterations: int | None, tries: int
) -> dict[str, Any]:
    """How many boards one pass of the network solves, and how many after each try of a search."""

    def count(boards: np.ndarray) -> int:
        right = follows_rules(boards, puzzles) if solutions is None else (boards == solutions).all((1, 2))
        return int(right.sum())

    started = time.perf_counter()
    progress = {"description": "solving", "console": Console(stderr=True), "transient": True}
    batches = track(list(to_batches(puzzles)), **progress)
    answer = Answers.concat(answers(net, batch, iterations) for batch in batches)
    solved, seconds = count(answer.boards), time.perf_counter() - started
    result: dict[str, Any] = {"boards": len(puzzles), "solved": solved, "accuracy": solved / len(puzzles)}
    result |= {"iterations": iterations or net.config.iterations, "seconds": seconds}
    if tries:
        attempts = track(search_with_restarts(net, puzzles, answer, tries, iterations), total=tries, **progress)
        scores = ((count(boards), round(time.perf_counter() - started, 2)) for boards in attempts)
        result["tries"] = [{"solved": number, "seconds": seconds} for number, seconds in scores]
    return result


def format_counts(result: Mapping[str, Any]) -> str:
    """What `count_solved` returns, as sentences."""
    lines = [
        f"{result['solved']:,} of {result['boards']:,} boards solved whole ({result['accuracy']:.2%}) in one pass of "
        f"{result['iterations']} steps, {result['seconds']:.1f} s"
    ]
    if tries := result.get("tries"):
        lines.append(f"{tries[-1]['solved']:,} with {len(tries)} tries of search, {tries[-1]['seconds']:.1f} s in all")
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
