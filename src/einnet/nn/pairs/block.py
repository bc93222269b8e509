"""`PairBlock`: one block of a network of pair states; `PairTransition`: its perceptron."""

from typing import Any

import torch
from torch import Tensor, nn

from einnet.checks import check_choice, check_count, check_flag, check_real
from einnet.nn.channels import format_arguments, make_dropout, reset
from einnet.nn.context import Context, MaskLike
from einnet.nn.inputs import bind_input, check_dtype, dtype_of
from einnet.nn.pairs.attention import TriangleAttention
from einnet.nn.pairs.multiplication import PAIRS, TriangleMultiplication

__all__ = ["PairBlock", "PairTransition"]


class SwiGLU(nn.Module):
    """silu(x) y, where x and y are the halves of the features."""

    def forward(self, input: Tensor) -> Tensor:
        x, y = input.chunk(2, -1)
        return nn.functional.silu(x) * y


ACTIVATIONS = {"relu": (nn.ReLU, 1), "swiglu": (SwiGLU, 2)}  # with the features that they take for each that they give


class PairTransition(nn.Module):
    """A norm and a perceptron of each cell.

    >>> import torch
    >>> PairTransition(features=32)(torch.randn(2, 7, 7, 32)).shape
    torch.Size([2, 7, 7, 32])

    Args:
        features: of the input and of the output.
        expansion: the hidden features, as a multiple of `features`.
        activation: "relu" as in AlphaFold 2, "swiglu" as in AlphaFold 3 and Boltz.
        bias: whether the maps have biases.
        device, dtype: of the parameters.

    Submodules: `norm`, `in_proj`, `activation`, `out_proj`, which begins at zero.

    Source: Jumper et al. 2021, supplementary algorithm 15; Abramson et al. 2024, supplementary algorithm 11.
    """

    def __init__(
        self,
        features: int = 128,
        expansion: int = 4,
        *,
        activation: str = "relu",
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ):
        super().__init__()
        self.features, self.expansion = check_count(features, "features"), check_count(expansion, "expansion")
        make, width = ACTIVATIONS[check_choice(activation, "activation", ACTIVATIONS)]
        factory, hidden = {"device": device, "dtype": dtype}, self.features * self.expansion
        self.norm = nn.LayerNorm(self.features, **factory)
        self.in_proj = nn.Linear(self.features, width * hidden, bias=check_flag(bias, "bias"), **factory)
        self.activation = make()
        self.out_proj = nn.Linear(hidden, self.features, bias=bias, **factory)
        self._arguments = {
            "features": (self.features, 128),
            "expansion": (self.expansion, 4),
            "activation": (activation, "relu"),
            "bias": (bias, True),
        }
        self._init_weights()

    def reset_parameters(self) -> None:
        """New weights, as when the layer was made: its update is zero."""
        for module in (self.norm, self.in_proj, self.out_proj):
            module.reset_parameters()
        self._init_weights()

    def _init_weights(self) -> None:
        """Other weights than those that a new `nn.Linear` has."""
        nn.init.kaiming_normal_(self.in_proj.weight, nonlinearity="relu")
        nn.init.zeros_(self.out_proj.weight)
        for bias in (self.in_proj.bias, self.out_proj.bias):
            if bias is not None:
                nn.init.zeros_(bias)

    def forward(self, input: Tensor, mask: MaskLike | Context = None) -> Tensor:
        context = bind_input(PAIRS, self.features, input, mask)
        check_dtype([input], dtype_of(self), [input])
        y = self.out_proj(self.activation(self.in_proj(self.norm(context.fill_last(input, PAIRS)))))
        return context.clear(y, PAIRS, -1)

    def extra_repr(self) -> str:
        return format_arguments(**self._arguments)


class PairBlock(nn.Module):
    """The part of a block of AlphaFold's networks that concerns the pair state.

    >>> import torch
    >>> block = PairBlock(features=32, heads=2, head_features=8)
    >>> present = torch.tensor([True] * 5 + [False] * 2)
    >>> block(torch.randn(7, 7, 32), present).shape
    torch.Size([7, 7, 32])

    Triangle multiplication, outgoing and incoming; triangle attention around the starting and the ending node; a
    transition. Each is added to the state; a new block is the identity.

    Args:
        features, hidden: of the state, and of the operands of the triangle multiplication.
        heads, head_features: of the attention.
        expansion, activation: of the transition.
        bias: whether the maps have biases.
        dropout: of updates, for whole columns of the state (rows, around the ending node), while training.
        chunks: see `TriangleAttention`.
        device, dtype: of the parameters.

    Submodules: `outgoing`, `incoming`, `starting`, `ending`, `transition`, `dropout`.

    Shapes: (batch..., n, n, features) to the same; `mask` as of `TriangleMultiplication`; masked cells stay zero.

    Source: Jumper et al. 2021, supplementary algorithm 6, lines 6 to 10.
    """

    def __init__(
        self,
        features: int = 128,
        hidden: int | None = None,
        heads: int = 4,
        head_features: int = 32,
        *,
        expansion: int = 4,
        activation: str = "relu",
        bias: bool = True,
        dropout: float = 0.25,
        chunks: int = 1,
        device: Any = None,
        dtype: Any = None,
    ):
        super().__init__()
        options: dict[str, Any] = {"bias": bias, "device": device, "dtype": dtype}
        self.features = check_count(features, "features")
        self.outgoing = TriangleMultiplication("outgoing", features, hidden, **options)
        self.incoming = TriangleMultiplication("incoming", features, hidden, **options)
        self.starting = TriangleAttention("starting", features, heads, head_features, chunks=chunks, **options)
        self.ending = TriangleAttention("ending", features, heads, head_features, chunks=chunks, **options)
        self.transition = PairTransition(features, expansion, activation=activation, **options)
        self.dropout = make_dropout(check_real(dropout, "dropout", below=1))
        self._arguments = {
            "features": (self.features, 128),
            "hidden": (self.outgoing.hidden, self.features),
            "heads": (self.starting.heads, 4),
            "head_features": (self.starting.head_features, 32),
            "expansion": (self.transition.expansion, 4),
            "activation": (activation, "relu"),
            "bias": (bias, True),
            "dropout": (dropout, 0.25),
            "chunks": (self.starting.chunks, 1),
        }

    def reset_parameters(self) -> None:
        """New weights, as when the block was made: it is the identity."""
        for module in self.children():
            reset(module)

    def forward(self, input: Tensor, mask: MaskLike | Context = None) -> Tensor:
        context = bind_input(PAIRS, self.features, input, mask)
        check_dtype([input], dtype_of(self), [input])
        state = context.fill_last(input, PAIRS)
        for layer, shared in ((self.outgoing, -3), (self.incoming, -3), (self.starting, -3), (self.ending, -2)):
            state = state + self._drop(layer(state, context), shared)
        return state + self.transition(state, context)

    def _drop(self, update: Tensor, axis: int) -> Tensor:
        """The update, of which the same values are dropped along an axis."""
        if isinstance(self.dropout, nn.Identity) or not self.training:
            return update
        return update * self.dropout(torch.ones_like(update.narrow(axis, 0, min(1, update.shape[axis]))))

    def extra_repr(self) -> str:
        return format_arguments(**self._arguments)
