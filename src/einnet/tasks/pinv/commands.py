"""`einnet train pinv`, `einnet eval pinv`.

Torch is imported inside the functions: the command line must be quick to answer --help.
"""

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from einnet.tasks.common import fitted, interrupted, load_net, prepared, run_to_use
from einnet.tasks.console import Json, say
from einnet.tasks.pinv.settings import Settings
from einnet.train.options import Options
from einnet.train.run import Run

if TYPE_CHECKING:
    from einnet.nn import EinNet

__all__ = ["evaluate", "train"]

STEPS, EVERY = 8000, 250


def train(
    *,
    settings: Settings = Settings(),  # noqa: B008
    options: Options = Options(),  # noqa: B008
    resume: Path | None = None,
) -> int:
    """Learn the pseudo-inverse of matrices from examples; error under 0.005 within a minute or two.

    Parameters
    ----------
    resume
        Folder of a run to go on with, with the run's own settings and options.
    """
    from einnet.tasks.pinv.report import measured, product_picture, results
    from einnet.tasks.pinv.task import Inverse
    from einnet.tasks.report import concluded

    run, settings, options = prepared("pinv", settings, options, resume)
    say(f"{settings.matrices} matrices {settings.rows} x {settings.columns} to learn from\nrun in {run.folder}")

    def task() -> Inverse:
        return Inverse(settings, options.seed)

    if not fitted(task, Inverse, run, options, resume, steps=STEPS, every=EVERY, clip=0.5):
        return interrupted(run, "pinv")
    net = _net(run)
    metrics = measured(net)
    text = "F(A) A^T for a test matrix, and the error by layer"
    draw = partial(product_picture, net, rows=settings.rows, columns=settings.columns)
    concluded(run, metrics, [results(metrics)], {"product.png": (text, draw)})
    return 0


def evaluate(
    *,
    checkpoint: Path | None = None,
    as_json: Json = False,
    out: Path = Path("runs"),
) -> int:
    """Measure a trained network on fresh matrices of several sizes.

    Parameters
    ----------
    checkpoint
        Folder of a run; without it, the newest in --out.
    as_json
        Print one JSON object and nothing else.
    out
        Where to look for the newest run.
    """
    from einnet.tasks.pinv.report import measured, results
    from einnet.tasks.report import show

    metrics = measured(_net(run_to_use(checkpoint, out, "pinv")))
    if as_json:
        print(json.dumps(metrics))
    else:
        show([results(metrics)])
    return 0


def _net(run: Run) -> "EinNet":
    return load_net(run.best, "abH -> abH", 1, 1, "matrices")
