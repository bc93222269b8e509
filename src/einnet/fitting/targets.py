"""Targets of samples as tensors: quantities, or numbers of classes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from einnet.errors import EinNetError, ShapeError
from einnet.fitting.goals import Classification, Goal, Regression
from einnet.fitting.samples import Samples, Stacked, is_array
from einnet.symmetry import Symmetry

__all__ = ["Targets", "read_targets"]

MANY = 10  # classes: more whole numbers may be meant as quantities


@dataclass
class Targets:
    """The target of each sample: (axes..., features), NaN where not known; or numbers of classes (axes...), or -1.

    `classes` are None for quantities; `notes` say what was decided and left out.
    """

    values: Tensor | list[Tensor]
    classes: tuple[Any, ...] | None
    notes: list[str] = field(default_factory=list)

    def find_known(self, values: Tensor) -> Tensor:
        """Which targets are known, or a feature of them."""
        return (Regression if self.classes is None else Classification).find_known(values)

    def make_goal(self, parts: Sequence[Tensor]) -> Goal:
        """The goal of the targets of training."""
        if self.classes is None:
            return Regression.of(torch.cat([y.flatten(0, -2) for y in parts]))
        return Classification.of(torch.cat([y.flatten() for y in parts]), self.classes)


def read_targets(
    targets: Any,
    samples: Samples,
    output: Symmetry,
    *,
    is_single: bool = False,
    queries: int | None = None,
    classes: tuple[Any, ...] | None = None,
    dtype: torch.dtype | None = None,
    device: Any = None,
) -> Targets:
    """The targets of samples, checked: floats are quantities; whole numbers, flags and strings are classes.

    Args:
        is_single: `targets` is that of a single sample.
        queries: the number of index tuples that are asked for.
        classes: those of the training, if these targets are for validation.
    """
    blocks = _read_blocks(targets, samples, output, is_single)
    shapes = [[samples.number]] if not output.axes else [samples.shape(k, output) for k in range(len(blocks))]
    shapes = shapes if queries is None else [[queries]]
    kinds = {block.dtype.kind for block in blocks}
    notes: list[str] = []
    if kinds <= set("iub") or kinds == {"U"}:
        for k, (block, shape) in enumerate(zip(blocks, shapes, strict=True)):
            _check_shape(
                block.shape, shape, output, k, "whole numbers and strings are classes, for several features pass floats"
            )
        tensors, classes = _encode(blocks, bool(output.axes), classes, notes)
    elif kinds <= set("fiub"):
        if classes is not None:
            raise TypeError("the targets of valid must be classes, as those of training, got floats")
        tensors = [_as_features(b, s, output, k) for k, (b, s) in enumerate(zip(blocks, shapes, strict=True))]
        if len(widths := {x.shape[-1] for x in tensors}) > 1:
            raise ShapeError(f"the targets of all samples must have the same number of features, got {sorted(widths)}")
        tensors = [x.to(dtype) for x in tensors]
        _count_unknown(sum(int(x.isnan().sum()) for x in tensors), sum(x.numel() for x in tensors), "NaN", notes)
    else:
        raise TypeError(
            f"targets must be floats (quantities), or whole numbers, flags or strings (classes), got {blocks[0].dtype}"
        )
    tensors = [x.to(device) for x in tensors]
    if not output.axes:
        return Targets(tensors[0], classes, notes)
    return Targets(
        torch.stack(tensors) if isinstance(samples, Stacked) and queries is None else tensors, classes, notes
    )


def _read_blocks(targets: Any, samples: Samples, output: Symmetry, is_single: bool) -> list[np.ndarray]:
    """Arrays of targets: one for each sample, or one for all samples if the output has no axes."""
    if is_single:
        return [_as_array(targets)]
    if not is_array(targets) and not isinstance(targets, list | tuple):
        raise TypeError(f"targets must be an array or a list, got {type(targets).__name__}")
    if len(targets) != samples.number:
        raise ShapeError(f"there are {samples.number:,} samples and {len(targets):,} targets: pass one for each sample")
    if output.axes:
        return [_as_array(y) for y in targets]
    block = _as_array(targets if is_array(targets) else [_as_array(y) for y in targets])
    return [block.squeeze(1) if block.ndim > 1 and block.shape[1] == 1 else block]


def _as_array(y: Any) -> np.ndarray:
    try:
        if isinstance(y, Tensor):
            y = y.detach().cpu()
            y = y.float() if y.dtype == torch.bfloat16 else y
        array = np.asarray(y)
    except ValueError:
        raise ShapeError("the targets of all samples must have one shape, as the output has no axes") from None
    if array.dtype.kind == "O" and all(isinstance(v, str) for v in array.flat):
        array = array.astype(str)
    return array


def _check_shape(shape: Sequence[int], expected: Sequence[int | None], output: Symmetry, k: int, hint: str) -> None:
    if len(shape) != len(expected) or any(n not in (None, m) for m, n in zip(shape, expected, strict=True)):
        name = f"the targets of sample {k}" if output.axes else "targets"
        axes = ", ".join("any" if n is None else str(n) for n in expected)
        raise ShapeError(f"{name} must have shape ({axes},) for the output '{output}', got {tuple(shape)}: {hint}")


def _as_features(block: np.ndarray, shape: Sequence[int | None], output: Symmetry, k: int) -> Tensor:
    """Quantities (axes..., features)."""
    values = torch.from_numpy(block.astype(float))
    if values.dim() == len(shape):
        values = values.unsqueeze(-1)
    _check_shape(values.shape[:-1], shape, output, k, "one more axis may have features")
    if values.isinf().any():
        raise EinNetError("targets must be finite, some are infinite: mark those that are not known as NaN")
    return values


def _encode(
    blocks: list[np.ndarray], has_unknown: bool, classes: tuple[Any, ...] | None, notes: list[str]
) -> tuple[list[Tensor], tuple[Any, ...]]:
    """The classes as numbers in their sorted order; -1 is not known where an output has several targets."""
    is_number = blocks[0].dtype.kind in "iu"
    unknown = [(b == -1) if has_unknown and is_number else np.zeros(b.shape, bool) for b in blocks]
    values = np.concatenate([b[~u] for b, u in zip(blocks, unknown, strict=True)])
    _count_unknown(sum(int(u.sum()) for u in unknown), sum(b.size for b in blocks), "-1", notes)
    names = np.unique(values)
    if classes is None:
        if len(names) < 2:
            got = f"one class, {names.tolist()[0]!r}" if len(names) else "none"
            hint = ", and -1 is no class here, add 1 to all" * any(map(np.any, unknown))
            raise EinNetError(f"targets must have two classes or more, got {got}: there is nothing to tell apart{hint}")
        if is_number and len(names) > MANY:
            notes.append(
                f"targets are whole numbers with {len(names):,} values, taken as classes; for quantities pass floats, "
                "such as targets.astype(float)"
            )
        classes = tuple(names.tolist())
    elif foreign := sorted(set(names.tolist()) - set(classes)):
        raise EinNetError(f"the class {foreign[0]!r} is in the targets of valid and not in those of training")
    known = np.asarray(classes)
    codes = [
        np.where(u, -1, np.searchsorted(known, np.where(u, known[0], b))) for b, u in zip(blocks, unknown, strict=True)
    ]
    return [torch.from_numpy(code) for code in codes], classes


def _count_unknown(number: int, total: int, mark: str, notes: list[str]) -> None:
    if number == total:
        raise EinNetError(f"there is nothing to learn from: all {total:,} targets are not known, {mark}")
    if number:
        notes.append(
            f"{number:,} of {total:,} targets are left out: {mark}, or train_mask, says that they are not known"
        )
