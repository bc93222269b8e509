"""The command line: `einnet train | eval | predict TASK`, `einnet explain | series TYPE`, `einnet laurent`.

Nothing here imports torch until a command runs.
"""

import sys
from json import dumps
from pathlib import Path
from typing import Annotated

from cyclopts import App, CycloptsError, Parameter

from einnet import Series, Signature, __version__
from einnet.errors import EinNetError
from einnet.tasks.kg import commands as kg

__all__ = ["app", "main"]

Repeated = Annotated[list[str] | None, Parameter(negative="")]
Flag = Annotated[bool, Parameter(negative="")]

app = App(name="einnet", help="Networks for data whose axes can be permuted.", version=__version__)
train = App(name="train", help="Train a network on a task; the run is saved in runs/TASK/TIME/.")
evaluate = App(name="eval", help="Measure a trained network.")
predict = App(name="predict", help="Ask a trained network.")
for verb in (train, evaluate, predict):
    app.command(verb)
train.command(kg.train, name="kg")
evaluate.command(kg.evaluate, name="kg")
predict.command(kg.predict, name="kg")


@app.command
def explain(
    signature: str,
    *,
    heads: int = 16,
    hidden: int = 64,
    depth: int = 4,
    order: int | None = None,
    plot: Path | None = None,
) -> int:
    """Show what follows from a symmetry type: its group, linear maps, pooling operations, plan and cost.

    Parameters
    ----------
    signature
        A type such as 'aaH', or a signature such as 'aH, aaH -> H' or 'abcH -> aH; a->b'.
    heads
        Features given to each operand of each pooling operation.
    hidden
        Features of the state.
    depth
        Layers.
    order
        The largest number of operands of a pooling operation.
    plot
        Also draw the pooling operations to this file (.svg, .png or .pdf).
    """
    from einnet.explain import explanation

    print(explanation(signature, heads=heads, hidden=hidden, depth=depth, order=order))
    if plot is not None:
        from einnet.plots import pooling_picture

        pooling_picture(Signature(signature).inputs[0], plot, order)
        print(f"drawn to {plot}")
    return 0


@app.command
def series(
    signature: str | None = None,
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

    Parameters
    ----------
    signature
        Types such as 'ab ->', 'aa -> a' or 'abc -> a; a->b'.
    order
        The largest number of factors x in a term.
    size
        The size of a class, such as a=3, given once for each class; H=4 for the features. Without
        sizes: the patterns that exist at all large ones.
    commutative
        C(x, y) = C(y, x), as for derivatives.
    generator
        Instead of a signature: a permutation of the variables, "1 2 3 0" takes 0 to 1, 1 to 2, ...
        Several generate the group.
    out_generator
        What each generator does to the outputs. Without them the function is invariant.
    plot
        Draw which coefficients are shared to this file (.svg, .png or .pdf); sizes default to 3.
    json
        Print the counts and contractions as JSON.
    """
    from einnet.taylor import series as type_series
    from einnet.taylor import series_of

    if (signature is None) == (not generator):
        raise EinNetError("give a signature such as 'ab ->', or --generator for each generator of a group")
    if signature is not None:
        if out_generator:
            raise EinNetError("--out-generator belongs to --generator: a signature has its output after the arrow")
        found = type_series(signature, order, dict(map(_size, size or [])), commutative)
    else:
        if size:
            raise EinNetError("--size belongs to a signature: the number of variables follows from --generator")
        outputs = [_permutation(g) for g in out_generator] if out_generator else None
        found = series_of([_permutation(g) for g in generator or []], order, outputs, commutative)
    print(_as_json(found) if json else found)
    if plot is not None:
        from einnet.plots import sharing_picture

        if signature is not None and not size:
            found = type_series(signature, order, dict.fromkeys(Signature(signature).classes, 3), commutative)
        sharing_picture(found, plot)
        print(f"drawn to {plot}", file=sys.stderr)
    return 0


@app.command
def laurent(variables: int, *, powers: str = "-2:2", generator: Repeated = None) -> int:
    """Show the scale-invariant Laurent monomials: how many, and with which exponents.

    einnet laurent 3 --powers=-2:2 --generator "1 2 0"

    Parameters
    ----------
    variables
        The number of variables.
    powers
        The lowest and the highest exponent of a variable.
    generator
        A permutation of the variables that leaves the function alone; several generate a group.
    """
    from einnet.taylor import laurent as laurent_series

    low, _, high = powers.partition(":")
    try:
        allowed = range(int(low), int(high) + 1)
    except ValueError:
        raise EinNetError(f"--powers is written LOWEST:HIGHEST, such as --powers=-2:2, got {powers!r}") from None
    print(laurent_series(variables, allowed, [_permutation(g) for g in generator or []]))
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


def _as_json(found: Series) -> str:
    from einnet.taylor import TypeSeries

    result: dict[str, object] = {"dof": found.dof, "total": found.total, "commutative": found.commutative}
    if isinstance(found, TypeSeries):
        result["signature"] = str(found.signature)
        result["sizes"] = found.sizes
        result["contractions"] = [[str(t) for t in found.contractions(k)] for k in range(found.order + 1)]
    return dumps(result, indent=2)


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line; returns the exit code: 0, 2 for wrong input, 130 for Ctrl-C."""
    try:
        return app(arguments, exit_on_error=False, print_error=True, result_action="return_value") or 0
    except CycloptsError:
        return 2
    except (EinNetError, OSError, MemoryError) as error:
        print(f"einnet: {error or type(error).__name__}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        print(f"einnet: {error}: install what it belongs to with pip install 'einnet[train,viz,kg]'", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("einnet: interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
