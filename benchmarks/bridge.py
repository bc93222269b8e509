"""Peak memory and time of the bridge `ab,ac,bc,bd,cd->ad` beside torch.einsum; writes benchmarks/bridge.md.

    .venv/bin/python benchmarks/bridge.py                   # two minutes
    .venv/bin/python benchmarks/bridge.py --sizes 64 128

Forward and backward, single precision, all threads. Times: all in one process, the contestants in
turn, medians. Memory: a process for each, the growth of its resident set from before to the peak.
Each gets the layout that it likes: torch.einsum five contiguous tensors (features, n, n), EinPool one
tensor (n, n, 5 * features).
"""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch
from cyclopts import App
from rich.progress import track

from einnet import EinPool
from einnet.files import write_whole

BRIDGE = "ab,ac,bc,bd,cd->ad"
EQUATION = ",".join("h" + t for t in BRIDGE.partition("->")[0].split(",")) + "->had"
CONTESTANTS = ("EinPool", "einsum with opt_einsum", "einsum without")

app = App(help=__doc__)


def step(name: str, n: int, features: int) -> Callable[[], None]:
    """One forward and backward pass on tensors made here."""
    torch.manual_seed(0)
    if name == "EinPool":
        pool = EinPool([BRIDGE], "aaH", scale="sum")
        x = torch.randn(n, n, 5 * features, requires_grad=True)

        def ours() -> None:
            x.grad = None
            pool(x).sum().backward()

        return ours
    tensors = [torch.randn(features, n, n, requires_grad=True) for _ in range(5)]

    def theirs() -> None:
        torch.backends.opt_einsum.enabled = name == CONTESTANTS[1]
        for t in tensors:
            t.grad = None
        torch.einsum(EQUATION, *tensors).sum().backward()

    return theirs


@app.command
def memory(name: str, n: int, features: int) -> None:
    """Print by how many MiB one pass of a contestant lets this process grow (used by the benchmark)."""
    step(name, 4, features)()
    one = step(name, n, features)
    Path("/proc/self/clear_refs").write_text("5")  # the peak from here on
    before = resident("VmRSS")
    one()
    print((resident("VmHWM") - before) / 1024)


def resident(name: str) -> int:
    """A number of KiB from what Linux says of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))


def grown(name: str, n: int, features: int) -> float:
    command = [sys.executable, __file__, "memory", name, str(n), str(features)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def times(n: int, features: int, repeats: int) -> list[float]:
    """Median seconds of each contestant."""
    steps = [step(name, n, features) for name in CONTESTANTS]
    found: list[list[float]] = [[] for _ in steps]
    for k in range(repeats + 1):
        for one, seconds in zip(steps, found, strict=True):
            start = time.perf_counter()
            one()
            if k:  # the first pass warms up
                seconds.append(time.perf_counter() - start)
    return [median(s) for s in found]


@app.default
def main(
    *, sizes: tuple[int, ...] = (64, 128, 256), features: int = 8, out: Path = Path("benchmarks/bridge.md")
) -> None:
    """Measure every size and write the table."""
    lines = [
        "# The bridge in n^2 memory", "",
        f"`benchmarks/bridge.py`: `{BRIDGE}`, {features} features, forward and backward, "
        f"{torch.get_num_threads()} threads, torch {torch.__version__}. Memory is the growth of the process.", "",
        "| n | what | MiB | of EinPool | seconds | of EinPool |", "|---|---|---|---|---|---|",
    ]  # fmt: skip
    for n in track(sizes, description="sizes"):
        used = [grown(name, n, features) for name in CONTESTANTS]
        took = times(n, features, repeats=7 if n <= 128 else 3)
        for name, mib, seconds in zip(CONTESTANTS, used, took, strict=True):
            cells = [str(n), name, f"{mib:.1f}", f"{mib / used[0]:.1f}", f"{seconds:.3f}", f"{seconds / took[0]:.2f}"]
            lines.append("| " + " | ".join(cells) + " |")
    with write_whole(out) as temporary:
        temporary.write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    app()
