"""`Context`: the sizes and the masks of one forward pass, and what follows from them, computed once."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from math import prod
from typing import Any, TypeVar

import torch
from torch import Tensor

from einnet._notation import ancestors_of
from einnet.errors import ShapeError
from einnet.nn.backend import TORCH, TorchBackend, align, feature_axis, run_plan
from einnet.plan import Plan
from einnet.signature import Signature
from einnet.symmetry import Symmetry
from einnet.terms.term import IndexMap, Term

__all__ = ["Context", "MaskLike", "make_context"]

MaskLike = Tensor | Mapping[str, Tensor] | None
T = TypeVar("T")


class Context:
    """The size of each axis, and boolean masks: of axes that have padding, of types that have a support.

    A mask is True where an index *is* (torch's `key_padding_mask` is True where an index is not). The mask of
    an axis has shape (batch..., sizes of the axes that it depends on..., size of the axis): for graphs of
    different sizes (batch, n); for lists of lists `a->b`, the mask of `b` is (batch, n_a, n_b). An axis without
    a mask has no padding.

    The mask of a type, under its axes as in "aa" or "ab", has shape (batch..., axes...) and is True at the index tuples
    of its support. The tensors of this type have values there only, also where all its indices are present.

    `backend` has the supports of the sparse types.

    Modules that call other modules make one context and pass it on as their `mask`.
    """

    def __init__(
        self,
        sizes: Mapping[str, int],
        dependencies: Sequence[tuple[str, str]] = (),
        masks: MaskLike = None,
        backend: TorchBackend = TORCH,
    ):
        self.sizes, self.backend = sizes, backend
        self.masks: Mapping[str, Tensor] = masks or {}  # type: ignore[assignment]
        self.dependencies = dependencies
        self.own_supports = backend.supports  # those of the inputs
        self.queries: Tensor | None = None  # the entries of the output that a call returns, if it asks for some
        self._cells: dict[Symmetry, Tensor | None] = {}
        self._results: dict[tuple, Any] = {}

    def shape(self, symmetry: Symmetry) -> list[int]:
        """The sizes of a type's axes; of a sparse type the number of entries; without axes, in a union, of samples.

        Of a sharded state they are those of the block of this process.
        """
        if self.backend.membership is not None and not symmetry.axes:
            return [self.backend.membership.number]
        if symmetry.is_sparse:
            return [self.backend.supports[symmetry.axes].entries]
        if self.backend.is_sharded:
            return self.backend.block_shape(symmetry.axes)  # type: ignore[attr-defined]
        return [self.sizes[c] for c in symmetry.axes]

    @property
    def full_context(self) -> "Context":
        """The context of tensors that are not cut into blocks, with the masks of axes; this one, unless sharded."""
        if not self.backend.is_sharded:
            return self
        masks = {c: m for c, m in self.masks.items() if len(c) == 1}
        return Context(self.sizes, self.dependencies, masks, self.backend.unsharded)  # type: ignore[attr-defined]

    def cells(self, symmetry: Symmetry) -> Tensor | None:
        """Which cells of a tensor of the type have a value: (batch..., axes... or 1); None for all of them.

        For a sparse type it says which entries have no padding, (batch..., entries).
        """
        if not self.masks:
            return None
        if torch.compiler.is_compiling():  # a checkpointed part may not write to what is outside it
            return self._intersect(symmetry)
        if symmetry not in self._cells:
            self._cells[symmetry] = self._intersect(symmetry)
        return self._cells[symmetry]

    def _intersect(self, symmetry: Symmetry) -> Tensor | None:
        axes, parents = symmetry.axes, {c: p for p, c in self.dependencies}
        cells = None if symmetry.is_sparse or len(axes) < 2 else self.masks.get("".join(axes))  # the support
        for k, letter in enumerate(axes):
            if letter in self.masks:
                places = [axes.index(p) for p in ancestors_of(letter, parents)] + [k]
                if symmetry.is_sparse:
                    index = self.backend.supports[axes].index
                    part = self.masks[letter][(..., *(index[p] for p in places))]
                else:
                    part = self.backend.take_block(align(self.masks[letter], places, range(len(axes))), axes)
                cells = part if cells is None else cells & part
        return cells

    def fill(self, x: Tensor, symmetry: Symmetry, value: float = 0) -> Tensor:
        """A channels-first tensor of the type with the cells that have no value set to one, whatever they held."""
        cells = self.cells(symmetry)
        return x if cells is None else x.masked_fill(~cells.unsqueeze(feature_axis(symmetry)), value)

    def fill_last(self, x: Tensor, symmetry: Symmetry, value: float = 0) -> Tensor:
        """As `fill`, of a channels-last tensor."""
        cells = self.cells(symmetry)
        return x if cells is None else x.masked_fill(~cells.unsqueeze(-1), value)

    def clear(self, x: Tensor, symmetry: Symmetry, axis: int) -> Tensor:
        """As `fill` with zero, of finite numbers with the features on `axis`: by a product, which is faster."""
        cells = self.cells(symmetry)
        return x if cells is None else x * cells.to(x.dtype).unsqueeze(axis)

    def factors(self, plan: Plan, dtype: torch.dtype) -> list[float | Tensor | None]:
        """What each result of a plan is multiplied by so that it keeps its scale at any size.

        1 / N for the sum of N values by a term of one operand, 1 / sqrt(N) for a contraction; None where
        nothing is summed. With masks a tensor (batch..., 1, compact axes...) that counts what is present.
        """
        return self._keep("factors", plan, dtype, self._make_factors)

    def counts_of(self, plan: Plan, dtype: torch.dtype) -> list[int | Tensor | None]:
        """How many values each result of a plan sums, None where nothing is summed; tensors as of `factors`."""
        return self._keep("counts", plan, dtype, self._make_counts)

    def find_present(self, plan: Plan) -> list[bool | Tensor]:
        """For each result of a plan where it has a value: where there is something to sum. Tensors as of `factors`."""
        return self._keep("present", plan, torch.float32, self._make_present)

    def _make_present(self, plan: Plan, dtype: torch.dtype) -> list[bool | Tensor]:
        if self.masks or self.backend.supports or self.backend.is_union:
            return [count > 0 for count in self._count_on_supports(plan, dtype)]
        return [prod([self.sizes[c] for c in letters]) > 0 for letters in plan.summed_axes]

    def _keep(self, name: str, plan: Plan, dtype: torch.dtype, make: Callable[[Plan, torch.dtype], T]) -> T:
        """What depends on the plan, the sizes, the masks and the supports alone, computed once."""
        if torch.compiler.is_compiling():
            return make(plan, dtype)
        if (self.backend.supports or self.backend.is_union) and not self.masks:
            key = (name, plan.terms, plan.types, dtype, *self.sizes.items())
            return self.backend.cache(key, lambda: make(plan, dtype))
        key = (name, id(plan), dtype)
        if key not in self._results:
            self._results[key] = make(plan, dtype), plan  # which keeps its id
        return self._results[key][0]

    def _make_counts(self, plan: Plan, dtype: torch.dtype) -> list[int | Tensor | None]:
        numbers, has_supports = range(len(plan.terms)), self.backend.supports or self.backend.is_union
        if has_supports or any(len(c) > 1 for c in self.masks) or (self.backend.is_sharded and self.masks):
            counts: Sequence[int | Tensor] = self._count_on_supports(plan, dtype)
        elif self.masks:
            counts = [self.counts(plan.terms[k], plan.index_maps[k], plan.results[k].compact) for k in numbers]
        else:
            counts = [prod([self.sizes[c] for c in letters]) for letters in plan.summed_axes]
        return [count if plan.summed_axes[k] else None for k, count in enumerate(counts)]

    def _make_factors(self, plan: Plan, dtype: torch.dtype) -> list[float | Tensor | None]:
        factors: list[float | Tensor | None] = []
        for term, count in zip(plan.terms, self.counts_of(plan, dtype), strict=True):
            power = -1.0 if term.order == 1 else -0.5
            if isinstance(count, Tensor):
                factor = count.clamp(min=1).to(torch.promote_types(dtype, torch.float32)).pow(power)
                factors.append(factor.to(dtype) if dtype.is_floating_point or dtype.is_complex else factor)
            else:
                factors.append(None if count is None else max(count, 1) ** power)
        return factors

    def _count_on_supports(self, plan: Plan, dtype: torch.dtype) -> list[Tensor]:
        """What `counts` gives for each term, where types have supports: the plan on the operands' indicators."""
        types = {
            source: symmetry
            for sources, types in zip(plan.sources, plan.types, strict=True)
            for source, symmetry in zip(sources, types, strict=False)
        }
        exact = torch.float64 if dtype in (torch.float64, torch.complex128) else torch.float32
        indicators = {t: self.indicator(t, exact) for t in dict.fromkeys(types.values())}
        device = self._device.type  # autocast would round counts; there is none for meta
        with nullcontext() if device == "meta" else torch.autocast(device, enabled=False):
            return run_plan(plan, [indicators[types[k]] for k in range(plan.input_count)], self.backend)

    def indicator(self, symmetry: Symmetry, dtype: torch.dtype) -> Tensor:
        """1 where a tensor of the type has a value, else 0, with one feature."""
        cells, shape = self.cells(symmetry), self.shape(symmetry)
        if cells is None:
            cells = torch.ones((), dtype=torch.bool, device=self._device)
        batch = cells.shape[: max(cells.dim() - len(shape), 0)]
        return cells.to(dtype).expand([*batch, *shape]).unsqueeze(feature_axis(symmetry))

    @property
    def _device(self) -> torch.device:
        membership = self.backend.membership
        supports = (*self.backend.supports.values(), *(membership.supports if membership is not None else ()))
        return next(iter((*self.masks.values(), *supports))).device

    def counts(self, term: Term, index_map: IndexMap, axes: Sequence[str]) -> Tensor:
        """How many values a term sums for each index of its compact result: (batch..., 1, compact axes or 1...).

        `axes` are the indices of the compact result.
        """
        device = next(iter(self.masks.values())).device
        total, names = torch.ones((), dtype=torch.float32, device=device), ()
        for index in term.summed_indices:
            if index_map.parents.get(index) not in term.summed_indices:  # the others are counted below their parents
                part, part_names = self._count_below(index, term, index_map)
                union = tuple(dict.fromkeys((*names, *part_names)))
                total = align(total, names, union) * align(part, part_names, union)
                names = union
        return align(total, names, axes).unsqueeze(-1 - len(axes))

    def _count_below(self, index: str, term: Term, index_map: IndexMap) -> tuple[Tensor, tuple[str, ...]]:
        """The number of values of `index`, and of the summed indices that depend on it, for each of its parents."""
        letters, parents = index_map.classes, index_map.parents
        names = [index]
        while names[0] in parents:
            names.insert(0, parents[names[0]])
        if letters[index] in self.masks:
            total = self.masks[letters[index]]
        else:
            device = next(iter(self.masks.values())).device
            total = torch.ones([self.sizes[letters[n]] for n in names], dtype=torch.float32, device=device)
        for child in term.summed_indices:
            if parents.get(child) == index:
                part, part_names = self._count_below(child, term, index_map)
                total = total * align(part, part_names, names)
        return total.sum(-1), tuple(names[:-1])


def make_context(
    mask: "MaskLike | Context",
    symmetry: Symmetry,
    types: Sequence[Symmetry],
    sizes: Mapping[str, int],
    batch: Sequence[int],
    backend: TorchBackend = TORCH,
) -> Context:
    """The context of a call from what a user passes as `mask`: a tensor where the type has one axis, or a dict.

    A mask may be of an axis of `symmetry`, or of one of the `types`; `batch` are the batch axes of the inputs. Raises
    `ShapeError` for a mask that does not fit, `TypeError` for what is no mask.
    """
    if isinstance(mask, Context):
        return mask
    if isinstance(mask, Tensor):
        if len(symmetry.classes) != 1:
            axes = ", ".join(symmetry.classes)
            how = f"pass a dict with a mask for each of the axes {axes}" if axes else "there is no axis to mask"
            raise ShapeError(f"one mask was given for the type '{symmetry}': {how}")
        mask = {symmetry.classes[0]: mask}
    if not isinstance(mask, Mapping | None):
        raise TypeError(f"mask must be a boolean tensor, or a dict of them by axis or type, got {type(mask).__name__}")
    for key, m in (mask or {}).items():
        letters = _axes_of_mask(key, symmetry, types)
        is_block = backend.is_sharded and key not in symmetry.classes
        shape = backend.block_shape(letters) if is_block else [sizes[c] for c in letters]  # type: ignore[attr-defined]
        _check_mask(m, key, tuple(shape), batch)
    return Context(sizes, symmetry.dependencies, mask, backend)


def _axes_of_mask(key: str, symmetry: Symmetry, types: Sequence[Symmetry]) -> tuple[str, ...]:
    """The axes that the mask of an axis, or of a type, has."""
    if key in symmetry.classes:
        return (*symmetry.ancestors(key), key)
    if not isinstance(key, str) or len(key) < 2:
        axes = ", ".join(symmetry.classes) or "none"
        raise ShapeError(f"a mask was given for the axis '{key}', the type '{symmetry}' has the axes {axes}")
    names = dict.fromkeys("".join(t.axes) for t in types if len(t.axes) > 1 and not t.is_sparse)
    if key not in names:
        raise ShapeError(
            f"a mask was given for the index tuples of a type '{key}', the types with such a mask are "
            f"{', '.join(names) or 'none'}"
        )
    return tuple(key)


def _check_mask(mask: Tensor, key: str, axes: tuple[int, ...], batch: Sequence[int]) -> None:
    if not isinstance(mask, Tensor):
        raise TypeError(f"the mask of '{key}' must be a boolean tensor, got {type(mask).__name__}")
    leading = mask.shape[: max(mask.dim() - len(axes), 0)]
    if mask.dtype != torch.bool or tuple(mask.shape[-len(axes) :]) != axes or not is_broadcastable(leading, batch):
        index = "an index" if len(key) == 1 else "an index tuple"
        raise ShapeError(
            f"the mask of '{key}' must be boolean, True where {index} is present, with shape "
            f"(batch..., {', '.join(map(str, axes))}) and the batch axes of the input, here "
            f"({', '.join(map(str, batch))}); got {mask.dtype} with shape {tuple(mask.shape)}"
        )


def is_broadcastable(shape: Sequence[int], target: Sequence[int]) -> bool:
    """Whether a tensor of this shape can be broadcast to the target shape."""
    pairs = zip(reversed(shape), reversed(target), strict=False)
    fits = [size == 1 or size == expected for size, expected in pairs]  # `size in (1, expected)` misleads dynamo
    return len(shape) <= len(target) and all(fits)


def axes_of(signature: Signature) -> Symmetry:
    """A type that has every axis of the signature once: the axes that masks may be of."""
    return Symmetry.of(signature.classes, signature.dependencies)
