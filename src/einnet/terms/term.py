"""`Term`: one einsum operation of a symmetry type, such as `ab,bc->ac`."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import InitVar, dataclass, field
from string import ascii_letters
from typing import Any, NoReturn

from einnet._notation import split_at_commas, write_tuple
from einnet.checks import check_limit, check_text
from einnet.errors import EinNetError, NotationError
from einnet.symmetry import Symmetry
from einnet.terms.canonical import canonical_order

__all__ = ["IndexMap", "Term", "as_terms", "name_indices", "with_letters"]

Tuple = tuple[str, ...]

INDEX, TYPED_INDEX = re.compile("[a-zA-Z]"), re.compile("[a-z][0-9]+")


@dataclass(frozen=True)
class IndexMap:
    """What a type says of the indices of a term; made by `Term.index_map` and `TypeSet.index_map`.

    >>> index_map = Term("ij,ik->ij").index_map(Symmetry("ab; a->b"))
    >>> index_map.classes, index_map.parents
    ({'i': 'a', 'j': 'b', 'k': 'b'}, {'j': 'i', 'k': 'i'})
    """

    classes: Mapping[str, str]  # the letter of the axis of each index
    parents: Mapping[str, str]  # the parent of each index whose axis depends on another one

    def __hash__(self) -> int:
        return hash((tuple(self.classes.items()), tuple(self.parents.items())))


@dataclass(frozen=True)
class Term:
    """One einsum operation: operands, and an output whose indices may repeat or be new.

    An operand index that the output lacks is summed; an output index that no operand has is broadcast; a repeated
    output index embeds a diagonal. Indices are single letters or, for several types, letters of the types and numbers.
    In brackets are the tuples of sparse types: `[ab],[bc]->[ac]`.

    >>> attention = Term("ab,cb,cd->ad")
    >>> attention.order, attention.summed_indices, attention.broadcast_indices
    (3, ('b', 'c'), ())
    >>> Term("ij->kj").broadcast_indices
    ('k',)
    >>> attention.canonical() == Term("xy,uv,xv->uy").canonical()     # renamed and reordered
    True
    >>> Term("a0b0,a1b0->a0a1")
    Term('a0b0,a1b0->a0a1')
    >>> Term("b,[ba]->a").brackets              # of each operand, then of the output
    (False, True, False)
    """

    text: InitVar[str]
    operands: tuple[Tuple, ...] = field(init=False)
    output: Tuple = field(init=False)
    brackets: tuple[bool, ...] = field(init=False)

    def __post_init__(self, text: str) -> None:
        tuples, brackets = _parse(text)
        self.__dict__.update(operands=tuples[:-1], output=tuples[-1], brackets=brackets)

    @classmethod
    def of(
        cls, operands: Iterable[Sequence[str]], output: Sequence[str], brackets: Sequence[bool] | None = None
    ) -> "Term":
        """The term of these tuples; `brackets` says which are of sparse types, the output last."""
        tuples = [*operands, output]
        texts = [write_tuple(t, b) for t, b in zip(tuples, brackets or [False] * len(tuples), strict=True)]
        return cls(",".join(texts[:-1]) + "->" + texts[-1])

    @property
    def order(self) -> int:
        """The number of operands."""
        return len(self.operands)

    @property
    def indices(self) -> tuple[str, ...]:
        """The different indices, in order of first occurrence."""
        return tuple(dict.fromkeys(i for t in (*self.operands, self.output) for i in t))

    @property
    def has_typed_indices(self) -> bool:
        """Whether indices are a letter of the types and a number."""
        return any(len(i) > 1 for t in (*self.operands, self.output) for i in t)

    @property
    def summed_indices(self) -> tuple[str, ...]:
        """The indices that the output lacks."""
        return tuple(i for i in self.indices if i not in self.output)

    @property
    def broadcast_indices(self) -> tuple[str, ...]:
        """The indices that only the output has."""
        read = {i for t in self.operands for i in t}
        return tuple(dict.fromkeys(i for i in self.output if i not in read))

    def classes(self, operands: Symmetry | Sequence[Symmetry], output: Symmetry | None = None) -> dict[str, str]:
        """The letter of the axis of each index, from the types of the operands and of the output; or from one for all.

        Raises `NotationError` for a term that is not valid: with a tuple of another length than its type, an index on
        two different axes, or a dependent index with two different parents.

        >>> Term("ab,cb->cb").classes(Symmetry("ab; b->a"))
        {'a': 'a', 'b': 'b', 'c': 'a'}
        >>> Term("ab,cb->cb").classes(Symmetry("ab; a->b"))
        Traceback (most recent call last):
        einnet.errors.NotationError: index 'b' on axis 'b' occurs with 'a' and with 'c' on axis 'a'
          ab,cb->cb
             ^^
        In the type 'ab; a->b' each 'a' has its own 'b': an index on axis 'b' must always occur with the same
        index on axis 'a'.
        """
        return dict(self.index_map(operands, output).classes)

    def index_map(self, operands: Symmetry | Sequence[Symmetry], output: Symmetry | None = None) -> IndexMap:
        """The class and the parent of each index; see `classes`."""
        if isinstance(operands, Symmetry):
            operands, output = [operands] * self.order, output or operands
        if output is None or len(operands) != self.order:
            raise EinNetError(f"term '{self}' has {self.order} operands and an output, got {len(operands)} types")
        classes: dict[str, str] = {}
        parents: dict[str, str] = {}
        for (tup, bracket, start), symmetry in zip(self.spans(), [*operands, output], strict=True):
            self._read_tuple(tup, bracket, start, symmetry, classes, parents)
        return IndexMap(classes, parents)

    def is_valid(self, symmetry: Symmetry) -> bool:
        """Whether this is a term of the type.

        >>> Term("ab,bc->ac").is_valid(Symmetry("aa")), Term("ab,bc->ac").is_valid(Symmetry("ab"))
        (True, False)
        """
        try:
            self.classes(symmetry)
        except NotationError:
            return False
        return True

    def canonical(self) -> "Term":
        """The representative of all terms that differ by renaming indices and reordering operands.

        >>> Term("bc,ab->ac").canonical()
        Term('ab,bc->ac')
        """
        keys = {i: i[0] * (len(i) > 1) for i in self.indices}
        order = canonical_order(keys, self._views, self._rename, f"a term with {self.order} operands")
        return Term.of(*self._rename(order))

    @property
    def dense(self) -> "Term":
        """The term without brackets.

        >>> Term("b,[ba]->a").dense
        Term('b,ba->a')
        """
        return Term.of(self.operands, self.output) if any(self.brackets) else self

    def spans(self) -> Iterator[tuple[Tuple, bool, int]]:
        """Each tuple, whether it is in brackets, and its start in the text."""
        start = 0
        for k, (tup, bracket) in enumerate(zip((*self.operands, self.output), self.brackets, strict=True)):
            start += k == self.order  # the arrow is one character longer than a comma
            yield tup, bracket, start
            start += len("".join(tup)) + 1 + 2 * bracket

    def _read_tuple(
        self, tup: Tuple, bracket: bool, start: int, symmetry: Symmetry, classes: dict, parents: dict
    ) -> None:
        """Adds the classes and parents of the indices of a tuple, or raises."""
        axes, written = symmetry.axes, write_tuple(tup, bracket)

        def refuse(problem: str, hint: str = "") -> NoReturn:
            hint = f"In the type '{symmetry.bare}' {hint}." if hint else ""
            raise NotationError(problem, str(self), start, start + len(written), hint)

        if len(tup) != len(axes):
            refuse(f"'{written}' has {len(tup)} indices, the type '{symmetry.bare}' has {len(axes)} axes")
        if bracket != symmetry.is_sparse:
            has, kind = ("has brackets", "dense") if bracket else ("has no brackets", "sparse")
            refuse(f"'{written}' {has}, the type '{symmetry.bare}' is {kind}")
        for index, letter in zip(tup, axes, strict=True):
            first = classes.setdefault(index, index[0] if len(index) > 1 else letter)
            if first != letter:
                refuse(f"index '{index}' is on axis '{first}' and on axis '{letter}'", "an index belongs to one axis")
        for index, letter in zip(tup, axes, strict=True):
            if parent := symmetry.parent_of(letter):
                above = tup[axes.index(parent)]
                if (first := parents.setdefault(index, above)) != above:
                    problem = f"index '{index}' on axis '{letter}' occurs with '{first}' and with '{above}'"
                    rule = f"an index on axis '{letter}' must always occur with the same index on axis '{parent}'"
                    refuse(f"{problem} on axis '{parent}'", f"each '{parent}' has its own '{letter}': {rule}")

    def _views(self, colours: Mapping[str, int]) -> dict[str, Any]:
        """For each index the colours of the operands that hold it and its places there; its places in the output."""
        views: dict[str, list] = {i: [] for i in colours}
        for t, bracket in zip(self.operands, self.brackets, strict=False):
            colour = (bracket, *(colours[i] for i in t))
            for i in set(t):
                views[i].append((colour, _places(i, t)))
        return {i: (tuple(sorted(view)), _places(i, self.output)) for i, view in views.items()}

    def _rename(self, order: Sequence[str]) -> tuple[list[Tuple], Tuple, tuple[bool, ...]]:
        """Operands, sorted, and output with the indices named in this order; their brackets."""
        names = name_indices(order, self.has_typed_indices)
        renamed = (tuple(names[i] for i in t) for t in self.operands)
        output = tuple(names[i] for i in self.output)
        if not any(self.brackets):
            return sorted(renamed), output, self.brackets
        operands, brackets = zip(*sorted(zip(renamed, self.brackets, strict=False)), strict=True)
        return list(operands), output, (*brackets, self.brackets[-1])

    def __str__(self) -> str:
        *operands, output = (write_tuple(t, b) for t, b, _ in self.spans())
        return ",".join(operands) + "->" + output

    def __repr__(self) -> str:
        return f"Term('{self}')"


def with_letters(
    operands: Sequence[Sequence[str]],
    output: Sequence[str],
    with_classes: bool,
    brackets: Sequence[bool] | None = None,
) -> Term:
    """The term with its indices renamed in order of occurrence; their names begin with their class.

    >>> with_letters([["row1", "col1"]], ["row1", "col2"], with_classes=False)
    Term('ab->ac')
    >>> with_letters([["a7", "b1"]], ["a7", "b2"], with_classes=True)
    Term('a0b0->a0b1')
    """
    names = name_indices((i for t in (*operands, output) for i in t), with_classes)
    return Term.of([[names[i] for i in t] for t in operands], [names[i] for i in output], brackets)


def name_indices(indices: Iterable[str], with_classes: bool) -> dict[str, str]:
    """New names of the indices in this order: letters, or with classes their first letter and a number."""
    names: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for index in dict.fromkeys(indices):
        names[index] = f"{index[0]}{counts[index[0]]}" if with_classes else ascii_letters[len(names)]
        counts[index[0]] += 1
    return names


def as_terms(terms: Any) -> list[Term]:
    """Terms from terms or their texts, one or several."""
    if isinstance(terms, Term | str):
        terms = [terms]
    if not isinstance(terms, Iterable):
        raise TypeError(f"expected terms such as ['ab,ab->ab', 'ab,bc->ac'], got {terms!r}")
    return [t if isinstance(t, Term) else Term(t) for t in terms]


def _places(index: str, tup: Tuple) -> tuple[int, ...]:
    return tuple(k for k, i in enumerate(tup) if i == index)


def _parse(text: str) -> tuple[tuple[Tuple, ...], tuple[bool, ...]]:
    """The tuples of a term, the output last, and which of them are in brackets."""
    check_text(text, "a term", "ab,bc->ac")
    left, arrow, _ = text.partition("->")
    if not arrow:
        raise NotationError("a term needs an arrow", text, len(text), hint="For example 'ab,bc->ac'.")
    index = TYPED_INDEX if any(c.isdigit() for c in text) else INDEX
    check_limit(left.count(",") + 1, "operands", "a term has {} operands", "write it as several terms")
    tuples, brackets = [], []
    for start, stop in (*split_at_commas(text, 0, len(left)), (len(left) + 2, len(text))):
        part = text[start:stop].strip()
        opens, closes = part.startswith("["), part.endswith("]")
        body = part[opens : len(part) - closes]
        indices = index.findall(body)
        has_wrong_brackets = opens != closes or part == "[]" or "[" in body or "]" in body
        if has_wrong_brackets or len("".join(indices)) < len(body):
            _refuse(text, text.index(part, start), part, None if has_wrong_brackets else index)
        tuples.append(tuple(indices))
        brackets.append(opens)
    return tuple(tuples), tuple(brackets)


def _refuse(text: str, start: int, part: str, index: re.Pattern[str] | None) -> NoReturn:
    """Raises for a tuple that has an unreadable index, or wrong brackets if there is no pattern of an index."""
    if index is None:
        problem, hint = "brackets enclose all indices of a tuple", "For example '[ab],[bc]->[ac]'."
        raise NotationError(problem, text, start, start + len(part), hint)
    start += len(part) - len(re.sub(rf"^\[?({index.pattern})*", "", part))
    hint = "An index is a letter and a number, such as 'a0'."
    if index is INDEX:
        hint = "An index is one letter, such as in 'ab,bc->ac'."
    raise NotationError(f"cannot read {text[start]!r} as an index of a term", text, start, hint=hint)
