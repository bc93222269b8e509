"""One training loop for every task: runs, checkpoints, progress. Import `fit` and `Task` from here."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from einnet.checks import check_package
from einnet.train.options import Options
from einnet.train.run import Run, forget_launchers

if TYPE_CHECKING:
    from einnet.train.loop import fit
    from einnet.train.task import Task

__all__ = ["Options", "Run", "Task", "fit"]


def __getattr__(name: str) -> Any:
    """Imports what needs torch and Lightning at its first use."""
    forget_launchers()  # Lightning reads them when it is imported
    if name == "fit":
        check_package("lightning", "training")
    if module := {"fit": "einnet.train.loop", "Task": "einnet.train.task"}.get(name):
        return getattr(import_module(module), name)
    raise AttributeError(f"module 'einnet.train' has no attribute {name!r}")
