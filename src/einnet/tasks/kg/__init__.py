"""Knowledge graph completion: which facts (head, relation, tail) are missing?

Read in this order: `data` (triples), `network` (the network and its loss), `evaluate` (filtered ranking, table and
picture), `predict` (answers), `explain` (the facts that support an answer), `app` (the config and the commands).
"""
