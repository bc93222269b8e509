"""Telling graphs apart that are not isomorphic, type `aaH -> H`: what a set of pooling operations distinguishes.

Read in this order: `pairs` (pairs of graphs and their files), `protocols` (networks with random weights in
double precision, and BREC's own protocol: a network trained for each pair), `modular` (the same operations
in exact arithmetic), `brec` (all pairs of a file; tables with published results), `commands`.
"""
