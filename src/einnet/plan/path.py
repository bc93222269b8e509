"""Contraction paths: the order in which the operands of a term are contracted, two at a time, and its cost."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from math import comb
from typing import Any

import opt_einsum

from einnet.checks import check_count, check_limit
from einnet.terms.term import Term

__all__ = ["Contraction", "choose_loop", "contraction_steps", "cost_exponent", "reduce_operands", "split_by_cost"]

Tuple = tuple[str, ...]
REPRESENTATIVE_SIZE = 32  # of each axis, for which paths are compared
SEARCHED_OPERANDS = 9  # terms of more operands get a greedy path


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
