"""`pooling`: the smallest set of einsum operations whose compositions are all einsums up to an order."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from einnet.checks import check_choice, check_count, check_flag
from einnet.errors import EinNetError
from einnet.operations.catalogue import compute_operations, read_operations
from einnet.operations.closure import Closure
from einnet.operations.generators import generators
from einnet.operations.recipe import recipe
from einnet.plan.path import cost_exponent, split_by_cost
from einnet.symmetry import Symmetry
from einnet.terms.enumeration import check_term_order
from einnet.terms.term import Term
from einnet.terms.type_set import Types, TypeSet

__all__ = ["PoolingSet", "pooling", "pooling_terms", "reference_terms"]

HIGHEST_ORDER = 3  # of a default set, for types of up to WIDE axes
WIDE = 5

# The formulas of the reference network for "ab", which differ from the minimal set by order or names.
REFERENCE_FORMULAS = tuple(map(Term, ("ab->ab", "ab->ac", "ab->cb", "ab,ab->ab", "ac,bc,ad->bd")))

ByOrder = dict[int, tuple[Term, ...]]


@dataclass(frozen=True)
class PoolingSet:
    """Pooling operations by their number of operands; made by `pooling`.

    >>> len(pooling("aa", order=5)), pooling("aa", order=5).terms[-1].order       # those of order 1 come first
    (7, 5)
    """

    type_set: TypeSet
    order: int
    method: str
    by_order: Mapping[int, tuple[Term, ...]]  # generators at order 1; () at an order that needs no operation
    stages: Mapping[int, tuple[int, ...]]  # of the recipe: the number of terms after each step
    targets: TypeSet | None = None  # the types of the einsums that are generated, if not all types
    left_out: tuple[Term, ...] = ()  # operations that cost more than `max_exponent` allows
    max_exponent: int | None = None

    def __hash__(self) -> int:
        return hash((self.type_set, self.order, self.method, self.terms))

    @property
    def symmetry(self) -> Symmetry:
        """The type; raises if there are several."""
        if self.type_set.has_several_types:
            raise EinNetError(f"this PoolingSet has the types {self.type_set}: use .type_set")
        return self.type_set.types[0]

    @property
    def terms(self) -> tuple[Term, ...]:
        """All operations, those of order 1 first."""
        return tuple(self)

    def __iter__(self) -> Iterator[Term]:
        return (t for terms in self.by_order.values() for t in terms)

    def __len__(self) -> int:
        return sum(map(len, self.by_order.values()))

    def __str__(self) -> str:
        """The lookup table of the type."""
        what = "are kept by the recipe" if self.method == "recipe" else "generate every einsum"
        if self.max_exponent is not None:
            what = f"cost n^{self.max_exponent} at most, of those that {what}"
        if self.targets is not None:
            what += f" of {self.targets}"
        name = f"{self.type_set}, directed" if self.type_set.directed else str(self.type_set)
        lines = [f"{name}: {len(self)} operations {what} up to order {self.order}"]
        for k, terms in self.by_order.items():
            steps = f"  after each step: {', '.join(map(str, self.stages[k]))}" if k in self.stages else ""
            none = "none kept" if any(t.order == k for t in self.left_out) else "none needed"
            lines.append(f"{k}  {'  '.join(map(str, terms)) or none}{steps}")
        if self.left_out:
            lines.append("left out: " + ", ".join(f"{t} (n^{cost_exponent(t)})" for t in self.left_out))
        return "\n".join(lines)

    __repr__ = __str__


def pooling(
    types: Types | TypeSet,
    order: int,
    method: str = "minimal",
    *,
    targets: Types | TypeSet | None = None,
    max_exponent: int | None = None,
    directed: bool = False,
) -> PoolingSet:
    """The set of pooling operations of a type, or of several types, up to an order.

    >>> operations = pooling("aaH", order=5)
    >>> [str(t) for k in (2, 3, 4, 5) for t in operations.by_order[k]]
    ['ab,ab->ab', 'ab,bc->ac', 'ab,ac,bc,bd,cd->ad']
    >>> print(pooling("ab; a->b", order=4))
    ab; a->b: 4 operations generate every einsum up to order 4
    1  ab->ab  ab->cd  ab->ac
    2  ab,ab->ab
    3  none needed
    4  none needed

    >>> pooling("aa", order=5, max_exponent=3).left_out      # without what costs more than a matrix product
    (Term('ab,ac,bc,bd,cd->ad'),)

    Matrices and the relations over their rows and columns, for einsums of matrices only:

    >>> operations = pooling(("ab", "aa", "bb"), order=6, targets="ab")
    >>> [len(operations.by_order[k]) for k in (2, 3, 4, 5, 6)]
    [7, 0, 0, 0, 0]
    >>> pooling("aa", order=4, method="recipe").stages[4]
    (6719, 6719, 1436, 144, 50)

    A sparse type, whose results are stored on its support, needs each cycle without chords:

    >>> print(pooling("[aa]", order=4))
    [aa]: 9 operations generate every einsum up to order 4
    1  [ab]->[ab]  [ab]->[ba]  [ab]->[ac]  [aa]->[aa]  [ab]->[cd]
    2  [ab],[ab]->[ab]  [ab],[bc]->[ac]
    3  [ab],[bc],[cd]->[ad]
    4  [ab],[bc],[cd],[de]->[ae]
    >>> [str(t) for t in pooling("[aa]", order=2, directed=True).by_order[2][1:]]       # four triangles
    ['[ab],[ac]->[bc]', '[ab],[bc]->[ac]', '[ab],[bc]->[ca]', '[ac],[bc]->[ab]']

    The minimal set is graded by order, the number of operands; constants do not count. Order 1 has generators of all
    order-1 operations (swaps, diagonals, sums); a higher order has one representative of every largest term that no
    terms of lower order compose. Linear mixing and residuals add no compositions (theorem 2), so the set is also what
    a network of such layers needs. Several types are over the same classes; feature axes do not matter.

    Args:
        method: "minimal", or "recipe" for the steps of the blog post (see `recipe`), which leave more operations.
        targets: the types of the operands and the output of the einsums to generate; by default all types.
        max_exponent: leave out operations of order 2 or more whose plan costs more than n^e for axes of size n.
        directed: for supports of `[aa]` that may have (i, j) without (j, i); an operation then has directions.

    Raises `NotationError` for types that cannot be read, `EinNetError` for other wrong arguments.

    Source: docs/pooling.md, theorems 1 to 4.
    """
    type_set, order = TypeSet.of(types, directed=check_flag(directed, "directed")), check_term_order(order)
    max_exponent = None if max_exponent is None else check_count(max_exponent, "max_exponent")
    target_set = None if targets is None else TypeSet.of(targets, directed=directed)
    stages: dict[int, tuple[int, ...]] = {}
    if check_choice(method, "method", ("minimal", "recipe")) == "recipe":
        by_order, stages = _apply_recipe(type_set, order, target_set)
    elif target_set is None:
        by_order = _minimal_set(type_set, order)
    else:
        by_order = _minimal_subset(type_set, target_set, order)
    terms, left_out = split_by_cost([t for terms in by_order.values() for t in terms], max_exponent)
    by_order = {k: tuple(t for t in terms if t.order == k) for k in by_order}
    return PoolingSet(type_set, order, method, by_order, stages, target_set, left_out, max_exponent)


def _apply_recipe(type_set: TypeSet, order: int, targets: TypeSet | None) -> tuple[ByOrder, dict[int, tuple[int, ...]]]:
    if type_set.has_several_types or type_set.has_sparse_types or targets is not None:
        problem = f"got the types {type_set} and targets {targets}"
        raise EinNetError(f"the recipe takes one type without brackets and no targets, {problem}")
    results = [recipe(type_set.types[0], k) for k in range(order, 0, -1)]  # too high an order is refused first
    by_order, stages = (dict(enumerate(reversed(column), start=1)) for column in zip(*results, strict=True))
    return by_order, stages


def _minimal_set(type_set: TypeSet, order: int) -> ByOrder:
    known = read_operations(type_set)
    highest_first = range(order, 0, -1)  # too high an order is refused before others are computed
    by_order = {k: known[k] if k in known else compute_operations(type_set, k) for k in highest_first}
    return dict(reversed(by_order.items()))


def _minimal_subset(type_set: TypeSet, targets: TypeSet, order: int) -> ByOrder:
    """The smallest part of the minimal set that generates all einsums of the targets.

    It is enough to generate the minimal set of the targets. Operations of higher order are added only if lower ones
    do not suffice; then those that the rest composes are removed, the highest order first.
    """
    if foreign := [t for t in targets.types if t not in type_set.types]:
        raise EinNetError(f"the target '{foreign[0]}' is none of the types {type_set}")
    terms = [t for k, terms in _minimal_set(targets, order).items() if k > 1 for t in terms]
    goals = [targets.with_typed_indices(t) if type_set.has_several_types else t for t in terms]

    def is_enough(ops: list[Term]) -> bool:
        closure = Closure(ops, type_set)
        return all(term in closure for term in goals)

    subset: list[Term] = []
    for k in range(2, order + 1):
        if is_enough(subset):
            break
        subset += _minimal_set(type_set, k)[k]
    for op in reversed(subset):
        if is_enough(rest := [t for t in subset if t is not op]):
            subset = rest
    return {1: generators(type_set), **{k: tuple(t for t in subset if t.order == k) for k in range(2, order + 1)}}


def pooling_terms(types: Types | TypeSet, order: int | None = None, symmetric: bool = False) -> tuple[Term, ...]:
    """The minimal set of a type, or of several, up to an order; without one, the default set.

    It is a set for any support; with `symmetric`, the smaller one for supports that have with (i, j) also (j, i).

    The default order is the smallest with an operation that is no product: 3 for `ab`, 2 for `aa`. It is 2 if all
    operations up to order 3 are products (`a`, `ab; a->b`), and for types of six axes or more. The default set has only
    operations that cost no more than a matrix product, n^(axes + 1); with sparse types, only order 1 and products.

    >>> [str(t) for t in pooling_terms(Symmetry("aaH"))]
    ['ab->ab', 'aa->aa', 'ab->ba', 'ab->ac', 'ab,ab->ab', 'ab,bc->ac']
    >>> [str(t) for t in pooling_terms(Symmetry("ab; a->b"))]
    ['ab->ab', 'ab->cd', 'ab->ac', 'ab,ab->ab']
    >>> [str(t) for t in pooling_terms("[ab]H")]
    ['[ab]->[ab]', '[ab]->[ac]', '[ab]->[cb]', '[ab]->[cd]', '[ab],[ab]->[ab]']
    """
    if order is not None:
        return pooling(types, order, directed=not symmetric).terms
    return _default_terms(TypeSet.of(types), symmetric)


def orient(terms: Iterable[Term], type_set: TypeSet) -> tuple[Term, ...]:
    """Terms of order 1 with joint axes of sparse tuples in all orders: what they do on symmetric supports, on any.

    >>> [str(t) for t in orient([Term("a->[ab]")], TypeSet.of(("a", "[aa]")))]
    ['a->[ab]', 'a->[ba]']
    """
    oriented: dict[Term, Term] = {}
    for term in terms:
        (source,), output = type_set.types_of(term)
        for operand in _orders(type_set, source, term.operands[0]):
            for result in _orders(type_set, output, term.output):
                image = Term.of([operand], result, term.brackets)
                oriented.setdefault(_canonical(image, type_set), image)
    return tuple(oriented.values())


def _canonical(term: Term, type_set: TypeSet) -> Term:
    return (type_set.with_typed_indices(term) if type_set.has_several_types else term).canonical()


def _orders(type_set: TypeSet, symmetry: Symmetry, tup: tuple[str, ...]) -> list[tuple]:
    return type_set.support_with(symmetry, tup) if symmetry.is_sparse else [tup]


def needs_symmetric_support(terms: Sequence[Term], type_set: TypeSet) -> bool:
    """Whether terms go from (i, j) to (j, i), and lack an operation that a support without (j, i) needs for this.

    >>> types = TypeSet.of(("a", "[aa]"))
    >>> [needs_symmetric_support(pooling(types, 2, directed=d).terms, types) for d in (False, True)]
    [True, False]
    """
    first = [t for t in terms if t.order == 1]
    known = {_canonical(t, type_set) for t in first}
    has_reverse = any(t.brackets == (True, True) and t.output == t.operands[0][::-1] != t.operands[0] for t in first)
    return has_reverse and not known.issuperset(_canonical(t, type_set) for t in orient(first, type_set))


@lru_cache(maxsize=64)
def _default_terms(type_set: TypeSet, symmetric: bool) -> tuple[Term, ...]:
    if type_set.has_sparse_types:
        terms = [t for t in pooling(type_set, 2) if t.order == 1 or len({*t.operands, t.output}) == 1]
        number = sum(t.order == 1 for t in terms)
        return tuple(terms) if symmetric else (*orient(terms[:number], type_set), *terms[number:])
    axes = max(len(t.axes) for t in type_set.types)
    for order in range(2, (HIGHEST_ORDER if axes <= WIDE else 2) + 1):
        terms = pooling(type_set, order, max_exponent=axes + 1).terms
        if sum(t.order > 1 for t in terms) > 1:
            return terms
    return pooling(type_set, 2).terms


def reference_terms(symmetry: Symmetry, order: int | None = None) -> tuple[Term, ...]:
    """The operations of `pooling_terms` as they are in the reference network's formulas."""
    terms = pooling_terms(symmetry, order)
    if symmetry.bare.canonical() != Symmetry("ab"):
        return terms
    by_canonical = {t.canonical(): t for t in terms}
    shared = [t for t in REFERENCE_FORMULAS if by_canonical.pop(t.canonical(), None)]
    return (*shared, *by_canonical.values())
