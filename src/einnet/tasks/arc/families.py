"""The symmetries that are tried, the simplest first.

A symmetry is told by what its permutations keep. *Relations*: cells that stand in one row, beside each
other, in one object; a permutation takes related cells to related cells. *Marks*: what sets a cell apart from
the start, such as standing on the border. *Fixed* colours stay what they are, the others may change
places. With no relation, no mark and no fixed colour all cells and all colours may: what becomes of a
cell depends on nothing but how its features agree. With "row" and "column" the permutations are those of
rows and of columns, type `abc`.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from einnet.tasks.arc.grids import COLOURS

__all__ = ["Family", "families"]

KEPT = {
    "row": "rows", "column": "columns", "diagonal": "falling diagonals", "antidiagonal": "rising diagonals",
    "four": "neighbours", "eight": "neighbours, diagonal ones too", "left": "what is on the left",
    "right": "what is on the right", "up": "what is above", "down": "what is below",
    "object": "connected cells of one colour", "object8": "diagonally connected cells of one colour",
    "thing": "connected cells", "block": "blocks", "place": "places in blocks",
    "border": "the border", "ring": "the distance from the border", "sides": "the four sides", "checkers": "checkers",
    "even": "odd and even rows and columns", "even rows": "odd and even rows", "even columns": "odd and even columns",
    "thirds": "rows and columns modulo 3", "diagonals": "the two diagonals", "diagonal by 3": "diagonals modulo 3",
    "middle": "the middle", "row place": "each row", "column place": "each column",
    "row from below": "each row, from below", "column from the right": "each column, from the right",
}  # fmt: skip
OF_OBJECTS = {
    "rank": "which is the largest", "size": "how many cells it has", "border": "whether it touches the border",
    "filled": "whether it fills its box", "holes": "how many holes it has", "symmetric": "how it is symmetric",
    "twin": "how many have its shape", "box": "the size of its box", "shape": "its shape",
}  # fmt: skip
RELATIONS = [
    (), ("row",), ("column",), ("row", "column"), ("all",), ("row", "column", "all"), ("four",), ("eight",),
    ("object",), ("object8",), ("thing",), ("object", "four"), ("left",), ("right",), ("up",), ("down",),
    ("left", "right"), ("up", "down"), ("left", "right", "up", "down"), ("row", "column", "four"),
    ("diagonal", "antidiagonal"), ("row", "column", "diagonal", "antidiagonal"), ("all", "four"), ("all", "object"),
    ("four", "eight"), ("object", "row", "column"), ("thing", "all"),
]  # fmt: skip
IN_BLOCKS = [("block",), ("block", "place"), ("place",)]
WITH_MARKS = [(), ("row", "column"), ("all",), ("four",), ("object",)]
PLACES = [
    "border", "ring", "sides", "checkers", "even", "even rows", "even columns", "thirds", "diagonals",
    "diagonal by 3", "middle", "row place", "column place", "row from below", "column from the right",
]  # fmt: skip
OBJECTS = [f"{kind} {what}" for kind in ("object", "object8", "thing") for what in OF_OBJECTS]
ONE_WAY = {"left", "right", "up", "down"}


@dataclass(frozen=True)
class Family:
    """A symmetry: what is related, and what is apart from the start.

    Args:
        relations: see `Lattice.groups` and `Lattice.neighbours`.
        marks: see `Lattice.marks`.
        fixed: colours that do not change places with others.
        counted: relations tell how often there is what they tell, not only whether.
    """

    relations: tuple[str, ...] = ()
    marks: str = ""
    fixed: frozenset[int] = frozenset()
    counted: bool = False

    def describe(self, colours: Collection[int]) -> str:
        """What the answer commutes with, where the task has these colours.

        >>> Family(("row", "column")).describe({0, 1, 2})
        'any permutation of rows, of columns and of colours'
        >>> Family(("four",), "border", frozenset({0})).describe({0, 1, 2})
        'any permutation of cells that keeps neighbours and the border, and of colours but black'
        """
        kept = [KEPT[r] for r in self.relations if r != "all"]
        if self.marks and self.marks != "ranked":
            kind, _, what = self.marks.partition(" ")
            kept.append(KEPT.get(self.marks) or f"{KEPT[kind]} ({OF_OBJECTS[what]})")
        moves = ["rows", "columns"] if kept == ["rows", "columns"] else ["cells"]
        if moves == ["cells"] and kept:
            moves = [f"cells that keeps {_listed(kept)}"]
        if not set(colours) <= self.fixed:
            but = _listed([COLOURS[c] for c in sorted(self.fixed & set(colours))])
            moves.append("colours" + f" but {but}" * bool(but) + " of equal rank" * (self.marks == "ranked"))
        text = "any permutation of " + _listed(moves, "of ")
        return text.replace(" and of colours", ", and of colours") if kept and moves[0] != "rows" else text


def _listed(words: Sequence[str], each: str = "") -> str:
    """
    >>> _listed(["rows", "columns", "colours"], "of ")
    'rows, of columns and of colours'
    """
    first, *others = words or [""]
    rest = [each + w for w in others]
    return first + "".join(f", {w}" for w in rest[:-1]) + "".join(f" and {w}" for w in rest[-1:])


def families(apart: Sequence[frozenset[int]], blocks: bool) -> Iterator[tuple[Family, int]]:
    """Each family, with the rounds that it may take.

    `apart`: the sets of colours that may be kept apart; `blocks`: cells come in blocks.
    """
    for fixed in apart:
        for relations in [*RELATIONS, *IN_BLOCKS * blocks]:
            for counted in (False, True) if set(relations) - ONE_WAY else (False,):
                yield Family(relations, "", fixed, counted), 8 if {"four", "eight"} & set(relations) else 4
        for marks in ("ranked", *PLACES, *OBJECTS, *["block", "place"] * blocks):
            for relations in WITH_MARKS:
                yield Family(relations, marks, fixed), 3
