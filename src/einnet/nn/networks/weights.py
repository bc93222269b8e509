"""The weights of a network as its file holds them, without the names of wrappers around its parts."""

from collections.abc import Mapping

import torch
from torch import Tensor

from einnet.errors import EinNetError

__all__ = ["is_weight_dtype", "plain_weights"]

# of torch.compile, DataParallel and its distributed form, Opacus, FSDP, activation checkpoints
WRAPPERS = {"_orig_mod", "module", "_module", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"}


def is_weight_dtype(dtype: torch.dtype) -> bool:
    """Whether it is floating point of 16 bits or more."""
    return dtype.is_floating_point and dtype.itemsize >= 2


def plain_weights(tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a network by the names of its own parts, which are those of `expected`.

    Raises `EinNetError` for tensors that `Network.load` could not read.
    """
    plain = {".".join(part for part in name.split(".") if part not in WRAPPERS): t for name, t in tensors.items()}
    if names := [*(plain.keys() - expected.keys()), *(expected.keys() - plain.keys())]:
        raise EinNetError(
            f"the network cannot be saved: '{min(names)}' is {'missing' if min(names) in expected else 'added'}, as "
            "after a parametrization, pruning, quantization, or in a part that was replaced. Undo it first, by "
            "torch.nn.utils.parametrize.remove_parametrizations or torch.nn.utils.prune.remove, or keep "
            "net.state_dict() in a file of your own"
        )
    for name, t in plain.items():
        is_sharded = hasattr(t, "full_tensor")
        if is_sharded or t.is_meta or t.layout != torch.strided or not is_weight_dtype(t.dtype):
            state = "sharded" if is_sharded else "on the device meta" if t.is_meta else f"{t.dtype}, {t.layout}"
            raise EinNetError(
                f"the network cannot be saved: '{name}' is {state}; expected whole dense tensors, floating point of "
                "16 bits or more: gather or convert them first, such as by net.to(torch.float32)"
            )
        if t.shape != expected[name].shape:
            raise EinNetError(
                f"the network cannot be saved: '{name}' has shape {tuple(t.shape)}, by its config "
                f"{tuple(expected[name].shape)}: make the network with these sizes instead of replacing a part"
            )
    return plain
