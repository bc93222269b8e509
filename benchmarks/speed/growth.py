"""Whether time and memory of pooling grow with the plan's cost; run by __main__.py."""

from collections.abc import Callable
from statistics import median
from typing import Any

import torch
from measure import measure_allocated_mib, time_in_turns
from results_page import make_table

from einnet import EinPool, Symmetry
from einnet.nn.backend import run_plan
from einnet.operations import pooling_terms

__all__ = ["make_tables", "measure"]

HEADS = 4
CASES = {
    "a": ("aH", None, (2**21, 2**22, 2**23, 2**24)),  # none of which fits a cache
    "ab": ("abH", None, (512, 768, 1024, 1536)),
    "aa": ("aaH", None, (512, 768, 1024, 1536)),
    "the bridge": ("aaH", ["ab,ac,bc,bd,cd->ad"], (256, 320, 384, 512)),
}


def make_pool(name: str, n: int) -> tuple[EinPool, torch.Tensor]:
    """The pool, and an input in the layout of the layers: (1, features, axes...) seen as (1, axes..., features)."""
    symmetry, terms, _ = CASES[name]
    kind = Symmetry(symmetry)
    pool = EinPool(terms or pooling_terms(kind), symmetry)
    shape = (1, HEADS * pool.fan_in, *[n] * len(kind.axes))
    return pool, torch.randn(shape).movedim(1, -1)


def pool_values(pool: EinPool, x: torch.Tensor) -> None:
    """Computes the compact results, before they are broadcast."""
    with torch.no_grad():
        run_plan(pool.plan, x.movedim(-1, 1).split(HEADS, 1))


def count_plan(pool: EinPool, n: int) -> tuple[int, int]:
    """FLOPs, and the entries of all intermediates of the plan."""
    sizes = dict.fromkeys(pool.symmetry.classes, n)
    return HEADS * pool.plan.flops.at(sizes), HEADS * sum(step.size.at(sizes) for step in pool.plan.steps)


def measure(progress: Callable[[list], Any]) -> list[dict[str, Any]]:
    rows = []
    for name, n in progress([(name, n) for name, (_, _, sizes) in CASES.items() for n in sizes]):
        pool, x = make_pool(name, n)
        (times,) = time_in_turns([lambda pool=pool, x=x: pool_values(pool, x)], 3.0, min_rounds=5)
        flops, entries = count_plan(pool, n)
        mib = measure_allocated_mib(lambda pool=pool, x=x: pool_values(pool, x))
        rows.append(
            {"what": name, "n": n, "plan": str(pool.plan.flops), "seconds": median(times), "flops": flops}
            | {"mib": mib, "planned_mib": entries * 4 / 2**20}
        )
    return rows


def make_tables(results: list[dict[str, Any]]) -> list[str]:
    lines = [
        f"Pooling alone, forward, {HEADS} features for each operand, single precision: nanoseconds for each FLOP of "
        "the plan, and the memory of the tensors divided by the size of the plan's intermediates. Spread: the largest "
        "over the smallest.",
        "",
    ]
    rows = []
    for name in CASES:
        cases = [r for r in results if r["what"] == name]
        times = [r["seconds"] / r["flops"] * 1e9 for r in cases]
        memory = [r["mib"] / r["planned_mib"] for r in cases]
        sizes, plan = ", ".join(f"{r['n']:,}" for r in cases), cases[0]["plan"]
        rows.append([name, plan, sizes, _join(times), _spread(times), _join(memory), _spread(memory)])
    head = ["type", "FLOPs of the plan", "n", "ns per FLOP", "spread", "memory over that of the plan", "spread"]
    return [*lines, *make_table(head, rows)]


def _join(values: list[float]) -> str:
    return ", ".join(f"{v:.3g}" for v in values)


def _spread(values: list[float]) -> str:
    return f"{max(values) / min(values):.2f}"
