"""Makes every picture of the site: `python docs/pictures.py`, or some of them by name.

The same code gives the same file, so a test compares the files of docs/ with what the code draws.
"""

import argparse
from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

import einnet
from einnet import Symmetry
from einnet.plots.figures import draw_pooling, draw_sharing, pyplot, save_figure
from einnet.plots.operations import draw_operations

__all__ = ["PICTURES", "main"]

DOCS = Path(__file__).parent
BRIDGE = "ab,ac,bc,bd,cd->ad"
PUZZLE = ".......1.4.........2...........5.4.7..8...3....1.9....3..4..2...5.1........8.6..."  # 17 givens


def draw_linear_maps(file: Path) -> None:
    """The matrices of all linear maps of four types: cells of one colour share a parameter."""
    plt = pyplot()
    types = [("a", {"a": 5}), ("ab", {"a": 3, "b": 3}), ("ab; a->b", {"a": 3, "b": 3}), ("aa", {"a": 4})]
    figure, panels = plt.subplots(1, len(types), figsize=(9, 2.8), layout="constrained")
    for panel, (text, sizes) in zip(panels, types, strict=True):
        maps = einnet.series(text, order=1, sizes=sizes)
        sharing = maps.sharing(1)
        cells = prod(sharing.shape[: sharing.ndim // 2])
        panel.imshow(sharing.reshape(cells, -1), cmap="tab20", vmin=0, vmax=19)
        panel.set_xticks(np.arange(-0.5, cells), labels=[])
        panel.set_yticks(np.arange(-0.5, cells), labels=[])
        panel.grid(color="white", linewidth=0.6)
        panel.tick_params(length=0)
        panel.set_title(f"{text}\n{maps.dof[1]} free of {sharing.size}", family="monospace", fontsize=9)
    _save_and_close(figure, file)


def draw_sudoku(file: Path) -> None:
    """How the solver of the package settles a board of 17 givens."""
    from einnet.tasks.sudoku.boards import read_board
    from einnet.tasks.sudoku.drawing import draw_steps
    from einnet.tasks.sudoku.solve import answers, load_solver

    puzzle = read_board(PUZZLE)
    solution = answers(load_solver(), puzzle[None])
    draw_steps(solution.boards[0], solution.settled[0], puzzle, file)


def draw_arc(file: Path) -> None:
    """A task of ARC-AGI with the answer and the symmetry that the program finds."""
    from einnet.tasks.arc.gallery import draw_puzzle
    from einnet.tasks.arc.grids import load_puzzles
    from einnet.tasks.arc.solve import solve_puzzle

    puzzle = load_puzzles("training")["25ff71a9"]
    draw_puzzle(puzzle, solve_puzzle(puzzle, seconds=60), file)


def draw_kinship(file: Path) -> None:
    """Three relations of the Alyawarra kinship data with the people as they come, and sorted by whom they resemble."""
    from scipy.cluster.hierarchy import leaves_list, linkage

    from einnet.tasks.kg.data import load

    graph = load("kinship")
    facts = graph.tensor(graph.train, graph.valid, graph.test)
    alike = np.concatenate([facts, facts.swapaxes(0, 1)], -1).reshape(len(graph.entities), -1)
    orders = {"as they come": slice(None), "sorted": leaves_list(linkage(alike, "average"))}
    frequent = np.argsort(-facts.sum((0, 1)), kind="stable")[:3]
    plt = pyplot()
    figure, panels = plt.subplots(len(orders), len(frequent), figsize=(7.2, 5.2), layout="constrained")
    for row, (line, (name, order)) in enumerate(zip(panels, orders.items(), strict=True)):
        for panel, relation in zip(line, frequent, strict=True):
            panel.imshow(facts[order][:, order, relation], cmap="Blues", interpolation="nearest")
            panel.set(xticks=[], yticks=[])
            if row == 0:
                panel.set_title(graph.relations[relation], family="monospace", fontsize=9)
        line[0].set_ylabel(f"heads, {name}", fontsize=9)
    _save_and_close(figure, file)


def draw_rook_and_shrikhande(file: Path) -> None:
    """Two graphs that sums and products of matrices see alike, and what the bridge makes of them."""
    squares = [(x, y) for x in range(4) for y in range(4)]
    steps = {(0, 1), (0, 3), (1, 0), (3, 0), (1, 1), (3, 3)}
    graphs = {
        "4x4 rook": np.array([[(x == u) != (y == v) for u, v in squares] for x, y in squares]),
        "Shrikhande": np.array([[((u - x) % 4, (v - y) % 4) in steps for u, v in squares] for x, y in squares]),
    }
    plt = pyplot()
    figure, panels = plt.subplots(2, 4, figsize=(9, 5), layout="constrained")
    for row, (line, (name, relation)) in enumerate(zip(panels, graphs.items(), strict=True)):
        a = relation.astype(int)
        bridge = np.einsum(BRIDGE, a, a, a, a, a, optimize=True)
        matrices = {"A": a, "ab,bc->ac": a @ a, BRIDGE: bridge, "A times that": a * bridge}
        for panel, (title, values) in zip(line, matrices.items(), strict=True):
            panel.imshow(values, cmap="Blues", vmin=0, vmax=max(2, values.max() / 2), interpolation="nearest")
            panel.set(xticks=[], yticks=[])
            counts = [
                f"{number} x {value}" for value, number in zip(*np.unique(values, return_counts=True), strict=True)
            ]
            panel.set_xlabel("   ".join(counts), fontsize=8)
            if row == 0:
                panel.set_title(title, family="monospace", fontsize=8)
        line[0].set_ylabel(name, fontsize=9)
    _save_and_close(figure, file)


def _save_and_close(figure: Any, file: Path) -> None:
    save_figure(figure, file)
    pyplot().close(figure)


def _draw_operations(state: str, order: int, targets: str | None = None) -> Callable[[Path], None]:
    return lambda file: draw_operations(einnet.pooling(state, order, targets=targets), file)


PICTURES: dict[str, Callable[[Path], None]] = {
    "pooling.svg": lambda file: draw_pooling(Symmetry("aaH"), file),
    "operations.svg": _draw_operations("aaH", 5),
    "sharing.svg": lambda file: draw_sharing(einnet.series("ab ->", 2, {"a": 2, "b": 3}), file),
    "pictures/linear-maps.svg": draw_linear_maps,
    "pictures/ratings-operations.svg": lambda file: draw_pooling(Symmetry("abH"), file),
    "pictures/ratings-sharing.svg": lambda file: draw_sharing(einnet.series("ab -> ab", 1, {"a": 3, "b": 4}), file),
    "pictures/relation-sharing.svg": lambda file: draw_sharing(einnet.series("aa -> aa", 1, {"a": 3}), file),
    "pictures/circle-sharing.svg": lambda file: draw_sharing(einnet.series_of([[1, 2, 3, 0]], 2), file),
    "pictures/matrix-operations.svg": _draw_operations("ab", 5),
    "pictures/relation-operations.svg": _draw_operations("aa", 5),
    "pictures/state-operations.svg": _draw_operations("ab, aa, bb", 2, "ab"),
    "pictures/sparse-operations.svg": _draw_operations("[aa]", 5),
    "pictures/rook-and-shrikhande.svg": draw_rook_and_shrikhande,
    "pictures/sudoku.svg": draw_sudoku,
    "pictures/kinship.svg": draw_kinship,
    "pictures/arc.svg": draw_arc,
}


def main(names: list[str]) -> None:
    """Makes the pictures of these names, all without names."""
    for name in names or PICTURES:
        PICTURES[name](DOCS / name)
        print(f"docs/{name}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Make the pictures of the site.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"without names, all of: {', '.join(PICTURES)}")
    names = parser.parse_args().names
    if unknown := set(names) - set(PICTURES):
        parser.error(f"there is no picture {unknown.pop()!r}")
    main(names)
