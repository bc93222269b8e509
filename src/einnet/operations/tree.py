"""Compositions as trees of operations, and the programs that compute them."""

from dataclasses import dataclass

from einnet.operations.derivation import Derivation, DerivationStep
from einnet.symmetry import Symmetry
from einnet.terms.naming import with_letters
from einnet.terms.term import Term
from einnet.terms.type_set import TypeSet

__all__ = ["Leaf", "Node", "to_derivation"]

Tuple = tuple[str, ...]


@dataclass(frozen=True)
class Leaf:
    """An operand of the term: its number, its indices and its type."""

    number: int
    output: Tuple
    type: Symmetry


@dataclass(frozen=True)
class Node:
    """An operation on the values of its children, its indices named as in the derived term."""

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
    own = {i for t in term.operands for i in t} | set(term.output)
    factor: dict[str, str] = {}

    def as_operand(child: Leaf | Node, indices: Tuple, symmetry: Symmetry) -> str:
        source = value_of(child)
        if _is_operand(child, indices, symmetry):
            return source
        return add(_convert(child, indices, symmetry, type_set), [source])

    def value_of(node: Leaf | Node) -> str:
        if isinstance(node, Leaf):
            return f"x{node.number + 1}"
        for tup, symmetry in zip((*node.operands, node.output), (*node.types, node.type), strict=True):
            factor.update({i: c for i, c in zip(tup, symmetry.axes, strict=True) if i not in own})
        sources = map(as_operand, node.children, node.operands, node.types)
        return add(node.term, list(sources))

    def add(operation: Term, sources: list[str]) -> str:
        steps.append(DerivationStep(operation, tuple(sources)))
        return f"y{len(steps)}"

    as_operand(tree, term.output, type_set.types_of(term)[1])
    return Derivation(term, tuple(steps), tuple(factor.values()), type_set)


def _convert(child: Leaf | Node, indices: Tuple, symmetry: Symmetry, type_set: TypeSet) -> Term:
    """The order-1 term from the child's output to these indices."""
    classes = dict(zip((*child.output, *indices), (*child.type.axes, *symmetry.axes), strict=True))
    named = {i: f"{c} {i}" for i, c in classes.items()}
    return with_letters([[named[i] for i in child.output]], [named[i] for i in indices], type_set.has_several_types)
