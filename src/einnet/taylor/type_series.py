"""`series`: the Taylor series of every function between tensors of symmetry types."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations_with_replacement, product
from math import comb, factorial, prod
from typing import Any

import numpy as np

from einnet.checks import check_choice, check_flag, check_limit, check_sizes
from einnet.errors import EinNetError, ShapeError
from einnet.signature import Signature, as_signature, describe_dense_form
from einnet.taylor.arrays import as_arrays, concatenate, constant_like, cut
from einnet.taylor.coefficient import Coefficient
from einnet.taylor.expansion import Panel, Series, check_order, join_orders
from einnet.taylor.table import format_number, list_first
from einnet.terms.term import Term

__all__ = ["TypeSeries", "series"]

BASES = ("contraction", "orbit")


def series(
    signature: Signature | str, order: int, sizes: Mapping[str, int] | None = None, commutative: bool = False
) -> "TypeSeries":
    """The Taylor series, up to `order`, of every function with this symmetry.

    >>> s = series("ab ->", order=2, sizes={"a": 2, "b": 2})
    >>> s.dof                                    # free parameters of order 0, 1, 2
    (1, 1, 4)
    >>> s.sharing(1)                             # the parameter of each entry
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
        sizes: of each axis, and of the features (`H`, 1 by default). Without sizes, the series of all
            sizes at which every partition fits.
        commutative: whether C(x, y) = C(y, x), as for the derivatives of a function.

    The series of a signature with brackets is that of its dense form, see `describe_dense_form`.
    Raises `EinNetError` for an order that is too large, `ShapeError` for sizes that do not fit.
    Source: coefficients of an equivariant series are invariant under the group acting on output and
    operands at once, so they are constant on orbits; Maron et al., Invariant and Equivariant Graph
    Networks (2019), section 3, for order 1.
    """
    signature = as_signature(signature)
    known = _check_sizes(signature, sizes or {})
    features = known.pop("H", 1)
    is_commutative = check_flag(commutative, "commutative")
    return TypeSeries(signature, check_order(order), tuple(sorted(known.items())), features, is_commutative)


def _check_sizes(signature: Signature, sizes: Mapping[str, int], needs_all: bool = False) -> dict[str, int]:
    """The sizes as whole numbers; raises for an unknown axis, and for a missing size unless all are missing."""
    sizes = check_sizes(sizes, minimum=1)
    axes = signature.classes
    if foreign := [c for c in sizes if c not in (*axes, "H")]:
        raise ShapeError(f"sizes names {foreign[0]!r}, the axes of '{signature}' are {', '.join(axes) or 'none'}")
    missing = [c for c in axes if c not in sizes]
    if missing and (needs_all or len(missing) < len(axes)):
        raise ShapeError(
            f"the size of {', '.join(map(repr, missing))} is missing: '{signature}' has the axes {', '.join(axes)}, "
            f"sizes gives {', '.join(f'{c}={n}' for c, n in sizes.items()) or 'none'}"
        )
    return sizes


@dataclass(frozen=True, repr=False)
class TypeSeries(Series):
    """The series of a signature; made by `series`."""

    signature: Signature
    order: int
    known_sizes: tuple[tuple[str, int], ...]
    features: int
    commutative: bool

    @property
    def sizes(self) -> dict[str, int] | None:
        """The size of each axis, or None for all large sizes."""
        return dict(self.known_sizes) if self.known_sizes or not self.signature.classes else None

    def _count(self, k: int) -> int:
        self._check_choices(comb(len(self.signature.inputs) + k - 1, k), k)
        total = 0
        for word in combinations_with_replacement(range(len(self.signature.inputs)), k):
            ways = 1 if self.commutative else factorial(k) // prod(map(factorial, Counter(word).values()))
            total += ways * self._get_coefficient(word).dof
        return total

    def dof_at(self, sizes: Mapping[str, int]) -> tuple[int, ...]:
        """The number of free parameters of each order at these sizes.

        >>> s = series("aaaaa ->", order=1)
        >>> s.dof, s.dof_at({"a": 4})      # five slots, but only four different indices
        ((1, 52), (1, 51))
        """
        _check_sizes(self.signature, sizes, needs_all=True)
        return series(self.signature, self.order, {"H": self.features, **sizes}, self.commutative).dof

    def words(self, k: int) -> tuple[tuple[int, ...], ...]:
        """The choices of k operands from the inputs, by number."""
        numbers, k = range(len(self.signature.inputs)), self.check(k)
        self._check_choices(len(numbers) ** k, k)
        return tuple(combinations_with_replacement(numbers, k) if self.commutative else product(numbers, repeat=k))

    def _check_choices(self, choices: int, k: int) -> None:
        what = f"order {k} of '{self.signature}' has {{}} choices of operands"
        check_limit(choices, "operand_choices", what, "lower the order")

    def coefficients(self, k: int) -> tuple[Coefficient, ...]:
        """The coefficient tensors of order k, one for each choice of operands."""
        return tuple(map(self._get_coefficient, self.words(k)))

    def _get_coefficient(self, word: tuple[int, ...]) -> Coefficient:
        if word not in self._coefficients:
            types = tuple(self.signature.inputs[i] for i in word)
            self._coefficients[word] = Coefficient(
                self.signature.output, types, word, self.commutative, self.sizes, self.features
            )
        return self._coefficients[word]

    @cached_property
    def _coefficients(self) -> dict[tuple[int, ...], Coefficient]:
        return {}

    def _select(self, k: int, inputs: Sequence[int] | None) -> Coefficient:
        words = self.words(k)
        word = words[0] if inputs is None and len(words) == 1 else inputs
        if not isinstance(word, (tuple, list)) or tuple(word) not in words:
            raise EinNetError(
                f"order {k} of '{self.signature}' has a coefficient for each choice of operands: "
                f"give inputs, one of {list_first(words, len(words))}; got {inputs}"
            )
        return self._get_coefficient(tuple(word))

    def sharing(self, k: int, inputs: Sequence[int] | None = None) -> np.ndarray:
        """The number of the parameter at each entry of the coefficient of order k.

        >>> series("a -> a", order=1, sizes={"a": 3}).sharing(1)
        array([[0, 1, 1],
               [1, 0, 1],
               [1, 1, 0]], dtype=int32)

        The axes are those of the output, then those of each operand. With several inputs, `inputs`
        gives the number of each operand, such as (0, 1); parameters are numbered from 0 for each choice.
        """
        return self._select(k, inputs).sharing(self._require_sizes())

    def _require_sizes(self) -> dict[str, int]:
        if self.sizes is None:
            example = ", ".join(f"'{c}': 3" for c in self.signature.classes)
            raise ShapeError(f"the entries of a coefficient need sizes: series(..., sizes={{{example}}})")
        return self.sizes

    def contractions(self, k: int, inputs: Sequence[int] | None = None) -> tuple[Term, ...]:
        """The contraction basis of order k: one einsum for each partition.

        >>> [str(t) for t in series("a -> a", order=1).contractions(1)]
        ['i->i', 'j->i']

        Its coefficient is 1 where *at least* the partition's indices are equal. With features, each has a
        parameter for each index of the output's and the operands' features, which vary fastest. If
        `commutative`, a contraction stands for all reorderings of equal operands. With several inputs,
        the contractions of all choices of operands, unless `inputs` names one.
        """
        coefficients = self.coefficients(k) if inputs is None else (self._select(k, inputs),)
        return tuple(t for c in coefficients for t in c.contractions)

    def __str__(self) -> str:
        return "\n".join(filter(None, [super().__str__(), describe_dense_form(self.signature)]))

    def _make_rows(self) -> list[tuple[object, ...]]:
        rows: list[tuple[object, ...]] = [("order", *["entries"] * (self.sizes is not None), "free", "contractions")]
        for c in (c for k in range(self.order + 1) for c in self.coefficients(k)):
            listing = "too many to list"
            if c.is_listable:
                listing = list_first(c.iterate_contractions(), len(c.representatives[0]))
            entries = [] if self.sizes is None else [format_number(c.entries(self.sizes))]
            rows.append((self._name_order(c), *entries, format_number(c.dof), listing))
        return rows

    @property
    def heading(self) -> str:
        sizes = [f"{c}={n}" for c, n in self.known_sizes] + [f"H={self.features}"] * (self.features > 1)
        about = f" with {', '.join(sizes)}" if sizes else ""
        origin = f" (the dense form of {self.signature})" if self.signature.is_sparse else ""
        return f"{self.signature.dense}{origin}{about}" + ", commutative" * self.commutative

    def _name_order(self, c: Coefficient) -> str:
        """The order and, if there are several inputs, the operands."""
        operands = ", ".join("".join(t.axes) for t in c.types)
        return f"{len(c.types)}" + f": {operands}" * (bool(c.types) and len(self.signature.inputs) > 1)

    def panels(self, k: int) -> list[Panel]:
        sizes = self._require_sizes()
        return [
            Panel(f"order {self._name_order(c)}", c.shapes(sizes), c.sharing(sizes), c.names)
            for c in self.coefficients(k)
        ]

    def to_contraction(self, params: Any) -> Any:
        """The parameters in the contraction basis, from those in the orbit basis: exact, in integers.

        >>> s = series("a ->", order=2, sizes={"a": 3})
        >>> s.to_contraction(np.array([0, 0, 1, 0])), s.to_orbit(np.array([0, 0, 0, 1]))
        (array([0, 0, 1, 0]), array([0, 0, 1, 1]))
        """
        return self._change_basis(params, "contraction")

    def to_orbit(self, params: Any) -> Any:
        """The parameters in the orbit basis, from those in the contraction basis."""
        return self._change_basis(params, "orbit")

    def _change_basis(self, params: Any, basis: str) -> Any:
        parts = [
            concatenate([c.change_basis(p, basis) for c, p in self._split_order(k, part)])
            for k, part in enumerate(self.split(params))
        ]
        return join_orders(parts, params)

    def _split_order(self, k: int, params: Any) -> Iterable[tuple[Coefficient, Any]]:
        """Each coefficient of order k, and its parameters."""
        coefficients = self.coefficients(k)
        return zip(coefficients, cut(params, [c.dof for c in coefficients]), strict=True)

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
            basis: the basis of the parameters. "contraction" evaluates einsums; "orbit" writes the
                coefficients out, which takes far more memory and time: `to_contraction` avoids it.
            sizes: of output axes that no input has, for a series without sizes.

        Returns an array (batch..., axes of the output..., features).
        """
        check_choice(basis, "basis", BASES)
        if self.sizes is not None and sizes is not None and dict(sizes) != self.sizes:
            raise ShapeError(f"the series was made with the sizes {self.sizes}, evaluate got {dict(sizes)}")
        inputs = list(x) if isinstance(x, (tuple, list)) and len(self.signature.inputs) > 1 else [x]
        arrays = as_arrays(*inputs, *self.split(params))
        inputs, parts = arrays[: len(inputs)], arrays[len(inputs) :]
        known, batch = self._bind(inputs, sizes)
        output = self.signature.output
        shape = (*batch, *(known[c] for c in output.axes), *[self.features] * output.features)
        total = constant_like(np.zeros(shape, int), inputs[0])
        for k, part in enumerate(parts):
            for coefficient, p in self._split_order(k, part):
                total = total + coefficient.evaluate(p, inputs, known, basis)
        return total

    def _bind(self, inputs: Sequence[Any], sizes: Mapping[str, int] | None) -> tuple[dict[str, int], tuple[int, ...]]:
        """The size of each axis, and the batch axes."""
        names = ["x"] if len(inputs) == 1 else [f"x[{k}]" for k in range(len(inputs))]
        known = self.signature.bind([x.shape for x in inputs], self.sizes or sizes, names=names)
        batch: tuple[int, ...] = ()
        for t, x, name in zip(self.signature.inputs, inputs, names, strict=True):
            if t.features and x.shape[-1] != self.features:
                raise ShapeError(
                    f"{name} of type '{t}' has {x.shape[-1]} features, the series has {self.features}: "
                    f"make it with sizes={{'H': {x.shape[-1]}, ...}}"
                )
            leading = tuple(x.shape[: len(x.shape) - len(t.axes) - t.features])
            if leading and batch and leading != batch:
                raise ShapeError(f"the inputs have different batch axes: {batch} and {leading}")
            batch = batch or leading
        return _check_sizes(self.signature, known, needs_all=True), batch
