"""The networks of benchmarks/algorithms.py: EinNet in several semirings, and peers of their usual widths."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from einnet import EinNet
from einnet.nn.functional import einsum

__all__ = ["NETWORKS"]

WIDTH, DEPTH, HEADS = 32, 4, 4
PATHS = 8  # features of the network of hard minima
ROUNDS = 6  # of it: paths of 64 edges
MIX = {"sum": 4, "max": 4, "min": 4}


class Relations(nn.Module):
    """`EinNet` on nodes and pairs."""

    def __init__(self, output: str, **options):
        super().__init__()
        self.net = EinNet(f"aH, aaH -> {output}H", (2, 2), 1, hidden=WIDTH, depth=DEPTH, **options)

    def forward(self, nodes: Tensor, pairs: Tensor) -> Tensor:
        return self.net(nodes, pairs)[..., 0]


class HardMinima(nn.Module):
    """Linear maps and products with minima: the state becomes the smaller of itself and min_b (x_ab + y_bc).

    x and y are linear maps of the state that begin near the identity. All is piecewise linear, and with weights twice
    as large the outputs are: what holds for small graphs holds for large ones.
    """

    def __init__(self, output: str, reduction: str = "min"):
        super().__init__()
        self.reduction = reduction
        self.encoder = nn.Parameter(1 + torch.randn(PATHS) / 4)
        self.left, self.right, self.own = (nn.Parameter(near_identity(PATHS)) for _ in range(3))
        self.decoder = nn.Parameter((1 + torch.randn(PATHS) / 4) / PATHS)
        self.bias = nn.Parameter(torch.zeros(())) if reduction == "minmax" else None  # of a yes or no

    def forward(self, nodes: Tensor, pairs: Tensor) -> Tensor:
        x = pairs[..., :1] * self.encoder
        for _ in range(ROUNDS):
            y = einsum("ab,bc->ac", x @ self.left, x @ self.right, reduction=self.reduction)
            x = torch.minimum(x @ self.own, y)
        return x @ self.decoder if self.bias is None else x @ self.decoder + self.bias


def near_identity(n: int) -> Tensor:
    return torch.eye(n) + torch.randn(n, n) * 0.1 / n


class Readout(nn.Module):
    """From states of nodes and features of pairs to the output, by perceptrons."""

    def __init__(self, output: str):
        super().__init__()
        self.output = output
        features = 2 * WIDTH + 2 if output == "aa" else WIDTH
        self.mlp = make_mlp(features, 2 * WIDTH, 1)

    def forward(self, x: Tensor, pairs: Tensor) -> Tensor:
        if self.output == "aa":
            n = x.shape[1]
            x = torch.cat([x[:, :, None].expand(-1, -1, n, -1), x[:, None].expand(-1, n, -1, -1), pairs], -1)
        elif not self.output:
            x = x.mean(1)
        return self.mlp(x)[..., 0]


class Transformer(nn.Module):
    """Attention over the nodes, with a bias for each pair and head from the pair's features (Ying et al. 2021)."""

    def __init__(self, output: str):
        super().__init__()
        self.encoder = nn.Linear(2, WIDTH)
        self.biases = nn.ModuleList(make_mlp(2, WIDTH, HEADS) for _ in range(DEPTH))
        self.norms = nn.ModuleList(nn.LayerNorm(WIDTH) for _ in range(2 * DEPTH))
        self.queries = nn.ModuleList(nn.Linear(WIDTH, 3 * WIDTH) for _ in range(DEPTH))
        self.outputs = nn.ModuleList(nn.Linear(WIDTH, WIDTH) for _ in range(DEPTH))
        self.mlps = nn.ModuleList(make_mlp(WIDTH, 4 * WIDTH, WIDTH) for _ in range(DEPTH))
        self.readout = Readout(output)

    def forward(self, nodes: Tensor, pairs: Tensor) -> Tensor:
        x = self.encoder(nodes) + 0.1 * torch.randn(*nodes.shape[:2], WIDTH)  # names, so that nodes are told apart
        for k in range(DEPTH):
            q, v, z = self.queries[k](self.norms[2 * k](x)).unflatten(-1, (3, HEADS, -1)).movedim(-2, 1).unbind(3)
            bias = self.biases[k](pairs).movedim(-1, 1)
            y = nn.functional.scaled_dot_product_attention(q, v, z, bias)
            x = x + self.outputs[k](y.movedim(1, 2).flatten(2))
            x = x + self.mlps[k](self.norms[2 * k + 1](x))
        return self.readout(x, pairs)


class MessagePassing(nn.Module):
    """Layers of PyTorch Geometric on the pairs with an edge, with residuals; random names of the nodes."""

    def __init__(self, output: str, make_layer: Callable[[], nn.Module]):
        super().__init__()
        self.encoder = nn.Linear(2, WIDTH)
        self.layers = nn.ModuleList(make_layer() for _ in range(DEPTH))
        self.norms = nn.ModuleList(nn.LayerNorm(WIDTH) for _ in range(DEPTH))
        self.readout = Readout(output)

    def forward(self, nodes: Tensor, pairs: Tensor) -> Tensor:
        samples, n = nodes.shape[:2]
        place = pairs[..., 1].nonzero()
        index = torch.stack([place[:, 0] * n + place[:, 1], place[:, 0] * n + place[:, 2]])
        edges = pairs[tuple(place.T)]
        x = (self.encoder(nodes) + 0.1 * torch.randn(samples, n, WIDTH)).flatten(0, 1)
        for layer, norm in zip(self.layers, self.norms, strict=True):
            x = x + layer(norm(x), index, edges).relu()
        return self.readout(x.unflatten(0, (samples, n)), pairs)


class Ppgn(nn.Module):
    """Matrix products of perceptrons of the pairs (Maron et al. 2019)."""

    def __init__(self, output: str):
        super().__init__()
        self.output = output
        self.encoder = nn.Linear(6, WIDTH)
        self.factors = nn.ModuleList(make_mlp(WIDTH, WIDTH, 2 * WIDTH) for _ in range(DEPTH))
        self.skips = nn.ModuleList(nn.Linear(2 * WIDTH, WIDTH) for _ in range(DEPTH))
        self.norms = nn.ModuleList(nn.LayerNorm(WIDTH) for _ in range(DEPTH))
        self.readout = make_mlp(2 * WIDTH if output != "aa" else WIDTH, WIDTH, 1)

    def forward(self, nodes: Tensor, pairs: Tensor) -> Tensor:
        n = nodes.shape[1]
        x = torch.cat([nodes[:, :, None].expand(-1, -1, n, -1), nodes[:, None].expand(-1, n, -1, -1), pairs], -1)
        x = self.encoder(x)
        for factor, skip, norm in zip(self.factors, self.skips, self.norms, strict=True):
            left, right = factor(norm(x)).movedim(-1, 1).chunk(2, 1)
            product = (left @ right / n).movedim(1, -1)
            x = x + skip(torch.cat([x, product], -1)).relu()
        if self.output != "aa":
            x = torch.cat([x.diagonal(0, 1, 2).movedim(-1, 1), x.mean(2)], -1)
            x = x if self.output else x.mean(1)
        return self.readout(x)[..., 0]


def make_mlp(features: int, width: int, out: int) -> nn.Module:
    return nn.Sequential(nn.Linear(features, width), nn.ReLU(), nn.Linear(width, out))


def make_gin(output: str) -> nn.Module:
    from torch_geometric.nn import GINEConv

    return MessagePassing(output, lambda: GINEConv(make_mlp(WIDTH, 2 * WIDTH, WIDTH), train_eps=True, edge_dim=2))


def make_gat(output: str) -> nn.Module:
    from torch_geometric.nn import GATv2Conv

    return MessagePassing(output, lambda: GATv2Conv(WIDTH, WIDTH // HEADS, HEADS, edge_dim=2))


NETWORKS: dict[str, tuple[Callable[[str], nn.Module], float]] = {  # with the learning rate
    "hard minima": (HardMinima, 3e-3),
    "hard minmax": (lambda output: HardMinima(output, "minmax"), 1e-2),
    "EinNet, sums, maxima, minima": (lambda output: Relations(output, reduction=MIX), 3e-3),
    "EinNet, minima without norm": (
        lambda output: Relations(output, reduction="min", heads=8, norm=None, activation="relu"), 3e-3,
    ),
    "EinNet, logsumexp": (lambda output: Relations(output, reduction={"sum": 4, "logsumexp": 4}), 3e-3),
    "EinNet, sums": (lambda output: Relations(output), 3e-3),
    "transformer": (Transformer, 2e-3),
    "GIN": (make_gin, 2e-3),
    "GAT": (make_gat, 2e-3),
    "PPGN": (Ppgn, 2e-3),
}  # fmt: skip
