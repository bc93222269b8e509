"""`Term`: notation, validity, and the canonical form against all bijections."""

from itertools import combinations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from einnet import EinNetError, Symmetry, Term
from einnet.errors import NotationError
from oracles.isomorphism import same
from refusals import assert_refused
from strategies import TYPES, terms_of

TYPE = st.sampled_from([*TYPES, "[aa]", "[ab]; a->b"]).map(Symmetry)


@given(TYPE.flatmap(terms_of))
def test_a_term_prints_what_it_was_read_from(term):
    assert Term(str(term)) == term
    assert repr(term) == f"Term('{term}')"
    assert hash(Term(str(term))) == hash(term)


@pytest.mark.parametrize(
    ("text", "order", "summed", "broadcast"),
    [
        ("ab,cb,cd->ad", 3, ("b", "c"), ()),
        ("ab->ab", 1, (), ()),
        ("ab->ac", 1, ("b",), ("c",)),
        ("aa->bb", 1, ("a",), ("b",)),
        ("ab->aa", 1, ("b",), ()),
        ("ab->", 1, ("a", "b"), ()),
        ("->a", 1, (), ("a",)),
        ("a0b0,a1b0->a0a1", 2, ("b0",), ()),
        ("a12->a3", 1, ("a12",), ("a3",)),
        ("b,[ba]->a", 2, ("b",), ()),
        ("a->[ab]", 1, (), ("b",)),
        ("[a0b0],a1->[a0b0]", 2, ("a1",), ()),
    ],
)
def test_order_summed_and_broadcast(text, order, summed, broadcast):
    term = Term(text)
    assert (term.order, term.summed_indices, term.broadcast_indices) == (order, summed, broadcast)
    assert str(term) == text


def test_spaces_around_tuples_are_read_over():
    assert Term(" ab , bc -> ac ") == Term("ab,bc->ac")
    assert Term(" [ab] , [bc] -> [ac] ") == Term("[ab],[bc]->[ac]")
    assert str(Term(" ab , bc -> ac ")) == "ab,bc->ac"


def test_terms_are_equal_by_their_indices_and_canonically_up_to_renaming():
    assert Term("ab,bc->ac") == Term("ab,bc->ac")
    assert Term("ab,bc->ac") != Term("xy,yz->xz")
    assert Term("ab,bc->ac").canonical() == Term("yz,xy->xz").canonical()
    assert Term("ab,bc->ac").canonical() != Term("ab,bc->ca").canonical()


@pytest.mark.parametrize(
    ("text", "phrase", "start"),
    [
        ("ab,bc", "arrow", 5),
        ("ab,b3->a", "'a'", 0),
        ("a0b->a0", "'b'", 2),
        ("ab,b?->ac", "'?'", 4),
        ("ab->a->b", "'-'", 5),
        ("ab->a,b", "','", 5),
        ("a b->b", "' '", 1),
        ("[a b]->b", "' '", 2),
        ("[a0b]->[a0]", "'b'", 3),
        ("ab, b c->b", "' '", 5),
    ],
)
def test_a_term_that_cannot_be_read_is_marked(text, phrase, start):
    assert_refused(lambda: Term(text), NotationError, phrase, f"  {text}\n", caret=(start, start + 1))


@pytest.mark.parametrize(
    ("text", "caret"),
    [
        ("[ab,bc->ac", (0, 3)), ("ab],bc->ac", (0, 3)), ("ab, a[b]->ac", (4, 8)), ("[[ab]]->a", (0, 6)),
        ("[]->a", (0, 2)), ("a->[", (3, 4)), ("a,[a][b]->a", (2, 8)), ("a0->[[a0]", (4, 9)),
    ],
)  # fmt: skip
def test_wrong_brackets_are_marked(text, caret):
    assert_refused(lambda: Term(text), NotationError, "brackets enclose all indices", f"  {text}\n", caret=caret)


def test_the_brackets_of_a_term():
    term = Term("b,[ba]->a")
    assert term.brackets == (False, True, False) and term.dense == Term("b,ba->a") != term
    assert Term.of(term.operands, term.output, term.brackets) == term and term.dense.dense == term.dense
    assert Term("[xy],y->[xx]").canonical() == Term("q,[pq]->[pp]").canonical()
    assert len({Term(t).canonical() for t in ("ab,ab->ab", "[ab],ab->ab", "[ab],[ab]->ab", "ab,ab->[ab]")}) == 4


def test_what_is_no_text_is_refused():
    with pytest.raises(TypeError, match="got None"):
        Term(None)


@pytest.mark.parametrize(
    ("term", "symmetry", "valid"),
    [
        ("ab,cb->cb", "ab; b->a", True),
        ("ab,cb->cb", "ab; a->b", False),
        ("ab->cb", "ab; a->b", False),
        ("ab->ac", "ab; a->b", True),
        ("ab->cd", "ab; a->b", True),
        ("ba->ca", "ba; a->b", True),
        ("abc->adc", "abc; a->b, b->c", False),
        ("abc->ade", "abc; a->b, b->c", True),
        ("abc->adc", "abc; a->b, a->c", True),
        ("ab,bc->ac", "aa", True),
        ("ab,bc->ac", "ab", False),
        ("ab->aa", "aa", True),
        ("ab->aa", "ab", False),
        ("aab->bba", "aab", False),
        ("ab->a", "ab", False),
        ("->", "", True),
        ("a0b0->a1b0", "ab", True),
        ("b0a0->b0a0", "ab", False),
        ("[ab],[bc]->[ac]", "[aa]", True),
        ("[ab],[cb]->[cb]", "[ab]; a->b", False),
        ("[a0b0]->[a1b0]", "[ab]", True),
        ("ab->ab", "[ab]", False),
        ("[ab]->[ab]", "ab", False),
    ],
)  # fmt: skip
def test_which_terms_are_valid(term, symmetry, valid):
    assert Term(term).is_valid(Symmetry(symmetry)) is valid


def test_the_classes_of_a_term_between_types():
    nodes, edges = Symmetry("a"), Symmetry("aa")
    assert Term("a,ab->b").classes([nodes, edges], nodes) == {"a": "a", "b": "a"}
    assert Term("ab->a").classes(Symmetry("ab"), Symmetry("a")) == {"a": "a", "b": "b"}
    with pytest.raises(EinNetError, match="got 1 types"):
        Term("a,ab->b").classes([nodes], nodes)


@pytest.mark.parametrize(
    ("term", "symmetry", "phrase", "caret"),
    [
        ("ab,bc->ac", "ab", "index 'b'", (3, 5)),
        ("ab,ab->abc", "abH", "3 indices", (7, 10)),
        ("a0b0->b0a0", "ab", "index 'b0'", (6, 10)),
        ("ab->cb", "ab; a->b", "'a' and with 'c'", (4, 6)),
        ("[ab],bc->[ac]", "[aa]", "'bc' has no brackets, the type '[aa]' is sparse", (5, 7)),
        ("ab,[bc]->ac", "aa", "'[bc]' has brackets, the type 'aa' is dense", (3, 7)),
        ("[ab],[cb]->[cb]", "[ab]; a->b", "'a' and with 'c'", (5, 9)),
    ],
)
def test_an_invalid_term_is_marked_where_it_goes_wrong(term, symmetry, phrase, caret):
    assert_refused(lambda: Term(term).classes(Symmetry(symmetry)), NotationError, phrase, caret=caret)


# --- canonical form ------------------------------------------------------------------------------


@given(st.data())
def test_canonical_is_the_same_after_renaming_and_reordering(data):
    term = data.draw(TYPE.flatmap(terms_of))
    to = dict(zip(term.indices, data.draw(st.permutations("pqrstuvwxyzabcdefghijklmno")), strict=False))
    operands = data.draw(st.permutations([[to[i] for i in t] for t in term.operands]))
    assert Term.of(operands, [to[i] for i in term.output], term.brackets).canonical() == term.canonical()


@given(TYPE.flatmap(terms_of).filter(lambda t: len(t.indices) <= 6))
def test_canonical_is_the_same_term_and_its_own_canonical_form(term):
    assert same(term.canonical(), term) and term.canonical().brackets == term.brackets
    assert term.canonical().canonical() == term.canonical()


@given(st.data())
def test_canonical_decides_isomorphism(data):
    """Against all bijections, for terms that are close to each other."""
    symmetry = Symmetry(data.draw(st.sampled_from(["aa", "ab", "aab", "a"])))
    terms = data.draw(st.lists(terms_of(symmetry, max_order=3, indices=2), min_size=2, max_size=6))
    for left, right in combinations(terms, 2):
        assert (left.canonical() == right.canonical()) is same(left, right)


@pytest.mark.parametrize(("types", "letters"), [((2, 2), "abcd"), ((3,), "abc")], ids=["two pairs", "one triple"])
def test_canonical_decides_isomorphism_of_all_small_terms(types, letters):
    tuples = [list(product(letters[:3], repeat=n)) for n in types]
    terms = [Term.of(ops, out) for *ops, out in product(*tuples, list(product(letters[:3], repeat=1)))]
    selection = terms[:: max(1, len(terms) // 40)]
    for left, right in combinations(selection, 2):
        assert (left.canonical() == right.canonical()) is same(left, right)


def test_regular_terms_are_told_apart_where_refinement_alone_cannot():
    """A six-cycle and two triangles: every index looks alike from its neighbourhood."""
    hexagon, triangles = Term("ab,bc,cd,de,ef,fa->"), Term("ab,bc,ca,de,ef,fd->")
    assert hexagon.canonical() != triangles.canonical()
    assert triangles.canonical() == Term("xz,zy,yx,ac,cb,ba->").canonical()


def test_indices_with_a_class_keep_it():
    assert Term("a0b0->a0").canonical() != Term("b0a0->b0").canonical()
    assert Term("a3b1,a0b1->a3a0").canonical() == Term("a0b0,a1b0->a1a0").canonical()
    assert str(Term("b2a7->b2").canonical()) == "b0a0->b0"


@pytest.mark.parametrize(("symmetry", "order", "count"), [("ab", 1, 4), ("ab", 2, 17), ("aa", 1, 15), ("aa", 2, 117)])
def test_the_number_of_unique_terms(symmetry, order, count):
    """Known counts: 4, 17 of `ab`; 15, 117 of `aa`; every assignment of indices is enumerated."""
    slots = len(symmetry) * (order + 1)
    results = set()
    for labels in growth_strings([symmetry[k % len(symmetry)] for k in range(slots)]):
        tuples = [labels[k : k + len(symmetry)] for k in range(0, slots, len(symmetry))]
        results.add(Term.of(tuples[:-1], tuples[-1]).canonical())
    assert len(results) == count


def growth_strings(kinds: list[str]):
    """All ways to name positions, an index keeping to one class, a new name being the next free one."""
    partial = [[]]
    for kind in kinds:
        partial = [
            [*p, name]
            for p in partial
            for name in [*dict.fromkeys(n for n in p if n[0] == kind), f"{kind}{len({n for n in p if n[0] == kind})}"]
        ]
    return partial
