"""Sizes: checked against a signature, read from tensors; and inputs brought to one form."""

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from einnet.errors import ShapeError
from einnet.signature import Signature
from einnet.taylor._arrays import as_arrays
from einnet.taylor.evaluate import Operand

__all__ = ["bind", "check_sizes", "unified"]


def check_sizes(signature: Signature, sizes: Mapping[str, int], complete: bool = False) -> None:
    """Raises where a size is of no class, is no size, or is missing while others are given."""
    if not isinstance(sizes, Mapping):
        raise ShapeError(f"sizes must be a dict such as {{'a': 3}}, got {sizes!r}")
    known = ", ".join(signature.classes) or "none"
    for letter, size in sizes.items():
        if letter != "H" and letter not in signature.classes:
            raise ShapeError(f"sizes names {letter!r}, which '{signature}' does not have: its classes are {known}")
        if not isinstance(size, (int, np.integer)) or isinstance(size, bool) or size < 1:
            raise ShapeError(f"the size of class {letter!r} must be a whole number, 1 or more, got {size!r}")
    missing = [c for c in signature.classes if c not in sizes]
    if missing and (complete or len(missing) < len(signature.classes)):
        raise ShapeError(
            f"the size of {', '.join(map(repr, missing))} is missing: '{signature}' has the classes {known}, "
            f"sizes gives {', '.join(f'{c}={n}' for c, n in sizes.items()) or 'none'}"
        )


def unified(signature: Signature, x: Any, params: list[Any]) -> tuple[list[Any], ...]:
    """The inputs as a list, and the parameters of each order, in one framework."""
    number = len(signature.inputs)
    given = list(x) if isinstance(x, (tuple, list)) and number > 1 else [x]
    if len(given) != number:
        raise ShapeError(f"'{signature}' has {number} inputs, to be given as a tuple; got {len(given)}")
    arrays = as_arrays(*given, *params)
    return arrays[:number], *arrays[number:]


def bind(
    signature: Signature, sizes: Mapping[str, int], features: int, inputs: Sequence[Any]
) -> tuple[list[Operand], dict[str, int], tuple[int, ...]]:
    """The inputs with one batch axis or none, the size of each class, and the batch axes."""
    found: dict[str, int] = {}
    batch: tuple[int, ...] = ()
    operands = []
    for k, (t, value) in enumerate(zip(signature.inputs, inputs, strict=True)):
        name = "x" if len(inputs) == 1 else f"x[{k}]"
        for letter, size in t.sizes_of(value.shape, name).items():
            expected = sizes.get(letter, found.get(letter, size))
            if expected != size:
                raise ShapeError(f"{name} of type '{t}' has size {size} on axis '{letter}', expected {expected}")
            found[letter] = size
        if t.features and value.shape[-1] != features:
            raise ShapeError(
                f"{name} of type '{t}' has {value.shape[-1]} features, the series has {features}: "
                f"make it with sizes={{'H': {value.shape[-1]}, ...}}"
            )
        rank = len(t.axes) + t.features
        leading = tuple(value.shape[: len(value.shape) - rank])
        if leading and batch and leading != batch:
            raise ShapeError(f"the inputs have different batch axes: {batch} and {leading}")
        batch = batch or leading
        flat = value.reshape(prod(leading), *value.shape[len(leading) :]) if leading else value
        operands.append(Operand(k, flat, bool(leading), t.features, len(t.axes)))
    bound = {**sizes, **found}
    check_sizes(signature, bound, complete=True)
    return operands, bound, batch
