"""`einnet bench brec`; torch is imported inside the functions, so that --help is quick."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from einnet.checks import check_choice, check_count
from einnet.files import get_stem
from einnet.tasks.console import Flag, Json, Source
from einnet.tasks.graphs.pairs import read_pairs

__all__ = ["bench"]


def bench(
    *,
    data: Source,
    protocol: Literal["untrained", "trained"] = "untrained",
    order: int = 5,
    marks: int = 0,
    exact: Flag = False,
    depth: int | None = None,
    seeds: int = 4,
    category: Annotated[list[str] | None, Parameter(negative="")] = None,
    processes: int | None = None,
    out: Path | None = None,
    as_json: Json = False,
) -> int:
    """Tell graphs apart that are not isomorphic; an interrupted run is resumed.

    einnet bench brec --data brec_pairs.json --order 5

    The untrained protocol compares the outputs of networks with random weights, in double precision, with
    those for relabelled copies of each graph, and the same operations in exact arithmetic. The trained
    one is BREC's: for each pair a new network learns to set copies apart, and Hotelling's T^2 decides.

    Pairs are compared in order of size. With marks, the copies of a graph are compared kind by kind, the rarest
    colours first, until the first difference.

    Args:
        data: A JSON list of {"category", "g", "h"}, or an array (.npy) as BREC has, or a family with a graph on each
            line, all of whose pairs are compared; or - for standard input. Graphs are in graph6, sparse6 or digraph6.
        protocol: Networks with random weights, or trained for each pair.
        order: The largest number of operands of a pooling operation: 2 is as strong as the 3-WL test, 5 has the
            bridge.
        marks: Marked nodes: a copy of a graph for each node, or for each tuple of so many.
        exact: Only the exact arithmetic.
        depth: Layers; by default 8 or as many as exact arithmetic needs, 6 for trained networks. Exact arithmetic has
            as many as refine the colours, and no more than this.
        seeds: Networks for a pair, until one tells it apart.
        category: Only pairs of this category; may be given several times.
        processes: Pairs at once; by default one for each core.
        out: Folder of the results; by default runs/brec-FILE-PROTOCOL-ORDER, with marks also their number.
    """
    for name, value in {"order": order, "depth": depth, "seeds": seeds, "processes": processes}.items():
        if value is not None:
            check_count(value, f"--{name}")
    check_count(marks, "--marks", minimum=0)
    pairs, name = read_pairs(data), get_stem(data)
    known = dict.fromkeys(p.category for p in pairs)
    chosen = [check_choice(c, "--category", known) for c in category or known]
    from einnet.tasks.bench import report_results
    from einnet.tasks.graphs.brec import BrecConfig, make_tables, run_pairs, summarize

    config = BrecConfig("exact" if exact else protocol, order, depth, seeds, marks)
    folder = out or Path("runs") / f"brec-{name}-{config.protocol}-{order}{f'-marks{marks}' if marks else ''}"
    results = run_pairs([p for p in pairs if p.category in chosen], config, folder, processes)
    summary = summarize(results, config)
    tables = make_tables(summary, name)
    report_results(folder, "pairs", f"einnet bench brec, {name}", summary, tables, as_json)
    return 0
