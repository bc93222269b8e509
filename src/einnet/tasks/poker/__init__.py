"""Who wins at poker, type `abcH -> aH; a->b`: players a, each one's cards b in no order, suits c; features H: of
each of the 13 ranks whether it is the card's, how many the player has, and the square of this number.

Read in this order: `hands` (cards, deals, who wins), `settings`, `task` (the network and how it
learns), `report`, `commands` (what the command line does).
"""
