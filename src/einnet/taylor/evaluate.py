"""Evaluating a coefficient on tensors: by contractions, or by the coefficient written out."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import opt_einsum

from einnet.taylor._arrays import LETTERS, constant

__all__ = ["Operand", "contract_patterns", "contract_written_out"]

BATCH = "Z"  # the index of all batch axes together


@dataclass(frozen=True)
class Operand:
    """An input that stands in a contraction: (batch, axes..., features), the first and last optional."""

    number: int  # which input
    value: Any
    batch: bool
    features: bool
    rank: int


def contract_written_out(coefficient: Any, operands: Sequence[Operand], out_rank: int) -> Any:
    """The coefficient, axes of the output first, contracted with every operand."""
    letters = iter(LETTERS)
    output = "".join(next(letters) for _ in range(out_rank))
    tuples = ["".join(next(letters) for _ in range(x.rank + x.features)) for x in operands]
    parts = [(x.value, BATCH * x.batch + t) for x, t in zip(operands, tuples, strict=True)]
    return _contract([(coefficient, output + "".join(tuples)), *parts], operands, output)


def contract_patterns(
    slots_out: int,
    patterns: np.ndarray,
    weights: Any,
    operands: Sequence[Operand],
    sizes: Sequence[int],
    out_features: bool,
) -> Any:
    """The sum over patterns of weight times einsum.

    `weights` has a row for each pattern; with features, an axis for the output's and for each
    operand's. `sizes` are those of the output's axes. What is summed within one operand is summed
    first and shared by all patterns; results that sit alike in the output are added up before they
    are broadcast or put on a diagonal.
    """
    reduced: dict[tuple, Any] = {}
    cores: dict[tuple[tuple[int, ...], tuple[int, ...]], Any] = {}
    widths = [x.features for x in operands]
    spare = LETTERS[::-1]
    weight_letters = "".join(letter for letter, wide in zip(spare, [out_features, *widths], strict=False) if wide)
    for number, pattern in enumerate(patterns.tolist()):
        output, at = pattern[:slots_out], slots_out
        tuples = []
        for x in operands:
            tuples.append(pattern[at : at + x.rank])
            at += x.rank
        held = tuple(dict.fromkeys(i for i in output if any(i in t for t in tuples)))
        parts = []
        for k, (x, tup) in enumerate(zip(operands, tuples, strict=True)):
            others = {*output, *(i for j, t in enumerate(tuples) if j != k for i in t)}
            kept = tuple(dict.fromkeys(i for i in tup if i in others))
            value = _reduced(x, tuple(tup), kept, reduced)
            feature = spare[k + 1] if x.features else ""
            parts.append((value, BATCH * x.batch + "".join(LETTERS[i] for i in kept) + feature))
        target = "".join(LETTERS[i] for i in held) + spare[0] * out_features
        weight = weights[number]
        if weight_letters:
            core = _contract([*parts, (weight, weight_letters)], operands, target)
        else:
            core = _contract(parts, operands, target) * weight if parts else weight
        frame = (tuple(output), held)
        cores[frame] = cores[frame] + core if frame in cores else core
    expanded = [_expanded(core, output, held, operands, sizes, out_features) for (output, held), core in cores.items()]
    return sum(expanded[1:], expanded[0])


def _reduced(x: Operand, tup: tuple[int, ...], kept: tuple[int, ...], cache: dict[tuple, Any]) -> Any:
    """The operand's diagonal along `tup`, with the indices that are not kept summed out."""
    names = list(dict.fromkeys(tup))
    key = (x.number, tuple(names.index(i) for i in tup), tuple(names.index(i) for i in kept))
    if key not in cache:
        source, target = "".join(LETTERS[i] for i in key[1]), "".join(LETTERS[i] for i in key[2])
        if source == target:
            cache[key] = x.value
        else:
            first, last = BATCH * x.batch, LETTERS[-1] * x.features
            cache[key] = opt_einsum.contract(f"{first}{source}{last}->{first}{target}{last}", x.value)
    return cache[key]


def _contract(parts: Sequence[tuple[Any, str]], operands: Sequence[Operand], output: str) -> Any:
    target = BATCH * any(x.batch for x in operands) + output
    if all(letters == target for _, letters in parts):
        return prod((value for value, _ in parts[1:]), start=parts[0][0])
    return opt_einsum.contract(",".join(letters for _, letters in parts) + "->" + target, *(v for v, _ in parts))


def _expanded(
    core: Any,
    output: tuple[int, ...],
    held: tuple[int, ...],
    operands: Sequence[Operand],
    sizes: Sequence[int],
    out_features: bool,
) -> Any:
    """A core with axes `held`, broadcast along the output's other indices and put on its diagonals."""
    batch = BATCH * any(x.batch for x in operands)
    last = LETTERS[-1] * out_features
    if output == held:
        return core
    parts = [(core, batch + "".join(LETTERS[i] for i in held) + last)]
    target, seen = "", set()
    for place, (index, size) in enumerate(zip(output, sizes, strict=True)):
        letter = LETTERS[index] if index not in seen else LETTERS[len(output) + place]
        if index in seen:
            parts.append((constant(np.eye(size, dtype=int), core), LETTERS[index] + letter))
        elif index not in held:
            parts.append((constant(np.ones(size, dtype=int), core), letter))
        seen.add(index)
        target += letter
    return opt_einsum.contract(",".join(t for _, t in parts) + f"->{batch}{target}{last}", *(v for v, _ in parts))
