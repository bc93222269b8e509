"""`TypeSet`: the types that a state holds, one or several over the same axes."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import permutations
from string import ascii_lowercase

from einnet._notation import write_tuple, write_type
from einnet.errors import EinNetError, NotationError
from einnet.signature import parse_types
from einnet.symmetry import Symmetry, as_symmetry
from einnet.terms.term import IndexMap, Term, with_letters

__all__ = ["TypeSet", "Types"]

Types = Symmetry | str | Sequence[Symmetry | str]


@dataclass(frozen=True)
class TypeSet:
    """One type, or several with common letters, without feature axes.

    With several types an index of a term is written as a letter of the types and a number, unless the lengths of the
    tuples leave only one reading. Raises `EinNetError` if a letter has different parents in two types.
    The support of a sparse type has with an index tuple also those with the indices of joint axes in another order,
    unless it is directed.

    >>> type_set = TypeSet.of(("aH", "aaH"))
    >>> print(type_set)
    a, aa
    >>> type_set.types_of(Term("a,ab->b"))           # messages along the edges of a graph
    ((Symmetry('a'), Symmetry('aa')), Symmetry('a'))
    >>> TypeSet.of(("ab", "aa", "bb")).types_of(Term("a0b0,a1b0->a0a1"))
    ((Symmetry('ab'), Symmetry('ab')), Symmetry('aa'))
    """

    types: tuple[Symmetry, ...]
    directed: bool = False  # whether supports may lack the tuples with joint axes in another order

    @classmethod
    def of(cls, types: "Types | TypeSet", *, directed: bool = False) -> "TypeSet":
        """A type set from a type, from several, or from their notation: 'ab', ('a', 'aa'), 'ab, a; a->b'."""
        if isinstance(types, TypeSet):
            return cls.of(types.types, directed=True) if directed else types
        if not isinstance(types, Symmetry | Sequence):
            raise TypeError(f"expected a type such as 'ab', or several, got {types!r}")
        if isinstance(types, str):
            types = parse_types(types)
        parsed = [types] if isinstance(types, Symmetry) else [as_symmetry(t) for t in types]
        if not parsed:
            raise EinNetError("a type set needs at least one type, such as 'ab' or ('a', 'aa')")
        distinct = tuple(dict.fromkeys(t.bare for t in parsed))
        _check_parents(distinct)
        return cls(distinct, directed and any(t.is_sparse and len(t.classes) < len(t.axes) for t in distinct))

    @property
    def has_several_types(self) -> bool:
        return len(self.types) > 1

    @property
    def has_sparse_types(self) -> bool:
        return any(t.is_sparse for t in self.types)

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """The letters of all types, parents before children, else in order of first occurrence."""
        depth = {c: len(t.ancestors(c)) for t in self.types for c in t.axes}
        return tuple(sorted(depth, key=depth.__getitem__))

    @cached_property
    def shapes(self) -> tuple[Counter, ...]:
        """The number of axes with each letter, for each type."""
        return tuple(Counter(t.axes) for t in self.types)

    @cached_property
    def maximal(self) -> tuple[Counter, ...]:
        """The shapes of dense types that no larger one contains, without repetition."""
        shapes = [s for s, t in zip(self.shapes, self.types, strict=True) if not t.is_sparse]
        distinct = [s for k, s in enumerate(shapes) if s not in shapes[:k]]
        return tuple(s for s in distinct if not any(s < larger for larger in distinct))

    def parent_of(self, letter: str) -> str | None:
        return next((p for t in self.types for p, c in t.dependencies if c == letter), None)

    def fits(self, counts: Counter) -> bool:
        """Whether one tuple of one of the dense types can hold so many indices of each class."""
        return any(counts <= shape for shape in self.maximal)

    def support_with(self, symmetry: Symmetry, tup: Sequence) -> list[tuple]:
        """The index tuples that the support of a sparse type has if it has this one.

        >>> TypeSet.of("[aab]").support_with(Symmetry("[aab]"), "xyz")
        [('x', 'y', 'z'), ('y', 'x', 'z')]
        >>> TypeSet.of("[aab]", directed=True).support_with(Symmetry("[aab]"), "xyz")
        [('x', 'y', 'z')]
        """
        orders = [range(len(tup))] if self.directed else permutations(range(len(tup)))
        axes = symmetry.axes
        return [tuple(tup[k] for k in order) for order in orders if tuple(axes[k] for k in order) == axes]

    def types_of(self, term: Term) -> tuple[tuple[Symmetry, ...], Symmetry]:
        """The types of the operands of a term, and the type of its output.

        Raises `NotationError` for a term that is not valid, or that can be read in several ways.
        """
        *operands, output = (self._type_of(tup, bracket, start, term) for tup, bracket, start in term.spans())
        term.classes(operands, output)
        return tuple(operands), output

    def index_map(self, term: Term) -> IndexMap:
        """The class and the parent of each index; raises as `types_of`."""
        return term.index_map(*self.types_of(term))

    def classes_of(self, term: Term) -> dict[str, str]:
        """The class of each index; raises as `types_of`."""
        return dict(self.index_map(term).classes)

    def with_typed_indices(self, term: Term) -> Term:
        """The term with each index written as its letter of the types and a number.

        >>> TypeSet.of("ab").with_typed_indices(Term("ab,cb->ab"))
        Term('a0b0,a1b0->a0b0')
        """
        names = {i: f"{c} {i}" for i, c in self.classes_of(term).items()}
        operands, output = [[names[i] for i in t] for t in term.operands], [names[i] for i in term.output]
        return with_letters(operands, output, True, term.brackets)

    def _type_of(self, tup: tuple[str, ...], bracket: bool, start: int, term: Term) -> Symmetry:
        if not self.has_several_types:
            return self.types[0]
        candidates = [t for t in self.types if len(t.axes) == len(tup) and t.is_sparse == bracket]
        if term.has_typed_indices:
            candidates = [t for t in candidates if t.axes == tuple(i[0] for i in tup)]
        if len(candidates) == 1:
            return candidates[0]
        reason = f"could have the types {', '.join(map(str, candidates))}"
        written = write_tuple(tup, bracket)
        problem = f"'{written}' {reason if candidates else f'has none of the types {self}'}"
        hint = (
            "With several types an index is written as a letter of the types and a number, such as 'a0b0,a1b0->a0a1'."
        )
        raise NotationError(problem, str(term), start, start + len(written), hint)

    def canonical(self) -> "TypeSet":
        """The representative of all type sets that differ by letters.

        >>> print(TypeSet.of(("xy", "yy")).canonical())
        ab, bb
        """
        letters = dict.fromkeys(c for t in self.types for c in t.axes)
        names = dict(zip(letters, ascii_lowercase, strict=False))
        return TypeSet(tuple(t.with_letters(names) for t in self.types), self.directed)

    def __str__(self) -> str:
        dependencies = dict.fromkeys(d for t in self.types for d in t.dependencies)
        return write_type(", ".join(t.head for t in self.types), dependencies)


def _check_parents(types: tuple[Symmetry, ...]) -> None:
    """Raises unless each letter has the same parent in all types."""
    first_types: dict[str, Symmetry] = {}
    for t in types:
        for letter in t.classes:
            first = first_types.setdefault(letter, t)
            if first.parent_of(letter) != t.parent_of(letter):
                above, below = (repr(p) if (p := s.parent_of(letter)) else "nothing" for s in (first, t))
                raise EinNetError(
                    f"axis '{letter}' depends on {above} in the type '{first}' and depends on {below} in the type "
                    f"'{t}': an axis must have the same parent in all types"
                )
