"""Telling graphs apart that are not isomorphic, type `aaH -> H`: how much a set of pooling operations sees.

Read in this order: `data` (pairs of graphs and their files), `untrained` (networks with random weights,
in double precision), `modular` (the same operations in exact arithmetic), `trained` (BREC's own protocol:
a network for each pair), `settings`, `bench` (all pairs), `report` (tables, beside published ones), `commands`.
"""
