"""One coefficient tensor of the series of a symmetry type: its partitions, parameters and values.

A *partition* is an equality pattern of the tensor's indices: a block for each set of equal indices.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from string import ascii_letters
from typing import Any

import numpy as np
import scipy

from einnet.checks import check_limit
from einnet.partitions import Slots, count_fixed, first_occurrence, row_numbers
from einnet.plan.backends import Backend, backend_of
from einnet.plan.execute import expand, run_plan
from einnet.plan.plan import Plan
from einnet.symmetry import Symmetry
from einnet.taylor.arrays import LETTERS, apply_coefficient, apply_matrix, check_entries, constant_like, cut, gather
from einnet.taylor.lattice import mobius, zeta
from einnet.taylor.orbits import number_orbits
from einnet.terms.term import Term

__all__ = ["Coefficient"]

LISTED = 10_000  # partitions that a table shows
PLANNED = 256  # contractions of one plan: so many intermediates are in memory together


@dataclass(frozen=True)
class Coefficient:
    """What multiplies one choice of operands: a tensor, axes of the output first.

    A *label* is a partition together with an index for each feature axis. Each label has a parameter
    of its own; with `commutative`, labels that reordering equal operands exchanges share one.
    """

    output: Symmetry
    types: tuple[Symmetry, ...]  # of the operands
    inputs: tuple[int, ...]  # which input each operand is; equal ones are interchangeable if `commutative`
    commutative: bool
    sizes: Mapping[str, int] | None  # of each axis; None for all large sizes
    features: int  # the size of the feature axes

    @property
    def all_types(self) -> tuple[Symmetry, ...]:
        """The type of the output, then of each operand."""
        return (self.output, *self.types)

    @cached_property
    def slots(self) -> Slots:
        """The index positions: axes of the output, then of the operands, without features."""
        return Slots.of(self.all_types)

    @cached_property
    def has_features(self) -> tuple[bool, ...]:
        """Which of output and operands have a feature axis."""
        return tuple(t.features for t in self.all_types)

    @cached_property
    def groups(self) -> tuple[int, ...]:
        """The number of each operand's group: operands of one group are interchangeable."""
        return self.inputs if self.commutative else tuple(range(len(self.inputs)))

    def _cut_slots(self, of_slots: Any) -> list[Any]:
        """The parts of the output and of each operand."""
        return cut(of_slots, [len(t.axes) for t in self.all_types])

    @property
    def name(self) -> str:
        tuples = ["".join(t.axes) + "H" * t.features for t in self.all_types[:7]]
        operands = ", ".join(tuples[1:]) + ", ..." * (len(self.types) > 6)
        return f"the coefficient of order {len(self.types)} ({operands} -> {tuples[0]})"

    @cached_property
    def partitions(self) -> np.ndarray:
        """A row for each partition, see `Slots.partitions`."""
        instead = "use the counts (dof, total, dof_at), which enumerate none, lower the order"
        check_limit(self.slots.count(self.sizes), "partitions", f"{self.name} has {{}} partitions", instead)
        return self.slots.partitions(self.sizes)

    @property
    def label_shape(self) -> tuple[int, ...]:
        """The shape of the labels of one partition: the sizes of the feature axes."""
        return (self.features,) * sum(self.has_features)

    @property
    def swaps(self) -> list[int]:
        """The operands that are interchangeable with the one before them."""
        return [k for k in range(1, len(self.groups)) if self.groups[k] == self.groups[k - 1]]

    @cached_property
    def parameter_of_label(self) -> np.ndarray:
        """The number of the parameter of each label, of shape (partitions, features of output, of operands...)."""
        shape = (len(self.partitions), *self.label_shape)
        what = f"the table of labels of {self.name}"
        check_entries(shape, what, "give smaller features, or lower the order", "labels")
        labels = np.arange(prod(shape)).reshape(shape)
        if not self.swaps:
            return labels
        return number_orbits([self._swap_labels(k, labels) for k in self.swaps], labels.size).reshape(shape)

    def _swap_labels(self, k: int, labels: np.ndarray) -> np.ndarray:
        """Where each label goes when operand k changes places with the one before it."""
        parts = self._cut_slots(np.arange(len(self.slots)))
        parts[k], parts[k + 1] = parts[k + 1], parts[k]
        order = np.concatenate(parts)
        image = row_numbers(first_occurrence(self.partitions[:, order]), self.partitions)
        if self.has_features[k]:
            axis = 1 + sum(self.has_features[:k])
            labels = labels.swapaxes(axis, axis + 1)
        return labels[image]

    @property
    def is_listable(self) -> bool:
        return self.slots.count(self.sizes) <= LISTED

    @cached_property
    def first_label(self) -> np.ndarray:
        """The first label of each parameter."""
        return np.unique(self.parameter_of_label, return_index=True)[1]

    @cached_property
    def dof(self) -> int:
        """The number of free parameters, without enumerating partitions.

        By Burnside's lemma: the mean, over the reorderings of equal operands, of the number of labels
        that a reordering fixes.
        """
        limit = "index_positions_commutative" if self.commutative else "index_positions"
        check_limit(len(self.slots), limit, f"{self.name} has {{}} axes to count over", "lower the order")
        if self.commutative:
            what = f"{self.name} has {{}} operands to reorder"
            check_limit(len(self.types), "commuting_operands", what, "lower the order")
        total = ways = 0
        for times, partitions, types in count_fixed(self.output, self.types, self.groups, self.sizes):
            total += times * partitions * self.features ** sum(t.features for t in types)
            ways += times
        return total // ways

    @cached_property
    def representatives(self) -> tuple[np.ndarray, np.ndarray]:
        """One partition of each set that reordering operands exchanges, and the size of the set."""
        if not self.swaps:
            return np.arange(len(self.partitions)), np.ones(len(self.partitions), int)
        lowest = self.parameter_of_label.reshape(len(self.partitions), -1).min(1)
        _, first, multiplicity = np.unique(lowest, return_index=True, return_counts=True)
        return first, multiplicity

    @cached_property
    def contractions(self) -> tuple[Term, ...]:
        """The einsum of each partition, or of one partition of each set."""
        return tuple(self.iterate_contractions())

    def iterate_contractions(self) -> Iterator[Term]:
        return map(self._make_term, self.partitions[self.representatives[0]].tolist())

    def _make_term(self, partition: Sequence[int]) -> Term:
        output, *operands = self._cut_slots("".join(LETTERS[i] for i in partition))
        return Term.of(operands, output)

    @cached_property
    def names(self) -> list[str]:
        """Each parameter's contraction and, where there are features, their indices."""
        names = []
        for label in self.first_label.tolist():
            number, *feature = np.unravel_index(label, self.parameter_of_label.shape)
            index = f" [{','.join(map(str, feature))}]" if self.features > 1 and feature else ""
            names.append(f"{self._make_term(self.partitions[number].tolist())}{index}")
        return names

    def shapes(self, sizes: Mapping[str, int]) -> tuple[tuple[int, ...], ...]:
        """The axes of the output and of each operand, the features last."""
        return tuple((*(sizes[c] for c in t.axes), *[self.features] * t.features) for t in self.all_types)

    def entries(self, sizes: Mapping[str, int]) -> int:
        return prod(map(prod, self.shapes(sizes)))

    def sharing(self, sizes: Mapping[str, int]) -> np.ndarray:
        """The parameter at each entry."""
        shapes = self.shapes(sizes)
        shape = tuple(n for s in shapes for n in s)
        check_entries(shape, self.name, "dof and the contractions need no entries; or use smaller sizes")
        by_slot = self.parameter_of_label.astype(np.int32)[self.slots.labels(sizes, self.sizes), ...]
        axes, features = iter(range(len(self.slots))), iter(range(len(self.slots), len(shape)))
        order = [next(k) for t in self.all_types for k in [axes] * len(t.axes) + [features] * t.features]
        return by_slot.transpose(order)

    def change_basis(self, params: Any, basis: str) -> Any:
        """The parameters in this basis, from those in the other one."""
        return apply_matrix(self._to_orbit if basis == "orbit" else self._to_contraction, params)

    @cached_property
    def _to_orbit(self) -> Any:
        return self._map_parameters(zeta(self.slots, self.partitions))

    @cached_property
    def _to_contraction(self) -> Any:
        return self._map_parameters(mobius(self.slots, self.partitions))

    def _map_parameters(self, matrix: Any) -> Any:
        """What a sparse matrix between partitions is between parameters: only first labels count as rows."""
        of_labels = scipy.sparse.kron(matrix, scipy.sparse.eye_array(prod(self.label_shape), dtype=int), format="csr")
        numbers = self.parameter_of_label.ravel()
        parameters = scipy.sparse.csr_array((np.ones_like(numbers), (np.arange(len(numbers)), numbers)))
        return of_labels[self.first_label] @ parameters

    def evaluate(self, params: Any, inputs: Sequence[Any], sizes: Mapping[str, int], basis: str) -> Any:
        """The coefficient applied to its operands, (batch..., axes of the output..., features)."""
        if basis == "contraction":
            return self._evaluate_contractions(params, inputs, sizes)
        ranks = [len(t.axes) + t.features for t in self.types]
        return apply_coefficient(gather(params, self.sharing(sizes)), [inputs[k] for k in self.inputs], ranks)

    def _evaluate_contractions(self, params: Any, inputs: Sequence[Any], sizes: Mapping[str, int]) -> Any:
        """The sum over partitions of weight times einsum, by plans whose batch axes are those of the features.

        Results of one axis map are added before they are expanded.
        """
        first, multiplicity = self.representatives
        if self.swaps:
            times = constant_like(multiplicity.reshape(-1, *[1] * sum(self.has_features)), params)
            weights = gather(params, self.parameter_of_label[first]) * times
        else:
            weights = params.reshape((-1, *self.label_shape))
        backend = backend_of(params)
        positions = range(1 + max(self._reads, default=-1))
        operands = [self._with_features_first(inputs[self.inputs[k]], k, backend) for k in positions]
        operands = operands or [constant_like(1, params)]
        sums: dict[tuple[int, ...], Any] = {}
        weight = iter(weights)
        for plan in self._plans:
            for compact, result in zip(run_plan(plan, operands, backend), plan.results, strict=True):
                value = self._weigh(compact, next(weight), len(result.compact), backend)
                sums[result.axis_map] = sums[result.axis_map] + value if result.axis_map in sums else value
        axes = [sizes[c] for c in self.output.axes]
        expanded = [expand(x, axis_map, axes, backend) for axis_map, x in sums.items()]
        total = sum(expanded[1:], expanded[0])
        return backend.permute(total, (*range(-len(axes), 0), -1 - len(axes))) if self.has_features[0] else total

    @cached_property
    def _reads(self) -> tuple[int, ...]:
        """For each operand, the first position that has the same array: one input, without features."""
        return tuple(k if self.types[k].features else self.inputs.index(i) for k, i in enumerate(self.inputs))

    @cached_property
    def _plans(self) -> list[Plan]:
        """The contractions, `PLANNED` in a plan."""
        sources = self._reads or (0,)
        parts = [self.contractions[a : a + PLANNED] for a in range(0, len(self.contractions), PLANNED)]
        return [Plan.without_types(terms, [sources] * len(terms)) for terms in parts]

    def _with_features_first(self, x: Any, k: int, backend: Backend) -> Any:
        """Operand k with an axis for the features of each operand in front, all of size one but its own."""
        features = [1] * sum(self.has_features[1:])
        rank = len(self.types[k].axes)
        if self.has_features[k + 1]:
            x = backend.permute(x, (-1, *range(-1 - rank, -1)))
            features[sum(self.has_features[1 : k + 1])] = self.features
        batch = len(x.shape) - rank - self.has_features[k + 1]
        return x.reshape((*x.shape[:batch], *features, *x.shape[len(x.shape) - rank :])) if features else x

    def _weigh(self, compact: Any, weight: Any, rank: int, backend: Backend) -> Any:
        """A compact result times its weight, (batch..., features of the output, axes)."""
        if not any(self.has_features):
            return compact * weight
        axes, features = ascii_letters[:rank], ascii_letters[rank : rank + sum(self.has_features[1:])]
        output = ascii_letters[-1] * self.has_features[0]
        return backend.einsum(f"...{features}{axes},{output}{features}->...{output}{axes}", compact, weight)
