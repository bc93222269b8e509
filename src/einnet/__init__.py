"""EinNet: from the symmetry of your data, written as a short type, to a network that has it.

>>> import einnet, torch
>>> net = einnet.EinNet("aaH -> aaH", in_features=3, out_features=2)
>>> net(torch.randn(7, 7, 3)).shape
torch.Size([7, 7, 2])
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from einnet.errors import EinNetError
from einnet.limits import raise_limits
from einnet.operations import Derivation, PoolingSet, generates, pooling
from einnet.plan import Plan
from einnet.signature import Signature
from einnet.symmetry import GroupElement, Symmetry
from einnet.taylor import Series, laurent, linear_maps, series, series_of
from einnet.terms import Term, linear_terms

if TYPE_CHECKING:
    from einnet import nn, testing
    from einnet.fitting.fit import fit
    from einnet.fitting.predict import predict
    from einnet.nn import EinLayer, EinLinear, EinNet, EinPool

__version__ = "0.1.0"
__all__ = [
    "Derivation", "EinLayer", "EinLinear", "EinNet", "EinNetError", "EinPool", "GroupElement", "Plan", "PoolingSet",
    "Series", "Signature", "Symmetry", "Term", "fit", "generates", "laurent", "linear_maps", "linear_terms", "nn",
    "pooling", "predict", "raise_limits", "series", "series_of", "testing",
]  # fmt: skip

_NEED_TORCH = ("EinLayer", "EinLinear", "EinNet", "EinPool")


def __getattr__(name: str) -> Any:
    """The names that need torch are imported when they are first used."""
    if name in _NEED_TORCH:
        return getattr(import_module("einnet.nn"), name)
    if name in ("fit", "predict"):
        return getattr(import_module(f"einnet.fitting.{name}"), name)
    if name in ("nn", "testing", "plots"):
        return import_module(f"einnet.{name}")
    raise AttributeError(f"module 'einnet' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
