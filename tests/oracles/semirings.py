"""Terms in other semirings with one tensor for all index tuples, differentiable: the oracle of `EinPool(reduction=...)`."""

from collections.abc import Sequence

import torch
from torch import Tensor

from einnet import Term

REDUCTIONS = ("max", "min", "minmax", "logsumexp", "attention")


def spread(x: Tensor, tup: Sequence[str], indices: Sequence[str]) -> Tensor:
    """(axes of the tuple..., features) to (an axis for each index..., features), of size 1 where the tuple lacks it."""
    for place in range(len(tup) - 1, -1, -1):
        first = tup.index(tup[place])
        if first < place:  # a repeated index: the diagonal
            x = x.diagonal(0, first, place).movedim(-1, first)
            tup = [*tup[:place], *tup[place + 1 :]]
    order = [tup.index(i) for i in indices if i in tup]
    x = x.permute(*order, x.dim() - 1)
    for k, i in enumerate(indices):
        x = x if i in tup else x.unsqueeze(k)
    return x


def naive_semiring(
    term: Term,
    operands: Sequence[Tensor],
    reduction: str,
    cells: Sequence[Tensor],
    values: Sequence[Tensor] = (),
    temperature: float = 1.0,
) -> Tensor:
    """The term on tensors (axes..., features); `cells` has where each operand, and the output last, has values."""
    indices = list(dict.fromkeys(i for t in (*term.operands, term.output) for i in t))
    sizes = dict(zip(term.output, cells[-1].shape, strict=True))
    for t, x in zip(term.operands, operands, strict=True):
        sizes |= dict(zip(t, x.shape, strict=False))
    shape = [sizes[i] for i in indices]
    features = operands[0].shape[-1]
    present = torch.ones(*shape, 1, dtype=torch.bool)
    total = torch.full((*shape, features), -torch.inf if reduction == "minmax" else 0.0, dtype=operands[0].dtype)
    for t, x, c in zip(term.operands, operands, cells, strict=False):
        present = present & spread(c.unsqueeze(-1), t, indices)
        x = spread(x, t, indices)
        total = torch.maximum(total, x) if reduction == "minmax" else total + x
    axes = [k for k, i in enumerate(indices) if i not in term.output]
    names = [i for i in indices if i in term.output]
    y = reduce(
        total,
        present,
        axes,
        reduction,
        [spread(v, t, indices) for t, v in zip(term.operands, values, strict=False)],
        temperature,
    )
    return to_output(y, names, term.output, cells[-1])


def reduce(total, present, axes, reduction, values, temperature) -> Tensor:
    if not axes:
        total, present, axes = total.unsqueeze(0), present.unsqueeze(0), [0]
        values = [v.unsqueeze(0) for v in values]
    has_any = present.any(axes)
    if reduction in ("logsumexp", "attention"):
        logits = (total / temperature).masked_fill(~present, -1e9)
        if reduction == "logsumexp":
            y = temperature * logits.logsumexp(axes)
        else:
            weights = torch.exp(logits - logits.logsumexp(axes, keepdim=True))
            product = weights
            for v in values:
                product = product * v
            y = product.masked_fill(~present, 0).sum(axes)
    elif reduction == "max":
        y = total.masked_fill(~present, -1e9).amax(axes)
    else:
        y = total.masked_fill(~present, 1e9).amin(axes)
    return y.masked_fill(~has_any, 0)


def to_output(y: Tensor, names: Sequence[str], output: Sequence[str], cells: Tensor) -> Tensor:
    """Diagonals and masks of the output."""
    result = y.new_zeros(*cells.shape, y.shape[-1])
    grids = torch.meshgrid(*(torch.arange(n) for n in y.shape[:-1]), indexing="ij") if names else ()
    place = tuple(grids[names.index(i)] for i in output)
    result = result.index_put(place, y) if output else y
    return result.masked_fill(~cells.unsqueeze(-1), 0)
