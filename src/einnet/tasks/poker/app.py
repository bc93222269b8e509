"""`einnet train | eval | predict poker`."""

from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

from cyclopts import Parameter

from einnet.checks import check_count, check_real
from einnet.files import read_named_text
from einnet.tasks.app import Checkpoint, TaskApp, load_net, write_code
from einnet.tasks.console import Json
from einnet.tasks.poker.hands import card_name, check_deck, classify_hands, read_hands, winners
from einnet.tasks.report import Results, Suggestion, print_as
from einnet.train.options import check_fields
from einnet.train.run import Run

__all__ = ["PokerApp", "PokerConfig"]


@Parameter(name="*", group="Deals and network")
@dataclass(frozen=True)
class PokerConfig:
    """Deals and network."""

    deals: int = 5000
    "Deals to learn from; a tenth of them held out to select on."
    rare: float = 0.0
    "Share of the deals with two hands of equally frequent kinds: better on rare hands, worse on usual ones."
    players: int = 4
    "Players of a deal; the same trained network runs with other numbers too."
    cards: int = 5
    "Cards of each player, 5 to 7; the best five count."
    hidden: int = 32
    "State of each player's card and suit."
    heads: int = 16
    "Features given to each pooling operation."
    depth: int = 2
    "Layers."
    dropout: float = 0.1
    "Probability of dropping a pooled value, and a value of an update, while learning."
    batch: int = 128
    "Deals at a step."
    lr: float = 3e-3
    "Peak learning rate."
    weight_decay: float = 0.2
    "Decoupled, as in AdamW."

    def __post_init__(self) -> None:
        check_fields(self, check_count, "players", "cards", "hidden", "heads", "depth", "batch")
        check_fields(self, check_count, "deals", minimum=10)  # a tenth of them to select on
        check_fields(self, check_real, "lr", above=0)
        check_fields(self, check_real, "dropout", "rare", below=1)
        check_fields(self, check_real, "weight_decay")
        check_deck(self.players, self.cards)


class PokerApp(TaskApp):
    """Learns who wins."""

    name, config_class = "poker", PokerConfig
    train_help = "Learn who wins at poker from deals with their winners; the rules are not told."
    steps, validate_every = 2000, 100

    def describe(self, config: PokerConfig, data: None) -> str:
        return f"{config.deals:,} deals of {config.players} players with {config.cards} cards"

    def make_task(self, config: PokerConfig, data: None, seed: int):
        from einnet.tasks.poker.network import Winning

        return Winning(config, seed)

    def load_net(self, run: Run):
        from einnet.tasks.poker.network import FEATURES, SIGNATURE

        return load_net(run.best, SIGNATURE, FEATURES, 1, "poker")

    def measure(self, net: Any, config: PokerConfig, data: None) -> Results:
        from einnet.tasks.poker.evaluate import measure

        return measure(net)

    def suggest(self, run: Run, config: PokerConfig, data: None) -> Suggestion:
        hands = "AS KD 9H 5C 2S | 7C 7D QH JS 3D"
        prediction = f"net(einnet.tasks.poker.encode_cards(einnet.tasks.poker.read_hands({hands!r}))).softmax(-2)"
        code = write_code("einnet.tasks.poker", "einnet.EinNet.load", run, prediction)
        return Suggestion(self.write_command("predict", run, hands), code)

    def predict(
        self,
        hands: Annotated[str, Parameter(allow_leading_hyphen=True)],
        /,
        *,
        network: Checkpoint = Checkpoint(),  # noqa: B008
        as_json: Json = False,
    ) -> int:
        """Say who wins, with probabilities.

        einnet predict poker "AS KS QS JS TS | 2C 2D 2H 3S 3D"

        The probabilities are corrected by how often the network is right on fresh deals with such a best hand.

        Args:
            hands: The hands of two players or more, with | between them or in brackets: 5 to 7 cards each, such as AS,
                10h or A♠; or a file with them, or - for standard input.
        """
        dealt = read_hands(read_named_text(hands, (".txt",))[0])
        from einnet.tasks.poker.evaluate import correct_chances, print_answer, read_measured
        from einnet.tasks.poker.network import choose_winners, encode_cards

        run = network.find_run(self.name)
        logits = self.load_net(run)(encode_cards(dealt[None])).squeeze(-1)[0].detach()
        chosen, right = choose_winners(logits).numpy(), winners(dealt[None])[0]
        measured = read_measured(run.folder / "metrics.json", classify_hands(dealt[None])[0][right.argmax()])
        chances = correct_chances(logits.softmax(-1).numpy(), measured)
        cards = [list(map(card_name, hand)) for hand in dealt.tolist()]
        names = ("hand", "chance", "wins", "wins by the rules")
        rows = zip(cards, chances.tolist(), chosen.tolist(), right.tolist(), strict=True)
        players = [dict(zip(names, row, strict=True)) for row in rows]
        print_answers = partial(print_answer, dealt, chances, chosen, right, measured)
        print_as({"players": players, "measured": measured}, as_json, print_answers)
        return 0
