"""`einnet bench brec`.

Torch is imported inside the function: the command line must be quick to answer --help.
"""

import json
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from einnet.errors import EinNetError, did_you_mean
from einnet.files import write_whole
from einnet.tasks.console import Json, log
from einnet.tasks.graphs.data import GraphPair, read_pairs
from einnet.tasks.graphs.settings import Protocol, Settings

__all__ = ["bench"]

DEPTHS = {"untrained": 8, "trained": 6}


def bench(
    *,
    data: Path,
    protocol: Protocol = "untrained",
    order: int = 5,
    depth: int | None = None,
    seeds: int = 4,
    category: Annotated[list[str] | None, Parameter(negative="")] = None,
    processes: int | None = None,
    out: Path | None = None,
    as_json: Json = False,
) -> int:
    """Tell graphs apart that are not isomorphic; a run that was ended goes on where it was.

    einnet bench brec --data brec_pairs.json --order 5

    The untrained protocol compares the outputs of networks with random weights, in double precision, with
    those for relabelled copies of each graph, and then the same operations in exact arithmetic. The trained
    one is BREC's: for each pair a new network learns to set copies apart, and Hotelling's T^2 decides.

    Parameters
    ----------
    data
        A JSON list of {"category", "g", "h"} with graphs in graph6, as BREC has, or a family of graphs (.g6),
        all of whose pairs are compared.
    protocol
        Networks with random weights, or trained for each pair.
    order
        The largest number of operands of a pooling operation: 2 is as strong as the 3-WL test, 5 has the bridge.
    depth
        Layers; without it, 8, or 6 where they are trained.
    seeds
        Networks for a pair, until one tells it apart.
    category
        Only pairs of this category; may be given several times.
    processes
        Pairs at once; without it, one for each core.
    out
        Folder of the results; without it, runs/brec-FILE-PROTOCOL-ORDER.
    """
    for name, value in {"order": order, "depth": depth, "seeds": seeds, "processes": processes}.items():
        if value is not None and value < 1:
            raise EinNetError(f"--{name} must be 1 or more, got {value}")
    pairs = _chosen(read_pairs(data), category)
    from einnet.tasks.graphs.bench import measured, summary

    settings = Settings(protocol, order, depth or DEPTHS[protocol], seeds)
    folder = out or Path("runs") / f"brec-{data.stem}-{protocol}-{order}"
    found = summary(measured(pairs, settings, folder, processes), settings)
    with write_whole(folder / "results.json") as temporary:
        temporary.write_text(json.dumps(found, indent=1))
    from einnet.tasks.graphs.report import results
    from einnet.tasks.report import print_report, write_report_page

    shown = results(found, data.stem)
    write_report_page(folder, f"einnet bench brec, {data.stem}", shown)
    if as_json:
        print(json.dumps(found))
    else:
        print_report(shown)
    log(f"Saved in {folder}: results.json, index.html, pairs/")
    return 0


def _chosen(pairs: list[GraphPair], categories: list[str] | None) -> list[GraphPair]:
    every = list(dict.fromkeys(p.category for p in pairs))
    for c in categories or ():
        if c not in every:
            raise EinNetError(f"there is no category {c!r}; there are {', '.join(every)}.{did_you_mean(c, every)}")
    return [p for p in pairs if not categories or p.category in categories]
