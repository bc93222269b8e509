"""ARC-AGI tasks by symmetry: a few demonstrations say what the answer commutes with, then what the answer is.

Read in this order: `grids` (tasks and their files), `parts` and `views` (how a task becomes cells with
features), `marks` and `lattice` (what sets cells apart, which are related), `families` (the symmetries
that are tried), `refinement` (what a symmetry can tell apart), `problem` (a task in a view), `net`
(small networks of a type), `solve` (two attempts at an answer); then `bench`, `report`, `commands`.
"""
