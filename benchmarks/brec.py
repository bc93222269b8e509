"""Graphs that are not isomorphic, told apart by more and more pooling operations; writes benchmarks/brec.md.

    .venv/bin/python benchmarks/brec.py --data FOLDER       # an hour on two cores, resumable

FOLDER has brec_pairs.json, and sr16622.g6 and sr251256.g6, families of strongly regular graphs.
"""

from pathlib import Path
from typing import Any

from cyclopts import App

from einnet.files import write_whole
from einnet.tasks.graphs.bench import measured, summary
from einnet.tasks.graphs.data import GraphPair, read_pairs
from einnet.tasks.graphs.report import IN_REGULAR, PUBLISHED
from einnet.tasks.graphs.settings import Settings

UNTRAINED = {2: Settings("untrained", 2, 8, 4), 5: Settings("untrained", 5, 8, 4), 7: Settings("untrained", 7, 8, 2)}
TRAINED = {5: Settings("trained", 5, 6, 4)}
TRAINED_ON = ("Basic", "Extension")
FAMILIES = ("sr16622", "sr251256")
NEAR, FAR, COPIES = (
    "smallest ratio of a pair told apart",
    "largest ratio of a pair not told apart",
    "largest ratio of relabelled copies",
)

app = App(help=__doc__)


@app.default
def main(*, data: Path, stored: Path = Path("runs"), out: Path = Path("benchmarks/brec.md")) -> None:
    """Compare all pairs that were not yet compared, and write the tables."""
    pairs = read_pairs(data / "brec_pairs.json")

    def found(settings: Settings, name: str, chosen: list[GraphPair]) -> dict[str, Any]:
        folder = stored / f"brec-{name}-{settings.protocol}-{settings.order}"
        return summary(measured(chosen, settings, folder), settings)

    untrained = {k: found(s, "brec_pairs", pairs) for k, s in UNTRAINED.items()}
    families = {
        name: {k: found(UNTRAINED[k], name, read_pairs(data / f"{name}.g6")) for k in (2, 5)} for name in FAMILIES
    }
    some = [p for p in pairs if p.category in TRAINED_ON]
    trained = {k: found(s, "brec_pairs", some) for k, s in TRAINED.items()}
    lines = [
        "# Graphs told apart", "",
        "`benchmarks/brec.py`, or for one order `einnet bench brec --data brec_pairs.json --order 5`. Networks with "
        "random weights in double precision; in brackets the same operations in exact arithmetic, modulo a prime.", "",
        *_by_category(untrained), "",
        "Wang and Zhang 2024, table 2, for the others; its Regular has our last two categories too.", "",
        "A pair is told apart where the outputs differ more than 100 times as much as those for relabelled copies "
        "of one graph do. How much that is, and the same for a further copy of the first graph (400 controls):", "",
        "| order | told apart, at least | not told apart, at most | a further copy, at most | false positives | "
        "most MiB | seconds of one core |", "|---|---|---|---|---|---|---|",
        *(_clarity(k, r) for k, r in untrained.items()), "",
        "## Strongly regular families, all pairs", "",
        "| family | pairs | order 2 | order 5 |", "|---|---|---|---|",
        *(_family(name, r) for name, r in families.items()), "",
        "## BREC's protocol", "",
        "A network trained for each pair on 32 relabelled copies, Hotelling's T^2 of fresh copies against 72.34; up to "
        "four networks, until one tells the pair apart.", "",
        "| order | " + " | ".join(TRAINED_ON) + " | false positives |", "|---" * (len(TRAINED_ON) + 2) + "|",
        *(_trained(k, r) for k, r in trained.items()),
    ]  # fmt: skip
    with write_whole(out) as temporary:
        temporary.write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


def _by_category(found: dict[int, dict[str, Any]]) -> list[str]:
    categories = list(found[2]["categories"])
    lines = [f"| operations | {' | '.join(categories)} | all |", "|---" * (len(categories) + 2) + "|"]
    for order, r in found.items():
        cells = [_cell(r["categories"][c]) for c in categories]
        lines.append(f"| up to order {order} | {' | '.join(cells)} | **{_cell(r['total'])}** |")
    for name, row in PUBLISHED.items():
        cells = ["" if c in IN_REGULAR[1:] else str(row[c]) for c in categories]
        lines.append(f"| {name} | {' | '.join(cells)} | {sum(row.values())} |")
    return lines


def _cell(counts: dict[str, int]) -> str:
    return f"{counts['apart']} ({counts['exact']})"


def _clarity(order: int, r: dict[str, Any]) -> str:
    cells = [f"{r[NEAR]:,.0f} times", f"{r[FAR]:.1f}", f"{r[COPIES]:.1f}", str(r["total"]["false positives"])]
    return f"| {order} | {' | '.join(cells)} | {r['peak_mib']:,} | {r['seconds']:,.0f} |"


def _family(name: str, found: dict[int, dict[str, Any]]) -> str:
    counts = [r["total"] for r in found.values()]
    return f"| {name} | {counts[0]['pairs']} | {' | '.join(map(_cell, counts))} |"


def _trained(order: int, r: dict[str, Any]) -> str:
    cells = [f"{r['categories'][c]['apart']} of {r['categories'][c]['pairs']}" for c in TRAINED_ON]
    return f"| {order} | {' | '.join(cells)} | {r['total']['false positives']} |"


if __name__ == "__main__":
    app()
