"""The network for the pseudo-inverse, and how it learns.

F(A) = (A^+)^T commutes with permutations of rows and of columns: type `abH -> abH`. Its error is the
mean absolute entry of F(A) A^T - I. The layers have one operation, `ab,cb,cd->ad`, the product of
three matrices (the minimal set's operation of order 3): a layer of such products could be a step of
the Newton-Schulz iteration 2 X - X A^T X, but every coefficient is learned.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import Buffer

from einnet.nn import PolynomialNet
from einnet.train.task import Task

if TYPE_CHECKING:
    from einnet.tasks.pinv.app import PinvConfig

__all__ = ["Inverse", "error", "inverses", "make_net", "matrices", "newton_schulz", "norm_bound", "residual"]

SEEDS = {"train": 1, "valid": 2, "test": 3}  # each set is drawn by a generator of its own
VALID, TEST = 200, 100
STRETCH = (0.6, 1.2)  # in training singular values reach beyond 1, as no other matrix's will


def matrices(split: str, rows: int, columns: int, number: int, seed: int = 0) -> Tensor:
    """Matrices with normal entries, (number, rows, columns); the same for the same seed.

    >>> matrices("test", 8, 16, 3).shape
    torch.Size([3, 8, 16])
    """
    generator = torch.Generator().manual_seed(1000 * seed + SEEDS[split])
    return torch.randn(number, rows, columns, generator=generator)


def make_net(config: "PinvConfig") -> PolynomialNet:
    options = {"heads": config.heads, "hidden": config.hidden, "depth": config.depth, "normalize": None}
    return PolynomialNet("abH -> abH", 1, 1, **options, terms=["ab,cb,cd->ad"])


def inverses(net: PolynomialNet, a: Tensor, stretch: Tensor | float = 1.0) -> list[Tensor]:
    """(A^+)^T as the network has it after each layer, for A of shape (batch..., rows, columns).

    The network sees A divided by a bound of its norm, so that no singular value is above 1 (times
    `stretch`), and its output is divided once more, as (cA)^+ = A^+ / c.
    """
    scale = norm_bound(a) / stretch
    return [y.squeeze(-1) / scale for y in net.outputs((a / scale).unsqueeze(-1))]


def norm_bound(a: Tensor) -> Tensor:
    """The eighth root of the sum of the eighth powers of the singular values: at least the largest, close to it."""
    small = a.abs().amax((-2, -1), keepdim=True)  # so that powers stay in range
    small = torch.where(small > 0, small, 1)
    b = a / small
    gram = b @ b.mT if a.shape[-2] <= a.shape[-1] else b.mT @ b
    root = (gram @ gram).square().sum((-2, -1), keepdim=True).pow(1 / 8)
    return small * torch.where(root > 0, root, 1)  # 1 for the zero matrix, whose pseudo-inverse is zero


def residual(x: Tensor, a: Tensor) -> Tensor:
    """X A^T - I; for more rows than columns X^T A - I."""
    product = x @ a.mT if a.shape[-2] <= a.shape[-1] else x.mT @ a
    return product - torch.eye(product.shape[-1], dtype=a.dtype, device=a.device)


def error(x: Tensor, a: Tensor) -> float:
    """The mean absolute entry of X A^T - I."""
    return float(residual(x, a).abs().mean())


def newton_schulz(a: Tensor, steps: int) -> Tensor:
    """The iteration X <- 2 X - X A^T X from X = A / norm_bound(A)^2, two products a step: not learned.

    Source: Ben-Israel and Cohen, On iterative computation of generalized inverses, 1966.
    """
    x = a / norm_bound(a) ** 2
    for _ in range(steps):
        x = 2 * x - x @ a.mT @ x
    return x


class Inverse(Task):
    """Learns F on a fixed set of matrices; selects by the error on different ones."""

    metric, higher_is_better = "error", False

    def __init__(self, config: "PinvConfig", seed: int):
        super().__init__(make_net(config), lr=config.lr, seed=seed)
        shape, self.batch = (config.rows, config.columns), config.batch
        self.examples = Buffer(matrices("train", *shape, config.matrices, seed))
        self.held_out = Buffer(matrices("valid", *shape, VALID, seed))

    def loss(self, step: int) -> Tensor:
        """The root mean square of F(A) A^T - I after every layer, half as much weight for each layer before.

        Each matrix is stretched by a random factor: the network is a polynomial, which grows fast
        beyond the singular values that it was trained on.
        """
        a = self.examples[torch.randint(len(self.examples), (self.batch,), device=self.examples.device)]
        stretch = torch.empty(len(a), 1, 1, device=a.device).uniform_(*STRETCH)
        outputs = inverses(self.net, a, stretch)
        losses = [(residual(x, a).square().mean((-2, -1)) + 1e-12).sqrt().mean() for x in outputs]
        return sum((x * 0.5**k for k, x in enumerate(reversed(losses))), torch.zeros((), device=a.device))

    @torch.no_grad()
    def validate(self, net: PolynomialNet) -> dict[str, float]:
        return {"error": error(inverses(net, self.held_out)[-1], self.held_out)}
