"""Two attempts at a task: every view and symmetry that fits; the two best answers that differ."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from einnet.tasks.arc.families import Family, families
from einnet.tasks.arc.grids import Grid, Puzzle
from einnet.tasks.arc.problem import Problem
from einnet.tasks.arc.refinement import Rounds, refined
from einnet.tasks.arc.views import NUMBERS, fitting_views

__all__ = ["ATTEMPTS", "REVISION", "Candidate", "Outcome", "attempts"]

ATTEMPTS = 2
REVISION = 1  # to be raised where a change may lead to other answers: results of another one are not mixed in
LOOKING = 0.5  # share of the time that is for looking up, where networks are trained too
MOST_ENTRIES = 20_000  # of a lattice that networks are trained on
SEEDS = 2
PATIENCE = 5  # seconds for the training of a network

Answers = tuple[Grid, ...]  # of the tests


@dataclass(frozen=True)
class Candidate:
    """An answer, and what it follows from.

    view: its name, and its number among those that fit. left_out: the share of demonstrations that follow from the
    others, given the symmetry (which fits all of them). labels: how many kinds of entries the demonstrations
    need, in so many rounds. network: a trained network's answer, which its seeds agree on.
    """

    answers: Answers
    view: str
    number: int
    family: Family
    symmetry: str
    rounds: int
    labels: int
    left_out: float
    network: bool = False

    @property
    def rank(self) -> tuple[float, int, int, int, int]:
        """The best first: follows from fewer demonstrations, then the simplest."""
        return -self.left_out, self.network, self.labels, self.rounds, self.number

    def describe(self) -> str:
        """The symmetry that was found, for people."""
        how = "a trained network of that type" if self.network else "colour refinement"
        return f"Seen as {self.view}, the answer commutes with {self.symmetry} ({how})."


@dataclass(frozen=True)
class Outcome:
    """What was found for a task: at most two attempts; how many views fit, how many families in them fit the
    demonstrations; whether there was no time for all of them."""

    attempts: tuple[Candidate, ...]
    views: int
    consistent: int
    out_of_time: bool = False


def attempts(puzzle: Puzzle, seconds: float = 20, networks: bool = True) -> Outcome:
    """At most two attempts at a task's tests, the best first; each answers all of the tests.

    Raises nothing for tasks that no view fits: there are no attempts then. The tests' outputs are not
    looked at.
    """
    started = time.monotonic()
    problems = [Problem(puzzle, view) for view in fitting_views(puzzle)]
    searches = [_looked_up(problem, k) for k, problem in enumerate(problems)]
    found, consistent, all_seen = [], 0, True
    for step in _in_turn(searches):
        if time.monotonic() > started + seconds * (LOOKING if networks else 1):
            all_seen = False
            break
        fits, candidate = step
        consistent += fits
        found += [candidate] if candidate else []
    if networks and not any(c.left_out == 1 for c in found):
        for k, problem in enumerate(problems):
            found += _trained(problem, k, started + seconds)
    return Outcome(tuple(_best(found)), len(problems), consistent, not all_seen)


def _best(found: Iterable[Candidate]) -> list[Candidate]:
    chosen: dict[tuple, Candidate] = {}
    for candidate in sorted(found, key=lambda c: c.rank):
        chosen.setdefault(tuple((a.shape, a.tobytes()) for a in candidate.answers), candidate)
    return list(chosen.values())[:ATTEMPTS]


Step = tuple[bool, Candidate | None]  # does the family fit, and its answer, if it leaves no cell open


def _in_turn(searches: Iterable[Iterator[Step]]) -> Iterator[Step]:
    """A step of each search after one of every other: the simple families of all views come first."""
    left = list(searches)
    while left:
        for search in list(left):
            step = next(search, None)
            if step is None:
                left.remove(search)
            else:
                yield step


def _looked_up(problem: Problem, number: int) -> Iterator[Step]:
    """The families in a view, the demonstrations' answers looked up for entries of the same label."""
    for family, most in families(problem.apart, problem.lattice.in_blocks):
        rounds = refined(problem.lattice, family, problem.answers, problem.known, most)
        if rounds is None:
            yield False, None
            continue
        answers, left_out = problem.from_labels(rounds)
        whole = tuple(a for a in answers if a is not None)
        yield True, _candidate(problem, number, whole, family, rounds, left_out) if len(whole) == len(answers) else None


def _candidate(
    problem: Problem,
    number: int,
    answers: Answers,
    family: Family,
    rounds: Rounds,
    left_out: float,
    network: bool = False,
) -> Candidate:
    labels = len(np.unique(rounds[-1][problem.known]))
    symmetry = family.describe([c for c in problem.lattice.colours.tolist() if c < NUMBERS])
    return Candidate(answers, problem.view.name, number, family, symmetry, len(rounds) - 1, labels, left_out, network)


def _trained(problem: Problem, number: int, deadline: float) -> Iterator[Candidate]:
    """Answers of networks whose type fits the demonstrations, and whose seeds agree."""
    from einnet.tasks.arc.net import LAYERS

    if problem.lattice.entries > MOST_ENTRIES:
        return
    for neighbours in (False, True):
        for apart in (problem.apart[0], problem.apart[-1]):
            if time.monotonic() > deadline:
                return
            family = Family(("row", "column", "all", *["four"] * neighbours), "", apart, counted=True)
            rounds = refined(problem.lattice, family, problem.answers, problem.known, LAYERS)
            if rounds is not None and (found := _agreed(problem, apart, neighbours, deadline)):
                yield _candidate(problem, number, found[0], family, rounds, found[1], network=True)


def _agreed(problem: Problem, apart: frozenset[int], neighbours: bool, deadline: float) -> tuple[Answers, float] | None:
    """What networks of all seeds answer, and the share of the demonstrations that follow from the others."""
    from einnet.tasks.arc.net import Boards, guesses

    boards = Boards(problem.lattice, apart, neighbours)

    def ask(learn: list[int], asked: list[int], seed: int) -> list[Grid] | None:
        wanted = dict(zip(learn, problem.numbers(learn), strict=True))
        found = guesses(boards, wanted, asked, seed, min(deadline, time.monotonic() + PATIENCE))
        if found is None:
            return None
        grids = [problem.painted(x.ravel(), k) for x, k in zip(found, asked, strict=True)]
        return grids if all((g < NUMBERS).all() for g in grids) else None

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
