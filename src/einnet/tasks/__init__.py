"""Real problems, one folder each, on the shared training loop."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

__all__ = ["import_lazily"]


def import_lazily(package: str, modules: str) -> Callable[[str], Any]:
    """The `__getattr__` of a task's package: a public name is imported, with torch, when it is first used.

    `modules` are those of the package that define the names of its `__all__`.
    """

    def get_public_name(name: str) -> Any:
        if name in import_module(package).__all__:
            for module in modules.split():
                content = import_module(f"{package}.{module}")
                if name in content.__all__:
                    return getattr(content, name)
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return get_public_name
