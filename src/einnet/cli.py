"""The command line: `einnet train | eval | predict | bench TASK`, `explain | series | pool | explore TYPE`, `laurent`.

Nothing here imports torch until a command runs.
"""

from contextlib import suppress
from json import dumps
from pathlib import Path
from typing import Annotated

from cyclopts import App, Group, Parameter

from einnet import Series, Signature, __version__, operations, taylor
from einnet.errors import EinNetError, to_printable
from einnet.explain import explain_signature, parse_marks, split_operations
from einnet.files import check_writable
from einnet.pages import write_page
from einnet.plots.figures import check_picture, draw_pooling, draw_sharing, pyplot
from einnet.plots.operations import draw_operations
from einnet.signature import describe_dense_form, hidden_type, hidden_types
from einnet.tasks.arc import commands as arc
from einnet.tasks.console import Flag, log, make_console, run_cli
from einnet.tasks.graphs import commands as graphs
from einnet.tasks.kg.app import KgApp
from einnet.tasks.pinv.app import PinvApp
from einnet.tasks.poker.app import PokerApp
from einnet.tasks.ratings.app import RatingsApp
from einnet.tasks.sudoku.app import SudokuApp
from einnet.terms import TypeSet

__all__ = ["app", "main"]

Repeated = Annotated[list[str] | None, Parameter(negative="")]
THEORY = Group("Theory: what follows from a symmetry type", sort_key=0)
TASKS = Group("Tasks: networks that learn", sort_key=1)

app = App(name="einnet", help="Networks for data whose axes can be permuted.", version=__version__)
train = App(group=TASKS, name="train", help="Train a network on a task; the run is saved in runs/TASK/TIME/.")
evaluate = App(group=TASKS, name="eval", help="Measure a trained network.")
predict = App(group=TASKS, name="predict", help="Ask a trained network.")
bench = App(group=TASKS, name="bench", help="Attempt all tasks of a benchmark.")
for verb in (train, evaluate, predict, bench):
    app.command(verb)
for task in (KgApp(), PinvApp(), SudokuApp(), PokerApp(), RatingsApp()):
    for name, command in task.commands().items():
        app[name].command(command, name=task.name)
train.command(arc.train, name="arc")
bench.command(arc.bench, name="arc")
bench.command(graphs.bench, name="brec")


@app.command(group=THEORY)
def explain(
    signature: str,
    /,
    *,
    heads: int = 16,
    hidden: int = 64,
    depth: int = 4,
    order: int | None = None,
    max_exponent: int | None = None,
    marks: Repeated = None,
    plot: Path | None = None,
) -> int:
    """Show what follows from a symmetry type: its group, linear maps, pooling operations, plan and cost.

    Args:
        signature: A type such as 'aaH', or a signature such as 'aH, aaH -> H', 'aH, [aa]H -> H', 'abcH -> aH; a->b'.
        heads: Features given to each operand of each pooling operation.
        hidden: Features of the state.
        depth: Layers.
        order: The largest number of operands of a pooling operation.
        max_exponent: Leave out, and name, the pooling operations that cost more than n^e.
        marks: Marked elements of the type's one axis, such as 1, or a=1 for each axis; read: results are read there.
        plot: Also draw the pooling operations to this file (.svg, .png or .pdf).
    """
    check_picture(plot)
    options = {"order": order, "max_exponent": max_exponent, "marks": parse_marks(marks or [])}
    text = explain_signature(signature, heads=heads, hidden=hidden, depth=depth, **options)
    if plot is not None:
        parsed = Signature(signature)
        if parsed.is_sparse:
            types = TypeSet.of(hidden_types(parsed))
            raise EinNetError(
                f'--plot shows dense types; einnet pool "{types}" --draw draws operations of sparse types'
            )
        draw_pooling(hidden_type(parsed), plot, split_operations(parsed, order, max_exponent)[0])
        text += f"\ndrawn to {to_printable(str(plot))}"
    print(text)
    return 0


@app.command(group=THEORY)
def series(
    signature: str | None = None,
    /,
    *,
    order: int = 2,
    size: Repeated = None,
    commutative: Flag = False,
    generator: Repeated = None,
    out_generator: Repeated = None,
    plot: Path | None = None,
    json: Flag = False,
) -> int:
    """Show the Taylor series of all functions with a symmetry: how many free parameters, which are shared.

    einnet series "ab ->" --size a=2 --size b=2 --plot sharing.svg

    einnet series "aa -> aa" --order 1

    einnet series --generator "1 2 3 0"

    Args:
        signature: Types such as 'ab ->', 'aa -> a' or 'abc -> a; a->b'.
        order: The largest number of factors x in a term.
        size: The size of a class, such as a=3, given once for each class; H=4 for the features. Without sizes: the
            patterns that exist at all large ones.
        commutative: C(x, y) = C(y, x), as for derivatives.
        generator: Instead of a signature: where a permutation takes each variable, "1 2 3 0" takes 0 to 1, 1 to 2, ...
            Several generate the group.
        out_generator: What each generator does to the outputs. Without them the function is invariant.
        plot: Draw which coefficients up to order 2 are shared to this file (.svg, .png or .pdf); sizes default to 3.
        json: Print the counts and contractions as JSON; null where they are too many to list.
    """
    if (signature is None) == (not generator):
        raise EinNetError("give a signature such as 'ab ->', or --generator for each generator of a group")
    check_picture(plot)
    if signature is not None:
        if out_generator:
            raise EinNetError("--out-generator belongs to --generator: a signature has its output after the arrow")
        expansion = _type_series(signature, order, size or [], commutative)
    elif size:
        raise EinNetError("--size belongs to a signature: the number of variables follows from --generator")
    else:
        outputs = [_permutation(g) for g in out_generator] if out_generator else None
        expansion = taylor.series_of([_permutation(g) for g in generator or []], order, outputs, commutative)
    print(_as_json(expansion) if json else expansion)
    if plot is not None:
        _plot_sharing(expansion, plot)
    return 0


def _type_series(signature: str, order: int, size: list[str], commutative: bool) -> Series:
    sizes = dict(map(_size, size))
    if len(sizes) < len(size):
        raise EinNetError(f"--size is given twice for one class: {' '.join(size)}")
    expansion = taylor.series(signature, order, sizes, commutative)
    if "H" in sizes and not any(t.features for t in (*expansion.signature.inputs, expansion.signature.output)):
        raise EinNetError(f"--size gives H, but no type of '{signature}' has features: write H in the type")
    return expansion


def _plot_sharing(expansion: Series, plot: Path) -> None:
    if isinstance(expansion, taylor.TypeSeries) and expansion.sizes is None:
        sizes = dict.fromkeys(expansion.signature.classes, 3)
        if expansion.features > 1:
            sizes["H"] = expansion.features
        expansion = taylor.series(expansion.signature, expansion.order, sizes, expansion.commutative)
    draw_sharing(expansion, plot)
    orders = "orders 0 to 2" if expansion.order > 2 else "all orders"
    log(f"{expansion.heading}: {orders} drawn to {plot}")


@app.command(group=THEORY)
def pool(
    types: str,
    /,
    *,
    order: int = 5,
    method: str = "minimal",
    targets: str | None = None,
    max_exponent: int | None = None,
    derive: str | None = None,
    directed: Flag = False,
    draw: Path | None = None,
) -> int:
    """Show the smallest set of pooling operations that generates every einsum of a type up to an order.

    einnet pool aaH --order 5 --draw ops.svg

    einnet pool ab --order 3 --derive "ab,cb,cd,ed,ef->af"

    einnet pool "ab, aa, bb" --order 6 --targets ab

    einnet pool "a, [aa]" --order 4

    Args:
        types: A type such as 'aaH', 'ab', '[aa]' or 'abc; a->b'; or several over the same classes, 'a, aa'.
        order: The largest number of operands.
        method: minimal, or recipe: the steps of the blog post with the number of terms after each.
        targets: With several types: those of the einsums that are wanted.
        max_exponent: Leave out, and name, the operations that cost more than n^e for axes of size n.
        derive: Instead of the set, show how it composes this einsum, or that it does not.
        directed: For supports of '[aa]' that may have (i, j) without (j, i): an operation then has directions.
        draw: Draw the operations as graphs to this file (.svg, .png or .pdf): indices as nodes, operands as edges, the
            indices of the output ringed.
    """
    check_picture(draw)
    with make_console(stderr=True).status("looking for the operations"):
        pooling_set = operations.pooling(
            types, order, method, targets=targets, max_exponent=max_exponent, directed=directed
        )
        text = str(pooling_set)
        if derive is not None:
            derivation = operations.generates(pooling_set, derive, pooling_set.type_set)
            text = str(derivation or f"{derive}: not composed of these operations\n{text}")
    print(text)
    if draw is not None:
        draw_operations(pooling_set, draw)
        log(f"drawn to {draw}")
    return 0


@app.command(group=THEORY)
def explore(
    signature: str = "aaH",
    /,
    *,
    order: int = 5,
    term: str = "",
    html: Path | None = None,
    recipe: Flag = False,
    port: int = 8321,
    browser: bool = True,
) -> int:
    """Open a page that shows all that follows from a symmetry type: type another one, and look.

    einnet explore aaH --html report.html

    Args:
        signature: A type such as 'aaH', or a signature such as 'aH, [aa]H -> H' or 'abcH -> aH; a->b', to begin with.
        order: The largest number of operands, and the degree of the series.
        term: An einsum whose composition is shown too.
        html: Write the page to this file instead, whole in itself.
        recipe: With --html, compare with the recipe of the blog post too, which takes longest.
        port: Where the page is served, on this machine only; 0 for any free port.
        browser: Open the page in the browser.
    """
    from einnet.explore import Question, format_address, render_report, serve  # a server: not for other commands

    question = Question(signature, order, term)
    pyplot()  # what is missing is said before there is a page
    if html is not None:
        if html.suffix not in (".html", ".htm"):
            raise EinNetError(f"a page is saved as .html, got the file name '{html}'")
        check_writable(html)
        write_page(html, render_report(question, recipe=recipe))
        log(f"written to {html}")
        return 0
    with serve(port) as server, suppress(KeyboardInterrupt):
        print(f"The explorer is at {format_address(server, question)}\nCtrl-C ends it.", flush=True)
        if browser:
            import webbrowser

            webbrowser.open(format_address(server, question))
        server.serve_forever()
    return 0


@app.command(group=THEORY)
def laurent(variables: int, /, *, powers: str = "-2:2", generator: Repeated = None) -> int:
    """Show the scale-invariant Laurent monomials: how many, and with which exponents.

    einnet laurent 3 --powers=-2:2 --generator "1 2 0"

    Args:
        variables: The number of variables.
        powers: The lowest and the highest exponent of a variable.
        generator: A permutation of the variables that leaves the function alone; several generate a group.
    """
    low, _, high = powers.partition(":")
    try:
        allowed = range(int(low), int(high) + 1)
        if not allowed:
            raise ValueError
    except ValueError:
        raise EinNetError(f"--powers is written LOWEST:HIGHEST, such as --powers=-2:2, got {powers!r}") from None
    print(taylor.laurent(variables, allowed, [_permutation(g) for g in generator or []]))
    return 0


def _size(text: str) -> tuple[str, int]:
    letter, _, number = text.partition("=")
    try:
        return letter.strip(), int(number)
    except ValueError:
        raise EinNetError(f"--size is written CLASS=NUMBER, such as --size a=3, got {text!r}") from None


def _permutation(text: str) -> list[int]:
    try:
        return [int(point) for point in text.replace(",", " ").split()]
    except ValueError:
        raise EinNetError(f"a generator lists where each point goes, such as '1 2 3 0', got {text!r}") from None


def _as_json(expansion: Series) -> str:
    result: dict[str, object] = {"dof": expansion.dof, "total": expansion.total, "commutative": expansion.commutative}
    if isinstance(expansion, taylor.GroupSeries):
        result |= {"generators": expansion.generators, "out_generators": expansion.out_generators}
    if isinstance(expansion, taylor.TypeSeries):
        result |= {"signature": str(expansion.signature), "sizes": expansion.sizes, "features": expansion.features}
        if note := describe_dense_form(expansion.signature):
            result["note"] = note
        result["coefficients"] = [
            {
                "operands": [str(t.bare).partition(";")[0] for t in c.types],
                "free": c.dof,
                "contractions": [str(t) for t in c.contractions] if c.is_listable else None,
            }
            for k in range(expansion.order + 1)
            for c in expansion.coefficients(k)
        ]
    return dumps(result, indent=2)


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line; returns the exit code: 0, 2 for wrong input, 130 for Ctrl-C (0 for `explore`)."""
    return run_cli(app, arguments)
