"""Two attempts at a task: every view and symmetry that fits is tried; the two best different answers are chosen."""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from einnet.tasks.arc.grids import BLACK, Grid, Puzzle
from einnet.tasks.arc.lattice import Lattice
from einnet.tasks.arc.refinement import Family, Rounds, list_families, look_up, refine
from einnet.tasks.arc.views import NUMBERS, View, select_views

__all__ = ["REVISION", "Attempt", "Outcome", "Problem", "solve_puzzle"]

MAX_ATTEMPTS = 2
REVISION = 1  # to be raised by a change that may lead to other answers: stored results of another one are not used
LOOK_UP_SHARE = 0.5  # of the time, if networks are trained too
MAX_ENTRIES = 20_000  # of a lattice that networks are trained on
SEEDS = 2
NETWORK_SECONDS = 5  # for the training of one

Answers = tuple[Grid, ...]  # of the tests


@dataclass(frozen=True)
class Attempt:
    """An answer, and what it follows from."""

    answers: Answers
    view: str
    number: int  # of the view, among those that fit
    symmetry: str  # the family in words
    rounds: int  # of refinement
    labels: int  # kinds of entries that the demonstrations have
    left_out: float  # the share of demonstrations that follow from the others, given the symmetry (which fits all)
    by_network: bool = False  # whether a trained network gave it, on which all seeds agree

    @property
    def rank(self) -> tuple[float, int, int, int, int]:
        """A sort key: answers that follow from fewer demonstrations first, then the simplest."""
        return -self.left_out, self.by_network, self.labels, self.rounds, self.number

    def describe(self) -> str:
        """The symmetry in a sentence."""
        method = "a trained network of that type" if self.by_network else "colour refinement"
        return f"Seen as {self.view}, the answer commutes with {self.symmetry} ({method})."


@dataclass(frozen=True)
class Outcome:
    """At most two attempts at a task; how many views fit, how many families in them; whether time ran out."""

    attempts: tuple[Attempt, ...] = ()
    views: int = 0
    families: int = 0
    out_of_time: bool = False


class Problem:
    """A task in a view: demonstrations first, then tests, as boards of one lattice.

    answers (entries): whether the cell of an entry gets its colour; valid for the `known` entries.
    """

    def __init__(self, puzzle: Puzzle, view: View):
        self.puzzle, self.view = puzzle, view
        pairs = [*puzzle.demonstrations, *puzzle.tests]
        cells = [c for p in pairs if (c := view.encode(p.input)) is not None]
        self.outputs = [p.output for p in puzzle.demonstrations if p.output is not None]
        boards = [c.features for c in cells]
        colours = sorted({int(c) for x in (*boards, *self.outputs) for c in np.unique(x)})
        self.lattice = Lattice(boards, colours, [c.block for c in cells])
        self.demonstrations, self.tests = range(len(self.outputs)), range(len(self.outputs), len(pairs))
        self.targets = self.outputs
        if view.constant_shape is not None:
            self.targets = [np.full(self.lattice.shapes[k], x[0, 0]) for k, x in enumerate(self.outputs)]
        self.known = self.lattice.board < len(self.outputs)
        flat = np.concatenate([(x[..., None] == self.lattice.colours).ravel() for x in self.targets])
        self.answers = np.concatenate([flat, np.zeros(self.lattice.entries - len(flat), bool)])

    @cached_property
    def fixed_sets(self) -> list[frozenset[int]]:
        """Sets of colours that may be fixed: none, black, those of all demonstrations, all; always the numbers."""
        colours = set(self.lattice.colours.tolist())
        numbers = {c for c in colours if c >= NUMBERS}
        pairs = zip(self.puzzle.demonstrations, self.outputs, strict=True)
        common = {int(c) for c in colours.intersection(*({*p.input.flat, *output.flat} for p, output in pairs))}
        return list(dict.fromkeys(frozenset(s | numbers) for s in (set(), {BLACK} & colours, common, colours)))

    def answer(self, rounds: Rounds) -> tuple[Answers, float] | None:
        """The answers, and the share of demonstrations that follow from the others; None if a cell has no answer."""
        votes = look_up(rounds, self.answers, self.known)
        answers = tuple(a for k in self.tests if (a := self._decode_votes(votes, k)) is not None)
        if len(answers) < len(self.tests):
            return None
        correct = 0
        for k in self.demonstrations:
            guess = self._decode_votes(look_up(rounds, self.answers, self.known & (self.lattice.board != k)), k)
            correct += guess is not None and np.array_equal(guess, self.outputs[k])
        return answers, correct / len(self.outputs)

    def _decode_votes(self, votes: np.ndarray, board: int) -> Grid | None:
        """The grid, if each cell has one colour."""
        lattice = self.lattice
        yes = votes[lattice.starts[board] : lattice.starts[board + 1]].reshape(-1, len(lattice.colours)) == 1
        if self.view.constant_shape is not None:
            yes = yes.any(0, keepdims=True)
        return self.decode(yes.argmax(1), board) if (yes.sum(1) == 1).all() else None

    def decode(self, numbers: np.ndarray, board: int) -> Grid:
        """The answer of a board from the numbers of its cells' colours."""
        colours = self.lattice.colours[numbers].astype(np.int8)
        if self.view.constant_shape is not None:
            values, counts = np.unique(colours, return_counts=True)
            return np.full(self.view.constant_shape, values[counts.argmax()], np.int8)
        return colours.reshape(self.lattice.shapes[board])

    def colour_numbers(self, board: int) -> np.ndarray:
        """The answer of a demonstration as numbers of colours, cell by cell."""
        return np.searchsorted(self.lattice.colours, self.targets[board])


def solve_puzzle(puzzle: Puzzle, seconds: float = 20, networks: bool = True) -> Outcome:
    """At most two attempts at a task's tests, the best first; each answers all of the tests.

    A task without a view that fits gets no attempt. The tests' outputs are not used.
    """
    start = time.monotonic()
    problems = [Problem(puzzle, view) for view in select_views(puzzle)]
    attempts: list[Attempt] = []
    families, out_of_time = 0, False
    for fits, attempt in _interleave(_search(problem, k) for k, problem in enumerate(problems)):
        if time.monotonic() > start + seconds * (LOOK_UP_SHARE if networks else 1):
            out_of_time = True
            break
        families += fits
        attempts += [attempt] if attempt else []
    if networks and not any(a.left_out == 1 for a in attempts):
        for k, problem in enumerate(problems):
            attempts += _train(problem, k, start + seconds)
    return Outcome(tuple(_select(attempts)), len(problems), families, out_of_time)


def _select(attempts: Iterable[Attempt]) -> list[Attempt]:
    """The best attempts with different answers."""
    by_answers: dict[tuple, Attempt] = {}
    for candidate in sorted(attempts, key=lambda a: a.rank):
        by_answers.setdefault(tuple((x.shape, x.tobytes()) for x in candidate.answers), candidate)
    return list(by_answers.values())[:MAX_ATTEMPTS]


Step = tuple[bool, Attempt | None]  # whether the family fits, and its answer if it is complete


def _interleave(searches: Iterable[Iterator[Step]]) -> Iterator[Step]:
    """A step of each search in turn, so that the simple families of all views come first."""
    active = list(searches)
    while active:
        for search in list(active):
            if (step := next(search, None)) is None:
                active.remove(search)
            else:
                yield step


def _search(problem: Problem, number: int) -> Iterator[Step]:
    """Every family in a view; the answers of entries with the same label are looked up in the demonstrations."""
    for family, max_rounds in list_families(problem.fixed_sets, problem.lattice.has_blocks):
        rounds = refine(problem.lattice, family, problem.answers, problem.known, max_rounds)
        if rounds is None:
            yield False, None
        else:
            result = problem.answer(rounds)
            yield True, result and _make_attempt(problem, number, family, rounds, *result)


def _make_attempt(
    problem: Problem, number: int, family: Family, rounds: Rounds, answers: Answers, left_out: float, **options: bool
) -> Attempt:
    labels = len(np.unique(rounds[-1][problem.known]))
    symmetry = family.describe([c for c in problem.lattice.colours.tolist() if c < NUMBERS])
    return Attempt(answers, problem.view.name, number, symmetry, len(rounds) - 1, labels, left_out, **options)


def _train(problem: Problem, number: int, deadline: float) -> Iterator[Attempt]:
    """Answers of networks whose type fits the demonstrations, and whose seeds agree."""
    from einnet.tasks.arc.network import LAYERS

    if problem.lattice.entries > MAX_ENTRIES:
        return
    for neighbours in (False, True):
        for fixed in (problem.fixed_sets[0], problem.fixed_sets[-1]):
            if time.monotonic() > deadline:
                return
            family = Family(("row", "column", "all", *["four"] * neighbours), "", fixed, counted=True)
            rounds = refine(problem.lattice, family, problem.answers, problem.known, LAYERS)
            if rounds is not None and (result := _train_seeds(problem, fixed, neighbours, deadline)):
                yield _make_attempt(problem, number, family, rounds, *result, by_network=True)


def _train_seeds(
    problem: Problem, fixed: frozenset[int], neighbours: bool, deadline: float
) -> tuple[Answers, float] | None:
    """The answers on which networks of all seeds agree, and the share of demonstrations that follow from others."""
    from einnet.tasks.arc.network import Boards, train_and_predict

    boards = Boards(problem.lattice, fixed, neighbours)

    def predict(learn: Sequence[int], query: Sequence[int], seed: int) -> list[Grid] | None:
        targets = {k: problem.colour_numbers(k) for k in learn}
        end = min(deadline, time.monotonic() + NETWORK_SECONDS)
        predictions = train_and_predict(boards, targets, query, seed, end)
        if predictions is None:
            return None
        grids = [problem.decode(x.ravel(), k) for x, k in zip(predictions, query, strict=True)]
        return grids if all((g < NUMBERS).all() for g in grids) else None

    answers: list[Grid] = []
    for seed in range(SEEDS):
        grids = predict(problem.demonstrations, problem.tests, seed)
        if grids is None or not all(map(np.array_equal, grids, answers or grids)):
            return None
        answers = grids
    correct = 0
    for k in problem.demonstrations if len(problem.outputs) > 1 else ():
        left_out = predict([j for j in problem.demonstrations if j != k], [k], 0)
        correct += left_out is not None and np.array_equal(left_out[0], problem.outputs[k])
    return tuple(answers), correct / len(problem.outputs)
