"""Naming the indices of a term: letters for one type, classes with numbers for several."""

from collections.abc import Sequence
from string import ascii_letters

from einnet.terms.term import Term
from einnet.terms.type_set import TypeSet

__all__ = ["with_letters", "with_typed_indices"]


def with_letters(operands: Sequence[Sequence[str]], output: Sequence[str], with_classes: bool) -> Term:
    """The term with its indices renamed in order of occurrence; their names must begin with their class.

    >>> with_letters([["row1", "col1"]], ["row1", "col2"], with_classes=False)
    Term('ab->ac')
    >>> with_letters([["a7", "b1"]], ["a7", "b2"], with_classes=True)
    Term('a0b0->a0b1')
    """
    names: dict[str, str] = {}
    for index in (i for t in (*operands, output) for i in t):
        if index not in names:
            same = sum(i[0] == index[0] for i in names)
            names[index] = f"{index[0]}{same}" if with_classes else ascii_letters[len(names)]
    return Term.of([[names[i] for i in t] for t in operands], [names[i] for i in output])


def with_typed_indices(term: Term, type_set: TypeSet) -> Term:
    """The term with each index written as its class and a number.

    >>> with_typed_indices(Term("ab,cb->ab"), TypeSet.of("ab"))
    Term('a0b0,a1b0->a0b0')
    """
    classes = type_set.classes_of(term)
    named = {i: f"{c} {i}" for i, c in classes.items()}
    return with_letters([[named[i] for i in t] for t in term.operands], [named[i] for i in term.output], True)
