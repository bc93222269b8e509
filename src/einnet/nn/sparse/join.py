"""`join`: an einsum of dense values and values on supports, over its matches.

Each value becomes rows: the cells of a dense one, the entries of a sparse one, with all batch axes and features. An
index that only dense values have, such as `a` in `ac,[cd]->ad`, is free: its axis is treated as features are, and
the batch axes and features are taken a few at a time, as values without that index are repeated along it.
"""

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor

from einnet.nn.backend import align
from einnet.nn.semiring import Algebra
from einnet.nn.sparse.contract import contract
from einnet.nn.sparse.in_semiring import add_matches, sum_columns
from einnet.nn.sparse.matches import Matches, find_matches
from einnet.nn.sparse.support import Support, guard

__all__ = ["join", "match"]

EXPANDED = 2**18  # numbers of a value that is repeated along free axes
Tuple = tuple[str, ...]
Supports = Sequence[Support | None]


def join(
    tuples: Sequence[Tuple],
    output: Tuple,
    supports: Supports,
    operands: Sequence[Tensor],
    matches: Matches | None = None,
    algebra: Algebra | None = None,
) -> Tensor:
    """The sum over the matches of the products of the operands' values, in the semiring of an algebra if there is one.

    `supports` has that of each tuple and of the output, None for a dense one. Dense operands and results are
    (batch..., features, axes...), sparse ones (batch..., entries, features); each index of a dense tuple occurs once.
    """
    if matches is None:
        matches, inner, sizes = _prepare(tuples, output, supports)
    else:
        inner, sizes = _restrict(tuples, output, supports), _bind(tuples, output, supports)
    free = tuple(dict.fromkeys(i for t in (*tuples, output) for i in t if i not in sizes))
    if free:
        sizes = _bind(tuples, output, supports, operands)
    rows = [_to_rows(*x, free) for x in zip(operands, tuples, inner, supports, strict=False)]
    y = _contract(matches, rows, [sizes[i] for i in free]) if algebra is None else add_matches(matches, rows, algebra)
    if summed := tuple(k - len(free) for k, i in enumerate(free) if i not in output):
        y = y.sum(summed) if algebra is None else sum_columns(y, summed, algebra)
    return _to_layout(y, inner[-1], output, supports[-1], sizes)


def match(tuples: Sequence[Tuple], output: Tuple, supports: Supports) -> Matches:
    """The matches of the sparse tuples, and of the indices of dense ones that are on these."""
    *inner, last = _restrict(tuples, output, supports)
    return find_matches(inner, supports, _bind(tuples, output, supports), last)


def _prepare(tuples: Sequence[Tuple], output: Tuple, supports: Supports) -> tuple[Matches, list[Tuple], dict[str, int]]:
    """The matches, the tuples without the indices of dense ones alone, and the sizes of the other indices."""
    sparse = [s for s in supports if s is not None]
    key = ("join", *tuples, output, *map(id, supports))

    def make() -> tuple:
        matches, inner = match(tuples, output, supports), _restrict(tuples, output, supports)
        return matches, inner, _bind(tuples, output, supports), guard(key, sparse)

    return sparse[0].cache(key, make)[:3]


def _restrict(tuples: Sequence[Tuple], output: Tuple, supports: Supports) -> list[Tuple]:
    """The tuples without the indices of dense ones alone."""
    joined = {i for t, s in zip((*tuples, output), supports, strict=True) if s is not None for i in t}
    return [tuple(i for i in t if i in joined) for t in (*tuples, output)]


def _bind(
    tuples: Sequence[Tuple], output: Tuple, supports: Supports, operands: Sequence[Tensor] = ()
) -> dict[str, int]:
    """The size of each index; without operands, of each index that a support has."""
    sizes: dict[str, int] = {}
    for t, s in zip((*tuples, output), supports, strict=True):
        sizes |= zip(t, s.sizes, strict=True) if s is not None else ()
    for x, t, s in zip(operands, tuples, supports, strict=False):
        sizes |= zip(t, x.shape[x.dim() - len(t) :], strict=True) if s is None else ()
    return sizes


def _to_rows(x: Tensor, tup: Tuple, inner: Tuple, support: Support | None, free: Tuple) -> Tensor:
    """(rows, batch..., features, free axes or 1...)."""
    if x.dim() == 2 and not free and (support is not None or len(tup) == 1):  # without batch axes
        return x if support is not None else x.T
    if support is not None:
        return x.movedim(-2, 0)[(..., *[None] * len(free))]
    x = align(x, tup, (*inner, *free))
    last = -1 - len(free)  # of the inner axes
    x = x.flatten(last + 1 - len(inner), last) if inner else x.unsqueeze(last)
    return x.movedim(last, 0)


def _to_layout(y: Tensor, inner: Tuple, output: Tuple, support: Support | None, sizes: dict[str, int]) -> Tensor:
    """(batch..., entries, features), or for a dense output (batch..., features, axes...)."""
    if y.dim() == 2 and (support is not None or (inner == output and len(output) == 1)):
        return y if support is not None else y.T
    if support is not None:
        return y.movedim(0, -2)
    free = tuple(i for i in sizes if i in output and i not in inner)
    last = -1 - len(free)
    y = y.movedim(0, last)
    y = y.unflatten(last, [sizes[i] for i in inner]) if inner else y.squeeze(last)
    return align(y, (*inner, *free), output)


def _contract(matches: Matches, rows: Sequence[Tensor], free: Sequence[int]) -> Tensor:
    """(rows of the output, batch..., features, free axes...)."""
    if not free and all(x.dim() == 2 for x in rows):
        return contract(matches, rows)
    leads = {x.shape[1 : x.dim() - len(free)] for x in rows}
    lead = leads.pop() if len(leads) == 1 else torch.broadcast_shapes(*leads)  # which is slow
    if not free:
        return contract(matches, [_flatten(x, lead) for x in rows]).view(matches.rows[-1], *lead)
    number, last = prod(lead), [-1] * len(free)
    at_once = max(1, min(number, EXPANDED // max(1, max(map(len, rows)) * prod(free))))
    columns = [x if _is_thin(x) else x.expand(-1, *lead, *last).flatten(1, len(lead)) for x in rows]
    parts = []
    for start in range(0, number, at_once):
        shape = min(at_once, number - start), *free
        some = [x if _is_thin(x) else x[:, start : start + at_once] for x in columns]
        parts.append(contract(matches, [_flatten(x, shape) for x in some]))
    shape = matches.rows[-1], *lead, *free
    return torch.cat(parts, 1).view(shape) if parts else rows[0].new_zeros(shape)


def _is_thin(x: Tensor) -> bool:
    """Whether it has one number for each row."""
    return prod(x.shape[1:]) == 1


def _flatten(x: Tensor, shape: Sequence[int]) -> Tensor:
    """The axes but the first made one, of size one or of the product of `shape`."""
    if _is_thin(x):
        return x.flatten(1)
    missing = [1] * (len(shape) + 1 - x.dim())  # batch axes that other operands have
    return x.view(len(x), *missing, *x.shape[1:]).expand(-1, *shape).reshape(len(x), prod(shape))
