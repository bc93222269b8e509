"""The ten lines of PyTorch that use a signature."""

from contextlib import suppress

from einnet.errors import EinNetError
from einnet.explore.question import Question
from einnet.operations import pooling_terms
from einnet.plan.path import cost_exponent
from einnet.signature import with_features
from einnet.symmetry import Symmetry

__all__ = ["ten_lines"]

WIDTHS = (3, 2)  # features in and out
BATCH = 8
SIZES = {1: 5, 2: 5, 3: 4}  # of the first class, by the axes of the state; 2 for more
DIFFERENT = 6  # classes that each have a size of their own


def ten_lines(asked: Question) -> str:
    """A program that makes the network, runs it, and checks that it is equivariant.

    >>> print(ten_lines(Question("aH -> H", 2)))
    import torch
    from einnet import EinNet
    from einnet.testing import assert_equivariant
    <BLANKLINE>
    net = EinNet("aH -> H", in_features=3, out_features=2)
    x = torch.randn(8, 5, 3)  # a batch of 8; a = 5; features last
    y = net(x)  # shape (8, 2)
    y.square().mean().backward()  # any optimiser of torch trains it
    assert_equivariant(net, "aH -> H", sizes={"a": 5})
    """
    signature = asked.signature
    number = len(signature.inputs)
    first = SIZES.get(max(len(asked.state.axes), 1), 2)
    few = len(signature.classes) <= DIFFERENT
    sizes = {c: first + (k if few else k % 2) for k, c in enumerate(signature.classes)}
    names = ["x"] if number == 1 else [f"x{k}" for k in range(1, number + 1)]
    known = {c for t in signature.inputs for c in t.axes}
    free = {c: n for c, n in sizes.items() if c not in known}
    called = ", ".join([*names, f"sizes={_literal(free)}"] if free else names)
    features = WIDTHS[0] if number == 1 else (WIDTHS[0],) * number
    about = "; ".join([f"a batch of {BATCH}", *(f"{c} = {n}" for c, n in sizes.items()), "features last"])
    order = _order(asked)
    shapes = [_shape(t, sizes, WIDTHS[0]) for t in signature.inputs]
    made = [f"{name} = torch.randn{shape}" for name, shape in zip(names, shapes, strict=True)]
    made[0] += f"  # {about}"
    return "\n".join(
        [
            "import torch",
            "from einnet import EinNet",
            "from einnet.testing import assert_equivariant",
            "",
            f'net = EinNet("{signature}", in_features={features}, out_features={WIDTHS[1]}{order}',
            *made,
            f"y = net({called})  # shape {_shape(signature.output, sizes, WIDTHS[1])}",
            "y.square().mean().backward()  # any optimiser of torch trains it",
            f'assert_equivariant(net, "{with_features(signature)}", sizes={_literal(sizes)})',
        ]
    )


def _order(asked: Question) -> str:
    """The end of the call: with the order where its operations are others than the usual ones, and their cost."""
    terms = asked.operations.terms
    with suppress(EinNetError):  # where the usual order is too high for the type
        if set(terms) == set(pooling_terms(asked.state)):
            return ")"
    most = max(map(cost_exponent, terms))
    return f", order={asked.order})" + f"  # with operations that take n^{most}" * (most > len(asked.state.axes) + 1)


def _shape(symmetry: Symmetry, sizes: dict[str, int], features: int) -> str:
    return f"({', '.join(map(str, [BATCH, *(sizes[c] for c in symmetry.axes), features]))})"


def _literal(sizes: dict[str, int]) -> str:
    return "{" + ", ".join(f'"{c}": {n}' for c, n in sizes.items()) + "}"
