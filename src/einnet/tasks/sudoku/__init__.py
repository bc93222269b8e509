"""Sudoku, type `ixjycH; i->x, j->y`: rows x in bands i, columns y in stacks j, digits c.

Read in this order: `boards` (reading, writing and checking), `search` (exact solving),
`generate` (puzzles with one solution), `network` (the network and how it learns), `solve` (puzzles to answers),
`verdicts` (the verdict on a puzzle), `drawing`, `app` (the config and the commands).
`solver.safetensors` is the network that comes with the package, learned from generated puzzles:

    einnet train sudoku --puzzles 5000 --more 4 --iterations 128 --steps 100000 --minutes 28

on one thread of a desktop processor (OMP_NUM_THREADS=1), 4,246 steps.
"""
