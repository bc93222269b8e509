"""How an explanation is shown: a table, and a picture of the supporting facts as a small graph."""

from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any

import networkx as nx
import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from einnet.plots.figures import check_picture_name, pyplot, save_figure

if TYPE_CHECKING:
    from einnet.tasks.kg.explain import Deletion, Explanation, Triple

__all__ = ["explanation_picture", "print_explanation"]

LETTERS = 18  # of a line of a name
INK, ANSWER = "#444444", "#c0392b"
LEGEND = (
    "change: what the log odds of the answer lose when the fact is deleted and the network runs again; estimate: "
    "of the change, by gradients, by which the fact was found; rank: that of the answer without the fact"
)


def print_explanation(found: "Explanation") -> None:
    """The fact and its rank, a row for each fact that supports it, and one for all of them."""
    console = Console()
    if found.known is not None:
        console.print(f"The fact is in {found.known}. It was hidden from the network.", highlight=False)
    title = _sentence(found.fact).append(f": the {found.asked} has rank {found.rank} of {found.candidates}")
    if not found.support:
        console.print(title.append(". No fact that was deleted supports it."))
        return
    console.print(title.append(f", probability {found.probability:.4f}"))
    table = Table()
    table.add_column("supporting fact")
    for name in ("estimate", "change", "rank"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in found.support:
        table.add_row(_sentence(one.facts[0]), *_numbers(one))
    if found.together is not None and len(found.support) > 1:
        table.add_section()
        table.add_row("all of these", *_numbers(found.together))
    console.print(table)
    console.print(LEGEND, style="dim", highlight=False)


def _sentence(fact: "Triple") -> Text:
    """The fact with the names as they are, no letter of them markup."""
    head, relation, tail = fact
    return Text.assemble(head, " ", (relation, "bold"), " ", tail)


def _numbers(one: "Deletion") -> tuple[str, str, str]:
    return f"{one.estimate:.3f}", f"{one.change:.3f}", str(one.rank)


def explanation_picture(found: "Explanation", picture: Path | str) -> None:
    """Draws the supporting facts as arrows from head to tail, the wider the more the score loses without them.

    The explained fact is a dashed red arrow. Facts about the same two entities share an arrow.
    """
    check_picture_name(picture)
    arrows: dict[tuple[str, str], list[tuple[str, float]]] = {}
    for one in found.support:
        head, relation, tail = one.facts[0]
        arrows.setdefault((head, tail), []).append((relation, one.change))
    at = _positions(found, list(arrows))
    plt = pyplot()
    figure, panel = plt.subplots(figsize=(6.4, 4.8), layout="constrained")
    panel.set(xlim=(-1.35, 1.35), ylim=(-1.2, 1.2))
    panel.set_axis_off()
    head, relation, tail = found.fact
    names = {}
    for name, (x, y) in at.items():
        look = {"boxstyle": "round", "facecolor": "white", "edgecolor": ANSWER if name in (head, tail) else INK}
        names[name] = _write(panel, x, y, fill(name, LETTERS), fontsize=9, bbox=look, zorder=1)
    largest = max((change for facts in arrows.values() for _, change in facts), default=1.0)
    for (start, end), facts in arrows.items():
        width = 0.6 + 2.4 * max(change for _, change in facts) / largest
        label = "\n".join(fill(relation, LETTERS) for relation, _ in facts)
        _draw_arrow(panel, names[start], names[end], label, width, INK, bend=0.12)
    _draw_arrow(
        panel, names[head], names[tail], f"{relation}?", 1.5, ANSWER, bend=-0.3 if (head, tail) in arrows else 0
    )
    save_figure(figure, picture)
    plt.close(figure)


def _positions(found: "Explanation", pairs: list[tuple[str, str]]) -> dict[str, np.ndarray]:
    """Where the entities stand, from -1 to 1: the head of the explained fact left of its tail."""
    head, _, tail = found.fact
    graph = nx.Graph([*pairs, (head, tail)])
    at = nx.kamada_kawai_layout(graph)
    if head != tail:
        x, y = at[tail] - at[head]
        turn = np.array([[x, y], [-y, x]]) / np.hypot(x, y)
        at = {name: turn @ place for name, place in at.items()}
    places = np.stack(list(at.values()))
    middle, half = (places.max(0) + places.min(0)) / 2, (places.max(0) - places.min(0)) / 2
    return {name: (place - middle) / np.where(half < 1e-6, 1, half) for name, place in at.items()}


def _draw_arrow(panel: Any, start: Any, end: Any, label: str, width: float, colour: str, bend: float) -> None:
    """An arrow between two texts, drawn after them: where their boxes end is known then."""
    look = {"arrowstyle": "-|>", "color": colour, "linewidth": width, "mutation_scale": 14}
    look |= {"linestyle": "dashed" if colour == ANSWER else "solid"}
    (x0, y0), (x1, y1) = start.get_position(), end.get_position()
    if start is end:
        look |= {"connectionstyle": "arc3,rad=-1.5", "mutation_scale": 8}
        panel.annotate("", xy=(x0 + 0.06, y0 + 0.07), xytext=(x0 - 0.06, y0 + 0.07), arrowprops=look, zorder=2)
        x, y = x0, y0 + 0.26
    else:
        look |= {"connectionstyle": f"arc3,rad={bend}", "shrinkA": 1, "shrinkB": 1}
        look |= {"patchA": start.get_bbox_patch(), "patchB": end.get_bbox_patch()}
        panel.annotate("", xy=(x1, y1), xytext=(x0, y0), arrowprops=look, zorder=2)
        x, y = 0.6 * x0 + 0.4 * x1 + 0.48 * bend * (y1 - y0), 0.6 * y0 + 0.4 * y1 - 0.48 * bend * (x1 - x0)
    paper = {"facecolor": "white", "edgecolor": "none", "pad": 0.8}
    _write(panel, x, y, label, fontsize=8, color=colour, bbox=paper, zorder=3)


def _write(panel: Any, x: float, y: float, words: str, **look: Any) -> Any:
    """Words as they are: a $ in a name begins no formula."""
    return panel.text(x, y, words, ha="center", va="center", parse_math=False, **look)
