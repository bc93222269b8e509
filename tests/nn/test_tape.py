"""Recorded operations: the same numbers from other tensors, whatever the operation gives."""

import pytest
import torch

from einnet.nn.tape import Tape, Tapes

FUNCTIONS = {
    "views and sums": lambda x, y: [x.reshape(6).view(2, 3).sum(0, keepdim=True), y.mT, x.expand(2, 3)],
    "parts": lambda x, y: [part * 2 for part in x.unbind()],
    "lists": lambda x, y: [torch.cat([x, y, x], 1), torch.stack((x, y))],
    "in place": lambda x, y: [x.clone().mul_(y).add_(1), (x * y).exp_()],
    "options": lambda x, y: [
        torch.rsub(x, 1, alpha=2),
        torch.addcmul(x, x, y, value=3),
        torch.einsum("ab,cb->ac", x, y),
    ],
    "numbers": lambda x, y: [x * 0.5 + 1, x / x.shape[1], None],
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_tape_does_what_the_function_does(name):
    function = FUNCTIONS[name]
    tape, _ = Tape.record(lambda tensors: function(*tensors), [torch.zeros(2, 3), torch.ones(2, 3)])
    x, y = torch.randn(2, 3), torch.randn(2, 3)
    for one, two in zip(tape.run([x, y]), function(x, y), strict=True):
        assert one is two is None or torch.equal(one, two)


def test_what_is_recorded_is_what_the_function_gives_and_plain():
    x = torch.randn(3)
    tape, (y, none) = Tape.record(lambda tensors: [tensors[0].sin(), tensors[1]], [x, None])
    assert type(y) is torch.Tensor and torch.equal(y, x.sin()) and none is None
    assert len(tape.steps) == 1


def test_tensors_that_are_not_in_front_are_refused():
    x, y, z = torch.randn(3, 2)
    with pytest.raises(TypeError, match="cannot be recorded"):
        Tape.record(lambda tensors: [torch.mul(tensors[0], tensors[1], out=tensors[2])], [x, y, z])


def test_functions_that_are_not_to_be_recorded_run():
    tapes, x = Tapes(False), torch.randn(3)
    assert torch.equal(tapes.run("sin", lambda tensors: [tensors[0].sin()], [x])[0], x.sin())
    assert not tapes.by_name
