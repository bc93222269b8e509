"""`Cost`: a polynomial in the sizes of the index classes, such as `2a^3 + a^2`."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import prod

from einnet.checks import check_sizes

__all__ = ["Cost"]

Monomial = tuple[str, ...]  # the classes of the indices, sorted; () is the number one


@dataclass(frozen=True)
class Cost:
    """A polynomial in the sizes of the classes, with integer coefficients.

    >>> matmul = Cost.of("aaa", 2)
    >>> print(matmul + Cost.of("aa") + Cost.of("aa"))
    2a^3 + 2a^2
    >>> matmul.at({"a": 10})
    2000
    """

    terms: tuple[tuple[Monomial, int], ...] = ()

    @classmethod
    def of(cls, classes: Iterable[str], coefficient: int = 1) -> "Cost":
        """The product of the sizes of these classes, times the coefficient."""
        return cls(((tuple(sorted(classes)), coefficient),) if coefficient else ())

    @property
    def degree(self) -> int:
        return max((len(m) for m, _ in self.terms), default=0)

    def at(self, sizes: Mapping[str, int]) -> int:
        known = check_sizes(sizes)
        return sum(c * prod(known[x] for x in m) for m, c in self.terms)

    def __add__(self, other: "Cost") -> "Cost":
        total: Counter[Monomial] = Counter(dict(self.terms))
        total.update(dict(other.terms))
        return Cost(tuple(sorted(total.items(), key=lambda t: (-len(t[0]), t[0]))))

    def __str__(self) -> str:
        monomials = []
        for monomial, coefficient in self.terms:
            powers = [x if k == 1 else f"{x}^{k}" for x, k in Counter(monomial).items()]
            monomials.append(f"{coefficient}" * (coefficient != 1 or not powers) + " ".join(powers))
        return " + ".join(monomials) or "0"
