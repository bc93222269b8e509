"""Every operation of the catalogue, and inputs for it."""

import torch

from einnet import EinPool, Symmetry
from einnet.operations.catalogue import ORDERS, read_operations
from einnet.terms import TypeSet
from strategies import with_h

__all__ = ["CATALOGUE", "TYPES", "axes_of", "ids", "inputs_of", "kind_of_plan", "pool_of"]

TYPES = list(ORDERS)
MANY = 100  # operations of an order, which are left out: their steps are those of lower orders
CATALOGUE = [
    (t, str(term))
    for t in TYPES
    for terms in read_operations(TypeSet.of(t)).values()
    for term in terms
    if len(terms) < MANY
]
UNEQUAL = (2, 3)  # the sizes of a type's classes, in turn; a single class has size 3


def ids(cases: list[tuple[str, str]]) -> list[str]:
    return [f"{text or 'scalar'} {term}" for text, term in cases]


def kind_of_plan(text: str, term: str) -> tuple[object, ...]:
    """What a plan of the term has to do: its type and number of operands; repeated, summed and broadcast indices."""
    operands, output = term.split("->")
    tuples = operands.split(",")
    read, written = set("".join(tuples)), set(output)
    repeats = any(len(set(t)) < len(t) for t in tuples), len(written) < len(output)
    return text, len(tuples), *repeats, read <= written, written <= read


def pool_of(text: str, term: str, normalize: str | None = "size") -> EinPool:
    return EinPool([term], with_h(text), normalize=normalize)


def axes_of(text: str, **sizes: int) -> list[int]:
    """The sizes of a type's axes: those of neighbouring classes differ, where `sizes` does not give them."""
    symmetry = Symmetry(text)
    classes = symmetry.classes
    default = {c: UNEQUAL[k % 2] if len(classes) > 1 else 3 for k, c in enumerate(classes)}
    return [(default | sizes)[c] for c in symmetry.axes]


def inputs_of(pool: EinPool, *batch: int, dtype: torch.dtype = torch.float64, **sizes: int) -> torch.Tensor:
    """Normal entries for a pool of one type, one feature for each operand; gradients are asked for."""
    axes = axes_of(str(pool.symmetry), **sizes)
    return torch.randn(*batch, *axes, pool.fan_in, dtype=dtype, requires_grad=True)
