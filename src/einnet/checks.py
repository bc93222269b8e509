"""Checks of arguments: a wrong type is a `TypeError`, a wrong value an `EinNetError`."""

import operator
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from numbers import Real
from typing import Any, SupportsIndex

from einnet.errors import EinNetError, ShapeError, did_you_mean
from einnet.limits import limits

__all__ = [
    "SearchBudget",
    "check_choice",
    "check_count",
    "check_flag",
    "check_limit",
    "check_real",
    "check_size",
    "check_sizes",
    "check_text",
]


def check_count(value: Any, name: str, *, minimum: int = 1, maximum: int | None = None) -> int:
    """A whole number within bounds, as an `int`; numpy's integers and torch's are whole numbers too.

    >>> import numpy as np
    >>> check_count(np.int64(16), "heads")
    16
    >>> check_count(0, "heads")
    Traceback (most recent call last):
    einnet.errors.EinNetError: heads must be 1 or more, got 0
    >>> check_count(True, "heads")
    Traceback (most recent call last):
    TypeError: heads must be a whole number, got True of type bool
    """
    try:
        number = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = None
    if number is None:
        raise TypeError(f"{name} must be a whole number, got {value!r} of type {type(value).__name__}")
    if number < minimum or (maximum is not None and number > maximum):
        bounds = f"{minimum:,} or more" if maximum is None else f"from {minimum:,} to {maximum:,}"
        raise EinNetError(f"{name} must be {bounds}, got {number:,}")
    return number


def check_size(value: Any, name: str, *, minimum: int = 0) -> Any:
    """The size of an axis, as it is: not made an `int`, as a traced program has symbolic sizes.

    >>> check_size(-1, "the size of axis 'a'")
    Traceback (most recent call last):
    einnet.errors.ShapeError: the size of axis 'a' must be 0 or more, got -1
    """
    if isinstance(value, bool) or not isinstance(value, SupportsIndex):
        raise TypeError(f"{name} must be a whole number, got {value!r} of type {type(value).__name__}")
    if value < minimum:  # type: ignore[operator]
        raise ShapeError(f"{name} must be {minimum} or more, got {value}")
    return value


def check_sizes(sizes: Any, *, minimum: int = 0) -> None:
    """A dict from axes to sizes.

    >>> check_sizes([5])
    Traceback (most recent call last):
    TypeError: sizes must be a dict from axes to numbers, such as {'a': 5}, got [5]
    """
    if not isinstance(sizes, Mapping):
        raise TypeError(f"sizes must be a dict from axes to numbers, such as {{'a': 5}}, got {sizes!r}")
    for letter, size in sizes.items():
        check_size(size, f"the size of axis '{letter}'", minimum=minimum)


def check_real(
    value: Any, name: str, *, minimum: float = 0.0, above: float | None = None, below: float = float("inf")
) -> float:
    """A real number of at least `minimum`, or above `above`, and less than `below`, as a `float`.

    >>> check_real(1.5, "dropout", below=1)
    Traceback (most recent call last):
    einnet.errors.EinNetError: dropout must be at least 0 and less than 1, got 1.5
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, got {value!r} of type {type(value).__name__}")
    number = float(value)
    is_above = number >= minimum if above is None else number > above
    if not (is_above and number < below):
        lower = f"at least {minimum:g}" if above is None else f"more than {above:g}"
        upper = "" if below == float("inf") else f" and less than {below:g}"
        raise EinNetError(f"{name} must be {lower}{upper}, got {value!r}")
    return number


def check_choice(value: Any, name: str, choices: Iterable[str]) -> str:
    """One of some words.

    >>> check_choice("maximum", "reduction", ("sum", "max"))
    Traceback (most recent call last):
    einnet.errors.EinNetError: reduction must be 'sum' or 'max', got 'maximum'. Did you mean 'max'?
    """
    known = tuple(choices)
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a string, got {value!r} of type {type(value).__name__}")
    if value not in known:
        *first, last = map(repr, known)
        listing = f"{', '.join(first)} or {last}" if first else last
        hint = did_you_mean(value, known)
        raise EinNetError(f"{name} must be {listing}, got {value!r}" + (f".{hint}" if hint else ""))
    return value


def check_text(value: Any, name: str, example: str) -> str:
    """A string.

    >>> check_text(3, "a term", "ab,bc->ac")
    Traceback (most recent call last):
    TypeError: a term must be a string such as 'ab,bc->ac', got 3 of type int
    """
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a string such as {example!r}, got {value!r} of type {type(value).__name__}")
    return value


def check_flag(value: Any, name: str) -> bool:
    """True or False.

    >>> check_flag("yes", "bias")
    Traceback (most recent call last):
    TypeError: bias must be True or False, got 'yes' of type str
    """
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be True or False, got {value!r} of type {type(value).__name__}")
    return value


def check_limit(number: float, limit: str, what: str, instead: str, *, times: int = 1) -> None:
    """Raises `EinNetError` before work starts that would exceed a limit, or so many times that limit.

    >>> check_limit(115_975, "linear_maps", "'aaaaa -> aaaaa' has {} linear maps", "use fewer axes")
    Traceback (most recent call last):
    einnet.errors.EinNetError: 'aaaaa -> aaaaa' has 115,975 linear maps, more than the limit of 10,000: use fewer axes,
    or raise the limit with einnet.raise_limits(linear_maps=...)
    """
    if number > (maximum := times * getattr(limits(), limit)):
        written = f"{number:,}" if isinstance(number, int) and number < 10**15 else f"about {Decimal(number):.1e}"
        raise EinNetError(
            f"{what.format(written)}, more than the limit of {maximum:,}: {instead}, or raise the limit with "
            f"einnet.raise_limits({limit}=...)"
        )


@dataclass
class SearchBudget:
    """The steps that a search may take.

    >>> budget = SearchBudget("'ab,bc->ac'", "search_steps", "give a term of fewer operands")
    >>> budget.spend(20_001)
    Traceback (most recent call last):
    einnet.errors.EinNetError: 'ab,bc->ac': the search takes 20,001 steps, more than the limit of 20,000: give a term
    of fewer operands, or raise the limit with einnet.raise_limits(search_steps=...)
    """

    what: str
    limit: str
    instead: str
    steps: int = 0

    def spend(self, steps: int = 1) -> None:
        """Counts steps; raises `EinNetError` when they exceed the limit."""
        self.steps += steps
        if self.steps > getattr(limits(), self.limit):
            check_limit(self.steps, self.limit, f"{self.what}: the search takes {{}} steps", self.instead)
