"""Products of matrices in other semirings: time and memory compared with those of sums; writes semirings.md.

    .venv/bin/python benchmarks/semirings.py             # a minute of one core

`ab,bc->ac` of n = 256 with 16 features in single precision, through `functional.einsum`, on one thread. Times are the
fastest of the rounds, in which the reductions take turns; memory is what one call allocates at once, with its result.
"""

from pathlib import Path

import torch
from cyclopts import App
from measure import measure_allocated_mib, time_in_turns
from results_page import make_table
from torch import Tensor

from einnet.nn.functional import einsum

REDUCTIONS = ("sum", "logsumexp", "attention", "max", "min", "minmax")
app = App(help=__doc__)


@app.default
def main(*, n: int = 256, features: int = 16, rounds: int = 7) -> None:
    """Measure all reductions."""
    torch.set_num_threads(1)
    x, y, u, v, gradient = (torch.randn(features, n, n).movedim(0, -1) for _ in range(5))
    leaves = [t.requires_grad_() for t in (x, y, u, v)]

    def forward(name: str) -> Tensor:
        return einsum("ab,bc->ac", x, y, reduction=name, values=(u, v) if name == "attention" else None)

    def forward_alone(name: str) -> None:
        with torch.no_grad():
            forward(name)

    def differentiate(name: str) -> None:
        torch.autograd.grad(forward(name), leaves, gradient, allow_unused=True)

    matrices = [torch.randn(features, n, n) for _ in range(2)]
    calls = [lambda: torch.matmul(*matrices)]
    calls += [lambda name=name, run=run: run(name) for name in REDUCTIONS for run in (forward_alone, differentiate)]
    product, *times = (1000 * min(t) for t in time_in_turns(calls, min_rounds=rounds))
    rows = []
    for k, name in enumerate(REDUCTIONS):
        alone, training = times[2 * k], times[2 * k + 1]
        memory = [measure_allocated_mib(lambda run=run, name=name: run(name)) for run in (forward_alone, differentiate)]
        ratios = [f"{alone / product:.1f}", f"{training / times[1]:.1f}"]
        rows.append([name, f"{alone:.1f}", ratios[0], f"{training:.1f}", ratios[1], *(f"{m:.0f}" for m in memory)])
        print(*rows[-1], sep=" | ", flush=True)
    head = [
        "reduction",
        "forward, ms",
        "times torch.matmul",
        "with backward, ms",
        "times sums",
        "MiB",
        "MiB in training",
    ]
    text = [f"n = {n}, {features} features; torch.matmul of contiguous matrices: {product:.1f} ms.", ""]
    page = "\n".join([*text, *make_table(head, rows)]) + "\n"
    Path(__file__).with_suffix(".md").write_text(page, encoding="utf-8")


if __name__ == "__main__":
    app()
