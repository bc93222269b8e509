"""A complete search that the network guides: a puzzle's solution, or that it has none, or two of several.

The network runs on all puzzles of a batch at once. Where its answer breaks a rule, a cell takes a digit: one of the
cells with the fewest candidates of which the network is not sure, the digit that it thinks most likely. What follows
from that by the rules is exact (`search`); the network runs a few steps more from its present state, and a digit that
leads to a contradiction is excluded. The branch that the network thinks likeliest is next. Whether a solution is the
only one is decided without the network.
"""

import time
from collections.abc import Iterator, Sequence
from math import inf, log
from typing import Any, NamedTuple

import numpy as np

from einnet.nn import RecurrentNet
from einnet.tasks.sudoku.boards import Layout, follows_rules
from einnet.tasks.sudoku.search import SECONDS, Candidates, Search, SearchError
from einnet.tasks.sudoku.solve import Answers, answers, to_batches, track_batches

__all__ = ["Outcome", "count_found", "solve_puzzles"]

STEPS = 16  # of the network after a guess
CHECKED = 4  # steps after which an answer is compared with the rules
BRANCHES = 2  # of a puzzle at once
PATIENCE, PLAIN = 64, 2000  # after so many guesses a plain search first tries to decide a branch, with so many


class Outcome(NamedTuple):
    """What is known of a puzzle after a search."""

    solutions: list[np.ndarray]  # at most two, (n, n)
    guesses: int  # until the first solution, or until it was known that there is none
    checks: int  # further guesses, until it was known whether it is the only one
    is_decided: bool  # whether there are no others, or two
    settled: np.ndarray | None  # the step after which each cell stayed as it is; None after a guess


def solve_puzzles(
    net: RecurrentNet,
    puzzles: np.ndarray,
    iterations: int | None = None,
    *,
    guesses: int | None = None,
    seconds: float = SECONDS,
) -> Iterator[Outcome]:
    """What the network and the rules say of each puzzle (number, n, n), in their order.

    >>> from einnet.tasks.sudoku.boards import read_board
    >>> from einnet.tasks.sudoku.solve import load_solver
    >>> puzzles = np.stack([read_board(text + "." * 5) for text in (".3..1..2..4", "12..34.....", "123....4...")])
    >>> [(len(outcome.solutions), outcome.is_decided) for outcome in solve_puzzles(load_solver(), puzzles)]
    [(1, True), (2, True), (0, True)]

    Args:
        iterations: steps of the network before the first guess; by default its own number.
        guesses: a puzzle without a solution is given up after so many.
        seconds: a puzzle is given up after so long; the time of a batch is shared by its puzzles.
    """
    for batch in to_batches(puzzles):
        trees = [_Tree(puzzle, inf if guesses is None else guesses, seconds) for puzzle in batch]
        branches = [(tree, tree.open.pop()) for tree in trees if tree.open]
        steps = iterations or net.config.iterations
        while branches:
            _advance(net, branches, steps)
            branches = [(tree, branch) for tree in trees for branch in tree.grow()]
            steps = STEPS
        yield from (tree.outcome() for tree in trees)


def count_found(
    net: RecurrentNet,
    puzzles: np.ndarray,
    solutions: np.ndarray | None,
    iterations: int | None = None,
    *,
    guesses: int | None = None,
    seconds: float = SECONDS,
) -> dict[str, Any]:
    """How many boards a search solves, with how many guesses and checks a board, and in how many seconds."""
    started = time.perf_counter()
    limits = {"guesses": guesses, "seconds": seconds}
    outcomes = [o for batch in track_batches(puzzles) for o in solve_puzzles(net, batch, iterations, **limits)]
    pairs = zip(outcomes, puzzles, strict=True)
    boards = np.stack([outcome.solutions[0] if outcome.solutions else 0 * puzzle for outcome, puzzle in pairs])
    right = follows_rules(boards, puzzles) if solutions is None else (boards == solutions).all((1, 2))
    return {
        "solved": int(right.sum()),
        "accuracy": float(right.mean()),
        "decided": sum(outcome.is_decided for outcome in outcomes),
        "in one pass": sum(outcome.settled is not None for outcome in outcomes),
        "guesses": sum(outcome.guesses for outcome in outcomes) / len(outcomes),
        "checks": sum(outcome.checks for outcome in outcomes) / len(outcomes),
        "seconds": time.perf_counter() - started,
    }


def _advance(net: RecurrentNet, branches: Sequence[tuple["_Tree", "_Branch"]], steps: int) -> None:
    """Runs the network for up to so many steps from the present states; each tree takes what it answers."""
    started, done, active = time.monotonic(), 0, np.arange(len(branches))
    boards = np.stack([branch.givens for _, branch in branches])
    answered = [branch.answer for _, branch in branches]
    answer = Answers.concat(a for a in answered if a is not None) if None not in answered else None
    while len(active):
        number = min(CHECKED, steps - done)
        before, answer = answer, answers(net, boards[active], number, answer)
        if before is not None:
            answer = answer._replace(settled=np.where(answer.settled > 0, answer.settled + done, before.settled))
        done += number
        is_right = follows_rules(answer.boards, boards[active])
        leaves = is_right | (done == steps)
        for k in np.flatnonzero(leaves).tolist():
            tree, branch = branches[active[k]]
            tree.take(branch._replace(answer=answer.select([k])), bool(is_right[k]))
        answer, active = answer.select(~leaves), active[~leaves]
    for tree, _ in branches:
        tree.seconds -= (time.monotonic() - started) / len(branches)


class _Branch(NamedTuple):
    """A part of a search: the candidates of its cells, the settled cells, and the answer of the network to them."""

    candidates: Candidates
    givens: np.ndarray
    answer: Answers | None = None
    log_chance: float = 0.0  # of having the solution, by the network

    def choose(self) -> tuple[int, int, float]:
        """A cell with the fewest candidates, its likeliest digit, and the chance of that.

        Of these cells the one of which the network is least sure counts most, times the number of cells with two
        candidates that share one with it: for these its digit has consequences at once.
        """
        layout, candidates = Layout.of(len(self.givens)), np.array(self.candidates)
        is_open = candidates[:, None] >> np.arange(layout.n) & 1
        numbers, peers = is_open.sum(1), np.array(layout.peers)
        cells = np.flatnonzero(numbers == numbers[numbers > 1].min())
        has_consequence = (numbers[peers[cells]] == 2) & (candidates[peers[cells]] & candidates[cells, None] > 0)
        probabilities = np.ones(is_open.shape) if self.answer is None else self.answer.probabilities
        likely = (probabilities.reshape(is_open.shape)[cells].astype(float) + 1e-9) * is_open[cells]
        likely /= likely.sum(1, keepdims=True)
        doubt = -(likely * np.log(np.where(likely > 0, likely, 1))).sum(1)
        best = (doubt * (1 + has_consequence.sum(1))).argmax()
        return int(cells[best]), int(likely[best].argmax()), float(likely[best].max())


class _Tree:
    """The search for the solutions of one puzzle."""

    def __init__(self, puzzle: np.ndarray, guesses: float, seconds: float):
        self.search, self.limit, self.seconds = Search(Layout.of(len(puzzle))), guesses, seconds
        root = self.search.start(puzzle)
        self.open = [] if root is None else [_Branch(root, puzzle)]
        self.solutions: list[np.ndarray] = []
        self.is_decided = not self.open
        self.guesses: int | None = None  # until the first solution
        self.settled: np.ndarray | None = None

    def take(self, branch: _Branch, is_right: bool) -> None:
        """Notes an answer of the network to a branch, which is searched on in any case."""
        if is_right and branch.answer is not None:
            self.solutions.append(branch.answer.boards[0])
            self.settled = branch.answer.settled[0] if self.search.guesses == 0 else None
        elif (board := self.search.board(branch.candidates)).all():
            self.solutions.append(board)
        self.open.append(branch)

    def grow(self) -> list[_Branch]:
        """The next branches for the network; none once all is known, or too much time or too many guesses are spent."""
        branches: list[_Branch] = []
        if self.guesses is not None:
            return branches
        started = time.monotonic()
        self.search.deadline = started + self.seconds
        try:
            while self.open and not self.solutions and len(branches) < BRANCHES:
                likeliest = max(range(len(self.open)), key=lambda k: self.open[k].log_chance)
                self._split(self.open.pop(likeliest), branches)
            if self.solutions or not (self.open or branches):
                self.guesses = self.search.guesses
                self.open += branches
                branches = []
                self._look_for_others()
                self.is_decided = True
        except SearchError:
            self.guesses = self.search.guesses if self.guesses is None else self.guesses
            branches = []
        self.seconds -= time.monotonic() - started
        return branches

    def _split(self, branch: _Branch, branches: list[_Branch]) -> None:
        """Guesses a digit of a branch: a branch with it, for the network, and one without it, for later."""
        if self.search.guesses >= self.limit:
            raise SearchError("no guess is left")
        if self.search.guesses >= PATIENCE and self._search_plainly(branch):
            return
        cell, digit, chance = branch.choose()
        self.search.spend_guess()
        parts = []
        for allowed, share, target in ((~(1 << digit), 1 - chance, self.open), (1 << digit, chance, branches)):
            candidates = list(branch.candidates)
            if self.search.restrict(candidates, cell, allowed):
                parts.append((candidates, share, target))
        for candidates, share, target in parts:
            log_chance = branch.log_chance + (log(share) if len(parts) > 1 else 0)
            self._add(branch._replace(candidates=candidates, log_chance=log_chance), target)

    def _add(self, branch: _Branch, branches: list[_Branch]) -> None:
        """Adds a branch to others, or its solution to the solutions if no cell is open."""
        givens = self.search.board(branch.candidates)
        if givens.all():
            self.solutions.append(givens)
        else:
            branches.append(branch._replace(givens=givens))

    def _search_plainly(self, branch: _Branch) -> bool:
        """Whether few guesses without the network decide if a branch has a solution."""
        self.search.limit = self.search.guesses + PLAIN
        try:
            for candidates in self.search.solve(branch.candidates):
                self.solutions.append(self.search.board(candidates))
                self.open.append(branch)
                break
        except SearchError:
            return False
        finally:
            self.search.limit = None
        return True

    def _look_for_others(self) -> None:
        """Adds a second solution, if there is one."""
        for branch in self.open:
            for candidates in self.search.solve(branch.candidates):
                board = self.search.board(candidates)
                if len(self.solutions) < 2 and not np.array_equal(board, self.solutions[0]):
                    self.solutions.append(board)
                if len(self.solutions) == 2:
                    return

    def outcome(self) -> Outcome:
        """What is known in the end."""
        guesses = self.guesses or 0
        return Outcome(self.solutions[:2], guesses, self.search.guesses - guesses, self.is_decided, self.settled)
