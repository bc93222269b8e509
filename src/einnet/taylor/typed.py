"""`series`: the Taylor series of every function between tensors of given symmetry types."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations_with_replacement, pairwise, product
from math import comb, factorial, prod
from typing import Any

import numpy as np

from einnet.errors import EinNetError, ShapeError
from einnet.signature import Signature, as_signature
from einnet.taylor._arrays import check_flag, check_order, concatenated, constant
from einnet.taylor.binding import bind, check_sizes, unified
from einnet.taylor.coefficient import Coefficient
from einnet.taylor.expansion import Panel, Series, joined
from einnet.taylor.table import count, shortened, table
from einnet.terms import Term

__all__ = ["TypeSeries", "series"]

MAX_CHOICES = 2_000  # of operands, of each a coefficient is made
BASES = ("contraction", "orbit")


def series(
    signature: Signature | str, order: int, sizes: Mapping[str, int] | None = None, commutative: bool = False
) -> "TypeSeries":
    """The Taylor series, up to `order`, of every function with this symmetry.

    >>> s = series("ab ->", order=2, sizes={"a": 2, "b": 2})
    >>> s.dof                                    # free parameters of order 0, 1, 2
    (1, 1, 4)
    >>> s.sharing(1)                             # which of them sits at each entry
    array([[0, 0],
           [0, 0]], dtype=int32)
    >>> [str(t) for t in s.contractions(2)]      # the same series as einsums
    ['ij,ij->', 'ij,ik->', 'ij,kj->', 'ij,kl->']
    >>> x = np.arange(4.0).reshape(2, 2)
    >>> float(s.evaluate(x, [0, 0, 0, 0, 0, 1]))       # the last one: the square of the sum of all
    36.0
    >>> len(series("aa -> aa", order=1).contractions(1))      # without sizes: for all large ones
    15

    Args:
        signature: `inputs -> output`, see `Signature`; one type alone is input and output.
        order: the largest number of factors x in a term.
        sizes: of each class, and of the features (`H`, which counts as 1 unless given). Without
            them the series is that of all sizes at which every pattern fits.
        commutative: whether C(x, y) = C(y, x), as for the derivatives of a function.

    Raises `EinNetError` where an order is too large, `ShapeError` for sizes that do not fit.
    Source: coefficients of an equivariant series are invariant under the group acting on output and
    operands at once, so they are constant on orbits; Maron et al., Invariant and Equivariant Graph
    Networks (2019), section 3, for order 1.
    """
    signature = as_signature(signature)
    check_sizes(signature, sizes or {})
    given = {letter: int(size) for letter, size in (sizes or {}).items()}
    features = given.pop("H", 1)
    return TypeSeries(signature, check_order(order), tuple(sorted(given.items())), features, check_flag(commutative))


@dataclass(frozen=True, repr=False)
class TypeSeries(Series):
    """The series of a signature; made by `series`."""

    signature: Signature
    order: int
    given: tuple[tuple[str, int], ...]
    features: int
    commutative: bool

    @property
    def sizes(self) -> dict[str, int] | None:
        """The size of each class, or None: all large ones."""
        return dict(self.given) if self.given or not self.signature.classes else None

    def _count(self, k: int) -> int:
        self._check_choices(comb(len(self.signature.inputs) + k - 1, k), k)
        total = 0
        for word in combinations_with_replacement(range(len(self.signature.inputs)), k):
            ways = 1 if self.commutative else factorial(k) // prod(map(factorial, Counter(word).values()))
            total += ways * self._coefficient(word).dof
        return total

    def dof_at(self, sizes: Mapping[str, int]) -> tuple[int, ...]:
        """The number of free parameters of each order at these sizes.

        >>> s = series("aaaaa ->", order=1)
        >>> s.dof, s.dof_at({"a": 4})      # five slots, but only four different indices
        ((1, 52), (1, 51))
        """
        check_sizes(self.signature, sizes, complete=True)
        return series(self.signature, self.order, {"H": self.features, **sizes}, self.commutative).dof

    def words(self, k: int) -> tuple[tuple[int, ...], ...]:
        """The choices of k operands from among the inputs, by number."""
        numbers = range(len(self.signature.inputs))
        self._check_choices(len(numbers) ** self.check(k), k)
        return tuple(combinations_with_replacement(numbers, k) if self.commutative else product(numbers, repeat=k))

    def _check_choices(self, choices: int, k: int) -> None:
        if choices > MAX_CHOICES:
            raise EinNetError(
                f"order {k} of '{self.signature}' has more than {MAX_CHOICES:,} choices of operands: lower the order"
            )

    def coefficients(self, k: int) -> tuple[Coefficient, ...]:
        """The coefficient tensors of order k, one for each choice of operands."""
        return tuple(map(self._coefficient, self.words(k)))

    def _coefficient(self, word: tuple[int, ...]) -> Coefficient:
        if word not in self._made:
            types = tuple(self.signature.inputs[i] for i in word)
            arguments = (self.signature.output, types, word, self.commutative, self.sizes, self.features)
            self._made[word] = Coefficient(*arguments)
        return self._made[word]

    @cached_property
    def _made(self) -> dict[tuple[int, ...], Coefficient]:
        return {}

    def _chosen(self, k: int, inputs: Sequence[int] | None) -> Coefficient:
        words = self.words(k)
        if inputs is not None and not isinstance(inputs, (tuple, list)):
            raise EinNetError(f"inputs is a tuple with the number of each operand, such as (0, 1), got {inputs!r}")
        word = words[0] if inputs is None and len(words) == 1 else tuple(inputs or ())
        if word not in words:
            raise EinNetError(
                f"order {k} of '{self.signature}' has a coefficient for each choice of operands: "
                f"give inputs, one of {shortened(words, len(words))}; got {inputs}"
            )
        return self._coefficient(word)

    def sharing(self, k: int, inputs: Sequence[int] | None = None) -> np.ndarray:
        """Which parameter sits at each entry of the coefficient of order k.

        >>> series("a -> a", order=1, sizes={"a": 3}).sharing(1)
        array([[0, 1, 1],
               [1, 0, 1],
               [1, 1, 0]], dtype=int32)

        The axes are those of the output, then those of each operand. With several inputs, `inputs`
        says which the operands are, such as (0, 1); the parameters are numbered from 0 in each.
        """
        return self._chosen(k, inputs).sharing(self._concrete())

    def _concrete(self) -> dict[str, int]:
        if self.sizes is None:
            example = ", ".join(f"'{c}': 3" for c in self.signature.classes)
            raise ShapeError(f"the entries of a coefficient need sizes: series(..., sizes={{{example}}})")
        return self.sizes

    def contractions(self, k: int, inputs: Sequence[int] | None = None) -> tuple[Term, ...]:
        """The contraction basis of order k: one einsum for each pattern.

        >>> [str(t) for t in series("a -> a", order=1).contractions(1)]
        ['i->i', 'j->i']

        Its coefficient is 1 where *at least* the pattern's indices are equal. With features, each has a
        parameter for each index of the output's and the operands' features, which vary fastest. Where
        `commutative`, a contraction stands for all that reordering equal operands makes of it. With
        several inputs, those of all choices of operands, unless `inputs` names one.
        """
        chosen = self.coefficients(k) if inputs is None else (self._chosen(k, inputs),)
        return tuple(t for c in chosen for t in c.contractions)

    def __str__(self) -> str:
        """A table of the orders.

        >>> print(series("ab ->", order=2, sizes={"a": 2, "b": 2}))
        ab -> with a=2, b=2: 6 free parameters
        order  entries  free  contractions
        0      1        1     ->
        1      4        1     ij->
        2      16       4     ij,ij->  ij,ik->  ij,kj->  ij,kl->
        """
        rows = [row for k in range(self.order + 1) for row in self._rows(k)]
        header = ("order", *["entries"] * (self.sizes is not None), "free", "contractions")
        return f"{self.heading}: {count(self.total)} free parameters\n{table(header, rows)}"

    @property
    def heading(self) -> str:
        given = [f"{c}={n}" for c, n in self.given] + [f"H={self.features}"] * (self.features > 1)
        about = f" with {', '.join(given)}" if given else ""
        return f"{self.signature}{about}" + ", commutative" * self.commutative

    def _rows(self, k: int) -> Iterator[tuple[object, ...]]:
        for c in self.coefficients(k):
            listed = shortened(c.each_contraction(), len(c.representatives[0])) if c.listable else "too many to list"
            size = [] if self.sizes is None else [count(c.entries(self.sizes))]
            yield (self._where(c), *size, count(c.dof), listed)

    def _where(self, c: Coefficient) -> str:
        """The order and, if there are several inputs, the operands."""
        operands = ", ".join("".join(t.axes) for t in c.types)
        return f"{len(c.types)}: {operands}" if c.types and len(self.signature.inputs) > 1 else str(len(c.types))

    def panels(self, k: int) -> list[Panel]:
        found = []
        for c in self.coefficients(k):
            found.append(
                Panel(f"order {self._where(c)}", c.shapes(self._concrete()), self.sharing(k, c.inputs), c.names)
            )
        return found

    def to_contraction(self, params: Any) -> Any:
        """The parameters in the contraction basis, from those in the orbit basis: exact, in integers.

        >>> s = series("a ->", order=2, sizes={"a": 3})
        >>> s.to_contraction(np.array([0, 0, 1, 0])), s.to_orbit(np.array([0, 0, 0, 1]))
        (array([0, 0, 1, 0]), array([0, 0, 1, 1]))
        """
        return self._changed(params, "to_contraction")

    def to_orbit(self, params: Any) -> Any:
        """The parameters in the orbit basis, from those in the contraction basis."""
        return self._changed(params, "to_orbit")

    def _changed(self, params: Any, direction: str) -> Any:
        parts = []
        for k, part in enumerate(self.split(params)):
            changed = [getattr(c, direction)(p) for c, p in zip(self.coefficients(k), self._cut(k, part), strict=True)]
            parts.append(concatenated(changed))
        return joined(parts, params)

    def _cut(self, k: int, part: Any) -> list[Any]:
        """The parameters of each coefficient of order k."""
        ends = np.cumsum([0, *(c.dof for c in self.coefficients(k))]).tolist()
        return [part[a:b] for a, b in pairwise(ends)]

    def evaluate(
        self, x: Any, params: Any, basis: str = "contraction", *, sizes: Mapping[str, int] | None = None
    ) -> Any:
        """The value of the series at x, for numpy arrays or torch tensors (differentiable in both).

        >>> s = series("a -> a", order=1, sizes={"a": 3})
        >>> s.evaluate(np.array([1.0, 2.0, 3.0]), [0, 10, 1])                 # 10 x_i + sum of x
        array([16., 26., 36.])
        >>> s.evaluate(np.array([1.0, 2.0, 3.0]), [0, 11, 1], basis="orbit")
        array([16., 26., 36.])

        Args:
            x: the input, (batch..., axes..., features where the type has H); a tuple of several.
            params: see `split`.
            basis: that of the parameters. "contraction" evaluates einsums; "orbit" writes the
                coefficients out, which takes far more memory and time: `to_contraction` avoids it.
            sizes: of output classes that no input has, if the series was made without sizes.

        Returns an array (batch..., axes of the output..., features).
        """
        if basis not in BASES:
            raise EinNetError(
                f"basis must be one of {', '.join(map(repr, BASES))}, got {basis!r} "
                "(several inputs are given as one tuple)"
            )
        if self.sizes is not None and sizes is not None and dict(sizes) != self.sizes:
            raise ShapeError(f"the series was made with the sizes {self.sizes}, evaluate got {dict(sizes)}")
        inputs, *parts = unified(self.signature, x, self.split(params))
        operands, bound, batch = bind(self.signature, self.sizes or sizes or {}, self.features, inputs)
        rank = len(self.signature.output.axes) + self.signature.output.features
        total = constant(np.zeros([prod(batch)] * bool(batch) + [1] * rank, dtype=int), inputs[0])
        for k, part in enumerate(parts):
            for coefficient, p in zip(self.coefficients(k), self._cut(k, part), strict=True):
                total = total + coefficient.evaluate(p, operands, bound, basis)
        return total.reshape((*batch, *total.shape[bool(batch) :]))
