"""All pairs of a file by one protocol: a file for each pair, so that a run that was ended can be gone on with."""

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from hashlib import sha1
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from typing import Any

from einnet.errors import EinNetError
from einnet.files import write_whole
from einnet.tasks.graphs.data import MOST_NODES, GraphPair, relabelled
from einnet.tasks.graphs.settings import Settings
from einnet.tasks.parallel import check_conditions, map_in_processes, read_result

__all__ = ["measured", "summary"]

REVISION = 1  # of how pairs are compared: what was found by another one is not used again


def measured(
    pairs: Sequence[GraphPair], settings: Settings, folder: Path, processes: int | None = None
) -> list[dict[str, Any]]:
    """What was found for each pair; those that are in the folder already are not done again, small ones come first."""
    if settings.protocol == "untrained" and (large := max(len(p.one) for p in pairs)) > MOST_NODES:
        raise EinNetError(f"the untrained protocol is for graphs of up to {MOST_NODES} nodes, got one of {large}")
    check_conditions(folder, asdict(settings) | {"revision": REVISION})
    found = {p.number: _done(folder, p) for p in pairs}
    todo = sorted((p for p in pairs if found[p.number] is None), key=lambda p: len(p.one))
    map_in_processes(partial(_one, settings=settings, folder=folder), todo, processes, "pairs", len(pairs))
    return [result for p in pairs if (result := found[p.number] or _done(folder, p))]


def _one(pair: GraphPair, settings: Settings, folder: Path) -> None:
    started = time.perf_counter()
    found = {"untrained": _untrained, "trained": _trained}[settings.protocol](pair, settings)
    found |= {
        "pair": pair.number,
        "graphs": _fingerprint(pair),
        "category": pair.category,
        "nodes": len(pair.one),
        "seconds": round(time.perf_counter() - started, 2),
        "peak_mib": getrusage(RUSAGE_SELF).ru_maxrss // 1024,
    }
    with write_whole(_file(folder, pair)) as temporary:
        temporary.write_text(json.dumps(found))


def _untrained(pair: GraphPair, settings: Settings) -> dict[str, Any]:
    """Networks with random weights, then the same operations in exact arithmetic."""
    import numpy as np

    from einnet.tasks.graphs.modular import ModularNet
    from einnet.tasks.graphs.untrained import compared

    of_pair, of_copies = compared(pair, settings.order, settings.depth, settings.seeds)
    net = ModularNet(settings.order, settings.depth)
    one, copy = net(pair.one), net(relabelled(pair.one, np.random.default_rng(pair.number)))
    return {
        "apart": of_pair.apart,
        "distance": of_pair.distance,
        "noise": of_pair.noise,
        "ratio": of_pair.ratio,
        "control_apart": of_copies.apart,
        "control_ratio": of_copies.ratio,
        "exact_apart": bool((one != net(pair.two)).any()),
        "exact_control_apart": bool((one != copy).any()),
    }


def _trained(pair: GraphPair, settings: Settings) -> dict[str, Any]:
    from einnet.tasks.graphs.trained import THRESHOLD, Learned, learned

    found: list[Learned] = []
    while len(found) < settings.seeds and not (found and found[-1].apart):
        found.append(learned(pair, settings.order, settings.depth, len(found)))
    return {
        "apart": found[-1].apart,
        "networks": len(found),
        "t2": found[-1].of_pair,
        "t2_copies": max(x.of_copies for x in found),
        "control_apart": any(x.of_copies > THRESHOLD for x in found),
    }


def summary(found: Iterable[Mapping[str, Any]], settings: Settings) -> dict[str, Any]:
    """How many pairs of each category are told apart, and how clearly."""
    every = list(found)
    categories = {c: [r for r in every if r["category"] == c] for c in dict.fromkeys(r["category"] for r in every)}
    result: dict[str, Any] = asdict(settings) | {
        "categories": {c: _counts(rows) for c, rows in categories.items()},
        "total": _counts(every),
        "seconds": round(sum(r["seconds"] for r in every), 1),
        "peak_mib": max((r["peak_mib"] for r in every), default=0),
    }
    if settings.protocol == "untrained":
        result |= {
            "smallest ratio of a pair told apart": min((r["ratio"] for r in every if r["apart"]), default=None),
            "largest ratio of a pair not told apart": max((r["ratio"] for r in every if not r["apart"]), default=None),
            "told apart, but not in exact arithmetic": sum(r["apart"] and not r["exact_apart"] for r in every),
            "largest ratio of relabelled copies": max((r["control_ratio"] for r in every), default=None),
        }
    return result


def _counts(rows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    found = {"pairs": len(rows), "apart": sum(r["apart"] for r in rows)}
    if any("exact_apart" in r for r in rows):
        found["exact"] = sum(r["exact_apart"] for r in rows)
    found["false positives"] = sum(r["control_apart"] or r.get("exact_control_apart", False) for r in rows)
    return found


def _done(folder: Path, pair: GraphPair) -> dict[str, Any] | None:
    """What is in the folder of these very graphs."""
    found = read_result(_file(folder, pair))
    return found if found and found.get("graphs") == _fingerprint(pair) else None


def _fingerprint(pair: GraphPair) -> str:
    return sha1(pair.one.tobytes() + pair.two.tobytes()).hexdigest()


def _file(folder: Path, pair: GraphPair) -> Path:
    return folder / "pairs" / f"{pair.number:04}.json"
