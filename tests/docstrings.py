"""The examples in docstrings as tests of the folder that tests a part, which then holds all tests of this part."""

import doctest
from importlib import import_module
from pkgutil import walk_packages


def modules_of(part: str) -> list[str]:
    """The module or package, and all modules below it but those that are run."""
    path = getattr(import_module(part), "__path__", ())
    names = [part, *(module.name for module in walk_packages(path, f"{part}."))]
    return [name for name in names if not name.endswith("__main__")]


def assert_examples_hold(module: str) -> None:
    """Asserts that each example in a docstring of the module prints what it says."""
    results = doctest.testmod(import_module(module), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert not results.failed, f"{results.failed} of {results.attempted} examples of {module}, printed above"
