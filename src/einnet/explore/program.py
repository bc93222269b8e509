"""The program of ten lines of PyTorch that uses a signature."""

import json
from contextlib import suppress

from einnet.errors import EinNetError
from einnet.explore.question import Question
from einnet.operations import pooling_terms
from einnet.plan.path import cost_exponent
from einnet.signature import with_features
from einnet.symmetry import Symmetry

__all__ = ["write_program"]

IN_FEATURES, OUT_FEATURES, BATCH = 3, 2, 8
SIZES = {1: 5, 2: 5, 3: 4}  # of the first axis, by the axes of the hidden type; 2 for more
MAX_DIFFERENT = 6  # axes that each have a size of their own


def write_program(question: Question) -> str:
    """A program that makes the network, runs it, and checks that it is equivariant.

    >>> print(write_program(Question("aH -> H", 2)))
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
    signature, inputs, sizes = question.signature, question.signature.inputs, _choose_sizes(question)
    names, features = ["x"], str(IN_FEATURES)
    if len(inputs) > 1:
        names, features = [f"x{k}" for k in range(1, len(inputs) + 1)], str((IN_FEATURES,) * len(inputs))
    shapes = [_format_shape(t, sizes, IN_FEATURES) for t in inputs]
    tensors = [f"{name} = torch.randn{shape}" for name, shape in zip(names, shapes, strict=True)]
    tensors[0] += f"  # a batch of {BATCH}; {''.join(f'{c} = {n}; ' for c, n in sizes.items())}features last"
    new_axes = {c: n for c, n in sizes.items() if all(c not in t.axes for t in inputs)}
    arguments = ", ".join([*names, *[f"sizes={json.dumps(new_axes)}"] * bool(new_axes)])
    lines = [
        "import torch",
        "from einnet import EinNet",
        "from einnet.testing import assert_equivariant",
        "",
        f'net = EinNet("{signature}", in_features={features}, out_features={OUT_FEATURES}{_format_order(question)}',
        *tensors,
        f"y = net({arguments})  # shape {_format_shape(signature.output, sizes, OUT_FEATURES)}",
        "y.square().mean().backward()  # any optimiser of torch trains it",
        f'assert_equivariant(net, "{with_features(signature)}", sizes={json.dumps(sizes)})',
    ]
    return "\n".join(lines)


def _choose_sizes(question: Question) -> dict[str, int]:
    classes = question.signature.classes
    first = SIZES.get(max(len(question.hidden_type.axes), 1), 2)
    return {c: first + (k if len(classes) <= MAX_DIFFERENT else k % 2) for k, c in enumerate(classes)}


def _format_order(question: Question) -> str:
    """The end of the call, with the order and its cost if its operations are not the default ones."""
    terms = question.operations.terms
    with suppress(EinNetError):  # raised if the default order is too high for the type
        if set(terms) == set(pooling_terms(question.hidden_type)):
            return ")"
    exponent = max(map(cost_exponent, terms))
    remark = f"  # with operations that take n^{exponent}" * (exponent > len(question.hidden_type.axes) + 1)
    return f", order={question.order}){remark}"


def _format_shape(symmetry: Symmetry, sizes: dict[str, int], features: int) -> str:
    return f"({', '.join(map(str, [BATCH, *(sizes[c] for c in symmetry.axes), features]))})"
