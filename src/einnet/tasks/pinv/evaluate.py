"""How well the network inverts: errors at several sizes, compared with other methods, and a picture of F(A) A^T."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from rich.table import Table

from einnet.nn import PolynomialNet
from einnet.plots.figures import pyplot, save_figure
from einnet.tasks.pinv.network import TEST, error, inverses, matrices, newton_schulz
from einnet.tasks.report import Results, make_table

__all__ = ["PUBLISHED", "compute_metrics", "measure"]

SIZES = ((6, 12), (8, 16), (12, 24), (16, 32))
PUBLISHED = [  # at 8 x 16, from the blog post "Permutation Symmetric Neural Nets from the Ground Up"
    ("EinNet of the blog post, 1,000 matrices, 10,000 full-batch steps on a GPU", 0.0015),
    ("EinNet of the blog post, 100 matrices", 0.006),
]


def measure(net: PolynomialNet, rows: int, columns: int) -> Results:
    """Errors at several sizes; the picture is of a matrix of rows x columns."""
    metrics = compute_metrics(net)
    draw = partial(_draw_product, net, rows=rows, columns=columns)
    pictures = {"product.png": ("F(A) A^T for a test matrix, and the error by layer", draw)}
    values, products = metrics["sizes"]["8x16"], metrics["products"]
    summary = (
        f"EinNet has error {values['error']:.2g} on fresh 8x16 matrices, Newton-Schulz with as many products "
        f"{values[f'newton-schulz, {products} products']:.2g}, the blog post's EinNet {PUBLISHED[0][1]} (published)."
    )
    return Results(metrics, [_make_table(metrics), summary], pictures)


@torch.no_grad()
def compute_metrics(net: PolynomialNet, sizes: tuple[tuple[int, int], ...] = SIZES) -> dict[str, Any]:
    """Errors on 100 fresh matrices of each size: of the network, and of Newton-Schulz iterations."""
    s = net.config
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
    target = error(inverses(net, a)[-1], a)
    steps = next((k for k in range(1, products // 2) if error(newton_schulz(a, k), a) <= target), None)
    rows["newton-schulz products for this error at 8x16"] = None if steps is None else 2 * steps + 2
    return rows


def _make_table(metrics: Mapping[str, Any]) -> Table:
    """A row for each method, a column for each size; the published rows below."""
    sizes = list(metrics["sizes"])
    title = f"mean |F(A) A^T - I|, 100 fresh matrices of each size; {metrics['parameters']:,} parameters"
    table = make_table(title, ["method"], sizes)
    for method in metrics["sizes"][sizes[0]]:
        name = f"EinNet, {metrics['products']} products" if method == "error" else f"{method} (not learned)"
        cells = [f"{metrics['sizes'][size][method]:.2g}" for size in sizes]
        table.add_row(name, *cells, style="bold" if method == "error" else "")
    for name, value in PUBLISHED:
        table.add_row(name, *(f"{value}" if size == "8x16" else "" for size in sizes))
    return table


@torch.no_grad()
def _draw_product(net: PolynomialNet, picture: Path, rows: int, columns: int) -> None:
    """Draws F(A) A^T after some layers and at the end, and I, for one test matrix; then the errors by layer."""
    a = matrices("test", rows, columns, TEST)
    outputs = inverses(net, a)
    layers = sorted({0, min(2, len(outputs) - 1), len(outputs) - 1})
    figure, panels = pyplot().subplots(1, len(layers) + 2, figsize=(2.5 * (len(layers) + 2), 2.9), layout="constrained")
    small = a[0] if rows <= columns else a[0].mT
    for panel, k in zip(panels, layers, strict=False):
        x = outputs[k][0] if rows <= columns else outputs[k][0].mT
        panel.imshow((x @ small.mT).numpy(), cmap="RdBu", vmin=-1, vmax=1)
        panel.set_title(f"F(A) Aᵀ, layer {k + 1}", fontsize=9)
    panels[-2].imshow(torch.eye(len(small)).numpy(), cmap="RdBu", vmin=-1, vmax=1)
    panels[-2].set_title("I", fontsize=9)
    for panel in panels[:-1]:
        panel.set(xticks=[], yticks=[])
    panels[-1].semilogy(range(1, len(outputs) + 1), [error(x, a) for x in outputs], marker=".")
    panels[-1].set_title("error by layer", fontsize=9)
    save_figure(figure, picture)
