"""A further symmetry of a type: which operands and terms share their weights, and what is refused."""

import pytest

from einnet import Symmetry, Term
from einnet.errors import EinNetError
from einnet.terms.automorphism import automorphism_axes, tie_weights


def sharing(texts: list[str], type_text: str, exchange: str | None):
    return tie_weights([Term(t) for t in texts], Symmetry(type_text), exchange)


def test_rows_and_columns_of_a_board_share_and_boxes_are_alone():
    texts = ["ixjyc->ixkzc", "ixjyc->izjwc", "ixjyc->kzjyc", "ixjyc->ixjzc", "ixjyc->izjyc"]
    operands, numbers = sharing(texts, "ixjyc; i->x, j->y", "jyixc")
    assert operands == ((0,), (1,), (0,), (2,), (2,)) and numbers == (0, 1, 0, 2, 2)


def test_operands_of_a_product_find_their_partners():
    # the first operand of the one is the second of the other, written with other letters
    operands, numbers = sharing(["ab,ac->db", "xz,yz->yw"], "ab", "ba")
    assert numbers == (0, 0)
    assert operands == ((0, 1), (1, 0))
    # row sums times the cell: its transpose is column sums times the cell
    operands, numbers = sharing(["ac,ab->ab", "ab,cb->ab"], "ab", "ba")
    assert numbers == (0, 0) and operands == ((0, 1), (1, 0))


def test_a_term_that_the_exchange_keeps_shares_among_its_own_operands():
    assert sharing(["ac,cb->ab"], "aa", None) == (((0, 1),), (0,))
    operands, numbers = sharing(["ac,db->ab"], "ab", "ba")  # row sums times column sums
    assert numbers == (0,) and operands == ((0, 0),)


@pytest.mark.parametrize(
    ("type_text", "automorphism", "error", "phrase"),
    [
        ("ab", "ac", EinNetError, "letters"),
        ("aa", "aa", EinNetError, "all different"),
        ("ab; a->b", "ba", EinNetError, "depends on"),
        ("ixjyc; i->x, j->y", "xijyc", EinNetError, "depends on"),
        ("ab", 3, TypeError, "must be a string"),
    ],
)
def test_what_is_no_automorphism_of_the_type(type_text, automorphism, error, phrase):
    with pytest.raises(error, match=phrase):
        automorphism_axes(Symmetry(type_text), automorphism)


def test_exchanges_of_three_classes_and_terms_listed_twice():
    operands, numbers = sharing(["abc->dbc", "abc->adc", "abc->abd"], "abc", "bca")
    assert operands == ((0,), (0,), (0,)) and numbers == (0, 0, 0)
    with pytest.raises(EinNetError, match="twice"):
        sharing(["ab->ac", "ab->cb", "ab->ac"], "ab", "ba")


def test_terms_that_are_not_closed_are_refused_with_the_missing_one():
    with pytest.raises(EinNetError, match="ab->cb"):
        sharing(["ab->ac"], "ab", "ba")
