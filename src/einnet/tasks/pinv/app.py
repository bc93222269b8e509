"""`einnet train | eval pinv`."""

from dataclasses import dataclass
from typing import Any

from cyclopts import Parameter

from einnet.checks import check_count, check_real
from einnet.tasks.app import TaskApp, load_net, write_code
from einnet.tasks.report import Results, Suggestion
from einnet.train.options import check_fields
from einnet.train.run import Run

__all__ = ["PinvApp", "PinvConfig"]


@Parameter(name="*", group="Matrices and network")
@dataclass(frozen=True)
class PinvConfig:
    """Matrices and network."""

    matrices: int = 1000
    "Matrices to learn from; entries are normal. Different ones are drawn to select and to test on."
    rows: int = 8
    "Rows of a matrix."
    columns: int = 16
    "Columns; the same trained network runs at other sizes too."
    heads: int = 8
    "Products of three matrices in a layer."
    hidden: int = 8
    "Matrices that the network's state consists of."
    depth: int = 8
    "Layers."
    batch: int = 64
    "Matrices at a step."
    lr: float = 4e-3
    "Peak learning rate."

    def __post_init__(self) -> None:
        check_fields(self, check_count, "matrices", "rows", "columns", "heads", "hidden", "depth", "batch")
        check_fields(self, check_real, "lr", above=0)


class PinvApp(TaskApp):
    """Learns the pseudo-inverse; half precision is coarser than the errors that it is after."""

    name, config_class = "pinv", PinvConfig
    train_help = "Learn the pseudo-inverse of matrices from examples; error under 0.005 within a minute or two."
    steps, validate_every, clip = 8000, 250, 0.5

    def describe(self, config: PinvConfig, data: None) -> str:
        return f"{config.matrices} matrices {config.rows} x {config.columns} to learn from"

    def make_task(self, config: PinvConfig, data: None, seed: int):
        from einnet.tasks.pinv.network import Inverse

        return Inverse(config, seed)

    def suggest(self, run: Run, config: PinvConfig, data: None) -> Suggestion:
        prediction = f"einnet.tasks.pinv.inverses(net, torch.randn({config.rows}, {config.columns}))[-1]"
        code = write_code("torch, einnet.tasks.pinv", "einnet.nn.PolynomialNet.load", run, prediction)
        return Suggestion(self.write_command("eval", run), code)

    def load_net(self, run: Run):
        return load_net(run.best, "abH -> abH", 1, 1, "matrices")

    def measure(self, net: Any, config: PinvConfig, data: None) -> Results:
        from einnet.tasks.pinv.evaluate import measure

        return measure(net, config.rows, config.columns)
