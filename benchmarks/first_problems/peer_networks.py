"""The peers' networks with their usual widths and depths: 64 features, two to four layers."""

import torch
from learn import make_mlp
from set_transformer import SetTransformer
from stores import Graph
from torch import Tensor, nn

__all__ = ["AxialTransformer", "BipartiteGine", "DeepSets", "Gine", "NodeGine", "make_set_transformer"]

WIDTH, DEPTH, HEADS = 64, 4, 4
NARROW = 32  # of the axial transformer, which has a vector for each cell of a table: learns more in the same time
SCALE = 16  # about the number of nodes of a graph


class DeepSets(nn.Module):
    """Sum, mean and largest of a perceptron's features of each element, read by a perceptron (Zaheer et al. 2017)."""

    def __init__(self, x: Tensor, mask: Tensor, out_features: int):
        super().__init__()
        self.encoder = make_mlp(x.shape[-1], WIDTH, WIDTH, WIDTH)
        self.decoder = make_mlp(3 * WIDTH, WIDTH, WIDTH, out_features)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        y, present = self.encoder(x), mask.unsqueeze(-1)
        total = (y * present).sum(1)
        largest = y.masked_fill(~present, -torch.inf).amax(1)
        return self.decoder(torch.cat([total / SCALE, total / present.sum(1), largest], 1))


def make_set_transformer(x: Tensor, mask: Tensor, out_features: int) -> SetTransformer:
    return SetTransformer(x.shape[-1], out_features, WIDTH)


class AxialTransformer(nn.Module):
    """Attention over the rows of each column, then over the columns of each row (Ho et al. 2019)."""

    def __init__(self, x: Tensor, rows: Tensor, columns: Tensor, out_features: int):
        super().__init__()
        self.encoder = nn.Linear(x.shape[-1], NARROW)
        self.layers = nn.ModuleList(nn.ModuleList((make_attention(NARROW), make_attention(NARROW))) for _ in range(2))
        self.decoder = make_mlp(NARROW, NARROW, out_features)

    def forward(self, x: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        y = self.encoder(x)
        for over_rows, over_columns in self.layers:
            y = attend(over_rows, y.transpose(1, 2), rows).transpose(1, 2)
            y = attend(over_columns, y, columns)
        mean = (y * rows[..., None, None]).sum(1) / rows.sum(1)[:, None, None]
        return self.decoder(mean[columns])


def attend(layer: nn.Module, x: Tensor, mask: Tensor) -> Tensor:
    """Attention within each list of x, (batch, lists, elements, features)."""
    return layer(x.flatten(0, 1), src_key_padding_mask=~mask.repeat_interleave(x.shape[1], 0)).view_as(x)


def make_attention(width: int) -> nn.Module:
    return nn.TransformerEncoderLayer(width, HEADS, 2 * width, dropout=0.0, batch_first=True, norm_first=True)


class NodeGine(nn.Module):
    """GINE of PyTorch Geometric (Hu et al. 2020) with residuals; a row for each node."""

    def __init__(self, graph: Graph, out_features: int, width: int = WIDTH):
        from torch_geometric.nn import GINEConv

        super().__init__()
        self.encoder, norm = nn.Linear(graph.nodes[0].shape[1], width), nn.BatchNorm1d
        self.layers = nn.ModuleList(
            GINEConv(
                nn.Sequential(nn.Linear(width, 2 * width), norm(2 * width), nn.ReLU(), nn.Linear(2 * width, width)),
                train_eps=True,
                edge_dim=graph.edges.shape[1],
            )
            for _ in range(DEPTH)
        )
        self.norms = nn.ModuleList(norm(width) for _ in self.layers)
        self.decoder = make_mlp(width, width, out_features)

    def encode(self, graph: Graph) -> Tensor:
        x = self.encoder(graph.nodes[0])
        for layer, norm in zip(self.layers, self.norms, strict=True):
            x = x + norm(layer(x, graph.index, graph.edges)).relu()
        return x

    def forward(self, graph: Graph) -> Tensor:
        return self.decoder(self.encode(graph))


class Gine(NodeGine):
    """GINE with the sum over the nodes of each graph; a row for each graph."""

    def forward(self, graph: Graph) -> Tensor:
        x = self.encode(graph)
        return self.decoder(x.new_zeros(graph.number, x.shape[1]).index_add(0, graph.sample, x) / SCALE)


class BipartiteGine(nn.Module):
    """GINE from nodes of one kind to those of the other and back; a row for each node of the first kind."""

    def __init__(self, graph: Graph, out_features: int):
        from torch_geometric.nn import GINEConv

        super().__init__()
        edges = graph.edges.shape[1]

        def make_layer() -> nn.Module:
            return GINEConv(make_mlp(WIDTH, WIDTH, WIDTH), train_eps=True, edge_dim=edges)

        self.encoders = nn.ModuleList(nn.Linear(x.shape[1], WIDTH) for x in graph.nodes)
        self.layers = nn.ModuleList(nn.ModuleList((make_layer(), make_layer())) for _ in range(DEPTH - 1))
        self.norms = nn.ModuleList(nn.ModuleList((nn.BatchNorm1d(WIDTH), nn.BatchNorm1d(WIDTH))) for _ in self.layers)
        self.decoder = make_mlp(WIDTH, WIDTH, out_features)

    def forward(self, graph: Graph) -> Tensor:
        x, y = (encoder(nodes) for encoder, nodes in zip(self.encoders, graph.nodes, strict=True))
        for (to_first, to_second), (norm, other_norm) in zip(self.layers, self.norms, strict=True):
            z = y + other_norm(to_second((x, y), graph.index, graph.edges)).relu()
            x = x + norm(to_first((y, x), graph.index.flip(0), graph.edges)).relu()
            y = z
        return self.decoder(x)
