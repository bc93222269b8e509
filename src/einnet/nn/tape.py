"""`Tape`: the operations of a function of tensors, recorded once for tensors of some shapes and run again.

Of small tensors Python takes longer than the operations: a recorded function is a flat list of these, without the code
that found them.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from operator import itemgetter
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["Tape", "Tapes"]

PLAIN = (Tensor, nn.Parameter, type(None))
VIEWS = ("expand", "flatten", "reshape", "view")
Function = Callable[[Sequence[Any]], Sequence[Any]]


class Tape:
    """What a function of a list of tensors does, which depends on their shapes, not on their values.

    >>> def normalize(tensors):
    ...     x, y = tensors
    ...     return [x / x.norm(), torch.cat([x, y])]
    >>> tape, _ = Tape.record(normalize, [torch.ones(2), torch.ones(3)])
    >>> tape.run([torch.tensor([3.0, 4.0]), torch.zeros(3)])
    [tensor([0.6000, 0.8000]), tensor([3., 4., 0., 0., 0.])]
    >>> len(tape.steps)
    3

    The first arguments of each operation are tensors, or a list of them; there may be None among the arguments and the
    results of the function.
    """

    def __init__(self) -> None:
        # an operation, its tensors, how many these are or 0 for a list of them, other arguments
        self.steps: list[tuple[Callable, tuple[int, ...], int, tuple]] = []
        self.outputs: list[int | None] = []
        self.count = 0

    @staticmethod
    def record(function: Function, tensors: Sequence[Tensor | None]) -> "tuple[Tape, list[Any]]":
        """The tape, and the results of the function."""
        tape = Tape()
        tape.count = len(tensors)
        results = function([None if x is None else Recorded.of(x, tape, k) for k, x in enumerate(tensors)])
        tape.outputs = [None if y is None else y.place for y in results]
        return tape, [None if y is None else y.as_subclass(Tensor) for y in results]

    def run(self, tensors: Sequence[Tensor | None]) -> list[Any]:
        """What the function gives for other tensors of the same shapes."""
        values: list[Any] = list(tensors)
        for function, places, number, rest in self.steps:
            if number == 1:
                values.append(function(values[places[0]], *rest))
            elif number == 2:
                values.append(function(values[places[0]], values[places[1]], *rest))
            elif number == 3:
                values.append(function(values[places[0]], values[places[1]], values[places[2]], *rest))
            else:
                values.append(function([values[k] for k in places], *rest))
        return [None if k is None else values[k] for k in self.outputs]

    def add(self, function: Callable, args: Sequence[Any], kwargs: Mapping[str, Any], result: Any) -> Any:
        """Records an operation, unless it gives a tensor as it is; its results are recorded tensors again."""
        if getattr(function, "__name__", "") in VIEWS and isinstance(result, Tensor) and result.shape == args[0].shape:
            return args[0]
        if isinstance(args[0], str):  # an equation
            function, args = partial(function, args[0]), args[1:]
        if kwargs:
            function = partial(function, **kwargs)
        if isinstance(args[0], list | tuple):
            own, number = args[0], 0
        else:
            own = [args[0], *(x for x in args[1:] if isinstance(x, Recorded))]
            number = len(own)
        rest = tuple(args[number or 1 :])
        if number > 3 or any(isinstance(x, Recorded) for x in (*rest, *kwargs.values())):
            raise TypeError(
                f"{function} cannot be recorded: its first arguments must be three tensors at most, or a list"
            )
        self.steps.append((function, tuple(x.place for x in own), number, rest))
        place, self.count = self.count, self.count + 1
        if isinstance(result, Tensor):
            return Recorded.of(result, self, place)
        for k in range(len(result)):
            self.steps.append((itemgetter(k), (place,), 1, ()))
        self.count += len(result)
        return [Recorded.of(x, self, place + 1 + k) for k, x in enumerate(result)]


class Tapes:
    """The tapes of some functions of tensors of the same shapes; with `is_used` false they run as they are."""

    def __init__(self, is_used: bool):
        self.is_used = is_used
        self.by_name: dict[str, Tape] = {}

    def run(self, name: str, function: Function, tensors: Sequence[Tensor | None]) -> Sequence[Any]:
        if not self.is_used:
            return function(tensors)
        if (tape := self.by_name.get(name)) is None:
            if any(type(x) not in PLAIN for x in tensors):  # of which this knows nothing
                return function(tensors)
            self.by_name[name], results = Tape.record(function, tensors)
            return results
        return tape.run(tensors)


class Recorded(Tensor):
    """A tensor whose operations are recorded."""

    tape: Tape
    place: int

    @staticmethod
    def of(x: Tensor, tape: Tape, place: int) -> "Recorded":
        y = x.as_subclass(Recorded)
        y.tape, y.place = tape, place
        return y

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        with torch._C.DisableTorchFunctionSubclass():
            result = func(*args, **kwargs)
        is_many = isinstance(result, list | tuple) and len(result) > 0 and isinstance(result[0], Tensor)
        if not is_many and not isinstance(result, Tensor):
            return result
        first = args[1] if isinstance(args[0], str) else args[0]
        first = first[0] if isinstance(first, list | tuple) else first
        return first.tape.add(func, args, kwargs, result)
