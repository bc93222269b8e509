"""Knowledge graph completion: which facts (head, relation, tail) are missing?

Read in this order: `data` (triples), `task` (the network and its loss), `evaluate` (filtered
ranking), `predict` (answers), `explain` (why) and `explain_report`, `commands` (what the command line does).
"""
