"""`GatedLinear`: a linear map times a gate for each value, in one pass over the cells.

The usual way writes the normalized input, the product, the logits of the gate and the gate to memory, each as large as
the output. Here they exist for a part of the cells at a time, which stays in the cache, or in the registers of a Triton
kernel; the backward pass computes them again.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import register_flop_formula

from einnet.checks import check_count, check_flag
from einnet.errors import EinNetError, ShapeError
from einnet.nn.backend import upcast
from einnet.nn.kernels import load_kernels
from einnet.nn.looped import is_in_transform, upcast_dtype

__all__ = ["GatedLinear", "map_gated"]

CHUNK = {"cpu": 2**17}  # entries of a part of the output
LARGE_CHUNK = 2**25  # on other devices
Place = tuple[slice, slice]  # of the batch, of the cells


class GatedLinear(nn.Module):
    """(W x + b) sigmoid(V z + c), where x may be normalized first, and z is x or another input.

    >>> import torch
    >>> layer = GatedLinear(3, 8, rank=2)
    >>> x = torch.randn(5, 5, 3)
    >>> y = layer(x)
    >>> y.shape, y.movedim(-1, 0).is_contiguous()                # the features of the output stand first in memory
    (torch.Size([5, 5, 8]), True)
    >>> gate = torch.nn.functional.linear(x, layer.gate_weight, layer.gate_bias).sigmoid()
    >>> torch.allclose(y, gate * torch.nn.functional.linear(x, layer.weight, layer.bias), atol=1e-6)
    True

    Args:
        in_features, out_features: of x and of the result.
        rank: the number of axes between the batch axes and the features, if the result is to have its features first in
            memory; None for features last.
        gate_features: of z; None for a gate that reads x.
        norm_groups: into how many groups of features x is cut, each of which is normalized as by `nn.LayerNorm`; 0 for
            no norm.
        blocks: of how many equal blocks the result consists, of which a call may ask for a part.
        bias: whether the two maps have biases.
        device, dtype: of the parameters.

    Shapes: `forward(x, z, cells)`, (batch..., axes..., features) each; z is None for a gate that reads x. `cells`,
    (batch..., axes...) or None, is False where the result is zero; `part`, a slice or None, is that of the features of
    each block of the result. x may have more precision than the weights, if it is normalized. `weight` is
    (out_features, in_features), `gate_weight` (out_features, features of z); `norm_weight` and `norm_bias` are
    (in_features,). As in AlphaFold 2, gates begin open: `gate_weight` is 0 and `gate_bias` 1.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        rank: int | None,
        gate_features: int | None = None,
        norm_groups: int = 0,
        blocks: int = 1,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ):
        super().__init__()
        self.in_features = check_count(in_features, "in_features")
        self.out_features = check_count(out_features, "out_features")
        self.rank = None if rank is None else check_count(rank, "rank", minimum=0)
        self.gate_features = None if gate_features is None else check_count(gate_features, "gate_features")
        self.norm_groups = check_count(norm_groups, "norm_groups", minimum=0)
        if norm_groups and in_features % norm_groups:
            raise EinNetError(f"in_features={in_features} cannot be cut into norm_groups={norm_groups} equal groups")
        self.blocks = check_count(blocks, "blocks")
        if out_features % blocks:
            raise EinNetError(f"out_features={out_features} cannot be cut into blocks={blocks} equal blocks")
        if norm_groups and gate_features is None:
            raise EinNetError("a gate that reads x reads it as it is: norm_groups needs gate_features")
        factory = {"device": device, "dtype": dtype}
        self.weight = nn.Parameter(torch.empty(out_features, in_features, **factory))
        self.gate_weight = nn.Parameter(torch.empty(out_features, gate_features or in_features, **factory))
        sizes = {"bias": out_features, "gate_bias": out_features} if check_flag(bias, "bias") else {}
        sizes |= {"norm_weight": in_features, "norm_bias": in_features} if norm_groups else {}
        for name in ("bias", "gate_bias", "norm_weight", "norm_bias"):
            parameter = nn.Parameter(torch.empty(sizes[name], **factory)) if name in sizes else None
            self.register_parameter(name, parameter)
        self.reset_parameters()

    bias: nn.Parameter | None
    gate_bias: nn.Parameter | None
    norm_weight: nn.Parameter | None
    norm_bias: nn.Parameter | None

    def reset_parameters(self) -> None:
        nn.init.kaiming_normal_(self.weight, nonlinearity="linear")
        nn.init.zeros_(self.gate_weight)
        for parameter, value in ((self.bias, 0), (self.gate_bias, 1), (self.norm_weight, 1), (self.norm_bias, 0)):
            if parameter is not None:
                nn.init.constant_(parameter, value)

    def forward(
        self, input: Tensor, gate: Tensor | None = None, cells: Tensor | None = None, part: slice | None = None
    ) -> Tensor:
        if (gate is None) != (self.gate_features is None):
            expected = "no second input" if self.gate_features is None else "an input of the gate"
            raise ShapeError(f"expected {expected}, as gate_features={self.gate_features}")
        weight, bias = self.weight, self.bias
        if self.norm_weight is not None and self.norm_bias is not None:  # the norm's own weights, in the next matrix
            shift = self.weight @ self.norm_bias
            weight, bias = weight * self.norm_weight, shift if bias is None else bias + shift
        axis = 0 if self.rank is None else input.dim() - self.rank - 1
        batch, axes = input.shape[:axis], input.shape[axis:-1]
        tensors = [None if x is None else x.reshape(batch.numel(), axes.numel(), x.shape[-1]) for x in (input, gate)]
        if cells is not None:
            cells = cells.expand(input.shape[:-1]).reshape(batch.numel(), axes.numel())
        biases = [weight.new_zeros(self.out_features) if b is None else b for b in (bias, self.gate_bias)]
        maps = weight, biases[0], self.gate_weight, biases[1]
        if part is not None:
            maps = tuple(w.unflatten(0, (self.blocks, -1))[:, part].flatten(0, 1) for w in maps)
        y = map_gated(*tensors, maps, cells, self.norm_groups, self.rank is not None)  # type: ignore[misc]
        return y.view(*input.shape[:-1], y.shape[-1])

    def extra_repr(self) -> str:
        return (
            f"{self.in_features}, {self.out_features}, rank={self.rank}, gate_features={self.gate_features}, "
            f"norm_groups={self.norm_groups}, blocks={self.blocks}, bias={self.bias is not None}"
        )


Maps = tuple[Tensor, Tensor, Tensor, Tensor]  # matrix and bias of the map, matrix and bias of the gate


def map_gated(
    x: Tensor, gate: Tensor | None, maps: Maps, cells: Tensor | None, groups: int, features_first: bool
) -> Tensor:
    """`GatedLinear` of x and gate, (batch, cells, features) each; `cells` is (batch, cells)."""
    device = x.device.type
    if device != "meta" and torch.is_autocast_enabled(device):  # there is no autocast for meta
        dtype = torch.get_autocast_dtype(device)
        x, gate = x if groups else x.to(dtype), None if gate is None else gate.to(dtype)
        maps = tuple(w.to(dtype) for w in maps)  # type: ignore[assignment]
    if torch.compiler.is_exporting() or (not torch.compiler.is_compiling() and is_in_transform()):
        return _map_at_once(x, *maps, gate, cells, groups, features_first)
    return torch.ops.einnet.gated_linear(x, *maps, gate, cells, groups, features_first)


def _map_at_once(
    x: Tensor, weight: Tensor, bias: Tensor, gate_weight: Tensor, gate_bias: Tensor, gate: Tensor | None,
    cells: Tensor | None, groups: int, features_first: bool,
) -> Tensor:  # fmt: skip
    """The map by plain operations, each of all cells."""
    logits = _multiply(x if gate is None else gate, gate_weight, features_first) + gate_bias
    y = (_multiply(_normalize(x, groups, weight.dtype)[0], weight, features_first) + bias) * logits.sigmoid()
    return y if cells is None else y * cells.unsqueeze(-1).to(y.dtype)


def _multiply(x: Tensor, weight: Tensor, features_first: bool) -> Tensor:
    """x W^T, (batch, cells, features), with its features first in memory or last."""
    return (weight @ x.mT).mT if features_first else x @ weight.T


def _normalize(x: Tensor, groups: int, dtype: torch.dtype) -> tuple[Tensor, Tensor | None]:
    """Each group of features less its mean, over its standard deviation; and what it was multiplied by."""
    if not groups:
        return x, None
    parts = upcast(x).unflatten(-1, (groups, -1))
    parts = parts - parts.mean(-1, keepdim=True)
    scale = torch.rsqrt(parts.square().mean(-1, keepdim=True) + 1e-5)  # a literal, see `inverse_root_mean`
    return (parts * scale).flatten(-2).to(dtype), scale


def _undo_norm(gradient: Tensor, normed: Tensor, scale: Tensor | None) -> Tensor:
    """The gradient of what was normalized, from that of the result."""
    if scale is None:
        return gradient
    parts, y = (upcast(g).unflatten(-1, (scale.shape[-2], -1)) for g in (gradient, normed))
    mean = (parts * y).mean(-1, keepdim=True)
    return ((parts - parts.mean(-1, keepdim=True) - y * mean) * scale).flatten(-2)


def _places(x: Tensor, out_features: int) -> Iterator[Place]:
    """Parts of the batch and of the cells, in turn."""
    batch, cells = x.shape[:2]
    length = max(1, CHUNK.get(x.device.type, LARGE_CHUNK) // max(1, out_features))
    samples = max(1, length // max(1, cells))
    for first in range(0, batch, samples):
        for start in range(0, cells, length):
            yield slice(first, first + samples), slice(start, start + length)


def _make_empty(x: Tensor, weight: Tensor, features_first: bool) -> Tensor:
    (batch, cells), features = x.shape[:2], weight.shape[0]
    return weight.new_empty(batch, features, cells).mT if features_first else weight.new_empty(batch, cells, features)


@torch.library.custom_op("einnet::gated_linear", mutates_args=())
def _map(
    x: Tensor, weight: Tensor, bias: Tensor, gate_weight: Tensor, gate_bias: Tensor, gate: Tensor | None,
    cells: Tensor | None, groups: int, features_first: bool,
) -> Tensor:  # fmt: skip
    y = _make_empty(x, weight, features_first)
    if kernels := load_kernels(x):
        kernels.map_gated(x, weight, bias, gate_weight, gate_bias, gate, cells, groups, out=y)
        return y
    with torch.autocast(x.device.type, enabled=False):
        for place in _places(x, len(weight)):
            part = _multiply(_normalize(x[place], groups, weight.dtype)[0], weight, features_first).add_(bias)
            logits = _multiply((x if gate is None else gate)[place], gate_weight, features_first).add_(gate_bias)
            opening = logits.sigmoid_()
            if cells is not None:
                opening.mul_(cells[place].unsqueeze(-1))
            torch.mul(part, opening, out=y[place])
    return y


@_map.register_fake
def _(x, weight, bias, gate_weight, gate_bias, gate, cells, groups, features_first) -> Tensor:
    return _make_empty(x, weight, features_first)


@torch.library.custom_op("einnet::gated_linear_backward", mutates_args=())
def _differentiate(
    gradient: Tensor, x: Tensor, weight: Tensor, bias: Tensor, gate_weight: Tensor, gate_bias: Tensor,
    gate: Tensor | None, cells: Tensor | None, groups: int, features_first: bool,
) -> list[Tensor]:  # fmt: skip
    """The gradients of x, the two maps, and gate if it is given."""
    of_x, of_gate = torch.empty_like(x), None if gate is None else torch.empty_like(gate)
    totals = [torch.zeros_like(w, dtype=upcast_dtype(w.dtype)) for w in (weight, bias, gate_weight, gate_bias)]
    with torch.autocast(x.device.type, enabled=False):
        for place in _places(x, len(weight)):
            normed, scale = _normalize(x[place], groups, weight.dtype)
            source = normed if gate is None else gate[place]
            part = _multiply(normed, weight, features_first).add_(bias)
            opening = _multiply(source, gate_weight, features_first).add_(gate_bias).sigmoid_()
            own = gradient[place] if cells is None else gradient[place] * cells[place].unsqueeze(-1)
            of_part = own * opening
            of_logits = part.mul_(of_part).mul_(opening.neg_().add_(1))  # the derivative of s is s (1 - s)
            for k, (g, source_of_map) in enumerate(((of_part, normed), (of_logits, source))):
                totals[2 * k].add_((g.mT @ source_of_map).sum(0))
                totals[2 * k + 1].add_(g.sum((0, 1), dtype=totals[0].dtype))
            of_normed, of_source = of_part @ weight, of_logits @ gate_weight
            of_x[place] = _undo_norm(of_normed if of_gate is not None else of_normed.add_(of_source), normed, scale)
            if of_gate is not None:
                of_gate[place] = of_source
    weights = [t.to(w.dtype) for t, w in zip(totals, (weight, bias, gate_weight, gate_bias), strict=True)]
    return [of_x, *weights] if of_gate is None else [of_x, *weights, of_gate]


@_differentiate.register_fake
def _(gradient, x, weight, bias, gate_weight, gate_bias, gate, cells, groups, features_first) -> list[Tensor]:
    tensors = (x, weight, bias, gate_weight, gate_bias, *([] if gate is None else [gate]))
    return [torch.empty_like(t) for t in tensors]


def _setup(ctx, inputs, output) -> None:
    """Keeps the gradient, where there is one, and the arguments."""
    *tensors, ctx.groups, ctx.features_first = inputs
    ctx.save_for_backward(*tensors)


def _backward(ctx, gradient: Tensor):
    *tensors, gate, cells = ctx.saved_tensors
    gradients = torch.ops.einnet.gated_linear_backward(gradient, *tensors, gate, cells, ctx.groups, ctx.features_first)
    return *gradients, *[None] * (9 - len(gradients))


def _second_backward(ctx, seconds: Sequence[Tensor]):
    """The derivatives of the gradients, by those of the plain operations on all cells."""
    leaves: list[Any] = [
        None if t is None else t.detach().requires_grad_(t.is_floating_point()) for t in ctx.saved_tensors
    ]
    gradient, x, weight, bias, gate_weight, gate_bias, gate, cells = leaves
    inputs = [t for t in (x, weight, bias, gate_weight, gate_bias, gate) if t is not None]
    with torch.enable_grad():
        value = _map_at_once(x, weight, bias, gate_weight, gate_bias, gate, cells, ctx.groups, ctx.features_first)
        firsts = torch.autograd.grad(value, inputs, gradient, create_graph=True)
    derived = torch.autograd.grad(firsts, [gradient, *inputs], seconds, allow_unused=True)
    gradients = [torch.zeros_like(x) if g is None else g for x, g in zip([gradient, *inputs], derived, strict=True)]
    return *gradients, *[None] * (10 - len(gradients))


_map.register_autograd(_backward, setup_context=_setup)
_differentiate.register_autograd(_second_backward, setup_context=_setup)


@register_flop_formula(torch.ops.einnet.gated_linear)
def _count_flops(x, weight, bias, gate_weight, *args, **kwargs) -> int:
    return 2 * x[0] * x[1] * (weight[0] * weight[1] + gate_weight[0] * gate_weight[1])


@register_flop_formula(torch.ops.einnet.gated_linear_backward)
def _count_backward_flops(gradient, x, weight, bias, gate_weight, *args, **kwargs) -> int:
    return 3 * _count_flops(x, weight, bias, gate_weight)
