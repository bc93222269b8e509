"""Canonical labelling: the order of indices in which a term, or a hypergraph, has its smallest form."""

from bisect import bisect_left
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby, permutations, product
from math import factorial, prod
from typing import Any, TypeVar

from einnet.checks import SearchBudget

__all__ = ["canonical_order", "orders_of_groups"]

FEW_ORDERS = 1000  # which are compared one by one

Index = TypeVar("Index", bound=Hashable)
Colours = dict[Index, int]
Views = Callable[[Colours], Mapping[Index, Any]]


def canonical_order(
    keys: Mapping[Index, Any],  # what tells indices apart at first, the same under every renaming
    views: Views,  # for a colouring, what each index sees of it
    form: Callable[[Sequence[Index]], Any],  # of an order, what is compared
    what: str,  # what messages call the object
    twins: Callable[[list[Index]], list[list[Index]]] | None = None,  # groups of indices that can change places
) -> list[Index]:
    """The order of the indices with the smallest form, of those that refinement leaves open.

    Indices are coloured by their keys, and a colour is split while its indices have different views of the others.
    Where few orders are left, their forms are compared; else a search breaks ties and refines again.

    Source: McKay, Practical Graph Isomorphism (1981), without his pruning of worse forms.
    """
    colours = _refine(_ranks(keys), views)
    cells = _cells(colours)
    groups = [[[v] for v in cell] if twins is None or len(cell) == 1 else twins(cell) for cell in cells]
    number = prod(factorial(len(c)) // prod(factorial(len(g)) for g in gs) for c, gs in zip(cells, groups, strict=True))
    if number == 1:
        return [v for cell in cells for v in cell]
    if number <= FEW_ORDERS:
        orders = ([v for part in parts for v in part] for parts in product(*map(orders_of_groups, groups)))
        return min(orders, key=form)
    return _Search(views, form, f"{what} is too symmetric").best_below(colours)


def orders_of_groups(groups: list[list[Index]]) -> Iterator[tuple[Index, ...]]:
    """All orders of the indices in which those of one group stay in order.

    >>> list(orders_of_groups([["a", "b"], ["c"]]))
    [('a', 'b', 'c'), ('a', 'c', 'b'), ('c', 'a', 'b')]
    """
    if all(len(group) == 1 for group in groups):
        yield from permutations(group[0] for group in groups)
        return
    for k, (first, *rest) in enumerate(groups):
        for order in orders_of_groups([*groups[:k], *([rest] if rest else []), *groups[k + 1 :]]):
            yield (first, *order)


def _refine(colours: Colours, views: Views) -> Colours:
    """Splits colours until all indices of one colour have the same view."""
    while True:
        seen = views(colours)
        finer = _ranks({i: (c, seen[i]) for i, c in colours.items()})
        if len(set(finer.values())) == len(set(colours.values())):
            return finer
        colours = finer


def _ranks(keys: Mapping[Index, Any]) -> Colours:
    """The place of each key among the sorted ones; equal keys share the first place."""
    ordered = sorted(keys.values())
    return {i: bisect_left(ordered, key) for i, key in keys.items()}


def _cells(colours: Mapping[Index, int]) -> list[list[Index]]:
    """The indices of each colour, by colour."""
    ordered = sorted(colours, key=colours.__getitem__)
    return [list(cell) for _, cell in groupby(ordered, key=colours.__getitem__)]


class _Search:
    """The search for the smallest form by breaking ties: one index of the first cell gets a colour of its own.

    Two orders with the same form are a symmetry; of indices that known symmetries take into each other one is enough.
    """

    def __init__(self, views: Views, form: Callable, what: str):
        self.views, self.form = views, form
        self.budget = SearchBudget(what, "tie_breaks", "use fewer operands")
        self.orders: list[tuple[Any, list]] = []  # the first order and the smallest one, after their forms
        self.symmetries: list[dict] = []

    def best_below(self, colours: Colours, fixed: tuple = ()) -> list:
        cell = next((c for c in _cells(colours) if len(c) > 1), None)
        if cell is None:
            self._compare(sorted(colours, key=colours.__getitem__))
        done: list = []
        for index in cell or ():
            if index not in self._images(done, fixed):
                done.append(index)
                self.budget.spend(len(colours))
                split = {i: 2 * c + (i != index) for i, c in colours.items()}
                self.best_below(_refine(split, self.views), (*fixed, index))
        return self.orders[-1][1]

    def _compare(self, order: list) -> None:
        form = self.form(order)
        if equal := next((known for known_form, known in self.orders if known_form == form), None):
            self.symmetries.append(dict(zip(equal, order, strict=True)))
        elif not self.orders or form < self.orders[-1][0]:
            self.orders = [*self.orders[:1], (form, order)]

    def _images(self, indices: Iterable, fixed: tuple) -> set:
        """What the symmetries that leave `fixed` alone make of these indices."""
        maps = [s for s in self.symmetries if all(s[i] == i for i in fixed)]
        todo, images = list(indices), set()
        while todo:
            if (index := todo.pop()) not in images:
                images.add(index)
                todo += [m[index] for m in maps]
        return images
