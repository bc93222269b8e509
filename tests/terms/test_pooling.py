"""`pooling`: a set by order, its table, and what it refuses."""

import time

import pytest

from einnet import EinNetError, Symmetry, pooling
from einnet.cli import main

NUMBERS = {  # as in docs/pooling.md, from order 2 on
    "a": (1, 0, 0, 0, 0, 0, 0), "ab": (1, 1, 0, 2, 0, 5, 5), "aa": (2, 0, 0, 1, 0, 2), "abc": (1, 7, 20),
    "aab": (2, 5, 20), "aaa": (2, 4), "abc; a->b": (1, 2, 0),
}  # fmt: skip


@pytest.mark.parametrize("text", NUMBERS)
def test_the_numbers_of_the_documentation(text):
    found = pooling(text, len(NUMBERS[text]) + 1)
    assert tuple(len(found.by_order[k]) for k in range(2, found.order + 1)) == NUMBERS[text]
    assert len(found) == len(found.terms) == len(found.by_order[1]) + sum(NUMBERS[text])


def test_features_and_letters_do_not_matter():
    assert pooling("xyH", 3) == pooling(Symmetry("ab"), 3)
    assert pooling("xyH", 3).symmetry == Symmetry("ab")


@pytest.mark.parametrize(("text", "order", "seconds"), [("ab", 5, 1), ("aa", 4, 1), ("aa", 5, 20), ("ab", 7, 60)])
def test_it_is_quick(text, order, seconds):
    start = time.perf_counter()
    pooling(text, order)
    assert time.perf_counter() - start < seconds


@pytest.mark.parametrize("order", [0, -1, 2.0, True])
def test_an_order_that_is_none_is_refused(order, capsys):
    with pytest.raises(EinNetError, match="order is the largest number of operands, 1 or more; got"):
        pooling("ab", order)


def test_wrong_input_at_the_command_line(capsys):
    assert main(["pool", "aB"]) == 2
    assert "unknown letter 'B'" in capsys.readouterr().err
