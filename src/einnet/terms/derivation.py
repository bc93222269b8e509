"""`Derivation`: a term as a short program of other terms, which can be run to check itself."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from einnet.errors import EinNetError, ShapeError
from einnet.symmetry import Symmetry
from einnet.terms.evaluate import evaluate
from einnet.terms.naming import spelled
from einnet.terms.state import State
from einnet.terms.term import Term

__all__ = ["Derivation", "DerivationStep", "Leaf", "Node", "flattened"]

Tuple = tuple[str, ...]


@dataclass(frozen=True)
class DerivationStep:
    """One operation: the values it reads are the term's operands x1, x2, ..., then the steps y1, y2, ..."""

    term: Term
    sources: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.term}  ({', '.join(self.sources)})"


@dataclass(frozen=True)
class Derivation:
    """How operations compose a term; the last step is the term times `factor`.

    `factor` has the class of each index that the program sums though no operand holds it: the
    product of their sizes is what the result is too large by.
    """

    term: Term
    steps: tuple[DerivationStep, ...]
    factor: Tuple
    state: State

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
            classes = self.state.classes_of(step.term)
            by_index = {i: known[c] for i, c in classes.items()}
            result = values[f"y{k}"] = evaluate(step.term, [values[s] for s in step.sources], by_index)
        return result

    def expected(self, *operands: Any, sizes: Mapping[str, int] | None = None) -> np.ndarray:
        """The term itself on the same arrays, times the factor: what `run` must give."""
        known = self.sizes(operands, sizes)
        by_index = {i: known[c] for i, c in self.state.classes_of(self.term).items()}
        value = evaluate(self.term, [np.asarray(x) for x in operands], by_index)
        for c in self.factor:
            value = value * known[c]
        return value

    def sizes(self, operands: Sequence[Any], given: Mapping[str, int] | None = None) -> dict[str, int]:
        """The size of each class, from the operands' shapes and from what is given."""
        types, _ = self.state.types_of(self.term)
        if len(operands) != len(types):
            raise ShapeError(f"'{self.term}' has {len(types)} operands, got {len(operands)} arrays")
        known = dict(given or {})
        for k, (x, symmetry) in enumerate(zip(operands, types, strict=True), start=1):
            shape = np.shape(x)
            if len(shape) != len(symmetry.axes):
                raise ShapeError(f"x{k} of type '{symmetry}' has {len(symmetry.axes)} axes, got shape {shape}")
            for letter, size in symmetry.sizes_of(shape, f"x{k}").items():
                if known.setdefault(letter, size) != size:
                    raise ShapeError(f"x{k} has size {size} on axis '{letter}', before it was {known[letter]}")
        if missing := sorted({c for s in self.steps for c in self.state.classes_of(s.term).values()} - set(known)):
            raise EinNetError(f"no operand has the class {', '.join(missing)}: pass sizes={{'{missing[0]}': ...}}")
        return known


@dataclass(frozen=True)
class Leaf:
    """An operand of the term: its number, its indices and its type."""

    number: int
    output: Tuple
    type: Symmetry


@dataclass(frozen=True)
class Node:
    """An operation on the values of its children; its indices are named as in the term that is derived."""

    term: Term
    operands: tuple[Tuple, ...]
    types: tuple[Symmetry, ...]
    output: Tuple
    type: Symmetry
    children: "tuple[Leaf | Node, ...]"

    def conversions(self, wanted: Tuple | None) -> int:
        """How many operations of order 1 its operands need, and its result if these indices are wanted."""
        same = [_is_whole(c, t, s) for c, t, s in zip(self.children, self.operands, self.types, strict=True)]
        return same.count(False) + (wanted is not None and self.output != wanted)


def _is_whole(value: "Leaf | Node", wanted: Tuple, symmetry: Symmetry) -> bool:
    """Whether it is an operand as it stands; where an index repeats, only the diagonal is meant."""
    return (value.output, value.type.axes) == (wanted, symmetry.axes) and len(set(wanted)) == len(wanted)


def flattened(term: Term, tree: Leaf | Node, state: State) -> Derivation:
    """The program of a composition: order-1 operations between nodes where their indices differ."""
    steps: list[DerivationStep] = []
    held = {i for t in term.operands for i in t} | set(term.output)
    summed: dict[str, str] = {}

    def as_operand(child: Leaf | Node, wanted: Tuple, symmetry: Symmetry) -> str:
        source = value_of(child)
        if _is_whole(child, wanted, symmetry):
            return source
        return add(_order_one(child, wanted, symmetry, state), [source])

    def value_of(node: Leaf | Node) -> str:
        if isinstance(node, Leaf):
            return f"x{node.number + 1}"
        for tup, symmetry in zip((*node.operands, node.output), (*node.types, node.type), strict=True):
            summed.update({i: c for i, c in zip(tup, symmetry.axes, strict=True) if i not in held})
        sources = map(as_operand, node.children, node.operands, node.types)
        return add(node.term, list(sources))

    def add(operation: Term, sources: list[str]) -> str:
        steps.append(DerivationStep(operation, tuple(sources)))
        return f"y{len(steps)}"

    as_operand(tree, term.output, state.types_of(term)[1])
    return Derivation(term, tuple(steps), tuple(summed.values()), state)


def _order_one(child: Leaf | Node, wanted: Tuple, symmetry: Symmetry, state: State) -> Term:
    """From the child's indices to the wanted ones, each index named after its class."""
    classes = dict(zip((*child.output, *wanted), (*child.type.axes, *symmetry.axes), strict=True))
    named = {i: f"{c} {i}" for i, c in classes.items()}
    return spelled([[named[i] for i in child.output]], [named[i] for i in wanted], state.several)
