"""Two attempts at a task: every view and symmetry that fits; the two best answers that differ."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from einnet.tasks.arc.families import Family, families
from einnet.tasks.arc.grids import Grid, Puzzle
from einnet.tasks.arc.problem import Problem
from einnet.tasks.arc.refinement import Rounds, refined
from einnet.tasks.arc.views import fitting_views

__all__ = ["ATTEMPTS", "Candidate", "Outcome", "attempts"]

ATTEMPTS = 2
LARGEST = 20_000  # entries of a lattice that networks are trained on
SEEDS = 2
PATIENCE = 5  # seconds for the training of a network


@dataclass(frozen=True)
class Candidate:
    """An answer, and what it follows from.

    left_out: the share of demonstrations that follow from the others alone. labels: how many kinds
    of entries the demonstrations need. network: a trained network's answer, which its seeds agree on.
    """

    answers: tuple[Grid, ...]
    view: str
    family: Family
    symmetry: str
    rounds: int
    labels: int
    left_out: float
    network: bool = False

    @property
    def rank(self) -> tuple[float, int, int, int]:
        """The best first: follows from fewer demonstrations, then the simplest."""
        return -self.left_out, self.network, self.labels, self.rounds

    def describe(self) -> str:
        """The symmetry that was found, for people."""
        how = "a trained network of that type" if self.network else "colour refinement"
        return f"Seen as {self.view}, the answer commutes with {self.symmetry} ({how})."


@dataclass(frozen=True)
class Outcome:
    """What was found for a task: at most two attempts; views that fit; families that fit the demonstrations."""

    attempts: tuple[Candidate, ...]
    views: int
    consistent: int


def attempts(puzzle: Puzzle, seconds: float = 20, networks: bool = True) -> Outcome:
    """At most two attempts at a task's tests, the best first.

    Raises nothing for tasks that no view fits: there are no attempts then. The tests' outputs are not
    looked at.
    """
    deadline = time.monotonic() + seconds
    problems = [Problem(puzzle, view) for view in fitting_views(puzzle)]
    found: list[Candidate] = []
    consistent = 0
    for problem in problems:
        for candidate in _looked_up(problem, deadline):
            consistent += 1
            if candidate is not None:
                found.append(candidate)
    best = _best(found)
    if networks and not any(c.left_out == 1 for c in best):
        for problem in problems:
            found += _trained(problem, deadline)
        best = _best(found)
    return Outcome(tuple(best), len(problems), consistent)


def _best(found: list[Candidate]) -> list[Candidate]:
    chosen: dict[tuple[bytes, ...], Candidate] = {}
    for candidate in sorted(found, key=lambda c: c.rank):
        chosen.setdefault(tuple(a.tobytes() for a in candidate.answers), candidate)
    return list(chosen.values())[:ATTEMPTS]


def _looked_up(problem: Problem, deadline: float) -> Iterator[Candidate | None]:
    """For each family that fits the demonstrations its answer, None where it leaves cells open."""
    for family, most in families(problem.apart, problem.lattice.block != (1, 1)):
        if time.monotonic() > deadline:
            return
        rounds = refined(problem.lattice, family, problem.answers, problem.known, most)
        if rounds is None:
            continue
        answers, left_out = problem.from_labels(rounds)
        whole = tuple(a for a in answers if a is not None)
        if len(whole) < len(answers):
            yield None
            continue
        yield _candidate(problem, whole, family, rounds, left_out)


def _candidate(
    problem: Problem, answers: tuple[Grid, ...], family: Family, rounds: Rounds, left_out: float, network: bool = False
) -> Candidate:
    labels = len(np.unique(rounds[-1][problem.known]))
    symmetry = family.describe(problem.lattice.colours.tolist())
    return Candidate(answers, problem.view.name, family, symmetry, len(rounds) - 1, labels, left_out, network)


def _trained(problem: Problem, deadline: float) -> Iterator[Candidate]:
    """Answers of networks whose type fits the demonstrations, and whose seeds agree."""
    from einnet.tasks.arc.net import LAYERS

    if problem.lattice.entries > LARGEST:
        return
    for neighbours in (False, True):
        for apart in (problem.apart[0], problem.apart[-1]):
            family = Family(("row", "column", "all", *["four"] * neighbours), "", apart, counted=True)
            rounds = refined(problem.lattice, family, problem.answers, problem.known, LAYERS)
            if rounds is not None and (found := _agreed(problem, apart, neighbours, deadline)):
                yield _candidate(problem, found[0], family, rounds, found[1], network=True)


def _agreed(
    problem: Problem, apart: frozenset[int], neighbours: bool, deadline: float
) -> tuple[tuple[Grid, ...], float] | None:
    """What networks of all seeds answer, and the share of the demonstrations that follow from the others."""
    from einnet.tasks.arc.net import Boards, guesses

    boards = Boards(problem.lattice, apart, neighbours)

    def ask(learn: list[int], asked: list[int], seed: int) -> list[Grid] | None:
        wanted = dict(zip(learn, problem.numbers(learn), strict=True))
        found = guesses(boards, wanted, asked, seed, min(deadline, time.monotonic() + PATIENCE))
        return None if found is None else [problem.painted(x.ravel(), k) for x, k in zip(found, asked, strict=True)]

    every, answers = list(range(problem.number)), None
    for seed in range(SEEDS):
        found = ask(every, list(problem.tests), seed)
        if found is None or (answers and not _same(found, answers)):
            return None
        answers = found
    right = 0
    for k in every if len(every) > 1 else ():
        left = ask([j for j in every if j != k], [k], 0)
        right += left is not None and np.array_equal(left[0], problem.demonstrated(k))
    return tuple(answers or ()), right / problem.number


def _same(one: list[Grid], other: list[Grid]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
