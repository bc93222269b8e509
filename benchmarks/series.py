"""Times the series beside EMLP and a plain orbit search, and writes benchmarks/series.md.

    .venv/bin/python -m pip install -c constraints.txt -e '.[peers]'
    .venv/bin/python benchmarks/series.py              # about 10 minutes, most of them EMLP's
    .venv/bin/python benchmarks/series.py --largest 5  # only up to S(5)

All run in this one process, one after the other, on one thread. What is timed: an orthonormal basis
of the linear maps V^k -> V^l that commute with S(n), as a dense matrix, which is what EMLP gives.
"""

import os

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
os.environ["TQDM_DISABLE"] = "1"  # EMLP's progress bar fails with numpy 2, and its iterative solver with it

import signal
import time
from collections.abc import Callable
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from cyclopts import run
from rich.progress import track

import einnet
from einnet import patterns, symmetry
from einnet.files import write_whole
from einnet.taylor import lorentz, orthogonal, rotations

CASES = [(k, total - k) for total in range(2, 6) for k in range(1, total)]


def main(*, largest: int = 8, limit: int = 20, out: Path = Path("benchmarks/series.md")) -> None:
    """Time V^k -> V^l for S(4) to S(largest), evaluation, and linear maps of matrix groups.

    EMLP is given `limit` seconds for a case.
    """
    lines = ["# The series", "", "`benchmarks/series.py`, one thread, all in one process.", ""]
    lines += emlp_table(largest, limit) + evaluation_table() + scale_table() + linear_maps_table()
    with write_whole(out) as temporary:
        temporary.write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


def our_basis(n: int, k: int, l: int) -> np.ndarray:  # noqa: E741
    """Column r has 1/sqrt(size) on orbit r."""
    orbits = einnet.series(f"{'a' * k} -> {'a' * l}", order=1, sizes={"a": n}).sharing(1).ravel()
    basis = np.zeros((orbits.size, orbits.max() + 1), np.float32)
    basis[np.arange(orbits.size), orbits] = 1
    return basis / np.sqrt(np.bincount(orbits)).astype(np.float32)


def emlp_basis(n: int, k: int, l: int) -> np.ndarray:  # noqa: E741
    from emlp.groups import S
    from emlp.reps import V

    return np.asarray((V**k >> V**l)(S(n)).equivariant_basis())


def forget_solutions() -> None:
    """EMLP keeps every solution: cleared, it solves again, with its compiled code still there."""
    from emlp.reps.representation import Rep

    Rep.solcache.clear()


def forget_all() -> None:
    """As in a new process after the imports: no solutions, no compiled code, none of our tables."""
    import jax

    forget_solutions()
    jax.clear_caches()
    for cache in (patterns._stages, patterns._count, symmetry._parsed):
        cache.cache_clear()


def orbit_search(n: int, k: int, l: int) -> int:  # noqa: E741
    """Plain breadth-first search over all index tuples, a swap and a cyclic shift as generators."""
    swap, shift = [1, 0, *range(2, n)], [*range(1, n), 0]
    left = set(product(range(n), repeat=k + l))
    orbits = 0
    while left:
        orbits += 1
        front = [left.pop()]
        while front:
            entry = front.pop()
            for g in (swap, shift):
                moved = tuple(g[i] for i in entry)
                if moved in left:
                    left.remove(moved)
                    front.append(moved)
    return orbits


def seconds(f: Callable[[], Any], repeats: int = 1) -> tuple[float, Any]:
    """The median time of a call, and its result."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = f()
        times.append(time.perf_counter() - start)
    return median(times), result


def at_most(limit: int, f: Callable[[], Any]) -> Any:
    """f(), or TimeoutError after `limit` seconds."""

    def stop(*_: Any) -> None:
        raise TimeoutError

    signal.signal(signal.SIGALRM, stop)
    signal.alarm(limit)
    try:
        return f()
    finally:
        signal.alarm(0)


def emlp_table(largest: int, limit: int) -> list[str]:
    from importlib.metadata import version

    einnet.series("a -> a", 1, {"a": 2}).sharing(1)  # both imported and past their first call
    emlp_basis(2, 1, 1)
    lines = [
        f"## Beside EMLP {version('emlp')} (jax {version('jax')}, numpy {version('numpy')}) and a plain orbit search",
        "",
        "Milliseconds for a basis of V^k -> V^l, S(n). *Cold*: all that either keeps between calls was cleared, as in",
        "a new process after the imports. *Warm*: the median of 5 more calls (of one, where a call takes over 5 s),",
        "EMLP's solutions cleared before each, its compiled code kept. *Stored*: EMLP has the solution already, ours",
        "computes it again. EMLP's progress bar is off: with it, the iterative solver (k + l = 4 from n = 7 on and",
        "k + l = 5 from n = 5 on) stops with a TypeError from numpy 2.",
        "",
        "| n | k, l | maps | ours cold | EMLP cold | ratio | ours warm | EMLP warm | ratio | EMLP stored | ratio "
        "| orbit search | ratio |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    worst: dict[str, float] = {}
    for n, (k, l) in track(list(product(range(4, largest + 1), CASES)), "EMLP"):  # noqa: E741
        forget_all()
        cold, basis = seconds(lambda: our_basis(n, k, l))  # noqa: B023
        warm, _ = seconds(lambda: our_basis(n, k, l), 21)  # noqa: B023
        search, orbits = seconds(lambda: orbit_search(n, k, l))  # noqa: B023
        assert orbits == basis.shape[1]
        row = [f"{n}", f"{k}, {l}", f"{orbits}", f"{cold * 1e3:.2f}"]
        try:
            peer_cold, peer = seconds(lambda: at_most(limit, lambda: emlp_basis(n, k, l)))  # noqa: B023
        except Exception as error:  # what stops EMLP is part of the result
            why = f"over {limit} s" if isinstance(error, TimeoutError) else type(error).__name__
            row += [why, "", f"{warm * 1e3:.2f}", "", "", "", ""]
        else:
            same = peer.shape == basis.shape and np.abs(peer @ (peer.T @ basis) - basis).max() < 1e-2
            wrong = "" if same else f" (wrong: {peer.shape[1]} maps)" if peer.shape != basis.shape else " (inexact)"
            stored, _ = seconds(lambda: emlp_basis(n, k, l), 5)  # noqa: B023
            again = 5 if peer_cold < 5 else 1
            peer_warm = median(seconds(lambda: (forget_solutions(), emlp_basis(n, k, l)))[0] for _ in range(again))  # noqa: B023
            ratios = {"cold": peer_cold / cold, "warm": peer_warm / warm, "stored": stored / warm}
            worst = {name: min(r, worst.get(name, r)) for name, r in ratios.items()}
            row += [
                f"{peer_cold * 1e3:.0f}{wrong}",
                f"{ratios['cold']:,.0f}x",
                f"{warm * 1e3:.2f}",
                f"{peer_warm * 1e3:.1f}",
            ]
            row += [f"{ratios['warm']:,.0f}x", f"{stored * 1e3:.1f}", f"{ratios['stored']:,.1f}x"]
        row += [f"{search * 1e3:.2f}", f"{search / warm:,.1f}x"]
        lines.append("| " + " | ".join(row) + " |")
    found = ", ".join(f"{name} {ratio:,.0f}x" for name, ratio in worst.items())
    return [*lines, "", f"Smallest ratio to EMLP, wherever it finishes: {found}.", ""]


def evaluation_table() -> list[str]:
    """`ab ->`, order 2: by contractions, and by the coefficients written out."""
    lines = [
        "## Evaluation: `ab ->` up to order 2, n x n, numpy float64",
        "",
        "| n | entries of order 2 | contraction basis (ms) | written out (ms) | ratio | relative difference |",
        "|---|---|---|---|---|---|",
    ]
    rng = np.random.default_rng(0)
    for n in (16, 32, 64, 256):
        s = einnet.series("ab ->", order=2, sizes={"a": n, "b": n})
        x, params = rng.standard_normal((n, n)), rng.standard_normal(s.total)
        converted = s.to_contraction(params)
        fast, value = seconds(lambda: s.evaluate(x, converted), 31)  # noqa: B023
        try:
            slow, expected = seconds(lambda: s.evaluate(x, params, basis="orbit"), 5)  # noqa: B023
        except einnet.EinNetError:
            lines.append(f"| {n} | {n**4:,} | {fast * 1e3:.2f} | does not fit | | |")
        else:
            difference = abs(value - expected) / abs(expected)
            lines.append(
                f"| {n} | {n**4:,} | {fast * 1e3:.2f} | {slow * 1e3:.1f} | {slow / fast:,.0f}x | {difference:.0e} |"
            )
    return [*lines, ""]


def scale_table() -> list[str]:
    """Large counts and large coefficients."""
    rows = [
        ("203 contractions of `aaa -> aaa`", lambda: len(einnet.series("aaa -> aaa", 1).contractions(1))),
        ("free parameters of `aa -> aa` up to order 3", lambda: einnet.series("aa -> aa", 3).total),
        ("sharing of `a -> a`, order 1, n = 3163", lambda: einnet.series("a -> a", 1, {"a": 3163}).sharing(1).size),
        ("sharing of `a -> a`, order 2, n = 216", lambda: einnet.series("a -> a", 2, {"a": 216}).sharing(2).size),
    ]
    lines = ["## Large", "", "| what | result | ms |", "|---|---|---|"]
    for what, f in rows:
        took, result = seconds(f, 3)
        lines.append(f"| {what} | {result:,} | {took * 1e3:.1f} |")
    n = 2**20
    s = einnet.series_of([np.roll(np.arange(n), -1)], order=2)
    x, params = np.random.default_rng(0).standard_normal((2, n))
    took, _ = seconds(lambda: s.evaluate(x, [params[:1], params[:1], params]), 3)
    return [
        *lines,
        f"| cyclic shifts, n = 2^20, order 2, evaluated by FFT | {s.total:,} parameters | {took * 1e3:.0f} |",
        "",
    ]


def linear_maps_table() -> list[str]:
    """Tensors up to rank 4 of matrix groups."""
    groups = {"SO(2)": rotations(2), "SO(3)": rotations(3), "O(3)": orthogonal(3), "SO+(1,3)": lorentz()}
    lines = [
        "## Linear maps T^k -> T^k of matrix groups",
        "",
        "| group | k | unknowns | maps | s |",
        "|---|---|---|---|---|",
    ]
    for (name, v), k in track(list(product(groups.items(), (1, 2, 3, 4))), "linear maps"):
        took, maps = seconds(lambda: einnet.linear_maps(source=v**k, target=v**k))  # noqa: B023
        lines.append(f"| {name} | {k} | {v.dimension ** (2 * k):,} | {maps.rank} | {took:.2f} |")
    return lines


if __name__ == "__main__":
    run(main)
