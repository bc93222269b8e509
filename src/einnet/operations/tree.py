"""Compositions as trees of operations, and the programs that they are when written down."""

from dataclasses import dataclass

from einnet.operations.derivation import Derivation, DerivationStep
from einnet.symmetry import Symmetry
from einnet.terms.naming import with_letters
from einnet.terms.term import Term
from einnet.terms.type_set import TypeSet

__all__ = ["Leaf", "Node", "flattened"]

Tuple = tuple[str, ...]


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

    def conversions(self, wanted: Tuple | None) -> tuple[int, int]:
        """How many operations of order 1 its operands need, and its result if these indices are wanted.

        Then how many indices it has that no operand holds: each is a factor, or is summed for nothing.
        """
        whole = [_is_whole(c, t, s) for c, t, s in zip(self.children, self.operands, self.types, strict=True)]
        given = {i for child in self.children for i in child.output}
        held = {i for tup in self.operands for i in tup} - given
        return whole.count(False) + (wanted is not None and self.output != wanted), len(held)


def _is_whole(value: "Leaf | Node", wanted: Tuple, symmetry: Symmetry) -> bool:
    """Whether it is an operand as it stands; where an index repeats, only the diagonal is meant."""
    return (value.output, value.type.axes) == (wanted, symmetry.axes) and len(set(wanted)) == len(wanted)


def flattened(term: Term, tree: Leaf | Node, type_set: TypeSet) -> Derivation:
    """The program of a composition: order-1 operations between nodes where their indices differ."""
    steps: list[DerivationStep] = []
    held = {i for t in term.operands for i in t} | set(term.output)
    summed: dict[str, str] = {}

    def as_operand(child: Leaf | Node, wanted: Tuple, symmetry: Symmetry) -> str:
        source = value_of(child)
        if _is_whole(child, wanted, symmetry):
            return source
        return add(_order_one(child, wanted, symmetry, type_set), [source])

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

    as_operand(tree, term.output, type_set.types_of(term)[1])
    return Derivation(term, tuple(steps), tuple(summed.values()), type_set)


def _order_one(child: Leaf | Node, wanted: Tuple, symmetry: Symmetry, type_set: TypeSet) -> Term:
    """From the child's indices to the wanted ones, each index named after its class."""
    classes = dict(zip((*child.output, *wanted), (*child.type.axes, *symmetry.axes), strict=True))
    named = {i: f"{c} {i}" for i, c in classes.items()}
    return with_letters([[named[i] for i in child.output]], [named[i] for i in wanted], type_set.has_several_types)
