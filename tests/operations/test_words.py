"""Operations in words."""

import pytest

from einnet import Term
from einnet.operations.words import describe_term


@pytest.mark.parametrize(
    ("term", "words"),
    [
        ("ab->ab", "as it is"), ("ab->ba", "transpose"), ("abc->acb", "transpose"), ("aa->a", "diagonal"),
        ("aa->aa", "diagonal"), ("aa->b", "diagonal, sum over a, broadcast along b"), ("abc->a", "sum over b, c"),
        ("ab->a", "sum of each row"), ("ab->b", "sum of each column"), ("a->aa", "put on a diagonal"), ("ab->", "sum of all"),
        ("[ab]->a", "sum over b"), ("a->b", "sum over a, broadcast along b"), ("a->ab", "broadcast along b"),
        ("ab,ab->ab", "pointwise product"), ("a,a,a->a", "pointwise product of 3"), ("a,b->ab", "product of 2 operands"),
        ("ab,bc->ac", "matrix product"), ("ba,bc->ac", "matrix product"), ("cb,ac->ab", "matrix product"),
        ("ab,cb,cd->ad", "product of 3 matrices"), ("ab,bc->a", "contraction of 2 operands over b, c"),
        ("[ab],[bc]->[ac]", "contraction of 2 operands over b"), ("ab,bb,bc->ac", "contraction of 3 operands over b"),
        ("ab,bc,bd->ad", "contraction of 3 operands over b, c"), ("ab,ba->aa", "contraction of 2 operands over b, put on a diagonal"),
        ("ab,bc->cd", "contraction of 2 operands over a, b, broadcast along d"),
    ],
)  # fmt: skip
def test_terms_in_words(term, words):
    assert describe_term(Term(term)) == words
