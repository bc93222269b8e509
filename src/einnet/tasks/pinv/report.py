"""What the pinv task shows: errors at several sizes beside other ways, and a picture of F(A) A^T."""

from pathlib import Path
from typing import Any

import torch
from rich.table import Table

from einnet.nn import EinNet
from einnet.plots.figures import pyplot, save_figure
from einnet.tasks.pinv.task import TEST, error, inverses, matrices, newton_schulz

__all__ = ["PUBLISHED", "measured", "product_picture", "results"]

SIZES = ((6, 12), (8, 16), (12, 24), (16, 32))
PUBLISHED = [  # at 8 x 16, from the text that first described these networks
    ("EinNet of the source text, 1,000 matrices, 10,000 full-batch steps on a GPU", 0.0015),
    ("EinNet of the source text, 100 matrices", 0.006),
]


@torch.no_grad()
def measured(net: EinNet, sizes: tuple[tuple[int, int], ...] = SIZES) -> dict[str, Any]:
    """Errors on 100 fresh matrices of each size: of the network, and of Newton-Schulz iterations."""
    s = net.settings
    products = 2 * s.heads * s.depth + 2  # with those of the norm's bound
    rows: dict[str, Any] = {"parameters": sum(p.numel() for p in net.parameters()), "products": products, "sizes": {}}
    for shape in sizes:
        a = matrices("test", *shape, TEST)
        rows["sizes"][f"{shape[0]}x{shape[1]}"] = {
            "error": error(inverses(net, a)[-1], a),
            f"newton-schulz, {s.depth} steps": error(newton_schulz(a, s.depth), a),
            f"newton-schulz, {products} products": error(newton_schulz(a, products // 2 - 1), a),
            "zero": error(0 * a, a),
        }
    a = matrices("test", 8, 16, TEST)
    ours = error(inverses(net, a)[-1], a)
    steps = next((k for k in range(1, products // 2) if error(newton_schulz(a, k), a) <= ours), None)
    rows["newton-schulz products for this error at 8x16"] = None if steps is None else 2 * steps + 2
    return rows


def results(metrics: dict[str, Any]) -> Table:
    """A row for each way, a column for each size; the published rows below."""
    sizes = list(metrics["sizes"])
    table = Table(
        title=f"mean |F(A) A^T - I|, 100 fresh matrices of each size; {metrics['parameters']:,} parameters",
        title_justify="left",
    )
    table.add_column("way")
    for size in sizes:
        table.add_column(size, justify="right")
    ways = list(metrics["sizes"][sizes[0]])
    for way in ways:
        name = f"EinNet, {metrics['products']} products" if way == "error" else f"{way} (not learned)"
        cells = [f"{metrics['sizes'][size][way]:.2g}" for size in sizes]
        table.add_row(name, *cells, style="bold" if way == "error" else "")
    for name, value in PUBLISHED:
        table.add_row(name, *(f"{value}" if size == "8x16" else "" for size in sizes))
    return table


@torch.no_grad()
def product_picture(net: EinNet, picture: Path, rows: int, columns: int) -> None:
    """Draws F(A) A^T after some layers and at the end, beside I, for one test matrix; then the errors by layer."""
    a = matrices("test", rows, columns, TEST)
    outputs = inverses(net, a)
    plt = pyplot()
    shown = sorted({0, min(2, len(outputs) - 1), len(outputs) - 1})
    figure, panels = plt.subplots(1, len(shown) + 2, figsize=(2.5 * (len(shown) + 2), 2.9), layout="constrained")
    small = a[0] if rows <= columns else a[0].mT
    for panel, k in zip(panels, shown, strict=False):
        x = outputs[k][0] if rows <= columns else outputs[k][0].mT
        panel.imshow((x @ small.mT).numpy(), cmap="RdBu", vmin=-1, vmax=1)
        panel.set_title(f"F(A) Aᵀ, layer {k + 1}", fontsize=9)
    panels[-2].imshow(torch.eye(len(small)).numpy(), cmap="RdBu", vmin=-1, vmax=1)
    panels[-2].set_title("I", fontsize=9)
    for panel in panels[:-1]:
        panel.set(xticks=[], yticks=[])
    layers = range(1, len(outputs) + 1)
    panels[-1].semilogy(layers, [error(x, a) for x in outputs], marker=".")
    panels[-1].set_title("error by layer", fontsize=9)
    save_figure(figure, picture)
    plt.close(figure)
