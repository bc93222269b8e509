"""`ReferenceNet`: the network of the blog post "Permutation Symmetric Neural Nets from the Ground Up", exactly.

A block is: softmax of each feature over all positions, pooling with plain sums, a two-layer
perceptron. Each block's result is added to the state, but for the last, which is the output.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from einnet.checks import check_count
from einnet.nn.backend import run_upcast, to_channels_first, to_channels_last
from einnet.nn.channels import Linear, format_arguments, reset
from einnet.nn.context import Context, MaskLike
from einnet.nn.inputs import bind_input
from einnet.nn.networks.base import Network
from einnet.nn.networks.config import ReferenceConfig
from einnet.nn.networks.type_map import TypeMap
from einnet.nn.pool import EinPool
from einnet.operations.pooling_set import reference_terms
from einnet.symmetry import Symmetry, as_symmetry
from einnet.terms import Term

__all__ = ["ReferenceBlock", "ReferenceNet"]


class ReferenceBlock(nn.Module):
    """Softmax over all positions, pooling with plain sums, perceptron; no residual of its own.

    Parts and results are in the order of the terms; for `aa`: part 0 unchanged, 1 the diagonal, 2
    transposed, 3 summed over the second axis, 4 times 5, 6 matrix-multiplied with 7.

    >>> import torch
    >>> block = ReferenceBlock("aaH", heads=4, hidden=16, out_features=32)
    >>> block(torch.randn(2, 7, 7, 4 * 8)).shape
    torch.Size([2, 7, 7, 32])
    """

    def __init__(
        self,
        symmetry: Symmetry | str,
        heads: int,
        hidden: int,
        out_features: int,
        terms: Sequence[Term | str] | None = None,
        device: Any = None,
        dtype: Any = None,
    ):
        super().__init__()
        symmetry = as_symmetry(symmetry)
        self.heads, self.hidden = check_count(heads, "heads"), check_count(hidden, "hidden")
        self.out_features = check_count(out_features, "out_features")
        self.pool = EinPool(reference_terms(symmetry) if terms is None else terms, symmetry, normalize=None)
        self.symmetry = self.pool.symmetry
        self.mlp = make_perceptron(
            heads * self.pool.fan_out, hidden, out_features, len(self.symmetry.axes), device=device, dtype=dtype
        )

    def reset_parameters(self) -> None:
        reset(self.mlp)

    def forward(self, x: Tensor, mask: MaskLike | Context = None) -> Tensor:
        rank = len(self.symmetry.axes)
        context = bind_input(self.symmetry, self.heads * self.pool.fan_in, x, mask)
        channels = context.fill(to_channels_first(x, rank), self.symmetry, torch.finfo(x.dtype).min)
        flat = channels.flatten(-rank) if rank else channels.unsqueeze(-1)
        (soft,) = run_upcast(lambda tensors: [tensors[0].softmax(-1)], [flat])
        pooled = self.pool(to_channels_last(soft.reshape(channels.shape), rank), mask=context)
        return context.fill_last(self.mlp(pooled.to(x.dtype)), self.symmetry)

    def extra_repr(self) -> str:
        terms, default = ([str(t) for t in ts] for ts in (self.pool.plan.terms, reference_terms(self.symmetry)))
        widths = {name: (getattr(self, name), None) for name in ("heads", "hidden", "out_features")}
        return format_arguments(str(self.symmetry), **widths, terms=(terms, default))


class ReferenceNet(Network):
    """The network of the blog post: perceptron, blocks; linear maps for inputs and outputs of other types.

    >>> net = ReferenceNet("aaH -> aaH", 25, 50, heads=64, hidden=128, depth=6)
    >>> sum(p.numel() for p in net.parameters())
    701746

    Args:
        hidden: features of each perceptron's hidden layer.
        signature, ...: as of `EinNet`, whose shapes and errors it has too.
    """

    config_class = ReferenceConfig
    config: ReferenceConfig

    def build(self, config: ReferenceConfig, factory: dict[str, Any]) -> None:
        state = self.require_dense_type()
        operations = reference_terms(state, config.order) if config.terms is None else config.terms
        features = config.heads * EinPool(operations, state).fan_in
        widths = [features] * (config.depth - 1) + [config.out_features]
        encode = partial(make_perceptron, hidden=config.hidden, out_features=features, rank=len(state.axes), **factory)
        widths_in = [*config.in_features, *self.marks.widths]
        self.encoder = TypeMap(self.to_state[0], widths_in, features, encode, **factory)
        self.layers = nn.ModuleList(
            ReferenceBlock(state, config.heads, config.hidden, w, operations, **factory) for w in widths
        )
        out = config.out_features
        self.decoder = TypeMap(self.to_output, [out], out, lambda _: nn.Identity(), **factory)

    def run(self, inputs: Sequence[Tensor], context: Context) -> Tensor:
        state = self.encoder(inputs, context)
        for k, block in enumerate(self.layers, start=1):
            if self.config.checkpoint_activations:
                update = checkpoint(block, state, context, use_reentrant=False)
            else:
                update = block(state, context)
            state = state + update if k < len(self.layers) else update
        return self.decoder([state], context)


def make_perceptron(in_features: int, hidden: int, out_features: int, rank: int, **factory: Any) -> nn.Sequential:
    return nn.Sequential(
        Linear(in_features, hidden, rank, **factory), nn.GELU(), Linear(hidden, out_features, rank, **factory)
    )
