"""`Plan`: a set of terms as pairwise steps, made once, run at any size.

Each operand of a term is first reduced: diagonals taken, indices of this operand alone summed. The reduced operands are
contracted two at a time along the path that opt_einsum finds for representative sizes. Where that would make a tensor
of more axes than the types have, all operands are contracted in one step that loops over some indices. The *compact
result* has each index of the output once, without those that are broadcast; a linear map of the output can be applied
to it, as it is smaller. The `Result` says how it becomes the output.

With sparse types a value is dense, or has a value at each entry of a support. A sparse operand of which at most one
index is needed elsewhere is summed to a dense value. A term splits where some of its operands meet the rest in indices
of one tuple, see `split.py`; the pieces with sparse operands that do not split are joins.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate

from einnet.errors import EinNetError
from einnet.plan.builder import Builder
from einnet.plan.cost import Cost
from einnet.plan.step import Result, Step
from einnet.symmetry import Symmetry, as_symmetry
from einnet.terms.term import IndexMap, Term, as_terms
from einnet.terms.type_set import Types, TypeSet

__all__ = ["Plan", "Result", "Step"]


@dataclass(frozen=True)
class Plan:
    """Terms as pairwise steps.

    >>> plan = Plan.make(["ab,dc,ae,ac,db->de"], Symmetry("aa"))
    >>> plan
    plan of ab,dc,ae,ac,db->de
     step  contraction  reads  FLOPs  size
        5  ab,cb->ac    0, 4    2a^3   a^2
        6  ab,cb->ac    1, 3    2a^3   a^2
        7  ab,ba->ab    5, 6     a^2   a^2
        8  ab,ac->bc    2, 7    2a^3   a^2
    FLOPs 6a^3 + a^2, largest intermediate a^2, per feature

    Of sparse types, with `|[ab]|` edges and `|[ab][ac][bc]|` triangles:

    >>> Plan.make(["[ab],[bc],c->[ac]", "b,[ba]->a"], ("a", "[aa]"))
    plan of [ab],[bc],c->[ac]  b,[ba]->a
     step  contraction      reads            FLOPs    size
        5  [ab],[bc]->[ac]  0, 1   2|[ab][ac][bc]|  |[ab]|
        6  a,[ba]->[ba]     2, 5            |[ab]|  |[ab]|
        7  a,[ab]->b        3, 4           2|[ab]|       a
    FLOPs 2|[ab][ac][bc]| + 3|[ab]|, largest intermediate |[ab]|, per feature
    """

    terms: tuple[Term, ...]
    sources: tuple[tuple[int, ...], ...]
    input_count: int
    steps: tuple[Step, ...]
    results: tuple[Result, ...]
    index_maps: tuple[IndexMap, ...]  # of each term
    summed_axes: tuple[tuple[str, ...], ...]  # the axis of each summed index of each term
    types: tuple[tuple[Symmetry, ...], ...]  # of the tuples of each term, the output last

    @classmethod
    def make(
        cls,
        terms: Sequence[Term | str],
        types: Types | TypeSet,
        output: Symmetry | str | None = None,
        sources: Sequence[Sequence[int]] | None = None,
    ) -> "Plan":
        """The plan of terms of a type set; with `output`, of terms from a type to another one.

        `sources` gives, for each term, the number of the input that each operand is read from; by default each operand
        is an input of its own, in order. Equal steps on equal values are done once.
        """
        parsed = tuple(as_terms(terms))
        type_set = TypeSet.of(types)
        if output is None:
            types_of = [type_set.types_of(t) for t in parsed]
            types = type_set.types
        else:
            types = (type_set.types[0].bare, as_symmetry(output).bare)
            types_of = [((types[0],) * t.order, types[1]) for t in parsed]
        index_maps = tuple(t.index_map(*ts) for t, ts in zip(parsed, types_of, strict=True))
        inputs = _number_inputs(parsed, sources)
        return _make_plan(parsed, inputs, index_maps, True, types, tuple((*ops, out) for ops, out in types_of))

    @classmethod
    def without_types(cls, terms: Sequence[Term], sources: Sequence[Sequence[int]] | None = None) -> "Plan":
        """The plan of terms without types: each index is an axis of its own, and no step has a loop."""
        if sparse := [str(t) for t in terms if any(t.brackets)]:
            raise EinNetError(f"'{sparse[0]}' is of sparse types: use Plan.make, which takes them")
        index_maps = tuple(IndexMap({i: i for i in t.indices}, {}) for t in terms)
        return _make_plan(tuple(terms), _number_inputs(terms, sources), index_maps, False, (), ((),) * len(terms))

    @property
    def flops(self) -> Cost:
        """Multiplications and additions, for each feature."""
        return sum((s.flops for s in self.steps), Cost())

    @property
    def largest(self) -> Cost:
        """The size of the largest intermediate, without inputs and outputs."""
        return max((s.size for s in self.steps), key=lambda size: (size.degree, "|" in str(size)), default=Cost())

    def rows(self) -> list[tuple[str, str, str, str, str]]:
        """A header and a row for each step: its number, the contraction, what it reads, its cost per feature."""
        rows = [("step", "contraction", "reads", "FLOPs", "size")]
        for k, step in enumerate(self.steps, start=self.input_count):
            reads = ", ".join(map(str, step.sources))
            loop = f" for each {', '.join(step.loop)}" if step.loop else ""
            rows.append((str(k), step.equation + loop, reads, str(step.flops), str(step.size)))
        return rows

    def table(self) -> str:
        """The plan as text."""
        rows = self.rows()
        width = [max(len(r[k]) for r in rows) for k in range(5)]
        lines = [f"plan of {'  '.join(map(str, self.terms))}"]
        for a, b, c, d, e in rows:
            lines.append(f" {a:>{width[0]}}  {b:<{width[1]}}  {c:<{width[2]}}  {d:>{width[3]}}  {e:>{width[4]}}")
        lines.append(f"FLOPs {self.flops}, largest intermediate {self.largest}, per feature")
        return "\n".join(lines)

    __repr__ = table


def _number_inputs(terms: Sequence[Term], sources: Sequence[Sequence[int]] | None) -> tuple[tuple[int, ...], ...]:
    if sources is None:
        starts = accumulate((t.order for t in terms), initial=0)
        return tuple(tuple(range(s, s + t.order)) for s, t in zip(starts, terms, strict=False))
    if [len(s) for s in sources] != [t.order for t in terms]:
        raise EinNetError("sources needs one input number for each operand of each term")
    return tuple(tuple(s) for s in sources)


@lru_cache(maxsize=256)
def _make_plan(
    terms: tuple[Term, ...],
    sources: tuple[tuple[int, ...], ...],
    index_maps: tuple[IndexMap, ...],
    has_loops: bool,
    types: tuple[Symmetry, ...],
    types_of: tuple[tuple[Symmetry, ...], ...],  # of the tuples of each term
) -> Plan:
    """The plan of terms; cached, as the layers of a network have equal plans."""
    builder = Builder(1 + max((k for s in sources for k in s), default=-1), has_loops, types)
    axes = [m.classes for m in index_maps]
    results = tuple(map(builder.add, terms, sources, types_of, axes))
    summed_axes = tuple(tuple(a[i] for i in t.summed_indices) for t, a in zip(terms, axes, strict=True))
    return Plan(terms, sources, builder.input_count, tuple(builder.steps), results, index_maps, summed_axes, types_of)
