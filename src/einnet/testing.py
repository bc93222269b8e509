"""Equivariance checks for EinNet's modules and for users' own functions."""

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from einnet.errors import EinNetError
from einnet.nn.modes import evaluating
from einnet.signature import Signature, as_signature
from einnet.symmetry import Symmetry

__all__ = ["assert_equivariant", "equivariance_error"]

TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-4, torch.bfloat16: 0.1, torch.float16: 0.05}


def equivariance_error(
    function: Callable[..., Tensor],
    signature: Signature | str,
    sizes: Mapping[str, int],
    *,
    features: int | Sequence[int] | None = None,
    batch: Sequence[int] = (2,),
    trials: int = 3,
    seed: int = 0,
    masks: bool = False,
    dtype: torch.dtype | None = None,
) -> float:
    """The largest difference between f(g x) and g f(x), relative to the largest value of f(x).

    >>> equivariance_error(lambda x: x.cumsum(-2), "aH", {"a": 5}, features=1) > 0.1
    True
    >>> equivariance_error(lambda x: x - x.mean(-2, keepdim=True), "aH", {"a": 5}, features=1) < 1e-6
    True

    Args:
        function: takes one tensor for each input; with `masks=True` also `mask=`, a dict by class. A
            module is checked in evaluation mode. What takes `sizes=` gets those of the output's axes that no input
            has.
        signature: the symmetry to check.
        sizes: the size of each class.
        features: of each input; without it, the function's `in_features`, else 3.
        batch: leading batch axes of the inputs.
        trials: how many random inputs and group elements.
        seed: of the random inputs and group elements.
        masks: whether to pass random masks, permuted with the inputs.
        dtype: of the inputs; without it, that of the function's parameters, else float64.
    """
    signature = as_signature(signature)
    widths = _features(function, signature, features)
    dtype = dtype or _dtype(function)
    if dtype not in TOLERANCE:
        raise EinNetError(f"equivariance is measured in {', '.join(map(str, TOLERANCE))}; got {dtype}")
    module = function if isinstance(function, torch.nn.Module) else torch.nn.Module()
    with evaluating(module):  # with dropout no function is equivariant
        return _worst_difference(function, signature, sizes, widths, batch, trials, seed, masks, dtype)


def _worst_difference(function, signature, sizes, widths, batch, trials, seed, masks, dtype) -> float:
    generator = torch.Generator().manual_seed(seed)
    worst = 0.0
    for trial in range(trials):
        g = signature.random_element(sizes, (seed, trial))
        inputs = [
            torch.randn([*batch, *(sizes[c] for c in t.axes), *[w] * t.features], generator=generator, dtype=dtype)
            for t, w in zip(signature.inputs, widths, strict=True)
        ]
        moved = [g.act(x, t) for x, t in zip(inputs, signature.inputs, strict=True)]
        extra: dict[str, Any] = _free_sizes(function, signature, sizes)
        moved_extra = dict(extra)
        if masks:
            extra["mask"] = _random_masks(signature, sizes, batch, generator)
            moved_extra["mask"] = {c: g.act(m, _type_of_class(signature, c)) for c, m in extra["mask"].items()}
        with torch.no_grad():
            found, got = function(*inputs, **extra), function(*moved, **moved_extra)
        if not isinstance(found, Tensor) or not isinstance(got, Tensor):
            raise EinNetError(f"the function must return one tensor, got {type(found).__name__}")
        expected = g.act(found, signature.output)
        if got.shape != expected.shape:
            raise EinNetError(
                f"the function returned shape {tuple(got.shape)} and {tuple(expected.shape)} for inputs "
                "that differ by a permutation only"
            )
        scale = max(expected.abs().max().item(), 1e-30) if expected.numel() else 1.0
        difference = (got - expected).abs().max().item() if expected.numel() else 0.0
        error = difference / scale
        if not math.isfinite(error):
            return float("nan")
        worst = max(worst, error)
    return worst


def assert_equivariant(
    function: Callable[..., Tensor],
    signature: Signature | str,
    sizes: Mapping[str, int],
    *,
    tolerance: float | None = None,
    **options: Any,
) -> None:
    """Raises `AssertionError` unless the function commutes with random group elements.

    >>> assert_equivariant(lambda x: x + x.mT, "aa", {"a": 5})
    >>> assert_equivariant(lambda x: x + x.mT, "aa -> aa", {"a": 5}, batch=())
    >>> assert_equivariant(lambda x: x @ x, "ab", {"a": 5, "b": 5})
    Traceback (most recent call last):
    AssertionError: not equivariant to 'ab -> ab': f(g x) differs from g f(x) by 1.4 of the largest
    value, more than 1e-10

    `options` are those of `equivariance_error`; the default tolerance is 1e-10 in float64, 1e-4 in
    float32.
    """
    dtype = options.get("dtype") or _dtype(function)
    error = equivariance_error(function, signature, sizes, **options)
    limit = TOLERANCE[dtype] if tolerance is None else tolerance
    if not error <= limit:
        parsed = as_signature(signature)
        raise AssertionError(
            f"not equivariant to '{parsed}': f(g x) differs from g f(x) by {error:.2g} of the "
            f"largest value, more than {limit:g}"
        )


def _features(function: Any, signature: Signature, given: int | Sequence[int] | None) -> list[int]:
    found = given if given is not None else getattr(function, "in_features", 3)
    widths = [found] * len(signature.inputs) if isinstance(found, int) else list(found)
    if len(widths) != len(signature.inputs):
        raise EinNetError(
            f"'{signature}' has {len(signature.inputs)} inputs, got features for {len(widths)}: {found!r}"
        )
    return widths


def _dtype(function: Any) -> torch.dtype:
    parameters = function.parameters() if isinstance(function, torch.nn.Module) else iter(())
    first = next(parameters, None)
    return torch.float64 if first is None else first.dtype


def _type_of_class(signature: Signature, letter: str) -> Symmetry:
    whole = Symmetry.of(signature.classes, signature.dependencies, features=False)
    return Symmetry.of((*whole.ancestors(letter), letter), whole.dependencies, features=False)


def _free_sizes(function: Callable[..., Tensor], signature: Signature, sizes: Mapping[str, int]) -> dict[str, Any]:
    """`sizes=` for a function that takes it, where the output has axes that no input has."""
    held = {c for t in signature.inputs for c in t.axes}
    free = {c: sizes[c] for c in signature.output.classes if c not in held}
    return {"sizes": free} if free and _takes_sizes(function) else {}


def _takes_sizes(function: Any) -> bool:
    called = getattr(function, "_orig_mod", function)  # what torch.compile wraps
    try:
        found = inspect.signature(called.forward if isinstance(called, torch.nn.Module) else called).parameters
    except (TypeError, ValueError):  # built in
        return False
    return "sizes" in found or any(p.kind is p.VAR_KEYWORD for p in found.values())


def _random_masks(signature, sizes, batch, generator) -> dict[str, Tensor]:
    masks = {}
    for letter in signature.classes:
        shape = [*batch, *(sizes[c] for c in _type_of_class(signature, letter).axes)]
        masks[letter] = torch.rand(shape, generator=generator) < 0.7
    return masks
