"""Who wins at poker, type `abcH -> aH; a->b`: players a, each one's cards b in no order, suits c, ranks H.

Read in this order: `hands` (cards, deals, who wins), `settings`, `task` (the network and how it
learns), `report`, `commands` (what the command line does). Begun: not yet measured beside others.
"""
