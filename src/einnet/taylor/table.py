"""Series as text: tables, numbers, permutations."""

from collections.abc import Iterable, Sequence
from decimal import Decimal

from einnet.taylor.orbits import list_cycles

__all__ = ["format_cycles", "format_number", "format_table", "list_first"]

WIDTH = 78  # characters of a listing before it is cut


def format_table(rows: Sequence[Sequence[object]]) -> str:
    """Columns side by side, the last one ragged.

    >>> print(format_table([("order", "free", "of"), (0, 1, "a"), (1, 12, "b")]))
    order  free  of
    0      1     a
    1      12    b
    """
    lines = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(f"{c:<{w}}" for c, w in zip(line, widths, strict=True)).rstrip() for line in lines)


def format_number(n: int) -> str:
    """A number with separators; a long one in powers of ten.

    >>> format_number(4140), format_number(2**100)
    ('4,140', '1.27e+30')
    """
    return f"{n:,}" if n < 10**15 else f"{Decimal(n):.2e}"


def list_first(items: Iterable[object], number: int) -> str:
    """The first of `number` items, as many as fit on a line; no more are made.

    >>> list_first(["i->i", "j->i"], 2), list_first(iter(range(1000)), 1000)[-12:]
    ('i->i  j->i', '... 978 more')
    """
    line: list[str] = []
    for item in map(str, items):
        if line and sum(map(len, line)) + 2 * len(line) + len(item) > WIDTH:
            break
        line.append(item)
    left = number - len(line)
    return "  ".join([*line, f"... {left:,} more"] if left else line)


def format_cycles(permutation: Sequence[int]) -> str:
    """A permutation in cycle notation.

    >>> format_cycles([1, 2, 0, 3]), format_cycles([0, 1])
    ('(0 1 2)', '()')
    """
    cycles = [f"({' '.join(map(str, c))})" for c in list_cycles(permutation) if len(c) > 1]
    text = "".join(cycles) or "()"
    return text if len(text) <= WIDTH else text[: WIDTH - 3] + "..."
