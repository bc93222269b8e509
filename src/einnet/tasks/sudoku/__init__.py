"""Sudoku, type `ixjycH; i->x, j->y`: rows x in bands i, columns y in stacks j, digits c.

So far: `boards` (reading, writing and checking), `search` (exact solving), `generate` (puzzles with
one solution), `logic` (what plain singles solve). The network that learns to solve follows.
"""
