"""What a user would rate highest."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from einnet.errors import DataError
from einnet.nn import EinNet
from einnet.tasks.console import make_console
from einnet.tasks.ratings.data import Ratings
from einnet.tasks.ratings.estimates import Known
from einnet.tasks.ratings.network import forecast, to_tensors
from einnet.tasks.report import make_table

__all__ = ["Recommendation", "print_recommendations", "recommend"]


@dataclass(frozen=True)
class Recommendation:
    """An item, the rating that is expected, the chance of each possible rating, and how many ratings the item has."""

    item: str
    expected: float
    chances: dict[str, float]
    number: int


@torch.no_grad()
def recommend(net: EinNet, ratings: Ratings, user: str, item: str | None = None) -> list[Recommendation]:
    """The items that a user has not rated, those with the highest expected rating first; or one item.

    All ratings of the data are shown to the network, those to measure on too, but that of the item, if it has one.
    """
    row = ratings.find_user(user)
    entries = ratings.evidence + ratings.test
    columns = range(len(ratings.items)) if item is None else [ratings.find_item(item)]
    if item is None:
        rated = set(entries.index[1, entries.index[0] == row].tolist())
        columns = [k for k in columns if k not in rated]
    else:
        entries = entries.take(~((entries.index[0] == row) & (entries.index[1] == columns[0])))
    if not columns:
        raise DataError(f"user {user!r} has rated all {len(ratings.items):,} items")
    pairs = torch.tensor([[row] * len(columns), columns])
    axis, levels = ratings.axis, torch.from_numpy(ratings.axis.levels).float()
    known = Known(*to_tensors(entries, axis), ratings.sizes, pairs=pairs)
    result = forecast(net, known, pairs, known.estimates)
    chances = result.log_chances(levels).exp()
    expected = axis.to_ratings(result.mean.double().numpy())
    names = [f"{level:g}" for level in axis.to_ratings(axis.levels)]
    counts = torch.from_numpy(entries.index[1]).bincount(minlength=len(ratings.items)).tolist()
    answers = [
        Recommendation(ratings.items[k], float(mean), dict(zip(names, row_chances, strict=True)), counts[k])
        for k, mean, row_chances in zip(columns, expected, chances.tolist(), strict=True)
    ]
    return sorted(answers, key=lambda answer: (-answer.expected, -answer.number))  # known items first, of equal ones


def print_recommendations(user: str, answers: Sequence[Recommendation]) -> None:
    """The items with the expected ratings; the chances of a few levels, of one item of all."""
    table = make_table(f"what {user} would rate highest", ["item"], ["expected rating", "ratings of the item"])
    for answer in answers:
        table.add_row(answer.item, f"{answer.expected:.2f}", str(answer.number))
    console = make_console()
    console.print(table)
    if len(answers) == 1:
        chances = make_table(f"chances of each rating of {answers[0].item}", ["rating"], ["chance"])
        for level, chance in answers[0].chances.items():
            chances.add_row(level, f"{chance:.1%}")
        console.print(chances)
