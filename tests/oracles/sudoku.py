"""The solutions of a Sudoku by a SAT solver, independent of the search in `einnet.tasks.sudoku`."""

from itertools import combinations, islice

import numpy as np
from pysat.solvers import Cadical153


def sat_solutions(board: np.ndarray, height: int, width: int, limit: int = 2) -> list[np.ndarray]:
    """Up to `limit` solutions: a variable for each cell and digit."""
    n = height * width

    def variable(r: int, c: int, d: int) -> int:
        return (r * n + c) * n + d + 1

    groups = [[variable(r, c, d) for d in range(n)] for r in range(n) for c in range(n)]
    groups += [[variable(r, c, d) for c in range(n)] for r in range(n) for d in range(n)]
    groups += [[variable(r, c, d) for r in range(n)] for c in range(n) for d in range(n)]
    groups += [
        [variable(r, c, d) for r in range(top, top + height) for c in range(left, left + width)]
        for top in range(0, n, height) for left in range(0, n, width) for d in range(n)
    ]  # fmt: skip
    clauses = [*groups, *([-a, -b] for group in groups for a, b in combinations(group, 2))]
    clauses += [[variable(r, c, int(v) - 1)] for (r, c), v in np.ndenumerate(board) if v]
    with Cadical153(bootstrap_with=clauses) as solver:
        boards = []
        for model in islice(_models(solver), limit):
            true = np.array([v > 0 for v in model[: n**3]]).reshape(n, n, n)
            boards.append(true.argmax(-1) + 1)
        return boards


def _models(solver: Cadical153):
    while solver.solve():
        model = solver.get_model()
        yield model
        solver.add_clause([-v for v in model if v > 0])
