"""Signatures: the types of a function's inputs and output, `inputs -> output; dependencies`."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import InitVar, dataclass, field
from functools import lru_cache
from string import ascii_lowercase
from textwrap import fill
from typing import Any

from einnet._notation import find_late_output, split_at_commas, split_dependencies, write_type
from einnet.checks import check_sizes, check_text
from einnet.errors import EinNetError, NotationError, ShapeError
from einnet.symmetry import GroupElement, Symmetry, as_symmetry

__all__ = [
    "Signature", "as_signature", "describe_dense_form", "hidden_type", "hidden_types", "parse_types", "with_features",
]  # fmt: skip

SMALL_H = re.compile(r"h(?=\s*(?:,|->|$))")  # at the end of a type that has no H


@dataclass(frozen=True)
class Signature:
    """The types of a function's inputs and output: `inputs -> output; dependencies`.

    >>> Signature("aH, aaH -> aH").inputs
    (Symmetry('aH'), Symmetry('aaH'))
    >>> Signature("aaH")                        # a bare type: the same in and out
    Signature('aaH -> aaH')
    >>> Signature("abcH -> aH; a->b").dependencies
    (('a', 'b'),)
    >>> Signature("[ab]H; a->b -> aH")          # the output may come last
    Signature('[ab]H -> aH; a->b')
    """

    text: InitVar[str]
    inputs: tuple[Symmetry, ...] = field(init=False)
    output: Symmetry = field(init=False)
    dependencies: tuple[tuple[str, str], ...] = field(init=False, compare=False)  # the types have them

    def __post_init__(self, text: str) -> None:
        late = find_late_output(text)
        head, dependencies = split_dependencies(text, late)
        left, arrow, right = head.partition("->")
        first = len(left) + len(arrow)  # of the output
        if late is not None:
            arrow, first, right = "->", late + 2, text[late + 2 :]
        inputs = split_at_commas(text, 0, len(left))
        if "->" in right:
            hint, start = "Dependencies such as 'a->b' come after a semicolon.", first + right.index("->")
            raise NotationError("a signature has one arrow", text, start, start + 2, hint)
        if "," in right:
            raise NotationError("a signature has one output", text, first + right.index(","))
        if not arrow and len(inputs) > 1:
            hint = "Add '-> ' and the type of the output."
            raise NotationError("several inputs need an output", text, len(head.rstrip()) - 1, hint=hint)
        place = (first, first + len(right)) if arrow else inputs[-1]
        *types, output = Symmetry._parts(text, [*inputs, place], dependencies)
        pairs = tuple((d.parent, d.child) for d in dependencies)
        self.__dict__.update(inputs=tuple(types), output=output, dependencies=pairs)

    @classmethod
    def of(cls, inputs: Iterable[Symmetry], output: Symmetry) -> "Signature":
        """The signature of these types, with their letters."""
        inputs = tuple(inputs)
        dependencies = dict.fromkeys(d for t in (*inputs, output) for d in t.dependencies)
        return cls(write_type(f"{', '.join(t.head for t in inputs)} -> {output.head}", dependencies))

    @property
    def classes(self) -> tuple[str, ...]:
        """The different letters of all types, in order of first occurrence."""
        return tuple(dict.fromkeys(x for t in self.types for x in t.axes))

    @property
    def types(self) -> tuple[Symmetry, ...]:
        """The types of the inputs, then of the output."""
        return (*self.inputs, self.output)

    @property
    def is_sparse(self) -> bool:
        """Whether a type has brackets."""
        return any(t.is_sparse for t in self.types)

    @property
    def dense(self) -> "Signature":
        """The signature without brackets.

        >>> Signature("aH, [aa]H -> [aa]H").dense
        Signature('aH, aaH -> aaH')
        """
        return Signature.of((t.dense for t in self.inputs), self.output.dense) if self.is_sparse else self

    @property
    def with_supports(self) -> "Signature":
        """The dense signature with the indicator of each input's support as one more input.

        >>> Signature("aH, [aa]H -> [aa]H").with_supports
        Signature('aH, aaH, aa -> aaH')
        """
        indicators = (t.dense.bare for t in self.inputs if t.is_sparse)
        return Signature.of((*(t.dense for t in self.inputs), *indicators), self.output.dense)

    def bind(
        self,
        shapes: Sequence[Sequence[int] | Mapping[str, int]],
        sizes: Mapping[str, int] | None = None,
        *,
        names: Sequence[str] | None = None,
        required: Iterable[str] | None = None,
        has_batch: bool = True,
    ) -> dict[str, int]:
        """The size of each axis, from the shapes of the inputs and from what the user gives.

        >>> Signature("abH -> acH").bind([(32, 5, 7, 64)], {"c": 3})
        {'c': 3, 'a': 5, 'b': 7}
        >>> Signature("aH, aaH -> H").bind([(5, 64), (6, 6, 64)])
        Traceback (most recent call last):
        einnet.errors.ShapeError: input 2 of type 'aaH' has size 6 on axis 'a', input 1 has size 5

        Shapes are (batch..., axes..., features where the type has H), without batch axes unless `has_batch`; of a
        sparse type that of its dense form, as sparse tensors of torch have it. In place of a shape, a dict has the
        sizes that an input tells, such as those of its support. `sizes` has the sizes of axes that no input has; for
        other axes they must agree with the inputs. The axes in `required`, by default those of the output, must have a
        size. Sizes are compared only, so they may be symbolic. `names` is what messages call each input.

        >>> Signature("aH, [ab]H -> bH").bind([(5, 64), {"a": 5, "b": 7}])
        {'a': 5, 'b': 7}

        Raises `ShapeError` for shapes and sizes that contradict the signature or each other, and for a missing size;
        `TypeError` for a size that is no whole number.
        """
        required = self.output.classes if required is None else tuple(required)
        if names is None:
            names = ["the input"] if len(self.inputs) == 1 else [f"input {k + 1}" for k in range(len(self.inputs))]
        if len(shapes) != len(self.inputs):
            raise ShapeError(f"'{self}' has {len(self.inputs)} inputs, got {len(shapes)}")
        known = check_sizes({} if sizes is None else sizes)
        axes = dict.fromkeys((*self.classes, *required))
        if foreign := [c for c in known if c not in axes]:
            raise ShapeError(f"sizes names {foreign[0]!r}, the axes of '{self}' are {', '.join(axes) or 'none'}")
        origin = dict.fromkeys(known, "sizes")
        for symmetry, shape, name in zip(self.inputs, shapes, names, strict=True):
            is_sizes = isinstance(shape, Mapping)
            if not (has_batch or is_sizes) and len(shape) > (rank := len(symmetry.axes) + symmetry.features):
                raise ShapeError(f"{name} of type '{symmetry}' has {rank} axes, got shape {tuple(shape)}")
            for letter, size in (shape if is_sizes else symmetry.sizes_of(shape, name)).items():
                if known.setdefault(letter, size) != size:
                    before = f"{origin[letter]} has size {known[letter]}"
                    raise ShapeError(f"{name} of type '{symmetry}' has size {size} on axis '{letter}', {before}")
                origin.setdefault(letter, name)
        if missing := [c for c in required if c not in known]:
            letters, example = (", ".join(map(form, missing)) for form in (repr, "{!r}: ...".format))
            raise ShapeError(f"no input of '{self}' has the axis {letters}: pass sizes={{{example}}}")
        return known

    def random_element(self, sizes: Mapping[str, int], rng: Any = None) -> "GroupElement":
        """A uniformly random element of the group that acts on all inputs and the output.

        `sizes` gives the size of each axis; of a dependent axis, the (padded) size of one list. `rng` is a numpy
        generator, a seed, or None.
        """
        return GroupElement.random(self, sizes, rng)

    def __str__(self) -> str:
        head = f"{', '.join(t.head for t in self.inputs)} -> {self.output.head}".strip()
        return write_type(head, self.dependencies)

    def __repr__(self) -> str:
        return f"Signature({str(self)!r})"

    def canonical(self) -> "Signature":
        """The representative of all signatures that differ by letters or batch flags.

        >>> Signature("xH, yyH -> xH").canonical()
        Signature('aH, bbH -> aH')
        """
        names = dict(zip(self.classes, ascii_lowercase, strict=False))
        return Signature.of([t.with_letters(names) for t in self.inputs], self.output.with_letters(names))


def hidden_types(
    signature: Signature, choice: Symmetry | str | Sequence[Symmetry | str] | None = None
) -> tuple[Symmetry, ...]:
    """The chosen types of a network's state, one or several; by default the smallest that fits all tensors.

    >>> hidden_types(Signature("aH, aaH -> H")), hidden_types(Signature("aH, aaH -> H"), ("aH", "aaH"))
    ((Symmetry('aaH'),), (Symmetry('aH'), Symmetry('aaH')))

    It fits the inputs, and of the output the axes that an input has. With sparse types the state has several types:
    the elements of each axis, each input of several axes, and an output in brackets.

    >>> hidden_types(Signature("aH, [aa]H -> H")), hidden_types(Signature("[ab]H -> H; a->b"))
    ((Symmetry('aH'), Symmetry('[aa]H')), (Symmetry('aH'), Symmetry('[ab]H; a->b')))
    """
    if choice is None:
        is_dense = not signature.is_sparse
        return (_smallest_type(signature),) if is_dense else _types_of_elements(signature)
    if isinstance(choice, Symmetry | str):
        choice = (choice,) if isinstance(choice, Symmetry) else parse_types(choice)
    if not choice:
        raise EinNetError("a state needs at least one type, such as 'aH' or ('aH', 'aaH')")
    return tuple(dict.fromkeys(_as_hidden_type(as_symmetry(t), signature) for t in choice))


def _as_hidden_type(symmetry: Symmetry, signature: Signature) -> Symmetry:
    """A chosen type with features and with the dependencies of the signature; raises for one that does not fit it."""
    what = f"the hidden type '{symmetry}' has"
    if foreign := [c for c in symmetry.classes if all(c not in t.axes for t in signature.inputs)]:
        raise EinNetError(f"{what} the axis '{foreign[0]}', no input of '{signature}' has it")
    state = Symmetry.of(symmetry.axes, signature.dependencies, is_sparse=symmetry.is_sparse)
    if symmetry.dependencies and set(symmetry.dependencies) != set(state.dependencies):
        raise EinNetError(f"{what} other dependencies than the signature '{signature}'")
    if state.is_sparse and state not in {t.with_features for t in signature.types}:
        raise EinNetError(f"{what} brackets, but no input of '{signature}' is of this type: which support has it?")
    return state


def _types_of_elements(signature: Signature) -> tuple[Symmetry, ...]:
    """For each axis the type of its elements, then the inputs of several axes and a sparse output."""
    axes = Symmetry.of(signature.classes, signature.dependencies)
    letters = dict.fromkeys(c for t in signature.inputs for c in t.axes)
    elements = [Symmetry.of((*axes.ancestors(c), c), signature.dependencies) for c in letters]
    inputs = [t.with_features for t in signature.types if t.is_sparse or (len(t.axes) > 1 and t in signature.inputs)]
    sparse = {t.dense for t in inputs if t.is_sparse}
    return tuple(dict.fromkeys([t for t in elements if t not in sparse] + inputs))


def _smallest_type(signature: Signature) -> Symmetry:
    """The smallest dense type that fits all inputs, and the output's axes that an input has."""
    letters = {c for t in signature.inputs for c in t.axes}
    types = [t for t in signature.types if not t.is_sparse]
    need: Counter[str] = Counter()
    for symmetry in types:
        need |= Counter(c for c in symmetry.axes if c in letters)
    for symmetry in types:
        if Counter(symmetry.axes) == need:
            return symmetry
    axes = [c for c in signature.classes if c in letters for _ in range(need[c])]
    try:
        return Symmetry.of(axes, signature.dependencies)
    except NotationError as error:
        raise EinNetError(f"no single type fits all tensors of '{signature}'; pass hidden_type=... ({error})") from None


def hidden_type(signature: Signature) -> Symmetry:
    """The type of a network's state by default; raises where it has several types.

    >>> hidden_type(Signature("aH, aaH -> H")), hidden_type(Signature("aH -> abH"))
    (Symmetry('aaH'), Symmetry('aH'))
    """
    types = hidden_types(signature)
    if len(types) != 1:
        raise EinNetError(f"the state of '{signature}' has several types, {', '.join(map(str, types))}")
    return types[0]


def describe_dense_form(signature: Signature, what: str = "The series is that of") -> str:
    """What holds for the dense form of a signature with brackets, and what differs; empty without brackets.

    >>> print(describe_dense_form(Signature("[aa]H -> aH")))
    The series is that of the dense form 'aaH -> aH', on tensors that are zero outside their supports. A
    function may depend on the supports too: then its series is that of 'aaH, aa -> aH', with the indicator
    s of each support (1 on it, 0 outside) as one more input; at one index tuple s s = s and s x = x, so
    that some of its terms coincide.
    """
    if not signature.is_sparse:
        return ""
    text = f"{what} the dense form '{signature.dense}', on tensors that are zero outside their supports."
    if signature.output.is_sparse:
        text += " The output is read on its support."
    if any(t.is_sparse for t in signature.inputs):
        text += (
            f" A function may depend on the supports too: then its series is that of '{signature.with_supports}', with "
            "the indicator s of each support (1 on it, 0 outside) as one more input; at one index tuple s s = s and "
            "s x = x, so that some of its terms coincide."
        )
    return fill(text, width=104)


def parse_types(text: str) -> list[Symmetry]:
    """Several types with common letters: 'ab, aa', with dependencies after a semicolon as in a signature."""
    head, dependencies = split_dependencies(text)
    if "," not in head:
        return [Symmetry(text)]
    return Symmetry._parts(text, split_at_commas(text, 0, len(head)), dependencies)


def as_signature(signature: Signature | str) -> Signature:
    """A signature from a signature or its notation."""
    return signature if isinstance(signature, Signature) else _parse(check_text(signature, "a signature", "aaH -> aH"))


_parse = lru_cache(maxsize=256)(Signature)


def with_features(signature: Signature | str) -> Signature:
    """The signature with H on every type, as networks have it.

    >>> with_features("a -> ab")
    Signature('aH -> abH')
    >>> with_features("aH -> h")
    Traceback (most recent call last):
    einnet.errors.NotationError: 'h' is a permuted axis: is H, the feature axis, meant?
      aH -> h
            ^
    Write 'aH -> H'; for an axis h with features 'aH -> hH', or take another letter.
    """
    parsed = as_signature(signature)
    text = str(parsed)
    head, *dependencies = text.partition(";")
    if small := SMALL_H.search(head):
        features, axis = ("".join([SMALL_H.sub(letters, head), *dependencies]) for letters in ("H", "hH"))
        hint = f"Write '{features}'; for an axis h with features '{axis}', or take another letter."
        raise NotationError("'h' is a permuted axis: is H, the feature axis, meant?", text, small.start(), hint=hint)
    types = [t.with_features for t in parsed.types]
    return Signature.of(types[:-1], types[-1])
