"""Cards, deals, and who wins by the rules (by the package phevaluator).

A card is a number, 4 * rank + suit: ranks 2 to A are 0 to 12, suits clubs, diamonds, hearts, spades 0
to 3. Deals are arrays (number, players, cards); those who win (number, players), several at a tie.
"""

import re
import unicodedata

import numpy as np

from einnet.checks import check_package
from einnet.errors import DataError

__all__ = [
    "CATEGORIES",
    "card_name",
    "check_deck",
    "classify_hands",
    "deals",
    "draw_rare_deals",
    "read_hands",
    "winners",
]

RANKS, SUITS = "23456789TJQKA", "CDHS"
SYMBOLS = str.maketrans("♣♦♥♠♧♢♡♤❤", "CDHSCDHSH", "\ufe0e\ufe0f\u200b\u200d\ufeff")  # without variation selectors
NAMES = {
    "TWO": "2", "THREE": "3", "FOUR": "4", "FIVE": "5", "SIX": "6", "SEVEN": "7", "EIGHT": "8", "NINE": "9", "TEN": "T",
    "JACK": "J", "QUEEN": "Q", "KING": "K", "ACE": "A", "CLUBS": "C", "DIAMONDS": "D", "HEARTS": "H", "SPADES": "S",
    "CLUB": "C", "DIAMOND": "D", "HEART": "H", "SPADE": "S", "OF": "", "PLAYING CARD": "",
}  # fmt: skip
WORD = re.compile(rf"\b(?:{'|'.join(NAMES)})\b")
CARD = re.compile(r"(?P<rank>10|[2-9TJQKA])\s*(?P<suit>[CDHS])")
SUIT_FIRST = re.compile(r"(?P<suit>[CDHS])\s*(?P<rank>10|[2-9TJQKA])")
FILLER = re.compile(r"[\s,.\"'`\[\](){}<>&+_-]*")  # between cards
BETWEEN = re.compile(r"[|;\n]|\bV(?:S|ERSUS)?\b\.?|(?<=[2-9TJQKA0][CDHS])[\s,]+(?=\w+\s*\d*\s*:)")  # hands
HEADING = re.compile(r"^(?:(?!\b(?:10|[2-9TJQKA])\s*[CDHS]\b).)*:|^\s*\d+[.)]")  # of a hand, such as "Player 1:"
BRACKETS = re.compile(r"[\[({]([^\[\](){}]*)[\])}]")
CATEGORIES = {  # the best first: how many cards of each rank it has, and the last value of phevaluator
    "straight flush": ((1, 1, 1, 1, 1), 10),
    "four of a kind": ((4, 1), 166),
    "full house": ((3, 2), 322),
    "flush": ((1, 1, 1, 1, 1), 1599),
    "straight": ((1, 1, 1, 1, 1), 1609),
    "three of a kind": ((3, 1, 1), 2467),
    "two pairs": ((2, 2, 1), 3325),
    "a pair": ((2, 1, 1, 1), 6185),
    "high card": ((1, 1, 1, 1, 1), 7462),
}
MIN_CARDS, MAX_CARDS = 5, 7  # cards of a player: the best five of them count


def card_name(card: int) -> str:
    """The card as people write it.

    >>> card_name(51), card_name(0)
    ('AS', '2C')
    """
    return RANKS[card // 4] + SUITS[card % 4]


def deals(number: int, players: int, cards: int, seed: int) -> np.ndarray:
    """Random deals from one deck each; the same for the same seed.

    >>> deals(3, players=4, cards=5, seed=0).shape
    (3, 4, 5)
    """
    check_deck(players, cards)
    rng = np.random.default_rng([seed, players, cards])
    decks = rng.random((number, 52)).argsort(1)
    return decks[:, : players * cards].reshape(number, players, cards)


def draw_rare_deals(number: int, players: int, cards: int, seed: int) -> np.ndarray:
    """Deals in which the first two players have hands of random categories, all equally frequent; the same for a seed.

    >>> dealt = draw_rare_deals(900, players=3, cards=5, seed=0)
    >>> (classify_hands(dealt)[:, :2] == "straight flush").mean().round(1)  # of random hands it is one of 65,000
    np.float64(0.1)
    """
    check_deck(players, cards)
    rng = np.random.default_rng([seed, players, cards])
    dealt = np.empty((number, players, cards), dtype=int)
    for deal in dealt:
        first = second = _draw_hand(rng)
        while {*first} & {*second}:
            second = _draw_hand(rng)
        rest = rng.permutation(np.setdiff1d(np.arange(52), [*first, *second]))
        (deal[0, :5], deal[1, :5]), more = (first, second), 2 * (cards - 5)
        deal[:2, 5:], deal[2:] = rest[:more].reshape(2, -1), rest[more:][: deal[2:].size].reshape(-1, cards)
    return dealt


def _draw_hand(rng: np.random.Generator) -> list[int]:
    """A hand of a random category (or, seldom, of a better one: a straight may be a flush)."""
    category = rng.choice(list(CATEGORIES))
    counts, _ = CATEGORIES[category]
    ranks = np.arange(5) + rng.integers(-1, 9) if "straight" in category else rng.permutation(13)  # -1: an ace
    suits = rng.permuted(np.tile(np.arange(4), (len(counts), 1)), axis=1)
    if "flush" in category:
        suits[:] = suits[0]
    return [int(4 * (r % 13) + s) for r, row, n in zip(ranks, suits, counts, strict=False) for s in row[:n]]


def check_deck(players: int, cards: int) -> None:
    """Raises `DataError` where a deck is not dealt so."""
    if players < 2 or not MIN_CARDS <= cards <= MAX_CARDS or players * cards > 52:
        expected = f"a deck of 52 is dealt to 2 players or more, {MIN_CARDS} to {MAX_CARDS} cards each"
        raise DataError(f"{expected}; got {players} players with {cards} cards")


def winners(dealt: np.ndarray) -> np.ndarray:
    """True for each player whose best five cards are not beaten."""
    values = _evaluate(dealt)
    return values == values.min(1, keepdims=True)


def classify_hands(dealt: np.ndarray) -> np.ndarray:
    """The name of each player's category.

    >>> classify_hands(read_hands("AS KS QS JS TS | 2C 2D 2H 3S 3D")[None]).tolist()
    [['straight flush', 'full house']]
    """
    last = [value for _, value in CATEGORIES.values()]
    return np.array(list(CATEGORIES))[np.searchsorted(last, _evaluate(dealt))]


def _evaluate(dealt: np.ndarray) -> np.ndarray:
    """The value of each player's best five cards, the lower the better."""
    check_package("phevaluator", "comparing hands")
    from phevaluator import evaluate_cards

    values = [[evaluate_cards(*hand) for hand in table] for table in dealt.tolist()]
    return np.array(values).reshape(dealt.shape[:2])


def read_hands(text: str) -> np.ndarray:
    """The hands (players, cards) of a text such as "AS KS QS JS TS | 2C 2D 2H 3S 3D".

    >>> read_hands("AS KS QS JS 10S | 2c 2d 2h 3s 3d")[0].tolist()
    [51, 47, 43, 39, 35]
    >>> read_hands("Ann: [A\u2660 K\u2660 Q\u2660 J\u2660 10\u2660], Bob: [2c2d2h3s3d]")[1].tolist()
    [0, 1, 2, 7, 5]
    >>> read_hands("AS KS QS JS TS | 2C 2D 2H 3S AS")
    Traceback (most recent call last):
    einnet.errors.DataError: AS is there twice, in the hands of players 1 and 2

    Hands are in brackets, or have |, a semicolon, a new line or "vs" between; a name with a colon may precede one.
    """
    hands = [_read_hand(part) for part in _split_hands(_to_letters(text))]
    owners: dict[int, int] = {}
    for player, hand in enumerate(hands, start=1):
        for card in hand:
            if card in owners:
                whose = f"players {owners[card]} and {player}" if owners[card] != player else f"player {player}"
                raise DataError(f"{card_name(card)} is there twice, in the hand{'s' * (' and ' in whose)} of {whose}")
            owners[card] = player
    numbers = [len(hand) for hand in hands]
    if len(hands) < 2:
        raise DataError("expected the hands of two players or more, with | between: 'AS KS ... | 2C 2D ...'")
    if len(set(numbers)) > 1 or not MIN_CARDS <= numbers[0] <= MAX_CARDS:
        expected = f"every player needs the same number of cards, {MIN_CARDS} to {MAX_CARDS}"
        raise DataError(f"{expected}; got hands of {', '.join(map(str, numbers))} cards")
    return np.array(hands)


def _to_letters(text: str) -> str:
    """The text in capitals, with letters for suits and for the names of ranks: A♠️, 🂡 and "Ace of Spades" are AS."""
    names = (f" {unicodedata.name(c)} " if "\U0001f0a0" < c < "\U0001f0df" else c for c in text)
    letters = unicodedata.normalize("NFKC", "".join(names)).upper().translate(SYMBOLS)
    return WORD.sub(lambda word: NAMES[word[0]], letters)


def _split_hands(text: str) -> list[str]:
    """The parts of a text that are hands: in brackets, between separators, or words of many cards."""
    brackets = [part for part in BRACKETS.findall(text) if CARD.search(part) and FILLER.fullmatch(CARD.sub("", part))]
    if len(brackets) > 1 and not re.search(r"\b(?:10|[2-9TJQKA])[CDHS]\b", BRACKETS.sub(" ", text)):
        return brackets
    parts = [part for part in (HEADING.sub("", part) for part in BETWEEN.split(text)) if part.strip()]
    words = text.replace(",", " ").split()
    are_hands = all(len(CARD.findall(word)) >= MIN_CARDS for word in words)
    return words if len(parts) == 1 < len(words) and are_hands else parts


def _read_hand(text: str) -> list[int]:
    """The cards of a hand, the rank first or the suit first; raises `DataError` with the word that is not a card."""
    for pattern in (CARD, SUIT_FIRST):
        if FILLER.fullmatch(pattern.sub("", text)):
            return [
                4 * RANKS.index(m["rank"].replace("10", "T")) + SUITS.index(m["suit"]) for m in pattern.finditer(text)
            ]
    word = next((w for w in text.replace(",", " ").split() if not FILLER.fullmatch(CARD.sub("", w))), text)
    raise DataError(f"{word!r} is no card: a rank of {RANKS} (or 10) and a suit of {SUITS}, such as AS or 10h")
