"""The program of ten lines of PyTorch that uses a signature."""

import json
from contextlib import suppress

from einnet.errors import EinNetError
from einnet.explore.question import Question
from einnet.operations import pooling_terms
from einnet.plan.path import cost_exponent
from einnet.signature import Signature, with_features
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

    An input of a sparse type is a tuple (index, values):

    >>> _, _, _, _, *lines = write_program(Question("[ab]H; a->b -> aH", 2)).splitlines()
    >>> for line in lines[:3]:
    ...     print(line)
    net = EinNet("[ab]H -> aH; a->b", in_features=3, out_features=2)
    x = torch.tensor([[0, 0, 1], [0, 1, 0]]), torch.randn(8, 3, 3)  # a batch of 8; a = 5; b = 6; features last
    y = net(x, sizes={"a": 5, "b": 6})  # shape (8, 5, 2)
    """
    signature, inputs, sizes = question.signature, question.signature.inputs, _choose_sizes(question)
    names, features = ["x"], str(IN_FEATURES)
    if len(inputs) > 1:
        names, features = [f"x{k}" for k in range(1, len(inputs) + 1)], str((IN_FEATURES,) * len(inputs))
    tensors = [f"{name} = {_format_input(t, signature, sizes)}" for name, t in zip(names, inputs, strict=True)]
    tensors[0] += f"  # a batch of {BATCH}; {''.join(f'{c} = {n}; ' for c, n in sizes.items())}features last"
    lines = [
        "import torch",
        "from einnet import EinNet",
        "",
        f'net = EinNet("{signature}", in_features={features}, out_features={OUT_FEATURES}{_format_order(question)}',
        *tensors,
        _format_call(signature, names, sizes),
        "y.square().mean().backward()  # any optimiser of torch trains it",
    ]
    if not _is_asked(signature):
        lines[2:2] = ["from einnet.testing import assert_equivariant"]
        lines += [f'assert_equivariant(net, "{with_features(signature)}", sizes={json.dumps(sizes)})']
    return "\n".join(lines)


def _format_call(signature: Signature, names: list[str], sizes: dict[str, int]) -> str:
    """The call of the network, with the sizes that no dense input says, and the entries that no input has."""
    output, is_asked = signature.output, _is_asked(signature)
    new_axes = {c: n for c, n in sizes.items() if all(c not in t.axes or t.is_sparse for t in signature.inputs)}
    options = [f"sizes={json.dumps(new_axes)}"] * bool(new_axes) + [f"at={_format_index(output)}"] * is_asked
    result = "_, y" if output.is_sparse and not is_asked else "y"
    return f"{result} = net({', '.join([*names, *options])})  # shape {_format_shape(output, sizes, OUT_FEATURES)}"


def _is_asked(signature: Signature) -> bool:
    """Whether the output has entries that no input has, so that a call names them."""
    return signature.output.is_sparse and all(t.bare != signature.output.bare for t in signature.inputs)


def _choose_sizes(question: Question) -> dict[str, int]:
    classes = question.signature.classes
    first = SIZES.get(max([1, *(len(t.axes) for t in question.hidden_types)]), 2)
    return {c: first + (k if len(classes) <= MAX_DIFFERENT else k % 2) for k, c in enumerate(classes)}


def _format_order(question: Question) -> str:
    """The end of the call, with the order and its cost if its operations are not the default ones."""
    terms = question.operations.terms
    with suppress(EinNetError):  # raised if the default order is too high for the type
        if set(terms) == set(pooling_terms(question.type_set)):
            return ")"
    if question.type_set.has_sparse_types:
        return f", order={question.order})"
    exponent = max(map(cost_exponent, terms))
    remark = f"  # with operations that take n^{exponent}" * (exponent > len(question.hidden_types[0].axes) + 1)
    return f", order={question.order}){remark}"


def _format_input(symmetry: Symmetry, signature: Signature, sizes: dict[str, int]) -> str:
    """A random tensor; of a sparse type (index, values), with the index of the first input of the type."""
    values = f"torch.randn{_format_shape(symmetry, sizes, IN_FEATURES)}"
    if not symmetry.is_sparse:
        return values
    first = [t.bare for t in signature.inputs].index(symmetry.bare)
    if signature.inputs[first] is not symmetry:
        return f"x{first + 1}[0], {values}"
    return f"{_format_index(symmetry)}, {values}"


def _format_index(symmetry: Symmetry) -> str:
    """Of two axes the tuples 00, 01 and 10."""
    number = len(symmetry.axes)
    return f"torch.tensor({[[0] * (number - k) + [1] + [0] * k for k in range(number)]})"


def _format_shape(symmetry: Symmetry, sizes: dict[str, int], features: int) -> str:
    cells = [len(symmetry.axes) + 1] if symmetry.is_sparse else [sizes[c] for c in symmetry.axes]
    return f"({', '.join(map(str, [BATCH, *cells, features]))})"
