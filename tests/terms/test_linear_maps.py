"""`linear_terms`: exact counts, and the space they span against the orbits of the group."""

import numpy as np
import pytest

from einnet import Signature, linear_terms
from oracles.group import commutant
from oracles.naive import matrix

COUNTS = {
    "a -> a": 2, "ab -> ab": 4, "aa -> aa": 15, "aa -> a": 5, "aa ->": 2, "aab -> aab": 30, "aaa -> aa": 52,
    "aaa -> aaa": 203, "a -> aa": 5, "-> aa": 2, "->": 1, "ab -> a": 2, "a -> b": 1,
    "ab; a->b": 3, "abc; a->b": 6, "abc; a->b, b->c": 4, "abc; a->b, a->c": 5, "abcd; a->b, c->d": 9,
    "ixjyc; i->x, j->y": 18,
}  # fmt: skip


@pytest.mark.parametrize("text", COUNTS)
def test_the_number_of_linear_maps(text):
    signature = Signature(text)
    terms = linear_terms(signature.inputs[0], signature.output)
    assert len(terms) == COUNTS[text]
    assert len({t.canonical() for t in terms}) == COUNTS[text]
    for term in terms:
        term.classes([signature.inputs[0]], signature.output)


SPANS = {
    "a -> a": {"a": 2}, "ab -> ab": {"a": 2, "b": 3}, "aa -> aa": {"a": 4}, "aa -> a": {"a": 3}, "aa ->": {"a": 2},
    "a -> aa": {"a": 3}, "ab -> ba": {"a": 2, "b": 3}, "aab -> aab": {"a": 4, "b": 2}, "aaa -> aa": {"a": 5},
    "ab -> abc": {"a": 2, "b": 2, "c": 2},
    "ab; a->b": {"a": 3, "b": 2}, "ba; a->b": {"a": 2, "b": 3}, "abb; a->b": {"a": 2, "b": 4},
    "abc; a->b": {"a": 2, "b": 2, "c": 2}, "abc; a->b, b->c": {"a": 2, "b": 2, "c": 2},
    "cab; a->b, b->c": {"a": 2, "b": 3, "c": 2}, "abc; a->b, a->c": {"a": 2, "b": 2, "c": 2},
    "abc -> ab; a->b, a->c": {"a": 2, "b": 2, "c": 3}, "ab -> ba; a->b": {"a": 3, "b": 2},
    "ixjyc; i->x, j->y": {"i": 2, "x": 2, "j": 2, "y": 2, "c": 2},
}  # fmt: skip


@pytest.mark.parametrize("text", SPANS)
def test_the_terms_span_exactly_the_maps_that_commute_with_the_group(text):
    """Every term is constant on the orbits of (output cell, operand cell), and their rank is the number of orbits."""
    signature, sizes = Signature(text), SPANS[text]
    source, target = signature.inputs[0], signature.output
    orbits = commutant(source, target, sizes)
    first = np.unique(orbits, return_index=True)[1]  # one pair of each orbit
    matrices = [matrix(t, source, target, sizes) for t in linear_terms(source, target)]
    values = np.array([m.ravel()[first] for m in matrices])
    for m, v in zip(matrices, values, strict=True):
        assert (m == v[orbits]).all()
    assert np.linalg.matrix_rank(values) == len(matrices) == orbits.max() + 1
