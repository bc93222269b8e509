"""The sections of the explorer's page: each a function from a question to blocks."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from einnet.errors import EinNetError
from einnet.explain import describe_group, describe_term
from einnet.explore.code import ten_lines
from einnet.explore.question import Question
from einnet.operations import generates, pooling
from einnet.pages import Block, Listing, Section, Table, Text, Wrong, drawn
from einnet.plan import Plan
from einnet.plan.path import cost_exponent
from einnet.plots.figures import draw_sharing
from einnet.plots.operations import draw_operations
from einnet.taylor import TypeSeries, series
from einnet.taylor.coefficient import Coefficient
from einnet.taylor.table import format_number, list_first
from einnet.terms import linear_terms

__all__ = ["LEAD", "SECTIONS", "answered", "asked_for"]

LEAD = "What follows from the symmetry of the data: shared coefficients, pooling operations, their cost, a network."

SHOWN = 4  # of the recipe's operations, drawings for each order
COLOURS, CELLS = 60, 10_000  # free parameters of an order, and entries, in the picture of shared coefficients
LONGEST, MOST_COUNTS = 50, 20_000  # lengths n that a formula depends on, and counts that it is made from
EXAMPLE = 32  # size at which costs are stated


def symmetry(asked: Question) -> list[Block]:
    signature, state = asked.signature, asked.state
    rows: list[tuple[str, str]] = [
        ("signature", f"{signature}"),
        ("group", " × ".join(line.strip() for line in describe_group(signature))),
        ("state: the type of the tensors inside a network", f"{state}"),
    ]
    for source in signature.inputs:
        maps = linear_terms(source, signature.output)
        name = f"linear maps {source.bare} -> {signature.output.bare}".strip()
        rows.append((name, f"{format_number(len(maps))}: {list_first(maps, len(maps))}"))
    return [Table(("", ""), rows)]


def sharing(asked: Question) -> list[Block]:
    """The picture of order 0, 1 and 2, as far as colours can be told apart."""
    shown = next((s for s in _small_series(asked) if _can_be_drawn(s)), None)
    if shown is None:
        return [Text("There are too many coefficients to look at.")]
    text = (
        "The function is written as y = a + B x + C(x, x) + ... Coefficients that a permutation moves onto each other "
        "are equal."
    )
    caption = f"{shown.heading}: entries of one colour are one free parameter"
    return [Text(text), drawn(lambda path: draw_sharing(shown, path), caption)]


def _small_series(asked: Question) -> Iterator[TypeSeries]:
    """Series of low order at small sizes, the largest first."""
    for order in range(min(asked.order, 2), -1, -1):
        for size in (3, 2):
            yield series(asked.signature, order, dict.fromkeys(asked.signature.classes, size))


def _can_be_drawn(found: TypeSeries) -> bool:
    sizes = found.sizes or {}
    entries = max(c.entries(sizes) for k in range(found.order + 1) for c in found.coefficients(k))
    return max(found.dof) <= COLOURS and entries <= CELLS


def counts(asked: Question) -> list[Block]:
    found = series(asked.signature, asked.order)
    output = len(asked.signature.output.axes)
    rows = []
    for k, free in enumerate(found.dof):
        rows.append((k, format_number(free), _formula(asked, found.coefficients(k)), _entries(found, k, output)))
    return [
        Text(
            "All axes have the length n, features count as one. [n ≥ 2] is 1 where n is 2 or more, else 0: with few "
            "things not all of them can be different."
        ),
        Table(("order", "free parameters, n large", "at any n", "entries, if nothing were shared"), rows),
    ]


def _formula(asked: Question, coefficients: Sequence[Coefficient]) -> str:
    """How many free parameters an order has for axes of length n: how many each n adds, up to where it ends.

    That is where the index positions of one class can all be different.
    """
    classes = asked.signature.classes
    if not classes:
        return ""
    order = len(coefficients[0].types)
    positions = [Counter(x for t in (c.output, *c.types) for x in t.axes) for c in coefficients]
    longest = max([1, *(number for counted in positions for number in counted.values())])
    if longest > LONGEST or longest * len(coefficients) > MOST_COUNTS:
        return "too long to write out"
    counted = [0, *(_at(asked, order, dict.fromkeys(classes, n)) for n in range(1, longest + 1))]
    parts = []
    for n, (before, now) in enumerate(pairwise(counted), start=1):
        if now > before:
            times = "" if now - before == 1 and n > 1 else format_number(now - before)
            parts.append(times + (f"[n ≥ {n}]" if n > 1 else ""))
    return " + ".join(parts) or "0"


def _at(asked: Question, k: int, sizes: dict[str, int]) -> int:
    return series(asked.signature, k, sizes).dof[k]


def _entries(found: TypeSeries, k: int, output: int) -> str:
    powers = sorted((sum(len(t.axes) for t in c.types) + output for c in found.coefficients(k)), reverse=True)
    parts = []
    for power in dict.fromkeys(powers):
        times = powers.count(power)
        parts.append(_power(power) if times == 1 else f"{times} {_power(power)}" if power else str(times))
    return " + ".join(parts)


def _power(exponent: int) -> str:
    return {0: "1", 1: "n"}.get(exponent, f"n^{exponent}")


def minimal(asked: Question) -> list[Block]:
    found = asked.operations
    rows = [(t.order, str(t), describe_term(t), _power(cost_exponent(t))) for t in found]
    orders = [str(k) for k, terms in found.by_order.items() if not terms]
    none = f" Nothing is needed at order {', '.join(orders)}." if orders else ""
    return [
        Text(f"Compositions of these {len(found)} operations are all einsums up to order {asked.order}.{none}"),
        drawn(lambda path: draw_operations(found, path), "indices are nodes, operands edges, the output is red"),
        Table(("order", "operation", "in words", "time"), rows, code=frozenset({1})),
    ]


def recipe(asked: Question) -> list[Block]:
    found = pooling(asked.state, asked.order, "recipe")
    steps = ("all terms", "that fit the dependencies", "but products", "up to swaps", "but broadcasts")
    rows = [(k, *map(format_number, found.stages[k])) for k in found.by_order]
    return [
        Text(f"An earlier recipe, which knows of compositions only pointwise products, keeps {len(found):,}."),
        drawn(lambda path: draw_operations(found, path, SHOWN), f"the first {SHOWN} operations of each order"),
        Table(("order", *steps), rows),
    ]


def term(asked: Question) -> list[Block]:
    found = asked.operations
    program = generates(found, asked.term, found.type_set)
    if program is None:
        return [Text(f"{asked.term} is not composed of the operations up to order {asked.order}.")]
    return [Text("x1, x2, ... are the operands."), Listing(str(program))]


def plan(asked: Question) -> list[Block]:
    found = Plan.make(asked.operations.terms, asked.state)
    header, *rows = found.rows()
    sizes = dict.fromkeys(asked.state.classes, EXAMPLE)
    return [
        Text("The operations of a layer as steps of two operands at most, equal ones done once; per feature."),
        Table(header, rows, code=frozenset({1})),
        Text(
            f"FLOPs {found.flops}, largest intermediate {found.largest}. With axes of length {EXAMPLE}: "
            f"{format_number(found.flops.at(sizes))} FLOPs."
        ),
    ]


def code(asked: Question) -> list[Block]:
    return [Listing(ten_lines(asked))]


@dataclass(frozen=True)
class Kind:
    """A kind of section, and how it is made."""

    title: str
    blocks: Callable[[Question], Sequence[Block]]
    narrow: bool = False


SECTIONS = {
    "symmetry": Kind("The symmetry", symmetry),
    "sharing": Kind("Which coefficients are equal", sharing),
    "counts": Kind("Free parameters by order", counts),
    "minimal": Kind("The operations that suffice", minimal, narrow=True),
    "recipe": Kind("What the recipe leaves", recipe, narrow=True),
    "term": Kind("The term, composed", term),
    "plan": Kind("The plan and its cost", plan),
    "code": Kind("Ten lines of PyTorch", code),
}


def asked_for(asked: Question) -> list[str]:
    """The names of the sections that answer a question."""
    return [name for name in SECTIONS if name != "term" or asked.term]


def answered(asked: Question, name: str) -> Section:
    """One section; where the question has no answer, the message that says why."""
    kind = SECTIONS[name]
    try:
        blocks = list(kind.blocks(asked))
    except EinNetError as error:
        blocks = [Wrong(str(error))]
    return Section(kind.title, blocks, kind.narrow)
