"""Sudoku, type `ixjycH; i->x, j->y`: rows x in bands i, columns y in stacks j, digits c.

Read in this order: `boards` (reading, writing and checking), `search` (exact solving),
`generate` (puzzles with one solution), `network` (the network and how it learns), `solve` (puzzles to answers),
`guided` (a search that the network guides), `verdicts` (the verdict on a puzzle), `drawing`, `app` (the config and
the commands).
`solver.safetensors` is the network that comes with the package, learned from generated puzzles:

    einnet train sudoku --puzzles 5000 --more 4 --iterations 128 --steps 100000 --minutes 28

on one thread of a desktop processor (OMP_NUM_THREADS=1), 4,246 steps.
"""

from typing import TYPE_CHECKING

from einnet.tasks import import_lazily

if TYPE_CHECKING:
    from einnet.tasks.sudoku.boards import Layout, clash, follows_rules, read_board
    from einnet.tasks.sudoku.drawing import format_grid
    from einnet.tasks.sudoku.generate import generate_puzzles
    from einnet.tasks.sudoku.guided import solve_puzzles
    from einnet.tasks.sudoku.network import TERMS, encode_boards, logits_and_states
    from einnet.tasks.sudoku.solve import answers, load_solver

__all__ = [
    "TERMS",
    "Layout",
    "answers",
    "clash",
    "encode_boards",
    "follows_rules",
    "format_grid",
    "generate_puzzles",
    "load_solver",
    "logits_and_states",
    "read_board",
    "solve_puzzles",
]

__getattr__ = import_lazily(__name__, "boards drawing generate guided network solve")
