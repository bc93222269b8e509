"""One coefficient tensor of the series of a symmetry type: its patterns, parameters and values."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise, product
from math import prod
from typing import Any

import numpy as np

from einnet.errors import EinNetError
from einnet.partitions import Slots, cycle_types, first_occurrence, row_numbers
from einnet.symmetry import Symmetry
from einnet.taylor._arrays import LETTERS, check_entries, constant, gathered, scatter_add
from einnet.taylor.evaluate import Operand, contract_patterns, contract_written_out
from einnet.taylor.lattice import Sparse, mobius, zeta
from einnet.taylor.orbits import orbit_numbers
from einnet.terms import Term

__all__ = ["Coefficient"]

MAX_PATTERNS = 200_000
LISTED = 10_000  # patterns that are made for a table
MAX_LABELS = 2**24
MAX_SLOTS = 300  # index positions of a coefficient whose patterns are counted
MAX_SLOTS_COMMUTATIVE = 45
MAX_REORDERED = 16  # commuting operands, whose reorderings are gone through by cycle type


@dataclass(frozen=True)
class Coefficient:
    """What multiplies one choice of operands: a tensor, axes of the output first.

    A *label* is a pattern together with an index for each feature axis; without commutativity each
    label has a parameter of its own, else the labels that reordering equal operands exchanges share
    one.

    Args:
        output: the type of the output.
        types: those of the operands.
        inputs: which input each operand is; equal ones are interchangeable if `commutative`.
        sizes: of each class, or None for all large ones.
        features: the size of the feature axes.
    """

    output: Symmetry
    types: tuple[Symmetry, ...]
    inputs: tuple[int, ...]
    commutative: bool
    sizes: Mapping[str, int] | None
    features: int

    @cached_property
    def slots(self) -> Slots:
        """The index positions: axes of the output, then of the operands, without features."""
        return Slots.of((self.output, *self.types))

    @cached_property
    def wide(self) -> tuple[bool, ...]:
        """Which of output and operands have a feature axis."""
        return tuple(t.features for t in (self.output, *self.types))

    @property
    def name(self) -> str:
        """As messages speak of it."""
        tuples = ["".join(t.axes) + "H" * t.features for t in (self.output, *self.types[:6])]
        operands = ", ".join(tuples[1:]) + ", ..." * (len(self.types) > 6)
        return f"the coefficient of order {len(self.types)} ({operands} -> {tuples[0]})"

    @cached_property
    def patterns(self) -> np.ndarray:
        """A row for each pattern, see `Slots.patterns`."""
        if (number := self.slots.count(self.sizes)) > MAX_PATTERNS:
            raise EinNetError(
                f"{self.name} has {number:,} patterns, more than the {MAX_PATTERNS:,} that are enumerated: "
                "the counts (dof, total, dof_at) do not enumerate them; else lower the order"
            )
        return self.slots.patterns(self.sizes)

    @property
    def per_pattern(self) -> tuple[int, ...]:
        """The shape of the labels of one pattern: the sizes of the feature axes."""
        return (self.features,) * sum(self.wide)

    @property
    def swaps(self) -> list[int]:
        """The operands that may change places with the one before them."""
        return [k for k in range(1, len(self.inputs)) if self.commutative and self.inputs[k] == self.inputs[k - 1]]

    @cached_property
    def parameter_of_label(self) -> np.ndarray:
        """The number of the parameter of each label, of shape (patterns, features of output, of operands...)."""
        shape = (len(self.patterns), *self.per_pattern)
        what = f"the table of labels of {self.name}"
        check_entries(shape, what, "give smaller features, or lower the order", MAX_LABELS)
        labels = np.arange(prod(shape)).reshape(shape)
        if not self.swaps:
            return labels
        return orbit_numbers([self._swapped(k, labels) for k in self.swaps], labels.size).reshape(shape)

    def _swapped(self, k: int, labels: np.ndarray) -> np.ndarray:
        """Where each label goes when operand k changes places with the one before it."""
        starts = np.cumsum([0, len(self.output.axes), *(len(t.axes) for t in self.types)])
        order = np.arange(len(self.slots))
        a, b, c = starts[k], starts[k + 1], starts[k + 2]
        order[a:c] = [*range(b, c), *range(a, b)]
        image = row_numbers(first_occurrence(self.patterns[:, order]), self.patterns)
        if self.wide[k]:
            axis = 1 + sum(self.wide[:k])
            labels = labels.swapaxes(axis, axis + 1)
        return labels[image]

    @property
    def listable(self) -> bool:
        """Whether the contractions are few enough for a table."""
        return self.slots.count(self.sizes) <= LISTED

    @cached_property
    def first_label(self) -> np.ndarray:
        """One label of each parameter."""
        return np.unique(self.parameter_of_label, return_index=True)[1]

    @cached_property
    def dof(self) -> int:
        """The number of free parameters, without enumerating patterns.

        By the lemma that is not Burnside's: the mean, over the reorderings of equal operands, of the
        number of labels that a reordering leaves alone.
        """
        k = len(self.types)
        most = MAX_SLOTS_COMMUTATIVE if self.commutative else MAX_SLOTS
        if len(self.slots) > most or (self.commutative and k > MAX_REORDERED):
            limit = f"{most} index positions" + f" and {MAX_REORDERED} operands that commute" * self.commutative
            raise EinNetError(f"{self.name} is too large to be counted, the limit is {limit}: lower the order")
        if not self.commutative:
            return self._kept((1,) * k, range(k))
        total = ways = 0
        for lengths, firsts, times in self._reorderings():
            total += times * self._kept(lengths, firsts)
            ways += times
        return total // ways

    def _reorderings(self) -> Iterator[tuple[tuple[int, ...], list[int], int]]:
        """The cycle lengths of the reorderings of equal operands, the first of each cycle, how many there are."""
        counts = Counter(self.inputs)
        for choice in product(*(tuple(cycle_types(n)) for n in counts.values())):
            lengths = [length for cycles, _ in choice for length in cycles]
            firsts = [self.inputs.index(i) for i, (cycles, _) in zip(counts, choice, strict=True) for _ in cycles]
            yield tuple(lengths), firsts, prod(times for _, times in choice)

    def _kept(self, lengths: Sequence[int], firsts: Sequence[int]) -> int:
        """The labels that stay, where operands move in cycles of these lengths."""
        types = [self.output, *(self.types[k] for k in firsts)]
        by_slot = [n for t, n in zip(types, (1, *lengths), strict=True) for _ in t.axes]
        return Slots.of(types).count(self.sizes, by_slot) * self.features ** sum(t.features for t in types)

    @cached_property
    def representatives(self) -> tuple[np.ndarray, np.ndarray]:
        """One pattern of each set that reordering operands exchanges, and how many the set has."""
        if not self.swaps:
            return np.arange(len(self.patterns)), np.ones(len(self.patterns), int)
        lowest = self.parameter_of_label.reshape(len(self.patterns), -1).min(1)
        _, first, multiplicity = np.unique(lowest, return_index=True, return_counts=True)
        return first, multiplicity

    @cached_property
    def contractions(self) -> tuple[Term, ...]:
        """The einsum of each pattern, or of one pattern of each set."""
        return tuple(self.each_contraction())

    def each_contraction(self) -> Iterator[Term]:
        """The same one by one, for those who need the first ones only."""
        return map(self._term, self.patterns[self.representatives[0]].tolist())

    def _term(self, pattern: Sequence[int]) -> Term:
        letters = "".join(LETTERS[i] for i in pattern)
        ends = np.cumsum([len(self.output.axes), *(len(t.axes) for t in self.types)]).tolist()
        return Term.of([letters[a:b] for a, b in pairwise(ends)], letters[: ends[0]])

    @cached_property
    def names(self) -> list[str]:
        """Each parameter's contraction and, where there are features, their indices."""
        found = []
        for label in self.first_label.tolist():
            number, *feature = np.unravel_index(label, self.parameter_of_label.shape)
            index = f" [{','.join(map(str, feature))}]" if self.features > 1 and feature else ""
            found.append(f"{self._term(self.patterns[number].tolist())}{index}")
        return found

    def shapes(self, sizes: Mapping[str, int]) -> tuple[tuple[int, ...], ...]:
        """The axes of the output and of each operand, the features last."""
        types = zip((self.output, *self.types), self.wide, strict=True)
        return tuple((*(sizes[c] for c in t.axes), *[self.features] * wide) for t, wide in types)

    def entries(self, sizes: Mapping[str, int]) -> int:
        return prod(map(prod, self.shapes(sizes)))

    def sharing(self, sizes: Mapping[str, int]) -> np.ndarray:
        """The parameter at each entry."""
        shapes = self.shapes(sizes)
        shape = tuple(n for s in shapes for n in s)
        check_entries(shape, self.name, "dof and the contractions need no entries; or use smaller sizes")
        numbers = self.slots.labels(sizes, self.sizes)
        if not self.swaps and prod(self.per_pattern) == 1:
            return numbers.reshape(shape)
        feature = [wide and k == len(s) - 1 for s, wide in zip(shapes, self.wide, strict=True) for k in range(len(s))]
        index = [numbers.reshape([1 if wide else n for n, wide in zip(shape, feature, strict=True)])]
        for k in np.flatnonzero(feature):
            index.append(np.arange(shape[k]).reshape([-1 if j == k else 1 for j in range(len(shape))]))
        return self.parameter_of_label.astype(np.int32)[tuple(index)]

    def to_contraction(self, params: Any) -> Any:
        """See `TypeSeries.to_contraction`; here for this coefficient's parameters alone."""
        return self._changed(params, self._mobius)

    def to_orbit(self, params: Any) -> Any:
        return self._changed(params, self._zeta)

    @cached_property
    def _mobius(self) -> Sparse:
        return mobius(self.slots, self.patterns)

    @cached_property
    def _zeta(self) -> Sparse:
        return zeta(self.slots, self.patterns)

    def _changed(self, params: Any, matrix: Sparse) -> Any:
        rows, columns, values = matrix
        width = prod(self.per_pattern)
        within = np.arange(width)
        rows, columns = (np.add.outer(x * width, within).ravel() for x in (rows, columns))
        by_label = gathered(params, self.parameter_of_label.ravel()[columns])
        factors = constant(np.repeat(values, width), params)
        changed = scatter_add(by_label * factors, rows, self.parameter_of_label.size)
        return gathered(changed, self.first_label)

    def evaluate(self, params: Any, inputs: Sequence[Operand], sizes: Mapping[str, int], basis: str) -> Any:
        """The coefficient applied to its operands, (batch, axes of the output..., features)."""
        operands = [inputs[k] for k in self.inputs]
        if basis == "orbit":
            rank = len(self.output.axes) + self.wide[0]
            return contract_written_out(gathered(params, self.sharing(sizes)), operands, rank)
        first, multiplicity = self.representatives
        if self.swaps:
            weights = gathered(params, self.parameter_of_label[first])
            weights = weights * constant(multiplicity.reshape(-1, *[1] * sum(self.wide)), params)
        else:
            weights = params.reshape((-1, *self.per_pattern))
        axes = [sizes[c] for c in self.output.axes]
        return contract_patterns(len(axes), self.patterns[first], weights, operands, axes, self.wide[0])
