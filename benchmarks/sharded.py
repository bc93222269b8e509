"""One relation over several processes: memory, bytes sent, and training where one process has too little memory.

    .venv/bin/python benchmarks/sharded.py                  # about half an hour on two cores, 12 GB of memory
    .venv/bin/python benchmarks/sharded.py --size 256 --limited-size 128 --limit 1   # smaller
    .venv/bin/python benchmarks/sharded.py sparse           # a sparse relation, printed: a minute

The processes are all on this machine (gloo), with one thread each. Memory: the largest memory of the tensors that a
step of training allocates, of the process that allocates most. Bytes sent: what the processes count, and the cost model
(`einnet.distributed.estimate`). Training with a limit: RLIMIT_DATA of each process, AdamW, 20 steps, the same relation.
"""

import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from cyclopts import App
from measure import measure_allocated_mib
from results_page import make_table
from torch.distributed.device_mesh import init_device_mesh

from einnet import EinNet
from einnet.distributed import estimate, shard, take_block
from einnet.nn import Support
from einnet.nn.sharded.grid import Grid

NETWORK: dict[str, Any] = {"heads": 32, "hidden": 32, "depth": 4}
SPARSE: dict[str, Any] = {"heads": 8, "hidden": 32, "depth": 4}
LIMITED: dict[str, Any] = {"heads": 8, "hidden": 16, "depth": 16}
STEPS = 20
PAGE = Path(__file__).with_suffix(".md")

app = App(help=__doc__)


def parse_shape(text: str) -> tuple[int, int]:
    rows, columns = map(int, text.split("x"))
    return rows, columns


def make_net(
    options: dict[str, Any], shape: tuple[int, int], rank: int, store: str, signature: str = "aaH -> aaH"
) -> tuple[EinNet, Any]:
    """A network, sharded over processes that find each other through a file."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    net = EinNet(signature, 3, 1, **options)
    number = shape[0] * shape[1]
    if number == 1:
        return net, None
    dist.init_process_group("gloo", store=dist.FileStore(store, number), rank=rank, world_size=number)
    mesh = init_device_mesh("cpu", shape)
    return shard(net, mesh), mesh


def make_relation(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    """A random relation, and what is to be learned from it: paths of two edges."""
    x = torch.randn(n, n, 3, generator=torch.Generator().manual_seed(1))
    return x, (x[..., :1].movedim(-1, 0) @ x[..., 1:2].movedim(-1, 0)).movedim(0, -1) / n**0.5


@app.command
def step(shape: str, rank: int, store: str, n: int) -> None:
    """Print the MiB that a step of training allocates, and the bytes sent (used by the benchmark)."""
    net, mesh = make_net(NETWORK, parse_shape(shape), rank, store)
    x, y = make_relation(n)
    if mesh is not None:
        x, y = (take_block(t, "aaH", mesh).clone() for t in (x, y))

    print_step(lambda: (net(x) - y).square().sum().div(n * n).backward(), mesh)


@app.command
def entries(shape: str, rank: int, store: str, n: int, degree: int) -> None:
    """Print the same of a relation with so many entries in each row (used by `sparse`)."""
    net, mesh = make_net(SPARSE, parse_shape(shape), rank, store, "[aa]H -> [aa]H")
    generator = torch.Generator().manual_seed(1)
    pairs = torch.randint(n, (2, n * degree), generator=generator).unique(dim=1)
    x = Support(pairs, (n, n)), torch.randn(pairs.shape[1], 3, generator=generator)
    x = x if mesh is None else take_block(x, "[aa]H", mesh)

    def train() -> None:
        net(x)[1].square().sum().div(pairs.shape[1]).backward()

    train()  # finds what belongs together, which is kept
    print_step(train, mesh)


def print_step(train: Callable[[], None], mesh: Any) -> None:
    sent = Grid.of(mesh).sent if mesh is not None else 0
    mib = measure_allocated_mib(train)
    sent = Grid.of(mesh).sent - sent if mesh is not None else 0
    print(json.dumps({"mib": mib, "sent": sent}))


@app.command
def sparse(*, size: int = 20_000, degree: int = 10) -> None:
    """Print the MiB that a step allocates with a sparse relation, and the MB that a process sends."""
    for shape in ("1x1", "2x2"):
        results = run("entries", shape, size, degree)
        if isinstance(results, str):
            raise SystemExit(f"{shape}: {results}")
        mib, sent = max(p["mib"] for p in results), sum(p["sent"] for p in results) / len(results)
        print(f"{shape}: {mib:,.0f} MiB, {sent / 1e6:,.1f} MB sent")


@app.command
def train(shape: str, rank: int, store: str, n: int, limit: float) -> None:
    """Print the losses of some steps and the peak of the resident memory (used by the benchmark)."""
    if limit:
        resource.setrlimit(resource.RLIMIT_DATA, (int(limit * 2**30),) * 2)
    net, mesh = make_net(LIMITED, parse_shape(shape), rank, store)
    x, y = make_relation(n)
    if mesh is not None:
        x, y = (take_block(t, "aaH", mesh).clone() for t in (x, y))
    optimizer, losses = torch.optim.AdamW(net.parameters(), 1e-3), []
    for _ in range(STEPS):
        loss = (net(x) - y).square().sum() / (n * n)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total = loss.detach().clone()
        if mesh is not None:
            dist.all_reduce(total)
        losses.append(total.item())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    print(json.dumps({"losses": losses, "mib": peak}))


def run(command: str, shape: str, *arguments: Any) -> list[dict[str, Any]] | str:
    """What the processes print, or the last line of an error."""
    rows, columns = parse_shape(shape)
    with tempfile.TemporaryDirectory() as folder:
        processes = [
            subprocess.Popen(
                [sys.executable, __file__, command, shape, str(rank), f"{folder}/store", *map(str, arguments)],
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            )
            for rank in range(rows * columns)
        ]  # fmt: skip
        outputs = [p.communicate() for p in processes]
    if any(p.returncode for p in processes):
        errors = " ".join(err for _, err in outputs)
        is_memory = "allocate memory" in errors or "bad_alloc" in errors or "MemoryError" in errors
        return "out of memory" if is_memory else f"failed: {errors[-2000:]}"
    return [json.loads(out.splitlines()[-1]) for out, _ in outputs]


@app.default
def main(*, size: int = 1024, limited_size: int = 448, limit: float = 3.0, page: Path = PAGE) -> None:
    """Measure and write the page."""
    rows, single = [], 0.0
    for shape in ("1x1", "2x2", "1x4"):
        results = run("step", shape, size)
        if isinstance(results, str):
            raise SystemExit(f"{shape}: {results}")
        mib, sent = max(p["mib"] for p in results), sum(p["sent"] for p in results) / len(results)
        single = single or mib
        cost = estimate(EinNet("aaH -> aaH", 3, 1, **NETWORK), {"a": size}, parse_shape(shape))
        model = f"{cost.memory / 2**20:,.0f}", f"{cost.sent / 1e6:,.1f}"
        rows.append([shape, f"{mib:,.0f}", f"{mib / single:.3f}", model[0], f"{sent / 1e6:,.1f}", model[1]])
        print(*rows[-1], flush=True)
    trained = {
        f"one process, {limit:g} GiB": run("train", "1x1", limited_size, limit),
        f"four processes, {limit:g} GiB each": run("train", "2x2", limited_size, limit),
        "one process, no limit": run("train", "1x1", limited_size, 0),
    }
    last = [*trained.values()][-1]
    if isinstance(last, str):
        raise SystemExit(last)
    expected, train_rows = last[0]["losses"], []
    for name, results in trained.items():
        if isinstance(results, str):
            train_rows.append([name, results, "", "", ""])
            continue
        losses, mib = results[0]["losses"], max(p["mib"] for p in results)
        error = max(abs(a - b) / b for a, b in zip(losses, expected, strict=True))
        train_rows.append([name, f"{mib:,.0f}", f"{losses[0]:.5f}", f"{losses[-1]:.5f}", f"{error:.1e}"])
        print(*train_rows[-1], flush=True)
    network, limited = (", ".join(f"{k} {v}" for k, v in options.items()) for options in (NETWORK, LIMITED))
    lines = [
        "# One relation over several processes", "",
        f"`benchmarks/sharded.py`, torch {torch.__version__}, gloo, one thread for each process.", "",
        f"A step of training of `EinNet('aaH -> aaH')`, {network}, a relation over {size:,} things. Memory is that of "
        "the tensors that are allocated, in the process that allocates most; the cost model has what is kept for the "
        "backward pass. Bytes are those that a process sends, on average.", "",
        *make_table(["mesh", "MiB", "of one process", "MiB kept, by the model", "MB sent", "by the model"], rows), "",
        f"{STEPS} steps of AdamW with {limited}, {limited_size} things. MiB: the peak of the resident memory; the "
        "error is the largest relative difference of a loss from that of one process without a limit.", "",
        *make_table(["what", "MiB", "first loss", "last loss", "error"], train_rows),
    ]  # fmt: skip
    page.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    app()
