"""From samples of different sizes to one padded batch with its masks."""

from collections.abc import Sequence

import torch
from torch import Tensor

from einnet.errors import ShapeError
from einnet.nn.backend import align
from einnet.nn.inputs import check_features
from einnet.symmetry import Symmetry, as_symmetry, check_dense

__all__ = ["pad"]


def pad(samples: Sequence[Tensor], symmetry: Symmetry | str) -> tuple[Tensor, dict[str, Tensor]]:
    """Samples of one type as a batch, with zeros where they are smaller than the largest, and a mask for each axis.

    >>> import torch
    >>> from einnet import EinNet
    >>> relations = [torch.randn(4, 4, 3), torch.randn(6, 6, 3)]
    >>> x, mask = pad(relations, "aaH")
    >>> x.shape, mask["a"].sum(1)
    (torch.Size([2, 6, 6, 3]), tensor([4, 6]))
    >>> net = EinNet("aaH -> H", in_features=3, out_features=2).eval()
    >>> padded = net(x, mask=mask)
    >>> torch.allclose(padded[0], net(relations[0]), atol=1e-5)      # the padding changes nothing
    True

    Args:
        samples: tensors (axes..., features) without batch axes, of one dtype and on one device.
        symmetry: their type.

    Returns the batch (number, axes..., features), and for each axis a boolean mask (number, sizes of the axes
    that it depends on..., its size), as `mask=` takes them. As a `collate_fn`: `lambda samples: pad(samples, "aH")`.
    Raises `ShapeError` for samples that do not fit the type or each other.
    """
    symmetry = as_symmetry(symmetry).with_features
    check_dense([symmetry], "pad", "its values need no padding, batch their index and the values")
    if not isinstance(samples, Sequence):
        raise TypeError(f"samples must be a list of tensors, got {type(samples).__name__}")
    if not samples:
        raise ShapeError("samples must be a list of one tensor or more, got an empty one")
    sizes = [_sizes_of(x, k, samples[0], symmetry) for k, x in enumerate(samples)]
    largest = {c: max(s[c] for s in sizes) for c in symmetry.classes}
    batch = samples[0].new_zeros(len(samples), *(largest[c] for c in symmetry.axes), samples[0].shape[-1])
    for k, x in enumerate(samples):
        batch[(k, *(slice(n) for n in x.shape))] = x
    device = batch.device
    masks = {
        c: torch.arange(n, device=device) < torch.tensor([s[c] for s in sizes], device=device).unsqueeze(1)
        for c, n in largest.items()
    }
    return batch, {c: _mask_within_parents(c, masks, symmetry) for c in symmetry.classes}


def _sizes_of(x: Tensor, number: int, first: Tensor, symmetry: Symmetry) -> dict[str, int]:
    """The size of each axis of a sample; raises for one that does not fit the type, or the first sample."""
    name = f"sample {number}"
    check_features(x, symmetry.axes, first.shape[-1] if number else None, f"{name} of type '{symmetry}'")
    if x.dim() != len(symmetry.axes) + 1:
        raise ShapeError(
            f"{name} of type '{symmetry}' must have {len(symmetry.axes)} axes, features, and no batch axes; "
            f"got {tuple(x.shape)}"
        )
    if (x.dtype, x.device) != (first.dtype, first.device):
        raise ShapeError(f"{name} is {x.dtype} on {x.device}, the first one {first.dtype} on {first.device}")
    return symmetry.sizes_of(x.shape, name)


def _mask_within_parents(letter: str, masks: dict[str, Tensor], symmetry: Symmetry) -> Tensor:
    """The mask of an axis for each index of its parents; False below an absent one."""
    names = (*symmetry.ancestors(letter), letter)
    mask = align(masks[letter], [letter], names)
    for parent in names[:-1]:
        mask = mask & align(masks[parent], [parent], names)
    return mask
