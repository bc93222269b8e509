"""The examples in the docstrings of `einnet.operations`."""

import pytest

from docstrings import assert_examples_hold, modules_of


@pytest.mark.parametrize("module", modules_of("einnet.operations"))
def test_the_examples_of_a_module_hold(module):
    assert_examples_hold(module)
