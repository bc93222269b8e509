"""The kernels: `map_gated`, norm, projection and gate of `GatedLinear`; `sum_rows`, sums of products of gathered rows.

They compute in single precision. Each is a program for a tile of the result, which no other program writes: there are
no atomic additions, and the result is the same each time.
"""

# The bodies of kernels are in the language of Triton, which may not be installed.
# pyright: reportMissingImports=false, reportInvalidTypeForm=false, reportAttributeAccessIssue=false
# pyright: reportIndexIssue=false, reportCallIssue=false

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor

try:
    import triton
    import triton.language as tl
except ImportError:  # `load_kernels` does not load this file then
    from types import SimpleNamespace

    triton, tl = SimpleNamespace(jit=lambda function: function, cdiv=None), SimpleNamespace(constexpr=None)

__all__ = ["map_gated", "sum_rows"]

CELLS, FEATURES, STEP = 64, 64, 32  # a tile of the result of `map_gated`, and the input features of a step
MATCHES, COLUMNS = 16, 64  # of `sum_rows` for a step: rows that are read, and their features
SEGMENT = 1024  # matches of a program; longer segments are summed in parts
Rows = Sequence[tuple[Tensor, Tensor | None]]


@triton.jit
def _map_gated(
    x, weight, bias, gate, gate_weight, gate_bias, cells, out,
    cell_number, in_features, gate_features, out_features,
    x_batch, x_cell, x_feature, gate_batch, gate_cell, gate_feature, out_batch, out_cell, out_feature,
    weight_row, weight_column, gate_row, gate_column,
    groups: tl.constexpr, has_cells: tl.constexpr, kind: tl.constexpr, precision: tl.constexpr,
    tile_cells: tl.constexpr, tile_features: tl.constexpr, step: tl.constexpr,
):  # fmt: skip
    tiles = tl.cdiv(cell_number, tile_cells)
    batch = (tl.program_id(0) // tiles).to(tl.int64)
    rows = tl.program_id(0) % tiles * tile_cells + tl.arange(0, tile_cells)
    columns = (tl.program_id(1) * tile_features + tl.arange(0, tile_features)).to(tl.int64)
    is_row, is_column = rows < cell_number, columns < out_features
    wide_rows = rows.to(tl.int64)
    x_rows = x + batch * x_batch + wide_rows[:, None] * x_cell
    gate_rows = gate + batch * gate_batch + wide_rows[:, None] * gate_cell
    product = tl.zeros((tile_cells, tile_features), tl.float32)
    logits = tl.zeros((tile_cells, tile_features), tl.float32)
    own = in_features // groups if groups > 0 else in_features
    for group in range(groups if groups > 0 else 1):
        mean = tl.zeros((tile_cells,), tl.float32)
        scale = tl.zeros((tile_cells,), tl.float32)
        if groups > 0:
            for start in range(0, own, step):
                k = start + tl.arange(0, step)
                is_inside = is_row[:, None] & (k < own)[None, :]
                place = x_rows + (group * own + k).to(tl.int64)[None, :] * x_feature
                part = tl.load(place, mask=is_inside, other=0.0)
                mean += tl.sum(part.to(tl.float32), 1)
            mean = mean / own
            for start in range(0, own, step):
                k = start + tl.arange(0, step)
                is_inside = is_row[:, None] & (k < own)[None, :]
                place = x_rows + (group * own + k).to(tl.int64)[None, :] * x_feature
                part = tl.load(place, mask=is_inside, other=0.0)
                centred = tl.where(is_inside, part.to(tl.float32) - mean[:, None], 0.0)
                scale += tl.sum(centred * centred, 1)
            scale = tl.rsqrt(scale / own + 1e-5)
        for start in range(0, own, step):
            k = start + tl.arange(0, step)
            is_inside = is_row[:, None] & (k < own)[None, :]
            feature = (group * own + k).to(tl.int64)
            part = tl.load(x_rows + feature[None, :] * x_feature, mask=is_inside, other=0.0)
            if groups > 0:
                part = tl.where(is_inside, (part.to(tl.float32) - mean[:, None]) * scale[:, None], 0.0)
            place = weight + feature[:, None] * weight_column + columns[None, :] * weight_row
            matrix = tl.load(place, mask=(k < own)[:, None] & is_column[None, :], other=0.0)
            product = tl.dot(part.to(kind), matrix.to(kind), product, input_precision=precision)
    for start in range(0, gate_features, step):
        k = start + tl.arange(0, step)
        is_inside = is_row[:, None] & (k < gate_features)[None, :]
        part = tl.load(gate_rows + k.to(tl.int64)[None, :] * gate_feature, mask=is_inside, other=0.0)
        place = gate_weight + k[:, None] * gate_column + columns[None, :] * gate_row
        matrix = tl.load(place, mask=(k < gate_features)[:, None] & is_column[None, :], other=0.0)
        logits = tl.dot(part.to(kind), matrix.to(kind), logits, input_precision=precision)
    product += tl.load(bias + columns, mask=is_column, other=0.0).to(tl.float32)[None, :]
    logits += tl.load(gate_bias + columns, mask=is_column, other=0.0).to(tl.float32)[None, :]
    value = product * tl.sigmoid(logits)
    if has_cells:
        is_present = tl.load(cells + batch * cell_number + wide_rows, mask=is_row, other=0)
        value = tl.where(is_present[:, None] != 0, value, 0.0)
    place = out + batch * out_batch + wide_rows[:, None] * out_cell + columns[None, :] * out_feature
    tl.store(place, value.to(out.dtype.element_ty), mask=is_row[:, None] & is_column[None, :])


def map_gated(
    x: Tensor, weight: Tensor, bias: Tensor, gate_weight: Tensor, gate_bias: Tensor, gate: Tensor | None,
    cells: Tensor | None, groups: int, out: Tensor,
) -> None:  # fmt: skip
    """Writes (W norm(x) + b) sigmoid(V gate + c) to `out`; see `einnet.nn.gated`."""
    source = x if gate is None else gate
    batch, number, features = out.shape
    if not out.numel():
        return
    grid = (batch * triton.cdiv(number, CELLS), triton.cdiv(features, FEATURES))
    precision = "tf32" if torch.backends.cuda.matmul.fp32_precision == "tf32" else "ieee"
    mask = x if cells is None else cells.contiguous().view(torch.uint8)
    with _on_device_of(x):
        _map_gated[grid](
            x, weight, bias, source, gate_weight, gate_bias, mask, out,
            number, x.shape[2], source.shape[2], features,
            *x.stride(), *source.stride(), *out.stride(), *weight.stride(), *gate_weight.stride(),
            groups, cells is not None, _choose_kind(weight.dtype), precision, CELLS, FEATURES, STEP,
        )  # fmt: skip


def _on_device_of(x: Tensor) -> Any:
    """Kernels are run on the current device, which this makes that of a tensor."""
    return torch.cuda.device_of(x) if x.is_cuda else nullcontext()


def _choose_kind(dtype: torch.dtype) -> Any:
    """The type of the factors of products; Triton's interpreter multiplies the bits of bfloat16."""
    is_wide = dtype == torch.float32 or triton.knobs.runtime.interpret
    return tl.float32 if is_wide else tl.bfloat16 if dtype == torch.bfloat16 else tl.float16


@triton.jit
def _sum_rows(
    x, y, weights, x_index, y_index, starts, stops, out, features, x_row, y_row,
    has_second: tl.constexpr, has_weights: tl.constexpr, has_x_index: tl.constexpr, has_y_index: tl.constexpr,
    step: tl.constexpr, tile_features: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64)
    columns = tl.program_id(1) * tile_features + tl.arange(0, tile_features)
    start, stop = tl.load(starts + row).to(tl.int64), tl.load(stops + row).to(tl.int64)
    total = tl.zeros((tile_features,), tl.float32)
    for first in range(start, stop, step):
        match = first + tl.arange(0, step)
        is_match = match < stop
        is_inside = is_match[:, None] & (columns < features)[None, :]
        place = tl.load(x_index + match, mask=is_match, other=0).to(tl.int64) if has_x_index else match
        value = tl.load(x + place[:, None] * x_row + columns[None, :], mask=is_inside, other=0.0).to(tl.float32)
        if has_second:
            place = tl.load(y_index + match, mask=is_match, other=0).to(tl.int64) if has_y_index else match
            value *= tl.load(y + place[:, None] * y_row + columns[None, :], mask=is_inside, other=0.0).to(tl.float32)
        if has_weights:
            value *= tl.load(weights + match, mask=is_match, other=0.0).to(tl.float32)[:, None]
        total += tl.sum(value, 0)
    place = out + row * features + columns
    tl.store(place, total.to(out.dtype.element_ty), mask=columns < features)


def sum_rows(operands: Rows, weights: Tensor | None, pointers: Tensor, longest: int, dtype: torch.dtype) -> Tensor:
    """The sums of products of one or two operands' rows, (rows, features), at consecutive parts of their matches.

    An operand is a matrix with contiguous rows, and the row of each match, or None where these are 0, 1, 2, ...;
    `weights` has a number for each match; part k goes from `pointers[k]` to `pointers[k + 1]`, at most `longest` on.
    """
    starts, stops = pointers[:-1], pointers[1:]
    if longest <= SEGMENT:
        return _run_sum(operands, weights, starts, stops, dtype)
    parts = (stops - starts + SEGMENT - 1) // SEGMENT  # such as of a node with very many edges
    bounds = torch.nn.functional.pad(parts.cumsum(0), (1, 0))
    owner = torch.repeat_interleave(torch.arange(len(parts), device=parts.device), parts)
    first = starts[owner] + (torch.arange(len(owner), device=parts.device) - bounds[owner]) * SEGMENT
    sums = _run_sum(operands, weights, first, torch.minimum(first + SEGMENT, stops[owner]), torch.float32)
    return sum_rows([(sums, None)], None, bounds, -(-longest // SEGMENT), dtype)


def _run_sum(operands: Rows, weights: Tensor | None, starts: Tensor, stops: Tensor, dtype: torch.dtype) -> Tensor:
    (x, x_index), (y, y_index) = operands[0], operands[-1]
    out = x.new_empty(len(starts), x.shape[1], dtype=dtype)
    if out.numel():
        with _on_device_of(x):
            _sum_rows[len(out), triton.cdiv(out.shape[1], COLUMNS)](
                x, y, x if weights is None else weights, starts if x_index is None else x_index,
                starts if y_index is None else y_index, starts, stops, out, out.shape[1], x.stride(0), y.stride(0),
                len(operands) > 1, weights is not None, x_index is not None, y_index is not None, MATCHES, COLUMNS,
            )  # fmt: skip
    return out
