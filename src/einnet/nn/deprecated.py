"""Names of arguments that were changed: the old ones work for one release, with a `DeprecationWarning`."""

import warnings
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

__all__ = ["NORM", "NORMALIZE", "rename_arguments"]

NORMALIZE = ("normalize", {"mean": "size", "sum": None})  # of the old argument scale
NORM = ("norm", {"none": None})  # an old value of the argument norm


def rename_arguments(**names: str | tuple[str, Mapping[Any, Any]] | None) -> Callable:
    """A decorator of a function with renamed arguments: for each old name the new one, perhaps with new values;
    None for an argument that was dropped.

    >>> @rename_arguments(scale=NORMALIZE)
    ... def pool(normalize="size"):
    ...     return normalize
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     print(pool(scale="sum"), caught[0].message)
    None scale='sum' is now normalize=None; the old name goes with the next release
    """

    def decorate(function: Callable) -> Callable:
        @wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            for old in names.keys() & kwargs.keys():
                rule = names[old]
                new, values = rule if isinstance(rule, tuple) else (rule, {})
                if new == old and not (isinstance(kwargs[old], str) and kwargs[old] in values):
                    continue
                value = kwargs.pop(old)
                says = f"{old}={value!r} has no effect any more"
                if new is not None:
                    kwargs[new] = values.get(value, value)
                    says = f"{old}={value!r} is now {new}={kwargs[new]!r}; the old name goes with the next release"
                warnings.warn(says, DeprecationWarning, stacklevel=2)
            return function(*args, **kwargs)

        return call

    return decorate
