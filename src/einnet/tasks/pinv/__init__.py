"""The matrix pseudo-inverse as a function to learn, type `abH -> abH`.

Read in this order: `network` (matrices, the network, its loss and its error), `evaluate` (table and picture), `app`
(the config and the commands).
"""

from typing import TYPE_CHECKING

from einnet.tasks import import_lazily

if TYPE_CHECKING:
    from einnet.tasks.pinv.app import PinvConfig
    from einnet.tasks.pinv.network import error, inverses, make_net, matrices

__all__ = ["PinvConfig", "error", "inverses", "make_net", "matrices"]

__getattr__ = import_lazily(__name__, "app network")
