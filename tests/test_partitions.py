"""`Slots`: partitions are counted, listed and found at each entry as by comparing indices one by one."""

from collections import Counter
from itertools import permutations, product
from math import factorial, prod

import numpy as np
import pytest
from hypothesis import given
from sympy.functions.combinatorial.numbers import bell, stirling

from annotations import assert_annotated
from docstrings import assert_examples_hold
from einnet import Signature, Symmetry
from einnet.partitions import Slots, count_fixed, cycle_types, first_occurrence, row_numbers
from oracles.series import is_coarser, pattern_at, types_of
from strategies import series_cases

FORESTS = ["aa", "aab", "ab; a->b", "abb; a->b", "abc; a->b, b->c", "bac; a->b, a->c", "cba; a->b, b->c", ""]


def slots_of(signature: Signature, order: int) -> Slots:
    return Slots.of(types_of(signature, [0] * order))


# --- counts --------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", range(11))
def test_slots_of_one_class_have_bell_many_partitions_and_stirling_many_at_a_size(number):
    slots = Slots.of([Symmetry("a")] * number)
    assert slots.count() == bell(number)
    for n in range(1, number + 2):
        assert slots.count({"a": n}) == sum(stirling(number, blocks) for blocks in range(n + 1))


def test_five_slots_over_four_things_have_51_partitions():
    slots = Slots.of([Symmetry("aaaaa")])
    assert (slots.count(), slots.count({"a": 4}), slots.count({"a": 5})) == (52, 51, 52)
    assert [len(slots.partitions({"a": n})) for n in (4, 5)] == [51, 52]


def test_many_slots_are_counted_exactly():
    assert Slots.of([Symmetry("aa")] * 50).count() == bell(100)
    assert Slots.of([Symmetry("ab")] * 40).count({"a": 2, "b": 10**9}) == 2**39 * bell(40)


@given(series_cases(features=False))
def test_the_count_is_the_number_of_partitions(case):
    text, order, sizes, _ = case
    slots = slots_of(Signature(text), order)
    assert slots.count(sizes) == len(slots.partitions(sizes))
    if slots.count() < 10_000:
        assert slots.count() == len(slots.partitions())


@pytest.mark.parametrize("k", [1, 2, 3])
@pytest.mark.parametrize("sizes", [None, {"a": 1, "b": 1, "c": 1}, {"a": 2, "b": 2, "c": 1}, {"a": 3, "b": 1, "c": 2}])
@pytest.mark.parametrize("text", FORESTS)
def test_partitions_that_a_reordering_keeps_are_counted(text, sizes, k):
    """Against all partitions, permuted; the type also occurs once more, before the reordered ones."""
    t = Symmetry(text)
    width = len(t.axes)
    partitions = Slots.of([t] * (k + 1)).partitions(sizes)
    for order in permutations(range(k)):
        columns = [*range(width), *((1 + i) * width + j for i in order for j in range(width))]
        fixed = int((first_occurrence(partitions[:, columns]) == partitions).all(1).sum())
        cycles = cycle_lengths(order)
        lengths = [1] * width + [length for length in cycles for _ in range(width)]
        assert Slots.of([t] * (1 + len(cycles))).count(sizes, lengths) == fixed


def cycle_lengths(order) -> list[int]:
    lengths, seen = [], set()
    for i in range(len(order)):
        length = 0
        while i not in seen:
            seen.add(i)
            i, length = order[i], length + 1
        lengths += [length] * bool(length)
    return lengths


@pytest.mark.parametrize("k", range(7))
def test_cycle_types_are_those_of_all_permutations(k):
    results = dict(cycle_types(k))
    assert results == Counter(tuple(sorted(cycle_lengths(o), reverse=True)) for o in permutations(range(k)))
    assert sum(results.values()) == factorial(k)


@given(series_cases(features=False))
def test_the_mean_of_fixed_partitions_is_the_number_of_orbits(case):
    """Burnside's lemma against all partitions: those that a reordering of equal operands takes into each other are one."""
    text, order, sizes, is_grouped = case
    signature = Signature(text)
    operands = [signature.inputs[0]] * order
    groups = [k // (1 + is_grouped) for k in range(order)]  # each operand alone, or pairs
    kinds = list(count_fixed(signature.output, operands, groups, sizes))
    assert sum(times for times, _, _ in kinds) == prod(factorial(n) for n in Counter(groups).values())
    partitions = Slots.of([signature.output, *operands]).partitions(sizes)
    parts = np.split(np.arange(partitions.shape[1]), np.cumsum([len(t.axes) for t in (signature.output, *operands)]))
    orbits = {
        min(
            tuple(first_occurrence(row[None, np.concatenate([parts[0], *(parts[1 + k] for k in move)])])[0])
            for move in permutations(range(order))
            if [groups[k] for k in move] == groups
        )
        for row in partitions
    }
    assert sum(times * number for times, number, _ in kinds) == len(orbits) * sum(times for times, _, _ in kinds)
    for _, _, types in kinds:
        assert types[0] == signature.output and set(types[1:]) <= set(operands) and len(types) <= order + 1


@pytest.mark.parametrize("module", ["einnet.partitions"])
def test_the_examples_of_a_module_hold(module):
    assert_examples_hold(module)


# --- the partitions and where they are -------------------------------------------------------------


@given(series_cases(features=False))
def test_partitions_are_the_different_ones_of_all_entries_in_order(case):
    text, order, sizes, _ = case
    signature = Signature(text)
    slots = slots_of(signature, order)
    cells = product(*(range(sizes[c]) for c in slots.classes))
    assert list(map(tuple, slots.partitions(sizes).tolist())) == sorted(
        {pattern_at(signature, [0] * order, cell) for cell in cells}
    )


@given(series_cases(features=False))
def test_labels_are_the_partitions_compared_entry_by_entry(case):
    text, order, sizes, _ = case
    signature = Signature(text)
    slots = slots_of(signature, order)
    for fitting in (sizes, None):
        if not len(slots) or slots.count(fitting) > 10_000:
            continue
        rows = {tuple(p): number for number, p in enumerate(slots.partitions(fitting).tolist())}
        labels = slots.labels(sizes, fitting)
        assert labels.dtype == np.int32 and labels.shape == tuple(sizes[c] for c in slots.classes)
        for cell in np.ndindex(labels.shape):
            assert labels[cell] == rows[pattern_at(signature, [0] * order, cell)]


def test_without_slots_there_is_one_partition():
    slots = Slots.of([Symmetry(""), Symmetry("")])
    assert (len(slots), slots.count(), slots.partitions().shape) == (0, 1, (1, 0))
    assert slots.labels({}).tolist() in (0, [0])


@pytest.mark.parametrize("text", FORESTS)
def test_partitions_of_the_blocks_are_the_coarser_partitions(text):
    slots = Slots.of([Symmetry(text)] * 2)
    partitions = slots.partitions().tolist()
    for partition in partitions:
        merged = slots.blocks(partition).partitions()[:, partition].tolist()
        assert sorted(merged) == [q for q in partitions if is_coarser(q, partition)]


def test_slots_know_their_parents_within_their_own_tensor():
    slots = Slots.of([Symmetry("ba; a->b"), Symmetry("abb; a->b")])
    assert slots.classes == ("b", "a", "a", "b", "b")
    assert slots.parents == (1, None, None, 2, 2)


def test_rows_are_renamed_and_found():
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 4, (50, 5))
    named = first_occurrence(rows)
    for row, name in zip(rows.tolist(), named.tolist(), strict=True):
        assert name == [list(dict.fromkeys(row)).index(v) for v in row]
    among = np.unique(named, axis=0)
    assert (among[row_numbers(named, among)] == named).all()
    assert row_numbers(np.array([[0, 1, 2, 3, 4]]), among[among.max(1) < 4]).tolist() == [-1]


CALLS = {
    "slots": lambda: [
        (s := Slots.of([Symmetry(t)] * 2)).outermost_first + s.blocks([*range(len(s))]).classes for t in FORESTS
    ],
    "counts": lambda: [Slots.of([Symmetry(t)] * 2).count({"a": 2, "b": 2, "c": 3}) for t in FORESTS],
    "partitions": lambda: [Slots.of([Symmetry(t)] * 2).partitions({"a": 2, "b": 2, "c": 3}) for t in FORESTS],
    "labels": lambda: [Slots.of([Symmetry(t)]).labels({"a": 2, "b": 2, "c": 3}) for t in FORESTS],
    "cycles": lambda: [*count_fixed(Symmetry("a"), [Symmetry("a")] * 3, [0, 0, 1]), *cycle_types(4)],
}


def test_functions_return_what_they_are_annotated_with():
    assert_annotated("einnet.partitions", CALLS)
