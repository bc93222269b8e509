"""`einnet train poker`, `einnet eval poker`, `einnet predict poker`.

Torch is imported inside the functions: the command line must be quick to answer --help.
"""

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from einnet.tasks.common import fitted, interrupted, load_net, prepared, run_to_use
from einnet.tasks.console import Json, say
from einnet.tasks.poker.hands import card_name, read_hands, winners
from einnet.tasks.poker.settings import Settings
from einnet.train.options import Options
from einnet.train.run import Run

if TYPE_CHECKING:
    from einnet.nn import EinNet

__all__ = ["evaluate", "predict", "train"]

STEPS, EVERY = 2000, 100


def train(
    *,
    settings: Settings = Settings(),  # noqa: B008
    options: Options = Options(),  # noqa: B008
    resume: Path | None = None,
) -> int:
    """Learn who wins at poker from deals with their winners; the rules are not told.

    Parameters
    ----------
    resume
        Folder of a run to go on with, with the run's own settings and options.
    """
    from einnet.tasks.poker.report import accuracy_picture, measured, results
    from einnet.tasks.poker.task import Winning
    from einnet.tasks.report import concluded

    run, settings, options = prepared("poker", settings, options, resume)
    say(f"{settings.deals:,} deals of {settings.players} players with {settings.cards} cards\nrun in {run.folder}")

    def task() -> Winning:
        return Winning(settings, options.seed)

    if not fitted(task, Winning, run, options, resume, steps=STEPS, every=EVERY):
        return interrupted(run, "poker")
    metrics = measured(_net(run))
    text = "fresh deals whose set of winners is exactly right"
    concluded(run, metrics, [results(metrics)], {"accuracy.png": (text, partial(accuracy_picture, metrics))})
    return 0


def evaluate(*, checkpoint: Path | None = None, as_json: Json = False, out: Path = Path("runs")) -> int:
    """Measure a trained network on fresh deals of several numbers of players and cards.

    Parameters
    ----------
    checkpoint
        Folder of a run; without it, the newest in --out.
    as_json
        Print one JSON object and nothing else.
    out
        Where to look for the newest run.
    """
    from einnet.tasks.poker.report import measured, results
    from einnet.tasks.report import show

    metrics = measured(_net(run_to_use(checkpoint, out, "poker")))
    if as_json:
        print(json.dumps(metrics))
    else:
        show([results(metrics)])
    return 0


def predict(hands: str, *, checkpoint: Path | None = None, as_json: Json = False, out: Path = Path("runs")) -> int:
    """Say who wins, with probabilities.

    einnet predict poker "AS KS QS JS TS | 2C 2D 2H 3S 3D"

    Parameters
    ----------
    hands
        The hands of two players or more, with | between them: 5 to 7 cards each, such as AS or 10h.
    checkpoint
        Folder of a run; without it, the newest in --out.
    as_json
        Print one JSON object and nothing else.
    out
        Where to look for the newest run.
    """
    dealt = read_hands(hands)
    from einnet.tasks.poker.report import print_answer
    from einnet.tasks.poker.task import chosen, encoded

    logits = _net(run_to_use(checkpoint, out, "poker"))(encoded(dealt[None])).squeeze(-1)[0].detach()
    chances, said, right = logits.softmax(-1).numpy(), chosen(logits).numpy(), winners(dealt[None])[0]
    if as_json:
        players = [
            {"hand": [card_name(c) for c in hand], "chance": float(p), "wins": bool(s), "wins by the rules": bool(r)}
            for hand, p, s, r in zip(dealt.tolist(), chances, said, right, strict=True)
        ]
        print(json.dumps({"players": players}))
    else:
        print_answer(dealt, chances, said, right)
    return 0


def _net(run: Run) -> "EinNet":
    from einnet.tasks.poker.task import FEATURES, SIGNATURE

    return load_net(run.best, SIGNATURE, FEATURES, 1, "poker")
