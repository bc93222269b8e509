"""`series`: the Taylor series of every function between tensors of given symmetry types."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import combinations_with_replacement, pairwise, product
from math import factorial, prod
from typing import Any

import numpy as np

from einnet.errors import EinNetError, ShapeError
from einnet.patterns import Slots, cycle_types
from einnet.symmetry import Signature, as_signature
from einnet.taylor._arrays import as_arrays, check_order, concatenated, constant
from einnet.taylor.binding import bind, check_sizes
from einnet.taylor.coefficient import Coefficient
from einnet.taylor.expansion import Series, joined
from einnet.terms import Term

__all__ = ["TypeSeries", "series"]

MAX_SLOTS = 300  # of a coefficient whose patterns are counted
MAX_REORDERINGS = 24  # the order up to which commutative series are counted
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
    given = dict(sizes or {})
    check_sizes(signature, given)
    features = given.pop("H", 1)
    return TypeSeries(signature, check_order(order), tuple(sorted(given.items())), features, commutative)


@dataclass(frozen=True)
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
        return _count(self.signature, k, self.commutative, self.given if self.sizes else None, self.features)

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
        self.check(k)
        numbers = range(len(self.signature.inputs))
        return tuple(combinations_with_replacement(numbers, k) if self.commutative else product(numbers, repeat=k))

    def coefficients(self, k: int) -> tuple[Coefficient, ...]:
        """The coefficient tensors of order k, one for each choice of operands."""
        return self._coefficients[self.check(k)]

    @cached_property
    def _coefficients(self) -> tuple[tuple[Coefficient, ...], ...]:
        inputs, output = self.signature.inputs, self.signature.output
        return tuple(
            tuple(
                Coefficient(output, tuple(inputs[i] for i in word), word, self.commutative, self.sizes, self.features)
                for word in self.words(k)
            )
            for k in range(self.order + 1)
        )

    def _chosen(self, k: int, inputs: Sequence[int] | None) -> Coefficient:
        found = {c.inputs: c for c in self.coefficients(k)}
        if inputs is None and len(found) == 1:
            return next(iter(found.values()))
        if inputs is None or tuple(inputs) not in found:
            raise EinNetError(
                f"order {k} of '{self.signature}' has a coefficient for each choice of operands: "
                f"give inputs, one of {', '.join(map(str, found))}, got {inputs}"
            )
        return found[tuple(inputs)]

    def sharing(self, k: int, inputs: Sequence[int] | None = None) -> np.ndarray:
        """Which parameter sits at each entry of the coefficient of order k.

        >>> series("a -> a", order=1, sizes={"a": 3}).sharing(1)
        array([[0, 1, 1],
               [1, 0, 1],
               [1, 1, 0]], dtype=int32)

        The axes are those of the output, then those of each operand. With several inputs, `inputs`
        says which the operands are, such as (0, 1); the parameters are numbered from 0 in each.
        """
        if self.sizes is None:
            example = ", ".join(f"'{c}': 3" for c in self.signature.classes)
            raise ShapeError(f"the entries of a coefficient need sizes: series(..., sizes={{{example}}})")
        return self._chosen(k, inputs).sharing(self.sizes)

    def contractions(self, k: int, inputs: Sequence[int] | None = None) -> tuple[Term, ...]:
        """The contraction basis of order k: one einsum for each pattern.

        >>> [str(t) for t in series("a -> a", order=1).contractions(1)]
        ['i->i', 'j->i']

        Its coefficient is 1 where *at least* the pattern's indices are equal. Where `commutative`, a
        contraction stands for all that reordering equal operands makes of it. With several inputs,
        those of all choices of operands, unless `inputs` names one.
        """
        chosen = self.coefficients(k) if inputs is None else (self._chosen(k, inputs),)
        return tuple(t for c in chosen for t in c.contractions)

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

    def evaluate(self, x: Any, params: Any, basis: str = "contraction", sizes: Mapping[str, int] | None = None) -> Any:
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
            raise EinNetError(f"basis must be one of {', '.join(map(repr, BASES))}, got {basis!r}")
        parts = self.split(params)
        inputs, bound, batch = bind(self.signature, self.sizes or sizes or {}, self.features, x)
        rank = len(self.signature.output.axes) + self.signature.output.features
        total = constant(np.zeros([prod(batch)] * bool(batch) + [1] * rank, dtype=int), inputs[0].value)
        for k, part in enumerate(as_arrays(inputs[0].value, *parts)[1:]):
            for coefficient, p in zip(self.coefficients(k), self._cut(k, part), strict=True):
                total = total + coefficient.evaluate(p, inputs, bound, basis)
        return total.reshape((*batch, *total.shape[bool(batch) :]))


@lru_cache(maxsize=256)
def _count(signature: Signature, k: int, commutative: bool, sizes: tuple | None, features: int) -> int:
    """The number of orbits, by the lemma that is not Burnside's: the mean number of patterns kept."""
    most = k * max(len(t.axes) for t in signature.inputs) + len(signature.output.axes)
    if most > MAX_SLOTS or (commutative and k > MAX_REORDERINGS):
        limit = f"{MAX_REORDERINGS} when commutative" if commutative else f"{MAX_SLOTS} index positions"
        raise EinNetError(f"order {k} of '{signature}' is too large to be counted (the limit is {limit}): lower order")
    total = 0
    for word in combinations_with_replacement(range(len(signature.inputs)), k):
        times = tuple(Counter(word).values())
        if commutative:
            kept = [
                weight * _kept(signature, word, lengths, sizes, features) for lengths, weight in _reorderings(times)
            ]
            total += sum(kept) // prod(map(factorial, times))
        else:
            ways = factorial(k) // prod(map(factorial, times))
            total += ways * _kept(signature, word, (1,) * k, sizes, features)
    return total


def _reorderings(times: tuple[int, ...]) -> Iterator[tuple[tuple[int, ...], int]]:
    """The cycle lengths of the reorderings of equal operands, and how many have them."""
    for choice in product(*(tuple(cycle_types(t)) for t in times)):
        yield tuple(length for lengths, _ in choice for length in lengths), prod(n for _, n in choice)


def _kept(signature: Signature, word: tuple, lengths: tuple, sizes: tuple | None, features: int) -> int:
    """The labels that a reordering with these cycles keeps; `word` names the input of each operand."""
    first = np.cumsum((0, *lengths))[:-1]
    types = [signature.output, *(signature.inputs[word[k]] for k in first)]
    all_lengths = [n for t, n in zip(types, (1, *lengths), strict=True) for _ in t.axes]
    patterns = Slots.of(types).count(None if sizes is None else dict(sizes), all_lengths)
    return patterns * features ** sum(t.features for t in types)
