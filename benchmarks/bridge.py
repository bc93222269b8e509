"""Peak memory and time of the bridge `ab,ac,bc,bd,cd->ad` compared with torch.einsum; writes benchmarks/bridge.md.

    .venv/bin/python benchmarks/bridge.py                   # two minutes
    .venv/bin/python benchmarks/bridge.py --sizes 64 128

Forward and backward, single precision, all threads. Times: medians, all candidates in turn in one process. Memory:
a process for each, the growth of its resident set from before to the peak. Each candidate gets the layout
that suits it: torch.einsum five contiguous tensors (features, n, n), EinPool one tensor (n, n, 5 * features).
"""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch
from cyclopts import App
from measure import measure_growth_mib, time_in_turns
from results_page import PAGE, bold_best, make_table, write_results
from rich.progress import track

from einnet import EinPool

BRIDGE = "ab,ac,bc,bd,cd->ad"
EQUATION = ",".join("h" + t for t in BRIDGE.partition("->")[0].split(",")) + "->had"
CANDIDATES = ("EinPool", "einsum with opt_einsum", "einsum without")

app = App(help=__doc__)


def make_step(name: str, n: int, features: int) -> Callable[[], None]:
    """A forward and backward pass of a candidate."""
    torch.manual_seed(0)
    if name == "EinPool":
        pool = EinPool([BRIDGE], "aaH", normalize=None)
        x = torch.randn(n, n, 5 * features, requires_grad=True)

        def step_pool() -> None:
            x.grad = None
            pool(x).sum().backward()

        return step_pool
    tensors = [torch.randn(features, n, n, requires_grad=True) for _ in range(5)]

    def step_einsum() -> None:
        torch.backends.opt_einsum.enabled = name == CANDIDATES[1]
        for t in tensors:
            t.grad = None
        torch.einsum(EQUATION, *tensors).sum().backward()

    return step_einsum


@app.command
def memory(name: str, n: int, features: int) -> None:
    """Print by how many MiB a pass of a candidate lets this process grow (used by the benchmark)."""
    make_step(name, 4, features)()
    print(measure_growth_mib(make_step(name, n, features)))


def measure_memory(name: str, n: int, features: int) -> float:
    command = [sys.executable, __file__, "memory", name, str(n), str(features)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@app.default
def main(*, sizes: tuple[int, ...] = (64, 128, 256), features: int = 8, page: Path = PAGE) -> None:
    """Measure every size and write the tables."""
    rows, memory_rows, time_rows = [], [], []
    for n in track(sizes, description="sizes"):
        mib = [measure_memory(name, n, features) for name in CANDIDATES]
        steps = [make_step(name, n, features) for name in CANDIDATES]
        seconds = [median(t) for t in time_in_turns(steps, min_rounds=7 if n <= 128 else 3)]
        for name, m, s in zip(CANDIDATES, mib, seconds, strict=True):
            rows.append([n, name, f"{m:.1f}", f"{m / mib[0]:.1f}", f"{s:.3f}", f"{s / seconds[0]:.2f}"])
        memory_rows.append(make_row(f"{n}, growth of the process", mib, "MiB", "{:,.0f}"))
        time_rows.append(make_row(f"{n}, time", seconds, "s", "{:.2g}"))
    threads = f"{torch.get_num_threads()} threads, torch {torch.__version__}"
    lines = [
        "# The bridge in n^2 memory", "",
        f"`benchmarks/bridge.py`: `{BRIDGE}`, {features} features, forward and backward, {threads}. Memory is the "
        "growth of the process.", "",
        *make_table(["n", "what", "MiB", "of EinPool", "seconds", "of EinPool"], rows),
    ]  # fmt: skip
    section = make_table(["n", "EinNet", "`torch.einsum`", "ratio"], [*memory_rows, *time_rows])
    write_results("bridge", lines, section, page)


def make_row(what: str, values: list[float], unit: str, form: str) -> list[str]:
    own, *peers = bold_best([form.format(v) for v in values], min)
    return [what, f"{own} {unit}", f"{', '.join(peers)} {unit}", ", ".join(f"{v / values[0]:.2g}" for v in values[1:])]


if __name__ == "__main__":
    app()
