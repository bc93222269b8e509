"""Series of many functions as they print, with their parameters and values, as stored in tables.txt."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from annotations import assert_annotated
from einnet import laurent, linear_maps, series, series_of
from einnet.taylor import Representation, lorentz, orthogonal, permutations, rotations
from einnet.taylor.expansion import Series
from stored import assert_stored, write_tables

FILE = Path(__file__).with_name("tables.txt")
TURN, MIRROR = [1, 2, 3, 0], [3, 2, 1, 0]
SERIES: dict[str, Callable[[], Series]] = {
    "numbers": lambda: series("->", 2),
    "vector": lambda: series("a -> a", 3),
    "vector, sizes": lambda: series("a -> a", 3, sizes={"a": 2}),
    "vector, commutative": lambda: series("a -> a", 3, sizes={"a": 3}, commutative=True),
    "matrix": lambda: series("ab -> ba", 2, sizes={"a": 2, "b": 3}, commutative=True),
    "relation": lambda: series("aa -> aa", 2),
    "features": lambda: series("aH -> H", 2, sizes={"a": 2, "H": 2}, commutative=True),
    "two inputs": lambda: series("a, aa -> a", 2, sizes={"a": 3}),
    "two inputs, commutative": lambda: series("a, bH -> abH", 2, sizes={"a": 2, "b": 2, "H": 2}, commutative=True),
    "lists": lambda: series("ab -> a; a->b", 2, sizes={"a": 2, "b": 2}),
    "lists of lists": lambda: series("abc -> abc; a->b, b->c", 1),
    "sparse": lambda: series("[aa] -> a", 2),
    "new axis": lambda: series("a -> ab", 1, sizes={"a": 2, "b": 3}),
    "too many": lambda: series("aa -> aa", 5),
    "cycle": lambda: series_of([TURN], 3),
    "cycle, commutative": lambda: series_of([TURN], 3, commutative=True),
    "cycle, equivariant": lambda: series_of([TURN], 2, out_generators=[TURN]),
    "cycle, turned output": lambda: series_of([TURN], 1, out_generators=[[3, 0, 1, 2]]),
    "dihedral": lambda: series_of([TURN, MIRROR], 2, out_generators=[TURN, MIRROR], commutative=True),
    "mirror": lambda: series_of([MIRROR], 2),
    "sign": lambda: series_of([MIRROR], 2, out_generators=[[1, 0]]),
    "no symmetry": lambda: series_of([[0, 1, 2]], 1),
    "long cycle": lambda: series_of([[*range(1, 40), 0]], 2),
}
LAURENT = {
    "two": (2, [-1, 0, 1]), "three": (3, range(-2, 3)), "shifted": (3, range(-2, 3), [[1, 2, 0]]),
    "uneven": (3, [-2, 1, 3]), "one": (1, [0, 1]), "none": (2, [1, 2]), "large": (40, range(-5, 6)),
}  # fmt: skip
GROUPS = {
    "rotations": lambda: rotations(3), "orthogonal": lambda: orthogonal(2), "lorentz": lambda: lorentz(2),
    "permutations": lambda: permutations(3), "mirror": lambda: Representation([[[1, 0], [0, -1]]]),
    "dual": lambda: lorentz(1).dual, "pairs": lambda: permutations(2) @ rotations(2), "sum": lambda: rotations(2) + rotations(2) ** 2,
}  # fmt: skip


def wave(*shape: int) -> np.ndarray:
    return np.sin(1.7 * np.arange(int(np.prod(shape)), dtype=float) + 1).reshape(shape)


def describe(one: Series) -> str:
    """The table of a series, the parameter at each entry and the value at some point."""
    lines = [str(one)]
    if one.total > 300:
        return "\n".join(lines)
    lines.append(f"{one.dof} {one.heading}")
    sizes = getattr(one, "sizes", None)
    if isinstance(sizes, dict):
        full = {"H": one.features} | sizes
        x = tuple(wave(*(full[c] for c in t.axes), *[full["H"]] * t.features) for t in one.signature.inputs)
        bases = ("contraction", "orbit")
    elif hasattr(one, "signature"):
        lines += [
            f"{k}: {' '.join(map(str, one.contractions(k)))}" for k in range(one.order + 1) if len(one.words(k)) == 1
        ]
        return "\n".join([*lines, *(f"{n}: {one.dof_at(dict.fromkeys(one.signature.classes, n))}" for n in (1, 2, 3))])
    else:
        x, bases = (wave(one.size),), ("orbit",)
    for basis in bases:
        y = one.evaluate(x if len(x) > 1 else x[0], wave(one.total), basis=basis)
        lines.append(f"{basis} {np.shape(y)} {np.round(y.sum(), 6)} {np.round(np.square(y).sum(), 6)}")
    if len(one.panels(1)) == 1:
        lines.append(str(one.sharing(1).tolist()))
    return "\n".join(lines)


def describe_laurent(*arguments) -> str:
    one = laurent(*arguments)
    if one.dof > 100:
        return str(one)
    y = one.evaluate(wave(2, one.n) + 2, wave(one.dof))
    return "\n".join([str(one), str(one.exponents.tolist()), str(one.sharing.tolist()), str(np.round(y, 6).tolist())])


def describe_maps(v: Representation) -> str:
    lines = [repr(v), *(str(np.round(m.toarray(), 6).tolist()) for m in (*v.generators, *v.lie_algebra))]
    for source, target in ((v, v), (v, v**0), (v**2, v), *[(v**2, v**2)] * (v.dimension < 4)):
        maps = linear_maps(source=source, target=target)
        lines.append(f"{maps} {np.round(np.abs(maps.basis).sum((1, 2)), 6).tolist()}")
    return "\n".join(lines)


CASES: dict[str, Callable[[], str]] = {
    **{f"series of {name}": lambda make=make: describe(make()) for name, make in SERIES.items()},
    **{f"laurent {name}": lambda a=arguments: describe_laurent(*a) for name, arguments in LAURENT.items()},
    **{f"maps of {name}": lambda make=make: describe_maps(make()) for name, make in GROUPS.items()},
}


@pytest.mark.parametrize("name", CASES)
def test_a_table_is_the_stored_one(name):
    assert_stored(FILE, name, CASES[name]())


def test_functions_return_what_they_are_annotated_with():
    assert_annotated("einnet.taylor", CASES)


if __name__ == "__main__":
    write_tables(FILE, CASES)
