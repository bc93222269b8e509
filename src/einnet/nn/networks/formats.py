"""Reads networks that were saved in earlier formats.

In format 2 all networks were one class with a `block`; until format 3 an `EinNet` had no `decoder_hidden`; until format
4 its decoder had no sums over the root of their number.
"""

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor
from torch.nn.functional import pad

__all__ = ["NETWORKS", "pad_decoder", "upgrade"]

NETWORKS = {  # the class of each block
    "default": "EinNet", "polynomial": "PolynomialNet", "recurrent": "RecurrentNet", "reference": "ReferenceNet",
}  # fmt: skip
COMMON = ("signature", "in_features", "out_features", "heads", "hidden", "depth", "order", "terms")
NAMES = (
    (r"^body\.lift\.", "encoder."),
    (r"^body\.head\.", "decoder."),
    (r"^body\.begin\.", "init_proj."),
    (r"^body\.blocks\.", "layers."),
    (r"^body\.", ""),
    (r"\.fan_in$", ".in_proj.weight"),
    (r"\.fan_in\.", ".in_proj."),
    (r"\.fan_out\.", ".pool_proj."),
    (r"^(layers\.\d+)\.out\.", r"\1.out_proj."),
    (r"\.keep$", ".skip.weight"),
    (r"\.constants\.weight$", ".bias"),
    (r"(coder\.maps\.\d+)\.maps\.0\.weight$", r"\1.weight"),
)


def upgrade(
    content: dict[str, Any], tensors: dict[str, Tensor], version: str
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The class and arguments, and the weights, of a network of this format in the present one."""
    if version == "2":
        content, tensors = _upgrade_config(content), _upgrade_tensors(tensors)
    if version in ("2", "3") and content["network"] == "EinNet":
        content = content | {"decoder_hidden": 0}
    return content, tensors


def pad_decoder(tensors: dict[str, Tensor], present: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of format 4, with zeros for the sums over roots, which stand last in the matrices of the decoder."""
    return {
        name: pad(x, (0, max(0, present[name].shape[-1] - x.shape[-1]))) if name.startswith("decoder.pool.maps.") else x
        for name, x in tensors.items()
    }


def _upgrade_config(content: dict[str, Any]) -> dict[str, Any]:
    """The class and the arguments of a network from those of format 2."""
    block = content["block"]
    config = {name: content[name] for name in COMMON} | {"network": NETWORKS[block], "hidden_type": content["state"]}
    if block in ("default", "polynomial"):
        config["normalize"] = {"mean": "size", "sum": None}[content["scale"]]
    if block in ("default", "reference"):
        config["checkpoint_activations"] = content["recompute"]
    if block != "reference":
        config["iterations"] = content["iterations"]
    if block == "recurrent":
        config["automorphism"] = content["exchange"]
    if block == "default":
        config |= {"dropout": content["dropout"], "chunks": content["chunks"]}
    return config


def _upgrade_tensors(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights of a network by their present names."""
    upgraded: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        for pattern, replacement in NAMES:
            name = re.sub(pattern, replacement, name)
        upgraded[name] = tensor
    return upgraded
