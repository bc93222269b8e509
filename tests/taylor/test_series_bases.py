"""The contraction basis: valid einsums, sums of orbit indicators, and an exact change of basis both ways."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from einnet import Signature, series
from oracles.series import dense, is_coarser, reorder_operands, term_classes, types_of, words
from strategies import series_cases

CASES = [
    ("a ->", 3, {"a": 3}), ("a -> a", 2, {"a": 2}), ("aa -> aa", 1, {"a": 4}), ("aa ->", 2, {"a": 3}), ("aa ->", 2, {"a": 1}),
    ("aab -> aab", 1, {"a": 4, "b": 2}), ("aab -> aab", 1, {"a": 2, "b": 2}), ("a, aa -> a", 2, {"a": 3}),
    ("ab; a->b", 2, {"a": 3, "b": 2}), ("ab; a->b", 2, {"a": 2, "b": 1}), ("ab; a->b", 2, {"a": 1, "b": 2}), ("abb; a->b", 1, {"a": 2, "b": 3}),
    ("abc; a->b, b->c", 1, {"a": 2, "b": 2, "c": 2}), ("a, ab -> ab; a->b", 2, {"a": 2, "b": 2}),
    ("a -> ab; a->b", 2, {"a": 3, "b": 2}), ("->", 2, {}),
]  # fmt: skip


# --- the einsums ---------------------------------------------------------------------------------

PRINTED = {
    ("a -> a", 1, False): "i->i j->i",
    ("a -> a", 2, False): "i,i->i i,j->i j,i->i j,j->i j,k->i",
    ("a -> a", 2, True): "i,i->i i,j->i j,j->i j,k->i",
    ("ab ->", 2, False): "ij,ij-> ij,ik-> ij,kj-> ij,kl->",
    ("ab; a->b", 1, False): "ij->ij ik->ij kl->ij",
    ("aa -> a", 1, False): "ii->i ij->i ji->i jj->i jk->i",
    ("a -> b", 1, False): "j->i",
    ("a, aa -> a", 1, False): "i->i j->i ii->i ij->i ji->i jj->i jk->i",
    ("a -> aa", 0, False): "->ii ->ij",
}  # fmt: skip


@pytest.mark.parametrize(("text", "k", "commutative"), PRINTED)
def test_contractions_print_as_einsums(text, k, commutative):
    terms = series(text, k, commutative=commutative).contractions(k)
    assert " ".join(map(str, terms)) == PRINTED[text, k, commutative]


@given(series_cases(features=False))
def test_contractions_are_valid_and_pairwise_different(case):
    text, order, sizes, commutative = case
    s, signature = series(text, order, sizes, commutative), Signature(text)
    assume(s.total < 2000)
    for k in range(order + 1):
        for word in words(signature, k, commutative):
            terms = s.contractions(k, word)
            types = types_of(signature, word)
            for term in terms:
                assert set(term_classes(term, types)) == set(term.indices)
            assert len(set(map(str, terms))) == len(terms)
            alike = [t for term in terms for t in (reorder_operands(term, word) if commutative else [term])]
            assert len({(t.operands, t.output) for t in map(rename, alike)}) == len(alike)
            if commutative and len(set(word)) < 2:
                assert len({t.canonical() for t in terms}) == len(terms)
        assert len(s.contractions(k)) == s.dof[k]


def rename(term):
    """The term with its indices in order of occurrence, output first, operands kept in order."""
    letters = dict(
        zip(dict.fromkeys(i for t in (term.output, *term.operands) for i in t), "abcdefghijklmnop", strict=False)
    )
    return type(term).of([[letters[i] for i in t] for t in term.operands], [letters[i] for i in term.output])


# --- the change of basis -------------------------------------------------------------------------


def unit(s, k: int, number: int) -> list[np.ndarray]:
    parts = [np.zeros(n, int) for n in s.dof]
    parts[k][number] = 1
    return parts


@pytest.mark.parametrize("commutative", [False, True])
@pytest.mark.parametrize(("text", "order", "sizes"), CASES)
def test_a_contraction_written_out_is_its_sum_of_orbits(text, order, sizes, commutative):
    """Dense by loops over its indices, a contraction is `to_orbit` of it, spread over the entries."""
    s, signature = series(text, order, sizes, commutative), Signature(text)
    for k in range(order + 1):
        at = 0
        for word in words(signature, k, commutative):
            shared, terms = s.sharing(k, word), s.contractions(k, word)
            for number, term in enumerate(terms):
                in_orbits = s.to_orbit(unit(s, k, at + number))[k]
                alike = reorder_operands(term, word) if commutative else [term]
                expected = sum(dense(t, signature, word, sizes) for t in alike)
                assert (in_orbits[at : at + len(terms)][shared] == expected).all()
                assert not in_orbits[:at].any() and not in_orbits[at + len(terms) :].any()
            at += len(terms)
        assert at == s.dof[k]


@pytest.mark.parametrize(("text", "k"), [("aa -> aa", 1), ("a -> a", 3), ("ab; a->b", 2), ("abb; a->b", 1)])
def test_a_contraction_has_the_orbits_of_all_coarser_patterns(text, k):
    s = series(text, k)
    terms = s.contractions(k)
    flat = [[i for t in (term.output, *term.operands) for i in t] for term in terms]
    for number, pattern in enumerate(flat):
        coarser = [int(is_coarser(q, pattern)) for q in flat]
        assert s.to_orbit(unit(s, k, number))[k].tolist() == coarser


@given(series_cases(), st.integers(0, 2**32 - 1))
def test_the_change_of_basis_is_exact_both_ways_in_integers(case, seed):
    text, order, sizes, commutative = case
    for s in (series(text, order, sizes, commutative), series(text, order, commutative=commutative)):
        if s.total < 2000:
            params = np.random.default_rng(seed).integers(-9, 10, s.total)
            converted = s.to_contraction(params)
            assert converted.dtype == params.dtype and converted.shape == params.shape
            assert (s.to_orbit(converted) == params).all()
            assert (s.to_contraction(s.to_orbit(params)) == params).all()


@pytest.mark.parametrize("commutative", [False, True])
@pytest.mark.parametrize("text", ["aa -> aa", "ab; a->b", "aH -> aH"])
def test_the_change_of_basis_takes_lists_and_fractions_and_large_numbers(text, commutative):
    s = series(text, 2, {"a": 3, "b": 2} if "b" in text else {"a": 3, "H": 2} if "H" in text else {"a": 3}, commutative)
    numbers = [(7 * i) % 11 - 5 for i in range(s.total)]
    assert s.to_orbit(s.to_contraction(numbers)).tolist() == numbers
    assert s.to_contraction(numbers).tolist() == s.to_contraction(np.array(numbers)).tolist()
    large = [10**30 + i for i in numbers]
    assert s.to_orbit(s.to_contraction(large)).tolist() == large
    fractions = [Fraction(i, 7) for i in numbers]
    converted = s.to_contraction(np.array(fractions, object))
    assert converted.tolist() == [Fraction(v) / 7 for v in s.to_contraction(numbers).tolist()]
    assert s.to_orbit(converted).tolist() == fractions


def test_parameters_come_back_in_the_form_in_which_they_came():
    s = series("a -> a", 2, {"a": 3})
    vector = np.arange(float(s.total))
    parts = [vector[:1], vector[1:3], vector[3:]]
    assert all(isinstance(p, np.ndarray) and len(p) == n for p, n in zip(s.to_orbit(parts), s.dof, strict=True))
    assert np.concatenate(s.to_orbit(parts)).tolist() == s.to_orbit(vector).tolist()
    assert s.to_orbit(vector).dtype == float
    tensor = s.to_orbit(torch.from_numpy(vector))
    assert tensor.dtype == torch.float64 and tensor.tolist() == s.to_orbit(vector).tolist()
    assert [p.tolist() for p in s.split(vector)] == [p.tolist() for p in parts]


def test_torch_gradients_flow_through_the_change_of_basis():
    s = series("aa -> a", 1, {"a": 2}, commutative=True)
    params = torch.randn(s.total, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(s.to_orbit, (params,))
    assert torch.autograd.gradcheck(s.to_contraction, (params,))


@settings(max_examples=20)
@given(st.sampled_from(["aaa ->", "aa -> a", "ab; a->b"]), st.integers(1, 3))
def test_the_matrix_of_the_change_has_determinant_1(text, n):
    s = series(text, 1, dict.fromkeys(Signature(text).classes, n))
    matrix = np.array([s.to_orbit(row) for row in np.eye(s.total, dtype=int)])
    inverse = np.array([s.to_contraction(row) for row in np.eye(s.total, dtype=int)])
    assert np.linalg.det(matrix) == pytest.approx(1)
    assert (matrix @ inverse == np.eye(s.total)).all()
