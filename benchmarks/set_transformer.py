"""The Set Transformer that several benchmarks compare with."""

import torch
from torch import Tensor, nn

__all__ = ["SetTransformer"]

HEADS = 4


class SetTransformer(nn.Module):
    """Two layers of self-attention, then attention of a learned seed (Lee et al. 2019)."""

    def __init__(self, features: int, out_features: int, width: int):
        super().__init__()
        self.encoder = nn.Linear(features, width)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(width, HEADS, 2 * width, dropout=0.0, batch_first=True, norm_first=True)
            for _ in range(2)
        )
        self.seed = nn.Parameter(torch.randn(1, 1, width) / width**0.5)
        self.pool = nn.MultiheadAttention(width, HEADS, batch_first=True)
        self.decoder = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, out_features))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        y = self.encoder(x)
        for layer in self.layers:
            y = layer(y, src_key_padding_mask=~mask)
        pooled, _ = self.pool(self.seed.expand(len(y), -1, -1), y, y, key_padding_mask=~mask, need_weights=False)
        return self.decoder(pooled[:, 0])
