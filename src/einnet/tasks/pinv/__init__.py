"""The matrix pseudo-inverse as a function to learn, type `abH -> abH`.

Read in this order: `task` (matrices, the network, its loss and its error), `report` (table and
picture), `commands` (what the command line does).
"""
