"""The stored minimal sets: the same as computed ones, and quick to read."""

import json
import subprocess
import sys

import pytest

from einnet import pooling
from einnet.operations.catalogue import FILE, ORDERS, compute_operations, format_catalogue, read_operations
from einnet.terms import TypeSet


@pytest.mark.parametrize("types", ORDERS)
def test_stored_operations_are_what_the_algorithm_gives(types):
    type_set = TypeSet.of(types)
    stored = read_operations(type_set)
    assert list(stored) == list(range(1, ORDERS[types] + 1))
    few = {order: terms for order, terms in stored.items() if len(terms) < 100}
    assert few == {order: compute_operations(type_set, order) for order in few}


@pytest.mark.slow
def test_the_file_is_what_the_algorithm_gives():
    assert FILE.read_text() == format_catalogue()


def test_other_letters_find_the_same_set():
    assert read_operations(TypeSet.of("xyH")) == read_operations(TypeSet.of("ab"))
    assert read_operations(TypeSet.of("rsc; r->s")) == read_operations(TypeSet.of("abc; a->b"))
    assert (
        read_operations(TypeSet.of("abcde"))
        == read_operations(TypeSet.of("abc; b->c"))
        == read_operations(TypeSet.of(("ab", "aa")))
        == {}
    )


@pytest.mark.parametrize("types", ["ab", "aaH"])
def test_orders_beyond_the_stored_ones_are_computed(types, monkeypatch):
    operations, known = pooling(types, 4), read_operations(TypeSet.of(types))
    monkeypatch.setattr("einnet.operations.pooling_set.read_operations", lambda _: {1: known[1]})
    assert pooling(types, 4) == operations


START = """
import gc, time
from einnet import EinNet
gc.collect()  # what torch's import left behind is collected during the import, so to say
start = time.process_time()
EinNet({signature!r}, in_features=3, out_features=2)
print(time.process_time() - start)
"""


@pytest.mark.parametrize("signature", ["abcH -> aH; a->b", "aaH", "abH"])
def test_a_network_of_a_stored_type_starts_at_once(signature):
    command = [sys.executable, "-c", START.format(signature=signature)]
    runs = (subprocess.run(command, capture_output=True, text=True, check=True) for _ in range(3))
    assert any(float(run.stdout) < 0.05 for run in runs)


def test_the_file_can_be_read_by_others():
    assert json.loads(FILE.read_text())["aa"]["5"] == ["ab,ac,bc,bd,cd->ad"]
