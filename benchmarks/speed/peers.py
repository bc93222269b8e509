"""The layers that EinNet's are compared with, each written in the usual way of its field."""

import torch
from torch import Tensor, nn

from einnet.nn import EinLinear, ReferenceBlock, TriangleMultiplication

__all__ = ["DeepSetsLayer", "Dense15", "PPGNBlock", "PlainTriangle", "Transcription", "TransformerLayer"]


class Transcription(nn.Module):
    """The reference block for `aa` by split, repeat, cat and einsum, with a block's own weights."""

    def __init__(self, block: ReferenceBlock):
        super().__init__()
        self.mlp = block.mlp

    def forward(self, x: Tensor) -> Tensor:
        n, width = x.shape[0], x.shape[-1]
        p = x.flatten(0, 1).softmax(0).reshape(x.shape).split(width // 8, -1)
        diagonal = p[1] * torch.eye(n, dtype=x.dtype, device=x.device)[:, :, None]
        summed = p[3].sum(1, keepdim=True).repeat(1, n, 1)
        product = torch.einsum("abh,bch->ach", p[6], p[7])
        return self.mlp(torch.cat([p[0], diagonal, p[2].transpose(0, 1), summed, p[4] * p[5], product], -1))


class Dense15(nn.Module):
    """The 15 linear maps of `aa`, each as a tensor, concatenated, then one matrix, with the weights of an `EinLinear`.

    Maron et al. 2019, invariant and equivariant graph networks.
    """

    def __init__(self, layer: EinLinear):
        super().__init__()
        self.weight, self.bias = layer.weight, layer.bias

    def forward(self, x: Tensor) -> Tensor:
        n, f = x.shape[0], x.shape[-1]
        eye = torch.eye(n, dtype=x.dtype, device=x.device)[:, :, None]
        diagonal, rows, columns, total = (
            x.diagonal(dim1=0, dim2=1).T,
            x.mean(1),
            x.mean(0),
            x.mean((0, 1)),
        )
        trace = diagonal.mean(0)
        along_rows, along_columns = (1, n, f), (n, 1, f)

        def by_first(v: Tensor) -> Tensor:
            return v.reshape(along_columns).expand(n, n, f)

        def by_second(v: Tensor) -> Tensor:
            return v.reshape(along_rows).expand(n, n, f)

        results = [
            by_first(diagonal) * eye,  # aa->aa
            by_first(diagonal),
            by_second(diagonal),
            trace.expand(n, n, f) * eye,  # aa->bb
            trace.expand(n, n, f),
            by_first(rows) * eye,  # ab->aa
            x,
            by_first(rows),
            x.transpose(0, 1),
            by_first(columns) * eye,  # ab->bb
            by_first(columns),
            by_second(rows),
            by_second(columns),
            total.expand(n, n, f) * eye,  # ab->cc
            total.expand(n, n, f),
        ]
        y = torch.cat(results, -1) @ self.weight.T
        on_diagonal, everywhere = self.bias.T
        return y + on_diagonal * eye + everywhere


class DeepSetsLayer(nn.Module):
    """A linear map of each element and one of the mean (Zaheer et al. 2017), with the weights of an `EinLinear`."""

    def __init__(self, layer: EinLinear):
        super().__init__()
        self.weight, self.bias = layer.weight, layer.bias

    def forward(self, x: Tensor) -> Tensor:
        by_element, by_mean = self.weight.chunk(2, 1)
        return x @ by_element.T + x.mean(0, keepdim=True) @ by_mean.T + self.bias[:, 0]


class PPGNBlock(nn.Module):
    """Two perceptrons, their matrix product, a skip (Maron et al. 2019, provably powerful graph networks)."""

    def __init__(self, features: int):
        super().__init__()
        self.left, self.right = (_make_perceptron(features) for _ in range(2))
        self.skip = nn.Linear(2 * features, features)

    def forward(self, x: Tensor) -> Tensor:
        left, right = (m(x).permute(2, 0, 1) for m in (self.left, self.right))
        return self.skip(torch.cat([x, (left @ right).permute(1, 2, 0)], -1))


def _make_perceptron(features: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(features, features), nn.ReLU(), nn.Linear(features, features), nn.ReLU())


class TransformerLayer(nn.Module):
    """`nn.TransformerEncoderLayer` over all cells as tokens."""

    def __init__(self, features: int):
        super().__init__()
        options = {"dropout": 0.0, "activation": "gelu", "batch_first": True, "norm_first": True}
        self.layer = nn.TransformerEncoderLayer(features, 4, 2 * features, **options)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x.reshape(1, -1, x.shape[-1])).reshape(x.shape)


class PlainTriangle(nn.Module):
    """The triangular multiplicative update, outgoing, one operation after the other, with a layer's own weights.

    Jumper et al. 2021, supplementary algorithm 11.
    """

    def __init__(self, layer: TriangleMultiplication):
        super().__init__()
        self.norm, self.into, self.out = layer.norm, layer.in_proj, layer.out_proj

    def forward(self, z: Tensor) -> Tensor:
        z, linear = self.norm(z), nn.functional.linear
        operands = linear(z, self.into.weight, self.into.bias)
        a, b = (operands * linear(z, self.into.gate_weight, self.into.gate_bias).sigmoid()).chunk(2, -1)
        product = torch.einsum("...ikc,...jkc->...ijc", a, b)
        product = nn.functional.layer_norm(product, product.shape[-1:], self.out.norm_weight, self.out.norm_bias)
        gate = linear(z, self.out.gate_weight, self.out.gate_bias).sigmoid()
        return linear(product, self.out.weight, self.out.bias) * gate
