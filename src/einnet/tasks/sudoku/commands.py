"""`einnet train sudoku`, `einnet eval sudoku`, `einnet predict sudoku`.

Torch is imported inside the functions: the command line must be quick to answer --help.
"""

from pathlib import Path

from einnet.tasks.common import fitted, interrupted, prepared, say
from einnet.tasks.sudoku.data import learned_from
from einnet.tasks.sudoku.settings import Settings
from einnet.train.options import Options

__all__ = ["train"]

STEPS, EVERY = 1000, 100


def train(
    *,
    settings: Settings = Settings(),  # noqa: B008
    options: Options = Options(),  # noqa: B008
    resume: Path | None = None,
) -> int:
    """Learn to solve Sudoku from puzzles with their solutions; the rules are not told.

    Parameters
    ----------
    resume
        Folder of a run to go on with, with the run's own settings and options.
    """
    run, settings, options = prepared("sudoku", settings, options, resume)
    say(f"run in {run.folder}")
    puzzles, solutions = learned_from(settings, run.folder, options.seed)
    from einnet.tasks.sudoku.task import Solving

    def task() -> Solving:
        return Solving(settings, puzzles, solutions, options.seed)

    if not fitted(task, run, options, resume, steps=STEPS, every=EVERY, warmup=50, clip=0.5):
        return interrupted(run, "sudoku")
    return 0
