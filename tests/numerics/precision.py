"""How far single and half precision are from double precision, and how far theory allows them to be.

Errors are in the norm, relative to the norm of the double precision result for the same (rounded) inputs.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from einnet import EinNet, EinPool, Signature
from einnet.nn import Network, RecurrentNet
from einnet.nn.networks.decoder import Decoder

__all__ = ["DTYPES", "UNIT", "gradient_tolerance", "network_case", "network_errors", "network_tolerance", "pool_errors",
           "pool_tolerance"]  # fmt: skip

UNIT = {
    torch.float32: 2.0**-24,
    torch.bfloat16: 2.0**-9,
    torch.float16: 2.0**-11,
}  # the largest relative error of one rounding
DTYPES = tuple(UNIT)
BATCH = 4  # samples of a pool, so that no sum of few numbers is nearly zero by chance
ROUNDINGS = 10  # one after the other in a layer
Errors = tuple[float, float]  # of the output, and of the gradient


def pool_tolerance(dtype: torch.dtype, order: int, n: int) -> float:
    """Of an operation of so many operands on axes of size n, forward or backward.

    There is about one step for each operand. Each rounds its result once, and adds up to n products one after
    the other in single precision, whose errors grow as the square root of n, by 0.4 of a unit. The errors of
    different steps are independent. With a margin of two.
    """
    return 2 * order**0.5 * (UNIT[dtype] + sum_of(n))


def network_tolerance(dtype: torch.dtype, layers: int, cells: int) -> float:
    """Of so many layers, and of the linear maps around them; weights have gradients that are sums over all cells."""
    return 2 * ((ROUNDINGS * (layers + 1)) ** 0.5 * UNIT[dtype] + sum_of(cells))


def gradient_tolerance(net: Network, dtype: torch.dtype, layers: int, cells: int) -> float:
    """As `network_tolerance`, but larger for ReLUs and largest values, whose derivative is not continuous.

    Of the values before a ReLU a share of about one unit for each rounding is on the other side of zero, and has
    another derivative; of the largest values such a share is nearly equal to the second largest ones, which take the
    derivative instead. The norm of what changes is the square root of that share.
    """
    if isinstance(net, RecurrentNet) or any(isinstance(m, Decoder) for m in net.modules()):
        return 2 * (ROUNDINGS * (layers + 1) * UNIT[dtype]) ** 0.5
    return network_tolerance(dtype, layers, cells)


def sum_of(n: int) -> float:
    """The error of a sum of n numbers that are added one after the other in single precision."""
    return 0.4 * n**0.5 * UNIT[torch.float32]


def pool_errors(pool: EinPool, n: int, dtype: torch.dtype, *, positive: bool = False) -> Errors:
    """Of the output and of the gradient, for normal entries or for entries from 0.5 to 1.5."""
    rank = len(pool.symmetry.axes)

    def draw(features: int) -> Tensor:
        shape = (BATCH, *[n] * rank, features)
        return (torch.rand(shape) + 0.5 if positive else torch.randn(shape)).to(dtype)

    x, g = draw(pool.fan_in), draw(pool.fan_out)
    results, exact = (_result_and_gradient(pool, x.to(d), g.to(d)) for d in (dtype, torch.float64))
    return relative(results[:1], exact[:1]), relative(results[1:], exact[1:])


def _result_and_gradient(pool: EinPool, x: Tensor, g: Tensor) -> list[Tensor]:
    y = pool(x.requires_grad_())
    return [y.detach(), *torch.autograd.grad(y, x, g)]


def network_case(
    signature: str, n: int, network: type[Network] = EinNet, **options
) -> tuple[Callable[[], Network], list[tuple[int, ...]]]:
    """What makes a small network, and the shapes of its inputs: two samples, all axes of size n."""
    inputs = Signature(signature).inputs
    arguments = {"heads": 2, "hidden": 16, "depth": 2, **options}
    return lambda: network(signature, (3,) * len(inputs), 2, **arguments), [(2, *[n] * len(t.axes), 3) for t in inputs]


def network_errors(make: Callable[[], nn.Module], shapes: Sequence[Sequence[int]], dtype: torch.dtype) -> Errors:
    """Of the output and of the gradient of all parameters; half precision as in training, by autocast."""
    net, exact = make(), make().double()
    exact.load_state_dict(net.state_dict())
    inputs = [torch.randn(*s) for s in shapes]
    expected = exact(*(x.double() for x in inputs))
    g = torch.randn(expected.shape)
    half = torch.bfloat16 if dtype == torch.float32 else dtype
    with torch.autocast("cpu", half, enabled=dtype == half):
        y = net(*inputs)
    y.backward(g.to(y.dtype))
    expected.backward(g.double())
    gradients = [[p.grad for p in m.parameters() if p.grad is not None] for m in (net, exact)]
    return relative([y.detach()], [expected.detach()]), relative(*gradients)


def relative(results: Sequence[Tensor], exact: Sequence[Tensor]) -> float:
    """The norm of the difference of all tensors together, over the norm of the exact ones."""
    values, expected = (torch.cat([t.double().flatten() for t in tensors]) for tensors in (results, exact))
    return float((values - expected).norm() / expected.norm())
