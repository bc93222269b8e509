"""ARC-AGI tasks by symmetry: the demonstrations determine what the answer commutes with, and so what the answer is.

Read in this order: `grids` (tasks and their files), `lattice` (cells with their relations and marks),
`views` (how a task becomes cells with features), `refinement` (the symmetries that are tried, and what
they can tell apart), `network` (small networks of a type), `solve` (two attempts at an answer),
`benchmark` (many tasks), `gallery` (pictures), `commands`.
"""
