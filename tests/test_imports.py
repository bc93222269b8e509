"""What stays light: the mathematics and the command line import no torch."""

import subprocess
import sys

import pytest

HEAVY = ["torch", "lightning", "matplotlib", "pykeen"]


def list_heavy_imports(code: str) -> set[str]:
    """The heavy packages in sys.modules after running the code in a new interpreter."""
    check = f"\nimport sys; print('loaded', *[m for m in {HEAVY} if m in sys.modules])"
    process = subprocess.run([sys.executable, "-c", code + check], capture_output=True, text=True, check=True)
    return set(process.stdout.splitlines()[-1].split()[1:])


@pytest.mark.parametrize(
    "code",
    [
        "import einnet",
        "import einnet.symmetry, einnet.terms, einnet.plan, einnet.errors, einnet.files, einnet.operations.catalogue",
        "import einnet; einnet.Plan.make(['ab,bc->ac'], einnet.Symmetry('aa')); dir(einnet)",
        "import einnet; einnet.Symmetry('ab').random_element({'a': 2, 'b': 2})",
        "from einnet.cli import main; main(['--help'])",
        "from einnet.cli import main; main(['train', 'kg', '--help'])",
    ],
    ids=["package", "strata", "plan", "group", "help", "help of train"],
)
def test_no_torch_is_imported(code):
    assert list_heavy_imports(code) == set()


def test_the_check_can_fail():
    assert list_heavy_imports("import einnet.nn") == {"torch"}


def test_a_name_that_needs_torch_brings_it_when_it_is_used():
    assert list_heavy_imports("import einnet; einnet.EinNet") == {"torch"}
