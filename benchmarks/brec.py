"""Graphs that are not isomorphic, told apart by more and more pooling operations; writes benchmarks/brec.md.

    .venv/bin/python benchmarks/brec.py --data FOLDER       # an hour on two cores, resumable

FOLDER has brec_pairs.json, and sr16622.g6 and sr251256.g6, families of strongly regular graphs.
"""

from pathlib import Path
from typing import Any

from cyclopts import App
from results_page import PAGE, bold_best, make_table, write_results

from einnet.tasks.graphs.brec import (
    IN_REGULAR,
    LARGEST_ALIKE,
    LARGEST_COPIES,
    PUBLISHED,
    SMALLEST_APART,
    BrecConfig,
    run_pairs,
    summarize,
)
from einnet.tasks.graphs.pairs import GraphPair, read_pairs

MARKED = {1: BrecConfig("untrained", 2, None, 4, 1), 2: BrecConfig("exact", 2, None, 4, 2)}  # marks, order 2
UNTRAINED = {order: BrecConfig("untrained", order, 8, seeds) for order, seeds in ((2, 4), (5, 4), (7, 2))}
TRAINED = {5: BrecConfig("trained", 5, 6, 4)}
TRAINED_ON = ("Basic", "Extension")
FAMILIES = ("sr16622", "sr251256")
GROUPS = {"Basic": 60, "Regular": 140, "Extension": 100, "CFI": 100}  # of the published table

app = App(help=__doc__)


@app.default
def main(*, data: Path, stored: Path = Path("runs"), page: Path = PAGE) -> None:
    """Compare all pairs that were not yet compared, and write the tables."""
    pairs = read_pairs(data / "brec_pairs.json")

    def compare(config: BrecConfig, name: str, chosen: list[GraphPair]) -> dict[str, Any]:
        marks = f"-marks{config.marks}" if config.marks else ""
        folder = stored / f"brec-{name}-{config.protocol}-{config.order}{marks}"
        return summarize(run_pairs(chosen, config, folder), config)

    untrained = {k: compare(c, "brec_pairs", pairs) for k, c in UNTRAINED.items()}
    marked = {k: compare(c, "brec_pairs", pairs) for k, c in MARKED.items()}
    families = [
        (name, [compare(UNTRAINED[k], name, read_pairs(data / f"{name}.g6"))["total"] for k in (2, 5)])
        for name in FAMILIES
    ]
    chosen = [p for p in pairs if p.category in TRAINED_ON]
    trained = {k: compare(c, "brec_pairs", chosen) for k, c in TRAINED.items()}
    ratios = ["order", "told apart, at least", "not told apart, at most", "a further copy, at most", "false positives",
              "most MiB", "seconds of one core"]  # fmt: skip
    lines = [
        "# Graphs told apart", "",
        "`benchmarks/brec.py`, or for one order `einnet bench brec --data brec_pairs.json --order 5`. Networks with "
        "random weights in double precision; in brackets the same operations in exact arithmetic, modulo a prime.", "",
        *tabulate_categories(untrained, marked), "",
        "With marks there is a copy of a graph for each tuple of marked nodes; copies are compared kind by kind, the "
        "rarest colours first, in as many layers as refine the colours. With two marks only in exact arithmetic.", "",
        "Wang and Zhang 2024, table 2, for the peers; its Regular includes the last two categories.", "",
        "A pair is told apart if the outputs differ more than 100 times as much as those for relabelled copies "
        "of one graph. This ratio, and the same for a further copy of the first graph (400 controls):", "",
        *make_table(ratios, [list_ratios(k, r) for k, r in untrained.items()]), "",
        "## Strongly regular families, all pairs", "",
        *make_table(["family", "pairs", "order 2", "order 5"],
                    [[name, counts[0]["pairs"], *map(show_counts, counts)] for name, counts in families]), "",
        "## BREC's protocol", "",
        "A network trained for each pair on 32 relabelled copies, Hotelling's T^2 of fresh copies against 72.34; up to "
        "four networks, until one tells the pair apart.", "",
        *make_table(["order", *TRAINED_ON, "false positives"], [list_trained(k, r) for k, r in trained.items()]),
    ]  # fmt: skip
    write_results("brec", lines, tabulate_groups(untrained, marked), page)


def tabulate_categories(summaries: dict[int, dict[str, Any]], marked: dict[int, dict[str, Any]]) -> list[str]:
    categories = list(summaries[2]["categories"])
    names = {f"up to order {order}": r for order, r in summaries.items()}
    names |= {f"up to order 2, {marks} {'marks' if marks > 1 else 'mark'}": r for marks, r in marked.items()}
    rows = []
    for name, r in names.items():
        cells = [show_counts(r["categories"][c]) for c in categories]
        rows.append([name, *cells, f"**{show_counts(r['total'])}**"])
    for name, row in PUBLISHED.items():
        rows.append([name, *("" if c in IN_REGULAR[1:] else row[c] for c in categories), sum(row.values())])
    return make_table(["operations", *categories, "all"], rows)


def tabulate_groups(summaries: dict[int, dict[str, Any]], marked: dict[int, dict[str, Any]]) -> list[str]:
    """In the groups of the published table, the best results first."""
    texts = {2: "two marks, in exact arithmetic", 1: "one mark, random weights"}
    rows = [(f"**EinNet**, up to order 2, {texts[k]}", group_categories(marked[k])) for k in texts]
    names = {7: "operations up to order 7", 5: "up to order 5 (the bridge)", 2: "up to order 2"}
    for order, name in names.items():
        categories = summaries[order]["categories"]
        exact = f" (in exact arithmetic CFI {categories['CFI']['exact']}, all {summaries[order]['total']['exact']})"
        model = "EinNet" if order == 2 else "**EinNet**"
        rows.append((f"{model}, {name}, random weights{exact * (order == 2)}", group_categories(summaries[order])))
    peers = sorted(PUBLISHED.items(), key=lambda item: -sum(item[1].values()))
    rows += [(f"{name}{'' if 'test' in name else ', trained for each pair'} \\[10]", row) for name, row in peers]
    columns = [[str(row[c]) for _, row in rows] for c in GROUPS]
    columns.append([str(sum(row[c] for c in GROUPS)) for _, row in rows])
    cells = zip(*(c if len(set(c)) == 1 else bold_best(c) for c in columns), strict=True)
    head = ["what", *(f"{c} {n}" for c, n in GROUPS.items()), "all"]
    return make_table(head, [[name, *values] for (name, _), values in zip(rows, cells, strict=True)])


def group_categories(summary: dict[str, Any]) -> dict[str, int]:
    """The pairs told apart in the groups of the published table."""
    apart = {c: row.get("apart", row["exact"]) for c, row in summary["categories"].items()}
    return apart | {"Regular": sum(apart[c] for c in IN_REGULAR)}


def show_counts(counts: dict[str, int]) -> str:
    return f"{counts['apart']} ({counts['exact']})" if "apart" in counts else f"({counts['exact']})"


def list_ratios(order: int, r: dict[str, Any]) -> list[object]:
    ratios = [f"{r[SMALLEST_APART]:,.0f} times", f"{r[LARGEST_ALIKE]:.1f}", f"{r[LARGEST_COPIES]:.1f}"]
    return [order, *ratios, r["total"]["false positives"], f"{r['peak_mib']:,}", f"{r['seconds']:,.0f}"]


def list_trained(order: int, r: dict[str, Any]) -> list[object]:
    cells = [f"{r['categories'][c]['apart']} of {r['categories'][c]['pairs']}" for c in TRAINED_ON]
    return [order, *cells, r["total"]["false positives"]]


if __name__ == "__main__":
    app()
