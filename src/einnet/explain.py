"""The text of `einnet explain`: the group of a signature, its linear maps, pooling operations, plan and cost."""

import re
from typing import TYPE_CHECKING, Any

from einnet.checks import check_count
from einnet.errors import EinNetError
from einnet.operations import pooling_terms
from einnet.operations.words import describe_term
from einnet.plan.path import cost_exponent, split_by_cost
from einnet.signature import Signature, describe_dense_form, hidden_types
from einnet.symmetry import Symmetry
from einnet.terms import Term, TypeSet, linear_terms

if TYPE_CHECKING:
    from einnet.nn.marks import Marks

__all__ = ["SPARSE_COSTS", "describe_group", "explain_signature", "parse_marks", "split_operations"]

SPARSE_COSTS = (
    "|[ab]| is the number of entries, |[ab][ac][bc]| of matches: choices of the indices with an entry at each tuple"
)
WIDEST = 10**8  # heads, or features of the state, with which torch can count the weights


def explain_signature(
    signature: str,
    *,
    heads: int,
    hidden: int,
    depth: int,
    order: int | None = None,
    max_exponent: int | None = None,
    marks: Any = None,
) -> str:
    """The text of `einnet explain`."""
    import torch

    from einnet.nn import EinLayer, EinNet

    parsed = Signature(signature)
    heads, hidden = check_count(heads, "heads", maximum=WIDEST), check_count(hidden, "hidden", maximum=WIDEST)
    depth = check_count(depth, "depth")
    terms, costly = split_operations(parsed, order, max_exponent)
    with torch.device("meta"):  # the weights are counted, not allocated
        sizes = heads, hidden, min(depth, 1)
        net = EinNet(parsed, [1] * len(parsed.inputs), 1, *sizes, terms=[str(t) for t in terms], marks=marks)
    layer = next(m for m in net.modules() if isinstance(m, EinLayer))
    parts = [f"signature  {net.signature}", f"state      {TypeSet(net.hidden_types)}", "", "group"]
    parts += [*describe_group(net.signature), ""]
    for source in net.signature.inputs:
        parts += [*_linear(source, net.signature.output), ""]
    parts += [describe_dense_form(parsed), ""] * parsed.is_sparse
    parts += ["pooling operations of a layer", *_table([(str(t), describe_term(t)) for t in layer.pool.plan.terms]), ""]
    if left_out := [(str(t), f"{describe_term(t)}: costs n^{cost_exponent(t)}") for t in costly]:
        parts += [f"left out, as they cost more than n^{max_exponent}", *_table(left_out), ""]
    if net.marks.axes:
        parts += [*_describe_marks(net.marks, net.hidden_types, layer.pool.plan.terms), ""]
    per_layer = sum(p.numel() for p in layer.parameters())
    total = sum(p.numel() for p in net.parameters()) + (depth - 1) * per_layer
    network = f"network with heads={heads}, hidden={hidden}, depth={depth}, one feature in and out"
    parts += [str(layer.pool.plan), *[SPARSE_COSTS] * parsed.is_sparse, ""]
    parts += [f"{network}: {total:,} parameters, {per_layer:,} a layer"]
    return "\n".join(parts)


def split_operations(
    signature: Signature, order: int | None = None, max_exponent: int | None = None
) -> tuple[tuple[Term, ...], tuple[Term, ...]]:
    """The pooling operations of a network, and those left out as they cost more than n^max_exponent."""
    return split_by_cost(pooling_terms(hidden_types(signature), order), max_exponent)


def parse_marks(texts: list[str]) -> Any:
    """The argument `marks` of a network from texts: 1, read, a=1, a=read."""
    marks: dict[str, Any] = {}
    for text in texts:
        letter, _, value = text.rpartition("=")
        if value != "read" and not value.isdecimal():
            raise EinNetError(f"--marks is written NUMBER, AXIS=NUMBER, read or AXIS=read, got {text!r}")
        marks[letter.strip()] = value if value == "read" else int(value)
    if "" in marks and len(marks) > 1:
        raise EinNetError(f"--marks names no axis in {' '.join(texts)!r}: write AXIS=NUMBER for each")
    return marks.get("", marks) if marks else None


def _describe_marks(marks: "Marks", types: tuple[Symmetry, ...], terms: tuple[Term, ...]) -> list[str]:
    """The number of copies, the type of the states of all copies, and its operations."""
    sizes = [f"n_{c}" for m in marks.axes for _ in range(m.number) for c in m.symmetry.axes]
    copies = " ".join(f"{s}^{sizes.count(s)}" if sizes.count(s) > 1 else s for s in dict.fromkeys(sizes))
    lines = ["marks"]
    for m in marks.axes:
        how = "read at the marked element" if m.is_read else "pooled"
        lines.append(f"  {m.number} of axis {m.axis}, {how}: one more feature for each, of type {m.symmetry}")
    lines.append(
        f"  copies of the state: {copies}; time is that of the plan for each, memory that of mark_chunk copies"
    )
    if len(types) == 1 and not (types[0].is_sparse or types[0].dependencies) and len(sizes) == 1:
        letter = marks.axes[0].axis
        larger = Symmetry.of((letter, *types[0].axes), types[0].dependencies)
        free = next(c for c in "xyzuvw" if all(c not in str(t) for t in terms))
        names = [re.sub(r"(?<![a-z])(?=[a-z])", free, str(t)) for t in terms]
        lines.append(f"  together they are a state of type {larger}, with those operations that keep its first index:")
        lines.append(f"  {'  '.join(names)}")
    return lines


def describe_group(signature: Signature) -> list[str]:
    """A line for each factor of the group."""
    axes = Symmetry.of(signature.classes, signature.dependencies)
    above = {c: " and ".join(axes.ancestors(c)) for c in axes.classes}
    lines = [f"  S(n_{c})" + f", one permutation for each {names}" * bool(names) for c, names in above.items()]
    return lines or ["  trivial: no permuted axis"]


def _linear(source: Symmetry, target: Symmetry) -> list[str]:
    terms = linear_terms(source, target)
    names = f"{source.bare} -> {target.bare}".replace("  ", " ")
    values = " that depend on the values alone" * (source.is_sparse or target.is_sparse)
    head = f"linear equivariant maps {names}: {len(terms)}, a basis of all{values}"
    more = [f"  ... and {len(terms) - 20} more"] * (len(terms) > 20)
    return [head, *_table([(str(t), describe_term(t)) for t in terms[:20]]), *more]


def _table(rows: list[tuple[str, str]]) -> list[str]:
    width = max((len(a) for a, _ in rows), default=0)
    return [f"  {a:<{width}}  {b}" for a, b in rows]
