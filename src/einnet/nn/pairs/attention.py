"""`TriangleAttention`: each edge attends to the edges that share one of its ends."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from einnet.checks import check_choice, check_count, check_flag
from einnet.nn.channels import format_arguments, reset
from einnet.nn.context import Context, MaskLike
from einnet.nn.inputs import bind_input, check_dtype, dtype_of
from einnet.nn.looped import is_in_transform
from einnet.nn.pairs.multiplication import PAIRS

__all__ = ["TriangleAttention"]

ENDS = ("starting", "ending")


class TriangleAttention(nn.Module):
    """For each edge (a, b), a mean of the edges (a, c) with the weights softmax_c(<q_ab, k_ac> + t_bc), gated.

    >>> import torch
    >>> layer = TriangleAttention("starting", features=32, heads=2, head_features=8)
    >>> layer(torch.randn(2, 7, 7, 32)).shape
    torch.Size([2, 7, 7, 32])

    The third edge (b, c) of the triangle is a bias t of the logits, the same for all a. "ending" is the same for the
    transposed state: (a, b) attends to the edges (c, b), and t_ca is the bias.

    The scalar product <q_ab, k_ac> depends on three elements, so these weights are no sum of logits of pairs: the
    reduction "attention" of `EinPool` with the term `ac,bc->ab`, which needs n^2 memory, is the case without it.

    Args:
        end: "starting" or "ending", the end that edges share.
        features: of the input and of the output.
        heads, head_features: the number of heads, and the features of each.
        bias: whether the gate and the output projection have biases, as in AlphaFold 2.
        chunks: in how many parts of the rows the attention is computed; with more than one each is computed again in
            the backward pass, so that heads * n^3 / chunks logits are in memory where no fused kernel serves.
        device, dtype: of the parameters.

    Submodules: `norm`; `in_proj`, to queries, keys and values; `pair_bias`; `gate`; `out_proj`, which begins at zero.

    Shapes: (batch..., n, n, features) to the same; `mask` as of `TriangleMultiplication`.

    Source: Jumper et al. 2021, supplementary algorithms 13 and 14.
    """

    def __init__(
        self,
        end: str,
        features: int = 128,
        heads: int = 4,
        head_features: int = 32,
        *,
        bias: bool = True,
        chunks: int = 1,
        device: Any = None,
        dtype: Any = None,
    ):
        super().__init__()
        self.end = check_choice(end, "end", ENDS)
        self.features, self.heads = check_count(features, "features"), check_count(heads, "heads")
        self.head_features, self.chunks = check_count(head_features, "head_features"), check_count(chunks, "chunks")
        factory, width = {"device": device, "dtype": dtype}, self.heads * self.head_features
        self.norm = nn.LayerNorm(self.features, **factory)
        self.in_proj = nn.Linear(self.features, 3 * width, bias=False, **factory)
        self.pair_bias = nn.Linear(self.features, self.heads, bias=False, **factory)
        self.gate = nn.Linear(self.features, width, bias=check_flag(bias, "bias"), **factory)
        self.out_proj = nn.Linear(width, self.features, bias=bias, **factory)
        self._arguments = {
            "features": (self.features, 128),
            "heads": (self.heads, 4),
            "head_features": (self.head_features, 32),
            "bias": (bias, True),
            "chunks": (self.chunks, 1),
        }
        self._init_weights()

    def reset_parameters(self) -> None:
        """New weights, as when the layer was made: its update is zero."""
        for module in self.children():
            reset(module)
        self._init_weights()

    def _init_weights(self) -> None:
        """Other weights than those that a new `nn.Linear` has."""
        for part in self.in_proj.weight.detach().chunk(3):
            nn.init.xavier_uniform_(part)
        nn.init.kaiming_normal_(self.pair_bias.weight, nonlinearity="linear")
        nn.init.zeros_(self.gate.weight)
        nn.init.zeros_(self.out_proj.weight)
        if self.gate.bias is not None and self.out_proj.bias is not None:
            nn.init.ones_(self.gate.bias)
            nn.init.zeros_(self.out_proj.bias)

    def forward(self, input: Tensor, mask: MaskLike | Context = None) -> Tensor:
        context = bind_input(PAIRS, self.features, input, mask)
        check_dtype([input], dtype_of(self), [input])
        cells = context.cells(PAIRS)
        cells = None if cells is None else cells.expand(input.shape[:-1])
        x = context.fill_last(input, PAIRS)
        if self.end == "ending":
            x, cells = x.transpose(-3, -2), None if cells is None else cells.mT
        x = self.norm(x)
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(-3, -2) for part in self.in_proj(x).chunk(3, -1))
        bias = self.pair_bias(x)
        bias = bias if cells is None else bias * cells.unsqueeze(-1).to(bias.dtype)
        logits = bias.movedim(-1, -3).unsqueeze(-4)  # (batch..., 1, heads, n, n)
        attended = self._attend(q, k, v, logits, cells).transpose(-3, -2).flatten(-2)
        y = self.out_proj(attended * self.gate(x).sigmoid())
        if cells is not None:
            y = y * cells.unsqueeze(-1).to(y.dtype)
        return y.transpose(-3, -2) if self.end == "ending" else y

    def _attend(self, q: Tensor, k: Tensor, v: Tensor, logits: Tensor, cells: Tensor | None) -> Tensor:
        """The attention of (batch..., rows, heads, n, head_features), some rows at a time."""
        axis = -4
        if self.chunks == 1:
            return attend(q, k, v, logits, cells)
        parts = [x.tensor_split(self.chunks, axis) for x in (q, k, v)]
        masks = [None] * self.chunks if cells is None else cells.tensor_split(self.chunks, -2)
        return torch.cat(
            [
                checkpoint(attend, *part, logits, own, use_reentrant=False)
                for *part, own in zip(*parts, masks, strict=True)
            ],
            axis,
        )

    def extra_repr(self) -> str:
        return format_arguments(self.end, **self._arguments)


def attend(q: Tensor, k: Tensor, v: Tensor, logits: Tensor, cells: Tensor | None) -> Tensor:
    """Attention within each row; `cells`, (batch..., rows, n), says which keys are present."""
    bias = logits.to(q.dtype)
    if cells is not None:  # finite, as a row without keys has no queries either: its results are set to zero
        bias = bias + torch.zeros_like(cells, dtype=q.dtype).masked_fill(~cells, -1e4)[..., None, None, :]
    if not torch.compiler.is_compiling() and is_in_transform():  # of which fused kernels know nothing
        return (q @ k.mT * q.shape[-1] ** -0.5 + bias).softmax(-1) @ v
    batch = q.shape[:-3]
    bias = bias.expand(*batch, *bias.shape[-3:])
    flat = [x.reshape(batch.numel(), *x.shape[-3:]) for x in (q, k, v, bias)]
    return nn.functional.scaled_dot_product_attention(*flat[:3], attn_mask=flat[3]).unflatten(0, batch)
