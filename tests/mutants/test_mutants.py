"""The list of mutants is about the sources as they are; `python tests/mutants` tries them."""

from pathlib import Path

import pytest

import einnet
from mutants.mutants import MUTANTS


def test_there_are_twenty_in_the_core():
    assert len({m.name for m in MUTANTS}) == len({(m.file, m.before) for m in MUTANTS}) == 20


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: m.name)
def test_the_line_is_there_once_and_what_replaces_it_can_be_compiled(mutant):
    path = Path(einnet.__file__).parent / mutant.file
    whole = path.read_text()
    assert whole.count(mutant.before) == 1
    compile(whole.replace(mutant.before, mutant.after), mutant.file, "exec")
    tests = Path(__file__).parents[1]
    assert all((tests / name).exists() for name in mutant.tests.split())
