"""Supplementary algorithms 11 to 15 of Jumper et al. 2021, line by line, with the parameter names of OpenFold.

Written from the paper, independently of the library: plain sums over residues by einsum, masks as factors.
"""

import torch
from torch import Tensor
from torch.nn.functional import layer_norm, linear, relu, sigmoid, softmax

__all__ = ["attend_to_triangles", "draw_state", "multiply_triangles", "transform_pairs"]

State = dict[str, Tensor]
EINSUMS = {  # of a and b: lines 4 of algorithms 11 and 12, and the two other orientations
    "outgoing": "...ikc,...jkc->...ijc",
    "incoming": "...kic,...kjc->...ijc",
    "path": "...ikc,...kjc->...ijc",
    "cycle": "...kic,...jkc->...ijc",
}


def _norm(z: Tensor, state: State, name: str) -> Tensor:
    return layer_norm(z, z.shape[-1:], state[f"{name}.weight"], state[f"{name}.bias"])


def _map(z: Tensor, state: State, name: str) -> Tensor:
    return linear(z, state[f"{name}.weight"], state.get(f"{name}.bias"))


def multiply_triangles(z: Tensor, state: State, orientation: str, mask: Tensor | None = None) -> Tensor:
    """Algorithms 11 and 12: z (..., n, n, c), mask (..., n, n) of ones and zeros."""
    mask = z.new_ones(z.shape[:-1]) if mask is None else mask.to(z.dtype)
    z = _norm(z, state, "layer_norm_in")
    a = sigmoid(_map(z, state, "linear_a_g")) * _map(z, state, "linear_a_p") * mask[..., None]
    b = sigmoid(_map(z, state, "linear_b_g")) * _map(z, state, "linear_b_p") * mask[..., None]
    g = sigmoid(_map(z, state, "linear_g"))
    return g * _map(_norm(torch.einsum(EINSUMS[orientation], a, b), state, "layer_norm_out"), state, "linear_z")


def attend_to_triangles(z: Tensor, state: State, heads: int, end: str, mask: Tensor | None = None) -> Tensor:
    """Algorithms 13 and 14, with the sums over residues written out; the paper has no masks here."""
    mask = z.new_ones(z.shape[:-1]) if mask is None else mask.to(z.dtype)
    z = _norm(z, state, "layer_norm")
    q, k, v, g = (_map(z, state, f"mha.linear_{name}").unflatten(-1, (heads, -1)) for name in "qkvg")
    b = _map(z, state, "linear") * mask[..., None]
    if end == "starting":
        logits = torch.einsum("...ijhc,...ikhc->...ijkh", q, k) / q.shape[-1] ** 0.5 + b[..., None, :, :, :]
        logits = logits + 1e9 * (mask[..., :, None, :, None] - 1)
        o = torch.einsum("...ijkh,...ikhc->...ijhc", softmax(logits, -2), v)
    else:  # the logits of (i, j) and (k, j), b of (k, i)
        logits = torch.einsum("...ijhc,...kjhc->...ijkh", q, k) / q.shape[-1] ** 0.5
        logits = logits + b.transpose(-3, -2)[..., :, None, :, :]
        logits = logits + 1e9 * (mask.mT[..., None, :, :, None] - 1)
        o = torch.einsum("...ijkh,...kjhc->...ijhc", softmax(logits, -2), v)
    return _map((sigmoid(g) * o).flatten(-2), state, "mha.linear_o")


def transform_pairs(z: Tensor, state: State) -> Tensor:
    """Algorithm 15."""
    return _map(relu(_map(_norm(z, state, "layer_norm"), state, "linear_1")), state, "linear_2")


def draw_state(sizes: dict[str, tuple[int, int]], norms: dict[str, int], bias: bool = True) -> State:
    """Random matrices (out, in) with biases, and norms."""
    state = {f"{name}.weight": torch.randn(out, into) / into**0.5 for name, (out, into) in sizes.items()}
    if bias:
        state |= {f"{name}.bias": torch.randn(out) for name, (out, _) in sizes.items()}
    state |= {f"{name}.weight": 1 + torch.randn(n) / 5 for name, n in norms.items()}
    return state | {f"{name}.bias": torch.randn(n) / 5 for name, n in norms.items()}
