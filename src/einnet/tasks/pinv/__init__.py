"""The matrix pseudo-inverse as a function to learn, type `abH -> abH`.

Read in this order: `network` (matrices, the network, its loss and its error), `evaluate` (table and picture), `app`
(the config and the commands).
"""
