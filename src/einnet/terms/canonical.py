"""The order of indices in which something is smallest, where there are too many orders to compare them all."""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from einnet.errors import EinNetError

__all__ = ["FEW_ORDERS", "cells_of", "ranks", "smallest_order"]

FEW_ORDERS = 1000  # which are compared one by one
MOST_WORK = 10_000  # refinements, times the indices of each

Index = TypeVar("Index", bound=Hashable)
Colours = dict[Index, int]


def ranks(keys: Mapping[Index, Any]) -> Colours:
    """The place of each key among the sorted ones; equal keys share the first place.

    >>> ranks({"x": "b", "y": "a", "z": "b"})
    {'x': 1, 'y': 0, 'z': 1}
    """
    first: dict[Any, int] = {}
    for place, key in enumerate(sorted(map(_hashable, keys.values()))):
        first.setdefault(key, place)
    return {i: first[_hashable(key)] for i, key in keys.items()}


def _hashable(key: Any) -> Any:
    return tuple(map(_hashable, key)) if isinstance(key, list | tuple) else key


def cells_of(colours: Mapping[Any, int]) -> list[list]:
    """The indices of each colour, by colour."""
    cells: dict[int, list] = {}
    for index, colour in colours.items():
        cells.setdefault(colour, []).append(index)
    return [cells[c] for c in sorted(cells)]


def smallest_order(
    colours: Colours, refined: Callable[[Colours], Colours], form: Callable[[Sequence[Index]], Any], what: str
) -> list[Index]:
    """The order with the smallest form, of those that the colours leave open once ties are broken in each way.

    A tie is broken by giving one index of the first cell a colour of its own, and refining again. Two orders
    with the same form are a symmetry; of indices that known symmetries take into each other one is enough.

    Source: McKay, Practical Graph Isomorphism (1981), without his pruning of worse forms.
    """
    return _Search(refined, form, what, len(colours)).best_below(colours)


class _Search:
    def __init__(self, refined: Callable, form: Callable, what: str, size: int):
        self.refined, self.form, self.what = refined, form, what
        self.left = MOST_WORK // max(size, 1)
        self.kept: list[tuple[Any, list]] = []  # the first order and the smallest one, after their forms
        self.symmetries: list[dict] = []

    def best_below(self, colours: Colours) -> list:
        self._explore(colours, ())
        return self.kept[-1][1]

    def _explore(self, colours: Colours, fixed: tuple) -> None:
        cell = next((c for c in cells_of(colours) if len(c) > 1), None)
        if cell is None:
            self._reached(sorted(colours, key=colours.__getitem__))
            return
        done: list = []
        for index in cell:
            if index not in self._images(done, fixed):
                done.append(index)
                self._explore(self._apart(colours, index), (*fixed, index))

    def _apart(self, colours: Colours, index: Any) -> Colours:
        self.left -= 1
        if self.left < 0:
            raise EinNetError(
                f"{self.what} is too symmetric: more than {MOST_WORK // len(colours):,} ways to break ties between its "
                f"{len(colours):,} indices would be compared; use fewer operands"
            )
        return self.refined({i: 2 * c + (i != index) for i, c in colours.items()})

    def _reached(self, order: list) -> None:
        found = self.form(order)
        for form, other in self.kept:
            if form == found:
                self.symmetries.append(dict(zip(other, order, strict=True)))
                return
        if not self.kept or found < self.kept[-1][0]:
            self.kept = [*self.kept[:1], (found, order)]

    def _images(self, indices: Iterable, fixed: tuple) -> set:
        """What the symmetries that leave `fixed` alone make of these indices."""
        maps = [s for s in self.symmetries if all(s[i] == i for i in fixed)]
        return set(_closure(indices, maps))


def _closure(indices: Iterable, maps: Sequence[Mapping]) -> Iterator:
    todo, seen = list(indices), set()
    while todo:
        index = todo.pop()
        if index not in seen:
            seen.add(index)
            yield index
            todo += [m[index] for m in maps]
