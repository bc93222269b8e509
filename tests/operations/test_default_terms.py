"""The usual pooling operations of a type, and that their compositions give every linear map."""

import numpy as np
import pytest

from einnet import EinNetError, Symmetry, Term, pooling
from einnet.operations import pooling_terms
from einnet.operations.generators import generators
from einnet.operations.pooling_set import reference_terms
from einnet.plan.path import cost_exponent
from oracles.group import commutant
from oracles.naive import matrix
from strategies import TYPES


@pytest.mark.parametrize(
    ("symmetry", "terms"),
    [
        ("a", "a->a a->b a,a->a"),
        ("abH", "ab->ab ab->cb ab->ac ab,ab->ab ab,cb,cd->ad"),
        ("xy", "ab->ab ab->cb ab->ac ab,ab->ab ab,cb,cd->ad"),
        ("aaH", "ab->ab aa->aa ab->ba ab->ac ab,ab->ab ab,bc->ac"),
        ("ab; a->b", "ab->ab ab->cd ab->ac ab,ab->ab"),
    ],
)
def test_the_usual_set_of_a_type(symmetry, terms):
    result = {t.canonical() for t in pooling_terms(Symmetry(symmetry))}
    assert result == {Term(t).canonical() for t in terms.split()}
    assert len(pooling_terms(Symmetry(symmetry))) == len(terms.split())


@pytest.mark.parametrize("text", [*TYPES, "", "abb; a->b", "ixjyc; i->x, j->y", "cba; a->b, b->c"])
def test_every_term_is_valid_for_its_type_and_occurs_once(text):
    symmetry = Symmetry(text)
    terms = pooling_terms(symmetry)
    assert all(t.is_valid(symmetry) for t in terms)
    assert len({t.canonical() for t in terms}) == len(terms)
    assert str(terms[0]).split("->")[0] == str(terms[0]).split("->")[1]  # the identity


@pytest.mark.parametrize(("text", "total", "number"), [("abc", 12, 11), ("ixjyc; i->x, j->y", 31, 22), ("aab", 7, 7)])
def test_the_default_set_has_what_costs_no_more_than_a_matrix_product(text, total, number):
    order = 2 if text == "aab" else 3
    assert (len(pooling(text, order)), len(pooling_terms(Symmetry(text)))) == (total, number)
    assert all(cost_exponent(t) <= len(Symmetry(text).axes) + 1 for t in pooling_terms(Symmetry(text)))


def test_types_of_many_axes_have_products_alone():
    assert max(t.order for t in pooling_terms(Symmetry("abcdef"))) == 2
    assert max(t.order for t in pooling_terms(Symmetry("abcde"))) == 3


def test_order_is_the_largest_number_of_operands():
    result = [[t.order for t in pooling_terms(Symmetry("ab"), order)] for order in (1, 2, 3, None)]
    assert result == [[1, 1, 1], [1, 1, 1, 2], [1, 1, 1, 2, 3], [1, 1, 1, 2, 3]]


@pytest.mark.parametrize(("order", "error"), [(0, EinNetError), (-1, EinNetError), (1.5, TypeError), ("2", TypeError)])
def test_a_wrong_order_is_refused(order, error):
    with pytest.raises(error, match="order must be"):
        pooling_terms(Symmetry("ab"), order)


def test_the_reference_network_has_its_own_order_of_operands():
    result = {t: [str(x) for x in reference_terms(Symmetry(t))] for t in ("a", "ab", "aa")}
    assert result == {
        "a": ["a->a", "a->b", "a,a->a"],
        "ab": ["ab->ab", "ab->ac", "ab->cb", "ab,ab->ab", "ac,bc,ad->bd"],
        "aa": ["ab->ab", "aa->aa", "ab->ba", "ab->ac", "ab,ab->ab", "ab,bc->ac"],
    }


CLOSURES = {
    "a": {"a": 3}, "ab": {"a": 2, "b": 3}, "aa": {"a": 4}, "aab": {"a": 4, "b": 2}, "ab; a->b": {"a": 2, "b": 3},
    "abc; a->b, b->c": {"a": 2, "b": 2, "c": 2}, "abc; a->b, a->c": {"a": 2, "b": 2, "c": 2},
    "abb; a->b": {"a": 2, "b": 4}, "bba; a->b": {"a": 2, "b": 4}, "ixjyc; i->x, j->y": dict.fromkeys("ixjyc", 2),
}  # fmt: skip


@pytest.mark.parametrize("text", CLOSURES)
def test_compositions_of_the_generators_span_every_linear_map(text):
    """The algebra that their matrices generate has the dimension of the commutant."""
    symmetry, sizes = Symmetry(text), CLOSURES[text]
    gens = [matrix(t, symmetry, symmetry, sizes) for t in generators(symmetry)]
    orbits = commutant(symmetry, symmetry, sizes)
    result: list[np.ndarray] = []  # an orthonormal basis of the span
    queue = [np.eye(len(orbits))]
    while queue:
        m = queue.pop()
        rest = m.ravel() / np.linalg.norm(m)
        for _ in range(2):
            for b in result:
                rest = rest - (b @ rest) * b
        if np.linalg.norm(rest) > 1e-8:
            result.append(rest / np.linalg.norm(rest))
            queue += [g @ m for g in gens]
    assert len(result) == orbits.max() + 1
