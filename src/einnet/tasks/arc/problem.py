"""A task in a view: its entries, which are answered by the demonstrations, and what is asked for."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from einnet.tasks.arc.grids import Grid, Pair, Puzzle
from einnet.tasks.arc.lattice import Lattice
from einnet.tasks.arc.marks import BLACK
from einnet.tasks.arc.refinement import Rounds, looked_up
from einnet.tasks.arc.views import NUMBERS, View

__all__ = ["Problem"]


class Problem:
    """Demonstrations first, then tests, as boards of one lattice.

    answers (entries): does the cell of this entry get its colour; only those with `known` count.
    """

    def __init__(self, puzzle: Puzzle, view: View):
        self.puzzle, self.view = puzzle, view
        pairs: list[Pair] = [*puzzle.demonstrations, *puzzle.tests]
        shown = [view.show(p.input) for p in pairs]
        stacks = [s.stack for s in shown if s is not None]
        self._outputs = outputs = [p.output for p in puzzle.demonstrations if p.output is not None]
        colours = sorted({int(c) for x in (*stacks, *outputs) for c in np.unique(x)})
        self.lattice = Lattice(stacks, colours, [s.block for s in shown if s is not None])
        self.number, self.tests = len(outputs), range(len(outputs), len(pairs))
        self.wanted = [self._in_cells(x, k) for k, x in enumerate(outputs)]
        self.known = self.lattice.board < self.number
        flat = np.concatenate([(w[..., None] == self.lattice.colours).ravel() for w in self.wanted])
        self.answers = np.concatenate([flat, np.zeros(self.lattice.entries - len(flat), bool)])

    def _in_cells(self, output: Grid, board: int) -> Grid:
        return output if self.view.whole is None else np.full(self.lattice.shapes[board], output[0, 0])

    @cached_property
    def apart(self) -> list[frozenset[int]]:
        """Colours that may be kept apart: none, black, those of all demonstrations, all; always the numbers."""
        every = set(self.lattice.colours.tolist())
        numbers = {c for c in every if c >= NUMBERS}
        common = set(every)
        for p in self.puzzle.demonstrations:
            common &= {int(c) for x in (p.input, p.output) if x is not None for c in np.unique(x)}
        some = [set(), {BLACK} & every, common, every]
        return list(dict.fromkeys(frozenset(s | numbers) for s in some))

    def from_labels(self, rounds: Rounds) -> tuple[list[Grid | None], float]:
        """The tests' answers (None where cells are left open), and the share of the demonstrations that
        follow from the others, given the symmetry (which fits all of them)."""
        said = looked_up(rounds, self.answers, self.known)
        answers = [self._decoded(said, k) for k in self.tests]
        right = 0
        if all(a is not None for a in answers):
            for k in range(self.number):
                guess = self._decoded(looked_up(rounds, self.answers, self.known & (self.lattice.board != k)), k)
                right += guess is not None and np.array_equal(guess, self.demonstrated(k))
        return answers, right / self.number

    def demonstrated(self, board: int) -> Grid:
        return self._outputs[board]

    def _decoded(self, said: np.ndarray, board: int) -> Grid | None:
        """The grid, if each cell has one colour."""
        lattice = self.lattice
        yes = said[lattice.starts[board] : lattice.starts[board + 1]].reshape(-1, len(lattice.colours)) == 1
        if self.view.whole is not None:
            yes = yes.any(0, keepdims=True)
        if (yes.sum(1) != 1).any():
            return None
        return self.painted(yes.argmax(1), board)

    def painted(self, numbers: np.ndarray, board: int) -> Grid:
        """The answer of a board from the numbers of its cells' colours."""
        found = self.lattice.colours[numbers].astype(np.int8)
        if self.view.whole is not None:
            values, counts = np.unique(found, return_counts=True)
            return np.full(self.view.whole, values[counts.argmax()], np.int8)
        return found.reshape(self.lattice.shapes[board])

    def numbers(self, boards: Sequence[int]) -> list[np.ndarray]:
        """The demonstrated answers as numbers of colours, cell by cell."""
        return [np.searchsorted(self.lattice.colours, self.wanted[k]) for k in boards]
