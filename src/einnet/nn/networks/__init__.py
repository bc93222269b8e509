"""Networks: each a class of its own on one abstract base."""

from einnet.nn.networks.base import Network, StatefulNetwork
from einnet.nn.networks.einnet import EinNet
from einnet.nn.networks.polynomial import PolynomialNet
from einnet.nn.networks.recurrent import RecurrentNet
from einnet.nn.networks.reference import ReferenceBlock, ReferenceNet

__all__ = ["EinNet", "Network", "PolynomialNet", "RecurrentNet", "ReferenceBlock", "ReferenceNet", "StatefulNetwork"]
