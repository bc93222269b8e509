"""Whether functions return, and dataclasses hold, what their annotations say, seen while code runs.

A value annotated `tuple[int, ...]` can be hashed and read twice, an `int` is a number of Python.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from functools import cached_property
from importlib import import_module
from inspect import CO_GENERATOR, unwrap
from types import CodeType, FunctionType, NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from docstrings import modules_of

__all__ = ["assert_annotated"]

FEW = 20  # elements of a collection that are looked at
COLLECTIONS = (list, set, frozenset, tuple)


def find_wrong(value: Any, hint: Any, path: str = "", seen: set[int] | None = None) -> str:
    """Where a value is not what a hint says; empty where it is, and for hints that say little."""
    seen = set() if seen is None else seen
    origin, args = get_origin(hint), get_args(hint)
    if hint is None or hint is NoneType:
        return "" if value is None else f"{path} is {value!r}, not None"
    if origin in (Union, UnionType):
        wrong = [find_wrong(value, h, path, seen) for h in args]
        return wrong[0] if all(wrong) else ""
    kind = origin or hint
    if kind is Any or not isinstance(kind, type):
        return ""
    is_right = isinstance(value, (int, float) if kind is float else kind)
    if not is_right:
        return f"{path} is {type(value).__name__}, not {getattr(kind, '__name__', kind)}"
    if kind is dict and args:
        pairs = list(value.items())[:FEW]
        return next(
            filter(None, (find_wrong(x, h, f"{path}[]", seen) for p in pairs for x, h in zip(p, args, strict=True))), ""
        )
    if kind in COLLECTIONS and args:
        hints = [args[0]] * len(value) if kind is not tuple or args[-1] is Ellipsis else [*args]
        if args == ((),):
            hints = []
        if len(hints) != len(value):
            return f"{path} has {len(value)} elements, not {len(hints)}"
        return next(
            filter(None, (find_wrong(x, h, f"{path}[]", seen) for x, h in zip([*value][:FEW], hints, strict=False))), ""
        )
    if is_dataclass(value) and type(value).__module__.startswith("einnet") and id(value) not in seen:
        seen.add(id(value))
        hints = _read_hints(type(value))
        parts = ((getattr(value, f.name, None), hints.get(f.name, Any), f"{path}.{f.name}") for f in fields(value))
        return next(filter(None, (find_wrong(x, h, p, seen) for x, h, p in parts)), "")
    return ""


def _read_hints(of: Any) -> dict[str, Any]:
    try:
        return get_type_hints(of)
    except NameError:  # a name that is imported for type checkers only
        return {}


def _list_functions(part: str) -> Iterator[FunctionType]:
    for name in modules_of(part):
        module = import_module(name)
        for owner in (module, *(c for c in vars(module).values() if isinstance(c, type) and c.__module__ == name)):
            for member in vars(owner).values():
                if isinstance(member, property | cached_property):
                    member = member.fget if isinstance(member, property) else member.func
                member = unwrap(getattr(member, "__func__", member))
                if isinstance(member, FunctionType) and member.__module__ == name:
                    yield member


@contextmanager
def watch_returns(part: str) -> Iterator[dict[str, str]]:
    """What is wrong with what functions of a part of the package return, by function; caches are cleared first."""
    hints: dict[CodeType, tuple[str, Any]] = {}
    for function in _list_functions(part):
        if "return" in (known := _read_hints(function)) and not function.__code__.co_flags & CO_GENERATOR:
            hints[function.__code__] = f"{function.__module__}.{function.__qualname__}", known["return"]
    for module in modules_of(part):
        for member in vars(import_module(module)).values():
            if hasattr(member, "cache_clear"):
                member.cache_clear()
    wrong: dict[str, str] = {}

    def look(frame: Any, event: str, value: Any) -> None:
        if event == "return" and value is not None and frame.f_code in hints:  # None is what an error leaves, too
            name, hint = hints[frame.f_code]
            if problem := find_wrong(value, hint, "the result"):
                wrong[name] = problem

    before = sys.getprofile()
    sys.setprofile(look)
    try:
        yield wrong
    finally:
        sys.setprofile(before)


def assert_annotated(part: str, calls: dict[str, Callable[[], object]]) -> None:
    with watch_returns(part) as wrong:
        for call in calls.values():
            call()
    assert not wrong, "\n".join(f"{name}: {problem}" for name, problem in wrong.items())
