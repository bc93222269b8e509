"""`Derivation`: a term as a short program of other terms, made from a tree of operations."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from einnet.operations.hypergraph import number_indices
from einnet.plan.execute import evaluate_term
from einnet.signature import Signature
from einnet.symmetry import Symmetry
from einnet.terms.term import Term, with_letters
from einnet.terms.type_set import TypeSet

__all__ = ["Derivation", "DerivationStep", "Leaf", "Node", "to_derivation"]

Tuple = tuple[int, ...]  # indices, numbered as in `number_indices`; others are fresh


@dataclass(frozen=True)
class DerivationStep:
    """One operation, and the names of the values that it reads: operands x1, x2, ..., or steps y1, y2, ..."""

    term: Term
    sources: tuple[str, ...]


@dataclass(frozen=True)
class Derivation:
    """A program of operations whose last step is a term times a factor.

    >>> from einnet import generates
    >>> program = generates(["a0b0,a0b0->a0b0"], "a0,a0->a0", ("a", "ab"))    # vectors through matrices
    >>> print(program)
    a0,a0->a0
      y1 = a0->a0b0         (x1)
      y2 = a0->a0b0         (x2)
      y3 = a0b0,a0b0->a0b0  (y1, y2)
      y4 = a0b0->a0         (y3)
      y4 is the term times n_b
    >>> program.factor, program.steps[2].sources
    (('b',), ('y1', 'y2'))

    The program may sum an index that no operand has; `factor` has the axis of each such index, and
    the result is the term times the product of their sizes. Made by `generates`.
    """

    term: Term
    steps: tuple[DerivationStep, ...]
    factor: tuple[str, ...]
    type_set: TypeSet

    def __str__(self) -> str:
        width = max((len(str(s.term)) for s in self.steps), default=0)
        rows = [f"  y{k} = {s.term!s:<{width}}  ({', '.join(s.sources)})" for k, s in enumerate(self.steps, start=1)]
        powers = [f"n_{c}" + f"^{n}" * (n > 1) for c, n in sorted(Counter(self.factor).items())]
        scale = f"  y{len(self.steps)} is the term times {' '.join(powers)}"
        return "\n".join([str(self.term), *(rows or ["  x1"]), *[scale] * bool(powers)])

    def __repr__(self) -> str:
        return str(self)

    def run(self, *operands: Any, sizes: Mapping[str, int] | None = None) -> np.ndarray:
        """The program's result on arrays; integers stay exact.

        >>> from einnet import generates
        >>> program = generates(["ab,bc->ac"], "ab,bc,cd->ad", "aa")
        >>> int(program.run([[2]], [[3]], [[5]])[0, 0])
        30

        `sizes` gives the sizes of axes that no operand has. Raises `ShapeError` for shapes that do not fit.
        """
        known = self.sizes(operands, sizes)
        values: dict[str, np.ndarray] = {f"x{k}": np.asarray(x) for k, x in enumerate(operands, start=1)}
        result = values["x1"]
        for k, step in enumerate(self.steps, start=1):
            result = values[f"y{k}"] = self._evaluate(step.term, [values[s] for s in step.sources], known)
        return result

    def reference(self, *operands: Any, sizes: Mapping[str, int] | None = None) -> np.ndarray:
        """The term on the same arrays, times the factor: what `run` must return."""
        known = self.sizes(operands, sizes)
        value = self._evaluate(self.term, [np.asarray(x) for x in operands], known)
        return value * prod(known[c] for c in self.factor)

    def _evaluate(self, term: Term, operands: Sequence[np.ndarray], sizes: Mapping[str, int]) -> np.ndarray:
        by_index = {i: sizes[c] for i, c in self.type_set.classes_of(term).items()}
        return evaluate_term(term, operands, by_index)

    def sizes(self, operands: Sequence[Any], sizes: Mapping[str, int] | None = None) -> dict[str, int]:
        """The size of each axis, from the operands' shapes and from `sizes`."""
        types, output = self.type_set.types_of(self.term)
        used = sorted({c for s in self.steps for c in self.type_set.classes_of(s.term).values()})
        unused = set(self.type_set.classes) - {c for t in (*types, output) for c in t.axes} - set(used)
        if isinstance(sizes, Mapping):
            sizes = {c: n for c, n in sizes.items() if c not in unused}
        names = [f"x{k}" for k in range(1, len(types) + 1)]
        shapes = [np.shape(x) for x in operands]
        return Signature.of(types, output).bind(shapes, sizes, names=names, required=used, has_batch=False)


@dataclass(frozen=True)
class Leaf:
    """An operand of the term: its number, its indices and its type."""

    number: int
    output: Tuple
    type: Symmetry


@dataclass(frozen=True)
class Node:
    """An operation on the values of its children."""

    term: Term
    operands: tuple[Tuple, ...]
    types: tuple[Symmetry, ...]
    output: Tuple
    type: Symmetry
    children: "tuple[Leaf | Node, ...]"

    def count_conversions(self, output: Tuple | None) -> tuple[int, int]:
        """The number of order-1 operations that its operands need, and its result if it must have this output.

        Then the number of its indices that no operand has: each is a factor, or is summed for nothing.
        """
        direct = [_is_operand(c, t, s) for c, t, s in zip(self.children, self.operands, self.types, strict=True)]
        read = {i for child in self.children for i in child.output}
        extra = {i for tup in self.operands for i in tup} - read
        return direct.count(False) + (output is not None and self.output != output), len(extra)


def _is_operand(value: "Leaf | Node", indices: Tuple, symmetry: Symmetry) -> bool:
    """Whether the value is this operand without conversion; a repeated index needs the diagonal only."""
    return (value.output, value.type.axes) == (indices, symmetry.axes) and len(set(indices)) == len(indices)


def to_derivation(term: Term, tree: Leaf | Node, type_set: TypeSet) -> Derivation:
    """The program of a composition: order-1 operations between nodes where their indices differ."""
    steps: list[DerivationStep] = []
    factor: dict[int, str] = {}

    def as_operand(child: Leaf | Node, indices: Tuple, symmetry: Symmetry) -> str:
        source = f"x{child.number + 1}" if isinstance(child, Leaf) else run(child)
        return (
            source
            if _is_operand(child, indices, symmetry)
            else add(_convert(child, indices, symmetry, type_set), [source])
        )

    def run(node: Node) -> str:
        for tup, symmetry in zip((*node.operands, node.output), (*node.types, node.type), strict=True):
            factor.update({i: c for i, c in zip(tup, symmetry.axes, strict=True) if i >= len(term.indices)})
        return add(node.term, list(map(as_operand, node.children, node.operands, node.types)))

    def add(operation: Term, sources: list[str]) -> str:
        steps.append(DerivationStep(operation, tuple(sources)))
        return f"y{len(steps)}"

    as_operand(tree, number_indices(term)[0], type_set.types_of(term)[1])
    return Derivation(term, tuple(steps), tuple(factor.values()), type_set)


def _convert(child: Leaf | Node, indices: Tuple, symmetry: Symmetry, type_set: TypeSet) -> Term:
    """The order-1 term from the child's output to these indices."""
    operand, output = (
        [f"{c} {i}" for i, c in zip(tup, t.axes, strict=True)]
        for tup, t in ((child.output, child.type), (indices, symmetry))
    )
    return with_letters([operand], output, type_set.has_several_types)
