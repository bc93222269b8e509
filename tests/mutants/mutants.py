"""Twenty lines of the core, each with a break of it that a test must notice."""

from dataclasses import dataclass

__all__ = ["MUTANTS", "Mutant"]


@dataclass(frozen=True)
class Mutant:
    """A piece of a line that occurs once in a file of src/einnet, what it is replaced by, and where to test first."""

    name: str
    file: str
    before: str
    after: str
    tests: str  # below tests/, separated by blanks; the whole suite follows where these notice nothing


MUTANTS = (
    Mutant(
        "the sign of the Moebius function",
        "taylor/lattice.py",
        "(-1) ** (m - 1) * factorial(m - 1)",
        "factorial(m - 1)",
        "taylor/test_series_bases.py",
    ),
    Mutant(
        "Moebius: blocks below different parents differ anyway",
        "taylor/lattice.py",
        "mu[(size > 1) & (highest != lowest)] = 0",
        "mu[(size > 2) & (highest != lowest)] = 0",
        "taylor/test_series_bases.py",
    ),
    Mutant(
        "Moebius: a partition that does not exist at small sizes",
        "taylor/lattice.py",
        "np.append(values, factor * inverse[r][1])",
        "np.append(values, inverse[r][1])",
        "taylor/test_series_bases.py",
    ),
    Mutant(
        "the number of shared coefficients of several inputs",
        "taylor/type_series.py",
        "factorial(k) // prod(map(factorial, Counter(word).values()))",
        "factorial(k)",
        "taylor/test_series_inputs.py",
    ),
    Mutant(
        "the shift of a circle when its first two factors change places",
        "taylor/group_series.py",
        "shifts = [-place[first], *",
        "shifts = [place[first], *",
        "taylor/test_permutation.py",
    ),
    Mutant(
        "multiplicity in the test whether indices fit into a tuple",
        "terms/type_set.py",
        "any(counts <= shape for shape in self.maximal)",
        "any(set(counts) <= set(shape) for shape in self.maximal)",
        "operations/test_minimal.py",
    ),
    Mutant(
        "how many edges could take a new index",
        "operations/minimal.py",
        "if len(takers) >= 2 or",
        "if len(takers) >= 3 or",
        "terms/test_type_set.py operations/test_minimal.py",
    ),
    Mutant(
        "the largest part of a split",
        "operations/hypergraph.py",
        "range(2, len(self.edges) // 2 + 1)",
        "range(2, len(self.edges) // 2)",
        "operations/test_minimal.py",
    ),
    Mutant(
        "both parts of a split must be composed",
        "operations/closure.py",
        "any(self._has(inner, budget) and self._has(outer, budget) for",
        "any(self._has(inner, budget) for",
        "operations/test_closure.py",
    ),
    Mutant(
        "what a pointwise product shares",
        "operations/recipe.py",
        "shared <= output for",
        "shared < output for",
        "operations/test_pooling.py",
    ),
    Mutant(
        "which way a group element moves a tensor",
        "symmetry.py",
        "source, rank = self.inverse().maps, len(symmetry.axes)",
        "source, rank = self.maps, len(symmetry.axes)",
        "test_symmetry.py",
    ),
    Mutant(
        "the inverse of a permutation of lists",
        "symmetry.py",
        "inverted[c] = per_list[self._move(inverted, c)]",
        "inverted[c] = per_list",
        "test_symmetry.py",
    ),
    Mutant(
        "steps of a plan that differ in the index they keep",
        "plan/plan.py",
        "key = (sources, operands, frozenset(letters[i] for i in output))",
        "key = (sources, operands, len(output))",
        "plan nn/test_pool.py",
    ),
    Mutant(
        "the axis of a diagonal",
        "plan/kernel.py",
        "names = [n for k, n in enumerate(names) if k not in (first, second)] + [name]",
        "names = [name] + [n for k, n in enumerate(names) if k not in (first, second)]",
        "nn/test_pool.py nn/test_linear.py",
    ),
    Mutant(
        "the order of the output's axes",
        "plan/execute.py",
        "own_axes = sorted(f for f in axes if f >= 0)",
        "own_axes = [f for f in axes if f >= 0]",
        "nn/test_pool.py nn/test_linear.py",
    ),
    Mutant(
        "what a mean divides by under a mask",
        "nn/masks.py",
        "if parent.get(index) not in term.summed_indices:",
        "if True:",
        "nn/test_masks.py",
    ),
    Mutant(
        "the scale of sums and of contractions",
        "nn/pool.py",
        "power = -1.0 if term.order == 1 else -0.5",
        "power = -0.5 if term.order == 1 else -1.0",
        "nn/test_pool.py",
    ),
    Mutant(
        "gradients of the chunks of a loop are added up",
        "nn/loops.py",
        "narrow(total, tup, slices).add_(part)",
        "narrow(total, tup, slices).copy_(part)",
        "nn/test_loops.py",
    ),
    Mutant(
        "parts that lie on different diagonals are not added early",
        "nn/fanout.py",
        "if len(g) > _held(g) > _held(frame) and _same(g, frame) and _holds(g, frame)]",
        "if len(g) > _held(g) > _held(frame) and _holds(g, frame)]",
        "nn/test_linear.py nn/test_layer.py",
    ),
    Mutant(
        "ties count against us",
        "tasks/kg/evaluate.py",
        "pessimistic.append(1 + above + equal)",
        "pessimistic.append(1 + above)",
        "tasks/test_kg_evaluate.py",
    ),
)
