"""Series as text: a table with a row for each order, or each choice of operands."""

from collections.abc import Iterable, Sequence
from decimal import Decimal

__all__ = ["count", "cycles", "shortened", "table"]

WIDTH = 78  # characters of a listing before it is cut


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Columns side by side, the last one ragged.

    >>> print(table(("order", "free", "of"), [(0, 1, "a"), (1, 12, "b")]))
    order  free  of
    0      1     a
    1      12    b
    """
    lines = [[str(cell) for cell in row] for row in (header, *rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(f"{c:<{w}}" for c, w in zip(line, widths, strict=True)).rstrip() for line in lines)


def count(n: int) -> str:
    """A number with separators, or in powers of ten where it is long.

    >>> count(4140), count(2**100)
    ('4,140', '1.27e+30')
    """
    return f"{n:,}" if n < 10**15 else f"{Decimal(n):.2e}"


def shortened(items: Iterable[object], number: int) -> str:
    """The first items of so many, as many as fit on a line; no others are made.

    >>> shortened(["i->i", "j->i"], 2), shortened(iter(range(1000)), 1000)[-12:]
    ('i->i  j->i', '... 978 more')
    """
    shown: list[str] = []
    for item in map(str, items):
        if shown and sum(map(len, shown)) + 2 * len(shown) + len(item) > WIDTH:
            break
        shown.append(item)
    left = number - len(shown)
    return "  ".join([*shown, f"... {left:,} more"] if left else shown)


def cycles(permutation: Sequence[int]) -> str:
    """A permutation in cycle notation.

    >>> cycles([1, 2, 0, 3]), cycles([0, 1])
    ('(0 1 2)', '()')
    """
    seen: set[int] = set()
    found = []
    for start in range(len(permutation)):
        cycle: list[int] = []
        point = start
        while point not in seen:
            seen.add(point)
            cycle.append(point)
            point = permutation[point]
        if len(cycle) > 1:
            found.append("(" + " ".join(map(str, cycle)) + ")")
    text = "".join(found) or "()"
    return text if len(text) <= WIDTH else text[: WIDTH - 3] + "..."
