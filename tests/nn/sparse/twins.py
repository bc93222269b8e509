"""Networks with sparse types and their dense twins: the same weights, the supports as masks of index tuples."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from einnet import EinNet, Signature, Symmetry
from einnet.nn.sparse import Support
from networks import randomize

__all__ = ["SIZES", "SMALL", "Case", "assert_same", "assert_same_modules", "dense_text"]

SIZES = {"a": 5, "b": 4, "c": 3}
SMALL = {"heads": 2, "hidden": 4, "depth": 1, "dtype": torch.float64}


def dense_text(text: str) -> str:
    return text.replace("[", "").replace("]", "")


class Case:
    """A network with sparse types, its dense twin with the same weights, and inputs for both.

    The entries of a support are in a random order; inputs of one sparse type share it.
    """

    def __init__(
        self,
        signature: str,
        batch: Sequence[int] = (),
        density: float | Mapping[str, float] = 0.4,
        sizes: Mapping[str, int] = SIZES,
        seed: int = 1,
        **options: Any,
    ):
        self.net = randomize(EinNet(signature, self.widths(signature), 3, **SMALL | options))
        layer = self.net.layers[0]
        self.twin = EinNet(
            dense_text(signature), self.widths(signature), 3, **SMALL | options | {
                "counts": True, "hidden_type": [dense_text(str(t)) for t in self.net.hidden_types],
                "terms": [dense_text(str(t)) for t in layer.pool.plan.terms],
            },
        )  # fmt: skip
        self.twin.load_state_dict(self.net.state_dict())
        self.types, self.output, self.batch = self.net.signature.inputs, self.net.signature.output, tuple(batch)
        self.sizes, self.generator = (
            {c: sizes[c] for c in self.net.signature.classes},
            torch.Generator().manual_seed(seed),
        )
        self.masks, self.supports = {}, {}
        for t in dict.fromkeys(t for t in self.types if t.is_sparse):
            key, shape = "".join(t.axes), [self.sizes[c] for c in t.axes]
            share = density if isinstance(density, float | int) else density[key]
            self.masks[key] = torch.rand(shape, generator=self.generator) < share
            index = self.masks[key].nonzero().T
            self.supports[t] = Support(index[:, torch.randperm(index.shape[1], generator=self.generator)], shape)
        self.values = self.draw(self.types, self.net.in_features)

    @staticmethod
    def widths(signature: str) -> tuple[int, ...]:
        return tuple(range(2, 2 + len(Signature(signature).inputs)))

    def draw(self, types: Sequence[Symmetry], widths: Sequence[int]) -> list[Tensor]:
        """Random values of these types, with the batch axes of the case."""
        shapes = [[self.supports[t].entries] if t.is_sparse else [self.sizes[c] for c in t.axes] for t in types]
        return [
            torch.randn(*self.batch, *shape, width, generator=self.generator, dtype=torch.float64)
            for shape, width in zip(shapes, widths, strict=True)
        ]

    def inputs(self, values: Sequence[Tensor], types: Sequence[Symmetry] | None = None) -> list[Any]:
        return [(self.supports[t], x) if t.is_sparse else x for t, x in zip(types or self.types, values, strict=True)]

    def run(self, net: nn.Module, values: Sequence[Tensor], **options: Any) -> Tensor:
        """The output of the network with sparse types; values of the entries for a sparse one."""
        y = net(*self.inputs(values), **options)
        return y[1] if isinstance(y, tuple) else y

    def run_dense(self, net: nn.Module, values: Sequence[Tensor], **options: Any) -> Tensor:
        """The output of the twin, at the entries of the support for a sparse output."""
        inputs = [self.to_dense(t, x) for t, x in zip(self.types, values, strict=True)]
        return self.gather(net(*inputs, mask=self.masks | options.pop("mask", {}), **options), self.output)

    def to_dense(self, t: Symmetry, x: Tensor) -> Tensor:
        if not t.is_sparse:
            return x
        support = self.supports[t]
        y = x.new_full((*x.shape[:-2], *support.sizes, x.shape[-1]), 5)  # what the mask says does not exist
        y[(..., *support.index, slice(None))] = x
        return y

    def gather(self, x: Tensor, t: Symmetry) -> Tensor:
        """The values of a tensor at the entries, if its type is sparse."""
        return x[(..., *self.supports[t].index, slice(None))] if t.is_sparse else x


Run = Callable[[Sequence[Tensor]], Sequence[Tensor]]


def assert_same(case: Case, **options: Any) -> None:
    """Outputs, and the gradients of parameters and inputs."""
    assert_same_values(
        case.values,
        (lambda values: [case.run(case.net, values, **options)], list(case.net.parameters())),
        (lambda values: [case.run_dense(case.twin, values, **options)], list(case.twin.parameters())),
    )


def assert_same_modules(
    case: Case, types: Sequence[Symmetry], widths: Sequence[int], one: nn.Module, two: nn.Module
) -> None:
    """A module with sparse types and a dense one, each with an input and an output for each type."""

    def run(values: Sequence[Tensor]) -> list[Tensor]:
        outputs = one(*case.inputs(values, types))
        outputs = outputs if len(types) > 1 else [outputs]
        return [y[1] if t.is_sparse else y for t, y in zip(types, outputs, strict=True)]

    def run_dense(values: Sequence[Tensor]) -> list[Tensor]:
        outputs = two(*(case.to_dense(t, x) for t, x in zip(types, values, strict=True)), mask=case.masks)
        outputs = outputs if len(types) > 1 else [outputs]
        return [case.gather(y, t) for t, y in zip(types, outputs, strict=True)]

    values = case.draw(types, widths)
    assert_same_values(values, (run, list(one.parameters())), (run_dense, list(two.parameters())))


def assert_same_values(values: Sequence[Tensor], *runs: tuple[Run, list[nn.Parameter]]) -> None:
    results = []
    for run, parameters in runs:
        leaves = [x.clone().requires_grad_() for x in values]
        outputs = run(leaves)
        loss = sum(((1 + k) * y.sin()).sum() for k, y in enumerate(outputs))
        gradients = torch.autograd.grad(loss, [*leaves, *parameters], allow_unused=True)
        results.append([*outputs, *(torch.zeros(()) if g is None else g for g in gradients)])
    for one, two in zip(*results, strict=True):
        assert torch.allclose(one, two, rtol=1e-10, atol=1e-10)
