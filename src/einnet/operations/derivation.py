"""`Derivation`: a term as a short program of other terms, which can be run to check itself."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from einnet.plan.execute import evaluate_term
from einnet.signature import Signature
from einnet.terms.term import Term
from einnet.terms.type_set import TypeSet

__all__ = ["Derivation", "DerivationStep"]

Tuple = tuple[str, ...]


@dataclass(frozen=True)
class DerivationStep:
    """One operation: the values it reads are the term's operands x1, x2, ..., then the steps y1, y2, ..."""

    term: Term
    sources: tuple[str, ...]


@dataclass(frozen=True)
class Derivation:
    """How operations compose a term: a program whose last step is the term times a factor.

    >>> from einnet import generates
    >>> program = generates(["a0b0,a0b0->a0b0"], "a0,a0->a0", ("a", "ab"))    # vectors by way of matrices
    >>> print(program)
    a0,a0->a0
      y1 = a0->a0b0         (x1)
      y2 = a0->a0b0         (x2)
      y3 = a0b0,a0b0->a0b0  (y1, y2)
      y4 = a0b0->a0         (y3)
      y4 is the term times n_b
    >>> program.factor, program.steps[2].sources
    (('b',), ('y1', 'y2'))

    `steps` are the operations in order, what they read named as it is printed. The program may sum
    an index that no operand holds; `factor` names the class of each such index, and the result is
    too large by the product of their sizes. Made by `generates`.
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

    def __repr__(self) -> str:
        return str(self)

    def run(self, *operands: Any, sizes: Mapping[str, int] | None = None) -> np.ndarray:
        """The program's result on arrays; whole numbers stay exact.

        >>> from einnet import generates
        >>> program = generates(["ab,bc->ac"], "ab,bc,cd->ad", "aa")
        >>> int(program.run([[2]], [[3]], [[5]])[0, 0])
        30

        `sizes` gives the classes that no operand has. Raises `ShapeError` where shapes do not fit.
        """
        known = self.sizes(operands, sizes)
        values: dict[str, np.ndarray] = {f"x{k}": np.asarray(x) for k, x in enumerate(operands, start=1)}
        result = values["x1"]
        for k, step in enumerate(self.steps, start=1):
            classes = self.type_set.classes_of(step.term)
            by_index = {i: known[c] for i, c in classes.items()}
            result = values[f"y{k}"] = evaluate_term(step.term, [values[s] for s in step.sources], by_index)
        return result

    def expected(self, *operands: Any, sizes: Mapping[str, int] | None = None) -> np.ndarray:
        """The term itself on the same arrays, times the factor: what `run` must give."""
        known = self.sizes(operands, sizes)
        by_index = {i: known[c] for i, c in self.type_set.classes_of(self.term).items()}
        value = evaluate_term(self.term, [np.asarray(x) for x in operands], by_index)
        for c in self.factor:
            value = value * known[c]
        return value

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
