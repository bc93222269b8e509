"""A network in evaluation mode for a while; whether it draws random numbers."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

__all__ = ["draws_numbers", "evaluation_mode"]

PLAIN = (nn.GELU, nn.Identity, nn.LayerNorm, nn.Linear, nn.ModuleList, nn.ReLU, nn.Sequential, nn.SiLU, nn.Tanh)


@contextmanager
def evaluation_mode(module: nn.Module) -> Iterator[None]:
    """The module in evaluation mode; afterwards each submodule has the mode that it had.

    >>> net = nn.Sequential(nn.Dropout(), nn.Dropout().eval())
    >>> with evaluation_mode(net):
    ...     [part.training for part in net]
    [False, False]
    >>> [part.training for part in net]
    [True, False]
    """
    modes = {part: part.training for part in module.modules()}
    module.eval()
    try:
        yield
    finally:
        for part, training in modes.items():
            part.training = training


def draws_numbers(module: nn.Module) -> bool:
    """Whether a call may draw random numbers: one of its parts is dropout in training, or not known to this library.

    >>> draws_numbers(nn.Dropout()), draws_numbers(nn.Dropout().eval()), draws_numbers(nn.GELU())
    (True, False, False)
    """
    return any(
        part.training
        if isinstance(part, nn.Dropout)
        else not (type(part) in PLAIN or type(part).__module__.startswith("einnet."))
        for part in module.modules()
    )
