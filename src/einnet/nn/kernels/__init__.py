"""Triton kernels of operations that have a plain form, for devices on which Triton runs."""

from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

import torch
from torch import Tensor

__all__ = ["load_kernels"]

DTYPES = (torch.float32, torch.bfloat16, torch.float16)


def load_kernels(x: Tensor) -> ModuleType | None:
    """The kernels for tensors such as this one, if there are any: else the plain form serves.

    >>> load_kernels(torch.ones(3)) is None                      # on a CPU
    True
    """
    return _load() if x.is_cuda and x.dtype in DTYPES else None


@lru_cache(maxsize=1)
def _load() -> ModuleType | None:
    return import_module("einnet.nn.kernels.triton") if find_spec("triton") else None
