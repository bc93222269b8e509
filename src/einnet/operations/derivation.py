"""`Derivation`: a term as a short program of other terms, made from a tree of operations."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from einnet.errors import EinNetError
from einnet.plan.execute import evaluate_term
from einnet.signature import Signature
from einnet.symmetry import Symmetry, as_symmetry
from einnet.terms.term import Term, with_letters
from einnet.terms.type_set import TypeSet

__all__ = ["Derivation", "DerivationStep", "Leaf", "Node", "Tree", "Tuple", "to_derivation"]

Sizes = Mapping[str, int] | None
Supports = Mapping[Symmetry | str, Any] | None
Tuple = tuple[str, ...]  # indices, in trees each with its class and a number: "a 3"


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

    The program may sum an index that no operand has; `factor` has the axis of each such index, and the result is the
    term times the product of their sizes. Made by `generates`.
    """

    term: Term
    steps: tuple[DerivationStep, ...]
    factor: Tuple
    type_set: TypeSet

    def __str__(self) -> str:
        width = max((len(str(s.term)) for s in self.steps), default=0)
        rows = [f"  y{k} = {s.term!s:<{width}}  ({', '.join(s.sources)})" for k, s in enumerate(self.steps, start=1)]
        powers = [f"n_{c}" + f"^{n}" * (n > 1) for c, n in sorted(Counter(self.factor).items())]
        scale = f"  y{len(self.steps)} is the term times {' '.join(powers)}"
        return "\n".join([str(self.term), *(rows or ["  x1"]), *[scale] * bool(powers)])

    __repr__ = __str__

    def run(self, *operands: Any, sizes: Sizes = None, supports: Supports = None) -> np.ndarray:
        """The program's result on arrays; integers stay exact.

        >>> from einnet import generates
        >>> program = generates(["ab,bc->ac"], "ab,bc,cd->ad", "aa")
        >>> int(program.run([[2]], [[3]], [[5]])[0, 0])
        30

        `sizes` gives the sizes of axes that no operand has. A tensor of a sparse type is an array of all its index
        tuples; `supports` has for each sparse type an array of truth values that are true on its support:

        >>> program = generates([], "[ab]->[cd]", "[aa]")
        >>> program.run([[1, 2], [3, 4]], supports={"[aa]": [[True, True], [True, False]]})      # 4 does not count
        array([[6, 6],
               [6, 0]])

        Raises `ShapeError` for shapes that do not fit, `EinNetError` for a support that is missing or not symmetric.
        """
        known, masks = self._read(operands, sizes, supports)
        types, _ = self.type_set.types_of(self.term)
        values = {
            f"x{k}": _apply_mask(x, masks.get(t)) for k, (x, t) in enumerate(zip(operands, types, strict=True), 1)
        }
        result = values["x1"]
        for k, step in enumerate(self.steps, start=1):
            result = values[f"y{k}"] = self._evaluate(step.term, [values[s] for s in step.sources], known, masks)
        return result

    def reference(self, *operands: Any, sizes: Sizes = None, supports: Supports = None) -> np.ndarray:
        """The term on the same arrays, times the factor: what `run` must return."""
        known, masks = self._read(operands, sizes, supports)
        return self._evaluate(self.term, operands, known, masks) * prod(known[c] for c in self.factor)

    def _evaluate(
        self, term: Term, operands: Sequence[Any], sizes: Mapping[str, int], masks: Mapping[Symmetry, np.ndarray]
    ) -> np.ndarray:
        types, output = self.type_set.types_of(term)
        arrays = [_apply_mask(x, masks.get(t)) for x, t in zip(operands, types, strict=True)]
        index_sizes = {i: sizes[c] for i, c in self.type_set.classes_of(term).items()}
        return _apply_mask(evaluate_term(term.dense, arrays, index_sizes), masks.get(output))

    def _read(
        self, operands: Sequence[Any], sizes: Sizes, supports: Supports
    ) -> tuple[dict[str, int], dict[Symmetry, np.ndarray]]:
        """The sizes of the axes and the supports of the sparse types, checked."""
        masks, known = _as_masks(supports), self.sizes(operands, sizes, supports)
        for t in (t for t in self.type_set.types if t.is_sparse):
            if t not in masks:
                raise EinNetError(f"the sparse type '{t}' needs a support: pass supports={{{str(t)!r}: ...}}")
            orders = self.type_set.support_with(t, range(len(t.axes)))
            if any((masks[t] != masks[t].transpose(order)).any() for order in orders):
                problem = f"the support of '{t}' is not symmetric"
                raise EinNetError(f"{problem}: add the missing tuples, or derive with directed=True")
        return known, masks

    def sizes(self, operands: Sequence[Any], sizes: Sizes = None, supports: Supports = None) -> dict[str, int]:
        """The size of each axis, from the shapes of the operands and the supports, and from `sizes`."""
        masks = _as_masks(supports)
        types, output = self.type_set.types_of(self.term)
        used = sorted({c for s in self.steps for c in self.type_set.classes_of(s.term).values()})
        unused = set(self.type_set.classes) - {c for t in (*types, output) for c in t.axes} - set(used)
        if isinstance(sizes, Mapping):
            sizes = {c: n for c, n in sizes.items() if c not in unused}
        names = [*(f"x{k + 1}" for k in range(len(types))), *(f"the support of '{t}'" for t in masks)]
        shapes, dense = list(map(np.shape, [*operands, *masks.values()])), [t.dense for t in (*types, *masks)]
        return Signature.of(dense, output.dense).bind(shapes, sizes, names=names, required=used, has_batch=False)


@dataclass(frozen=True)
class Leaf:
    """An operand of the term: its number and its indices."""

    number: int
    output: Tuple
    is_sparse: bool


@dataclass(frozen=True)
class Node:
    """An operation on the values of its children."""

    term: Term
    operands: tuple[Tuple, ...]
    output: Tuple
    children: "tuple[Tree, ...]"

    @property
    def is_sparse(self) -> bool:
        return self.term.brackets[-1]

    def count_conversions(self, output: Tuple | None) -> tuple[int, int]:
        """The number of order-1 operations that its operands need, and its result if it must have this output.

        Then the number of its indices that no operand has: each is a factor, or is summed for nothing.
        """
        direct = list(map(_is_operand, self.children, self.operands, self.term.brackets))
        extra = {i for t in self.operands for i in t} - {i for child in self.children for i in child.output}
        return direct.count(False) + (output is not None and self.output != output), len(extra)


Tree = Leaf | Node


def _as_masks(supports: Supports) -> dict[Symmetry, np.ndarray]:
    return {as_symmetry(t).bare: np.asarray(x, bool) for t, x in (supports or {}).items()}


def _apply_mask(x: Any, mask: np.ndarray | None) -> np.ndarray:
    """The array, zero outside the mask."""
    return np.asarray(x) if mask is None else np.where(mask, x, 0)


def _is_operand(value: Tree, indices: Tuple, is_sparse: bool) -> bool:
    """Whether the value is this operand without conversion; a repeated index needs the diagonal only."""
    return value.output == indices and value.is_sparse == is_sparse and len(set(indices)) == len(indices)


def to_derivation(term: Term, tuples: list[Tuple], tree: Tree, type_set: TypeSet) -> Derivation:
    """The program of a composition for the output and operands of a term; order-1 operations where indices differ."""
    steps: list[DerivationStep] = []
    own = {i for t in tuples for i in t}
    factor: dict[str, str] = {}

    def as_operand(child: Tree, indices: Tuple, is_sparse: bool) -> str:
        source = f"x{child.number + 1}" if isinstance(child, Leaf) else run(child)
        if _is_operand(child, indices, is_sparse):
            return source
        brackets = child.is_sparse, is_sparse
        return add(with_letters([child.output], indices, type_set.has_several_types, brackets), [source])

    def run(node: Node) -> str:
        factor.update({i: i[0] for t in (*node.operands, node.output) for i in t if i not in own})
        return add(node.term, list(map(as_operand, node.children, node.operands, node.term.brackets)))

    def add(operation: Term, sources: list[str]) -> str:
        steps.append(DerivationStep(operation, tuple(sources)))
        return f"y{len(steps)}"

    as_operand(tree, tuples[0], term.brackets[-1])
    return Derivation(term, tuple(steps), tuple(factor.values()), type_set)
