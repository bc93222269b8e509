"""All pairs of a file by one protocol, and tables of the pairs told apart, next to published results."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from rich.table import Table

from einnet.errors import EinNetError
from einnet.tasks.bench import hash_arrays, run_items
from einnet.tasks.graphs.pairs import BREC, MAX_NODES, GraphPair, permute_nodes
from einnet.tasks.parallel import peak_memory
from einnet.tasks.report import make_table

if TYPE_CHECKING:
    from einnet.tasks.graphs.exact import Difference

__all__ = [
    "DEPTHS",
    "IN_REGULAR", "LARGEST_ALIKE", "LARGEST_COPIES", "PUBLISHED", "SMALLEST_APART", "BrecConfig", "make_tables",
    "run_pairs", "summarize",
]  # fmt: skip

REVISION = 2  # of how pairs are compared: stored results of another one are not used

# Wang and Zhang, *An Empirical Study of Realized GNN Expressiveness*, 2024, table 2; its Regular has the
# 4-vertex-condition and distance-regular pairs too.
PUBLISHED = {
    "3-WL test": {"Basic": 60, "Regular": 50, "Extension": 100, "CFI": 60},
    "PPGN": {"Basic": 60, "Regular": 50, "Extension": 100, "CFI": 23},
    "KP-GNN": {"Basic": 60, "Regular": 106, "Extension": 98, "CFI": 11},
    "I2-GNN": {"Basic": 60, "Regular": 100, "Extension": 100, "CFI": 21},
}
IN_REGULAR = ("Regular", "4-Vertex_Condition", "Distance_Regular")
SMALLEST_APART = "smallest ratio of a pair told apart"
LARGEST_ALIKE = "largest ratio of a pair not told apart"
LARGEST_COPIES = "largest ratio of relabelled copies"

DEPTHS = {"untrained": 8, "trained": 6}
NAMES = {"untrained": "untrained", "trained": "trained", "exact": "exact arithmetic"}

Result = Mapping[str, Any]


@dataclass(frozen=True)
class BrecConfig:
    """How pairs are compared: operations of up to `order` operands, `depth` layers, `seeds` networks at most.

    `marks` is the number of marked nodes. Exact arithmetic has as many layers as refine colours, at most `depth`.
    """

    protocol: Literal["untrained", "trained", "exact"]
    order: int
    depth: int | None
    seeds: int
    marks: int = 0


def run_pairs(pairs: list[GraphPair], config: BrecConfig, folder: Path, processes: int | None = None) -> list[Result]:
    """The result of each pair, small graphs first; pairs with a result in the folder are not compared again."""
    if config.protocol != "trained" and (largest := max(len(p.first) for p in pairs)) > MAX_NODES:
        raise EinNetError(f"exact arithmetic is for graphs of up to {MAX_NODES} nodes, got one of {largest}")
    items = {f"{p.number:04}": p for p in sorted(pairs, key=lambda p: len(p.first))}
    conditions = asdict(config) | {"revision": REVISION}
    compare = partial(_compare, config=config)
    rows = run_items(items, compare, lambda p: hash_arrays(p.first, p.second), folder, "pairs", conditions, processes)
    return sorted(rows.values(), key=lambda r: r["pair"])


def _compare(pair: GraphPair, config: BrecConfig) -> dict[str, Any]:
    compare = {"untrained": _compare_untrained, "trained": _compare_trained, "exact": _compare_exact}[config.protocol]
    result = {"pair": pair.number, "category": pair.category, "nodes": len(pair.first)} | compare(pair, config)
    return result | {"peak_mib": peak_memory()}


def _compare_exact(pair: GraphPair, config: BrecConfig) -> dict[str, Any]:
    """The operations in exact arithmetic; the control has as many kinds of marks as the pair."""
    difference, control = _find_differences(pair, config)
    return _report_exact(difference, control)


def _find_differences(pair: GraphPair, config: BrecConfig) -> tuple["Difference", "Difference"]:
    """That of the pair, and of the first graph and a relabelled copy."""
    from einnet.tasks.graphs.exact import compare_exactly
    from einnet.tasks.graphs.modular import ModularNet

    net = ModularNet(config.order, config.depth)
    difference = compare_exactly(net, pair.first, pair.second, config.marks)
    copy = permute_nodes(pair.first, np.random.default_rng(pair.number))
    return difference, compare_exactly(net, pair.first, copy, config.marks, difference.kinds)


def _report_exact(difference: "Difference", control: "Difference") -> dict[str, Any]:
    return {
        "exact_apart": difference.is_apart,
        "exact_control_apart": control.is_apart,
        "marks": difference.marks,
        "layer": difference.layer,
        "colorings": difference.colorings,
    }


def _compare_untrained(pair: GraphPair, config: BrecConfig) -> dict[str, Any]:
    """The operations in exact arithmetic, then networks with random weights, on the marks that exact arithmetic needs.

    A pair that is apart without marks is compared without marks; another one by the copies of the kind of marks that
    ended the exact comparison.
    """
    from einnet.tasks.graphs.protocols import compare_random_nets

    difference, control = _find_differences(pair, config)
    depth = config.depth or max(DEPTHS["untrained"], difference.layer)
    of_pair, of_copies = compare_random_nets(pair, config.order, depth, config.seeds, difference.nodes)
    return asdict(of_pair) | {
        "apart": of_pair.is_apart,
        "ratio": of_pair.ratio,
        "control_apart": of_copies.is_apart,
        "control_ratio": of_copies.ratio,
        **_report_exact(difference, control),
    }


def _compare_trained(pair: GraphPair, config: BrecConfig) -> dict[str, Any]:
    from einnet.tasks.graphs.protocols import THRESHOLD, TrainedComparison, compare_trained_net

    networks: list[TrainedComparison] = []
    depth = config.depth or DEPTHS["trained"]
    while len(networks) < config.seeds and not (networks and networks[-1].is_apart):
        networks.append(compare_trained_net(pair, config.order, depth, len(networks), config.marks))
    return {
        "apart": networks[-1].is_apart,
        "networks": len(networks),
        "t2": networks[-1].of_pair,
        "t2_copies": max(n.of_copies for n in networks),
        "control_apart": any(n.of_copies > THRESHOLD for n in networks),
    }


def summarize(results: Iterable[Result], config: BrecConfig) -> dict[str, Any]:
    """How many pairs of each category are told apart, and how clearly."""
    rows = list(results)
    categories = dict.fromkeys(r["category"] for r in rows)
    summary: dict[str, Any] = asdict(config) | {
        "categories": {c: _count([r for r in rows if r["category"] == c]) for c in categories},
        "total": _count(rows),
        "seconds": round(sum(r["seconds"] for r in rows), 1),
        "peak_mib": max((r["peak_mib"] or 0 for r in rows), default=0) or None,
    }
    if config.protocol == "untrained":
        summary |= {
            SMALLEST_APART: min((r["ratio"] for r in rows if r["apart"]), default=None),
            LARGEST_ALIKE: max((r["ratio"] for r in rows if not r["apart"]), default=None),
            "told apart, but not in exact arithmetic": sum(r["apart"] and not r["exact_apart"] for r in rows),
            LARGEST_COPIES: max((r["control_ratio"] for r in rows), default=None),
        }
    return summary


def _count(rows: Sequence[Result]) -> dict[str, int]:
    counts = {"pairs": len(rows)}
    if any("apart" in r for r in rows):
        counts["apart"] = sum(r["apart"] for r in rows)
    if any("exact_apart" in r for r in rows):
        counts["exact"] = sum(r["exact_apart"] for r in rows)
    return counts | {"false positives": sum(_is_false_positive(r) for r in rows)}


def _is_false_positive(row: Result) -> bool:
    return row.get("control_apart", False) or row.get("exact_control_apart", False)


def make_tables(summary: Mapping[str, Any], title: str) -> list[Table | str]:
    """A row for each category; the published numbers below if the file is that of BREC."""
    names = {
        "pairs": "pairs",
        "apart": "told apart",
        "exact": "in exact arithmetic",
        "false positives": "false positives",
    }
    names = {k: name for k, name in names.items() if k in summary["total"]}
    networks = "" if summary["protocol"] == "exact" else f"{summary['protocol']} networks, "
    marks = f", {summary['marks']} marks" if summary["marks"] else ""
    depth = f", {summary['depth']} layers" if summary["depth"] else ""
    head = f"{title}: {networks}operations of up to {summary['order']} operands{marks}{depth}"
    table = make_table(head, ["category"], list(names.values()))
    for name, row in (*summary["categories"].items(), ("all", summary["total"])):
        table.add_row(name, *(str(row[k]) for k in names))
    parts: list[Table | str] = [table]
    if summary["protocol"] == "untrained":
        parts.append(_describe_ratios(summary))
    if {c: row["pairs"] for c, row in summary["categories"].items()} == BREC:
        parts.append(_make_published_table(summary))
    memory = f", at most {peak:,} MiB" if (peak := summary["peak_mib"]) else ""
    return [*parts, f"{summary['seconds']:,.0f} s of one core{memory}"]


def _describe_ratios(summary: Mapping[str, Any]) -> str:
    apart, alike, copies = (summary[name] for name in (SMALLEST_APART, LARGEST_ALIKE, LARGEST_COPIES))
    bounds = [f"at least {apart:.1e} times for pairs told apart"] if apart else []
    bounds += [f"at most {alike:.1e} times for the others"] if alike else []
    ratio = "Ratio of the difference between the outputs for the two graphs to that for relabelled copies of one graph"
    bounds += [f"at most {copies:.1f} times for a further copy"] if copies is not None else []
    return f"{ratio}: {'; '.join(bounds)}."


def _make_published_table(summary: Mapping[str, Any]) -> Table:
    title = "Published results: the 3-WL test itself, the others trained for each pair"
    table = make_table(title, [""], ["Basic 60", "Regular 140", "Extension 100", "CFI 100", "all"])
    apart = {c: row.get("apart", row.get("exact")) for c, row in summary["categories"].items()}
    measured = apart | {"Regular": sum(apart[c] for c in IN_REGULAR)}
    for name, row in {f"EinNet, {NAMES[summary['protocol']]}": measured, **PUBLISHED}.items():
        numbers = [row[c] for c in ("Basic", "Regular", "Extension", "CFI")]
        table.add_row(name, *map(str, (*numbers, sum(numbers))))
    return table
