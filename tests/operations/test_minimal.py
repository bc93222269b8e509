"""`indecomposable_terms`: the sets that the theory states, and the literal definition on small types."""

import numpy as np
import pytest

from einnet import EinNetError, Symmetry, Term, raise_limits
from einnet.operations.generators import generators
from einnet.operations.hypergraph import Hypergraph
from einnet.operations.minimal import _can_be_two, indecomposable_terms
from einnet.terms import TypeSet
from oracles.closure import all_terms, canonical, maximal_classes, splits
from oracles.group import commutant
from oracles.naive import matrix, with_letters
from oracles.states import canonical as canonical_hypergraph
from oracles.states import largest, reduce

COUNTS = {  # of order 2, 3, ...
    "a": (1, 0, 0, 0, 0), "ab": (1, 1, 0, 2, 0), "aa": (2, 0, 0, 1, 0), "ab; a->b": (1, 0, 0, 0),
    "abc": (1, 7), "aab": (2, 5), "abc; a->b": (1, 2), "ixjyc; i->x, j->y": (1,),
}  # fmt: skip


@pytest.mark.parametrize("text", COUNTS)
def test_how_many_operations_no_lower_order_composes(text):
    results = [indecomposable_terms(Symmetry(text), order) for order in range(2, 2 + len(COUNTS[text]))]
    assert tuple(map(len, results)) == COUNTS[text]
    for terms in results:
        assert all(t.is_valid(Symmetry(text)) for t in terms)
        assert len({t.canonical() for t in terms}) == len(terms)


def test_the_sets_of_relations_and_matrices():
    assert [str(t) for k in (2, 5) for t in indecomposable_terms(Symmetry("aa"), k)] == [
        "ab,ab->ab", "ab,bc->ac", "ab,ac,bc,bd,cd->ad",
    ]  # fmt: skip
    assert [str(t) for k in (2, 3) for t in indecomposable_terms(Symmetry("ab"), k)] == ["ab,ab->ab", "ab,cb,cd->ad"]
    expected = {Term(t).canonical() for t in ("ab,ac,db,dc,de->ae", "ab,ac,db,dc,ec->eb")}
    assert {t.canonical() for t in indecomposable_terms(Symmetry("ab"), 5)} == expected


def row_of(term: Term) -> tuple[int, ...]:
    names = [*term.output, *(i for t in term.operands for i in t)]
    return canonical(tuple(names), len(term.output), term.order)


@pytest.mark.grid(stratum=lambda text, order: (len(text), order))
@pytest.mark.parametrize(
    ("text", "order"),
    [("a", 2), ("ab", 2), ("ab", 3), ("aa", 2), ("aa", 3), ("ab; a->b", 2), ("ab; a->b", 3), ("abc", 2), ("abc", 3),
     ("abc; a->b", 2), ("abc; a->b", 3), ("abc; a->b, b->c", 3), ("abc; a->b, a->c", 2), ("ab", 4)],
)  # fmt: skip
def test_one_of_each_maximal_class_of_the_literal_definition(text, order):
    symmetry = Symmetry(text)
    classes = maximal_classes(symmetry, order)
    results = [row_of(t) for t in indecomposable_terms(symmetry, order)]
    assert len(results) == len(classes)
    for members in classes:
        assert len(members & set(results)) == 1


@pytest.mark.parametrize(("text", "counts"), [("ab", (4, 17, 65, 251)), ("aa", (15, 117, 877))])
def test_the_oracle_has_all_terms(text, counts):
    assert tuple(len(all_terms(Symmetry(text), k)) for k in range(1, len(counts) + 1)) == counts


def test_the_oracle_can_tell_a_split():
    path = canonical(tuple(np.array([0, 3, 0, 1, 1, 2, 2, 3]).tolist()), 2, 3)  # X Y Z
    assert splits(path, Symmetry("aa"), 3)


# --- sets of several types, against the definition on sets of indices --------------------------------

STATES = [
    (("ab", "aa", "bb"), 2, 3), (("a", "aa"), 2, 3), (("a", "ab", "b"), 3, 2), (("ab; a->b", "a"), 3, 2),
    (("ab", "aa"), 3, 3), (("abc", "ad", "be"), 2, 2), (("abc", "ad", "be"), 3, 2), (("abb; a->b", "ac"), 2, 3),
    (("ab; a->b", "ac; a->c"), 3, 2), (("axc; a->c", "ayd; a->d"), 3, 2), (("abc; a->b", "acd"), 3, 2),
]  # fmt: skip


@pytest.mark.parametrize(("types", "order", "highest"), STATES, ids=str)
def test_the_largest_hypergraphs_of_a_type_set(types, order, highest):
    results = [as_hypergraph(t, TypeSet.of(types)) for t in indecomposable_terms(types, order)]
    assert set(results) == largest(types, order, highest)


def as_hypergraph(term: Term, type_set: TypeSet):
    """The term as the oracle writes hypergraphs."""
    operands, output = type_set.types_of(term)
    edges = []
    for tup, symmetry in zip((*term.operands, term.output), (*operands, output), strict=True):
        at = dict(zip(symmetry.axes, tup, strict=True))

        def index(letter, name, symmetry=symmetry, at=at):
            above = symmetry.parent_of(letter)
            return (letter, index(above, at[above]) if above else None, name)

        edges.append(frozenset(map(index, symmetry.axes, tup)))
    return canonical_hypergraph(reduce(tuple(edges)))


@pytest.mark.parametrize(
    ("rest", "expected"),
    [
        ([(0,)], False),  # one edge is no two parts
        ([(0,), (0, 1)], True),
        ([(0, 2), (0, 2)], False),  # both have b, which belongs to one a
        ([(0, 2), (0, 3)], True),
        ([(0, 2), (0, 3), (0, 2, 3)], False),
        ([(0, 1), (1,)], False),  # the last edge is not around a
        ([], False),
    ],
)
def test_an_index_can_be_two_where_the_edges_around_it_fall_into_two_parts(rest, expected):
    edge = (0, 1)
    h = Hypergraph((edge, *rest), ("a", "c", "b", "b"), (-1, -1, 0, 0))
    assert _can_be_two(h, 0, edge) is expected


def test_too_many_hypergraphs_are_refused():
    with raise_limits(hypergraphs=100), pytest.raises(EinNetError, match="order 8 of 'aa' .*limit of 100:"):
        indecomposable_terms("aa", 8)


# --- order 1 of type sets -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("types", "sizes"),
    [
        (("a", "aa"), {"a": 4}), (("a", "ab", "b"), {"a": 2, "b": 3}), (("ab", "aa", "bb"), {"a": 3, "b": 3}),
        (("ab; a->b", "a"), {"a": 3, "b": 2}), (("ab", "aa", "aaa"), {"a": 3, "b": 2}),
    ],
    ids=str,
)  # fmt: skip
def test_compositions_of_the_generators_reach_every_linear_map_between_types(types, sizes):
    """Literally: between each two types, the compositions of generators span as much as all linear maps do."""
    type_set = TypeSet.of(types)
    gens = []
    for term in generators(types):
        (source,), target = type_set.types_of(term)
        gens.append((str(source), str(target), matrix(with_letters(term), source, target, sizes)))
    spans = {(str(s), str(t)): [] for s in type_set.types for t in type_set.types}
    queue = list(gens)
    while queue:
        source, target, m = queue.pop()
        rest = m.ravel() / max(np.linalg.norm(m), 1e-12)
        for b in spans[source, target] * 2:
            rest = rest - (b @ rest) * b
        if np.linalg.norm(rest) > 1e-8:
            spans[source, target].append(rest / np.linalg.norm(rest))
            queue += [(source, t, g @ m) for s, t, g in gens if s == target]
    for s in type_set.types:
        for t in type_set.types:
            assert len(spans[str(s), str(t)]) == commutant(s, t, sizes).max() + 1, (s, t)
