"""ARC-AGI tasks by symmetry: a few demonstrations say what the answer commutes with, then what the answer is.

Read in this order: `grids` (tasks and their files), `views` (how a task becomes cells with features),
`lattice` (cells with colours, which of them are related), `refinement` (what a symmetry can tell
apart), `families` (the symmetries that are tried), `net` (small networks of a type), `solve` (two
attempts at an answer); then `bench`, `report`, `commands`.
"""
