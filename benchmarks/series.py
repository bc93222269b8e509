"""Times the series, EMLP and a plain orbit search, and writes benchmarks/series.md.

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
import sys
from collections.abc import Callable
from importlib.metadata import version
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from cyclopts import run
from measure import measure_seconds
from results_page import PAGE, make_table, write_results
from rich.progress import track

import einnet
from einnet.taylor import lorentz, orthogonal, rotations

CASES = [(k, total - k) for total in range(2, 6) for k in range(1, total)]


def main(*, largest: int = 8, limit: int = 20, page: Path = PAGE) -> None:
    """Time V^k -> V^l for S(4) to S(largest), evaluation, and linear maps of matrix groups.

    EMLP is given `limit` seconds for a case.
    """
    rows = [measure_basis(n, k, l, limit) for n, (k, l) in track(list(product(range(4, largest + 1), CASES)), "EMLP")]  # noqa: E741
    evaluations = [measure_evaluation(n) for n in (16, 32, 64, 256)]
    lines = ["# The series", "", "`benchmarks/series.py`, one thread, all in one process.", ""]
    lines += tabulate_bases(rows) + tabulate_evaluations(evaluations) + tabulate_large() + tabulate_linear_maps()
    write_results("series", lines, summarize(rows, evaluations), page)


def find_basis(n: int, k: int, l: int) -> np.ndarray:  # noqa: E741
    """Column r has 1/sqrt(size) on orbit r."""
    orbits = einnet.series(f"{'a' * k} -> {'a' * l}", order=1, sizes={"a": n}).sharing(1).ravel()
    basis = np.zeros((orbits.size, orbits.max() + 1), np.float32)
    basis[np.arange(orbits.size), orbits] = 1
    return basis / np.sqrt(np.bincount(orbits)).astype(np.float32)


def find_emlp_basis(n: int, k: int, l: int) -> np.ndarray:  # noqa: E741
    from emlp.groups import S
    from emlp.reps import V

    return np.asarray((V**k >> V**l)(S(n)).equivariant_basis())


def clear_solutions() -> None:
    """Clears the solutions that EMLP keeps, so that it solves again with its compiled code."""
    from emlp.reps.representation import Rep

    Rep.solcache.clear()


def clear_all() -> None:
    """Clears solutions, compiled code and EinNet's tables, as in a new process after the imports."""
    import jax

    clear_solutions()
    jax.clear_caches()
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == "einnet":
            for value in vars(module).values():
                if hasattr(value, "cache_clear"):
                    value.cache_clear()


def count_orbits(n: int, k: int, l: int) -> int:  # noqa: E741
    """A plain search over all index tuples, with a swap and a cyclic shift as generators."""
    swap, shift = [1, 0, *range(2, n)], [*range(1, n), 0]
    unseen = set(product(range(n), repeat=k + l))
    orbits = 0
    while unseen:
        orbits += 1
        stack = [unseen.pop()]
        while stack:
            entry = stack.pop()
            for g in (swap, shift):
                moved = tuple(g[i] for i in entry)
                if moved in unseen:
                    unseen.remove(moved)
                    stack.append(moved)
    return orbits


def run_within(limit: int, f: Callable[[], Any]) -> Any:
    """f(), or TimeoutError after `limit` seconds."""

    def stop(*_: Any) -> None:
        raise TimeoutError

    signal.signal(signal.SIGALRM, stop)
    signal.alarm(limit)
    try:
        return f()
    finally:
        signal.alarm(0)


def measure_basis(n: int, k: int, l: int, limit: int) -> dict[str, Any]:  # noqa: E741
    """Seconds for a basis of V^k -> V^l, S(n); `peer` has EMLP's, or `stopped` says why it has none."""
    find_basis(2, 1, 1), find_emlp_basis(2, 1, 1)  # both imported and past their first call
    clear_all()
    cold, basis = measure_seconds(lambda: find_basis(n, k, l))
    warm, _ = measure_seconds(lambda: find_basis(n, k, l), 21)
    search, orbits = measure_seconds(lambda: count_orbits(n, k, l))
    assert orbits == basis.shape[1]
    row = {"n": n, "case": (k, l), "maps": orbits, "cold": cold, "warm": warm, "search": search}
    try:
        peer_cold, peer = measure_seconds(lambda: run_within(limit, lambda: find_emlp_basis(n, k, l)))
    except Exception as error:  # what stops EMLP is part of the result
        return row | {"stopped": f"over {limit} s" if isinstance(error, TimeoutError) else type(error).__name__}
    stored, _ = measure_seconds(lambda: find_emlp_basis(n, k, l), 5)
    repeats = 5 if peer_cold < 5 else 1
    times = [measure_seconds(lambda: (clear_solutions(), find_emlp_basis(n, k, l)))[0] for _ in range(repeats)]
    is_same = peer.shape == basis.shape and np.abs(peer @ (peer.T @ basis) - basis).max() < 1e-2
    remark = "" if is_same else f" (wrong: {peer.shape[1]} maps)" if peer.shape != basis.shape else " (inexact)"
    return row | {"peer": {"cold": peer_cold, "warm": median(times), "stored": stored}, "remark": remark}


def list_ratios(row: dict[str, Any]) -> dict[str, float]:
    """How many times as long EMLP takes."""
    peer = row["peer"]
    return {
        "cold": peer["cold"] / row["cold"],
        "warm": peer["warm"] / row["warm"],
        "stored": peer["stored"] / row["warm"],
    }


def tabulate_bases(rows: list[dict[str, Any]]) -> list[str]:
    cells = []
    for row in rows:
        k, l = row["case"]  # noqa: E741
        own = [row["n"], f"{k}, {l}", row["maps"], f"{row['cold'] * 1e3:.2f}"]
        warm = f"{row['warm'] * 1e3:.2f}"
        if "stopped" in row:
            own += [row["stopped"], "", warm, "", "", "", ""]
        else:
            ratios, ms = list_ratios(row), {name: t * 1e3 for name, t in row["peer"].items()}
            own += [f"{ms['cold']:.0f}{row['remark']}", f"{ratios['cold']:,.0f}x", warm, f"{ms['warm']:.1f}"]
            own += [f"{ratios['warm']:,.0f}x", f"{ms['stored']:.1f}", f"{ratios['stored']:,.1f}x"]
        cells.append([*own, f"{row['search'] * 1e3:.2f}", f"{row['search'] / row['warm']:,.1f}x"])
    head = ["n", "k, l", "maps", "EinNet cold", "EMLP cold", "ratio", "EinNet warm", "EMLP warm", "ratio",
            "EMLP stored", "ratio", "orbit search", "ratio"]  # fmt: skip
    worst = {name: min(ratios) for name, ratios in collect_ratios(rows).items()}
    return [
        f"## EMLP {version('emlp')} (jax {version('jax')}, numpy {version('numpy')}) and a plain orbit search",
        "",
        "Milliseconds for a basis of V^k -> V^l, S(n). *Cold*: all that either keeps between calls was cleared, as in",
        "a new process after the imports. *Warm*: the median of 5 more calls (of one, if a call takes over 5 s),",
        "EMLP's solutions cleared before each, its compiled code kept. *Stored*: EMLP has the solution already, EinNet",
        "computes it again. EMLP's progress bar is off: with it, the iterative solver (k + l = 4 from n = 7 on and",
        "k + l = 5 from n = 5 on) stops with a TypeError from numpy 2.",
        "",
        *make_table(head, cells),
        "",
        f"Smallest ratio to EMLP, if it finishes: {', '.join(f'{name} {r:,.0f}x' for name, r in worst.items())}.",
        "",
    ]


def collect_ratios(rows: list[dict[str, Any]]) -> dict[str, list[float]]:
    by_row = [list_ratios(row) for row in rows if "peer" in row]
    return {name: [ratios[name] for ratios in by_row] for name in ("cold", "warm", "stored")}


def measure_evaluation(n: int) -> dict[str, Any]:
    """`ab ->`, order 2: by contractions, and by the coefficients written out."""
    s, rng = einnet.series("ab ->", order=2, sizes={"a": n, "b": n}), np.random.default_rng(0)
    x, params = rng.standard_normal((n, n)), rng.standard_normal(s.total)
    converted = s.to_contraction(params)
    fast, value = measure_seconds(lambda: s.evaluate(x, converted), 31)
    try:
        slow, expected = measure_seconds(lambda: s.evaluate(x, params, basis="orbit"), 5)
    except einnet.EinNetError:
        return {"n": n, "fast": fast}
    return {"n": n, "fast": fast, "slow": slow, "difference": abs(value - expected) / abs(expected)}


def tabulate_evaluations(rows: list[dict[str, Any]]) -> list[str]:
    cells = []
    for row in rows:
        own = [row["n"], f"{row['n'] ** 4:,}", f"{row['fast'] * 1e3:.2f}"]
        if "slow" in row:
            own += [f"{row['slow'] * 1e3:.1f}", f"{row['slow'] / row['fast']:,.0f}x", f"{row['difference']:.0e}"]
        else:
            own += ["does not fit", "", ""]
        cells.append(own)
    head = ["n", "entries of order 2", "contraction basis (ms)", "written out (ms)", "ratio", "relative difference"]
    return ["## Evaluation: `ab ->` up to order 2, n x n, numpy float64", "", *make_table(head, cells), ""]


def tabulate_large() -> list[str]:
    """Large counts and large coefficients."""
    calls = [
        ("203 contractions of `aaa -> aaa`", lambda: len(einnet.series("aaa -> aaa", 1).contractions(1))),
        ("free parameters of `aa -> aa` up to order 3", lambda: einnet.series("aa -> aa", 3).total),
        ("sharing of `a -> a`, order 1, n = 3163", lambda: einnet.series("a -> a", 1, {"a": 3163}).sharing(1).size),
        ("sharing of `a -> a`, order 2, n = 216", lambda: einnet.series("a -> a", 2, {"a": 216}).sharing(2).size),
    ]
    rows = []
    for what, call in calls:
        seconds, result = measure_seconds(call, 3)
        rows.append([what, f"{result:,}", f"{seconds * 1e3:.1f}"])
    n = 2**20
    s = einnet.series_of([np.roll(np.arange(n), -1)], order=2)
    x, params = np.random.default_rng(0).standard_normal((2, n))
    seconds, _ = measure_seconds(lambda: s.evaluate(x, [params[:1], params[:1], params]), 3)
    what = "cyclic shifts, n = 2^20, order 2, evaluated by FFT"
    rows.append([what, f"{s.total:,} parameters", f"{seconds * 1e3:.0f}"])
    return ["## Large", "", *make_table(["what", "result", "ms"], rows), ""]


def tabulate_linear_maps() -> list[str]:
    """Tensors up to rank 4 of matrix groups."""
    groups = {"SO(2)": rotations(2), "SO(3)": rotations(3), "O(3)": orthogonal(3), "SO+(1,3)": lorentz()}
    rows = []
    for (name, v), k in track(list(product(groups.items(), (1, 2, 3, 4))), "linear maps"):
        seconds, maps = measure_seconds(lambda v=v, k=k: einnet.linear_maps(source=v**k, target=v**k))
        rows.append([name, k, f"{v.dimension ** (2 * k):,}", maps.rank, f"{seconds:.2f}"])
    table = make_table(["group", "k", "unknowns", "maps", "s"], rows)
    return ["## Linear maps T^k -> T^k of matrix groups", "", *table]


def summarize(rows: list[dict[str, Any]], evaluations: list[dict[str, Any]]) -> list[str]:
    """The table of the page of results: a typical basis, one that EMLP does not finish, two polynomials."""
    smallest = {name: f" (smallest of all cases: {min(r):,.0f})" for name, r in collect_ratios(rows).items()}
    by_case, cells = {(r["n"], r["case"]): r for r in rows}, []
    n = max(size for size, case in by_case)
    for name, what in (
        ("cold", "basis, first call"),
        ("warm", "basis, solved again with compiled code kept"),
        ("stored", "basis, EMLP returns its stored solution, EinNet computes"),
    ):
        row = by_case[n, (2, 2)]
        own = f"**{row['cold' if name == 'cold' else 'warm'] * 1e3:.2g} ms**"
        peer = f"{row['peer'][name] * 1e3:,.4g} ms (EMLP)" if "peer" in row else f"{row['stopped']} (EMLP)"
        ratio = f"{list_ratios(row)[name]:,.0f}{smallest[name]}" if "peer" in row else ""
        cells.append([f"{what}, S({n}), V^2 -> V^2", own, peer, ratio])
    if "stopped" in (row := by_case[n, (2, 3)]):
        cells.append([f"basis, S({n}), V^2 -> V^3", f"**{row['warm'] * 1e3:.2g} ms**", f"{row['stopped']} (EMLP)", ""])
    for row in evaluations[2:]:
        peer, ratio = "does not fit into memory", ""
        if "slow" in row:
            peer = f"{row['slow'] * 1e3:.3g} ms (coefficients written out)"
            ratio = f"{row['slow'] / row['fast']:,.0f}"
        cells.append([f"`ab ->`, order 2, n = {row['n']}", f"**{row['fast'] * 1e3:.2g} ms**", peer, ratio])
    return make_table(["what", "EinNet", "peer", "ratio"], cells)


if __name__ == "__main__":
    run(main)
