"""Random symmetry types and terms for hypothesis, and the types that many tests go through."""

from math import prod
from string import ascii_letters

from hypothesis import strategies as st

from einnet import Symmetry, Term
from einnet._notation import write_tuple

TYPES = ["a", "ab", "aa", "abc", "aab", "aaa", "ab; a->b", "abc; a->b", "abc; a->b, b->c"]
SIZES = {"a": 4, "b": 3, "c": 2, "d": 2}


def with_h(text: str) -> str:
    """The type with a feature axis: 'ab; a->b' to 'abH; a->b'."""
    head, semicolon, tail = text.partition(";")
    return head + "H" + semicolon + tail


@st.composite
def symmetry_texts(draw) -> str:
    """A valid type: random axes in a random order, a random dependency forest, H, Z and brackets or not."""
    letters = draw(st.lists(st.sampled_from("abcxyz"), unique=True, max_size=4))
    parents = {}
    for k, child in enumerate(letters):
        if k and draw(st.booleans()):
            parents[child] = draw(st.sampled_from(letters[:k]))
    axes = [x for x in letters for _ in range(1 if x in parents.values() else draw(st.integers(1, 2)))]
    axes = draw(st.permutations(axes))
    head = write_tuple(axes, bool(axes) and draw(st.booleans()))
    head = "Z" * draw(st.booleans()) + head + "H" * draw(st.booleans())
    tail = ", ".join(f"{p}->{c}" for c, p in parents.items())
    return head + (f"; {tail}" if tail else "")


@st.composite
def terms_of(draw, symmetry: Symmetry, max_order: int = 4, indices: int = 3) -> Term:
    """A valid term of the type with up to `indices` different indices of each class (and parent)."""
    names: dict[tuple, str] = {}
    inner_last = sorted(range(len(symmetry.axes)), key=lambda k: len(symmetry.ancestors(symmetry.axes[k])))

    def one_tuple() -> list[str]:
        keys: dict[int, tuple] = {}
        for k in inner_last:
            letter = symmetry.axes[k]
            parent = symmetry.parent_of(letter)
            above = keys[symmetry.axes.index(parent)] if parent else None
            keys[k] = (letter, above, draw(st.integers(0, indices - 1)))
            names.setdefault(keys[k], ascii_letters[len(names)])
        return [names[keys[k]] for k in range(len(symmetry.axes))]

    operands = [one_tuple() for _ in range(draw(st.integers(1, max_order)))]
    return Term.of(operands, one_tuple(), [symmetry.is_sparse] * (len(operands) + 1))


@st.composite
def series_cases(draw, entries: int = 1500, features: bool = True) -> tuple[str, int, dict[str, int], bool]:
    """A signature, an order, sizes, commutative or not; all coefficients together have few entries."""
    letters = draw(st.lists(st.sampled_from("abc"), unique=True, min_size=1, max_size=3))
    parents = {c: draw(st.sampled_from([None, *letters[:k]])) for k, c in enumerate(letters)}
    heads, used = [], set()
    for _ in range(draw(st.integers(2, 3))):
        classes = {c for c in letters if draw(st.sampled_from([False, True, True]))}
        for c in reversed(letters):
            classes |= {parents[c]} if c in classes and parents[c] else set()
        above = {parents[c] for c in classes}
        axes = [c for c in letters if c in classes for _ in range(1 if c in above else draw(st.integers(1, 2)))]
        heads.append("".join(draw(st.permutations(axes))) + "H" * (features and draw(st.booleans())))
        used |= classes
    tail = ", ".join(f"{p}->{c}" for c, p in parents.items() if p and c in used)
    text = ", ".join(heads[:-1]) + " -> " + heads[-1] + f"; {tail}" * bool(tail)
    sizes = {c: draw(st.integers(1, 3)) for c in sorted(used)} | ({"H": draw(st.integers(1, 2))} if features else {})
    per_type = [prod(sizes[c] for c in head) for head in heads]
    order = draw(st.integers(0, 3))
    while order and per_type[-1] * sum(per_type[:-1]) ** order > entries:
        order -= 1
    return text, order, sizes, draw(st.booleans())
