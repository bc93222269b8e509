"""What training depends on, by short runs: the figures of docs/how-to/train-well.md.

    OMP_NUM_THREADS=1 .venv/bin/python benchmarks/train_well.py [rate | sums | depth | size]     # 40 to 60 s each

Every row is one network with a budget of processor seconds, on fresh examples, AdamW with a linear decay.
"""

import sys
import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, mse_loss

from einnet import EinNet

Draw = Callable[[torch.Generator, int, int], tuple[Tensor, Tensor]]  # generator, batch, size: inputs, targets


def draw_median(generator: torch.Generator, batch: int, size: int) -> tuple[Tensor, Tensor]:
    """The median of normal numbers (the size is odd)."""
    x = torch.randn(batch, size, 1, generator=generator)
    return x, x.median(1).values


def draw_spread(generator: torch.Generator, batch: int, size: int) -> tuple[Tensor, Tensor]:
    """The standard deviation of numbers of a random scale and place."""
    scale, place = (torch.randn(batch, 1, 1, generator=generator) for _ in range(2))
    x = torch.randn(batch, size, 1, generator=generator) * scale + place
    return x, x.std(1, correction=0)


def draw_share(generator: torch.Generator, batch: int, size: int) -> tuple[Tensor, Tensor]:
    """How many of the numbers are above 1; as a share, so that its scale does not depend on the size."""
    x = torch.randn(batch, size, 1, generator=generator)
    return x, (x > 1).float().mean(1)


def draw_reachable(generator: torch.Generator, batch: int, size: int, steps: int = 8) -> tuple[Tensor, Tensor]:
    """Which elements are reached from which in at most so many steps; each has one arrow to another."""
    adjacent = torch.eye(size)[torch.randint(size, (batch, size), generator=generator)]
    reached = torch.eye(size).expand(batch, -1, -1)
    for _ in range(steps):
        reached = ((reached + reached @ adjacent) > 0).float()
    return adjacent.unsqueeze(-1), reached.unsqueeze(-1)


def train(net: EinNet, draw: Draw, sizes: tuple[int, ...], seconds: float, lr: float, batch: int, loss=mse_loss) -> int:
    """Trains for so many processor seconds; returns the number of steps."""
    generator, optimizer = torch.Generator().manual_seed(1), torch.optim.AdamW(net.parameters(), lr, weight_decay=0.01)
    start, share, step = time.process_time(), 0.0, 0
    while share < 1:
        optimizer.param_groups[0]["lr"] = lr * min((step + 1) / 20, 1 - share)
        x, y = draw(generator, batch, sizes[step % len(sizes)])
        optimizer.zero_grad()
        loss(net(x), y).backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        share, step = (time.process_time() - start) / seconds, step + 1
    net.eval()
    return step


@torch.no_grad()
def measure(net: EinNet, draw: Draw, size: int) -> float:
    """The root mean square error on 500 fresh examples, over that of their mean."""
    x, y = draw(torch.Generator().manual_seed(2), 500, size)
    return float((net(x) - y).square().mean().sqrt() / y.std())


def make_net(signature: str, **options) -> EinNet:
    torch.manual_seed(0)
    return EinNet(signature, 1, 1, **{"heads": 8, "hidden": 32, "depth": 2, **options})


def compare_rates() -> None:
    for lr in (1e-3, 3e-3, 1e-2, 3e-2):
        net = make_net("aH -> H")
        steps = train(net, draw_median, (5, 9, 15, 25), 8, lr, 64)
        print(f"median, lr {lr:g}: error {measure(net, draw_median, 15):.3f}, {steps} steps", flush=True)


def compare_sums() -> None:
    for name, draw in (("spread", draw_spread), ("share above 1", draw_share)):
        for normalize in ("size", None):
            net = make_net("aH -> H", normalize=normalize)
            train(net, draw, (10,), 8, 1e-2, 64)
            errors = "  ".join(f"{size}: {measure(net, draw, size):.3f}" for size in (10, 40, 160))
            print(f"{name}, normalize={normalize!r}: error at sizes {errors}", flush=True)


def compare_depths() -> None:
    for depth in (1, 2, 3, 4):
        net = make_net("aaH -> aaH", depth=depth)
        steps = train(net, draw_reachable, (12,), 15, 1e-2, 16, binary_cross_entropy_with_logits)
        x, y = draw_reachable(torch.Generator().manual_seed(2), 200, 12)
        with torch.no_grad():
            wrong = float(((net(x) > 0) != (y > 0.5)).float().mean())
        print(f"reachable in 8 steps, depth {depth}: {wrong:.2%} of the pairs wrong, {steps} steps", flush=True)


def compare_sizes() -> None:
    for hidden, heads in ((16, 8), (64, 16)):
        for batch in (16, 256):
            net = make_net("aH -> H", hidden=hidden, heads=heads)
            steps = train(net, draw_median, (5, 9, 15, 25), 8, 1e-2, batch)
            error = measure(net, draw_median, 15)
            print(
                f"median, hidden {hidden}, heads {heads}, batch {batch}: error {error:.3f}, {steps} steps", flush=True
            )


if __name__ == "__main__":
    torch.set_num_threads(1)
    parts = {"rate": compare_rates, "sums": compare_sums, "depth": compare_depths, "size": compare_sizes}
    for name in sys.argv[1:] or parts:
        parts[name]()
