"""In which order the operands of a term are contracted, two at a time, and what that costs."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import combinations

import opt_einsum

from einnet.terms.term import Term

__all__ = [
    "REPRESENTATIVE_SIZE",
    "contraction_path",
    "exponent",
    "live_operands",
    "loop_of",
    "sliced_widths",
]

Tuple = tuple[str, ...]
REPRESENTATIVE_SIZE = 32


@lru_cache(maxsize=1024)
def contraction_path(operands: tuple[Tuple, ...], output: Tuple) -> list[tuple[int, ...]]:
    """Pairs to contract, as positions in a list from which they are taken and to which the
    contraction is appended; found by opt_einsum for axes of one size."""
    if len(operands) == 1:
        return []
    symbols = {i: opt_einsum.get_symbol(k) for k, i in enumerate(dict.fromkeys(i for t in operands for i in t))}
    live = [i for i in dict.fromkeys(output) if i in symbols]
    *inputs, result = ["".join(symbols[i] for i in t) for t in (*operands, live)]
    equation = ",".join(inputs) + "->" + result
    shapes = [(REPRESENTATIVE_SIZE,) * len(t) for t in operands]
    optimize = "optimal" if len(operands) <= 7 else "auto-hq"
    path, _ = opt_einsum.contract_path(equation, *shapes, shapes=True, optimize=optimize)
    return list(path)


def live_operands(term: Term) -> list[Tuple]:
    """Each operand's different indices, without those that it alone has."""
    found = []
    for k, tup in enumerate(term.operands):
        others = {i for j, t in enumerate(term.operands) if j != k for i in t} | set(term.output)
        found.append(tuple(i for i in dict.fromkeys(tup) if i in others))
    return found


def widths(operands: Sequence[Tuple], output: Tuple) -> Iterator[tuple[Tuple, Tuple]]:
    """For each pair that is contracted: the indices that the step goes through, and those that it keeps."""
    values = list(operands)
    for pair in contraction_path(tuple(operands), output):
        chosen = [values.pop(k) for k in sorted(pair, reverse=True)][::-1]
        every = tuple(dict.fromkeys(i for t in chosen for i in t))
        needed = {i for t in values for i in t} | set(output)
        values.append(tuple(i for i in every if i in needed))
        yield every, values[-1]


def loop_of(operands: Sequence[Tuple], output: Tuple, rank: int) -> Tuple:
    """The indices to loop over so that no intermediate has more than `rank` axes; the cheapest ones.

    >>> loop_of([("a", "b"), ("b", "c")], ("a", "c"), 2)
    ()
    >>> bridge = [tuple(t) for t in ("ab", "ac", "bc", "bd", "cd")]
    >>> loop_of(bridge, ("a", "d"), 2)
    ('b',)
    """
    indices = sorted({i for t in operands for i in t})
    for number in range(max(len(indices), 1)):
        found = []
        for loop in combinations(indices, number):
            steps = list(sliced_widths(operands, output, loop))
            if all(len(kept) <= rank for _, kept in steps[:-1]):
                sizes = [REPRESENTATIVE_SIZE ** (len(every) + number) for every, _ in steps]
                found.append((sum(sizes), set(loop) <= set(output), loop))
        if found:
            return min(found)[-1]
    raise AssertionError("with all indices but one in the loop every intermediate has one axis")


def sliced_widths(operands: Sequence[Tuple], output: Tuple, loop: Tuple) -> Iterator[tuple[Tuple, Tuple]]:
    """What the steps go through and keep once the indices of the loop are fixed."""
    sliced = [tuple(i for i in t if i not in loop) for t in operands]
    return widths(sliced, tuple(i for i in output if i not in loop))


def exponent(term: Term) -> int:
    """The largest number of indices that a step of the term's plan goes through: it costs n^e for axes of size n.

    >>> exponent(Term("ab,bc->ac")), exponent(Term("ab,ac,bc,bd,cd->ad")), exponent(Term("ab->ac"))
    (3, 4, 2)
    """
    operands = live_operands(term)
    loop = loop_of(operands, term.output, max(map(len, (*term.operands, term.output))))
    steps = [len(every) + len(loop) for every, _ in sliced_widths(operands, term.output, loop)]
    return max([*steps, *(len(set(t)) for t in (*term.operands, term.output))])
