"""Weights of pair states under the names that open implementations of AlphaFold's networks give them."""

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from einnet.errors import EinNetError, ShapeError
from einnet.nn.pairs.attention import TriangleAttention
from einnet.nn.pairs.block import PairBlock, PairTransition
from einnet.nn.pairs.multiplication import TriangleMultiplication

__all__ = ["load_published_weights"]

# Each part of a name of this library, and the parts whose parameters it has, one below the other.
Names = Mapping[str, tuple[str, ...]]
MULTIPLICATION: dict[str, Names] = {
    "OpenFold, OpenFold 3, Protenix, ESMFold": {
        "norm.": ("layer_norm_in",),
        "in_proj.": ("linear_a_p", "linear_b_p"),
        "in_proj.gate_": ("linear_a_g", "linear_b_g"),
        "out_proj.norm_": ("layer_norm_out",),
        "out_proj.": ("linear_z",),
        "out_proj.gate_": ("linear_g",),
    },
    "OpenFold, multimer": {
        "norm.": ("layer_norm_in",),
        "in_proj.": ("linear_ab_p",),
        "in_proj.gate_": ("linear_ab_g",),
        "out_proj.norm_": ("layer_norm_out",),
        "out_proj.": ("linear_z",),
        "out_proj.gate_": ("linear_g",),
    },
    "Boltz, cuEquivariance": {
        "norm.": ("norm_in",),
        "in_proj.": ("p_in",),
        "in_proj.gate_": ("g_in",),
        "out_proj.norm_": ("norm_out",),
        "out_proj.": ("p_out",),
        "out_proj.gate_": ("g_out",),
    },
}
CHAI = ("layernorm_z_in", "merged_linear_p", "merged_linear_g", "linear_z_out")
ATTENTION: dict[str, Names] = {
    name: {
        "norm.": ("layer_norm",),
        "in_proj.": ("mha.linear_q", "mha.linear_k", "mha.linear_v"),
        "pair_bias.": (bias,),
        "gate.": ("mha.linear_g",),
        "out_proj.": ("mha.linear_o",),
    }
    for name, bias in (("OpenFold, Boltz, Protenix, ESMFold", "linear"), ("OpenFold 3", "linear_z"))
}
TRANSITION: dict[str, Names] = {
    name: {"norm.": (norm,), "in_proj.": inner, "out_proj.": (out,)}
    for name, norm, inner, out in (
        ("OpenFold", "layer_norm", ("linear_1",), "linear_2"),
        ("OpenFold 3", "layer_norm", ("swiglu.linear_a", "swiglu.linear_b"), "linear_out"),
        ("Boltz", "norm", ("fc1", "fc2"), "fc3"),
        ("Protenix", "layernorm1", ("linear_no_bias_a", "linear_no_bias_b"), "linear_no_bias"),
        ("Chai", "layer_norm", ("linear_no_bias_ab",), "linear_out"),
        ("ESMFold", "mlp.0", ("mlp.1",), "mlp.3"),
    )
}
SCHEMES = {TriangleMultiplication: MULTIPLICATION, TriangleAttention: ATTENTION, PairTransition: TRANSITION}
PARTS = {  # of a block
    "outgoing": ("tri_mul_out",),
    "incoming": ("tri_mul_in",),
    "starting": ("tri_att_start",),
    "ending": ("tri_att_end",),
    "transition": ("pair_transition", "transition_z", "mlp_pair"),
}


def load_published_weights(module: nn.Module, state: Mapping[str, Tensor], prefix: str = "") -> nn.Module:
    """Loads weights with the names of OpenFold, OpenFold 3, Protenix, ESMFold, Boltz or Chai-1; returns the module.

    >>> from einnet.nn import TriangleMultiplication
    >>> layer = TriangleMultiplication("incoming", features=8, bias=False)
    >>> names = ("p_in.weight", 16, 8), ("g_in.weight", 16, 8), ("p_out.weight", 8, 8), ("g_out.weight", 8, 8)
    >>> state = {f"tri_mul_in.{name}": torch.randn(shape) for name, *shape in names}      # of Boltz
    >>> for name in ("norm_in", "norm_out"):
    ...     state |= {f"tri_mul_in.{name}.weight": torch.ones(8), f"tri_mul_in.{name}.bias": torch.zeros(8)}
    >>> layer = load_published_weights(layer, state, "tri_mul_in.")
    >>> bool((layer.in_proj.weight == state["tri_mul_in.p_in.weight"]).all())
    True

    Args:
        module: a `TriangleMultiplication`, `TriangleAttention`, `PairTransition` or `PairBlock` of the right sizes,
            with `bias=False` for weights without biases.
        state: tensors by name, as a state dict.
        prefix: what the names of this module begin with, such as "blocks.0.tri_mul_out.". Names that do not are
            ignored; below the prefix all must be known, except for a block, whose other parts (of the
            single representation) are left out.

    The updates of Chai-1 for both orientations in one are those of
    `TriangleMultiplication(("outgoing", "incoming"), bias=False)`. Its attention has no norm weights and a scale, and
    is not read. Raises `EinNetError` for names that are missing or unknown, and `ShapeError` for shapes that do not
    fit; then nothing is loaded.
    """
    own = {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}
    loaded = dict(_translate_block(module, own) if isinstance(module, PairBlock) else _translate(module, own))
    expected = module.state_dict()
    if wrong := expected.keys() ^ loaded.keys():
        name = min(wrong)
        problem = "no tensor serves" if name in expected else "the module has no parameter"
        hint = ": make the module with bias=False" if name.endswith("bias") and name in expected else ""
        hint = ": make the module with bias=True" if name.endswith("bias") and name in loaded else hint
        raise EinNetError(f"{problem} '{name}'{hint}")
    for name, tensor in loaded.items():
        if tensor.shape != expected[name].shape:
            raise ShapeError(f"'{name}' must have shape {tuple(expected[name].shape)}, got {tuple(tensor.shape)}")
    module.load_state_dict(loaded)
    return module


def _translate_block(block: PairBlock, state: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    for part, names in PARTS.items():
        known = [name for name in names if any(key.startswith(f"{name}.") for key in state)]
        if not known:
            raise EinNetError(f"expected names that begin with '{names[0]}.', got {_list(state)}")
        own = {k.removeprefix(f"{known[0]}."): x for k, x in state.items() if k.startswith(f"{known[0]}.")}
        for name, tensor in _translate(block.get_submodule(part), own):
            yield f"{part}.{name}", tensor


def _translate(module: nn.Module, state: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """The tensors by the names of the module."""
    kinds = [kind for kind in SCHEMES if isinstance(module, kind)]
    if not kinds:
        known = ", ".join(kind.__name__ for kind in (*SCHEMES, PairBlock))
        raise TypeError(f"expected one of {known}, got {type(module).__name__}")
    if isinstance(module, TriangleMultiplication) and all(f"{name}.weight" in state for name in CHAI):
        yield from _translate_chai(module, state)
        return
    known = SCHEMES[kinds[0]]
    scheme = next((s for s in known.values() if _weights(s) <= state.keys() and _covers(s, state)), None)
    if scheme is None:
        choices = "; ".join(f"{', '.join(sorted(_weights(s)))} ({name})" for name, s in known.items())
        raise EinNetError(f"expected the names {choices}, with biases or without; got {_list(state)}")
    for name, parts in scheme.items():
        for kind in ("weight", "bias"):
            if f"{parts[0]}.{kind}" in state:
                yield f"{name}{kind}", torch.cat([state[f"{part}.{kind}"] for part in parts])


def _weights(scheme: Names) -> set[str]:
    return {f"{part}.weight" for parts in scheme.values() for part in parts}


def _covers(scheme: Names, state: Mapping[str, Tensor]) -> bool:
    """Whether a scheme knows all names, and parts that belong together have biases or none."""
    parts = [part for parts in scheme.values() for part in parts]
    has_known_names = state.keys() <= {f"{part}.{kind}" for part in parts for kind in ("weight", "bias")}
    return has_known_names and all(len({f"{p}.bias" in state for p in parts}) == 1 for parts in scheme.values())


def _translate_chai(module: TriangleMultiplication, state: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """Chai-1 adds the normalized products of both orientations, whose norms have no weights."""
    if module.orientations != ("outgoing", "incoming") or module.in_proj.bias is not None:
        raise EinNetError(
            "weights of Chai-1 are those of TriangleMultiplication(('outgoing', 'incoming'), bias=False), got "
            f"{module!r}"
        )
    norm, projection, gates, output = CHAI
    if unknown := sorted(state.keys() - {f"{name}.weight" for name in CHAI} - {f"{norm}.bias"}):
        raise EinNetError(f"expected the names of {', '.join(CHAI)}, got '{unknown[0]}' too")
    operands = len(state[f"{projection}.weight"])
    yield from ((f"norm.{kind}", state[f"{norm}.{kind}"]) for kind in ("weight", "bias"))
    yield "in_proj.weight", state[f"{projection}.weight"]
    yield "in_proj.gate_weight", state[f"{gates}.weight"][:operands]
    yield "out_proj.gate_weight", state[f"{gates}.weight"][operands:]
    weight = torch.cat([state[f"{output}.weight"]] * 2, 1)
    yield "out_proj.weight", weight
    yield "out_proj.norm_weight", weight.new_ones(weight.shape[1])
    yield "out_proj.norm_bias", weight.new_zeros(weight.shape[1])


def _list(names: Sequence[str] | Mapping[str, Tensor]) -> str:
    return ", ".join(sorted(names)) or "none"
