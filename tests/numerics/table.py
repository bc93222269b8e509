"""Prints the errors of single and half precision at all sizes as a Markdown table.

    python tests/numerics/table.py

Operations are measured at n = 8, 64 and 512; those that cost n^4 at 128 instead of 512. Errors are in the norm,
of the output and of the gradient, the larger of those for normal and for positive entries; allowed is what
test_precision.py states.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from einnet import Plan
from networks import NETWORKS
from numerics.operations import CATALOGUE, pool_of
from numerics.precision import (
    DTYPES,
    Errors,
    gradient_tolerance,
    network_case,
    network_errors,
    network_tolerance,
    pool_errors,
    pool_tolerance,
)

POOLS = ("a", "ab", "aa", "ab; a->b")
CASES = [("aH", 512), ("abH", 64), ("aaH", 64), ("aaH", 256), ("abH; a->b", 512), ("aaH -> aH", 512)]
DEPTH = 2


def main() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    heads = [f"{str(d).removeprefix('torch.')} {what}" for d in DTYPES for what in ("output", "gradient", "allowed")]
    for title, rows in (("operation", operations()), ("network", networks())):
        print("| " + " | ".join(["type", title, "n", *heads]) + " |", "|---" * (3 + len(heads)) + "|", sep="\n")
        for row in rows:
            print("| " + " | ".join(row) + " |", flush=True)
        print()


def operations() -> Iterator[list[str]]:
    for text, term in CATALOGUE:
        if text in POOLS:
            for n in (8, 64, 128 if Plan.make([term], text).flops.degree > 3 else 512):
                row = [f"`{text}`", f"`{term}`", str(n)]
                for dtype in DTYPES:
                    pool = pool_of(text, term)
                    errors = [pool_errors(pool, n, dtype, positive=positive) for positive in (False, True)]
                    largest = (max(e[0] for e in errors), max(e[1] for e in errors))
                    tolerance = pool_tolerance(dtype, term.count(",") + 1, n)
                    row += cells(largest, (tolerance, tolerance))
                yield row


def networks() -> Iterator[list[str]]:
    for signature, n in CASES:
        for network in NETWORKS:
            row = [f"`{signature}`", f"{network.__name__}, {DEPTH} layers", str(n)]
            for dtype in DTYPES:
                make, shapes = network_case(signature, n, network, depth=DEPTH)
                errors = network_errors(make, shapes, dtype)
                sizes = DEPTH, max(torch.Size(s[:-1]).numel() for s in shapes)
                row += cells(errors, (network_tolerance(dtype, *sizes), gradient_tolerance(make(), dtype, *sizes)))
            yield row


def cells(errors: Errors, allowed: Errors) -> list[str]:
    """Output, gradient, what is allowed; an error that is larger than allowed is bold."""
    texts = [f"{e:.1e}" if e <= a else f"**{e:.1e}**" for e, a in zip(errors, allowed, strict=True)]
    return [*texts, " and ".join(f"{a:.1e}" for a in dict.fromkeys(allowed))]


if __name__ == "__main__":
    main()
