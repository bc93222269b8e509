"""Symmetry types and signatures: the short strings from which everything else is derived.

`Symmetry("aaH")` is the type of one tensor, `Signature("aH, aaH -> aH")` of a function between
tensors. Both parse, print back the user's letters, and compare up to a renaming of the letters.
`random_element` draws from the group of a type, and a `GroupElement` acts on tensors of any
framework that has numpy's indexing.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import InitVar, dataclass, field
from functools import lru_cache
from typing import Any

from einnet._notation import Dependency, ancestors_of, check_letters, check_parent, parse_axes, split_dependencies
from einnet.errors import EinNetError, NotationError, ShapeError
from einnet.group import GroupElement

__all__ = ["GroupElement", "Signature", "Symmetry"]


@dataclass(frozen=True, eq=False)
class Symmetry:
    """The symmetry type of one tensor.

    A lowercase letter is a permuted axis; the same letter twice is permuted jointly; `H` is the
    feature axis, `Z` stands for the leading batch axes, which are accepted with or without it.
    After a semicolon, `a->b` says that each `a` has its own list of `b`.

    >>> lists = Symmetry("abcH; a->b")
    >>> lists.axes, lists.classes, lists.parent_of("b")
    (('a', 'b', 'c'), ('a', 'b', 'c'), 'a')
    >>> lists == Symmetry("xyzH; x->y"), lists == Symmetry("abcH")
    (True, False)
    >>> print(lists)
    abcH; a->b
    >>> Symmetry("aab; a->b")
    Traceback (most recent call last):
    einnet.errors.NotationError: 'b' depends on 'a', which occurs twice: which 'a' does it belong to?
      aab; a->b
           ^
    A parent letter occurs once in a type that has its child: give the second axis a letter of its own.

    The group is the wreath product of the symmetric groups along the dependencies.
    """

    text: InitVar[str]
    axes: tuple[str, ...] = field(init=False)
    features: bool = field(init=False)
    batch: bool = field(init=False)
    dependencies: tuple[tuple[str, str], ...] = field(init=False)

    def __post_init__(self, text: str) -> None:
        head, dependencies = split_dependencies(text)
        if "->" in head or "," in head:
            raise NotationError(
                "expected one symmetry type, got a signature",
                text,
                0,
                len(head.rstrip()),
                "Give the type alone, such as 'aH'; for inputs and an output there is Signature(...).",
            )
        axes, features, batch = parse_axes(text, 0, len(head))
        check_letters(text, dependencies, set(axes))
        self._fill(text, axes, features, batch, dependencies)

    def _fill(self, text, axes, features, batch, dependencies) -> None:
        relevant = [d for d in dependencies if d.child in axes]
        for d in relevant:
            check_parent(text, d, axes)
        set_ = object.__setattr__
        set_(self, "axes", axes)
        set_(self, "features", features)
        set_(self, "batch", batch)
        set_(self, "dependencies", tuple((d.parent, d.child) for d in relevant))

    @classmethod
    def _part(cls, text: str, start: int, stop: int, dependencies: list[Dependency]) -> "Symmetry":
        """The type that stands at text[start:stop] of a longer notation."""
        part = object.__new__(cls)
        part._fill(text, *parse_axes(text, start, stop), dependencies)
        return part

    @classmethod
    def of(
        cls,
        axes: Iterable[str],
        dependencies: Iterable[tuple[str, str]] = (),
        *,
        features: bool = True,
    ) -> "Symmetry":
        """The type with these axes and those of the dependencies that concern it.

        >>> Symmetry.of("ab", [("a", "b"), ("a", "c")])
        Symmetry('abH; a->b')
        """
        axes = tuple(axes)
        kept = [f"{p}->{c}" for p, c in dependencies if c in axes]
        tail = "; " + ", ".join(kept) if kept else ""
        return cls("".join(axes) + "H" * features + tail)

    @property
    def classes(self) -> tuple[str, ...]:
        """The different letters, in order of first occurrence."""
        return tuple(dict.fromkeys(self.axes))

    @property
    def bare(self) -> "Symmetry":
        """The same type without feature and batch axes."""
        return Symmetry.of(self.axes, self.dependencies, features=False)

    def parent_of(self, letter: str) -> str | None:
        """The class that `letter` depends on, or None."""
        return next((p for p, c in self.dependencies if c == letter), None)

    def ancestors(self, letter: str) -> tuple[str, ...]:
        """The classes that `letter` depends on, the outermost first.

        >>> Symmetry("abc; a->b, b->c").ancestors("c")
        ('a', 'b')
        """
        return ancestors_of(letter, {c: p for p, c in self.dependencies})

    def multiplicity(self, letter: str) -> int:
        return self.axes.count(letter)

    def sizes_of(self, shape: Iterable[int], name: str = "the tensor") -> dict[str, int]:
        """The size of each class, read from a tensor's shape (batch and feature axes allowed).

        >>> Symmetry("abH").sizes_of((32, 5, 7, 64))
        {'a': 5, 'b': 7}
        >>> Symmetry("aaH").sizes_of((5, 7, 64))
        Traceback (most recent call last):
        einnet.errors.ShapeError: the tensor of type 'aaH' has shape (5, 7, 64), where axis 'a' has
        both size 5 and size 7: the same letter is the same set, so the sizes must agree
        """
        shape = tuple(shape)
        rank = len(self.axes) + self.features
        if len(shape) < rank:
            raise ShapeError(
                f"{name} of type '{self}' needs at least {rank} axes ({'(batch...,) ' if not self.batch else ''}"
                f"{', '.join(self.axes + ('H',) * self.features)}), got shape {shape}"
            )
        sizes: dict[str, int] = {}
        for letter, size in zip(self.axes, shape[len(shape) - rank :], strict=False):
            if sizes.setdefault(letter, size) != size:
                raise ShapeError(
                    f"{name} of type '{self}' has shape {shape}, where axis '{letter}' has both size "
                    f"{sizes[letter]} and size {size}: the same letter is the same set, so the sizes must agree"
                )
        return sizes

    def random_element(self, sizes: Mapping[str, int], rng: Any = None) -> "GroupElement":
        """A uniformly random element of the group of this type; see `Signature.random_element`."""
        return GroupElement.random(self.classes, self.dependencies, sizes, rng)

    def __str__(self) -> str:
        head = "Z" * self.batch + "".join(self.axes) + "H" * self.features
        tail = ", ".join(f"{p}->{c}" for p, c in self.dependencies)
        return head + (f"; {tail}" if tail else "")

    def __repr__(self) -> str:
        return f"Symmetry({str(self)!r})"

    def _key(self) -> tuple:
        name = {letter: i for i, letter in enumerate(self.classes)}
        dependencies = frozenset((name[p], name[c]) for p, c in self.dependencies)
        return tuple(name[x] for x in self.axes), self.features, dependencies

    def __eq__(self, other: object) -> bool:
        return self._key() == other._key() if isinstance(other, Symmetry) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key())


@dataclass(frozen=True, eq=False)
class Signature:
    """The types of a function's inputs and output: `inputs -> output; dependencies`.

    >>> Signature("aH, aaH -> aH").inputs
    (Symmetry('aH'), Symmetry('aaH'))
    >>> Signature("aaH")                        # a bare type: the same in and out
    Signature('aaH -> aaH')
    >>> Signature("abcH -> aH; a->b").dependencies
    (('a', 'b'),)
    """

    text: InitVar[str]
    inputs: tuple[Symmetry, ...] = field(init=False)
    output: Symmetry = field(init=False)
    dependencies: tuple[tuple[str, str], ...] = field(init=False)

    def __post_init__(self, text: str) -> None:
        head, dependencies = split_dependencies(text)
        left, arrow, right = head.partition("->")
        if "->" in right:
            at = len(left) + 2 + right.index("->")
            raise NotationError(
                "a signature has one arrow", text, at, at + 2, "Dependencies such as 'a->b' come after a semicolon."
            )
        if "," in right:
            raise NotationError("a signature has one output", text, len(left) + 2 + right.index(","))
        spans = _parts(left)
        output = (len(left) + 2, len(head)) if arrow else spans[-1]
        if not arrow and len(spans) > 1:
            raise NotationError(
                "several inputs need an output",
                text,
                len(head.rstrip()) - 1,
                hint="Add '-> ' and the type of the output.",
            )
        parsed = [parse_axes(text, *span)[0] for span in [*spans, output]]
        check_letters(text, dependencies, {x for axes in parsed for x in axes})
        set_ = object.__setattr__
        set_(self, "inputs", tuple(Symmetry._part(text, a, b, dependencies) for a, b in spans))
        set_(self, "output", Symmetry._part(text, output[0], output[1], dependencies))
        set_(self, "dependencies", tuple((d.parent, d.child) for d in dependencies))

    @classmethod
    def of(cls, inputs: Iterable[Symmetry], output: Symmetry) -> "Signature":
        """The signature of these types, whose letters are taken as they are."""
        types = [*inputs, output]
        found = dict.fromkeys(d for t in types for d in t.dependencies)
        heads = [str(t).partition(";")[0] for t in types]
        tail = "; " + ", ".join(f"{p}->{c}" for p, c in found) if found else ""
        return cls(", ".join(heads[:-1]) + " -> " + heads[-1] + tail)

    @property
    def classes(self) -> tuple[str, ...]:
        """The different letters of all types, in order of first occurrence."""
        return tuple(dict.fromkeys(x for t in (*self.inputs, self.output) for x in t.axes))

    def random_element(self, sizes: Mapping[str, int], rng: Any = None) -> "GroupElement":
        """A uniformly random element of the group that acts on all inputs and the output.

        `rng` is a numpy generator, a seed, or None. `sizes` gives the size of each class; of a
        dependent class, the (padded) size of one list.
        """
        return GroupElement.random(self.classes, self.dependencies, sizes, rng)

    def __str__(self) -> str:
        def head(t: Symmetry) -> str:
            return str(t).partition(";")[0]

        tail = ", ".join(f"{p}->{c}" for p, c in self.dependencies)
        left = ", ".join(map(head, self.inputs))
        return f"{left} -> {head(self.output)}".strip() + (f"; {tail}" if tail else "")

    def __repr__(self) -> str:
        return f"Signature({str(self)!r})"

    def _key(self) -> tuple:
        name = {letter: i for i, letter in enumerate(self.classes)}
        types = [(tuple(name[x] for x in t.axes), t.features) for t in (*self.inputs, self.output)]
        return tuple(types), frozenset((name[p], name[c]) for p, c in self.dependencies)

    def __eq__(self, other: object) -> bool:
        return self._key() == other._key() if isinstance(other, Signature) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key())


def as_symmetry(symmetry: Symmetry | str) -> Symmetry:
    """A type, given as such or in its notation."""
    return symmetry if isinstance(symmetry, Symmetry) else Symmetry(symmetry)


def state_of(signature: Signature, given: Symmetry | str | None = None) -> Symmetry:
    """The smallest type in which every input fits, and the output's axes that some input has.

    >>> state_of(Signature("aH, aaH -> H")), state_of(Signature("aH -> abH"))
    (Symmetry('aaH'), Symmetry('aH'))
    """
    held = {c for t in signature.inputs for c in t.axes}
    if given is not None:
        chosen = as_symmetry(given)
        if foreign := [c for c in chosen.classes if c not in held]:
            raise EinNetError(f"the state '{chosen}' has the axis '{foreign[0]}', which no input of '{signature}' has")
        state = Symmetry.of(chosen.axes, signature.dependencies)
        if chosen.dependencies and set(chosen.dependencies) != set(state.dependencies):
            raise EinNetError(f"the state '{chosen}' has other dependencies than the signature '{signature}'")
        return state
    need: Counter[str] = Counter()
    for axes in [*(t.axes for t in signature.inputs), [c for c in signature.output.axes if c in held]]:
        need |= Counter(axes)
    for symmetry in (*signature.inputs, signature.output):
        if Counter(symmetry.axes) == need:
            return symmetry
    axes = [c for c in signature.classes if c in held for _ in range(need[c])]
    try:
        return Symmetry.of(axes, signature.dependencies)
    except NotationError as error:
        raise EinNetError(f"no single type holds all tensors of '{signature}'; pass state=... ({error})") from None


def as_types(text: str) -> tuple[Symmetry, ...]:
    """Several types over the same classes: 'ab, aa', with dependencies after a semicolon as in a signature."""
    head, dependencies = split_dependencies(text)
    if "," not in head:
        return (Symmetry(text),)
    spans = _parts(head)
    check_letters(text, dependencies, {x for span in spans for x in parse_axes(text, *span)[0]})
    return tuple(Symmetry._part(text, a, b, dependencies) for a, b in spans)


def _parts(head: str) -> list[tuple[int, int]]:
    """Where the parts between commas start and stop."""
    spans, start = [], 0
    for part in head.split(","):
        spans.append((start, start + len(part)))
        start += len(part) + 1
    return spans


def as_signature(signature: Signature | str) -> Signature:
    """A signature, given as such or in its notation."""
    if isinstance(signature, Signature):
        return signature
    return _parsed(signature) if isinstance(signature, str) else Signature(signature)


@lru_cache(maxsize=256)
def _parsed(text: str) -> Signature:
    return Signature(text)


def with_features(signature: Signature | str) -> Signature:
    """The signature with H on every type: networks always have a feature axis."""
    parsed = as_signature(signature)
    types = [Symmetry.of(t.axes, t.dependencies) for t in (*parsed.inputs, parsed.output)]
    return Signature.of(types[:-1], types[-1])
