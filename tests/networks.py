"""Small networks with random parameters, and inputs for them."""

import torch
from torch import nn

from einnet import Signature
from einnet.nn import EinNet, Network, PolynomialNet, RecurrentNet, ReferenceNet
from strategies import SIZES

__all__ = ["NETWORKS", "SMALL", "STATEFUL", "random_inputs", "randomize", "sizes_of", "small"]

NETWORKS = [EinNet, PolynomialNet, RecurrentNet, ReferenceNet]
STATEFUL = [EinNet, PolynomialNet, RecurrentNet]
SMALL = {"heads": 2, "hidden": 6, "depth": 2}


def sizes_of(signature: str) -> dict[str, int]:
    return {c: SIZES[c] for c in Signature(signature).classes}


def randomize(module: nn.Module) -> nn.Module:
    """Moves all parameters away from special values such as a bias of zero."""
    for p in module.parameters():
        p.data.add_(torch.randn_like(p), alpha=0.3)
    return module


def small(signature: str, network: type[Network] = EinNet, dtype=torch.float64, **options) -> Network:
    """A small network with random parameters."""
    return randomize(network(signature, (2,) * len(Signature(signature).inputs), 3, **(SMALL | options)).to(dtype))


def random_inputs(module: nn.Module, batch=(), dtype=torch.float64, **sizes: int) -> list[torch.Tensor]:
    """For a module with a signature and widths of its inputs."""
    sizes = SIZES | sizes
    return [
        torch.randn(*batch, *(sizes[c] for c in t.axes), f, dtype=dtype)
        for t, f in zip(module.signature.inputs, module.in_features, strict=True)
    ]
