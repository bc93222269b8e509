"""Who wins at poker, type `abcH -> aH; a->b`: players a, the cards b of each in no order, suits c; features H: of
each of the 13 ranks whether it is the card's, how many the player has, and the square of this number.

Read in this order: `hands` (cards, deals, who wins), `network` (the network and how it learns), `evaluate` (accuracy,
table and picture), `app` (the config and the commands).
"""

from typing import TYPE_CHECKING

from einnet.tasks import import_lazily

if TYPE_CHECKING:
    from einnet.tasks.poker.app import PokerConfig
    from einnet.tasks.poker.hands import card_name, deals, read_hands, winners
    from einnet.tasks.poker.network import encode_cards, make_net

__all__ = ["PokerConfig", "card_name", "deals", "encode_cards", "make_net", "read_hands", "winners"]

__getattr__ = import_lazily(__name__, "app hands network")
