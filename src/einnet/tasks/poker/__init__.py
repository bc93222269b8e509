"""Who wins at poker, type `abcH -> aH; a->b`: players a, the cards b of each in no order, suits c; features H: of
each of the 13 ranks whether it is the card's, how many the player has, and the square of this number.

Read in this order: `hands` (cards, deals, who wins), `network` (the network and how it learns), `evaluate` (accuracy,
table and picture), `app` (the config and the commands).
"""
