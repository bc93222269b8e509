"""`map_rows`: a function of rows, applied to as many at a time as stay in the cache, and again in the backward pass."""

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils.checkpoint import get_device_states, set_device_states

from einnet.nn.looped import _is_in_transform

__all__ = ["map_rows"]

LENGTH = {"cpu": 2**11}  # rows that are mapped at once: their values stay in the cache
LARGE_LENGTH = 2**20  # on other devices
RowFunction = Callable[..., Sequence[Tensor]]


def map_rows(function: RowFunction, rows: Sequence[Tensor], modules: Sequence[nn.Module]) -> Sequence[Tensor]:
    """What a function of tensors (batch..., rows, features) returns, where it maps each row by itself.

    `modules` are those that the function calls. With many rows, only the arguments and what is returned are kept.

    >>> linear = nn.Linear(3, 2)
    >>> x = torch.randn(5000, 3)
    >>> (y,) = map_rows(lambda part: [linear(part)], [x], [linear])
    >>> torch.allclose(y, linear(x), atol=1e-6)
    True
    """
    device, number = rows[0].device.type, rows[0].shape[-2]
    length = LENGTH.get(device, LARGE_LENGTH)
    if torch.compiler.is_compiling() or number <= length or device == "meta" or _is_in_transform():
        return function(*rows)
    parameters = _collect(modules)
    if not parameters:  # a replica of nn.DataParallel
        return function(*rows)
    return RowMap.apply(function, modules, length, len(rows), *rows, *parameters)  # type: ignore[return-value]


def _collect(modules: Sequence[nn.Module]) -> list[Tensor]:
    return [p for module in modules for p in module.parameters()]


def _substitute(function: RowFunction, modules: Sequence[nn.Module], parameters: Sequence[Tensor]) -> RowFunction:
    """The function with the parameters of the forward pass, where `functional_call` had replaced those of a module."""
    if all(p is q for p, q in zip(_collect(modules), parameters, strict=True)):
        return function
    module = nn.ModuleList(modules)
    module.forward = function
    names = [f"{k}.{name}" for k, m in enumerate(modules) for name, _ in m.named_parameters()]
    return lambda *rows: functional_call(module, dict(zip(names, parameters, strict=True)), rows)


def _parts(rows: Sequence[Tensor], length: int) -> Iterator[tuple[slice, tuple[Tensor, ...]]]:
    for k, part in enumerate(zip(*(x.split(length, -2) for x in rows), strict=True)):
        yield slice(k * length, k * length + part[0].shape[-2]), part


class RowMap(torch.autograd.Function):
    """The function part by part, with derivatives that keep its arguments only."""

    @staticmethod
    def forward(ctx, function: RowFunction, modules: Sequence[nn.Module], length: int, number: int, *tensors: Tensor):
        ctx.function, ctx.modules, ctx.length, ctx.number = function, modules, length, number
        ctx.save_for_backward(*tensors)
        rows, device = tensors[:number], tensors[0].device.type
        ctx.autocast = device, torch.get_autocast_dtype(device), torch.is_autocast_enabled(device), False
        ctx.random_state = torch.get_rng_state(), *get_device_states(*rows)
        outputs: list[Tensor] = []
        with torch.autocast(*ctx.autocast):
            for place, part in _parts(rows, length):
                values = function(*part)
                outputs = outputs or [y.new_empty(*y.shape[:-2], rows[0].shape[-2], y.shape[-1]) for y in values]
                for y, value in zip(outputs, values, strict=True):
                    y[..., place, :] = value
        return tuple(outputs)

    @staticmethod
    def backward(ctx, *gradients: Tensor):
        tensors, is_needed = ctx.saved_tensors, ctx.needs_input_grad[4:]
        function = _substitute(ctx.function, ctx.modules, tensors[ctx.number :])
        cpu, devices, states = ctx.random_state
        with torch.random.fork_rng(devices), torch.autocast(*ctx.autocast):
            torch.set_rng_state(cpu)
            set_device_states(devices, states)
            differentiate = _differentiate_twice if torch.is_grad_enabled() else _differentiate
            derived = iter(differentiate(function, tensors, ctx.number, ctx.length, gradients, is_needed))
        return None, None, None, None, *(next(derived) if need else None for need in is_needed)


Derivatives = list[Tensor | None]  # for each tensor that needs one


def _differentiate(
    function: RowFunction,
    tensors: Sequence[Tensor],
    number: int,
    length: int,
    gradients: Sequence[Tensor],
    is_needed: Sequence[bool],
) -> Derivatives:
    rows = tensors[:number]
    buffers = [torch.empty(x.shape, dtype=x.dtype, device=x.device) for x, n in zip(rows, is_needed) if n]
    wanted = [p for p, n in zip(tensors[number:], is_needed[number:], strict=True) if n]
    totals: Derivatives = [None] * len(wanted)
    for place, part in _parts(rows, length):
        leaves = [x.detach().requires_grad_(n) for x, n in zip(part, is_needed)]
        with torch.enable_grad():
            values = function(*leaves)
        sources = [*(x for x in leaves if x.requires_grad), *wanted]
        derived = _derive(values, [g[..., place, :] for g in gradients], sources)
        for x, g in zip(buffers, derived):
            x[..., place, :] = 0 if g is None else g
        for k, g in enumerate(derived[len(buffers) :]):
            total = totals[k]
            totals[k] = g if total is None or g is None else total.add_(g)
    return [*buffers, *totals]


def _differentiate_twice(
    function: RowFunction,
    tensors: Sequence[Tensor],
    number: int,
    length: int,
    gradients: Sequence[Tensor],
    is_needed: Sequence[bool],
) -> Derivatives:
    """The same with derivatives of its own, for which all is kept."""
    values = zip(*(function(*part) for _, part in _parts(tensors[:number], length)), strict=True)
    sources = [x for x, n in zip(tensors, is_needed, strict=True) if n]
    return _derive([torch.cat(y, -2) for y in values], gradients, sources, create_graph=True)


def _derive(values: Sequence[Tensor], gradients: Sequence[Tensor], sources: Sequence[Tensor], **options) -> Derivatives:
    pairs = [(y, g) for y, g in zip(values, gradients, strict=True) if y.requires_grad]
    if not pairs or not sources:
        return [None] * len(sources)
    outputs, seeds = zip(*pairs, strict=True)
    return list(torch.autograd.grad(outputs, sources, seeds, allow_unused=True, **options))
