"""Twenty breaks of the core that a test must notice, and breaks of lines chosen by chance.

A break is found by the structure of the source (`sites.py`), so comments, layout and other lines may change. After a
function is renamed or gets another expression of the same kind, test_mutants.py says which entry has to follow.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass

from mutants.sites import SOURCES, Site, sites_of

__all__ = ["CORE", "MUTANTS", "Mutant", "modules_of", "random_mutants"]

CORE = ("symmetry", "signature", "partitions", "terms", "plan", "taylor", "operations", "nn")
TYPES = "test_symmetry.py test_signature.py"
TESTS = {"symmetry": TYPES, "signature": TYPES, "partitions": "test_partitions.py"}


@dataclass(frozen=True)
class Mutant:
    """What is broken, where, and the tests (below tests/, separated by blanks) that run first."""

    name: str
    site: Site
    tests: str


def mutant(name: str, place: str, kind: str, number: int, tests: str) -> Mutant:
    module, function = place.split(":")
    return Mutant(name, Site(module, function, kind, number), tests)


MUTANTS = (
    mutant("Moebius inversion takes away what is coarser", "taylor.lattice:mobius", "operator", 3, "taylor/test_series_bases.py"),
    mutant("the first of the partitions is coarser than others", "taylor.lattice:zeta", "comparison", 1, "taylor/test_series_bases.py"),
    mutant("operands that may be exchanged", "taylor.coefficient:Coefficient.swaps", "comparison", 1, "taylor/test_series_bases.py"),
    mutant("shared coefficients of several inputs", "taylor.type_series:TypeSeries._count", "operator", 3, "taylor/test_series_inputs.py"),
    mutant("the shift of a circle for exchanged factors", "taylor.group_series:Cycle._number_entries", "sign", 3, "taylor/test_permutation.py"),
    mutant("indices that fit into a tuple exactly", "terms.type_set:TypeSet.fits", "comparison", 1, "operations/test_minimal.py"),
    mutant("how many edges could take a new index", "operations.minimal:_can_grow", "number", 3, "operations/test_minimal.py"),
    mutant("the largest part of a split", "operations.hypergraph:Hypergraph.has_split", "operator", 1, "operations/test_minimal.py"),
    mutant("both parts of a split are composed", "operations.closure:Closure._has", "operator", 2, "operations/test_closure.py"),
    mutant("what a pointwise product shares", "operations.recipe:_is_pointwise", "comparison", 1, "operations/test_pooling.py"),
    mutant("which way a group element moves a tensor", "symmetry:GroupElement.act", "call", 5, "test_symmetry.py"),
    mutant("the parent of an axis", "symmetry:Symmetry.parent_of", "comparison", 1, "test_symmetry.py"),
    mutant("equal steps of a plan are one", "plan.builder:Builder.add_step", "call", 11, "plan nn/test_pool.py"),
    mutant("the order of the factors of a matrix product", "plan.kernel:Kernel.of", "condition", 4, "plan nn/test_pool.py"),
    mutant("the order of the output's axes", "plan.kernel:Expansion.of", "call", 3, "plan nn/test_pool.py nn/test_linear.py"),
    mutant("what a mean divides by under a mask", "nn.context:Context.counts", "condition", 1, "nn/test_context.py"),
    mutant("the scale of sums and of contractions", "nn.context:Context._make_factors", "condition", 1, "nn/test_pool.py"),
    mutant("gradients of the chunks of a loop", "nn.looped:_differentiate_looped", "call", 9, "nn/test_looped.py"),
    mutant("results on different diagonals", "nn.pooled:nest", "operator", 2, "nn/test_linear.py nn/test_layer.py"),
    mutant("ties count against the network", "tasks.kg.ranking:rank_scores", "operator", 3, "tasks/test_kg_evaluate.py"),
)  # fmt: skip


def modules_of(packages: tuple[str, ...]) -> Iterator[str]:
    """The modules below the packages, or the modules themselves."""
    for package in packages:
        path = SOURCES / package
        files = sorted(path.rglob("*.py")) if path.is_dir() else [path.with_suffix(".py")]
        yield from (".".join(f.relative_to(SOURCES).with_suffix("").parts).removesuffix(".__init__") for f in files)


def random_mutants(number: int, seed: int, packages: tuple[str, ...] = CORE) -> list[Mutant]:
    """Breaks of `number` different lines, chosen by the seed; the tests are those of the module's own folder."""
    by_line: dict[tuple[str, int], list[Site]] = {}
    for module in modules_of(packages):
        for site, node in sites_of(module).items():
            by_line.setdefault((module, node.lineno), []).append(site)
    chance = random.Random(seed)
    lines = chance.sample(list(by_line), min(number, len(by_line)))
    choices = [(line, chance.choice(by_line[line])) for line in lines]
    return [
        Mutant(f"{module}, line {line}: {site.kind}", site, TESTS.get(module, module.partition(".")[0]))
        for (module, line), site in choices
    ]
