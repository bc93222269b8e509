"""Checks for users' own work: the equivariance of a function, the contract of a task."""

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from einnet.checks import check_count, check_real
from einnet.errors import EinNetError
from einnet.nn.inputs import dtype_of
from einnet.nn.mode import evaluation_mode
from einnet.signature import Signature, as_signature
from einnet.symmetry import GroupElement, Symmetry

if TYPE_CHECKING:
    from einnet.tasks.contract import check_task

__all__ = ["assert_equivariant", "check_task", "equivariance_error"]

TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-4, torch.bfloat16: 0.1, torch.float16: 0.05}


def __getattr__(name: str) -> Any:
    """Imports what belongs to the tasks at its first use."""
    if name == "check_task":
        return import_module("einnet.tasks.contract").check_task
    raise AttributeError(f"module 'einnet.testing' has no attribute {name!r}")


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
        function: takes one tensor for each input, of a sparse type a tuple (index, values), and returns such; with
            `masks=True` also `mask=`, a dict by class. A module is checked in evaluation mode. What takes `sizes=` gets
            those of the axes that no dense input has. For a sparse output of another type than all inputs it gets index
            tuples as `at=` and returns their values.
        signature: the symmetry to check.
        sizes: the size of each class.
        features: of each input; without it, the function's `in_features`, else 3.
        batch: leading batch axes of the inputs.
        trials: how many random inputs and group elements, 1 or more.
        seed: of the random inputs and group elements.
        masks: whether to pass random masks, permuted with the inputs.
        dtype: of the inputs; without it, that of the function's parameters, else float64.
    """
    signature = as_signature(signature)
    widths = _features(function, signature, features)
    check_count(trials, "trials")
    dtype = dtype or _dtype(function)
    if dtype not in TOLERANCE:
        raise EinNetError(f"equivariance is measured in {', '.join(map(str, TOLERANCE))}; got {dtype}")
    module = function if isinstance(function, torch.nn.Module) else torch.nn.Module()
    generator = torch.Generator().manual_seed(seed)
    with evaluation_mode(module), torch.no_grad():  # with dropout no function is equivariant
        errors = [
            _relative_difference(function, signature, sizes, widths, batch, (seed, trial), generator, masks, dtype)
            for trial in range(trials)
        ]
    return max(errors) if all(map(math.isfinite, errors)) else float("nan")


def _relative_difference(function, signature, sizes, widths, batch, seed, generator, masks, dtype) -> float:
    """That of one random input and group element."""
    g = _random_element(signature, sizes, seed)
    supports: dict[Symmetry, Any] = {}
    draw_input = partial(_draw_input, g, sizes, batch, supports, generator, dtype)
    inputs, moved = zip(*map(draw_input, signature.inputs, widths), strict=True)
    options = _free_sizes(function, signature, sizes)
    moved_options, is_asked = dict(options), signature.output.is_sparse and signature.output.bare not in supports
    if is_asked:
        (options["at"], _), (moved_options["at"], _) = draw_input(signature.output, 0)
    if masks:
        types = {c: _type_of_class(signature, c) for c in signature.classes}
        shapes = {c: [*batch, *(sizes[a] for a in t.axes)] for c, t in types.items()}
        options["mask"] = {c: torch.rand(shape, generator=generator) < 0.7 for c, shape in shapes.items()}
        moved_options["mask"] = {c: g.act(m, types[c]) for c, m in options["mask"].items()}
    output, moved_output = function(*inputs, **options), function(*moved, **moved_options)
    if is_asked:
        output, moved_output = (options["at"], output), (moved_options["at"], moved_output)
    if signature.output.is_sparse:
        output, moved_output = (_scatter(y, signature.output, sizes) for y in (output, moved_output))
    if not isinstance(output, Tensor) or not isinstance(moved_output, Tensor):
        raise EinNetError(f"the function must return one tensor, got {type(output).__name__}")
    output, moved_output = _to_measurable(output), _to_measurable(moved_output)
    expected = g.act(output, signature.output.dense)
    if moved_output.shape != expected.shape:
        shapes = f"{tuple(moved_output.shape)} and {tuple(expected.shape)}"
        raise EinNetError(f"the function returned shape {shapes} for inputs that differ by a permutation only")
    if not expected.numel():
        shape = tuple(expected.shape)
        raise EinNetError(f"nothing is compared: the function returned no values, shape {shape}. Choose larger sizes")
    return (moved_output - expected).abs().max().item() / max(expected.abs().max().item(), 1e-30)


def _draw_input(g, sizes, batch, supports, generator, dtype, symmetry, width) -> tuple[Any, Any]:
    """A random input and the moved one: tensors, or tuples (index, values), whose moved entries are shuffled.

    Inputs of one sparse type have one support, that of `supports`: index, moved index, order of the moved entries.
    """
    cells, key = [sizes[c] for c in symmetry.axes], symmetry.bare
    if symmetry.is_sparse and key not in supports:
        index = (torch.rand(cells, generator=generator) < 0.5).nonzero().mT
        order = torch.randperm(index.shape[1], generator=generator)
        supports[key] = index, g.act_on_index(index[:, order], symmetry), order
    index, moved_index, order = supports.get(key, (None, None, None))
    shape = [*batch, *(cells if index is None else index.shape[1:]), *[width] * symmetry.features]
    x = torch.randn(shape, generator=generator, dtype=dtype)
    if index is None:
        return x, g.act(x, symmetry)
    return (index, x), (moved_index, x.index_select(-1 - symmetry.features, order))


def _scatter(output: Any, symmetry: Symmetry, sizes: Mapping[str, int]) -> Tensor:
    """The values of a sparse output in a tensor that is zero elsewhere."""
    if not isinstance(output, tuple) or not all(isinstance(x, Tensor) for x in output) or len(output) != 2:
        raise EinNetError(f"the function must return a tuple (index, values), got {type(output).__name__}")
    index, values = output
    axis, cells = values.dim() - 1 - symmetry.features, [sizes[c] for c in symmetry.axes]
    x = values.new_zeros(*values.shape[:axis], *cells, *values.shape[axis + 1 :])
    x[(..., *index, *[slice(None)] * symmetry.features)] = values
    return x


def _random_element(signature: Signature, sizes: Mapping[str, int], seed: tuple[int, int]) -> GroupElement:
    """A random element other than the identity, which moves nothing; where no axis is longer than 1, the identity."""
    g = signature.random_element(sizes, seed)
    if any((m != np.arange(m.shape[-1])).any() for m in g.maps.values()):
        return g
    long = [c for c in g.maps if g.maps[c].shape[-1] > 1]
    chosen = long[seed[1] % len(long)] if long else ""
    return GroupElement({c: np.roll(m, 1, -1) if c == chosen else m for c, m in g.maps.items()}, g.parents)


def _to_measurable(output: Tensor) -> Tensor:
    """Integers and booleans as float64: torch subtracts no booleans, and small integers overflow."""
    return output if output.is_floating_point() or output.is_complex() else output.double()


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
    >>> assert_equivariant(lambda x: (x[0], x[1].square()), "[aa]H", {"a": 5})       # x is (index, values)
    >>> assert_equivariant(lambda x: x @ x, "ab", {"a": 5, "b": 5})
    Traceback (most recent call last):
    AssertionError: not equivariant to 'ab -> ab': f(g x) differs from g f(x) by 1.4 of the largest
    value, more than 1e-10

    `options` are those of `equivariance_error`; the default tolerance is 1e-10 in float64, 1e-4 in float32.
    """
    dtype = options.get("dtype") or _dtype(function)
    error = equivariance_error(function, signature, sizes, **options)
    limit = TOLERANCE[dtype] if tolerance is None else check_real(tolerance, "tolerance")
    if not error <= limit:
        difference = f"f(g x) differs from g f(x) by {error:.2g} of the largest value, more than {limit:g}"
        raise AssertionError(f"not equivariant to '{as_signature(signature)}': {difference}")


def _features(function: Any, signature: Signature, features: int | Sequence[int] | None) -> list[int]:
    known: Any = getattr(function, "in_features", 3) if features is None else features
    widths = [known] * len(signature.inputs) if isinstance(known, int) else list(known)
    if len(widths) != len(signature.inputs):
        number = len(signature.inputs)
        raise EinNetError(f"'{signature}' has {number} inputs, got features for {len(widths)}: {known!r}")
    return widths


def _dtype(function: Any) -> torch.dtype:
    return (dtype_of(function) if isinstance(function, torch.nn.Module) else None) or torch.float64


def _type_of_class(signature: Signature, letter: str) -> Symmetry:
    axes = Symmetry.of(signature.classes, signature.dependencies, features=False)
    return Symmetry.of((*axes.ancestors(letter), letter), axes.dependencies, features=False)


def _free_sizes(function: Callable[..., Tensor], signature: Signature, sizes: Mapping[str, int]) -> dict[str, Any]:
    """`sizes=` for a function that takes it, if there are axes that no dense input has."""
    bound = {c for t in signature.inputs if not t.is_sparse for c in t.axes}
    free = {c: sizes[c] for c in signature.classes if c not in bound}
    return {"sizes": free} if free and _takes_sizes(function) else {}


def _takes_sizes(function: Any) -> bool:
    called = getattr(function, "_orig_mod", function)  # what torch.compile wraps
    try:
        parameters = inspect.signature(called.forward if isinstance(called, torch.nn.Module) else called).parameters
    except (TypeError, ValueError):  # built in
        return False
    return "sizes" in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())
