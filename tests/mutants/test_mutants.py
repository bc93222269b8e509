"""Each break of the list has its place in the sources, and makes a source that can be compiled and is another."""

import ast
from pathlib import Path

import pytest

from mutants.catalogue import CORE, MUTANTS, modules_of, random_mutants
from mutants.sites import break_source, path_of, sites_of

TESTS = Path(__file__).parents[1]


def test_there_are_twenty_of_the_core():
    assert len({m.name for m in MUTANTS}) == len({m.site for m in MUTANTS}) == 20


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: m.name)
def test_a_mutant_has_its_place_and_its_tests(mutant):
    assert path_of(mutant.site.module).exists(), f"{mutant.site}: the module no longer exists"
    sites = sites_of(mutant.site.module)
    functions = sorted({s.function for s in sites if s.kind == mutant.site.kind})
    assert mutant.site in sites, f"{mutant.site} no longer exists; functions with a {mutant.site.kind}: {functions}"
    assert all((TESTS / name).exists() for name in mutant.tests.split())


@pytest.mark.parametrize("module", [*modules_of(CORE)])
def test_every_break_of_a_module_is_another_source(module):
    source = ast.unparse(ast.parse(path_of(module).read_text()))
    for site in list(sites_of(module))[::7]:
        assert ast.unparse(ast.parse(break_source(site))) != source, site


def test_a_seed_chooses_the_same_lines_again():
    chosen = random_mutants(50, seed=1)
    assert chosen == random_mutants(50, seed=1) != random_mutants(50, seed=2)
    assert len({(m.name.partition(":")[0]) for m in chosen}) == 50
    assert {m.site.module.partition(".")[0] for m in random_mutants(5, 1, ("taylor",))} == {"taylor"}
    assert all((TESTS / name).exists() for m in chosen for name in m.tests.split())
