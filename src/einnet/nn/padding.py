"""From samples of different sizes to one padded batch with its masks."""

from collections.abc import Sequence

import torch
from torch import Tensor

from einnet.errors import ShapeError
from einnet.nn.backend import align
from einnet.nn.binding import check_features
from einnet.symmetry import Symmetry, as_symmetry

__all__ = ["pad"]


def pad(samples: Sequence[Tensor], symmetry: Symmetry | str) -> tuple[Tensor, dict[str, Tensor]]:
    """Samples of one type as a batch, with zeros where they are smaller than the largest, and a mask for each class.

    >>> import torch
    >>> from einnet import EinNet
    >>> relations = [torch.randn(4, 4, 3), torch.randn(6, 6, 3)]
    >>> x, mask = pad(relations, "aaH")
    >>> x.shape, mask["a"].sum(1)
    (torch.Size([2, 6, 6, 3]), tensor([4, 6]))
    >>> net = EinNet("aaH -> H", in_features=3, out_features=2).eval()
    >>> together = net(x, mask=mask)
    >>> torch.allclose(together[0], net(relations[0]), atol=1e-5)      # the padding changes nothing
    True

    Args:
        samples: tensors (axes..., features) without batch axes, of one dtype and on one device.
        symmetry: their type.

    Returns the batch (number, axes..., features), and for each class a boolean mask (number, sizes of the classes
    that it depends on..., its size), as `mask=` takes them. As a `collate_fn`: `lambda samples: pad(samples, "aH")`.
    Raises `ShapeError` for samples that do not fit the type or each other.
    """
    symmetry = as_symmetry(symmetry)
    symmetry = Symmetry.of(symmetry.axes, symmetry.dependencies)  # with features
    if not isinstance(samples, Sequence) or not samples:
        raise ShapeError("samples to pad are a list of one tensor or more")
    sizes = [_checked(x, k, samples[0], symmetry) for k, x in enumerate(samples)]
    most = {c: max(s[c] for s in sizes) for c in symmetry.classes}
    batch = samples[0].new_zeros(len(samples), *(most[c] for c in symmetry.axes), samples[0].shape[-1])
    for k, x in enumerate(samples):
        batch[(k, *(slice(n) for n in x.shape))] = x
    there = {c: _there(most[c], [s[c] for s in sizes], batch.device) for c in symmetry.classes}
    return batch, {c: _below_parents(c, there, symmetry) for c in symmetry.classes}


def _checked(x: Tensor, number: int, first: Tensor, symmetry: Symmetry) -> dict[str, int]:
    """The size of each class of a sample that fits the type, and the first sample."""
    name = f"sample {number}"
    check_features(x, symmetry.axes, first.shape[-1] if number else None, f"{name} of type '{symmetry}'")
    if x.dim() != len(symmetry.axes) + 1:
        wanted = f"{len(symmetry.axes)} axes, features, and no batch axes"
        raise ShapeError(f"{name} of type '{symmetry}' has {wanted}; got {tuple(x.shape)}")
    if (x.dtype, x.device) != (first.dtype, first.device):
        raise ShapeError(f"{name} is {x.dtype} on {x.device}, the first one {first.dtype} on {first.device}")
    return symmetry.sizes_of(x.shape, name)


def _there(most: int, sizes: Sequence[int], device: torch.device) -> Tensor:
    return torch.arange(most, device=device) < torch.tensor(sizes, device=device).unsqueeze(1)


def _below_parents(letter: str, there: dict[str, Tensor], symmetry: Symmetry) -> Tensor:
    """The mask of a class, which is there where its parents are."""
    names = (*symmetry.ancestors(letter), letter)
    mask = align(there[letter], [letter], names)
    for parent in names[:-1]:
        mask = mask & align(there[parent], [parent], names)
    return mask
