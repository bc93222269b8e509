"""Random signatures and terms with sparse types, with dependencies, of one to three inputs."""

from collections.abc import Sequence
from random import Random
from typing import Any

from einnet import Signature, Symmetry, Term
from einnet.errors import EinNetError
from einnet.operations import pooling_terms
from einnet.signature import hidden_types

__all__ = ["draw_options", "draw_signature", "draw_term", "draw_terms", "has_default_terms"]

DEPENDENCIES = ["", "", "", "a->b", "b->c", "a->b, b->c", "a->b, a->c", "c->a"]
OPTIONS = [{}, {}, {"order": 1}, {"norm": None}, {"norm": "layer"}, {"normalize": None}, {"chunks": 2}, {"bias": False}, {"depth": 2},
           {"checkpoint_activations": True}, {"iterations": 2}, {"dropout": 0.3}, {"expansion": 0.5}]  # fmt: skip


def draw_options(random: Random) -> dict[str, Any]:
    return random.choice(OPTIONS)


def draw_signature(random: Random) -> Signature:
    """One with a sparse input; the output is sparse, dense, or without axes."""
    while True:
        dependencies = random.choice(DEPENDENCIES)
        brackets = [True, *(random.random() < 0.4 for _ in range(random.choice([0, 1, 1, 2])))]
        inputs = [_draw_tuple(random, bracket) for bracket in brackets]
        output = random.choice([random.choice(inputs), inputs[0], "H", _draw_tuple(random, False)])
        random.shuffle(inputs)
        text = ", ".join(inputs)
        try:
            signature = Signature(f"{text} -> {output}" + f"; {dependencies}" * bool(dependencies))
        except EinNetError:  # such as an axis without its parent
            continue
        has_known_sizes = {*signature.output.axes} <= {c for t in signature.inputs for c in t.axes}
        if has_known_sizes and not _is_both(signature.types):
            return signature


def _draw_tuple(random: Random, bracket: bool) -> str:
    axes = random.choices("abc", k=random.choice([2, 2, 2, 3] if bracket else [0, 1, 1, 1, 2]))
    return "[" * bracket + "".join(axes) + "]" * bracket + "H"


def _is_both(types: Sequence[Symmetry]) -> bool:
    """Whether some axes have a dense and a sparse type: the dense twin has one mask for both."""
    return bool({t.axes for t in types if t.is_sparse} & {t.axes for t in types if not t.is_sparse})


def draw_terms(random: Random, signature: Signature, number: int = 3) -> list[str]:
    """Terms of a network's state: the identity of each type, and others of up to three operands."""
    types = hidden_types(signature)
    identities = [Term.of([t], t, [s.is_sparse] * 2) for s in types for t in [_draw_indices(random, s, 9)]]
    return [
        str(t) for t in (*identities, *(draw_term(random, types, random.choice([1, 2, 2, 3])) for _ in range(number)))
    ]


def draw_term(random: Random, types: Sequence[Symmetry], order: int) -> Term:
    """A valid term of a type set, with typed indices."""
    places, number = random.choices(types, k=order + 1), random.choice([2, 2, 3])
    *operands, output = (_draw_indices(random, t, number) for t in places)
    return Term.of(operands, output, [t.is_sparse for t in places])


def _draw_indices(random: Random, symmetry: Symmetry, number: int) -> list[str]:
    """An index for each axis, of so many for each parent."""
    chosen: dict[str, int] = {}
    names = [""] * len(symmetry.axes)
    for k in sorted(range(len(names)), key=lambda k: len(symmetry.ancestors(symmetry.axes[k]))):
        letter = symmetry.axes[k]
        parent = symmetry.parent_of(letter)
        chosen[letter] = random.randrange(number) + number * (chosen[parent] if parent else 0)
        names[k] = f"{letter}{chosen[letter]}"
    return names


def has_default_terms(signature: Signature) -> bool:
    """Whether the state of its network has a default set of operations."""
    try:
        pooling_terms(hidden_types(signature))
    except EinNetError as error:
        if "depend on the sparse tuple" in str(error):
            return False
        raise
    return True
