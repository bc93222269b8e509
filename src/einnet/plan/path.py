"""In which order the operands of a term are contracted, two at a time, and what that costs."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from math import comb

import opt_einsum

from einnet.checks import check_count
from einnet.limits import check_limit
from einnet.terms.term import Term

__all__ = [
    "REPRESENTATIVE_SIZE",
    "Contraction",
    "contraction_steps",
    "cost_exponent",
    "live_operands",
    "loop_of",
    "split_by_cost",
]

Tuple = tuple[str, ...]
REPRESENTATIVE_SIZE = 32
MOST_OPERANDS = 9  # of which the best path is looked for at length


@lru_cache(maxsize=1024)
def contraction_path(operands: tuple[Tuple, ...], output: Tuple) -> list[tuple[int, ...]]:
    """Pairs to contract, as positions in a list from which they are taken and to which the
    contraction is appended; found by opt_einsum for axes of one size."""
    if len(operands) <= 2:
        return [(0, 1)][: len(operands) - 1]
    symbols = {i: opt_einsum.get_symbol(k) for k, i in enumerate(dict.fromkeys(i for t in operands for i in t))}
    live = [i for i in dict.fromkeys(output) if i in symbols]
    *inputs, result = ["".join(symbols[i] for i in t) for t in (*operands, live)]
    equation = ",".join(inputs) + "->" + result
    shapes = [(REPRESENTATIVE_SIZE,) * len(t) for t in operands]
    optimize = "optimal" if len(operands) <= 7 else "auto-hq" if len(operands) <= MOST_OPERANDS else "auto"
    path, _ = opt_einsum.contract_path(equation, *shapes, shapes=True, optimize=optimize)
    return list(path)


@lru_cache(maxsize=1024)
def narrow_path(operands: tuple[Tuple, ...], output: Tuple, most: int) -> list[tuple[int, ...]] | None:
    """The cheapest path whose intermediates have at most `most` axes; None where there is none, or many operands.

    By dynamic programming over sets of operands, written as the bits of a number.
    """
    number = len(operands)
    if number > MOST_OPERANDS:
        return None
    every = 2**number - 1
    inside = [{i for k, t in enumerate(operands) if s >> k & 1 for i in t} for s in range(every + 1)]
    kept = [inside[s] & (inside[every ^ s] | set(output)) for s in range(every + 1)]
    best: dict[int, tuple[int, list[tuple[int, int]]]] = {1 << k: (0, []) for k in range(number)}  # cost, its pairs
    for s in range(1, every + 1):
        if s in best or (s != every and len(kept[s]) > most):
            continue
        halves = [(a, s ^ a) for a in range(s >> 1, 0, -1) if a & s == a and a < s ^ a and {a, s ^ a} <= best.keys()]
        if halves:
            costs = [best[a][0] + best[b][0] + REPRESENTATIVE_SIZE ** len(kept[a] | kept[b]) for a, b in halves]
            cost, (a, b) = min(zip(costs, halves, strict=True))
            best[s] = (cost, [*best[a][1], *best[b][1], (a, b)])
    if every not in best:
        return None
    numbers = {1 << k: k for k in range(number)} | {a | b: number + k for k, (a, b) in enumerate(best[every][1])}
    return [tuple(p) for p in opt_einsum.paths.ssa_to_linear([(numbers[a], numbers[b]) for a, b in best[every][1]])]


def live_operands(term: Term) -> list[Tuple]:
    """Each operand's different indices, without those that it alone has."""
    found = []
    for k, tup in enumerate(term.operands):
        others = {i for j, t in enumerate(term.operands) if j != k for i in t} | set(term.output)
        found.append(tuple(i for i in dict.fromkeys(tup) if i in others))
    return found


@dataclass(frozen=True)
class Contraction:
    """One step, which contracts two values: values are numbered, the operands first, then the result of each step."""

    left: int
    right: int
    indices: Tuple  # all that the step goes through
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
    most = max(map(len, (*operands, output))) if loop else None
    narrow_one = narrow_path(tuple(names), target, most) if most else None
    for places in narrow_one or contraction_path(tuple(names), target):
        left, right = sorted(remaining.pop(k) for k in sorted(places, reverse=True))
        wide, narrow = sorted((names[left], names[right]), key=len, reverse=True)  # whose axes then stay in place
        indices = tuple(dict.fromkeys((*wide, *narrow)))
        needed = {i for k in remaining for i in names[k]} | set(target)
        steps.append(Contraction(left, right, indices, tuple(i for i in indices if i in needed)))
        remaining.append(len(names))
        names.append(steps[-1].output)
    return steps


def loop_of(operands: Sequence[Tuple], output: Tuple, rank: int) -> Tuple:
    """The indices to loop over so that no intermediate has more than `rank` axes; the cheapest ones.

    >>> loop_of([("a", "b"), ("b", "c")], ("a", "c"), 2)
    ()
    >>> bridge = [tuple(t) for t in ("ab", "ac", "bc", "bd", "cd")]
    >>> loop_of(bridge, ("a", "d"), 2)
    ('b',)
    """
    indices = sorted({i for t in operands for i in t})
    compared = 0
    for number in range(max(len(indices), 1)):
        found = []
        compared += comb(len(indices), number) * len(operands)
        what = f"a term of {len(operands)} operands and {len(indices)} indices has paths of {{}} steps"
        check_limit(compared, "path_steps", what, "give a term of fewer operands")
        for loop in combinations(indices, number):
            steps = contraction_steps(operands, output, loop)
            if all(len(step.output) <= rank for step in steps[:-1]):
                sizes = [REPRESENTATIVE_SIZE ** (len(step.indices) + number) for step in steps]
                found.append((sum(sizes), set(loop) <= set(output), loop))
        if found:
            return min(found)[-1]
    raise AssertionError("with all indices but one in the loop every intermediate has one axis")


def cost_exponent(term: Term) -> int:
    """The largest number of indices that a step of the term's plan goes through: it costs n^e for axes of size n.

    >>> cost_exponent(Term("ab,bc->ac")), cost_exponent(Term("ab,ac,bc,bd,cd->ad")), cost_exponent(Term("ab->ac"))
    (3, 4, 2)
    """
    operands = live_operands(term)
    loop = loop_of(operands, term.output, max(map(len, (*term.operands, term.output))))
    steps = [len(step.indices) + len(loop) for step in contraction_steps(operands, term.output, loop)]
    return max([*steps, *(len(set(t)) for t in (*term.operands, term.output))])


def split_by_cost(terms: Iterable[Term], max_exponent: int | None) -> tuple[tuple[Term, ...], tuple[Term, ...]]:
    """The terms that cost at most n^e, and the others; order 1 costs no more than reading its operand."""
    if max_exponent is None:
        return tuple(terms), ()
    check_count(max_exponent, "max_exponent")
    cheap = {t: t.order == 1 or cost_exponent(t) <= max_exponent for t in terms}
    return tuple(t for t, ok in cheap.items() if ok), tuple(t for t, ok in cheap.items() if not ok)
