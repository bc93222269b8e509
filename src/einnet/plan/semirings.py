"""`Semiring`: what an einsum has in place of sums and products; the executor's back end for arrays of numpy."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from einnet.plan.backends import Backend
from einnet.plan.kernel import align

__all__ = ["SEMIRINGS", "ArraySemiring", "Semiring"]

Tuple = tuple[str, ...]


@dataclass(frozen=True)
class Semiring:
    """A commutative semiring of numbers: two operations, by their names in numpy and torch, and the sum of nothing.

    The zero is neutral for `add`, and its product with anything is the zero.
    """

    add: str
    multiply: str
    zero: float


SEMIRINGS = {
    "max": Semiring("maximum", "add", -np.inf),
    "min": Semiring("minimum", "add", np.inf),
    "minmax": Semiring("minimum", "maximum", np.inf),
    "logsumexp": Semiring("logaddexp", "add", -np.inf),
}


class ArraySemiring(Backend):
    """Arrays of numpy, with all index tuples of an einsum at once.

    >>> from einnet.plan import Plan, run_plan
    >>> hops = np.array([[0, 1, np.inf], [np.inf, 0, 1], [np.inf, np.inf, 0]])
    >>> run_plan(Plan.make(["ab,bc->ac"], "aa"), [hops, hops], ArraySemiring(SEMIRINGS["min"]))[0]
    array([[ 0.,  1.,  2.],
           [inf,  0.,  1.],
           [inf, inf,  0.]])
    """

    def __init__(self, semiring: Semiring):
        self.semiring = semiring
        self.add, self.product = getattr(np, semiring.add), getattr(np, semiring.multiply)

    def sum(self, x: Any, axes: tuple[int, ...]) -> Any:
        options = {"initial": self.semiring.zero} if any(x.shape[k] == 0 for k in axes) else {}
        return np.asarray(self.add.reduce(x, axes, **options), x.dtype)

    def multiply(self, x: Any, y: Any) -> Any:
        return np.asarray(self.product(x, y), np.result_type(x, y))

    def matmul(self, x: Any, y: Any) -> Any:
        return self.contract_in_loop([x, y], [("a", "b"), ("b", "c")], ("a", "c"), ())

    def einsum(self, equation: str, x: Any, y: Any) -> Any:
        left, _, output = equation.replace("...", "").partition("->")
        return self.contract_in_loop([x, y], list(map(tuple, left.split(","))), tuple(output), ())

    def contract_in_loop(self, operands: Sequence[Any], tuples: Sequence[Tuple], output: Tuple, loop: Tuple) -> Any:
        indices = tuple(dict.fromkeys(i for t in tuples for i in t))
        total, *factors = (align(x, t, indices, self) for x, t in zip(operands, tuples, strict=True))
        for x in factors:
            total = self.multiply(total, x)
        summed = tuple(k - len(indices) for k, i in enumerate(indices) if i not in output)
        total = self.sum(total, summed) if summed else total
        return align(total, [i for i in indices if i in output], output, self)
