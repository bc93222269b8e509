"""Contraction paths: the order in which the operands of a term are contracted, two at a time, and its cost."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from math import comb
from typing import Any

import opt_einsum

from einnet.checks import check_count, check_limit
from einnet.terms.term import Term

__all__ = [
    "Contraction",
    "choose_loop",
    "contraction_steps",
    "cost_exponent",
    "find_looped_steps",
    "reduce_operands",
    "split_by_cost",
]

Tuple = tuple[str, ...]
REPRESENTATIVE_SIZE = 32  # of each axis, for which paths are compared
SEARCHED_OPERANDS = 9  # terms of more operands get a greedy path
SPLIT_OPERANDS = 7  # of loops of more operands not every last step is compared


@lru_cache(maxsize=1024)
def find_path(operands: tuple[Tuple, ...], output: Tuple, rank: int | None = None) -> list[tuple[int, ...]] | None:
    """The pairs to contract, by opt_einsum: places in a list of which two go and their contraction is appended.

    With `rank`, the cheapest path whose intermediates have at most so many axes; None if there is none, or for
    many operands.
    """
    if len(operands) <= 2:
        return [(0, 1)][: len(operands) - 1]
    if rank is not None and len(operands) > SEARCHED_OPERANDS:
        return None
    symbols = {i: opt_einsum.get_symbol(k) for k, i in enumerate(dict.fromkeys(i for t in operands for i in t))}
    live = [i for i in dict.fromkeys(output) if i in symbols]
    *inputs, result = ["".join(symbols[i] for i in t) for t in (*operands, live)]
    shapes = [(REPRESENTATIVE_SIZE,) * len(t) for t in operands]
    search: Any = "optimal" if len(operands) <= 7 else "auto-hq" if len(operands) <= SEARCHED_OPERANDS else "auto"
    memory = None
    if rank is not None:
        search = opt_einsum.DynamicProgramming(minimize="flops", search_outer=True, cost_cap=False)
        memory = REPRESENTATIVE_SIZE**rank
    equation = ",".join(inputs) + "->" + result
    try:
        return list(opt_einsum.contract_path(equation, *shapes, shapes=True, optimize=search, memory_limit=memory)[0])
    except RuntimeError:  # no path fits into memory
        return None


def reduce_operands(operands: Sequence[Tuple], output: Tuple) -> list[Tuple]:
    """Each operand's different indices, without those of this operand alone."""
    uses = Counter(i for t in (*operands, output) for i in set(t))
    return [tuple(i for i in dict.fromkeys(t) if uses[i] > 1) for t in operands]


@dataclass(frozen=True)
class Contraction:
    """One step, which contracts two values: values are numbered, the operands first, then the result of each step."""

    left: int
    right: int
    indices: Tuple  # of both values
    output: Tuple


def contraction_steps(operands: Sequence[Tuple], output: Tuple, loop: Tuple = ()) -> list[Contraction]:
    """The pairwise contractions of operands, along the path for the indices that are not in the loop.

    Inside a loop, a path whose intermediates are no larger than operands and output comes before a cheaper one.

    >>> contraction_steps([("a", "b"), ("b", "c"), ("c", "d")], ("a", "d"))[0]
    Contraction(left=0, right=1, indices=('a', 'b', 'c'), output=('a', 'c'))
    """
    names = [tuple(i for i in t if i not in loop) for t in operands]
    target = tuple(i for i in dict.fromkeys(output) if i not in loop)
    remaining: list[int] = list(range(len(names)))
    steps: list[Contraction] = []
    narrow_path = find_path(tuple(names), target, max(map(len, (*operands, output)))) if loop else None
    for places in narrow_path or find_path(tuple(names), target) or ():
        left, right = sorted(remaining.pop(k) for k in sorted(places, reverse=True))
        wide, narrow = sorted((names[left], names[right]), key=len, reverse=True)  # the wide one's axes stay in place
        indices = tuple(dict.fromkeys((*wide, *narrow)))
        needed = {i for k in remaining for i in names[k]} | set(target)
        steps.append(Contraction(left, right, indices, tuple(i for i in indices if i in needed)))
        remaining.append(len(names))
        names.append(steps[-1].output)
    return steps


@lru_cache(maxsize=1024)
def find_looped_steps(operands: tuple[Tuple, ...], output: Tuple, loop: Tuple) -> list[Contraction]:
    """As `contraction_steps` for the parts of a loop, whose indices are named too; the dearest step comes last.

    Of paths that cost the same the backward pass of this one costs least: it computes all values again but the last.
    Axes stand as a product of matrices wants them.

    >>> bridge = (("a", "b"), ("a", "c"), ("b", "c"), ("b", "d"), ("c", "d"))
    >>> for step in find_looped_steps(bridge, ("a", "d"), ("b",)):
    ...     print(step.left, step.right, "".join(step.output))
    0 1 abc
    3 4 bcd
    2 6 bcd
    5 7 ad
    """
    steps = contraction_steps(operands, output, loop)
    if len(operands) <= SPLIT_OPERANDS:
        rank = max(map(len, (*operands, output)))
        candidates = [steps, *_list_splits(operands, output, loop, rank)]
        steps = min(candidates, key=lambda steps: _count_twice(steps, len(operands)))
    return _name_loop(steps, operands, output, loop)


def _list_splits(operands: Sequence[Tuple], output: Tuple, loop: Tuple, rank: int) -> Iterator[list[Contraction]]:
    """For each way to cut the operands into two parts the steps that contract each part, then both."""
    numbers = range(len(operands))
    for size in range(1, len(operands) // 2 + 1):
        for part in combinations(numbers, size):
            rest = tuple(k for k in numbers if k not in part)
            steps, values = [], []
            for own, outer in ((part, rest), (rest, part)):
                outside = {i for k in outer for i in operands[k]} | {*output}
                boundary = tuple(dict.fromkeys(i for k in own for i in operands[k] if i in outside))
                places = [*own, *(len(operands) + len(steps) + k for k in range(len(own) - 1))]
                for s in contraction_steps([operands[k] for k in own], boundary, loop):
                    steps.append(Contraction(places[s.left], places[s.right], s.indices, s.output))
                values.append((places[-1], tuple(i for i in boundary if i not in loop)))
            if all(len(s.output) <= rank for s in steps):
                (left, names), (right, more) = values
                indices = tuple(dict.fromkeys((*names, *more)))
                yield [*steps, Contraction(left, right, indices, tuple(i for i in output if i not in loop))]


def _count_twice(steps: Sequence[Contraction], number: int) -> tuple[int, int]:
    """The cost forward and backward, where the values of all steps but the last are computed again."""
    costs = [REPRESENTATIVE_SIZE ** len(s.indices) for s in steps]
    return 4 * sum(costs) - costs[-1], number


def _name_loop(
    steps: Sequence[Contraction], operands: Sequence[Tuple], output: Tuple, loop: Tuple
) -> list[Contraction]:
    """The steps with the indices of the loop, and the axes of each value in the order in which it is read."""
    names: list[Tuple] = list(operands)
    for k, s in enumerate(steps, start=1):
        indices = tuple(dict.fromkeys((*names[s.left], *names[s.right])))
        read = {i for later in steps[k:] for v in (later.left, later.right) if v < len(names) for i in names[v]}
        names.append(tuple(i for i in indices if i in s.output or (i in loop and (i in read or i in output))))
    names[-1] = output
    for number, s in reversed(list(enumerate(steps, start=len(operands)))):
        order = names[number]
        shared = [i for i in names[s.left] if i in names[s.right]]
        batch = [i for i in order if i in shared]
        summed = sorted((i for i in shared if i not in order), key=lambda i: i not in loop)
        for value, first in ((s.left, True), (s.right, False)):
            own = [i for i in order if i in names[value] and i not in shared]
            places = [*batch, *own, *summed] if first else [*batch, *summed, *own]
            if not summed:
                places = [i for i in order if i in names[value]]
            if value >= len(operands):
                names[value] = tuple(places)
    return [
        Contraction(s.left, s.right, tuple(dict.fromkeys((*names[s.left], *names[s.right]))), names[number])
        for number, s in enumerate(steps, start=len(operands))
    ]


def choose_loop(operands: Sequence[Tuple], output: Tuple, rank: int) -> Tuple:
    """The cheapest indices to loop over so that no intermediate has more than `rank` axes.

    >>> choose_loop([("a", "b"), ("b", "c")], ("a", "c"), 2)
    ()
    >>> bridge = [tuple(t) for t in ("ab", "ac", "bc", "bd", "cd")]
    >>> choose_loop(bridge, ("a", "d"), 2)
    ('b',)
    """
    if len(operands) < 2:
        return ()
    indices = sorted({i for t in operands for i in t})
    compared = 0
    for number in range(max(len(indices), 1)):
        candidates = []
        compared += comb(len(indices), number) * len(operands)
        what = f"a term of {len(operands)} operands and {len(indices)} indices has paths of {{}} steps"
        check_limit(compared, "path_steps", what, "give a term of fewer operands")
        for loop in combinations(indices, number):
            steps = contraction_steps(operands, output, loop)
            if all(len(step.output) <= rank for step in steps[:-1]):
                sizes = [REPRESENTATIVE_SIZE ** (len(step.indices) + number) for step in steps]
                candidates.append((sum(sizes), set(loop) <= set(output), loop))
        if candidates:
            return min(candidates)[-1]
    raise AssertionError("with all indices but one in the loop every intermediate has one axis")


def cost_exponent(term: Term) -> int:
    """The largest number e of indices of a step: the term costs n^e for axes of size n.

    >>> cost_exponent(Term("ab,bc->ac")), cost_exponent(Term("ab,ac,bc,bd,cd->ad")), cost_exponent(Term("ab->ac"))
    (3, 4, 2)
    """
    operands = reduce_operands(term.operands, term.output)
    loop = choose_loop(operands, term.output, max(map(len, (*term.operands, term.output))))
    steps = [len(step.indices) + len(loop) for step in contraction_steps(operands, term.output, loop)]
    return max([*steps, *(len(set(t)) for t in (*term.operands, term.output))])


def split_by_cost(terms: Iterable[Term], max_exponent: int | None) -> tuple[tuple[Term, ...], tuple[Term, ...]]:
    """The terms that cost at most n^e, and the costly ones; order 1 costs no more than reading its operand."""
    if max_exponent is None:
        return tuple(terms), ()
    max_exponent = check_count(max_exponent, "max_exponent")
    is_cheap = {t: t.order == 1 or cost_exponent(t) <= max_exponent for t in terms}
    return tuple(t for t in is_cheap if is_cheap[t]), tuple(t for t in is_cheap if not is_cheap[t])
