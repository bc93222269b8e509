"""Whether time and memory of pooling grow as the plan says; run by __main__.py."""

from collections.abc import Callable
from statistics import median
from typing import Any

import torch
from measure import allocated, alternated, table

from einnet import EinPool, Symmetry
from einnet.operations import pooling_terms

__all__ = ["results", "tables"]

HEADS = 4
CASES = {
    "a": ("aH", None, (2**21, 2**22, 2**23, 2**24)),  # none of which fits a cache
    "ab": ("abH", None, (512, 768, 1024, 1536)),
    "aa": ("aaH", None, (512, 768, 1024, 1536)),
    "the bridge": ("aaH", ["ab,ac,bc,bd,cd->ad"], (256, 320, 384, 512)),
}


def made(name: str, n: int) -> tuple[EinPool, torch.Tensor]:
    """The pool, and an input (1, features, axes...) seen as (1, axes..., features), as layers pass it on."""
    symmetry, terms, _ = CASES[name]
    kind = Symmetry(symmetry)
    pool = EinPool(terms or pooling_terms(kind), symmetry)
    shape = (1, HEADS * pool.fan_in, *[n] * len(kind.axes))
    return pool, torch.randn(shape).movedim(1, -1)


def cores(pool: EinPool, x: torch.Tensor) -> None:
    """What the plan does: the values before they are broadcast."""
    front = x.movedim(-1, 1)
    sizes = dict.fromkeys(pool.symmetry.classes, x.shape[1])
    with torch.no_grad():
        pool.cores([front], sizes, None)


def planned(pool: EinPool, n: int) -> tuple[int, int]:
    """FLOPs, and the entries of all values that the plan makes."""
    sizes = dict.fromkeys(pool.symmetry.classes, n)
    return HEADS * pool.plan.flops.at(sizes), HEADS * sum(step.size.at(sizes) for step in pool.plan.steps)


def results(progress: Callable[[list], Any]) -> list[dict[str, Any]]:
    rows = []
    for name, n in progress([(name, n) for name, (_, _, sizes) in CASES.items() for n in sizes]):
        pool, x = made(name, n)
        (times,) = alternated([lambda pool=pool, x=x: cores(pool, x)], 3.0, least=5)
        flops, entries = planned(pool, n)
        mib = allocated(lambda pool=pool, x=x: cores(pool, x))
        rows.append(
            {"what": name, "n": n, "plan": str(pool.plan.flops), "seconds": median(times), "flops": flops}
            | {"mib": mib, "planned_mib": entries * 4 / 2**20}
        )
    return rows


def tables(found: list[dict[str, Any]]) -> list[str]:
    lines = [
        f"Pooling alone, forward, {HEADS} features for each operand, single precision: nanoseconds for each FLOP of "
        "the plan, and what the tensors take beside the sizes of the plan's values. Spread: the largest over the "
        "smallest.",
        "",
    ]
    rows = []
    for name in CASES:
        mine = [r for r in found if r["what"] == name]
        each = [r["seconds"] / r["flops"] * 1e9 for r in mine]
        memory = [r["mib"] / r["planned_mib"] for r in mine]
        sizes, plan = ", ".join(f"{r['n']:,}" for r in mine), mine[0]["plan"]
        rows.append([name, plan, sizes, _listed(each), _spread(each), _listed(memory), _spread(memory)])
    head = ["type", "FLOPs of the plan", "n", "ns for each", "spread", "memory over that of the plan", "spread"]
    return [*lines, *table(head, rows)]


def _listed(values: list[float]) -> str:
    return ", ".join(f"{v:.3g}" for v in values)


def _spread(values: list[float]) -> str:
    return f"{max(values) / min(values):.2f}"
