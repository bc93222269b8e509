"""Sudoku step by step: a type that says what may be permuted, and a network that fills the board."""

import marimo

__generated_with = "0.25.0"
app = marimo.App(width="medium", app_title="Sudoku, step by step")

with app.setup:
    from io import BytesIO

    import marimo as mo
    import numpy as np
    import torch
    from matplotlib.figure import Figure

    import einnet
    from einnet import Symmetry
    from einnet.tasks.sudoku import (
        TERMS,
        Layout,
        answers,
        clash,
        encode_boards,
        follows_rules,
        format_grid,
        generate_puzzles,
        load_solver,
        logits_and_states,
        read_board,
    )
    from einnet.testing import assert_equivariant


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    # Sudoku, step by step

    Each row, each column and each box of a board has every digit once. A network is given the symmetry of these rules,
    not the rules. You will see

    - how the type `ixjycH; i->x, j->y` is read, and what a layer of this type can do;
    - how the network that comes with `einnet` fills a board, step by step;
    - that it keeps what the symmetry promises, and solves boards larger than any that it has learned from.
    """)


@app.cell
def _():
    puzzle = read_board(".21.....5...9....284...6.....6..5.7.3...........7.8.2..6..7.....94.6..5....3..4..")
    assert (puzzle > 0).sum() == 23 and clash(puzzle) is None
    print(format_grid(puzzle, puzzle))
    return (puzzle,)


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## What may be permuted

    If we change places of digits everywhere, say all 1 and all 2, a right board stays right. Three *bands* of rows may
    change places, and within a band its three rows. A row cannot go to another band, for that breaks the boxes. It is
    the same with *stacks* of columns. So a cell has four coordinates, and a digit is a fifth:

    | letter | what it counts | what it depends on |
    |---|---|---|
    | `i` | bands | |
    | `x` | rows in a band | `i->x`: each band has its own three rows, permuted on their own |
    | `j` | stacks | |
    | `y` | columns in a stack | `j->y` |
    | `c` | digits | |

    Written together: `ixjycH; i->x, j->y`, where `H` are features. *Band, row in band, stack, column in stack, digit.*
    """)


@app.cell
def _(puzzle):
    _kind = Symmetry("ixjycH; i->x, j->y")
    assert _kind.axes == ("i", "x", "j", "y", "c") and _kind.parent_of("x") == "i" and _kind.parent_of("c") is None
    _cells = encode_boards(torch.from_numpy(puzzle)[None])[0]  # (i, x, j, y, c, 2): is c the given, is it another one
    assert _cells.shape == (3, 3, 3, 3, 9, 2)
    _digit = puzzle[4, 0]  # the fifth row is row 1 of band 1, counted from 0; the first column is column 0 of stack 0
    assert _digit == 3 and _cells[1, 1, 0, 0, _digit - 1, 0] == 1


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    How many linear maps are there from boards to boards? For rows, two cells can be in the same row, in different rows
    of one band, or in different bands: 3 cases. The same for columns: 3. Digits are equal or not: 2. That makes
    $3 \cdot 3 \cdot 2 = 18$. Among them are the sums that a player looks at: along a row, a column, a box, and over the
    digits that a cell may have. The solver uses six of them. It also knows that a board may be transposed.
    """)


@app.cell
def _():
    _maps = einnet.series("ixjyc -> ixjyc; i->x, j->y", order=1)
    assert _maps.dof[1] == 18
    assert len(TERMS) == 6 and "ixjyc->ixkzc" in TERMS  # the sum over the columns k, z of a row, for each digit
    print("the solver's sums:", *TERMS, sep="\n  ")


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## Step by step

    The solver has one layer, which is run again and again. Its state has 32 numbers for each digit of each cell. After
    each step a linear map reads off how likely each digit is. It has 8,695 parameters and comes with the package.

    The pictures show a cell's most likely digit once its probability is above a half; the greener, the surer. Givens
    are bold.
    """)


@app.cell
def _(puzzle):
    solver = load_solver()
    assert sum(p.numel() for p in solver.parameters()) == 8695 and solver.config.hidden == 32
    with torch.no_grad():
        _steps = logits_and_states(solver, encode_boards(torch.from_numpy(puzzle)[None]), 40)
        likely = np.stack([logits[0].softmax(-1).numpy() for logits, _ in _steps])  # (step, row, column, digit)
    assert likely.shape == (40, 9, 9, 9)
    return likely, solver


@app.function
def board_picture(panel, puzzle, likely):
    """The digits that have more than half of the probability, on a matplotlib axis."""
    n, layout = len(puzzle), Layout.of(len(puzzle))
    sure = np.ma.masked_array(likely.max(-1), puzzle > 0)
    panel.imshow(sure, cmap="Greens", vmin=0.2, vmax=1.3)
    for (row, column), chance in np.ndenumerate(likely.max(-1)):
        if chance > 0.5:
            weight = "bold" if puzzle[row, column] else "normal"
            digit = likely[row, column].argmax() + 1
            panel.text(column, row, digit, ha="center", va="center", fontsize=8, weight=weight)
    for k in range(n + 1):
        panel.axhline(k - 0.5, color="black", linewidth=1.5 if k % layout.height == 0 else 0.3)
        panel.axvline(k - 0.5, color="black", linewidth=1.5 if k % layout.width == 0 else 0.3)
    panel.set(xticks=[], yticks=[], xlim=(-0.5, n - 0.5), ylim=(n - 0.5, -0.5))


@app.cell
def _(likely, puzzle):
    _figure = Figure(figsize=(8.4, 5.8), layout="constrained")
    for _panel, _step in zip(_figure.subplots(2, 3).flat, (1, 3, 8, 16, 26, 32), strict=True):
        board_picture(_panel, puzzle, likely[_step - 1])
        _panel.set_title(f"step {_step}", fontsize=9)
    _figure.savefig(_png := BytesIO(), dpi=110)
    mo.image(_png.getvalue(), alt="the board after 1, 3, 8, 16, 26 and 32 steps")


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    After one step only the givens are sure. What is sure helps to settle the rest. On the way the network also believes
    in digits that it takes back later. We can watch how far it is from keeping the rules. A *clash* is a digit that a
    row, column or box has too often, if each cell is given its most likely digit.
    """)


@app.cell
def _(likely, puzzle):
    boards = likely.argmax(-1) + 1  # (step, row, column)
    _units = boards.reshape(40, -1)[:, Layout.of(9).units]  # the digits of the 27 rows, columns and boxes
    clashes = np.array([[9 - len(set(unit)) for unit in units] for units in _units.tolist()]).sum(1)
    unsure = 81 - likely.max(-1).sum((1, 2))  # 0 where every cell is sure of its digit
    assert clashes[0] > 20 and clashes[-1] == 0
    assert unsure[0] > 20 and unsure[-1] < 1
    assert follows_rules(boards[-1:], puzzle[None]).all()
    taken_back = (likely[2].max(-1) > 0.5) & (boards[2] != boards[-1])
    assert 5 < taken_back.sum() < 30
    print(format_grid(boards[-1], puzzle))
    print(f"{taken_back.sum()} digits with a probability above a half at step 3 were taken back")

    _figure = Figure(figsize=(6, 2.6), layout="constrained")
    _panel = _figure.subplots()
    _panel.plot(range(1, 41), clashes, color="#c0392b", label="clashes")
    _panel.plot(range(1, 41), unsure, color="#4c78a8", label="doubt, in cells")
    _panel.set(xlabel="step", ylim=(0, None))
    _panel.legend(frameon=False)
    _figure.savefig(_png := BytesIO(), dpi=110)
    mo.image(_png.getvalue(), alt="clashes and doubt, step by step")
    return (boards,)


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    An answer is checked against the rules before anybody sees it: the rules are known, even if the network was not told
    them. `einnet predict sudoku` does so, and searches where one pass is not enough.

    ## What the type promises

    Rename the digits, change places of bands, of rows in a band, of stacks, and transpose: the answer changes in the
    same way, by construction. So the network need not see any of these variants to learn them.
    """)


@app.cell
def _(boards, puzzle, solver):
    _sizes = {"i": 3, "x": 3, "j": 3, "y": 3, "c": 9}
    assert_equivariant(lambda x: solver(x, iterations=4), "ixjycH; i->x, j->y", _sizes, features=2, dtype=torch.float32)
    _rng = np.random.default_rng(0)
    _digits = np.concatenate([[0], 1 + _rng.permutation(9)])  # what each digit is called now; 0 is a blank
    _rows = np.concatenate([3 * band + _rng.permutation(3) for band in _rng.permutation(3)])
    _renamed = _digits[puzzle[_rows]].T
    assert (_renamed != puzzle).any() and clash(_renamed) is None
    assert (answers(solver, _renamed[None], 40).boards[0] == _digits[boards[-1][_rows]].T).all()


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    The five axes have no fixed sizes. The solver has learned from 9 by 9 boards. Here is one of 16 by 16, with four
    bands of four rows and sixteen digits, which `einnet` makes on the spot.
    """)


@app.cell
def _(solver):
    _puzzles, _solutions = generate_puzzles(Layout.of(16), 1, seed=0, processes=1)
    _solution = answers(solver, _puzzles, 64)
    assert (_solution.boards == _solutions).all()
    print(format_grid(_solution.boards[0], _puzzles[0]))
    print(f"{(_puzzles > 0).sum()} givens, solved after {_solution.settled.max()} steps")


if __name__ == "__main__":
    app.run()
