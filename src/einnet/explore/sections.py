"""The sections of the explorer's page, each a function from a question to blocks, and the page as one file."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise, product

from rich.console import Console
from rich.progress import track

from einnet.errors import EinNetError
from einnet.explain import SPARSE_COSTS, describe_group
from einnet.explore.program import write_program
from einnet.explore.question import Question
from einnet.operations import generates, pooling
from einnet.operations.words import describe_term
from einnet.pages import Block, Section, Table, Text, draw_picture, render_page
from einnet.plan import Plan
from einnet.plan.path import cost_exponent
from einnet.plots.figures import draw_sharing
from einnet.plots.operations import draw_operations
from einnet.signature import describe_dense_form
from einnet.taylor import TypeSeries, series
from einnet.taylor.coefficient import Coefficient
from einnet.taylor.table import format_number, list_first
from einnet.terms import Term, linear_terms

__all__ = ["LEAD", "SECTIONS", "list_sections", "make_section", "render_report"]

LEAD = "What follows from the symmetry of the data: shared coefficients, pooling operations, their cost, a network."

DRAWINGS, RECIPE_DRAWINGS = 12, 4  # of the operations of each order
MAX_COLOURS, MAX_ENTRIES = 60, 10_000  # free parameters of an order, and entries, in a picture of the coefficients
MAX_LENGTH, MAX_COUNTS = 50, 20_000  # lengths n that a formula depends on, and counts that it is made from
SIZE = 32  # at which costs are given


def show_symmetry(question: Question) -> list[Block]:
    signature = question.signature
    rows = [
        ("signature", str(signature)),
        ("group", " × ".join(line.strip() for line in describe_group(signature))),
        ("hidden type: of the tensors inside a network", ", ".join(map(str, question.hidden_types))),
    ]
    for source in signature.inputs:
        maps = linear_terms(source, signature.output)
        name = f"linear maps {source.bare} -> {signature.output.bare}".strip()
        rows.append((name, f"{format_number(len(maps))}: {list_first(maps, len(maps))}"))
    return [Table(("", ""), rows), *[Text(describe_dense_form(signature))] * signature.is_sparse]


def show_sharing(question: Question) -> list[Block]:
    """The picture of order 0, 1 and 2, or of fewer if there are too many colours."""
    if (drawable := _find_drawable(question)) is None:
        return [Text("There are too many coefficients for a picture.")]
    formula = "The function is written as y = a + B x + C(x, x) + ..."
    text = Text(f"{formula} Coefficients that a permutation moves onto each other are equal.")
    caption = f"{drawable.heading}: entries of one colour are one free parameter"
    return [text, draw_picture(lambda path: draw_sharing(drawable, path), caption)]


def _find_drawable(question: Question) -> TypeSeries | None:
    """The series of the highest order, then of the largest size, that a picture can show."""
    for order, size in product(range(min(question.order, 2), -1, -1), (3, 2)):
        sizes = dict.fromkeys(question.signature.classes, size)
        candidate = series(question.signature, order, sizes)
        entries = max(c.entries(sizes) for k in range(order + 1) for c in candidate.coefficients(k))
        if max(candidate.dof) <= MAX_COLOURS and entries <= MAX_ENTRIES:
            return candidate
    return None


def show_counts(question: Question) -> list[Block]:
    expansion = series(question.signature, question.order)
    counts = [(format_number(free), expansion.coefficients(k)) for k, free in enumerate(expansion.dof)]
    rows = [(k, free, _format_formula(question, c), _format_entries(c)) for k, (free, c) in enumerate(counts)]
    bracket = "[n ≥ 2] is 1 if n is 2 or more, else 0: fewer elements than indices cannot all be different."
    return [
        Text(f"All axes have the length n, features count as one. {bracket}"),
        Table(("order", "free parameters, n large", "at any n", "entries, without sharing"), rows),
    ]


def _format_formula(question: Question, coefficients: Sequence[Coefficient]) -> str:
    """The number of free parameters of an order for axes of length n: the sum of what each length adds.

    It ends at the length at which the index positions of one axis can all be different.
    """
    classes = question.signature.classes
    if not classes:
        return ""
    order = len(coefficients[0].types)
    positions = [Counter(x for t in (c.output, *c.types) for x in t.axes) for c in coefficients]
    longest = max([1, *(number for counted in positions for number in counted.values())])
    if longest > MAX_LENGTH or longest * len(coefficients) > MAX_COUNTS:
        return "too long to write out"
    sizes = [dict.fromkeys(classes, n) for n in range(1, longest + 1)]
    counts = [0, *(series(question.signature, order, s).dof[order] for s in sizes)]
    parts = []
    for n, (before, now) in enumerate(pairwise(counts), start=1):
        if now > before:
            times = "" if now - before == 1 and n > 1 else format_number(now - before)
            parts.append(times + (f"[n ≥ {n}]" if n > 1 else ""))
    return " + ".join(parts) or "0"


def _format_entries(coefficients: Sequence[Coefficient]) -> str:
    powers = Counter(sum(len(t.axes) for t in (c.output, *c.types)) for c in coefficients)
    parts = []
    for power, times in sorted(powers.items(), reverse=True):
        parts.append(_format_power(power) if times == 1 else f"{times} {_format_power(power)}" if power else str(times))
    return " + ".join(parts)


def _format_power(exponent: int) -> str:
    return {0: "1", 1: "n"}.get(exponent, f"n^{exponent}")


def show_operations(question: Question) -> list[Block]:
    operations = question.operations
    rows = [(t.order, str(t), describe_term(t), _format_cost(t, question)) for t in operations]
    orders = [str(k) for k, terms in operations.by_order.items() if not terms]
    none = f" Nothing is needed at order {', '.join(orders)}." if orders else ""
    caption = "indices are nodes, operands edges, the output is red"
    if max(map(len, operations.by_order.values())) > DRAWINGS:
        caption += f"; the first {DRAWINGS} of each order: the option --draw of einnet pool draws all"
    return [
        Text(f"All einsums up to order {question.order} are compositions of these {len(operations)} operations.{none}"),
        draw_picture(lambda path: draw_operations(operations, path, DRAWINGS), caption),
        Table(("order", "operation", "in words", "time"), rows, code=frozenset({1})),
        *[Text(f"{SPARSE_COSTS}.")] * question.signature.is_sparse,
    ]


def _format_cost(term: Term, question: Question) -> str:
    """A power of n; with sparse types a polynomial in the numbers of entries and matches."""
    if question.type_set.has_sparse_types:
        return str(Plan.make([term], question.type_set).flops)
    return _format_power(cost_exponent(term))


def show_recipe(question: Question) -> list[Block]:
    operations = pooling(question.type_set, question.order, "recipe")
    steps = ("all terms", "within the dependencies", "no products", "up to swaps", "no broadcasts")
    rows = [(k, *map(format_number, operations.stages[k])) for k in operations.by_order]
    text = f"The recipe of the blog post, whose only compositions are pointwise products, keeps {len(operations):,}."
    caption = f"the first {RECIPE_DRAWINGS} operations of each order"
    return [
        Text(text),
        draw_picture(lambda path: draw_operations(operations, path, RECIPE_DRAWINGS), caption),
        Table(("order", *steps), rows),
    ]


def show_derivation(question: Question) -> list[Block]:
    derivation = generates(question.operations, question.term, question.operations.type_set)
    if derivation is None:
        return [Text(f"{question.term} is not a composition of the operations up to order {question.order}.")]
    return [Text("x1, x2, ... are the operands."), Text(str(derivation), "listing")]


def show_plan(question: Question) -> list[Block]:
    plan = Plan.make(question.operations.terms, question.type_set)
    header, *rows = plan.rows()
    if question.type_set.has_sparse_types:
        remark = f"{SPARSE_COSTS}."
    else:
        flops = format_number(plan.flops.at(dict.fromkeys(question.type_set.classes, SIZE)))
        remark = f"With axes of length {SIZE}: {flops} FLOPs."
    return [
        Text("The operations of a layer as steps of at most two operands, equal steps computed once; per feature."),
        Table(header, rows, code=frozenset({1})),
        Text(f"FLOPs {plan.flops}, largest intermediate {plan.largest}. {remark}"),
    ]


@dataclass(frozen=True)
class SectionKind:
    """A kind of section, and the function that makes its blocks."""

    title: str
    blocks: Callable[[Question], Sequence[Block]]
    narrow: bool = False
    is_on_request: bool = False  # it takes far longer than the others


SECTIONS = {
    "symmetry": SectionKind("The symmetry", show_symmetry),
    "sharing": SectionKind("Which coefficients are equal", show_sharing),
    "counts": SectionKind("Free parameters by order", show_counts),
    "minimal": SectionKind("The operations that suffice", show_operations, narrow=True),
    "recipe": SectionKind("What the recipe leaves", show_recipe, narrow=True, is_on_request=True),
    "term": SectionKind("The term, composed", show_derivation),
    "plan": SectionKind("The plan and its cost", show_plan),
    "code": SectionKind("Ten lines of PyTorch", lambda question: [Text(write_program(question), "listing")]),
}


def list_sections(question: Question) -> list[str]:
    """The names of the sections that answer a question."""
    is_there = {"term": bool(question.term), "recipe": not question.type_set.has_sparse_types}
    return [name for name in SECTIONS if is_there.get(name, True)]


def make_section(question: Question, name: str) -> Section:
    """One section; the message of the error if the question has no answer."""
    kind = SECTIONS[name]
    try:
        blocks = kind.blocks(question)
    except EinNetError as error:
        blocks = [Text(str(error), "error")]
    return Section(kind.title, blocks, kind.narrow)


def render_report(question: Question, *, recipe: bool = False) -> str:
    """All sections as one page of HTML without other files, with a progress bar on standard error.

    The section on the recipe takes longest: it is made with `recipe=True` only.

    >>> html = render_report(Question("aH", 2))
    >>> "a,a-&gt;a" in html, "http://" in html
    (True, False)
    """
    names = [name for name in list_sections(question) if recipe or not SECTIONS[name].is_on_request]
    progress = track(names, "computing", console=Console(stderr=True), transient=True)
    sections = [make_section(question, name) for name in progress]
    return render_page(f"{question.text} up to order {question.order}", sections, LEAD)
